//! Intel TDX: what a TD quote says about a TD, predicted from the inputs of its launch.
//!
//! The [`mrtd`] covers the firmware as the VMM builds the TD. What happens then the firmware
//! measures itself, into registers that stand for PCRs: the VMM's description of the memory
//! ([`hob`]), variables, tables, a kernel started by QEMU ([`rtmr`]) or an image on a disk
//! ([`disk`]). [`prediction`] says which registers are known. [`quote`] reads what the hardware
//! answers.
//!
//! Deliberately absent: TD partitioning, service TDs, migration. Oracles: td-shim's
//! `td_shim_tee_info_hash.py`; a real quote with its event log; event logs of OVMF under QEMU.

pub mod disk;
pub mod hob;
pub mod mrtd;
pub mod prediction;
pub mod quote;
pub mod rtmr;

use thiserror::Error;

use crate::firmware::TdvfError;
use crate::gpa::Gpa;

/// Why there is no TD to measure.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The firmware is corrupt, or can't start a TD.
    #[error(transparent)]
    Tdvf(#[from] TdvfError),
    /// Nothing in the firmware is code.
    #[error("the firmware has no BFV section in its TDVF metadata, expected its code there")]
    NoCode,
    /// The MRTD would be the same with other code.
    #[error(
        "the firmware's BFV section at {gpa} is not marked MR.EXTEND: the MRTD would not cover its \
         code"
    )]
    CodeNotMeasured {
        /// Start of the section.
        gpa: Gpa,
    },
    /// The firmware wants the TD HOB in the MRTD.
    #[error(
        "the firmware's TD_HOB section at {gpa} is marked MR.EXTEND, expected its contents in \
         RTMR 0 alone"
    )]
    TdHobExtended {
        /// Start of the section.
        gpa: Gpa,
    },
    /// The TD HOB and its place don't go together.
    #[error("the TD HOB has {found} bytes, expected up to {expected}, the size of its section")]
    TdHobSize {
        /// Bytes of the section.
        expected: u64,
        /// Bytes of the HOB.
        found: u64,
    },
    /// A section of the firmware outside of the machine's memory.
    #[error(
        "the firmware's TDVF section at {gpa} with {size:#x} bytes is not all in the memory of the \
         machine, of which {memory:#x} bytes are below 4 GiB"
    )]
    OutsideMemory {
        /// Start of the section.
        gpa: Gpa,
        /// Bytes of the section.
        size: u64,
        /// Bytes of memory from address 0.
        memory: u64,
    },
}
