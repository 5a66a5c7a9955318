//! The built image: the same bytes for everybody, without privileges, and as foreign tools read it.
//!
//! Oracles: strace for what the program asks of the kernel; sgdisk, sfdisk, veritysetup,
//! unsquashfs, fsck.vfat, objdump, sha256sum and sev-snp-measure for the files.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "runs processes, found by the environment, on files it makes"
)]

mod rig;

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use cvmkit_formats::digest::Sha256;
use rig::{ESP, Image, ROOT, ROOT_VERITY, Said, cvmkit, names, oracle, run, skip};

/// `nobody` (Debian Policy, section 9.2.2).
const NOBODY: u32 = 65534;

/// Gives `$1` a `/dev` without loop devices, then runs the rest.
const HIDE_LOOP_DEVICES: &str = r#"set -e
dev=$1; shift
mount -t tmpfs none "$dev"
for name in null zero full random urandom tty; do
    : >"$dev/$name"
    mount --bind "/dev/$name" "$dev/$name"
done
mount --rbind "$dev" /dev
test -z "$(ls -d /dev/loop* 2>/dev/null)"
umask 077
exec "$@"
"#;

/// What a build must never ask of the kernel.
const PRIVILEGED: &str = "mount,umount2,move_mount,fsopen,unshare,setns,pivot_root,chroot,mknod,\
                          mknodat,chown,fchown,lchown,fchownat,setuid,setgid,setresuid,setresgid,\
                          capset,ptrace,init_module,finit_module";

/// Every file with its digest.
fn digests(folder: &Path) -> Vec<(String, Sha256)> {
    let of = |name: String| {
        let file = File::open(folder.join(&name)).unwrap();
        let digest = Sha256::of_reader(file).unwrap().0;
        (name, digest)
    };
    names(folder).into_iter().map(of).collect()
}

/// A copy of the definition, all its inputs, and the program, that everybody may read.
struct Elsewhere {
    folder: tempfile::TempDir,
}

impl Elsewhere {
    fn new(image: &Image) -> Self {
        let elsewhere = Self { folder: rig::open_folder() };
        rig::copy_folder(&image.recipe, &elsewhere.path("the definition, with spaces"));
        fs::copy(env!("CARGO_BIN_EXE_cvmkit"), elsewhere.path("cvmkit")).unwrap();
        let vendor = elsewhere.path("vendor");
        let mut command = cvmkit(["vendor".as_ref(), vendor.as_os_str()]);
        run(command.arg(&image.recipe)).answer();
        let readable = run(Command::new("chmod").args(["-R", "a+rX"]).arg(&vendor));
        assert_eq!(readable.code, Some(0), "{readable:?}");
        elsewhere
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    /// An offline build by this program from the vendor folder into `NAME/out`.
    fn build(&self, name: &str) -> Vec<OsString> {
        fs::create_dir(self.path(name)).unwrap();
        let mut words = vec![self.path("cvmkit").into_os_string(), "build".into()];
        words.push(self.path("the definition, with spaces").into());
        words.extend(["--offline".into(), "--vendor".into(), self.path("vendor").into()]);
        words.extend(["--out".into(), self.path(name).join("out").into()]);
        words
    }

    /// Runs these words in an environment that has nothing in common with the tests'.
    fn run(&self, name: &str, words: &[OsString]) -> Said {
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).env_clear().current_dir("/");
        command.env("PATH", "/nonexistent").env("HOME", self.path(name));
        command.env("TZ", "Pacific/Kiritimati").env("LANG", "tr_TR.UTF-8").env("LC_ALL", "C.UTF-8");
        run(&mut command)
    }
}

/// The program in front of the words.
fn before(program: &str, arguments: &[&str], words: Vec<OsString>) -> Vec<OsString> {
    let program = rig::found(program).unwrap_or_else(|| panic!("{program} is part of util-linux"));
    let front = std::iter::once(program.into_os_string());
    front.chain(arguments.iter().map(OsString::from)).chain(words).collect()
}

#[test]
fn another_path_zone_locale_and_one_processor_give_the_same_bytes() {
    let image = Image::minimal();
    let elsewhere = Elsewhere::new(image);
    let words = before("taskset", &["-c", "0"], elsewhere.build("b"));
    elsewhere.run("b", &words).answer();
    let built = elsewhere.path("b/out");
    assert!(names(&built).len() > 8, "{:?}", names(&built));
    assert_eq!(digests(&image.out), digests(&built));
    assert!(names(&elsewhere.path("b")).contains(&".cache".into()), "the store was an empty one");
    assert!(names(&elsewhere.path("b")).iter().all(|name| !name.ends_with(".partial")));
}

#[test]
fn nobody_without_loop_devices_gets_the_same_bytes() {
    if !rig::mount_namespaces() {
        return;
    }
    let image = Image::minimal();
    let elsewhere = Elsewhere::new(image);
    let words = elsewhere.build("b");
    std::os::unix::fs::chown(elsewhere.path("b"), Some(NOBODY), Some(NOBODY)).unwrap();
    let id = NOBODY.to_string();
    let drop = ["--reuid", &id, "--regid", &id, "--clear-groups", "--no-new-privs"];
    let dropped = before("setpriv", &drop, words);
    fs::create_dir(elsewhere.path("dev")).unwrap();
    let dev = elsewhere.path("dev").into_os_string().into_string().unwrap();
    let shell = ["--mount", "/bin/sh", "-c", HIDE_LOOP_DEVICES, "sh", &dev];
    let words = before("unshare", &shell, dropped);
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).env_clear().current_dir("/").env("HOME", elsewhere.path("b"));
    command.env("TZ", "America/St_Johns").env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    run(&mut command).answer();
    assert_eq!(digests(&image.out), digests(&elsewhere.path("b/out")));
    let owner = fs::metadata(elsewhere.path("b/out/SHA256SUMS")).unwrap();
    assert_eq!(std::os::unix::fs::MetadataExt::uid(&owner), NOBODY);
}

#[test]
fn a_build_asks_for_no_privilege_no_program_and_no_network() {
    let Some(strace) = rig::found("strace") else { return skip("strace is not installed") };
    let image = Image::minimal();
    let folder = rig::open_folder();
    let (log, out) = (folder.path().join("trace"), folder.path().join("out"));
    let build = image.command(&out, &["--offline"]);
    let mut command = Command::new(strace);
    let calls = format!("trace={PRIVILEGED},execve,execveat,socket,connect,open,openat,openat2");
    command.args(["-f", "-qq", "-e", &calls, "-o"]).arg(&log);
    command.arg(build.get_program()).args(build.get_args());
    command.env("CVMKIT_STORE", rig::store()).env("XDG_STATE_HOME", rig::state());
    run(&mut command).answer();
    let log = fs::read_to_string(&log).unwrap();
    let forbidden: Vec<&str> = PRIVILEGED.split(',').chain(["socket", "connect"]).collect();
    let (mut opened, mut started) = (0, 0);
    for line in log.lines() {
        // `PID call(arguments) = result`, or the second half of a call that was interrupted.
        let call = line.split_once(' ').map_or(line, |(_, call)| call.trim_start());
        let name = call.split_once('(').map_or("", |(name, _)| name);
        assert!(!forbidden.contains(&name), "{line}");
        assert!(!call.contains("\"/dev/loop"), "{line}");
        started += usize::from(name.starts_with("execve"));
        opened += usize::from(name.starts_with("open"));
    }
    assert_eq!(started, 1, "the program itself");
    assert!(opened > 100, "strace saw {opened} files opened");
    assert_eq!(digests(&image.out), digests(&out));
}

#[test]
fn a_second_build_only_looks() {
    let image = Image::minimal();
    let before = digests(&image.out);
    let started = Instant::now();
    let said = run(&mut image.command(&image.out, &[])).answer();
    let took = started.elapsed();
    eprintln!("unchanged build: {} ms (goal 300)", took.as_millis());
    assert!(said.contains("(unchanged)"), "{said}");
    assert!(took.as_millis() < 1000, "{took:?}");
    assert_eq!(before, digests(&image.out));
}

#[test]
fn a_damaged_output_is_built_again() {
    let image = Image::minimal();
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let copy = image.linked(&folder.path().join("out"));
    copy.flip(".raw", 3 << 20);
    assert_ne!(digests(&image.out), digests(&copy.out));
    let said = run(&mut image.command(&copy.out, &["--offline"])).answer();
    assert!(!said.contains("(unchanged)"), "{said}");
    assert_eq!(digests(&image.out), digests(&copy.out));
}

/// A store may come from a cache that others fill too.
#[test]
fn decoded_packages_of_somebody_else_change_no_image() {
    let image = Image::minimal();
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let decoded = rig::store().join("decoded");
    let mut altered = 0;
    for entry in fs::read_dir(&decoded).unwrap() {
        let path = entry.unwrap().path();
        let mut bytes = fs::read(&path).unwrap();
        let at = bytes.len() / 2;
        bytes[at] ^= 1;
        // Another file under the name, so that a build that runs now keeps what it verified.
        let fresh = path.with_extension("altered");
        fs::write(&fresh, bytes).unwrap();
        fs::rename(&fresh, &path).unwrap();
        altered += 1;
    }
    assert!(altered > 50, "{altered} packages were decoded");
    let out = folder.path().join("out");
    run(&mut image.command(&out, &["--offline"])).answer();
    assert_eq!(digests(&image.out), digests(&out));
    let other = folder.path().join("other");
    let mut command = image.command(&other, &["--offline"]);
    run(command.env("XDG_STATE_HOME", folder.path().join("state"))).answer();
    assert_eq!(digests(&image.out), digests(&other), "another account, the same store");
}

/// The golden digest: a change that moves it changes README, and CHANGELOG says why. Launch digests and the
/// identity depend on the compiler of stage 1 as well.
#[test]
fn the_root_hash_is_the_one_that_the_readme_shows() {
    let root_hash = Image::minimal().text(".roothash");
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md");
    let readme = fs::read_to_string(readme).unwrap();
    let shown: Vec<&str> =
        readme.lines().filter_map(|line| line.strip_prefix("root hash  ")).collect();
    assert_eq!(shown, [root_hash.trim()]);
}

#[test]
fn everything_is_there_and_the_sums_hold() {
    let image = Image::minimal();
    let endings = [".raw", ".efi", ".vmlinuz", ".initrd", ".cmdline", ".roothash", "amdsev.fd"];
    for ending in endings.into_iter().chain(["manifest.json", "reference-values.json"]) {
        assert!(fs::metadata(image.file(ending)).unwrap().len() > 0, "{ending}");
    }
    let sums = image.text("SHA256SUMS");
    assert_eq!(sums.lines().count() + 1, names(&image.out).len(), "one line for each other file");
    let said = run(Command::new("sha256sum")
        .args(["--check", "--strict", "SHA256SUMS"])
        .current_dir(&image.out));
    said.answer();
}

#[test]
fn partitions_are_what_the_root_hash_says() {
    let image = Image::minimal();
    let disk = image.file(".raw");
    let Some(said) = oracle("sgdisk", ["-v".as_ref(), disk.as_os_str()]) else { return };
    assert!(said.answer().contains("No problems found"));
    let Some(partitions) = image.partitions() else { return };
    let of = |kind: &str| partitions.iter().find(|partition| partition.kind == kind).unwrap();
    let root_hash = image.text(".roothash").trim().to_owned();
    assert_eq!(format!("{}{}", of(ROOT).uuid, of(ROOT_VERITY).uuid), root_hash);
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).into_os_string();
    let parts = [(ROOT, "root"), (ROOT_VERITY, "verity"), (ESP, "esp")];
    for (kind, name) in parts {
        of(kind).copy(&disk, path(name).as_ref());
    }
    let arguments = [OsStr::new("verify"), &path("root"), &path("verity"), root_hash.as_ref()];
    if let Some(said) = oracle("veritysetup", arguments) {
        said.answer();
    }
    if let Some(said) = oracle("fsck.vfat", [OsStr::new("-n"), &path("esp")]) {
        said.answer();
    }
    if let Some(said) = oracle("unsquashfs", [OsStr::new("-lls"), &path("root")]) {
        let listing = said.answer();
        for found in ["/usr/lib/systemd/systemd", "/etc/machine-id", "/usr/lib/os-release"] {
            assert!(listing.contains(found), "{found}");
        }
    }
}

#[test]
fn the_kernel_image_carries_the_published_command_line() {
    let image = Image::minimal();
    let uki = image.file(".efi");
    let Some(said) = oracle("objdump", ["-h".as_ref(), uki.as_os_str()]) else { return };
    let sections = said.answer();
    for name in [".linux", ".initrd", ".cmdline", ".osrel"] {
        assert!(sections.contains(&format!(" {name} ")), "{name} in {sections}");
    }
    let folder = tempfile::tempdir().unwrap();
    for (section, ending) in
        [(".cmdline", ".cmdline"), (".linux", ".vmlinuz"), (".initrd", ".initrd")]
    {
        let extracted = folder.path().join("section");
        let only = format!("--only-section={section}");
        let arguments = ["-O", "binary", &only].map(OsStr::new);
        let arguments = arguments.into_iter().chain([uki.as_os_str(), extracted.as_os_str()]);
        oracle("objcopy", arguments).unwrap().answer();
        let (inside, beside) =
            (fs::read(&extracted).unwrap(), fs::read(image.file(ending)).unwrap());
        // objcopy extends a section to the file alignment with zeros.
        assert!(inside.starts_with(&beside), "{section}");
        assert!(inside[beside.len()..].iter().all(|byte| *byte == 0), "{section}");
    }
}

#[test]
fn launch_digests_are_the_ones_sev_snp_measure_computes() {
    let image = Image::minimal();
    let published = image.text("reference-values.json");
    for vcpus in ["1", "2", "4"] {
        let fixed = ["--vcpus", vcpus, "--vcpu-type", "EPYC-v4", "--guest-features", "0x1"];
        let mut flags: Vec<OsString> = fixed.map(OsString::from).into();
        for (flag, ending) in
            [("--ovmf", "amdsev.fd"), ("--kernel", ".vmlinuz"), ("--initrd", ".initrd")]
        {
            flags.extend([flag.into(), image.file(ending).into_os_string()]);
        }
        flags.extend(["--append".into(), image.text(".cmdline").into()]);
        let ours = run(cvmkit(["measure", "snp"]).args(&flags)).answer();
        let theirs = ["--mode".into(), "snp".into()].into_iter().chain(flags);
        let Some(said) = oracle("sev-snp-measure", theirs) else { return };
        assert_eq!(ours, said.answer());
        assert!(published.contains(ours.trim()), "{vcpus} vCPUs: {ours}");
    }
}

#[test]
fn verify_accepts_it_and_names_what_was_changed() {
    let image = Image::minimal();
    run(&mut cvmkit(["verify".as_ref(), image.out.as_os_str()])).answer();
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    for (ending, offset) in [(".raw", 3 << 20), (".cmdline", 3), ("amdsev.fd", 4096)] {
        let altered = image.linked(&folder.path().join(ending));
        altered.flip(ending, offset);
        let said = run(&mut cvmkit(["verify".as_ref(), altered.out.as_os_str()]));
        assert_eq!(said.code, Some(1), "{said:?}");
        let name = altered.file(ending).file_name().unwrap().to_str().unwrap().to_owned();
        assert!(format!("{}{}", said.stdout, said.stderr).contains(&name), "{said:?}");
    }
}
