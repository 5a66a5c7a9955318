//! `cvmkit verity` against veritysetup.

use crate::program::{Folder, noise};

const UUID: &str = "6ba7b810-9dad-11d1-80b4-00c04fd430c8";

/// A folder with 300 blocks of data.
fn inputs() -> Folder {
    let folder = Folder::new();
    folder.put("data", &noise(300 * 4096));
    folder
}

fn root_hash(text: &str) -> &str {
    text.lines().find_map(|line| line.strip_prefix("Root hash:")).unwrap().trim()
}

/// What both print: veritysetup adds the size of the hash device.
fn header(text: &str) -> Vec<&str> {
    text.lines().filter(|line| !line.starts_with("Hash device size:")).collect()
}

#[test]
fn bytes_and_words_are_those_of_veritysetup() {
    for options in [
        "--salt=-",
        "--salt=00ff10",
        "--salt=aa --data-block-size=512 --hash-block-size=1024",
        "--salt=aa --hash=sha512",
    ] {
        let (ours, theirs) = (inputs(), inputs());
        let line = format!("format data hash --uuid={UUID} --root-hash-file=root {options}");
        let Some(expected) = theirs.accepts("veritysetup", &line) else { return };
        let found = ours.cvmkit(&format!("verity {line}")).answer();
        assert_eq!(header(&found), header(&expected), "{options}");
        for name in ["hash", "root", "data"] {
            assert!(ours.get(name) == theirs.get(name), "{name} with {options}");
        }
        assert_eq!(ours.names(), theirs.names());
        let expected = theirs.accepts("veritysetup", "dump hash").unwrap();
        let found = ours.cvmkit("verity dump hash").answer();
        assert_eq!(header(&found), header(&expected), "{options}");
    }
}

#[test]
fn a_hash_area_without_superblock_is_that_of_veritysetup() {
    let (ours, theirs) = (inputs(), inputs());
    let options = "--no-superblock --salt=aabb";
    let line = format!("format data hash {options}");
    let Some(expected) = theirs.accepts("veritysetup", &line) else { return };
    let found = ours.cvmkit(&format!("verity {line}")).answer();
    assert_eq!(header(&found), header(&expected));
    assert!(ours.get("hash") == theirs.get("hash"));
    let root = root_hash(&found);
    ours.cvmkit(&format!("verity verify data hash {root} {options}")).answer();
    let other_salt = format!("verity verify data hash {root} --no-superblock --salt=aabc");
    assert_eq!(ours.cvmkit(&other_salt).code, Some(1));
}

#[test]
fn a_tree_behind_its_data_is_that_of_veritysetup() {
    let (ours, theirs) = (inputs(), inputs());
    let offset = 300 * 4096;
    let line = format!("format data data --hash-offset={offset} --salt=- --uuid={UUID}");
    let Some(expected) = theirs.accepts("veritysetup", &line) else { return };
    let found = ours.cvmkit(&format!("verity {line}")).answer();
    assert_eq!(header(&found), header(&expected));
    assert!(ours.get("data") == theirs.get("data"));
    let root = root_hash(&found);
    let verify = format!("verify data data {root} --hash-offset={offset}");
    ours.cvmkit(&format!("verity {verify}")).answer();
    theirs.accepts("veritysetup", &verify).unwrap();
    let again = ours.cvmkit(&format!("verity {line}"));
    assert_eq!(again.code, Some(2), "a second tree would be over the first: {again:?}");
    assert_eq!(ours.names(), ["data"]);
}

#[test]
fn verify_and_veritysetup_have_one_opinion() {
    let folder = inputs();
    let root = folder.cvmkit("verity format data hash --root-hash-file root").answer();
    let root = root_hash(&root).to_owned();
    let agree = |code: i32| {
        let verify = format!("verify data hash {root}");
        assert_eq!(folder.cvmkit(&format!("verity {verify}")).code, Some(code));
        let oracle = folder.oracle("veritysetup", &verify.split(' ').collect::<Vec<_>>());
        assert!(oracle.is_none_or(|said| (said.code == Some(0)) == (code == 0)));
    };
    agree(0);
    folder.cvmkit("verity verify data hash --root-hash-file root").answer();
    let mut data = folder.get("data");
    data[123 * 4096 + 5] ^= 1;
    data[250 * 4096] ^= 1;
    folder.put("data", &data);
    agree(1);
    let said = folder.cvmkit(&format!("verity verify data hash {root} --quiet"));
    assert!(said.stderr.contains("data block 123 does not match"), "{said:?}");
    assert!(said.stderr.contains("expected ") && said.stderr.contains("computed "), "{said:?}");
}

#[test]
fn the_default_is_the_same_bytes_every_time() {
    let folder = inputs();
    let first = folder.cvmkit("verity format data hash").answer();
    let bytes = folder.get("hash");
    assert_eq!(folder.cvmkit("verity format data hash").answer(), first);
    assert!(folder.get("hash") == bytes);
    assert!(first.contains("00000000-0000-0000-0000-000000000000"), "{first}");
}

#[test]
fn a_failure_leaves_what_was_there() {
    let folder = inputs();
    folder.put("odd", &noise(4097));
    folder.put("hash", b"precious");
    for line in [
        "verity format odd hash",
        "verity format data hash --data-block-size 1000",
        "verity format data data",
        "verity format data hash --hash-offset 100",
        "verity format data hash --hash-offset 0x1000",
        "verity format data hash --salt xyz",
        "verity format data hash --uuid 1234",
        "verity format missing hash",
        "verity format data /dev/full",
        "verity format data .",
        "verity verify data hash 00",
        "verity verify data hash",
        "verity dump data",
        "verity dump hash --hash-offset 9",
    ] {
        let said = folder.cvmkit(line);
        assert_eq!((said.code, said.stdout.as_str()), (Some(2), ""), "{line}: {said:?}");
    }
    for line in ["verity format data data/hash", "verity format data hash --root-hash-file x/y"] {
        let said = folder.cvmkit(line);
        assert_eq!((said.code, said.stdout.as_str()), (Some(3), ""), "{line}: {said:?}");
    }
    assert_eq!(folder.get("hash"), b"precious");
    assert!(folder.get("data") == noise(300 * 4096));
    assert_eq!(folder.names(), ["data", "hash", "odd"]);
}

/// Files of this shell may have 8 blocks of 512 bytes; the tree needs 16 KiB.
#[test]
fn a_full_disk_leaves_nothing() {
    let folder = inputs();
    let program = env!("CARGO_BIN_EXE_cvmkit");
    let script = format!("trap '' XFSZ; ulimit -f 8; exec {program} verity format data hash");
    let said = folder.oracle("dash", &["-c", &script]).unwrap();
    assert_eq!((said.code, said.stdout.as_str()), (Some(3), ""), "{said:?}");
    assert!(said.stderr.contains("`hash`"), "{said:?}");
    assert_eq!(folder.names(), ["data"]);
}

#[test]
fn refusals_say_what_and_what_next() {
    let folder = inputs();
    folder.cvmkit("verity format data hash").answer();
    let said = folder.cvmkit(&format!("verity verify data hash {}", "00".repeat(32)));
    insta::assert_snapshot!(said.refusal(), @r#"
    exit 1
    error: `data` and `hash` do not match the root hash
      caused by: dm-verity: hash block 0 of level 1 does not match: expected 0000000000000000000000000000000000000000000000000000000000000000, computed f57ff44635c75204afdc4b15073b531f4938924567fd456cb025ba37a2683b1a
    "#);
    insta::assert_snapshot!(folder.cvmkit("verity dump data").refusal(), @r#"
    exit 2
    error: cannot use `data` for dm-verity
      caused by: corrupt dm-verity superblock: signature at 0x0: expected `verity\0\0`, found `=\xe9\x9c\xed\x0c\xdb\\\r`
    hint: name the superblock's place with `--hash-offset`, or give `--no-superblock`
    "#);
    insta::assert_snapshot!(folder.cvmkit("verity format data data").refusal(), @r#"
    exit 2
    error: `data` has 1228800 bytes, expected at most the 0 of --hash-offset, so that the hash area overwrites nothing
    hint: to append the hash area, give `--hash-offset 1228800`
    "#);
    insta::assert_snapshot!(
        folder.cvmkit("verity format data hash --hash-offset 100").refusal(),
        @r#"
        exit 2
        error: --hash-offset is 100, expected a multiple of the hash block size 4096
        "#
    );
}

/// A tree may cover less than the file it protects, as of a padded partition: veritysetup and the
/// kernel say yes, and so does this.
#[test]
fn data_behind_the_tree_is_no_damage() {
    let folder = inputs();
    let options = "--data-blocks 200 --salt=ab";
    let text = folder.cvmkit(&format!("verity format data hash {options}")).answer();
    let root = root_hash(&text);
    if let Some(theirs) = folder.accepts("veritysetup", &format!("format data their {options}")) {
        assert_eq!(root_hash(&theirs), root);
        assert!(folder.get("hash")[512..] == folder.get("their")[512..]);
    }
    let said = folder.cvmkit(&format!("verity verify data hash {root}")).answer();
    assert!(said.contains("verified, 200 blocks of 4096 bytes"), "{said}");
    assert!(said.contains("note: the tree does not cover the 409600 bytes after them"), "{said}");
    let json = folder.cvmkit(&format!("verity verify data hash {root} --format json")).answer();
    assert!(json.contains("409600"), "{json}");
    // Less than the tree covers is another matter.
    folder.put("short", &noise(199 * 4096));
    let said = folder.cvmkit(&format!("verity verify short hash {root}"));
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.stderr.contains("is shorter than its hash tree says"), "{said:?}");
    let bare = "--no-superblock --data-blocks 200 --salt=ab";
    let text = folder.cvmkit(&format!("verity format data bare {bare}")).answer();
    let line = format!("verity verify data bare {} {bare}", root_hash(&text));
    assert!(folder.cvmkit(&line).answer().contains("409600"));
    let many = folder.cvmkit("verity format data other --data-blocks 301");
    assert_eq!(many.code, Some(2), "{many:?}");
    assert!(many.stderr.contains("expected at least --data-blocks 301 of 4096 bytes"), "{many:?}");
}

/// Parity for forward error correction is beside the tree and changes nothing of what it covers; it
/// repairs data, and whether that is right is for the tree to say.
#[test]
fn parity_beside_the_tree_changes_no_answer() {
    let folder = inputs();
    let format = "format data hash --salt=ab --fec-device=parity";
    let Some(text) = folder.accepts("veritysetup", format) else { return };
    let verify = format!("verity verify data hash {}", root_hash(&text));
    let said = folder.cvmkit(&verify).answer();
    assert!(said.contains("verified, 300 blocks of 4096 bytes"), "{said}");
    folder.put("hash", &[folder.get("hash"), folder.get("parity")].concat());
    assert_eq!(folder.cvmkit(&verify).answer(), said);
}

/// A tree that is made otherwise is neither corrupt nor wrong.
#[test]
fn what_is_not_supported_is_no_answer() {
    let folder = inputs();
    let text = folder.cvmkit("verity format data hash").answer();
    let root = root_hash(&text);
    let changed = |at: usize, bytes: &[u8]| {
        let mut hash = folder.get("hash");
        hash[at..at + bytes.len()].copy_from_slice(bytes);
        folder.put("changed", &hash);
        let verify = folder.cvmkit(&format!("verity verify data changed {root}"));
        let dump = folder.cvmkit("verity dump changed");
        assert_eq!((verify.code, dump.code), (Some(2), Some(2)), "{verify:?} {dump:?}");
        assert!(verify.stderr.contains("`changed`"), "{verify:?}");
        for said in [&verify, &dump] {
            assert!(said.stderr.contains("is not supported"), "{said:?}");
            assert!(!said.stderr.contains("corrupt"), "{said:?}");
        }
        verify.stderr
    };
    assert!(changed(12, &[0, 0, 0, 0]).contains("a tree of format 0 (Chrome OS)"));
    assert!(changed(8, &[2, 0, 0, 0]).contains("version 2"));
    assert!(changed(32, b"sha1\0\0").contains("hash algorithm `sha1`"));
}
