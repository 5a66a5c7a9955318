//! The image that an edit will make, as far as it is measured.

use cvmkit_attest::output::Role;
use cvmkit_attest::predict::TdFirmware;
use cvmkit_attest::profile::{Features, Memory, Profile, Technology};
use cvmkit_attest::values::{self, ReferenceValues};
use cvmkit_formats::pe;
use cvmkit_formats::source::read_all;
use cvmkit_formats::tree::{Meta, Tree};
use cvmkit_formats::verity::RootHash;
use cvmkit_host::files::{self, Staging};
use cvmkit_measure::firmware::behaviour::FirmwareBuild;
use cvmkit_measure::firmware::{Firmware, TdvfSectionType};
use cvmkit_measure::snp::{VCPU_TYPES, VcpuType};

use super::earlier::Earlier;
use super::{Edit, PlanError};
use crate::build::external::External;
use crate::build::inputs::Inputs;
use crate::describe::MachineFile;
use crate::image::{self, Parts, RootExtent};

/// Longest section that is taken from a UKI: a guard, an os-release has some 300 bytes.
const SECTION_MAX: u64 = 1 << 20;

/// Everything that decides what is measured.
pub(super) struct PlannedImage {
    kernel: Vec<u8>,
    kernel_release: String,
    /// As it was: the command line in it may be another one now.
    initrd: Vec<u8>,
    /// Whether something else in it changes.
    other_initrd: bool,
    os_release: Vec<u8>,
    stub: Vec<u8>,
    command_line: Vec<String>,
    root: RootExtent,
    machine_files: Vec<MachineFile>,
    profiles: Vec<Profile>,
}

impl PlannedImage {
    /// The earlier image with what is known already of the next.
    pub(super) fn new(
        earlier: &Earlier,
        inputs: &Inputs<'_>,
        external: External,
    ) -> Result<Self, PlanError> {
        let (os_release, kernel_release) = told_by_uki(earlier)?;
        Ok(Self {
            kernel: file(earlier, Role::Kernel, "kernel")?,
            initrd: file(earlier, Role::Initrd, "initrd")?,
            other_initrd: false,
            os_release,
            kernel_release,
            stub: external.stub,
            command_line: inputs.definition.command_line.clone(),
            root: extent(earlier)?,
            machine_files: external.machines.files,
            profiles: external.machines.profiles,
        })
    }

    /// Changes each of these by as little as possible, to something else than it was.
    pub(super) fn apply(&mut self, edits: &[Edit]) -> Result<(), PlanError> {
        for edit in edits {
            match edit {
                Edit::Root => {
                    let other = self.root.root_hash.as_bytes().iter().map(|byte| !byte).collect();
                    self.root.root_hash = RootHash::new(other);
                }
                Edit::Kernel => flip_middle(&mut self.kernel),
                Edit::Initrd => self.other_initrd = true,
                Edit::CommandLine => self.edit_command_line(),
                Edit::Stub => self.edit_stub()?,
                Edit::OsRelease => flip_middle(&mut self.os_release),
                Edit::Firmware => self.edit_firmware(TdvfSectionType::Bfv),
                Edit::FirmwareVariables => self.edit_firmware(TdvfSectionType::Cfv),
                Edit::Vcpus => self.profiles.iter_mut().for_each(add_vcpu),
                Edit::VcpuType => self.profiles.iter_mut().for_each(change_vcpu_type),
                Edit::GuestFeatures => self.profiles.iter_mut().for_each(change_features),
                Edit::Memory => self.profiles.iter_mut().for_each(add_memory),
            }
        }
        Ok(())
    }

    /// The files of the machines.
    pub(super) fn machine_files(&self) -> &[MachineFile] {
        &self.machine_files
    }

    /// One character of the last parameter.
    fn edit_command_line(&mut self) {
        match self.command_line.last_mut() {
            Some(last) => {
                let other = if last.ends_with('x') { 'y' } else { 'x' };
                last.pop();
                last.push(other);
            }
            None => self.command_line.push("x".to_owned()),
        }
    }

    /// One byte of the stub's code, and one of the section that carries its version.
    fn edit_stub(&mut self) -> Result<(), PlanError> {
        if self.stub.is_empty() {
            return Ok(());
        }
        let refused = |source| PlanError::Pe { what: "the stub", source };
        let headers = pe::Headers::read(&self.stub).map_err(refused)?;
        let code = headers.section(".text").map(pe::Section::raw_range);
        let at = code
            .map_or(self.stub.len() as u64 / 2, |code| code.start + (code.end - code.start) / 2);
        let sbat = headers.section(".sbat").map(pe::Section::raw_range);
        flip(&mut self.stub, at);
        if let Some(sbat) = sbat {
            flip(&mut self.stub, sbat.start);
        }
        Ok(())
    }

    /// One byte of every firmware, in that section if it has sections.
    fn edit_firmware(&mut self, section: TdvfSectionType) {
        let firmware = self.machine_files.iter_mut();
        for file in firmware.filter(|file| file.role == Role::Firmware) {
            remember_behaviour(&mut self.profiles, file);
            if let Some(at) = middle_of(&file.bytes, section) {
                flip(&mut file.bytes, at);
            }
        }
    }

    /// Writes the image but for its root file system, and measures it.
    pub(super) fn values(
        &self,
        inputs: &Inputs<'_>,
        scratch: &Staging,
    ) -> Result<ReferenceValues, PlanError> {
        let mut definition = inputs.definition.clone();
        definition.command_line.clone_from(&self.command_line);
        let mut initrd = image::initrd_for(&self.initrd, &image::built_for(&definition))?;
        if self.other_initrd {
            flip_middle(&mut initrd);
            // Nothing keeps its length, which QEMU writes into the header of a kernel that it patches.
            initrd.extend([0; 4]);
        }
        let parts = Parts {
            definition: &definition,
            tree: &Tree::new(Meta::root(0o755, inputs.timestamp.0)),
            kernel: &self.kernel,
            kernel_release: &self.kernel_release,
            initrd: &initrd,
            stub: &self.stub,
            os_release: &self.os_release,
            timestamp: inputs.timestamp,
        };
        let image = image::write_outline(&parts, self.root.clone(), scratch)?;
        for file in &self.machine_files {
            image::stage(scratch, &file.name, &file.bytes)?;
        }
        let measured = image.measured_files(definition.debug, scratch.folder());
        Ok(values::values(&self.profiles, &measured)?)
    }
}

fn file(earlier: &Earlier, role: Role, what: &'static str) -> Result<Vec<u8>, PlanError> {
    let missing = || PlanError::Missing { folder: earlier.folder.clone(), what };
    let name = earlier.manifest.file(role).ok_or_else(missing)?;
    Ok(files::read(&earlier.folder.join(name))?)
}

/// The os-release and the kernel's release, from the UKI; an image without one does not tell.
fn told_by_uki(earlier: &Earlier) -> Result<(Vec<u8>, String), PlanError> {
    if earlier.manifest.file(Role::Uki).is_none() {
        return Ok((Vec::new(), String::new()));
    }
    let uki = file(earlier, Role::Uki, "UKI")?;
    let refused = |source| PlanError::Pe { what: "the UKI", source };
    let headers = pe::Headers::read(&uki).map_err(refused)?;
    let section = |name: &str, what| -> Result<Vec<u8>, PlanError> {
        let missing = || PlanError::Missing { folder: earlier.folder.clone(), what };
        let contents =
            headers.section(name).ok_or_else(missing)?.contents(&uki).map_err(refused)?;
        read_all(&contents, SECTION_MAX).map_err(|_| missing())
    };
    let release = section(".uname", "section `.uname` in its UKI")?;
    let os_release = section(".osrel", "section `.osrel` in its UKI")?;
    Ok((os_release, String::from_utf8_lossy(&release).into_owned()))
}

/// Where the root file system was, and what it hashed to.
fn extent(earlier: &Earlier) -> Result<RootExtent, PlanError> {
    let missing = |what| PlanError::Missing { folder: earlier.folder.clone(), what };
    let len = |name: &str, what| {
        let mut partitions = earlier.manifest.partitions.iter();
        let found = partitions.find(|partition| partition.name == name);
        found.map(|partition| partition.size).ok_or_else(|| missing(what))
    };
    let hash = hex::decode(&earlier.manifest.root.root_hash);
    Ok(RootExtent {
        len: len("root", "partition `root`")?,
        hashes_len: len("root-verity", "partition `root-verity`")?,
        root_hash: RootHash::new(hash.map_err(|_| missing("root hash in hex"))?),
    })
}

fn flip(bytes: &mut [u8], at: u64) {
    if let Some(byte) = usize::try_from(at).ok().and_then(|at| bytes.get_mut(at)) {
        *byte ^= 1;
    }
}

/// The middle of a kernel is its compressed code; what is parsed of it lies at its ends.
fn flip_middle(bytes: &mut [u8]) {
    let middle = bytes.len() as u64 / 2;
    flip(bytes, middle);
}

/// The middle of a section of a TD's firmware; of firmware without sections that of its code, and no
/// place in its variables.
fn middle_of(firmware: &[u8], section: TdvfSectionType) -> Option<u64> {
    let data = Firmware::parse(firmware).ok().and_then(|parsed| {
        let data = parsed.tdvf_section(section).ok()?.data;
        let start = (data.as_ptr() as usize).checked_sub(firmware.as_ptr() as usize)?;
        Some((start + data.len() / 2) as u64)
    });
    let is_code = section == TdvfSectionType::Bfv;
    data.or(is_code.then_some(firmware.len() as u64 / 2))
}

/// What is known of a firmware by its digest is said of the edited one, which has another.
fn remember_behaviour(profiles: &mut [Profile], file: &MachineFile) {
    let is_of = |profile: &&mut Profile| profile.firmware.as_ref() == Some(&file.name);
    for profile in profiles.iter_mut().filter(is_of) {
        let known = TdFirmware::new(file.name.as_ref(), file.bytes.clone()).ok();
        let behaviour = known.and_then(|firmware| firmware.behaviour(None, None).ok());
        match (profile.technology, behaviour) {
            (Technology::Tdx, Some((layout, secure_boot))) => {
                profile.firmware_layout.get_or_insert(layout.to_string());
                profile.secure_boot.get_or_insert(secure_boot);
            }
            (Technology::Tpm, _) => {
                let build = FirmwareBuild::of_file(&file.bytes).ok();
                let name = build.map(|build| build.to_string());
                profile.firmware_behaviour = name.or(profile.firmware_behaviour.take());
            }
            _ => {}
        }
    }
}

fn add_vcpu(profile: &mut Profile) {
    profile.vcpus.iter_mut().for_each(|count| *count += 1);
}

/// The first type with another signature.
fn change_vcpu_type(profile: &mut Profile) {
    for name in &mut profile.vcpu_types {
        let signature = name.parse::<VcpuType>().map(|known| known.signature()).ok();
        let other = VCPU_TYPES.iter().find(|known| Some(known.signature()) != signature);
        *name = other.map_or_else(|| name.clone(), |other| other.name.to_owned());
    }
}

/// Debug swap, which some kernels set.
fn change_features(profile: &mut Profile) {
    if profile.technology == Technology::SevSnp {
        let Features(bits) = profile.guest_features.unwrap_or(Features(1));
        profile.guest_features = Some(Features(bits ^ 0x20));
    }
}

fn add_memory(profile: &mut Profile) {
    profile.memory.iter_mut().for_each(|Memory(bytes)| *bytes = bytes.saturating_add(1 << 30));
}

#[cfg(test)]
mod tests;
