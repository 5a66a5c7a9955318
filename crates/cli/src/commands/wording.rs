//! Conditions and reasons as a person reads them: in words, with the option or key that helps. Published files
//! hold their codes alone.

use cvmkit_measure::claim::{Condition, ConditionCode, Reason, ReasonCode};

/// Where the machine is described, and so where to describe more of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// In the options of `measure tpm`.
    TpmOptions,
    /// In the options of `measure tdx`.
    TdOptions,
    /// In the platform of a definition, or in a profile of your own.
    Platform,
}

impl Place {
    fn pick(self, option: &'static str, key: &'static str) -> Option<String> {
        let (given, of) = match self {
            Self::TpmOptions | Self::TdOptions => (option, ""),
            Self::Platform => (key, " of the platform"),
        };
        (!given.is_empty()).then(|| format!("{given}{of}"))
    }
}

/// One condition of a register's value.
pub(crate) fn condition(condition: &Condition, place: Place) -> String {
    let more = match condition.code {
        ConditionCode::WithoutSecureBoot | ConditionCode::SecureBootOff => {
            place.pick("`--vars`", "`variables`").map(|by| format!("give the variables with {by}"))
        }
        ConditionCode::WithoutPartitionTable => {
            place.pick("`--disk`", "").map(|by| format!("give the disk with {by}"))
        }
        _ => None,
    };
    joined(condition.to_string(), more)
}

/// Several conditions, in one line.
pub(crate) fn conditions(conditions: &[Condition], place: Place) -> String {
    let each = conditions.iter().map(|one| condition(one, place));
    each.collect::<Vec<_>>().join("; ")
}

/// A reason why a register has no value.
pub(crate) fn reason(reason: &Reason, place: Place) -> String {
    let by = match reason.code {
        ReasonCode::ProviderKeys => place.pick("`--vars`", "`variables`"),
        ReasonCode::FirmwareBuild | ReasonCode::MachineConfiguration => {
            place.pick("`--pinned`", "`pinned`")
        }
        ReasonCode::FirmwareBehaviour => {
            place.pick("`--firmware-behaviour`", "`firmware-behaviour`")
        }
        ReasonCode::KernelHeader => place.pick("`--kernel-header`", "`vmm-version` and `memory`"),
        ReasonCode::FirmwareAndKernelHeader => place.pick(
            "`--firmware-behaviour` and `--kernel-header`",
            "`firmware-behaviour`, `vmm-version` and `memory`",
        ),
        ReasonCode::DiskBus => {
            place.pick("`--disk-bus` and `--firmware-by`", "`disk-bus` and `firmware-by`")
        }
        ReasonCode::NoFirmwareFile => place.pick("", "`firmware`"),
        ReasonCode::AcpiTables => place.pick(
            "`--acpi-from-qemu`, or `--acpi-loader`, `--acpi-rsdp` and `--acpi-tables`",
            "`[[acpi]]`, in a profile of your own,",
        ),
        ReasonCode::SmbiosTables => place.pick("`--smbios`", "`smbios`, in a profile of your own,"),
        _ => None,
    };
    joined(reason.to_string(), by.map(|by| format!("give it with {by}")))
}

fn joined(words: String, more: Option<String>) -> String {
    match more {
        Some(more) => format!("{words} ({more})"),
        None => words,
    }
}
