//! The files of a launch, read and hashed on two threads.
//!
//! Most of the bytes are the kernel's, and one SHA-256 cannot be shared between processors. So one thread hashes
//! the kernel, while the other reads the firmware, folds its pages, which come first in every launch, and
//! hashes the initrd. Results and errors are those of one thread: an error names the first unreadable file in
//! the order of the options.

use std::fs::Metadata;
use std::io::Read as _;
use std::path::Path;

use cvmkit_formats::digest::Sha256;
use cvmkit_host::files::FileSource;
use cvmkit_measure::firmware::{self, Firmware, Section};
use cvmkit_measure::gpa::FOUR_GIB;
use cvmkit_measure::snp::{FirmwareFold, LaunchDigest};

use super::super::super::input::{self, FIRMWARE_MAX, InputError};
use super::options::{Arguments, Mode};

/// The content of the files that the options name.
pub(super) struct Files {
    /// The firmware; with `firmware_digest`, perhaps only its end.
    pub(super) image: Vec<u8>,
    /// Whether the file was checked to be one whole image, so that `image` may be its end alone.
    pub(super) is_checked: bool,
    /// The digest after the pages of the firmware.
    pub(super) firmware_digest: Option<LaunchDigest>,
    /// The SVSM.
    pub(super) svsm: Option<Vec<u8>>,
    /// The kernel of a direct boot.
    pub(super) kernel: Option<Sha256>,
    /// Its initrd.
    pub(super) initrd: Option<Sha256>,
}

impl Files {
    /// Reads the files that the guest mode needs.
    pub(super) fn read(arguments: &Arguments) -> Result<Self, InputError> {
        let kernel = arguments.kernel.as_deref().filter(|_| arguments.is_direct());
        let initrd = arguments.initrd.as_deref().filter(|_| arguments.is_direct());
        let images = || Images::read(arguments);
        let (images, kernel, initrd) = match kernel {
            // Starting a thread would take longer than it saves.
            None => (images(), Ok(None), Ok(None)),
            Some(kernel) => {
                let others = || (images(), initrd.map(input::sha256).transpose());
                let ((images, initrd), kernel) = both(others, || input::sha256(kernel));
                (images, kernel.map(Some), initrd)
            }
        };
        let Images { image, is_checked, firmware_digest, svsm } = images?;
        Ok(Self { image, is_checked, firmware_digest, svsm, kernel: kernel?, initrd: initrd? })
    }
}

/// The files that are measured page by page.
struct Images {
    image: Vec<u8>,
    is_checked: bool,
    firmware_digest: Option<LaunchDigest>,
    svsm: Option<Vec<u8>>,
}

impl Images {
    fn read(arguments: &Arguments) -> Result<Self, InputError> {
        let svsm = || arguments.svsm_path().map(|path| input::read(path, FIRMWARE_MAX)).transpose();
        // `--explain` prints the list from its start, so it is folded from there.
        let folds = arguments.mode == Mode::Snp && !arguments.explain;
        if folds
            && arguments.snp_ovmf_hash.is_none()
            && let Some((image, digest)) = folded(&arguments.ovmf)?
        {
            let firmware_digest = Some(digest);
            return Ok(Self { image, is_checked: true, firmware_digest, svsm: svsm()? });
        }
        let image = input::read(&arguments.ovmf, FIRMWARE_MAX)?;
        let firmware_digest = arguments.snp_ovmf_hash;
        Ok(Self { image, is_checked: false, firmware_digest, svsm: svsm()? })
    }
}

/// How much of an image is read at once, and how much of its end is kept, bytes. The descriptors are in the
/// last page or two; a fresh page of memory takes longer to get than to hash.
const PIECE: usize = 64 << 10;

/// Folds an image while it is read, and keeps its end. None where the end is not enough, such as for a pipe or
/// for descriptors before the end: the whole image is needed then, if only to name its fault.
fn folded(path: &Path) -> Result<Option<(Vec<u8>, LaunchDigest)>, InputError> {
    let mut file = input::open(path)?;
    let len = file.metadata().ok().filter(Metadata::is_file).map_or(0, |meta| meta.len());
    let Ok(mut fold) = FirmwareFold::new(len) else { return Ok(None) };
    // The end alone does not show whether the image is whole.
    let whole = file.try_clone().and_then(FileSource::of);
    if !whole.is_ok_and(|whole| firmware::check_whole(&whole).is_ok()) {
        return Ok(None);
    }
    let mut piece = vec![0; PIECE];
    // The first piece is the short one, so that the last one is full.
    let odd = usize::try_from(len % PIECE as u64).unwrap_or(0);
    let (mut left, mut next) = (len, if odd == 0 { PIECE } else { odd });
    while left > 0 {
        let bytes = &mut piece[..next];
        if file.read_exact(bytes).is_err() {
            return Ok(None);
        }
        fold.pages(bytes.as_chunks().0);
        left -= next as u64;
        next = PIECE;
    }
    let enough = len > PIECE as u64 && is_enough(&piece, len);
    Ok(fold.finish().filter(|_| enough).map(|digest| (piece, digest)))
}

/// Whether the end of an image of `len` bytes holds all that a launch needs besides the pages. Only one check
/// needs the image's start: that no section lies in it.
fn is_enough(end: &[u8], len: u64) -> bool {
    let Ok(firmware) = Firmware::of_end(end) else { return false };
    let outside = |sections: Vec<Section>| {
        sections.iter().all(|section| section.end().0 <= FOUR_GIB.saturating_sub(len))
    };
    firmware.sev_sections().is_ok_and(outside)
        && firmware.ap_reset_vector().is_ok()
        && firmware.hash_table_area().is_ok()
}

/// Runs `elsewhere` on a thread of its own and `here` on this one; a panic of either goes on here.
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
