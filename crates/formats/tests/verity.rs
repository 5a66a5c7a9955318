//! dm-verity against veritysetup: identical bytes, and the same opinion about damaged ones.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on must stop")]
#![expect(clippy::disallowed_types, reason = "tests run veritysetup")]
#![expect(clippy::disallowed_methods, reason = "tests make files for veritysetup")]

use std::fmt::Write;
use std::path::Path;
use std::process::{Command, Output};

use cvmkit_formats::sink::Checked;
use cvmkit_formats::verity::{Algorithm, Error, Options, Place, Plan, RootHash, read, verify};

const UUID: &str = "6ba7b810-9dad-11d1-80b4-00c04fd430c8";
const UUID_BYTES: [u8; 16] = [
    0x6b, 0xa7, 0xb8, 0x10, 0x9d, 0xad, 0x11, 0xd1, 0x80, 0xb4, 0x00, 0xc0, 0x4f, 0xd4, 0x30, 0xc8,
];

/// Runs the oracle; `None`, loudly, if it is not installed.
fn veritysetup(arguments: &[&str]) -> Option<Output> {
    match Command::new("veritysetup").args(arguments).output() {
        Ok(output) => Some(output),
        Err(error) => {
            let required =
                std::env::var_os("CVMKIT_ORACLES").is_some_and(|value| value == "require");
            assert!(!required, "veritysetup is required: {error}");
            eprintln!("SKIPPED: veritysetup is not installed");
            None
        }
    }
}

fn data(len: usize) -> Vec<u8> {
    let mut state = 7u32;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_le_bytes()[3]
    };
    std::iter::repeat_with(next).take(len).collect()
}

fn write(data: &[u8], options: &Options) -> (Vec<u8>, RootHash) {
    let plan = Plan::new(data.len() as u64, options).unwrap();
    let mut sink = Checked::new(Vec::new());
    let root = plan.write(data, &mut sink).unwrap();
    (sink.finish(plan.hash_len()).unwrap(), root)
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// `veritysetup format` of the same data with the same options, unless it is not installed.
fn oracle(folder: &Path, data: &[u8], options: &Options) -> Option<(Vec<u8>, String)> {
    let (data_file, hash_file) = (folder.join("data"), folder.join("hash"));
    std::fs::write(&data_file, data).unwrap();
    let _ = std::fs::remove_file(&hash_file);
    let salt = options.salt.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    });
    let mut arguments = vec![
        format!("--salt={}", if salt.is_empty() { "-" } else { &salt }),
        format!("--data-block-size={}", options.data_block_size),
        format!("--hash-block-size={}", options.hash_block_size),
        format!("--hash={}", options.algorithm.name()),
        format!("--uuid={UUID}"),
    ];
    if !options.superblock {
        arguments.push("--no-superblock".into());
    }
    let mut all: Vec<&str> = arguments.iter().map(String::as_str).collect();
    all.extend(["format", text(&data_file), text(&hash_file)]);
    let output = veritysetup(&all)?;
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let line = stdout.lines().find_map(|line| line.strip_prefix("Root hash:")).unwrap();
    Some((std::fs::read(&hash_file).unwrap(), line.trim().to_owned()))
}

fn every_option() -> Vec<Options> {
    let base = Options::new(vec![0xa5; 32], UUID_BYTES);
    let mut all = vec![base.clone()];
    for salt in [0, 1, 63, 64, 65, 256] {
        all.push(Options { salt: vec![0x3c; salt], ..base.clone() });
    }
    for (data_block_size, hash_block_size) in [(512, 512), (512, 4096), (4096, 1024), (1024, 8192)]
    {
        for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
            all.push(Options { data_block_size, hash_block_size, algorithm, ..base.clone() });
        }
    }
    all.push(Options { superblock: false, ..base.clone() });
    all.push(Options { algorithm: Algorithm::Sha512, superblock: false, ..base });
    all
}

#[test]
fn the_bytes_are_those_of_veritysetup() {
    let folder = tempfile::tempdir().unwrap();
    for options in every_option() {
        let per_block = options.hash_block_size as usize / options.algorithm.digest_len();
        let edges = [1, 2, per_block - 1, per_block, per_block + 1, 3 * per_block + 5];
        for blocks in edges {
            let data = data(blocks * options.data_block_size as usize);
            let Some((hash, root)) = oracle(folder.path(), &data, &options) else { return };
            let (ours, our_root) = write(&data, &options);
            assert_eq!(our_root.to_string(), root, "{blocks} blocks, {options:?}");
            if blocks > 1 {
                assert!(ours == hash, "{blocks} blocks, {options:?}");
            } else {
                // Behind a superblock without levels veritysetup leaves the block unfinished.
                let used = hash.len().min(ours.len());
                assert!(ours[..used] == hash[..used], "{options:?}");
                assert!(ours[used..].iter().all(|&byte| byte == 0), "{options:?}");
            }
        }
    }
}

#[test]
fn a_tree_of_three_levels_is_that_of_veritysetup() {
    let folder = tempfile::tempdir().unwrap();
    let base = Options::new(vec![1, 2, 3], UUID_BYTES);
    let options = Options { data_block_size: 512, hash_block_size: 512, ..base };
    for blocks in [16 * 16, 16 * 16 + 1, 16 * 16 * 16, 5000] {
        let data = data(blocks * 512);
        let Some((hash, root)) = oracle(folder.path(), &data, &options) else { return };
        let (ours, our_root) = write(&data, &options);
        assert!(ours == hash && our_root.to_string() == root, "{blocks} blocks");
    }
}

#[test]
fn veritysetup_accepts_and_dumps_what_we_wrote() {
    let folder = tempfile::tempdir().unwrap();
    let (data_file, hash_file) = (folder.path().join("data"), folder.path().join("hash"));
    let options = Options::new(vec![0x5a; 17], UUID_BYTES);
    let mut data = data(700 * 4096);
    let (hash, root) = write(&data, &options);
    std::fs::write(&data_file, &data).unwrap();
    std::fs::write(&hash_file, &hash).unwrap();
    let root = root.to_string();
    let arguments = ["verify", text(&data_file), text(&hash_file), &root];
    let Some(output) = veritysetup(&arguments) else { return };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let dump = veritysetup(&["dump", text(&hash_file)]).unwrap();
    let dump = String::from_utf8(dump.stdout).unwrap();
    for part in [UUID, "sha256", "700", "4096", &"5a".repeat(17)] {
        assert!(dump.contains(part), "{part} in {dump}");
    }
    data[5] ^= 1;
    std::fs::write(&data_file, &data).unwrap();
    assert!(!veritysetup(&arguments).unwrap().status.success());
}

/// Bytes of two hashes of one block, computed with coreutils:
/// `(printf 'salt'; head -c 4096 /dev/zero) | sha256sum`, and `sha512sum`.
#[test]
fn one_block_is_hashed_behind_the_salt() {
    for (algorithm, expected) in [
        (Algorithm::Sha256, include_str!("vectors/verity-one-block.sha256")),
        (Algorithm::Sha512, include_str!("vectors/verity-one-block.sha512")),
    ] {
        let options = Options { algorithm, ..Options::new(b"salt".to_vec(), UUID_BYTES) };
        let (hash, root) = write(&[0; 4096], &options);
        assert_eq!(root.to_string(), expected.trim());
        assert_eq!(hash.len(), 4096);
        verify([0; 4096].as_slice(), hash.as_slice(), &root).unwrap();
    }
}

#[test]
fn the_first_bad_block_is_named() {
    let options = Options::new(vec![9; 8], UUID_BYTES);
    let data = data(300 * 4096);
    let (hash, root) = write(&data, &options);
    let plan = Plan::new(data.len() as u64, &options).unwrap();
    assert_eq!(plan.levels().iter().map(|level| level.blocks).collect::<Vec<_>>(), [3, 1]);
    verify(data.as_slice(), hash.as_slice(), &root).unwrap();

    let mut bad = data.clone();
    bad[299 * 4096 + 17] ^= 0x80;
    bad[123 * 4096] ^= 1;
    assert_eq!(place(verify(bad.as_slice(), hash.as_slice(), &root)), Place::Data(123));

    for (level, index) in [(0, 2), (0, 0), (1, 0)] {
        let mut bad = hash.clone();
        let at = plan.levels()[level].offset + index * 4096;
        bad[usize::try_from(at).unwrap()] ^= 1;
        let found = place(verify(data.as_slice(), bad.as_slice(), &root));
        assert_eq!(found, Place::Hash { level, index });
    }
    let other: RootHash = "00".repeat(32).parse().unwrap();
    let found = place(verify(data.as_slice(), hash.as_slice(), &other));
    assert_eq!(found, Place::Hash { level: 1, index: 0 });
    let short = &data[..data.len() - 4096];
    assert!(matches!(verify(short, hash.as_slice(), &root), Err(Error::Invalid { .. })));
}

fn place(result: Result<(), Error>) -> Place {
    match result {
        Err(Error::Mismatch { place, .. }) => place,
        other => panic!("expected a mismatch, found {other:?}"),
    }
}

#[test]
fn options_and_lengths_are_checked() {
    let base = Options::new(Vec::new(), UUID_BYTES);
    for len in [0, 1, 4095, 4097] {
        assert!(Plan::new(len, &base).is_err(), "{len}");
    }
    for size in [0, 256, 1000, 1 << 20] {
        assert!(Plan::new(4096, &Options { data_block_size: size, ..base.clone() }).is_err());
        assert!(Plan::new(4096, &Options { hash_block_size: size, ..base.clone() }).is_err());
    }
    assert!(Plan::new(4096, &Options { salt: vec![0; 257], ..base.clone() }).is_err());
    assert!(Plan::new(u64::MAX - 4095, &Options { superblock: false, ..base }).is_ok());
}

#[test]
fn threads_do_not_change_the_bytes() {
    let options = Options::new(vec![4; 32], UUID_BYTES);
    let data = data(9 << 20);
    let images: Vec<_> = [1, 2, 7]
        .map(|threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| write(&data, &options))
        })
        .into();
    assert!(images.windows(2).all(|pair| pair[0] == pair[1]));
}

#[test]
fn the_superblock_is_read_back_and_damage_is_no_panic() {
    let options = Options {
        algorithm: Algorithm::Sha512,
        data_block_size: 512,
        ..Options::new(vec![7; 256], UUID_BYTES)
    };
    let data = data(20 * 512);
    let (hash, root) = write(&data, &options);
    let header = read(hash.as_slice()).unwrap();
    assert_eq!((header.options, header.data_blocks), (options, 20));
    for at in 0..hash.len() {
        for flip in [1, 0x80, 0xff] {
            let mut bad = hash.clone();
            bad[at] ^= flip;
            let found = verify(data.as_slice(), bad.as_slice(), &root);
            // The uuid and the padding of the superblock's block are not hashed.
            let free = (16..32).contains(&at)
                || (82..88).contains(&at)
                || (344..4096).contains(&at)
                || (38..64).contains(&at) && found.is_ok();
            assert_eq!(found.is_err(), !free, "byte {at}");
        }
    }
    for len in 0..hash.len() {
        assert!(verify(data.as_slice(), &hash[..len], &root).is_err(), "{len} bytes");
    }
}
