//! What a file of an output folder is: one table of names, suffixes and media types.

use std::fmt;

/// What a file is. A manifest has the [name](Self::name).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// The whole disk with its GPT, raw.
    Disk,
    /// The unified kernel image that the disk boots (UAPI.5).
    Uki,
    /// The kernel of a direct boot, a bzImage.
    Kernel,
    /// The initrd of a direct boot, as the VMM hands it over.
    Initrd,
    /// The kernel command line of a direct boot, without a line break at its end.
    CommandLine,
    /// The dm-verity root hash, in hex digits.
    RootHash,
    /// The firmware of a machine, a whole image.
    Firmware,
    /// The variable store of a machine's firmware.
    FirmwareVariables,
    /// The TPM event log of an earlier boot, by which PCR 0 and 1 are pinned.
    EventLog,
    /// A finished Secure Execution image.
    SecureExecutionImage,
    /// `reference-values.json`: what machines will measure.
    ReferenceValues,
}

impl Role {
    /// All of them, in the order in which a build lists them.
    pub const ALL: [Self; 11] = [
        Self::Disk,
        Self::Uki,
        Self::Kernel,
        Self::Initrd,
        Self::CommandLine,
        Self::RootHash,
        Self::Firmware,
        Self::FirmwareVariables,
        Self::EventLog,
        Self::SecureExecutionImage,
        Self::ReferenceValues,
    ];

    /// The role with this [name](Self::name); none for a name of another version.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }

    /// Whether the file is a machine's: an image has any number of those.
    #[must_use]
    pub fn is_of_machine(self) -> bool {
        matches!(
            self,
            Self::Firmware | Self::FirmwareVariables | Self::EventLog | Self::SecureExecutionImage
        )
    }

    /// The name in a manifest, in lower case with hyphens: never renamed.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.row().0
    }

    /// The suffix of the file's name, without its dot; none for a file that has a name of its own.
    #[must_use]
    pub fn suffix(self) -> Option<&'static str> {
        self.row().1
    }

    /// The media type of the file, of IANA's registry.
    #[must_use]
    pub fn media_type(self) -> &'static str {
        self.row().2
    }

    /// The role in the words of messages.
    #[must_use]
    pub fn words(self) -> &'static str {
        self.row().3
    }

    /// Name, suffix, media type, words.
    const fn row(self) -> (&'static str, Option<&'static str>, &'static str, &'static str) {
        const BYTES: &str = "application/octet-stream";
        const UKI: &str = "application/vnd.microsoft.portable-executable";
        match self {
            Self::Disk => ("disk", Some("raw"), "application/vnd.efi.img", "disk"),
            Self::Uki => ("uki", Some("efi"), UKI, "unified kernel image"),
            Self::Kernel => ("kernel", Some("vmlinuz"), BYTES, "kernel"),
            Self::Initrd => ("initrd", Some("initrd"), "application/zstd", "initrd"),
            Self::CommandLine => ("command-line", Some("cmdline"), "text/plain", "command line"),
            Self::RootHash => ("root-hash", Some("roothash"), "text/plain", "root hash"),
            Self::Firmware => ("firmware", None, BYTES, "firmware"),
            Self::FirmwareVariables => {
                ("firmware-variables", None, BYTES, "variables of the firmware")
            }
            Self::EventLog => ("event-log", None, BYTES, "event log"),
            Self::SecureExecutionImage => {
                ("secure-execution-image", None, BYTES, "Secure Execution image")
            }
            Self::ReferenceValues => {
                ("reference-values", None, "application/json", "reference values")
            }
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_role_is_found_by_its_name_alone() {
        for role in Role::ALL {
            assert_eq!(Role::of_name(role.name()), Some(role));
            assert!(!(role.is_of_machine() && role.suffix().is_some()), "{role}");
        }
        for name in ["another", "", "Disk", "command line", "raw"] {
            assert_eq!(Role::of_name(name), None, "{name}");
        }
    }

    /// Names are in published manifests, and suffixes in published file names: none is ever renamed. The
    /// media types are those of IANA's registry.
    #[test]
    fn names_suffixes_and_media_types_are_kept() {
        let bytes = "application/octet-stream";
        let machine = |role, name| (role, name, None, bytes, true);
        for (role, name, suffix, media_type, is_of_machine) in [
            (Role::Disk, "disk", Some("raw"), "application/vnd.efi.img", false),
            (Role::Uki, "uki", Some("efi"), "application/vnd.microsoft.portable-executable", false),
            (Role::Kernel, "kernel", Some("vmlinuz"), bytes, false),
            (Role::Initrd, "initrd", Some("initrd"), "application/zstd", false),
            (Role::CommandLine, "command-line", Some("cmdline"), "text/plain", false),
            (Role::RootHash, "root-hash", Some("roothash"), "text/plain", false),
            machine(Role::Firmware, "firmware"),
            machine(Role::FirmwareVariables, "firmware-variables"),
            machine(Role::EventLog, "event-log"),
            machine(Role::SecureExecutionImage, "secure-execution-image"),
            (Role::ReferenceValues, "reference-values", None, "application/json", false),
        ] {
            assert_eq!((role.name(), role.suffix()), (name, suffix));
            assert_eq!((role.media_type(), role.is_of_machine()), (media_type, is_of_machine));
            assert_eq!(role.to_string(), name);
        }
    }

    /// The manifest's documentation lists the roles that it may have.
    #[test]
    fn the_schema_lists_every_role() {
        let schema = schemars::schema_for!(crate::output::Manifest).to_value();
        let role = &schema["$defs"]["Artifact"]["properties"]["role"]["description"];
        let listed: Vec<&str> = role.as_str().unwrap().split('`').skip(1).step_by(2).collect();
        assert_eq!(listed, Role::ALL.map(Role::name));
    }
}
