//! The files of a launch, read and hashed on two threads.
//!
//! A kernel is most of the bytes, and one SHA-256 can't be shared between processors. So it is
//! hashed on its own, while the other thread reads the firmware, folds its pages, which come first
//! in every launch, and hashes the initrd. The result is that of one thread: the first file in the
//! order of the options that can't be read is the one named.

use cvmkit_engine::digest::Sha256;
use cvmkit_measure::firmware::Firmware;
use cvmkit_measure::gpa::FOUR_GIB;
use cvmkit_measure::snp::{self, LaunchDigest};

use super::super::super::input::{self, InputError};
use super::{Arguments, Mode};

/// What the options name.
pub(super) struct Files {
    /// The firmware.
    pub(super) image: Vec<u8>,
    /// The digest after the pages of the firmware, where nothing but a digest is asked for.
    pub(super) firmware_digest: Option<LaunchDigest>,
    /// The SVSM.
    pub(super) svsm: Option<Vec<u8>>,
    /// The kernel of a direct boot.
    pub(super) kernel: Option<Sha256>,
    /// Its initrd.
    pub(super) initrd: Option<Sha256>,
}

impl Files {
    /// Reads all that the guest mode has a use for.
    pub(super) fn read(arguments: &Arguments) -> Result<Self, InputError> {
        let kernel = arguments.kernel.as_deref().filter(|_| arguments.is_direct());
        let initrd = arguments.initrd.as_deref().filter(|_| arguments.is_direct());
        let images = || Images::read(arguments);
        let (images, kernel, initrd) = match kernel {
            // A thread takes longer to start than there is to gain.
            None => (images(), Ok(None), Ok(None)),
            Some(kernel) => {
                let others = || (images(), initrd.map(input::sha256).transpose());
                let ((images, initrd), kernel) = both(others, || input::sha256(kernel));
                (images, kernel.map(Some), initrd)
            }
        };
        let Images { image, firmware_digest, svsm } = images?;
        Ok(Self { image, firmware_digest, svsm, kernel: kernel?, initrd: initrd? })
    }
}

/// The files that are measured page by page.
struct Images {
    image: Vec<u8>,
    firmware_digest: Option<LaunchDigest>,
    svsm: Option<Vec<u8>>,
}

impl Images {
    fn read(arguments: &Arguments) -> Result<Self, InputError> {
        let image = input::read(&arguments.ovmf, FOUR_GIB)?;
        // Where the list is printed it has to be folded from its start.
        let folds = arguments.mode == Mode::Snp && !arguments.explain;
        let firmware = Firmware::parse(&image).ok().filter(|_| folds);
        let firmware_digest = match arguments.snp_ovmf_hash {
            None => firmware.map(|firmware| snp::firmware_digest(&firmware)),
            given => given,
        };
        let svsm = arguments.svsm_path().map(|path| input::read(path, FOUR_GIB)).transpose()?;
        Ok(Self { image, firmware_digest, svsm })
    }
}

/// Does one thing on a thread of its own while it does the other on this one.
fn both<A: Send, B>(elsewhere: impl FnOnce() -> A + Send, here: impl FnOnce() -> B) -> (A, B) {
    std::thread::scope(|scope| {
        let elsewhere = scope.spawn(elsewhere);
        let here = here();
        match elsewhere.join() {
            Ok(elsewhere) => (elsewhere, here),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}
