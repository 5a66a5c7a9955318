//! What of a unified kernel image is measured.

use std::collections::BTreeMap;

use cvmkit_formats::digest::Digests;
use cvmkit_formats::pe::spec::MACHINE_X86_64;
use cvmkit_formats::pe::uki::SECTION_ORDER;
use cvmkit_formats::pe::{Headers, Section};
use cvmkit_formats::source::{Source as Bytes, Window, read_all};
use serde::Serialize;

use super::error::Error;
use super::newc;
use super::pcr::{PCR_KERNEL_CONFIG, PCR_UKI};
use super::stub::Stub;
use super::unknown::Unknown;
use crate::event::{Event, EventType, PcrIndex, Source};
use crate::linux::{self, KernelVersion};
use crate::uefi::image::{self, Hashing};
use crate::uefi::utf16;

/// The most that is read of a section that is text.
const TEXT_MAX: u64 = 16 << 20;

/// The one section that is not measured: it holds signatures over the measurements.
const SIGNATURE: &str = ".pcrsig";

/// Sections that become files of the initrd, in the order of their archives (systemd-stub(7),
/// "Initrd Resources"; the order is that of the logs).
const EXTRA: [(&str, &str); 4] = [
    (SIGNATURE, "tpm2-pcr-signature.json"),
    (".pcrpkey", "tpm2-pcr-public-key.pem"),
    (".osrel", "os-release"),
    (".profile", "profile"),
];

/// Sections of which the stub uses and measures the one that fits the machine, if one does. The
/// machine is found in `.hwids`; without it by the device tree of the firmware, and no x86 firmware
/// has one (systemd, `pe_locate_sections` in `src/boot/pe.c`).
const MACHINE: [&str; 2] = [".dtbauto", ".efifw"];
const MACHINE_IDS: &str = ".hwids";

/// What starts the sections of a profile; those before the first are for all of them (systemd-stub(7),
/// "PE Sections").
const PROFILE: &str = ".profile";

/// A section that the stub measures, if the image has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct MeasuredSection {
    /// Name of the section, which is measured before it, with a NUL.
    pub name: &'static str,
    /// Of its `VirtualSize` bytes.
    pub digests: Digests,
}

/// A unified kernel image, as digests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Uki {
    /// The stub it starts with.
    pub stub: Stub,
    /// Authenticode digests of the whole.
    pub image: Digests,
    /// Authenticode digests of the kernel in it.
    pub kernel: Digests,
    /// The version of that kernel, if it says one.
    pub kernel_version: Option<KernelVersion>,
    /// The sections in the order of their measurement.
    pub sections: Vec<MeasuredSection>,
    /// Digests of the initrd that the stub puts together.
    pub initrd: Digests,
    /// The command line that the stub hands over.
    pub command_line: String,
    /// Which profile boots, if it is not the first: the stub measures that too.
    #[serde(skip)]
    pub profile: Option<u32>,
    /// Registers that are not known of this image, and why.
    #[serde(skip)]
    pub open: BTreeMap<PcrIndex, Unknown>,
    /// The image's certificate table; empty if nobody signed it.
    #[serde(skip)]
    pub signatures: Vec<u8>,
}

impl Uki {
    /// Reads an image, of which the first profile boots if it has several: as it does unless a boot
    /// option names another.
    ///
    /// # Errors
    /// What makes the measurements unknown: see [`enum@Error`].
    pub fn read<S: Bytes + ?Sized>(image: &S) -> Result<Self, Error> {
        Self::of_profile(image, 0)
    }

    /// Reads an image of which this profile boots, named by the boot option's `@N`.
    ///
    /// # Errors
    /// As [`Uki::read`], and [`Error::NoProfile`].
    pub fn of_profile<S: Bytes + ?Sized>(image: &S, profile: u32) -> Result<Self, Error> {
        let headers = Headers::read(image)?;
        let reader = Reader::new(image, &headers, profile)?;
        let magic = reader.text(".sdmagic")?.ok_or(Error::NoStub)?;
        let stub = Stub::of_magic(&magic)?;
        let kernel = reader.contents(".linux")?.ok_or(Error::MissingSection(".linux"))?;
        Ok(Self {
            stub,
            image: image::authenticode(image)?,
            kernel: image::authenticode(&kernel)?,
            kernel_version: linux::version(&kernel),
            sections: reader.measured()?,
            initrd: reader.initrd()?,
            command_line: reader.command_line(&stub)?,
            profile: (profile > 0).then_some(profile),
            open: reader.open(),
            signatures: image::signatures(image)?,
        })
    }

    /// The events of PCR 12 and 11: the number of a profile that is not the first, as UTF-16 with its
    /// NUL; name with its NUL, then contents, for each section.
    #[must_use]
    pub fn section_events(&self) -> Vec<Event> {
        let profile = self.profile.map(|number| {
            let text = [utf16(&number.to_string()).as_slice(), &[0, 0]].concat();
            Event {
                pcr: PCR_KERNEL_CONFIG,
                event_type: EventType::EV_EVENT_TAG,
                meaning: format!("profile {number} of the image").into(),
                source: Source::UkiSection,
                digests: Digests::of(&text),
            }
        });
        let sections = self.own_section_events();
        profile.into_iter().chain(sections).collect()
    }

    fn own_section_events(&self) -> Vec<Event> {
        let event = |meaning: String, source, digests| Event {
            pcr: PCR_UKI,
            event_type: EventType::EV_IPL,
            meaning: meaning.into(),
            source,
            digests,
        };
        let both = |section: &MeasuredSection| {
            let name = section.name;
            let digests = Digests::of_parts([name.as_bytes(), b"\0"]);
            [
                event(format!("name of section {name}"), Source::UkiSection, digests),
                event(format!("section {name}"), source_of(name), section.digests),
            ]
        };
        self.sections.iter().flat_map(both).collect()
    }
}

fn source_of(section: &str) -> Source {
    match section {
        ".linux" => Source::Kernel,
        ".initrd" => Source::Initrd,
        ".cmdline" => Source::CommandLine,
        _ => Source::UkiSection,
    }
}

struct Reader<'a, S: ?Sized> {
    image: &'a S,
    /// The sections for all profiles, and those of the one that boots, which come before them.
    common: &'a [Section],
    own: &'a [Section],
    is_x86: bool,
}

impl<'a, S: Bytes + ?Sized> Reader<'a, S> {
    fn new(image: &'a S, headers: &'a Headers, profile: u32) -> Result<Self, Error> {
        let is_start = |section: &Section| section.name == PROFILE;
        let mut parts = Vec::new();
        let mut rest = headers.sections.as_slice();
        // Each part but the first begins with what starts a profile.
        while let Some(at) = rest.iter().skip(usize::from(!parts.is_empty())).position(is_start) {
            let (part, behind) = rest.split_at(at + usize::from(!parts.is_empty()));
            parts.push(part);
            rest = behind;
        }
        parts.push(rest);
        let count = parts.len() - 1;
        let own = usize::try_from(profile).ok().and_then(|number| parts.get(number + 1)).copied();
        let own = match (own, profile) {
            (Some(own), _) => own,
            // The first is implied.
            (None, 0) => &[],
            (None, found) => return Err(Error::NoProfile { found, count }),
        };
        let common = parts.first().copied().unwrap_or_default();
        let is_x86 = headers.file.machine.get() == MACHINE_X86_64;
        Ok(Self { image, common, own, is_x86 })
    }

    fn section(&self, name: &'static str) -> Result<Option<&'a Section>, Error> {
        for part in [self.own, self.common] {
            let mut found = part.iter().filter(|section| section.name == name);
            match (found.next(), found.next()) {
                (_, Some(_)) => return Err(Error::RepeatedSection(name)),
                // As the stub does: a section of no bytes is not there.
                (Some(section), None) => {
                    return Ok(Some(section).filter(|section| section.virtual_size != 0));
                }
                (None, None) => {}
            }
        }
        Ok(None)
    }

    fn has(&self, name: &str) -> bool {
        self.own.iter().chain(self.common).any(|section| section.name == name)
    }

    /// What is not known of the image, whatever the machine.
    fn open(&self) -> BTreeMap<PcrIndex, Unknown> {
        let may_fit = !self.is_x86 || self.has(MACHINE_IDS);
        let found = MACHINE.into_iter().find(|name| may_fit && self.has(name));
        found.map(|name| (PCR_UKI, Unknown::MachineSection(name))).into_iter().collect()
    }

    fn contents(&self, name: &'static str) -> Result<Option<Window<&'a S>>, Error> {
        let section = self.section(name)?;
        Ok(section.map(|section| section.contents(self.image)).transpose()?)
    }

    /// The contents of a section that is no larger than text.
    fn text(&self, section: &'static str) -> Result<Option<Vec<u8>>, Error> {
        let Some(contents) = self.contents(section)? else { return Ok(None) };
        let found = contents.len();
        if found > TEXT_MAX {
            return Err(Error::LargeSection { section, found, expected: TEXT_MAX });
        }
        let bytes = read_all(&contents, TEXT_MAX);
        bytes.map(Some).map_err(|source| Error::Io { section, source })
    }

    fn measured(&self) -> Result<Vec<MeasuredSection>, Error> {
        let mut sections = Vec::new();
        let is_measured = |name: &&str| *name != SIGNATURE && !MACHINE.contains(name);
        for name in SECTION_ORDER.into_iter().filter(is_measured) {
            let Some(contents) = self.contents(name)? else { continue };
            let mut hashing = Hashing::default();
            let hashed = hashing.source(&contents, 0..contents.len());
            hashed.map_err(|source| Error::Io { section: name, source })?;
            sections.push(MeasuredSection { name, digests: hashing.digests() });
        }
        Ok(sections)
    }

    /// The initrd: microcode, the image's own, an archive per section that becomes a file; each
    /// filled up to a multiple of four, unless there is one only.
    fn initrd(&self) -> Result<Digests, Error> {
        let mut archives = Vec::new();
        for (section, file) in EXTRA {
            archives.extend(self.text(section)?.map(|contents| newc::archive(file, &contents)));
        }
        let mut own = Vec::new();
        for section in [".ucode", ".initrd"] {
            own.extend(self.contents(section)?.map(|contents| (section, contents)));
        }
        let alone = own.len() + archives.len() == 1;
        if own.is_empty() && archives.is_empty() {
            return Err(Error::MissingSection(".initrd"));
        }
        let mut hashing = Hashing::default();
        for (section, contents) in own {
            let hashed = hashing.source(&contents, 0..contents.len());
            hashed.map_err(|source| Error::Io { section, source })?;
            let filling = contents.len().wrapping_neg() % 4;
            let zeros = [0; 3];
            if let Some(zeros) = usize::try_from(filling).ok().and_then(|len| zeros.get(..len)) {
                hashing.bytes(if alone { &[] } else { zeros });
            }
        }
        archives.iter().for_each(|archive| hashing.bytes(archive));
        Ok(hashing.digests())
    }

    fn command_line(&self, stub: &Stub) -> Result<String, Error> {
        let bytes = self.text(".cmdline")?.ok_or(Error::MissingSection(".cmdline"))?;
        let refused = |error: std::str::Utf8Error| Error::CommandLine { at: error.valid_up_to() };
        std::str::from_utf8(&bytes).map(|text| stub.handed_over(text)).map_err(refused)
    }
}
