//! The machines that an image is measured for: their profiles, and their files beside the image.

use cvmkit_attest::output::{MANIFEST_FILE, REFERENCE_FILE, Role, SUMS_FILE};
use cvmkit_attest::profile::{Profile, Technology};

use super::error::BuildError;
use super::inputs::{Found, Inputs};
use crate::definition::raw::RawPlatform;
use crate::definition::{Input, Platform};
use crate::describe::MachineFile;
use crate::fetch::Origins;
use crate::lock::FIRMWARE_ROLE;
use crate::rootfs::Unused;

/// No profile is longer; those of the program have 2 kB.
const PROFILE_MAX: u64 = 1 << 20;

/// What an image is measured for.
#[derive(Debug, Default)]
pub(crate) struct Machines {
    /// One for each platform of the definition, with its changes and the names of its files.
    pub(crate) profiles: Vec<Profile>,
    /// The files, each once; the definition's firmware first.
    pub(crate) files: Vec<MachineFile>,
}

impl Machines {
    /// The machines of a definition, with their files.
    pub(crate) fn gather(inputs: &Inputs<'_>, origins: Origins<'_>) -> Result<Self, BuildError> {
        let mut gathering = Gathering { inputs, origins, files: Vec::new(), names: Vec::new() };
        let default = inputs.definition.firmware.as_ref();
        if let Some(firmware) = default {
            gathering.file("firmware", firmware, Role::Firmware)?;
        }
        let profiles = inputs.definition.platforms.iter();
        let profiles = profiles.map(|platform| gathering.profile(platform, default));
        let profiles = profiles.collect::<Result<_, _>>()?;
        Ok(Self { profiles, files: gathering.files })
    }
}

/// What to know about the values of the platforms, each profile once.
pub(super) fn notes(inputs: &Inputs<'_>) -> Result<Vec<String>, BuildError> {
    let mut notes = Vec::new();
    for platform in &inputs.definition.platforms {
        let profile = resolved(inputs, platform)?;
        let note = profile.condition().map(|code| format!("{}: {}", profile.name, code.words()));
        notes.extend(note.filter(|note| !notes.contains(note)));
    }
    notes.extend(unused(inputs)?.iter().map(|unused| format!("no effect: {unused}")));
    Ok(notes)
}

/// What the definition says of machines that no value is computed with.
fn unused(inputs: &Inputs<'_>) -> Result<Vec<Unused>, BuildError> {
    let definition = inputs.definition;
    let mut found = Vec::new();
    let mut unused = |key: &str, value: String, why: &str| {
        found.push(Unused { key: key.to_owned(), value, why: why.to_owned() });
    };
    let mut takes_default = false;
    for platform in &definition.platforms {
        let profile = resolved(inputs, platform)?;
        takes_default |= platform.firmware.is_none() && profile.takes_default_firmware();
        if let Some(firmware) = platform.firmware.as_ref().filter(|_| !profile.has_firmware()) {
            let why =
                format!("is beside the image, but `{}` starts without firmware", profile.name);
            unused("platforms.firmware", in_words(firmware), &why);
        }
    }
    if let Some(firmware) = definition.firmware.as_ref().filter(|_| !takes_default) {
        let why = "is beside the image, but no platform is measured with it";
        unused("firmware", in_words(firmware), why);
    }
    let platforms = inputs.raw().platforms;
    let said = |platform: &RawPlatform| serde_json::to_string(platform).ok();
    for (at, platform) in platforms.iter().enumerate() {
        let before = platforms.iter().take(at);
        if before.into_iter().any(|other| said(other) == said(platform)) {
            unused(
                "platforms",
                platform.profile.clone().unwrap_or_default(),
                "says what an earlier one says",
            );
        }
    }
    Ok(found)
}

/// An input as messages name it.
fn in_words(input: &Input) -> String {
    match input {
        Input::Package { package, path, .. } => format!("{package}: /{path}"),
        Input::Local { path, .. } => path.clone(),
    }
}

/// The profile of a platform, which may be a file beside the definition.
fn resolved(inputs: &Inputs<'_>, platform: &Platform) -> Result<Profile, BuildError> {
    platform.resolve(|path| {
        let bytes = inputs.folder.read(path, PROFILE_MAX)?;
        String::from_utf8(bytes).map_err(|_| BuildError::ProfileEncoding { path: path.to_owned() })
    })
}

struct Gathering<'a> {
    inputs: &'a Inputs<'a>,
    origins: Origins<'a>,
    files: Vec<MachineFile>,
    /// The input of each file, what it is, and the name it got.
    names: Vec<(Input, Role, String)>,
}

impl Gathering<'_> {
    fn profile(
        &mut self,
        platform: &Platform,
        default: Option<&Input>,
    ) -> Result<Profile, BuildError> {
        let mut profile = resolved(self.inputs, platform)?;
        let firmware = platform.firmware_of(&profile, default);
        if firmware.is_none() && profile.needs_firmware() {
            return Err(profile.invalid("firmware", "nothing", profile.required_firmware()).into());
        }
        let mut file = |key, input: Option<&Input>, role| {
            input.map(|input| self.file(key, input, role)).transpose()
        };
        let key = if platform.firmware.is_some() { "platforms.firmware" } else { "firmware" };
        profile.firmware = file(key, firmware, Role::Firmware)?;
        let (variables, pinned) = (platform.variables.as_ref(), platform.pinned.as_ref());
        profile.variables = file("platforms.variables", variables, Role::FirmwareVariables)?;
        profile.pinned = file("platforms.pinned", pinned, Role::EventLog)?;
        let image = platform.image.as_ref();
        profile.image = file("platforms.image", image, Role::SecureExecutionImage)?;
        if profile.technology == Technology::Se && profile.image.is_none() {
            return Err(profile.invalid("image", "nothing", "a Secure Execution image").into());
        }
        profile.check()?;
        Ok(profile)
    }

    /// Reads a file that was not read yet, which the definition has under `key`, and answers its name
    /// beside the image.
    fn file(&mut self, key: &'static str, input: &Input, role: Role) -> Result<String, BuildError> {
        if let Some((.., name)) =
            self.names.iter().find(|(known, of, _)| known == input && *of == role)
        {
            return Ok(name.clone());
        }
        let Found { bytes, origin, local } =
            self.inputs.input(FIRMWARE_ROLE, key, input, self.origins)?;
        let name = self.name(input, role);
        if !is_plain(&name) {
            return Err(BuildError::MachineFileName { name });
        }
        self.names.push((input.clone(), role, name.clone()));
        self.files.push(MachineFile { name: name.clone(), role, bytes, origin, local });
        Ok(name)
    }

    /// The file's own name, under the suffix that firmware has; where a file of the image or another
    /// one has that, the package or a number before it.
    fn name(&self, input: &Input, role: Role) -> String {
        let (Input::Package { path, .. } | Input::Local { path, .. }) = input;
        let own = path.rsplit('/').next().unwrap_or(path);
        let own = match role {
            Role::Firmware | Role::FirmwareVariables => {
                format!("{}.fd", own.strip_suffix(".fd").unwrap_or(own))
            }
            _ => own.to_owned(),
        };
        let package = match input {
            Input::Package { package, .. } => Some(format!("{package}-{own}")),
            Input::Local { .. } => None,
        };
        let numbered = (2..).map(|number| format!("{number}-{own}"));
        let mut names = [own.clone()].into_iter().chain(package).chain(numbered);
        let of_image = format!("{}.", self.inputs.definition.stem());
        let taken = |name: &String| {
            let described = [MANIFEST_FILE, REFERENCE_FILE, SUMS_FILE].contains(&name.as_str());
            let mut files = self.files.iter();
            described || name.starts_with(&of_image) || files.any(|file| file.name == *name)
        };
        names.find(|name| !taken(name)).unwrap_or(own)
    }
}

/// Whether a file can have that name beside an image.
fn is_plain(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._+~-".contains(&byte);
    !name.starts_with('.') && !name.is_empty() && name.bytes().all(plain)
}
