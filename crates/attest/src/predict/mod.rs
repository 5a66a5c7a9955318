//! What a machine will measure when it boots an image, computed from the files of the image as they
//! are: one prediction for each configuration that the machine leaves open.
//!
//! `values` writes predictions down, `compare` holds them against what a machine reports, and
//! the command line prints them: all three ask here.

mod assumptions;
mod disk;
mod error;
mod esp;
mod evidence;
mod initrd;
pub mod register;
mod tdx;
mod tpm;

pub use assumptions::{Assumptions, KernelHeader};
pub use disk::DiskBoot;
pub use error::PredictionError;
pub use evidence::{BOOTED, BOOTED_KERNEL, BOOTED_QEMU, Booted};
pub(crate) use evidence::{Start, alike};
pub(crate) use initrd::initrd_of;
pub(crate) use tdx::RTMR_0;
pub use tdx::{
    FirmwareCause, TdBoot, TdDirectBoot, TdError, TdFirmware, TdMachine, TdPrediction, layouts,
};
pub(crate) use tpm::PATCHED_FOR;
pub use tpm::{Assumed, TpmBoot, TpmDirectBoot, TpmMachine, on_platform, pinned, secure_boot};
