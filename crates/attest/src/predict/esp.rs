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
    use cvmkit_formats::gpt::Guid;

    use super::*;
    use crate::tests::Folder;
    use crate::tests::small_disk::{
        DEFAULT_PATH, disk_of, file_system, partitioned, two_partitions,
    };

    /// Longer than what is compared at once.
    fn image() -> Vec<u8> {
        (0..PIECE + 3).map(|at| u8::try_from(at % 251).unwrap()).collect()
    }

    fn read(disk: &[u8], uki: &[u8]) -> Result<Esp, PredictionError> {
        let folder = Folder::new();
        let (disk, uki) = (folder.put("disk", disk), folder.put("uki", uki));
        let [source, image] = [&disk, &uki].map(|path| FileSource::open(path).unwrap());
        Esp::read(Path::new("a.raw"), &source, Path::new("a.efi"), &image)
    }

    const FOUND: Esp = Esp { loader_is_file: false, is_default: true };
    const NAMED: Esp = Esp { is_default: false, ..FOUND };

    /// UEFI 2.10, section 3.5.1.1: firmware starts the one path of its architecture, whatever the case of
    /// its letters; any other takes a boot option.
    #[test]
    fn an_image_is_found_where_it_lies() {
        let image = image();
        for (path, expected) in [
            (DEFAULT_PATH, FOUND),
            ("efi/boot/bootx64.efi", FOUND),
            ("EFI/BOOT/BOOTIA32.EFI", NAMED),
            ("EFI/Linux/a.efi", NAMED),
            ("a.EFI", NAMED),
        ] {
            let files: [(&str, &[u8]); 1] = [(path, &image)];
            for disk in [file_system(&files), partitioned(&files)] {
                assert_eq!(read(&disk, &image).unwrap(), expected, "{path}");
            }
        }
        let both = partitioned(&[("EFI/Linux/a.efi", &image), (DEFAULT_PATH, &image)]);
        assert_eq!(read(&both, &image).unwrap(), FOUND);
    }

    /// The prediction is of the bytes that boot: a disk that holds other ones is refused.
    #[test]
    fn a_disk_without_the_image_is_refused() {
        let image = image();
        let changed = |at: usize| {
            let mut other = image.clone();
            other[at] ^= 1;
            other
        };
        let longer = [image.as_slice(), &[0]].concat();
        for (path, contents) in [
            (DEFAULT_PATH, changed(0)),
            (DEFAULT_PATH, changed(PIECE - 1)),
            (DEFAULT_PATH, changed(PIECE)),
            (DEFAULT_PATH, changed(PIECE + 2)),
            (DEFAULT_PATH, image[..PIECE].to_vec()),
            (DEFAULT_PATH, longer),
            ("EFI/BOOT/BOOTX64.BIN", image.clone()),
        ] {
            match read(&partitioned(&[(path, &contents)]), &image).unwrap_err() {
                PredictionError::OtherImage { path, uki } => {
                    assert_eq!((path, uki), ("a.raw".into(), "a.efi".into()));
                }
                error => panic!("{error}"),
            }
        }
    }

    #[test]
    fn images_are_compared_piece_by_piece() {
        for len in [0, 1, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE] {
            let one = vec![7; len];
            assert!(same_bytes(&one, &one.clone()), "{len}");
            assert!(!same_bytes(&one, &vec![7; len + 1]), "{len}");
            if let Some(last) = len.checked_sub(1) {
                let mut other = one.clone();
                other[last] = 8;
                assert!(!same_bytes(&one, &other), "{len}");
            }
        }
    }

    /// A source that fails: what can't be compared is not the same.
    struct Failing;

    impl Source for Failing {
        fn len(&self) -> u64 {
            4
        }

        fn read_at(&self, _: u64, _: &mut [u8]) -> std::io::Result<()> {
            Err(std::io::ErrorKind::Other.into())
        }
    }

    #[test]
    fn what_cannot_be_read_is_not_the_image() {
        let zeros = vec![0; 4];
        assert!(same_bytes(&zeros, &zeros));
        assert!(!same_bytes(&Failing, &zeros) && !same_bytes(&zeros, &Failing));
    }

    /// systemd-stub(7): it keeps a random seed in the folder `loader`, unless a file has that name.
    #[test]
    fn a_file_named_loader_is_told_from_a_folder() {
        for (more, is_file) in [("loader", true), ("LOADER", true), ("loader/x", false)] {
            let files: [(&str, &[u8]); 2] = [(DEFAULT_PATH, b"uki"), (more, b"x")];
            let found = read(&partitioned(&files), b"uki").unwrap();
            assert_eq!(found, Esp { loader_is_file: is_file, ..FOUND }, "{more}");
        }
    }

    /// systemd-stub(7), "Companion Files": what lies in `loader` is for every image, what lies in the folder
    /// of the image's name for that one.
    #[test]
    fn what_the_stub_adds_is_refused() {
        const OWN: &str = "EFI/BOOT/BOOTX64.EFI.extra.d";
        let own = |name: &str| format!("{OWN}/{name}");
        for (path, is_added) in [
            ("loader/addons/a.addon.efi".to_owned(), true),
            ("loader/addons/A.ADDON.EFI".to_owned(), true),
            ("loader/addons/a.efi".to_owned(), false),
            ("loader/addons/a.cred".to_owned(), false),
            ("loader/addons/deep/a.addon.efi".to_owned(), false),
            ("loader/credentials/a.cred".to_owned(), true),
            ("loader/credentials/a.raw".to_owned(), false),
            ("loader/credentials/a.cred.txt".to_owned(), false),
            ("loader/extensions/a.raw".to_owned(), true),
            ("loader/extensions/a.addon.efi".to_owned(), false),
            ("loader/a.cred".to_owned(), false),
            // A file where the folder would be.
            ("loader/addons".to_owned(), false),
            (own("a.addon.efi"), true),
            (own("a.cred"), true),
            (own("a.raw"), true),
            (own("a.efi"), false),
            ("EFI/BOOT/other.efi.extra.d/a.cred".to_owned(), false),
        ] {
            let files: [(&str, &[u8]); 2] = [(DEFAULT_PATH, b"uki"), (&path, b"x")];
            match read(&partitioned(&files), b"uki") {
                Ok(found) => assert!(!is_added && found == FOUND, "{path}"),
                Err(PredictionError::Companions { path: disk, companions }) => {
                    assert!(is_added, "{path}");
                    assert_eq!((disk, companions), ("a.raw".into(), vec![path]));
                }
                Err(error) => panic!("{path}: {error}"),
            }
        }
    }

    #[test]
    fn companions_are_those_of_the_image_that_boots() {
        let (named, counted) = ("EFI/Linux/a.efi", "EFI/Linux/a+3-1.efi");
        let extra: (&str, &[u8]) = ("EFI/Linux/a.efi.extra.d/a.cred", b"x");
        for (images, is_refused) in [
            // The default one boots, so what lies beside a copy is not taken.
            (&[DEFAULT_PATH, named][..], false),
            (&[named], true),
            // The counters of boot attempts are not in the folder's name.
            (&[counted], true),
            (&["EFI/Linux/b.efi"], false),
            // Of two copies each may be started.
            (&["EFI/Linux/b.efi", named], true),
        ] {
            let images = images.iter().map(|path| (*path, &b"uki"[..]));
            let files: Vec<_> = images.chain([extra]).collect();
            let found = read(&partitioned(&files), b"uki");
            assert_eq!(found.is_err(), is_refused, "{found:?}");
        }
    }

    /// Firmware tries the EFI system partitions in an order that is the machine's.
    #[test]
    fn another_default_image_may_boot_instead() {
        let own: (&str, &[u8]) = (DEFAULT_PATH, b"uki");
        let other: (&str, &[u8]) = (DEFAULT_PATH, b"other");
        let elsewhere: (&str, &[u8]) = ("EFI/Linux/b.efi", b"other");
        for (first, second, expected) in [
            (own, other, NAMED),
            (other, own, NAMED),
            (own, elsewhere, FOUND),
            (elsewhere, own, FOUND),
            (own, own, FOUND),
        ] {
            let disk = two_partitions(&[first], &[second]);
            assert_eq!(read(&disk, b"uki").unwrap(), expected, "{first:?} {second:?}");
        }
    }

    #[test]
    fn only_efi_system_partitions_of_a_gpt_are_read() {
        let volume = file_system(&[(DEFAULT_PATH, b"uki")]);
        let data = Guid::from_text_order([5; 16]);
        let disk = disk_of(&[(data, volume.clone())]);
        assert!(matches!(read(&disk, b"uki"), Err(PredictionError::OtherImage { .. })));
        let disk = disk_of(&[(data, vec![0; 512]), (ESP, volume.clone())]);
        assert_eq!(read(&disk, b"uki").unwrap(), FOUND);
        // A partition that is no file system is the reason only if no other holds the image.
        let broken = disk_of(&[(ESP, vec![0; 1 << 20]), (ESP, volume)]);
        assert_eq!(read(&broken, b"uki").unwrap(), FOUND);
        let error = read(&disk_of(&[(ESP, vec![0; 1 << 20])]), b"uki").unwrap_err();
        assert!(
            matches!(&error, PredictionError::Esp { path, .. } if path == Path::new("a.raw")),
            "{error}"
        );
        let mut damaged = partitioned(&[(DEFAULT_PATH, b"uki")]);
        damaged[2 * 512 + 40] ^= 1;
        let error = read(&damaged, b"uki").unwrap_err();
        assert!(
            matches!(&error, PredictionError::Partitions { path, .. } if path == Path::new("a.raw")),
            "{error}"
        );
    }

    /// The four records of an MBR (UEFI 2.11, section 5.2.1): first sector and number of sectors at 8 and 12.
    #[test]
    fn without_a_gpt_the_whole_disk_and_every_partition_are_read() {
        let volume = file_system(&[(DEFAULT_PATH, b"uki")]);
        let sectors = u32::try_from(volume.len() / 512).unwrap();
        let disk = |records: [(u32, u32); 4]| {
            let mut disk = vec![0; 64 * 512];
            for (at, (start, len)) in records.into_iter().enumerate() {
                let record = 446 + 16 * at;
                disk[record + 8..record + 12].copy_from_slice(&start.to_le_bytes());
                disk[record + 12..record + 16].copy_from_slice(&len.to_le_bytes());
            }
            disk[510..512].copy_from_slice(&[0x55, 0xaa]);
            [disk, volume.clone()].concat()
        };
        let found = |disk: &[u8]| {
            let folder = Folder::new();
            let path = folder.put("disk", disk);
            places(&path, &FileSource::open(&path).unwrap()).unwrap()
        };
        let whole = disk([(0, 9), (9, 0), (64, sectors), (1, 2)]);
        let of_records = [(64 * 512, u64::from(sectors) * 512), (512, 1024)];
        let expected = [(0, whole.len() as u64)].into_iter().chain(of_records);
        assert_eq!(found(&whole), expected.collect::<Vec<_>>());
        assert_eq!(read(&whole, b"uki").unwrap(), FOUND);
        // Behind the end of the disk is nothing to read.
        let outside = disk([(64, sectors + 1), (u32::MAX, 1), (0, 0), (0, 0)]);
        assert!(matches!(read(&outside, b"uki"), Err(PredictionError::Esp { .. })));
        assert_eq!(found(b"a short file"), [(0, 12)]);
    }

    #[test]
    fn the_folder_of_an_image_has_no_counters() {
        let rows = [
            ("EFI/Linux/a.efi", "EFI/Linux/a.efi"),
            ("EFI/Linux/a+3.efi", "EFI/Linux/a.efi"),
            ("EFI/Linux/a+3-12.EFI", "EFI/Linux/a.EFI"),
            ("EFI/Linux/a+b+3.efi", "EFI/Linux/a+b.efi"),
            ("EFI/Linux/a+b.efi", "EFI/Linux/a+b.efi"),
            ("EFI/Linux/a+3-.efi", "EFI/Linux/a+3-.efi"),
            ("EFI/Linux/a+-3.efi", "EFI/Linux/a+-3.efi"),
            ("EFI/Linux/a+.efi", "EFI/Linux/a+.efi"),
            ("EFI/Linux/a+1-2-3.efi", "EFI/Linux/a+1-2-3.efi"),
            ("+1.efi", ".efi"),
            ("+1", "+1"),
            // Four bytes from the end is within a letter.
            ("+1\u{e9}efi", "+1\u{e9}efi"),
        ];
        for (image, expected) in rows {
            assert_eq!(without_counters(image), expected);
        }
    }

    #[test]
    fn suffixes_are_compared_without_regard_to_case() {
        for (name, suffix, expected) in [
            ("X.ADDON.EFI", ".addon.efi", true),
            (".raw", ".raw", true),
            ("a.raw.x", ".raw", false),
            ("efi", ".efi", false),
            ("", ".efi", false),
            ("a\u{e9}aw", ".raw", false),
        ] {
            assert_eq!(ends_with(name, suffix), expected, "{name}");
        }
    }
}
