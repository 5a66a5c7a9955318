//! The EFI system partition as firmware and systemd-stub find it: the image that boots, and what the
//! stub would take beside it.
//!
//! Firmware without a boot option of the disk starts a file of a fixed name ([`Architecture::boot_file`]). An
//! image that is elsewhere is started by a boot option that names it, which is a condition of what is
//! predicted.
//!
//! The stub adds to the image what lies in the folder named after it and in `loader`: addons,
//! credentials, system extensions (systemd-stub(7), "Companion Files"). Each is measured, and loaded
//! or handed to the kernel. A prediction of the image alone would be wrong, so they are refused.
//! Names are compared without regard to case, as firmware does.

use std::path::Path;

use cvmkit_formats::architecture::Architecture;
use cvmkit_formats::fat::{self, Volume};
use cvmkit_formats::gpt::{self, spec::ESP};
use cvmkit_formats::source::{Source, Window};
use cvmkit_formats::tree::{InodeId, Node};
use cvmkit_host::files::FileSource;

use super::error::PredictionError;

/// Where the stub looks for what is for every image, and what it takes there.
const FOR_ALL: [(&str, &[&str]); 3] = [
    ("loader/addons", &[".addon.efi"]),
    ("loader/credentials", &[".cred"]),
    ("loader/extensions", &[".raw"]),
];

/// What it takes of the folder that is named after the image.
const FOR_ONE: &[&str] = &[".addon.efi", ".cred", ".raw"];

/// What firmware starts of a disk that no boot option names. Images of other architectures are refused
/// before ([`cvmkit_measure::tpm::Uki`]).
const DEFAULT: &str = Architecture::X86_64.boot_file();

/// Bytes that are compared at once.
const PIECE: usize = 1 << 20;

/// What a boot of an image depends on, beside the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Esp {
    /// Whether it has a file named `loader`, where the stub expects a folder for its random seed.
    pub(super) loader_is_file: bool,
    /// Whether firmware starts the image without being told its name.
    pub(super) is_default: bool,
}

impl Esp {
    /// Looks for the image on a disk.
    ///
    /// # Errors
    /// A disk without it, one that can't be read, and one with companions of the image.
    pub(super) fn read(
        path: &Path,
        disk: &FileSource,
        uki_path: &Path,
        uki: &FileSource,
    ) -> Result<Self, PredictionError> {
        let (mut refusal, mut found, mut has_other) = (None, None, false);
        for (start, len) in places(path, disk)? {
            let Ok(part) = Window::new(disk, start, len) else { continue };
            let volume = match fat::read(&part) {
                Ok(volume) => volume,
                Err(source) => {
                    refusal.get_or_insert(PredictionError::Esp { path: path.to_owned(), source });
                    continue;
                }
            };
            let copies = places_of(&volume, uki);
            if copies.is_empty() || found.is_some() {
                // Of two that firmware may start it is not known which.
                has_other |= copies.is_empty() && volume.lookup(DEFAULT).is_some();
                continue;
            }
            let default = copies.iter().find(|copy| copy.eq_ignore_ascii_case(DEFAULT));
            // Of copies that only a boot option starts it is not known which.
            let started = default.map_or(copies.as_slice(), std::slice::from_ref);
            let companions = companions(&volume, started);
            if !companions.is_empty() {
                return Err(PredictionError::Companions { path: path.to_owned(), companions });
            }
            let loader = volume.lookup("loader");
            let is_file = |id| matches!(volume.tree.inode(id).node, Node::File(_));
            let loader_is_file = loader.is_some_and(is_file);
            found = Some(Self { loader_is_file, is_default: default.is_some() });
        }
        let found = found.map(|esp| Self { is_default: esp.is_default && !has_other, ..esp });
        found.ok_or_else(|| {
            let (path, uki) = (path.to_owned(), uki_path.to_owned());
            refusal.unwrap_or(PredictionError::OtherImage { path, uki })
        })
    }
}

/// Start and length of what may be a file system to boot from: every EFI system partition, or every
/// partition of a disk with another table, or the whole disk.
fn places(path: &Path, disk: &FileSource) -> Result<Vec<(u64, u64)>, PredictionError> {
    let mut header = [0; 8];
    let has_gpt = disk.read_at(gpt::spec::SECTOR, &mut header).is_ok() && &header == b"EFI PART";
    if has_gpt {
        let refused = |source| PredictionError::Partitions { path: path.to_owned(), source };
        let partitions = gpt::read(disk).map_err(refused)?.partitions.into_iter();
        let esps = partitions.filter(|entry| entry.type_guid == ESP);
        return Ok(esps.map(|entry| (entry.offset(), entry.len())).collect());
    }
    let mut sector = [0; 512];
    let _ = disk.read_at(0, &mut sector);
    let number = |record: &[u8], at: usize| {
        let field = record.get(at..)?.first_chunk()?;
        Some(u64::from(u32::from_le_bytes(*field)) * gpt::spec::SECTOR)
    };
    let records = sector.get(446..510).unwrap_or_default().chunks_exact(16);
    let parts = records.filter_map(|record| Some((number(record, 8)?, number(record, 12)?)));
    let whole = [(0, disk.len())];
    Ok(whole.into_iter().chain(parts.filter(|(start, len)| *start > 0 && *len > 0)).collect())
}

/// The paths of the files of a volume that hold the image.
fn places_of<S: Source + ?Sized>(volume: &Volume<'_, S>, uki: &FileSource) -> Vec<String> {
    let files = volume.tree.walk().into_iter().filter_map(|(path, id)| {
        let Node::File(file) = &volume.tree.inode(id).node else { return None };
        let path = String::from_utf8(path).ok()?;
        (ends_with(&path, ".efi") && same_bytes(file, uki)).then_some(path)
    });
    files.collect()
}

fn same_bytes(one: &impl Source, other: &impl Source) -> bool {
    let len = one.len();
    if len != other.len() {
        return false;
    }
    let (mut left, mut right) = (vec![0; PIECE], vec![0; PIECE]);
    let mut at = 0;
    while at < len {
        let step = usize::try_from(len - at).unwrap_or(PIECE).min(PIECE);
        let (Some(left), Some(right)) = (left.get_mut(..step), right.get_mut(..step)) else {
            return false;
        };
        let is_read = one.read_at(at, left).and_then(|()| other.read_at(at, right)).is_ok();
        if !is_read || left != right {
            return false;
        }
        at += step as u64;
    }
    true
}

/// The files that the stub would take beside the image at one of these paths.
fn companions<S: ?Sized>(volume: &Volume<'_, S>, images: &[String]) -> Vec<String> {
    let own: Vec<String> =
        images.iter().map(|image| format!("{}.extra.d", without_counters(image))).collect();
    let own = own.iter().map(|folder| (folder.as_str(), FOR_ONE));
    let folders = FOR_ALL.into_iter().chain(own);
    let in_folder = |(folder, suffixes): (&str, &'static [&str])| {
        let id = volume.lookup(folder);
        let names = id.map(|id| names(volume, id)).unwrap_or_default().into_iter();
        let is_taken = move |name: &String| suffixes.iter().any(|suffix| ends_with(name, suffix));
        let folder = folder.to_owned();
        names.filter(is_taken).map(move |name| format!("{folder}/{name}")).collect::<Vec<_>>()
    };
    folders.flat_map(in_folder).collect()
}

fn names<S: ?Sized>(volume: &Volume<'_, S>, folder: InodeId) -> Vec<String> {
    if !volume.tree.inode(folder).is_directory() {
        return Vec::new();
    }
    let entries = volume.tree.entries(folder);
    entries.map(|(name, _)| String::from_utf8_lossy(name).into_owned()).collect()
}

/// The name that the folder of an image is called after: without the counters of boot attempts,
/// `+3` or `+3-1` before the suffix (systemd-stub(7)).
fn without_counters(image: &str) -> String {
    let is_counter = |text: &str| {
        let (left, done) = text.split_once('-').unwrap_or((text, "0"));
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        is_number(left) && is_number(done)
    };
    let parted = image.len().checked_sub(4).and_then(|at| image.split_at_checked(at));
    match parted.and_then(|(stem, suffix)| Some((stem.rsplit_once('+')?, suffix))) {
        Some(((stem, counter), suffix)) if is_counter(counter) => format!("{stem}{suffix}"),
        _ => image.to_owned(),
    }
}

fn ends_with(name: &str, suffix: &str) -> bool {
    let end = name.len().checked_sub(suffix.len()).and_then(|at| name.get(at..));
    end.is_some_and(|end| end.eq_ignore_ascii_case(suffix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_of_an_image_has_no_counters() {
        let rows = [
            ("EFI/Linux/a.efi", "EFI/Linux/a.efi"),
            ("EFI/Linux/a+3.efi", "EFI/Linux/a.efi"),
            ("EFI/Linux/a+3-12.EFI", "EFI/Linux/a.EFI"),
            ("EFI/Linux/a+b.efi", "EFI/Linux/a+b.efi"),
            ("+1", "+1"),
        ];
        for (image, expected) in rows {
            assert_eq!(without_counters(image), expected);
        }
        assert!(ends_with("X.ADDON.EFI", ".addon.efi") && !ends_with("efi", ".efi"));
    }
}
