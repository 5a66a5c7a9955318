//! The MRTD is what td-shim says, and firmware that can't start a TD is refused.
//!
//! Debian's firmware is found as `debian_firmware` says; more is named by `CVMKIT_FIRMWARE`,
//! separated by colons.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::disallowed_methods, reason = "reads the firmware that the environment names")]

mod debian_firmware;
mod tdvf_image;

use std::env;
use std::fs;
use std::path::PathBuf;

use cvmkit_formats::digest::Sha256;
use cvmkit_measure::firmware::{Firmware, TdvfError, TdvfSectionType};
use cvmkit_measure::gpa::Gpa;
use cvmkit_measure::tdx::hob::TdHob;
use cvmkit_measure::tdx::mrtd::{self, Extended, Passes, Rule};
use cvmkit_measure::tdx::{Error, rtmr};
use proptest::prelude::*;
use tdvf_image::{
    BFV, CFV, DESCRIPTOR_DISTANCE, EDK2_MEMORY, PERM_MEM, Section, TD_HOB, TEMP_MEM, firmware,
    image, memory,
};

const SINGLE: Rule<'static> = Rule { passes: Passes::Single, extended: Extended::Marked };
const TWO: Rule<'static> = Rule { passes: Passes::Two, extended: Extended::Marked };

/// Firmware of Debian packages: what it is, SHA-256, MRTD in a single pass, MRTD in two passes. How
/// the values came about is in `fixtures/README.md`.
const SHIPPED: [[&str; 4]; 7] = [
    [
        "ovmf 2022.11-6+deb12u2 OVMF.fd",
        "7b456907dd0786d415999e801a1ac4637b8ed4d7cf5378cfc6edbe5e574dd773",
        "4c7206f0f483c524f12c366c711e9049030a8d47c471ee5aa9c4999a08de4057\
         fb887fed0744d5631a212967fb231c47",
        "acccbcc870a381adab0d3919d90a7f268ac3b0364771f202ed4bb4e892d045b3\
         3db3b32e6924cba830a724eed443f7e1",
    ],
    [
        "ovmf 2025.02-8 OVMF.fd",
        "4226e006ccff0ec70cb9909c75314b7c46ea90fe15ca9dca757a608d30576310",
        "df7ed292eb426938f02fc50892bb6eae8ab0f92213aefd13c5f27bf3d339c021\
         3bb533ab848fdb65c923a63ed247a456",
        "ed5a6aeb17974647bc75387255374d9995d92691fa07ddf719c99a567ce3bb84\
         d5fe92291352ff8bd4dbc8ce17a4ff24",
    ],
    [
        "ovmf 2025.02-8+deb13u1 OVMF.fd",
        "14954040cc754ade0c625ac3470ea46d4c14318b5b1396de4ef77090203d76db",
        "bdc6fb145880f06f30c8b346b8dce2a99d9351b56892df22f80fcf6574caa9f9\
         c31df8e8576d53b4d0cd1c3f28910e11",
        "456f07902150d008bb913c3e1e84e9297f735a6c83cd2a957a1f0a8bbedb06df\
         188e3837ae48d32c73d473d097dc0db2",
    ],
    [
        "ovmf-generic 2026.08+ds-2 OVMF.fd",
        "6a3e8f438ad7269f5dfd884647587b88391fb23965bb3aa7902b519438dba129",
        "ab742989d480d040f178cf83c3ae0734f923dbddb7325b4a826e0d87c30cb299\
         aff85beb23ad30a1c6f975a8d0ce3e7a",
        "d137701167ce1e42b0cce3e4e9d658f0caa19591aa5787014f2ff8a89057d815\
         97e4fa7f0990813882525937e8191d1e",
    ],
    [
        "ovmf-amdsev 2026.08+ds-2 OVMF.amdsev.fd",
        "3e4fd0b3fe3b2dbe481c3d9e99418a034174f26cbe1f55aa212b0f18c12d2d6f",
        "5f77220a7135b2be2087c3555b897a1c56ca84516fafc622a33fa498a46305a1\
         2597a18bb57bc50f714ffab9fe6f004d",
        "85ed058ce01afaac31effa3fcf2cdf65bd0e4e3bcf61adabb3ece33fdf300b56\
         9785d7d6c0c3d29fe11bbbc09da1cd43",
    ],
    [
        "ovmf-inteltdx 2026.08+ds-2 OVMF.inteltdx.ms.fd",
        "a265075b4147a096109e501e76196df1ec8a18659c26f7401492c597ec88f312",
        "a7a1f751abc454f9cbab198ca8d2edb2821935df525c74182b5e776cb0929e8c\
         59aefecce725b0d08a5e9d3d3183bd08",
        "b90b236113eb4c0d4df4ef590568c14e6028a3a31d7e8ac63dee9845df5008d3\
         ebf82d4f5974e933798f65d7a279b9a9",
    ],
    [
        "ovmf-legacy 2026.08+ds-2 OVMF.legacy.fd",
        "2f88d4dc4c4d8391acd9848b582aac434061c3480c30d3414af86a6ff8d5e620",
        "a3afbdb368328e9a14d6c908c7a79529fa626673ff8aca5b8a652441b88e66d6\
         e559359a527324ddbbaef38389d51bc4",
        "93a61d08f3005c714d4854676a56ba3591e11682c55bfa91ee2be191f9bffb7e\
         b58345fb00d3a4d0852869a0ed3cee9c",
    ],
];

fn digest(firmware: &Firmware<'_>, rule: &Rule<'static>) -> String {
    mrtd::launch(firmware, rule).unwrap().digest().to_string()
}

/// Compares an image of the table; false if the table does not have it.
fn is_equal(bytes: &[u8]) -> bool {
    let hash = Sha256::of(bytes).to_string();
    let Some([name, _, single, two]) = SHIPPED.into_iter().find(|row| row[1] == hash) else {
        return false;
    };
    let firmware = Firmware::of_end(bytes).unwrap();
    assert_eq!(digest(&firmware, &SINGLE), single, "{name}");
    assert_eq!(digest(&firmware, &TWO), two, "{name}");
    eprintln!("COMPARED: MRTD, {name}: equal");
    true
}

#[test]
fn shipped_firmware_has_the_oracle_s_mrtd() {
    let images = debian_firmware::images();
    for image in &images {
        if !is_equal(&image.bytes) {
            let (name, path) = (image.package.name, image.path.display());
            let hash = Sha256::of(&image.bytes);
            let message = format!(
                "{name} ({path}) has SHA-256 {hash}, which is not in the table: add what td-shim's \
                 tool gives for it, as `fixtures/README.md` says"
            );
            assert!(env::var("CVMKIT_ORACLES").as_deref() != Ok("require"), "{message}");
            eprintln!("SKIPPED: {message}");
        }
    }
    let named = env::var_os("CVMKIT_FIRMWARE").unwrap_or_default();
    let of_the_host = PathBuf::from("/usr/share/ovmf/OVMF.fd");
    for path in env::split_paths(&named).chain([of_the_host]) {
        let known = fs::read(&path).is_ok_and(|bytes| is_equal(&bytes));
        eprintln!("`{}` is in the table: {known}", path.display());
    }
}

/// Values that td-shim's tool gives for these very images.
#[test]
fn made_up_firmware_has_the_oracle_s_mrtd() {
    let small = firmware(0x4000, &[0x5a; 0x1000], &EDK2_MEMORY);
    let augmented = Section { attributes: 2, ..memory(PERM_MEM, 0x100_0000, 0x4000) };
    let code =
        Section { data: (0, 0x2000), gpa: 0xffff_e000, size: 0x2000, kind: BFV, attributes: 1 };
    let augmented = image(0x2000, &[code, augmented]);
    let twice = Section { gpa: 0x100_0000, kind: BFV, ..code };
    let twice = image(0x2000, &[twice, code, memory(TEMP_MEM, 0, 0x1000)]);
    for (bytes, expected) in [
        (
            &small,
            "96397dea33c91f2e2addd76203b612622d53d2117a1dc37b27eb10800d24e375\
             da5120169ecccf7bd95f065990ee87bd",
        ),
        (
            &augmented,
            "05b513cd3caab30ec7fd62b16a3ec60e455259efaeb19137696467c76a3bb5bf\
             1334df9478c01dbce33f0d76ab175560",
        ),
        (
            &twice,
            "f591f090969b5abc4ae0669a26e5a525cbbb0d6c773eb9190f1d29e834122372\
             0d1409994a204c771dca31c78923dbd8",
        ),
    ] {
        assert_eq!(digest(&Firmware::of_end(bytes).unwrap(), &SINGLE), expected);
    }
}

#[test]
fn what_is_explained_is_what_is_measured() {
    let bytes = firmware(0x3000, &[0; 0x1000], &EDK2_MEMORY);
    let parsed = Firmware::of_end(&bytes).unwrap();
    for (rule, operations) in [(SINGLE, 6), (TWO, 7)] {
        let launch = mrtd::launch(&parsed, &rule).unwrap();
        assert_eq!(launch.operations().len(), operations);
        let steps: Vec<_> = launch.explain().collect();
        assert_eq!(steps.last().unwrap().digest, launch.digest());
        // Two pages of code in 16 chunks each; 1 of variables and 26 of memory.
        assert_eq!(steps.len(), 2 * 17 + 1 + 26);
        let functions: Vec<_> = steps.iter().take(3).map(|step| step.function).collect();
        let second = if rule.passes == Passes::Single { "MR.EXTEND" } else { "MEM.PAGE.ADD" };
        assert_eq!(functions, ["MEM.PAGE.ADD", second, "MR.EXTEND"]);
        let line = steps[0].to_string();
        assert!(line.starts_with("    0 | MEM.PAGE.ADD | 0x0000ffffe000 | BFV +0x0"), "{line}");
    }
    assert_ne!(digest(&parsed, &SINGLE), digest(&parsed, &TWO));
    assert_eq!(
        [7, 8, 9, 10].map(Passes::of_qemu).map(|p| p == Passes::Two),
        [true, true, false, false]
    );
}

#[test]
fn each_byte_of_code_and_no_byte_of_variables_counts() {
    let bytes = firmware(0x3000, &[0; 0x1000], &EDK2_MEMORY);
    let clean = digest(&Firmware::of_end(&bytes).unwrap(), &SINGLE);
    for at in [0, 0xfff, 0x1000, 0x17ff, 0x2fff] {
        let mut other = bytes.clone();
        other[at] ^= 1;
        let same = digest(&Firmware::of_end(&other).unwrap(), &SINGLE) == clean;
        assert_eq!(same, at < 0x1000, "{at:#x}");
    }
}

/// Google's first VMMs: every section counts, the TD HOB with its contents.
#[test]
fn all_sections_can_be_measured() {
    let bytes = firmware(0x3000, &[0; 0x1000], &EDK2_MEMORY);
    let parsed = Firmware::of_end(&bytes).unwrap();
    let all = |td_hob| Rule { passes: Passes::Single, extended: Extended::All { td_hob } };
    let measured = |rule: &Rule<'static>| mrtd::launch(&parsed, rule).map(|l| l.digest());
    assert_ne!(measured(&all(b"one")).unwrap(), measured(&all(b"two")).unwrap());
    let steps = mrtd::launch(&parsed, &all(b"")).unwrap().explain().count();
    assert_eq!(steps, 17 * (2 + 1 + 26));
    let error = measured(&all(&[0; 0x2001])).unwrap_err();
    assert_eq!(error, Error::TdHobSize { expected: 0x2000, found: 0x2001 });
}

#[test]
fn code_that_nothing_measures_is_refused() {
    let code =
        Section { data: (0, 0x2000), gpa: 0xffff_e000, size: 0x2000, kind: BFV, attributes: 1 };
    let refused = |sections: &[Section]| {
        let bytes = image(0x2000, sections);
        mrtd::launch(&Firmware::of_end(&bytes).unwrap(), &SINGLE).unwrap_err()
    };
    let unmarked = Section { attributes: 0, ..code };
    assert_eq!(refused(&[unmarked]), Error::CodeNotMeasured { gpa: Gpa(0xffff_e000) });
    let augmented = Section { attributes: 3, ..code };
    assert_eq!(refused(&[augmented]), Error::CodeNotMeasured { gpa: Gpa(0xffff_e000) });
    assert_eq!(refused(&[Section { kind: CFV, ..code }]), Error::NoCode);
    let hob = Section { attributes: 1, ..memory(TD_HOB, 0x80_9000, 0x1000) };
    assert_eq!(refused(&[code, hob]), Error::TdHobExtended { gpa: Gpa(0x80_9000) });
}

#[test]
fn corrupt_metadata_is_told_by_field() {
    let code =
        Section { data: (0, 0x2000), gpa: 0xffff_e000, size: 0x2000, kind: BFV, attributes: 1 };
    let cases: [(Section, &str); 8] = [
        (Section { gpa: 0xffff_e800, ..code }, "address of the section is 0xffffe800"),
        (Section { size: 0x1fff, ..code }, "size of the section is 0x1fff"),
        (Section { gpa: 0xffff_f000, ..code }, "end of the section"),
        (Section { gpa: u64::MAX - 0xfff, ..code }, "end of the section"),
        (Section { data: (0x1000, 0x2000), ..code }, "inside the image of 0x2000 bytes"),
        (Section { size: 0x1000, ..code }, "data of the section is 0x2000 bytes, expected up to"),
        (Section { kind: 7, ..code }, "unknown type 0x7"),
        (Section { attributes: 4, ..code }, "attributes is 0x4, expected bits 0 and 1 only"),
    ];
    for (section, word) in cases {
        let bytes = image(0x2000, &[section]);
        let error = Firmware::of_end(&bytes).unwrap().tdvf_sections().unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    }
    let overlap = image(0x2000, &[code, Section { gpa: 0xffff_d000, ..code }]);
    let error = Firmware::of_end(&overlap).unwrap().tdvf_sections().unwrap_err().to_string();
    assert!(error.contains("where another section starts"), "{error}");

    let start = 0x2000 - DESCRIPTOR_DISTANCE;
    for (offset, bytes, word) in [
        (0, *b"TDVE", "signature is `TDVE`, expected `TDVF`"),
        (4, [47, 0, 0, 0], "length is 47, expected 48 for 1 sections"),
        (8, [2, 0, 0, 0], "version is 2, expected 1"),
        (12, [0; 4], "expected 16 for 0 sections"),
        (12, [0xff; 4], "for 4294967295 sections"),
    ] {
        let mut bad = image(0x2000, &[code]);
        bad[start + offset..][..4].copy_from_slice(&bytes);
        let error = Firmware::of_end(&bad).unwrap().tdvf_sections().unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    }
    let mut many = image(0x2000, &[code]);
    many[start + 4..start + 8].copy_from_slice(&(16_u32 + 32 * 64).to_le_bytes());
    many[start + 12..start + 16].copy_from_slice(&64_u32.to_le_bytes());
    let error = Firmware::of_end(&many).unwrap().tdvf_sections().unwrap_err().to_string();
    assert!(error.contains("number of sections is 64, expected up to 63"), "{error}");
}

#[test]
fn firmware_without_metadata_is_refused() {
    let image = include_bytes!("fixtures/ovmf_AmdSev_suffix.bin");
    // The end of an image: its sections are of the rest.
    let error = Firmware::of_end(image).unwrap().tdvf_sections().unwrap_err();
    assert!(error.to_string().contains("expected inside the image of 0x1000 bytes"), "{error}");

    let mut none = image.to_vec();
    let guid = cvmkit_measure::firmware::TDX_METADATA_GUID.0;
    let at = none.windows(16).rposition(|window| window == guid).unwrap();
    none[at] ^= 1;
    let error = Firmware::of_end(&none).unwrap().tdvf_sections().unwrap_err();
    assert_eq!(error, TdvfError::NoMetadata);
}

/// 2 GiB is proven by a real log (`tdx_rtmr.rs`); here, what the list says at other sizes.
#[test]
fn the_td_hob_follows_the_memory() {
    let bytes = firmware(0x3000, &[0; 0x1000], &EDK2_MEMORY);
    let parsed = Firmware::of_end(&bytes).unwrap();
    let last = |memory| {
        let hob = TdHob::q35(&parsed, memory).unwrap();
        let ranges = hob.ranges();
        let total: u64 = ranges.iter().map(|range| range.size).sum();
        assert_eq!(total, memory);
        assert!(ranges.windows(2).all(|pair| pair[0].gpa.0 + pair[0].size <= pair[1].gpa.0));
        assert_eq!(ranges.iter().filter(|range| range.accepted).count(), 4);
        let end = ranges.last().unwrap();
        (end.gpa.0, end.size)
    };
    let (low, high) = (0x82_0000, 1 << 32);
    assert_eq!(last(1 << 30), (low, (1 << 30) - low));
    assert_eq!(last(0xaff0_0000), (low, 0xaff0_0000 - low));
    assert_eq!(last(0xb000_0000), (high, 0x3000_0000));
    assert_eq!(last(8 << 30), (high, 6 << 30));

    let error = TdHob::q35(&parsed, 8 << 20).unwrap_err();
    let expected = Error::OutsideMemory { gpa: Gpa(0x80_0000), size: 0x6000, memory: 8 << 20 };
    assert_eq!(error, expected);
    let many: Vec<_> = (0..50).map(|n| memory(TEMP_MEM, 0x90_0000 + n * 0x2000, 0x1000)).collect();
    let full = firmware(0x3000, &[0; 0x1000], &[&many[..], &[memory(TD_HOB, 0, 0x1000)]].concat());
    let error = TdHob::q35(&Firmware::of_end(&full).unwrap(), 1 << 30).unwrap_err();
    assert!(matches!(error, Error::TdHobSize { expected: 0x1000, .. }), "{error}");
    let none = firmware(0x3000, &[0; 0x1000], &[]);
    let error = TdHob::q35(&Firmware::of_end(&none).unwrap(), 1 << 30).unwrap_err();
    let section_type = TdvfSectionType::TdHob;
    assert_eq!(error, Error::Tdvf(TdvfError::NotOne { section_type, found: 0 }));
}

/// Uses everything the metadata leads to.
fn exercise(bytes: &[u8]) -> usize {
    let Ok(parsed) = Firmware::of_end(bytes) else { return 0 };
    let pages = |rule: &Rule<'static>| {
        let launch = mrtd::launch(&parsed, rule).ok()?;
        let pages: u64 = launch.operations().iter().map(|operation| operation.pages).sum();
        (pages < 1000).then(|| launch.digest())
    };
    let all = Rule { passes: Passes::Two, extended: Extended::All { td_hob: b"hob" } };
    let answers = [
        pages(&SINGLE).is_some(),
        pages(&all).is_some(),
        TdHob::q35(&parsed, 1 << 30).is_ok(),
        rtmr::cfv_digests(&parsed).is_ok(),
    ];
    answers.into_iter().filter(|&ok| ok).count()
}

#[test]
fn flipped_bits_never_panic() {
    let bytes = firmware(0x2000, &[0; 0x1000], &EDK2_MEMORY);
    let clean = exercise(&bytes);
    assert_eq!(clean, 4);
    let start = bytes.len() - DESCRIPTOR_DISTANCE;
    let mut noticed = 0;
    for at in (start..start + 16 + 6 * 32).chain(bytes.len() - 32 - 40..bytes.len() - 32) {
        for bit in 0..8 {
            let mut other = bytes.clone();
            other[at] ^= 1 << bit;
            noticed += usize::from(exercise(&other) < clean);
        }
    }
    assert!(noticed > 1000, "{noticed}");
    for len in 0..bytes.len() {
        exercise(&bytes[len..]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_words_in_the_metadata_never_panic(
        words in prop::collection::vec((0usize..0xd0, any::<u32>()), 1..6)
    ) {
        let mut bytes = firmware(0x2000, &[0; 0x1000], &EDK2_MEMORY);
        let start = bytes.len() - DESCRIPTOR_DISTANCE;
        for (at, word) in words {
            bytes[start + at..start + at + 4].copy_from_slice(&word.to_le_bytes());
        }
        exercise(&bytes);
    }
}
