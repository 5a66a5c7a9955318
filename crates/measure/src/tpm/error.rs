//! Why there is no prediction.

use std::io;

use cvmkit_formats::pe;
use thiserror::Error;

use super::stub_version::StubVersion;

/// Why there is no prediction.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// The image, or the kernel in it, is not a PE image.
    #[error("reading the image")]
    Image(#[from] pe::Error),
    /// The image can't be read.
    #[error("reading section `{section}`")]
    Io {
        /// Name of the section.
        section: &'static str,
        /// What the storage said.
        source: io::Error,
    },
    /// The image does not say that it has a systemd stub.
    #[error("no systemd stub: expected section `.sdmagic` with `systemd-stub` and a version")]
    NoStub,
    /// A stub whose rules are not proven.
    #[error("unknown systemd-stub {found}: what it measures is not known, expected {known}")]
    UnknownStub {
        /// The version that was found.
        found: u32,
        /// The versions whose rules are known.
        known: String,
    },
    /// A section without which the measurements are not known.
    #[error("the image has no section `{0}`")]
    MissingSection(&'static str),
    /// A section that comes more than once where the stub looks for one.
    #[error(
        "a profile of the image, or what is before the first, has section `{0}` more than once"
    )]
    RepeatedSection(&'static str),
    /// A profile that the image does not have.
    #[error("the image has no profile {found}, expected one from 0 to {last}", last = count.saturating_sub(1))]
    NoProfile {
        /// Number of the profile that was asked for.
        found: u32,
        /// How many profiles the image has.
        count: usize,
    },
    /// A section too large to be what its name says.
    #[error("section `{section}` has {found} bytes, expected at most {expected}")]
    LargeSection {
        /// Name of the section.
        section: &'static str,
        /// Bytes of the section.
        found: u64,
        /// The most that is read.
        expected: u64,
    },
    /// A command line that is no text.
    #[error("section `.cmdline` is not UTF-8 text from byte {at}")]
    CommandLine {
        /// Byte offset of the first byte that is not UTF-8.
        at: usize,
    },
    /// The stub would add a console of the machine to the command line.
    #[error(
        "the command line has no `console=`: systemd-stub {version} would add one that depends on \
         the machine, and the kernel measures the whole line"
    )]
    NoConsole {
        /// Version of the stub.
        version: StubVersion,
    },
    /// The stub would add a secret of the machine to the initrd.
    #[error(
        "systemd-stub {version} adds a secret of the machine to the initrd when it can keep a \
         random seed in the EFI system partition, and the kernel measures the initrd: put a file \
         named `loader` where the folder would be"
    )]
    BootSecret {
        /// Version of the stub.
        version: StubVersion,
    },
    /// Secure Boot is on and would not start the image.
    #[error(
        "Secure Boot is on, but no signature of the {what} has a certificate of `db`: the firmware \
         would refuse it"
    )]
    NotAuthorized {
        /// The image or the kernel.
        what: &'static str,
    },
}
