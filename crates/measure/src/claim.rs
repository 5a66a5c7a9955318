//! What is said of a register beside its value: the [`Condition`]s that a value rests on, or the
//! [`Reason`] why there is none.
//!
//! Both are codes with values. What is published, and digested, holds the codes: rewording one of
//! them here changes no image. The words stand in the same row as the code, so that a new one is one
//! row; they name no option and no key, which whoever asks adds. Codes are never reused, and never
//! renamed without a new schema of the files that hold them.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};

/// An enum of codes: `Variant = "code": "words"`, with `{}` in the words where values go.
#[macro_export]
macro_rules! codes {
    ($(#[$doc:meta])* $name:ident, $kind:literal { $($variant:ident = $code:literal: $words:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum $name {
            $(#[doc = concat!("`", $code, "`: ", $words, ".")] $variant,)+
        }

        impl $name {
            /// Every code, in the order of the source.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The code in lower case with hyphens, as documents have it: never renamed, never reused.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $(Self::$variant => $code,)+ }
            }

            /// The sentence that a person reads, with `{}` where values go.
            #[must_use]
            pub const fn words(self) -> &'static str {
                match self { $(Self::$variant => $words,)+ }
            }
        }

        impl ::std::str::FromStr for $name {
            type Err = $crate::names::UnknownName;

            fn from_str(code: &str) -> Result<Self, Self::Err> {
                let known = Self::ALL.iter().copied().find(|known| known.code() == code);
                let codes = || Self::ALL.iter().map(|known| known.code());
                known.ok_or_else(|| $crate::names::UnknownName::new($kind, code, codes()))
            }
        }

        impl ::serde::Serialize for $name {
            fn serialize<S: ::serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.code())
            }
        }

        impl<'de> ::serde::Deserialize<'de> for $name {
            fn deserialize<D: ::serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let code = <String as ::serde::Deserialize>::deserialize(deserializer)?;
                code.parse().map_err(::serde::de::Error::custom)
            }
        }
    };
}

codes! {
    /// What a value rests on.
    ConditionCode, "condition" {
        NoOptionRom = "no-option-rom": "if no device has an option ROM",
        NoForeignDisk = "no-foreign-disk": "if the firmware tries no other disk first",
        NamedByBootOption = "named-by-boot-option":
            "if a boot option of the machine names the image, and no other loader starts it",
        NoAddedCommandLine = "no-added-command-line":
            "if the machine adds no words to the command line (SMBIOS, boot option)",
        WithoutSecureBoot = "without-secure-boot": "of firmware without Secure Boot",
        NoSecureBootKeys = "no-secure-boot-keys":
            "of firmware with Secure Boot whose variables hold no keys",
        SecureBootOff = "secure-boot-off": "if Secure Boot is off",
        ProviderKeys = "provider-keys":
            "of the given Secure Boot keys, with which the instance must have been created",
        WithoutPartitionTable = "without-partition-table": "of a disk without a partition table",
        PartitionTableKept = "partition-table-kept":
            "if the disk keeps its partition table when it is first booted",
        PinnedByLog = "pinned-by-log":
            "as the log of an earlier boot has it: of the same firmware in the same machine",
        UntilSoftwareExtends = "until-software-extends": "until software of the image extends it",
        UntouchedBeforeUserspace = "untouched-before-userspace":
            "nothing measures into it before userspace",
        NotBooted = "not-booted":
            "computed by the rules that boots of other machines show; no test boots this one",
        QemuRules = "qemu-rules":
            "computed by the rules that hold under QEMU; never compared with this platform's machines",
        DocumentedRules = "documented-rules":
            "computed by the rules that are documented for this platform; never compared with its \
             hardware",
    }
}

impl ConditionCode {
    /// Whether a value that rests on this alone is proven: it is a premise of every boot, and not a
    /// doubt about the rule.
    #[must_use]
    pub const fn is_premise(self) -> bool {
        matches!(self, Self::NoForeignDisk | Self::NoAddedCommandLine)
    }
}

codes! {
    /// What the rule of a value was compared with.
    EvidenceCode, "evidence" {
        Boot = "boot": "boots of {}",
        Oracle = "oracle": "the answers of {}",
        Vector = "vector": "recorded values of {}",
        Document = "document": "only the documentation of {}",
    }
}

codes! {
    /// Why a register has no value.
    ReasonCode, "reason" {
        Ima = "ima": "Linux IMA extends it with the registers before it and with files it reads",
        UserspaceIdentities = "userspace-identities":
            "userspace extends it with identities of the machine and its volumes",
        DynamicLaunch = "dynamic-launch": "for debugging and dynamic launches, not for a boot",
        Applications = "applications": "for applications",
        FirmwareBuild = "firmware-build":
            "decided by the firmware build: the same at every boot of it, so record it once and pin it",
        MachineConfiguration = "machine-configuration":
            "decided by the machine (ACPI tables, boot options, SMBIOS): record it once per \
             configuration and pin it",
        AzureFirmware = "azure-firmware":
            "decided by Azure's firmware and its configuration, which changes without notice",
        AzureBootAttempts = "azure-boot-attempts":
            "Azure's firmware measures boot attempts of its own into it",
        GoogleFirmwareEndorsed = "google-firmware-endorsed":
            "decided by Google's firmware: it publishes signed launch endorsements of each build",
        GoogleFirmware = "google-firmware": "decided by Google's firmware and the machine type",
        AmazonConstant = "amazon-constant":
            "constant according to Amazon's documentation, which gives no value",
        AmazonUndocumented = "amazon-undocumented":
            "Amazon documents PCR 4, 7 and 12 as those that identify an image",
        ProviderKeys = "provider-keys":
            "decided by the Secure Boot keys the instance was created with",
        FirmwareBehaviour = "firmware-behaviour": "decided by how the firmware measures",
        KernelHeader = "kernel-header":
            "decided by whether QEMU patches the kernel's header, and for how much memory",
        FirmwareAndKernelHeader = "firmware-behaviour-and-kernel-header":
            "decided by how the firmware measures, and by whether QEMU patches the kernel's header",
        Undecided = "undecided": "the predictions of this machine differ",
        NothingKnown = "nothing-known": "nothing is known about it",
        NoFirmwareFile = "no-firmware-file": "decided by the firmware, and no firmware file is named",
        AcpiTables = "acpi-tables":
            "the digests of the ACPI tables, which the VMM makes, are not known",
        SmbiosTables = "smbios-tables":
            "firmware of {} measures the SMBIOS tables, expected their digest",
        BootOptions = "boot-options":
            "the firmware measures boot options, and makes them of the devices of the machine and \
             of the variables it keeps",
        VirtualTpm = "virtual-tpm":
            "whether the TD has a virtual TPM is not known: Linux measures its command line and \
             initrd there if it has, and into RTMR 2 only otherwise",
        OldKernel = "old-kernel":
            "Linux {} may not measure its command line and initrd in a TD, as 6.9 and later do",
        ExitBootServices = "exit-boot-services":
            "how often this firmware has to leave boot services after a boot from a disk that it \
             can write to is not known for a TD",
        DiskBus = "disk-bus":
            "decided by the bus of a disk that can be written to, and by how the machine is given its \
             firmware: this firmware leaves boot services once or twice",
        OldKernelForTpm = "old-kernel-for-tpm":
            "Linux {} may not measure its command line and initrd, as 6.1 and later do",
        KernelVersion = "kernel-version":
            "the kernel does not say which version it is: whether it measures its command line and \
             initrd is not known",
        MachineSection = "machine-section":
            "the image has section {}: whether it is measured depends on the machine",
        PinnedFromOtherDisk = "pinned-from-other-disk":
            "the pinned log is of a boot from another kind of disk, or of a kernel from the VMM: boot \
             options, which the firmware measures, name that",
        PinnedWithOtherStub = "pinned-with-other-stub":
            "the stub measures SMBIOS tables, and the pinned log is of a boot with one that does not",
        MemorySize = "memory-size":
            "the size of the memory, which the TD HOB describes, is not known",
        UnknownFirmware = "unknown-firmware":
            "the firmware is not given: what it measures of itself and the machine is not known",
    }
}

/// A value of a condition or a reason: a name, a number, a version, never a sentence.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Word(String);

impl Word {
    /// The text, with `-` for every character that no word has.
    #[must_use]
    pub fn of(text: impl fmt::Display) -> Self {
        let text = text.to_string();
        Self(text.chars().map(|c| if is_of_word(c) { c } else { '-' }).collect())
    }

    /// The text: ASCII letters, digits and `._+:~/-`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_of_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || "._+:~/-".contains(c)
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Word {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.is_empty() || !text.chars().all(is_of_word) {
            let expected = "a name, a number or a version without spaces";
            return Err(serde::de::Error::custom(format!("expected {expected}, found {text:?}")));
        }
        Ok(Self(text))
    }
}

fn with_values(f: &mut fmt::Formatter<'_>, words: &str, values: &[Word]) -> fmt::Result {
    let listed = values.iter().map(Word::as_str).collect::<Vec<_>>().join(", ");
    match words.split_once("{}") {
        Some((before, after)) => write!(f, "{before}{listed}{after}"),
        None if listed.is_empty() => f.write_str(words),
        None => write!(f, "{words}: {listed}"),
    }
}

/// What a value rests on. Displayed in words, without what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Condition {
    /// What must hold for the value, or why there is none.
    pub code: ConditionCode,
    /// Of what, where the code alone does not say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<Word>,
}

impl Condition {
    /// A condition of these values.
    #[must_use]
    pub fn with(code: ConditionCode, values: impl IntoIterator<Item = Word>) -> Self {
        Self { code, values: values.into_iter().collect() }
    }
}

impl From<ConditionCode> for Condition {
    fn from(code: ConditionCode) -> Self {
        Self { code, values: Vec::new() }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        with_values(f, self.code.words(), &self.values)
    }
}

/// What the rule of a value was compared with. Displayed in words.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Evidence {
    /// Boots, an oracle, recorded values, or documentation alone.
    pub code: EvidenceCode,
    /// What was compared with, such as `swtpm` and its version.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<Word>,
}

impl Evidence {
    /// Evidence of this kind: the machines, tools or documents of `values`.
    #[must_use]
    pub fn with(code: EvidenceCode, values: impl IntoIterator<Item = Word>) -> Self {
        Self { code, values: values.into_iter().collect() }
    }
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        with_values(f, self.code.words(), &self.values)
    }
}

/// A value that a register has if the machine is as is said there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Candidate {
    /// How the machine is then, by key.
    pub when: BTreeMap<String, Word>,
    /// The register's value, 64 or 96 hexadecimal digits.
    pub value: String,
}

impl fmt::Display for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} with", self.value)?;
        let mut separator = " ";
        for (key, word) in &self.when {
            write!(f, "{separator}{key} {word}")?;
            separator = " and ";
        }
        Ok(())
    }
}

/// Why a register has no value. Displayed in words, without what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Reason {
    /// What must hold for the value, or why there is none.
    pub code: ReasonCode,
    /// Of what, where the code alone does not say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<Word>,
    /// The values that it can have, where they are few.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub candidates: Vec<Candidate>,
}

impl Reason {
    /// A reason of these values.
    #[must_use]
    pub fn with(code: ReasonCode, values: impl IntoIterator<Item = Word>) -> Self {
        Self { code, values: values.into_iter().collect(), candidates: Vec::new() }
    }
}

impl From<ReasonCode> for Reason {
    fn from(code: ReasonCode) -> Self {
        Self::with(code, [])
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        with_values(f, self.code.words(), &self.values)?;
        let mut separator = ": ";
        for candidate in &self.candidates {
            write!(f, "{separator}{candidate}")?;
            separator = ", ";
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_kebab_case_distinct_and_read_back() {
        fn check(codes: Vec<&'static str>) {
            let mut distinct = codes.clone();
            distinct.sort_unstable();
            distinct.dedup();
            assert_eq!(distinct.len(), codes.len());
            let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            assert!(codes.iter().all(|code| code.chars().all(plain)), "{codes:?}");
        }
        check(ConditionCode::ALL.iter().map(|code| code.code()).collect());
        check(EvidenceCode::ALL.iter().map(|code| code.code()).collect());
        check(ReasonCode::ALL.iter().map(|code| code.code()).collect());
        for code in ConditionCode::ALL {
            let text = serde_json::to_string(&Condition::from(*code)).unwrap();
            assert_eq!(text, format!("{{\"code\":\"{}\"}}", code.code()));
            assert_eq!(serde_json::from_str::<Condition>(&text).unwrap(), (*code).into());
        }
        let error = "no-option-rum".parse::<ConditionCode>().unwrap_err().to_string();
        assert!(error.contains("something like no-option-rom"), "{error}");
    }

    /// What a user does about it depends on where they ask, and is said there.
    #[test]
    fn words_name_no_option_and_no_key() {
        let words = ConditionCode::ALL.iter().map(|code| code.words());
        for words in words.chain(ReasonCode::ALL.iter().map(|code| code.words())) {
            assert!(!words.contains("--") && !words.contains('`'), "{words}");
        }
    }

    #[test]
    fn values_are_words_and_never_sentences() {
        assert_eq!(Word::of("QEMU 10.0 (Debian)").as_str(), "QEMU-10.0--Debian-");
        assert!(serde_json::from_str::<Word>("\"virtio-blk\"").is_ok());
        for prose in ["\"of a disk\"", "\"\"", "\"--vars\\n\""] {
            assert!(serde_json::from_str::<Word>(prose).is_err(), "{prose}");
        }
        let old = Reason::with(ReasonCode::OldKernel, [Word::of("6.1")]);
        assert!(old.to_string().starts_with("Linux 6.1 may not measure"), "{old}");
    }

    #[test]
    fn premises_are_no_doubts() {
        let premises = ConditionCode::ALL.iter().filter(|code| code.is_premise());
        let premises: Vec<_> = premises.map(|code| code.code()).collect();
        assert_eq!(premises, ["no-foreign-disk", "no-added-command-line"]);
    }

    #[test]
    fn values_go_where_the_words_have_room() {
        let values = || ["swtpm", "0.10"].map(Word::of);
        for (shown, expected) in [
            (
                Evidence::with(EvidenceCode::Oracle, values()).to_string(),
                "the answers of swtpm, 0.10",
            ),
            (
                Reason::with(ReasonCode::OldKernelForTpm, [Word::of("6.0")]).to_string(),
                "Linux 6.0 may not measure its command line and initrd, as 6.1 and later do",
            ),
            (Reason::from(ReasonCode::Applications).to_string(), "for applications"),
            (
                Condition::with(ConditionCode::SecureBootOff, values()).to_string(),
                "if Secure Boot is off: swtpm, 0.10",
            ),
            (Condition::from(ConditionCode::SecureBootOff).to_string(), "if Secure Boot is off"),
        ] {
            assert_eq!(shown, expected);
        }
    }

    #[test]
    fn documents_have_codes_and_values_and_nothing_else() {
        let reason = Reason::with(ReasonCode::OldKernel, [Word::of("6.1")]);
        let json = serde_json::to_string(&reason).unwrap();
        assert_eq!(json, r#"{"code":"old-kernel","values":["6.1"]}"#);
        assert_eq!(serde_json::from_str::<Reason>(&json).unwrap(), reason);
        let bare = serde_json::to_string(&Condition::from(ConditionCode::NotBooted)).unwrap();
        assert_eq!(bare, r#"{"code":"not-booted"}"#);
        assert!(serde_json::from_str::<Condition>(r#"{"code":"not-booted","text":"x"}"#).is_err());
        let when =
            [("memory", "4G"), ("vcpus", "2")].map(|(key, word)| (key.to_owned(), Word::of(word)));
        let candidate = Candidate { when: when.into_iter().collect(), value: "ab".into() };
        assert_eq!(candidate.to_string(), "ab with memory 4G and vcpus 2");
    }
}
