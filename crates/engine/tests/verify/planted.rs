//! Changes in places that no file owns, in images that are described as they are: sums, manifest and
//! digests are those of the change, so that only a structure written again can tell.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::FileExt;

use cvmkit_engine::verify::{Check, Report, verify};
use cvmkit_formats::squashfs::{Image, Limits};
use cvmkit_host::progress::Silent;

use crate::tiny::{self, Alteration, Kind, Tiny};

/// How many images are changed; each in five places.
const ROUNDS: u64 = 100;

/// A generator with a seed, so that what is planted is the same in every run (Knuth's MMIX LCG).
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }

    fn pick<T: Clone>(&mut self, all: &[T]) -> T {
        all[usize::try_from(self.below(all.len() as u64)).unwrap()].clone()
    }

    /// A place in a range and what to change there.
    fn change(&mut self, range: &std::ops::Range<u64>) -> (u64, u8) {
        let at = range.start + self.below(range.end - range.start);
        (at, u8::try_from(1 + self.below(255)).unwrap())
    }
}

/// Where nothing of a file is, by the check that has to find a change there.
struct Free {
    table: Vec<std::ops::Range<u64>>,
    esp: Vec<std::ops::Range<u64>>,
    verity: Vec<std::ops::Range<u64>>,
    uki: Vec<std::ops::Range<u64>>,
    /// Where the UKI begins in the disk.
    boot_file: u64,
    /// Where both FATs begin, and their length.
    fats: [u64; 3],
}

impl Free {
    fn of(tiny: &Tiny) -> Self {
        let disk = tiny.len("tiny_1.raw");
        let partitions = tiny.manifest().partitions;
        let [esp, root, hashes] = [0, 1, 2].map(|at| partitions[at].clone());
        let boot_file = tiny.find_in_disk(&tiny.get("tiny_1.efi"));
        let uki_len = tiny.len("tiny_1.efi");
        let boot_sector = &tiny.get("tiny_1.raw")[usize::try_from(esp.offset).unwrap()..][..512];
        let fat_sectors = u32::from_le_bytes(boot_sector[36..40].try_into().unwrap());
        let fat = esp.offset + 32 * 512;
        let fat_len = u64::from(fat_sectors) * 512;
        let data = fat + 2 * fat_len;
        let first_free = (boot_file + uki_len).next_multiple_of(512);
        Self {
            table: vec![
                0..440,
                440..446,
                462..510,
                512 + 92..1024,
                2 * 512 + 32 * 512..esp.offset,
                root.offset + root.size..hashes.offset,
                hashes.offset + hashes.size..disk - 33 * 512,
                disk - 512 + 92..disk,
            ],
            esp: vec![
                esp.offset + 90..esp.offset + 510,            // boot code
                esp.offset + 512 + 4..esp.offset + 512 + 484, // FSInfo, reserved
                esp.offset + 2 * 512..esp.offset + 6 * 512,   // reserved sectors
                esp.offset + 8 * 512..esp.offset + 32 * 512,  // reserved sectors
                data + 64..data + 512,                        // behind the entries of the root
                boot_file + uki_len..first_free,
                first_free..first_free + 512,
                first_free + 512..esp.offset + esp.size - 512,
                esp.offset + esp.size - 512..esp.offset + esp.size,
            ]
            .into_iter()
            .filter(|range| !range.is_empty())
            .collect(),
            verity: vec![
                hashes.offset + 82..hashes.offset + 88,
                hashes.offset + 88 + 32..hashes.offset + 512,
                hashes.offset + 512..hashes.offset + 4096,
            ],
            uki: unowned_of_uki(&tiny.get("tiny_1.efi")),
            boot_file,
            fats: [fat, fat + fat_len, fat_len],
        }
    }
}

/// The checksum of the image, the rest of its headers, and what fills its sections up.
fn unowned_of_uki(image: &[u8]) -> Vec<std::ops::Range<u64>> {
    let headers = cvmkit_formats::pe::Headers::read(image).unwrap();
    let table = headers.section_table_offset() + headers.sections.len() as u64 * 40;
    let mut free = vec![
        headers.checksum_offset()..headers.checksum_offset() + 4,
        table..u64::from(headers.optional.headers_size.get()),
    ];
    for section in &headers.sections {
        let end = u64::from(section.raw_offset) + u64::from(section.virtual_size);
        free.push(end..section.raw_range().end);
    }
    free.retain(|range| !range.is_empty());
    free
}

fn xor(tiny: &Tiny, name: &str, at: u64, with: u8) {
    let file = fs::File::options().read(true).write(true).open(tiny.path().join(name)).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ with], at).unwrap();
}

/// The places of the disk in which a check found something, and those that it named.
fn found(report: &Report, check: Check) -> Vec<String> {
    let findings = report.findings.iter().filter(|finding| finding.check == check);
    findings.map(|finding| format!("{}: {}", finding.file, finding.what)).collect()
}

#[test]
fn five_hundred_of_five_hundred_changes_in_places_that_no_file_owns_are_found() {
    let tiny = Tiny::new(Kind::Disk);
    let free = Free::of(&tiny);
    let whole: BTreeMap<&str, Vec<u8>> =
        ["tiny_1.raw", "tiny_1.efi"].into_iter().map(|name| (name, tiny.get(name))).collect();
    let mut random = Random(20_261_127);
    let (mut planted, mut missed) = (0, Vec::new());
    for round in 0..ROUNDS {
        let mut undo: Vec<(&str, u64, u8)> = Vec::new();
        let mut expected = Vec::new();
        let ranges = [
            (Check::PartitionTable, &free.table),
            (Check::Esp, &free.esp),
            (Check::Verity, &free.verity),
        ];
        for (check, ranges) in ranges {
            let range = random.pick(ranges);
            let (at, with) = random.change(&range);
            undo.push(("tiny_1.raw", at, with));
            expected.push((check, Some(at)));
        }
        if round % 10 == 3 {
            // The upper four bits of an entry of both FATs, which a reader ignores.
            let [first, second, len] = free.fats;
            let at = random.below(len / 4) * 4 + 3;
            undo[1] = ("tiny_1.raw", first + at, 0x10);
            undo.push(("tiny_1.raw", second + at, 0x10));
            expected[1] = (Check::Esp, Some(first + at));
        }
        let range = random.pick(&free.uki);
        let (at, with) = random.change(&range);
        undo.push(("tiny_1.efi", at, with));
        undo.push(("tiny_1.raw", free.boot_file + at, with));
        expected.push((Check::Uki, None));
        undo.iter().for_each(|&(name, at, with)| xor(&tiny, name, at, with));
        tiny.seal();
        change_a_package(&tiny, &mut random);
        expected.push((Check::Packages, None));

        let report = verify(tiny.path(), &Silent).unwrap();
        for (check, at) in expected {
            planted += 1;
            let places = found(&report, check);
            let named = match at {
                Some(at) => places.iter().any(|place| place.contains(&format!("byte {at:#x}, in"))),
                None => !places.is_empty(),
            };
            if !named {
                missed.push(format!("round {round}, {check:?} at {at:x?}: {places:?}"));
            }
        }
        let sums = report.checks.iter().find(|checked| checked.check == Check::Sums).unwrap();
        assert_eq!(sums.state, cvmkit_engine::verify::State::Passed, "the sums were to be right");
        undo.iter().for_each(|&(name, at, with)| xor(&tiny, name, at, with));
    }
    assert_eq!((planted, missed), (5 * ROUNDS, Vec::<String>::new()));
    for (name, bytes) in whole {
        assert!(tiny.get(name) == bytes, "{name} is as before");
    }
}

/// Gives a package of the manifest another name, version or architecture.
fn change_a_package(tiny: &Tiny, random: &mut Random) {
    let mut manifest = tiny.manifest();
    let at = usize::try_from(random.below(manifest.packages.len() as u64)).unwrap();
    let package = &mut manifest.packages[at];
    let more = random.below(1000).to_string();
    match random.below(3) {
        0 => package.name += &more,
        1 => package.version += &more,
        _ => package.architecture += &more,
    }
    let mut text = serde_json::to_vec_pretty(&manifest).unwrap();
    text.push(b'\n');
    tiny.put("manifest.json", &text);
    tiny.seal_sums();
}

fn checked(alteration: &Alteration) -> Report {
    verify(Tiny::altered(Kind::Disk, alteration).path(), &Silent).unwrap()
}

#[test]
fn nothing_hides_in_an_initramfs() {
    let packed = tiny::initrd();
    let archive = zstd::decode_all(packed.as_slice()).unwrap();
    let pack = |archive: &[u8]| {
        let mut encoder = zstd::Encoder::new(Vec::new(), 12).unwrap();
        encoder.multithread(1).unwrap();
        encoder.include_checksum(true).unwrap();
        std::io::Write::write_all(&mut encoder, archive).unwrap();
        encoder.finish().unwrap()
    };
    assert!(pack(&archive) == packed, "the premise: it is packed as a build packs it");
    let whole = Alteration { initrd: Some(packed.clone()), ..Alteration::default() };
    assert_eq!(checked(&whole).findings, []);
    let skippable = [0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 1, 2, 3, 4];
    let mut altered = vec![
        ("a frame behind it", [packed.as_slice(), &skippable].concat()),
        ("a frame before it", [&skippable, packed.as_slice()].concat()),
        ("another level", zstd::encode_all(archive.as_slice(), 3).unwrap()),
    ];
    let header = |field: usize| 6 + field * 8;
    let init = archive.windows(10).position(|it| it.starts_with(b"init\0")).unwrap() - 110;
    for (what, at) in [
        ("inode number", header(0)),
        ("owner", header(2)),
        ("time", header(5)),
        ("device", header(7)),
        ("check", header(12)),
    ] {
        let mut archive = archive.clone();
        let digit = &mut archive[init + at + 7];
        *digit = if *digit == b'7' { b'5' } else { b'7' };
        altered.push((what, pack(&archive)));
    }
    let mut longer = archive.clone();
    longer.resize(longer.len() + 512, 0);
    altered.push(("a longer archive", pack(&longer)));
    for (what, initrd) in altered {
        let report = checked(&Alteration { initrd: Some(initrd), ..Alteration::default() });
        assert!(!found(&report, Check::Initrd).is_empty(), "{what}: {report:#?}");
    }
}

#[test]
fn nothing_hides_in_a_root_file_system() {
    type Place = (&'static str, fn(&Image<&Vec<u8>>) -> u64);
    let places: [Place; 6] = [
        ("the time it was made", |_| 8),
        ("flags", |_| 24),
        ("flags", |_| 25),
        ("the padding", |image| image.superblock().bytes_used.get()),
        ("the end of the padding", |image| {
            image.superblock().bytes_used.get().next_multiple_of(4096) - 1
        }),
        // The last of the 16 bytes of a record: `unused`.
        ("a fragment's record", |image| {
            let records = image.superblock().fragment_table.get() - 16;
            records + 15
        }),
    ];
    for (what, place) in places {
        let root = move |bytes: &mut Vec<u8>| {
            let image = Image::open(&*bytes, &Limits::default()).unwrap();
            let at = usize::try_from(place(&image)).unwrap();
            drop(image);
            bytes[at] ^= 0x40;
        };
        let report = checked(&Alteration { root: Some(Box::new(root)), ..Alteration::default() });
        let others = [Check::Verity, Check::PartitionTable, Check::Uki, Check::RootHash];
        assert!(!found(&report, Check::RootFileSystem).is_empty(), "{what}: {report:#?}");
        for check in others {
            assert_eq!(found(&report, check), [""; 0], "{what}: all else is to be right");
        }
    }
    let whole = Alteration { root: Some(Box::new(|_| ())), ..Alteration::default() };
    assert_eq!(
        checked(&whole).findings,
        [],
        "the premise: a new description alone changes nothing"
    );
}
