//! Edits by what they reach.

use std::fmt;
use std::str::FromStr;

use cvmkit_host::fault::near;
use serde::{Serialize, Serializer};
use thiserror::Error;

/// Something that an edit changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Edit {
    /// The root file system, and with it the root hash.
    Root,
    /// The kernel.
    Kernel,
    /// The initramfs.
    Initrd,
    /// The kernel command line.
    CommandLine,
    /// The stub of the UKI.
    Stub,
    /// The os-release in the UKI.
    OsRelease,
    /// The code of the firmware.
    Firmware,
    /// The variables in the firmware's file.
    FirmwareVariables,
    /// The number of vCPUs.
    Vcpus,
    /// The type of the vCPUs.
    VcpuType,
    /// The SEV features of the guest.
    GuestFeatures,
    /// The memory of the machine.
    Memory,
}

const NAMES: [(&str, Edit); 12] = [
    ("root", Edit::Root),
    ("kernel", Edit::Kernel),
    ("initrd", Edit::Initrd),
    ("command-line", Edit::CommandLine),
    ("stub", Edit::Stub),
    ("os-release", Edit::OsRelease),
    ("firmware", Edit::Firmware),
    ("firmware-variables", Edit::FirmwareVariables),
    ("vcpus", Edit::Vcpus),
    ("vcpu-type", Edit::VcpuType),
    ("guest-features", Edit::GuestFeatures),
    ("memory", Edit::Memory),
];

/// A name that no edit has.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("unknown edit `{found}`, expected {}", NAMES.map(|(name, _)| name).join(", "))]
pub struct UnknownEdit {
    /// The word that names no edit.
    pub found: String,
    /// The edit with the most similar name, if one is similar.
    pub meant: Option<&'static str>,
}

impl Edit {
    /// What else changes when the package changes that this is from: a kernel's modules are in the
    /// initramfs and in the root file system.
    pub(super) const fn follows(self) -> &'static [Self] {
        match self {
            Self::Kernel => &[Self::Initrd, Self::Root],
            _ => &[],
        }
    }

    /// Every one, in the order of the documentation.
    pub fn all() -> impl Iterator<Item = Self> {
        NAMES.into_iter().map(|(_, edit)| edit)
    }
}

impl FromStr for Edit {
    type Err = UnknownEdit;

    fn from_str(text: &str) -> Result<Self, UnknownEdit> {
        let known = NAMES.iter().find(|(name, _)| *name == text);
        let names = || NAMES.into_iter().map(|(name, _)| name);
        let meant = || near(text, names()).and_then(|near| names().find(|name| *name == near));
        let unknown = || UnknownEdit { found: text.to_owned(), meant: meant() };
        known.map(|(_, edit)| *edit).ok_or_else(unknown)
    }
}

impl fmt::Display for Edit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = NAMES.iter().find(|(_, edit)| edit == self);
        f.pad(name.map_or("", |(name, _)| name))
    }
}

impl Serialize for Edit {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
