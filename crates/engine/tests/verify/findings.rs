//! One thing changed at a time, and all that is found of it: the check, what is wrong, what was expected
//! and what is there. Sums and digests are made anew, so that nothing but the thing itself is found.

use cvmkit_attest::output::Manifest;
use cvmkit_engine::content::Content;
use cvmkit_engine::image::{self, InitrdParts};
use cvmkit_engine::kernel::Module;
use cvmkit_engine::verify::{Check, Report, State, verify};
use cvmkit_formats::cpio;
use cvmkit_formats::digest::Sha256;
use cvmkit_formats::source::read_all;
use cvmkit_formats::tree::{Device, Inode, Meta, Node, Tree};
use cvmkit_host::progress::Silent;
use cvmkit_host::timestamp::Timestamp;

use crate::tiny::{self, Alteration, Kind, RELEASE, STAGE1, TIMESTAMP, Tiny};

/// Every finding of one image, in one line.
fn lines(report: &Report) -> Vec<String> {
    let line = |it: &cvmkit_engine::verify::Finding| {
        format!(
            "{:?} {}: {}: expected {}, found {}",
            it.check, it.file, it.what, it.expected, it.found
        )
    };
    report.findings.iter().map(line).collect()
}

fn found(tiny: &Tiny) -> Vec<String> {
    lines(&verify(tiny.path(), &Silent).unwrap())
}

fn state(report: &Report, check: Check) -> (State, &[String]) {
    let checked = report.checks.iter().find(|checked| checked.check == check).unwrap();
    (checked.state, &checked.skipped)
}

/// What is found when the manifest says something else.
fn described(tiny: &Tiny, change: impl FnOnce(&mut Manifest)) -> Vec<String> {
    tiny.describe(change);
    let lines = found(tiny);
    tiny.restore();
    lines
}

#[test]
fn each_property_of_a_partition_is_compared() {
    let tiny = Tiny::new(Kind::Disk);
    let table = |what: &str, expected: &str, found: &str| {
        [format!("PartitionTable tiny_1.raw: {what}: expected {expected}, found {found}")]
    };
    let record = tiny.manifest().partitions[1].clone();
    let label = described(&tiny, |it| it.partitions[1].name = "boot".into());
    assert_eq!(label, table("label of partition 2", "boot", "root"));
    let uuid = "00000000-0000-0000-0000-000000000001";
    let identity = described(&tiny, |it| it.partitions[1].uuid = uuid.into());
    assert_eq!(identity, table("PARTUUID of partition 2", uuid, &record.uuid));
    let kind = described(&tiny, |it| it.partitions[1].type_guid = uuid.into());
    assert_eq!(kind, table("type of partition 2", uuid, &record.type_guid));
    let (offset, size) = (record.offset, record.size);
    let start = described(&tiny, |it| it.partitions[1].offset += 512);
    assert_eq!(
        start,
        table("offset of partition 2", &(offset + 512).to_string(), &offset.to_string())
    );
    let length = described(&tiny, |it| it.partitions[1].size -= 512);
    assert_eq!(
        length,
        table("length of partition 2", &(size - 512).to_string(), &size.to_string())
    );
    let fewer = described(&tiny, |it| drop(it.partitions.pop()));
    assert_eq!(fewer, table("number of partitions", "2", "3"));
    let esp = described(&tiny, |it| it.partitions[0].name = "efi".into());
    assert_eq!(esp.len(), 2, "{esp:#?}");
    assert_eq!(esp[0], "Manifest manifest.json: artifacts of role `uki`: expected 0, found 1");
    assert_eq!(esp[1..], table("label of partition 1", "efi", "esp"));
}

#[test]
fn another_root_hash_is_found_wherever_one_is() {
    let tiny = Tiny::new(Kind::Disk);
    let other = "0a".repeat(32);
    let lines = described(&tiny, |it| it.root.root_hash.clone_from(&other));
    let has = |words: &str| lines.iter().any(|line| line.contains(words));
    for words in [
        "RootHash tiny_1.roothash: its root hash: expected `0a0a",
        "RootHash tiny_1.cmdline: its roothash=: expected roothash=0a0a",
        "PARTUUID by the root hash of partition 2, `root`: expected 0a0a0a0a-0a0a-0a0a-0a0a-0a0a0a0a0a0a",
        "PARTUUID by the root hash of partition 3, `root-verity`: expected 0a0a0a0a-",
        "Verity tiny_1.raw: the dm-verity tree under the manifest's root hash",
        "Initrd tiny_1.initrd: the command line of the manifest: expected `roothash=0a0a",
    ] {
        assert!(has(words), "{words}: {lines:#?}");
    }
    assert_eq!(lines.len(), 6, "{lines:#?}");
    for malformed in ["", "x", &other[2..], &other.to_uppercase(), &format!("{other}0a")] {
        let lines = described(&tiny, |it| malformed.clone_into(&mut it.root.root_hash));
        let words = format!(
            "RootHash manifest.json: root.root-hash: expected 64 lower-case hex digits, found `{malformed}`"
        );
        assert!(lines.contains(&words), "{malformed}: {lines:#?}");
    }
}

/// What can't be derived because the manifest does not say is skipped by name, not passed.
#[test]
fn what_the_manifest_does_not_say_is_skipped() {
    let tiny = Tiny::new(Kind::Disk);
    tiny.describe(|it| it.root.root_hash = "x".into());
    let report = verify(tiny.path(), &Silent).unwrap();
    tiny.restore();
    let (_, skipped) = state(&report, Check::PartitionTable);
    assert_eq!(skipped, ["PARTUUIDs: the manifest has no root hash to derive them from"]);
    let (failed, skipped) = state(&report, Check::Verity);
    assert_eq!(
        (failed, skipped),
        (State::Failed, &["the blocks: the manifest has no root hash".to_owned()][..])
    );

    for seed in ["", "x", &tiny.manifest().image.seed.to_uppercase()] {
        tiny.describe(|it| seed.clone_into(&mut it.image.seed));
        let report = verify(tiny.path(), &Silent).unwrap();
        tiny.restore();
        let expected = "expected a UUID in lower case";
        assert_eq!(
            lines(&report),
            [format!("Manifest manifest.json: image.seed: {expected}, found `{seed}`")]
        );
        for (check, what) in [
            (Check::PartitionTable, "the table written again"),
            (Check::Esp, "the volume written again"),
        ] {
            let skipped = [format!("{what}: the manifest has no seed")];
            assert_eq!(state(&report, check), (State::Skipped, &skipped[..]), "{seed}");
        }
    }
}

#[test]
fn each_field_of_the_root_s_description_is_compared() {
    let tiny = Tiny::new(Kind::Direct);
    let root = tiny.manifest().root;
    let superblock = |field: &str, expected: &str, found: &str| {
        let what = format!("dm-verity superblock, {field}");
        [format!("Verity tiny_1.raw: {what}: expected {expected}, found {found}")]
    };
    let algorithm = described(&tiny, |it| it.root.algorithm = "sha512".into());
    assert_eq!(algorithm, superblock("algorithm", "sha512", "sha256"));
    let salt = described(&tiny, |it| it.root.salt = "00".into());
    assert_eq!(salt, superblock("salt", "00", &root.salt));
    let data = described(&tiny, |it| it.root.data_block_size = 1024);
    assert_eq!(data, superblock("data block size", "1024", "4096"));
    let hash = described(&tiny, |it| it.root.hash_block_size = 1024);
    assert_eq!(hash, superblock("hash block size", "1024", "4096"));
    let uuid = described(&tiny, |it| it.root.uuid = "x".into());
    let found = format!("found `{}` and `x`", root.salt);
    assert_eq!(
        uuid,
        [format!(
            "Verity manifest.json: root.salt and root.uuid: expected a salt in hex and a UUID, {found}"
        )]
    );
    let format = described(&tiny, |it| it.root.format = "erofs".into());
    assert_eq!(format, ["Manifest manifest.json: root.format: expected squashfs, found erofs"]);
    let machine = described(&tiny, |it| it.image.architecture = "arm64".into());
    assert_eq!(machine, ["Manifest manifest.json: architecture: expected x86-64, found arm64"]);
}

#[test]
fn a_time_is_that_of_all_that_the_build_made() {
    let tiny = Tiny::new(Kind::Disk);
    let lines = described(&tiny, |it| it.image.timestamp = Timestamp(TIMESTAMP.0 + 2));
    let has = |words: &str| lines.iter().any(|line| line.starts_with(words));
    assert!(has("RootFileSystem tiny_1.raw: byte 0x"), "{lines:#?}");
    assert!(has("Esp tiny_1.raw: byte 0x"), "{lines:#?}");
    let expected = "Initrd tiny_1.initrd: /init: expected mode 755, owner 0:0, time 1700000002, found mode \
                    755, owner 0:0, time 1700000000";
    assert!(lines.contains(&expected.to_owned()), "{lines:#?}");
    // A squashfs has 32 bits for it (`mkfs_time` of its superblock).
    let lines = described(&tiny, |it| it.image.timestamp = Timestamp(1 << 32));
    let words =
        "RootFileSystem manifest.json: image.timestamp: expected a time of 1970 to 2106, found";
    assert!(lines.iter().any(|line| line.starts_with(words)), "{lines:#?}");
}

#[test]
fn the_sums_and_the_manifest_say_the_same_of_each_file() {
    let tiny = Tiny::new(Kind::Direct);
    let kernel = tiny.get("tiny_1.vmlinuz");
    let (own, other) = (Sha256::of(&kernel), Sha256::of(b"other"));
    let at = tiny.manifest().artifacts.iter().position(|it| it.name == "tiny_1.vmlinuz").unwrap();
    let digest = described(&tiny, |it| it.artifacts[at].sha256 = other);
    assert_eq!(
        digest,
        [
            format!(
                "Manifest tiny_1.vmlinuz: its SHA-256, by the manifest: expected {other}, found {own}"
            ),
            format!(
                "Manifest manifest.json: SHA-256 of `tiny_1.vmlinuz`, by SHA256SUMS and the manifest: \
                 expected {own}, found {other}"
            ),
        ]
    );
    let len = kernel.len();
    let size = described(&tiny, |it| it.artifacts[at].size += 1);
    assert_eq!(
        size,
        [format!(
            "Manifest tiny_1.vmlinuz: its length, by the manifest: expected {} bytes, found {len} bytes",
            len + 1
        )]
    );
    // A line too many, one too few, and a file that is not there.
    let text = String::from_utf8(tiny.get("SHA256SUMS")).unwrap();
    let sums = |text: &str| {
        tiny.put("SHA256SUMS", text.as_bytes());
        let lines = found(&tiny);
        tiny.restore();
        lines
    };
    let line = format!("{own}  tiny_1.vmlinuz\n");
    assert!(text.contains(&line));
    assert_eq!(
        sums(&text.replace(&line, "")),
        ["Sums SHA256SUMS: the files it covers: expected `tiny_1.vmlinuz`, found no sum of it"
            .to_owned(),]
    );
    assert_eq!(
        sums(&format!("{text}{own}  zzz\n")),
        [
            format!("Sums zzz: its SHA-256, by SHA256SUMS: expected {own}, found no file"),
            "Sums SHA256SUMS: the files it covers: expected files that the manifest lists, found `zzz`".to_owned(),
        ]
    );
    let flipped = sums(&text.replace(&own.to_string(), &other.to_string()));
    assert_eq!(
        flipped[0],
        format!("Sums tiny_1.vmlinuz: its SHA-256, by SHA256SUMS: expected {other}, found {own}")
    );
    assert_eq!(flipped.len(), 2, "and the manifest says otherwise: {flipped:#?}");
}

#[test]
fn a_file_of_another_role_is_noted_and_checked_no_further() {
    let tiny = Tiny::new(Kind::Direct);
    tiny.put("extra.bin", b"extra");
    tiny.describe(|it| {
        let mut extra = it.artifacts[0].clone();
        extra.name = "extra.bin".into();
        extra.role = "extra".into();
        extra.size = 5;
        extra.sha256 = Sha256::of(b"extra");
        it.artifacts.push(extra);
    });
    let report = verify(tiny.path(), &Silent).unwrap();
    assert_eq!(lines(&report), [""; 0]);
    let note = "`extra.bin` has the role `extra`: its length and digest are checked, no more";
    assert_eq!(report.notes, [note]);
}

/// What stands in the place of a file is named; a check that needs it says that it was not made.
#[test]
fn a_check_without_its_file_is_skipped() {
    let tiny = Tiny::new(Kind::Disk);
    for (file, check, skipped) in [
        ("tiny_1.raw", Check::PartitionTable, "all of it: there is no disk"),
        ("tiny_1.initrd", Check::Initrd, "all of it: there is no initramfs"),
        ("tiny_1.efi", Check::Uki, "all of it: there is no UKI"),
        ("tiny_1.efi", Check::Esp, "EFI/BOOT/BOOTX64.EFI: there is no UKI to compare it with"),
        ("tiny_1.roothash", Check::RootHash, "its root hash: there is no such file"),
        (
            "tiny_1.cmdline",
            Check::RootHash,
            "the command line of the manifest: there is no such file",
        ),
        (
            "reference-values.json",
            Check::ReferenceValues,
            "all of it: there are no reference values",
        ),
        (
            "tiny_1.vmlinuz",
            Check::Uki,
            "section `.linux`: the file to compare it with is not there",
        ),
        (
            "tiny_1.vmlinuz",
            Check::Initrd,
            "the release of the modules: the kernel does not say its own",
        ),
    ] {
        std::fs::remove_file(tiny.path().join(file)).unwrap();
        let report = verify(tiny.path(), &Silent).unwrap();
        let (found, all) = state(&report, check);
        assert!(all.contains(&skipped.to_owned()), "{file}: {all:#?}");
        assert_ne!(found, State::Passed, "{file}");
        let words = format!("Sums {file}: its SHA-256, by SHA256SUMS: expected ");
        let lines = lines(&report);
        assert!(
            lines.iter().any(|line| line.starts_with(&words) && line.ends_with("found no file")),
            "{lines:#?}"
        );
        restore_one(&tiny, file);
    }
}

/// Puts a removed file back.
fn restore_one(tiny: &Tiny, file: &str) {
    tiny.put(file, b"");
    tiny.restore();
}

/// An initramfs of other parts than the image says.
fn initrd_of(
    change: impl FnOnce(&mut Vec<Module>, &mut Vec<u8>, &mut String, &mut Timestamp),
) -> Vec<u8> {
    let path = format!("/usr/lib/modules/{RELEASE}/kernel/a.ko");
    let mut modules = vec![Module { name: "a".into(), path, contents: b"module".to_vec() }];
    let mut stage1 = STAGE1.to_vec();
    let mut line = "roothash= efi=noruntime systemd.import_credentials=no quiet --".to_owned();
    let mut time = TIMESTAMP;
    change(&mut modules, &mut stage1, &mut line, &mut time);
    let parts =
        InitrdParts { stage1: &stage1, modules: &modules, built_for: &line, timestamp: time };
    image::initrd(&parts).unwrap()
}

/// What is found in an image with this initramfs, without `Initrd tiny_1.initrd: `.
fn in_initrd(initrd: Vec<u8>) -> Vec<String> {
    let tiny =
        Tiny::altered(Kind::Disk, &Alteration { initrd: Some(initrd), ..Alteration::default() });
    let own =
        |line: String| line.strip_prefix("Initrd tiny_1.initrd: ").map(str::to_owned).ok_or(line);
    found(&tiny).into_iter().map(|line| own(line).unwrap()).collect()
}

#[test]
fn an_initramfs_of_other_parts_is_told_by_them() {
    assert_eq!(in_initrd(initrd_of(|_, _, _, _| ())), [""; 0], "the premise");
    let (own, other) = (Sha256::of(STAGE1), Sha256::of(b"other"));
    let init = in_initrd(initrd_of(|_, stage1, _, _| *stage1 = b"other".to_vec()));
    assert_eq!(init, [format!("SHA-256 of /init, by the manifest: expected {own}, found {other}")]);
    let line = in_initrd(initrd_of(|_, _, line, _| *line = "roothash= --".into()));
    let built = "roothash= efi=noruntime systemd.import_credentials=no quiet --";
    assert_eq!(line, [format!("/etc/stage1/command-line: expected {built}, found roothash= --")]);
    let list = "/etc/stage1/modules";
    let elsewhere = "/usr/lib/modules/6.1-other/kernel/a.ko";
    let release = in_initrd(initrd_of(|modules, _, _, _| modules[0].path = elsewhere.into()));
    assert_eq!(
        release,
        [format!("{list}: expected modules in `/lib/modules/{RELEASE}/`, found `{elsewhere}`")]
    );
    let twice = in_initrd(initrd_of(|modules, _, _, _| modules.push(modules[0].clone())));
    let path = format!("/usr/lib/modules/{RELEASE}/kernel/a.ko");
    assert_eq!(twice, [format!("{list}: expected each module once, found `{path}` again")]);
    let empty = in_initrd(initrd_of(|modules, _, _, _| modules[0].contents.clear()));
    assert_eq!(empty, [format!("{list}: expected the module `{path}`, found no such file")]);
    assert_eq!(
        in_initrd(initrd_of(|modules, _, _, _| modules.clear())),
        [""; 0],
        "none is none too many"
    );
    let later = in_initrd(initrd_of(|_, _, _, time| time.0 += 1));
    assert!(later.iter().all(|line| line.ends_with("time 1700000001")), "{later:#?}");
    assert!(later.len() > 10, "of every file and folder: {later:#?}");
}

/// The initramfs of the image with its tree changed, packed as a build packs it.
fn edited(change: impl FnOnce(&mut Tree<Content>)) -> Vec<u8> {
    let archive = zstd::decode_all(tiny::initrd().as_slice()).unwrap();
    let tree = cpio::read(&archive).unwrap().tree;
    let mut tree = tree
        .try_map(|content| Ok::<_, std::io::Error>(Content::from(read_all(&content, 1 << 20)?)))
        .unwrap();
    change(&mut tree);
    let mut archive = Vec::new();
    cpio::Plan::new(&tree, &cpio::Options::default()).unwrap().write(&mut archive).unwrap();
    let mut encoder = zstd::Encoder::new(Vec::new(), 12).unwrap();
    encoder.multithread(1).unwrap();
    encoder.include_checksum(true).unwrap();
    std::io::Write::write_all(&mut encoder, &archive).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn a_file_of_an_initramfs_is_one_that_a_build_puts_there() {
    assert!(edited(|_| ()) == tiny::initrd(), "the premise");
    let file = |mode, text: &str| Inode::file(Meta::root(mode, TIMESTAMP.0), Content::from(text));
    let in_edited = |change: &dyn Fn(&mut Tree<Content>)| in_initrd(edited(change));
    let more = in_edited(&|tree| {
        tree.put(b"etc/more", file(0o644, "x")).unwrap();
    });
    let own = "stage 1, its two lists, the listed modules and /dev/console";
    assert_eq!(more, [format!("its files: expected {own}, found also `/etc/more`")]);
    let folder = in_edited(&|tree| {
        tree.make_directories(b"srv", &Meta::root(0o755, TIMESTAMP.0)).unwrap();
    });
    assert_eq!(
        folder,
        ["its folders: expected folders of files and mount points, found also `/srv`"]
    );
    let console = in_edited(&|tree| assert!(tree.remove(b"dev/console")));
    assert_eq!(console, ["/dev/console: expected character device 5:1, found nothing"]);
    let device = in_edited(&|tree| {
        let node = Node::CharDevice(Device { major: 5, minor: 2 });
        tree.put(b"dev/console", Inode { meta: Meta::root(0o600, TIMESTAMP.0), node }).unwrap();
    });
    assert_eq!(device, ["/dev/console: expected character device 5:1, found something else"]);
    let init = Sha256::of(STAGE1);
    let gone = in_edited(&|tree| assert!(tree.remove(b"init")));
    assert_eq!(
        gone,
        [format!("SHA-256 of /init, by the manifest: expected {init}, found no such file")]
    );
    let link = in_edited(&|tree| {
        tree.put(b"init", Inode::symlink("sbin/init", TIMESTAMP.0)).unwrap();
    });
    let what = "something other than a regular file";
    assert_eq!(
        link[0],
        format!("SHA-256 of /init, by the manifest: expected {init}, found {what}")
    );
    let lists = ["etc/stage1/modules", "etc/stage1/command-line"];
    let no_list = in_edited(&|tree| assert!(tree.remove(lists[0].as_bytes())));
    assert_eq!(no_list[0], "/etc/stage1/modules: expected the paths of modules, found no text");
    let no_line = in_edited(&|tree| assert!(tree.remove(lists[1].as_bytes())));
    assert!(
        no_line[0].starts_with("/etc/stage1/command-line: expected roothash= "),
        "{no_line:#?}"
    );
    assert!(no_line[0].ends_with("found no such file") && no_line.len() == 1, "{no_line:#?}");
    let relative = in_edited(&|tree| {
        let path = format!("usr/lib/modules/{RELEASE}/kernel/a.ko\n");
        tree.put(b"etc/stage1/modules", file(0o644, &path)).unwrap();
    });
    let path = format!("usr/lib/modules/{RELEASE}/kernel/a.ko");
    assert_eq!(
        relative,
        [format!("/etc/stage1/modules: expected the module `{path}`, found no such file")]
    );
}

#[test]
fn owners_and_modes_of_an_initramfs_are_those_of_a_build() {
    let with = |path: &str, change: fn(&mut Meta)| {
        let path = path.to_owned();
        in_initrd(edited(move |tree| {
            let id = tree.lookup(path.as_bytes()).unwrap();
            change(tree.meta_mut(id));
        }))
    };
    let line = |path: &str, expected: &str, found: &str| {
        let time = "time 1700000000";
        format!("{path}: expected mode {expected}, {time}, found mode {found}, {time}")
    };
    let init = with("init", |meta| meta.mode = 0o700);
    assert_eq!(
        init,
        [
            "mode of /init: expected 755, found 700".to_owned(),
            line("/init", "755, owner 0:0", "700, owner 0:0")
        ]
    );
    let owner = with("init", |meta| meta.uid = 7);
    assert_eq!(owner, [line("/init", "755, owner 0:0", "755, owner 7:0")]);
    let console = with("dev/console", |meta| meta.mode = 0o666);
    assert_eq!(console, [line("/dev/console", "600, owner 0:0", "666, owner 0:0")]);
    let list = with("etc/stage1/modules", |meta| meta.mode = 0o600);
    assert_eq!(list, [line("/etc/stage1/modules", "644, owner 0:0", "600, owner 0:0")]);
    let folder = with("proc", |meta| meta.gid = 7);
    assert_eq!(folder, [line("/proc", "755, owner 0:0", "755, owner 0:7")]);
}

/// An image whose root file system is another one, described as it is.
fn in_tree(tree: fn(&mut Tree<Content>)) -> Report {
    let tiny = Tiny::altered(Kind::Disk, &Alteration { tree: Some(tree), ..Alteration::default() });
    verify(tiny.path(), &Silent).unwrap()
}

fn put(tree: &mut Tree<Content>, path: &str, text: &str) {
    let inode = Inode::file(Meta::root(0o644, TIMESTAMP.0), Content::from(text));
    tree.put(path.as_bytes(), inode).unwrap();
}

#[test]
fn the_os_release_of_the_root_says_which_image_it_is() {
    let osrel = "Uki tiny_1.efi: section `.osrel`: expected /etc/os-release of the root file system, found \
                 another byte at 0x17";
    let name = |tree: &mut Tree<Content>| {
        put(tree, "usr/lib/os-release", "ID=debian\nIMAGE_ID=\"tinz\"\nIMAGE_VERSION=\"2\"\n");
    };
    let by = "in /etc/os-release, by the manifest";
    assert_eq!(
        lines(&in_tree(name)),
        [
            format!("OsRelease tiny_1.raw: IMAGE_ID {by}: expected tiny, found tinz"),
            format!("OsRelease tiny_1.raw: IMAGE_VERSION {by}: expected 1, found 2"),
            osrel.to_owned(),
        ]
    );
    let debug = |tree: &mut Tree<Content>| {
        put(tree, "usr/lib/os-release", "IMAGE_ID=tiny\nIMAGE_VERSION='1'\nVARIANT_ID=debug\n");
    };
    let found = lines(&in_tree(debug));
    let words = format!("VARIANT_ID {by}: expected a production image, found a debug image");
    assert_eq!(found[0], format!("OsRelease tiny_1.raw: {words}"));
    let none = in_tree(|tree| assert!(tree.remove(b"etc/os-release")));
    assert_eq!(
        lines(&none),
        [
            "OsRelease tiny_1.raw: /etc/os-release: expected a short file, found none that can be read"
        ]
    );
    let (skipped, why) = state(&none, Check::Uki);
    assert_eq!(skipped, State::Skipped);
    assert_eq!(
        why,
        ["section `.osrel`: the root file system has no os-release to compare it with"]
    );
}

#[test]
fn the_packages_of_the_manifest_are_those_of_the_root() {
    let by = "packages, by /var/lib/dpkg/status in `tiny_1.raw`";
    let one = |tree: &mut Tree<Content>| {
        let stanza =
            "Package: noise\nStatus: install ok installed\nArchitecture: amd64\nVersion: 9\n\n";
        put(tree, "var/lib/dpkg/status", stanza);
    };
    assert_eq!(
        lines(&in_tree(one)),
        [
            format!(
                "Packages manifest.json: {by}: expected `noise` 9 for amd64, found no such package"
            ),
            format!(
                "Packages manifest.json: {by}: expected no such package, found `noise` 1.2-3 for amd64"
            ),
            format!(
                "Packages manifest.json: {by}: expected no such package, found `words` 7 for all"
            ),
        ]
    );
    let none = in_tree(|tree| assert!(tree.remove(b"var/lib/dpkg/status")));
    assert_eq!(lines(&none), [""; 0]);
    let checked = none.checks.iter().find(|it| it.check == Check::Packages).unwrap();
    assert_eq!(checked.detail, "no package database in the image to compare them with");
    let malformed = lines(&in_tree(|tree| put(tree, "var/lib/dpkg/status", "no field\n")));
    assert_eq!(malformed.len(), 1, "{malformed:#?}");
    let begins = "Packages tiny_1.raw: /var/lib/dpkg/status: expected stanzas of packages, found ";
    assert!(malformed[0].starts_with(begins), "{malformed:#?}");
    let tiny = Tiny::new(Kind::Direct);
    let twice = described(&tiny, |it| it.packages.push(it.packages[0].clone()));
    assert_eq!(twice, [format!("Packages manifest.json: {by}: expected 2 packages, found 3")]);
}

#[test]
fn the_uki_says_the_release_of_its_kernel() {
    let alteration = Alteration { release: Some("6.1-other"), ..Alteration::default() };
    let tiny = Tiny::altered(Kind::Disk, &alteration);
    assert_eq!(
        found(&tiny),
        [format!("Uki tiny_1.efi: section `.uname`: expected {RELEASE}, found 6.1-other")]
    );
}

/// A UKI beside the disk that is not the one on it: each section is compared with its file.
#[test]
fn a_file_that_differs_from_its_section_is_found_there() {
    let tiny = Tiny::new(Kind::Disk);
    for (file, section) in
        [("tiny_1.vmlinuz", ".linux"), ("tiny_1.initrd", ".initrd"), ("tiny_1.cmdline", ".cmdline")]
    {
        let mut bytes = tiny.get(file);
        let len = bytes.len();
        *bytes.last_mut().unwrap() ^= 1;
        tiny.put(file, &bytes);
        tiny.seal();
        let lines = found(&tiny);
        tiny.restore();
        let words = format!(
            "Uki tiny_1.efi: section `{section}`: expected the bytes of `{file}`, {len} bytes, found another byte \
             at {:#x}, {len} bytes",
            len - 1
        );
        assert!(lines.contains(&words), "{words}: {lines:#?}");
    }
}
