//! Why a register stays open while others are predicted.

use serde::Serialize;

use crate::claim::{Reason, ReasonCode, Word};
use crate::linux::KernelVersion;

/// Why a register is not known, while others are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unknown {
    /// A kernel that may not measure what it is given.
    OldKernel {
        /// The version that was found.
        found: KernelVersion,
    },
    /// A kernel that does not say which it is.
    KernelVersion,
    /// Firmware that leaves boot services twice on some machines.
    ExitBootServices,
    /// A section that the stub measures on machines it fits, and not on others.
    MachineSection(&'static str),
    /// The pinned log is of a boot from something else, and boot options name it.
    PinnedDisk,
    /// The pinned log lacks what this stub measures.
    PinnedStub,
}

impl Unknown {
    /// The code that documents have for it.
    #[must_use]
    pub const fn code(self) -> ReasonCode {
        match self {
            Self::OldKernel { .. } => ReasonCode::OldKernelForTpm,
            Self::KernelVersion => ReasonCode::KernelVersion,
            Self::ExitBootServices => ReasonCode::DiskBus,
            Self::MachineSection(_) => ReasonCode::MachineSection,
            Self::PinnedDisk => ReasonCode::PinnedFromOtherDisk,
            Self::PinnedStub => ReasonCode::PinnedWithOtherStub,
        }
    }
}

impl From<Unknown> for Reason {
    fn from(unknown: Unknown) -> Self {
        let values = match unknown {
            Unknown::OldKernel { found } => vec![Word::of(found)],
            Unknown::MachineSection(section) => vec![Word::of(section)],
            _ => Vec::new(),
        };
        Self::with(unknown.code(), values)
    }
}

impl Serialize for Unknown {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Reason::from(*self).serialize(serializer)
    }
}
