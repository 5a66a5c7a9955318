//! What the machine around cvmkit does to it: streams that are closed or full, inputs without an end,
//! pipes in the place of files, names that a terminal would obey.

#![expect(clippy::disallowed_types, reason = "the tests start the program as a shell does")]

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::ovmf_image::OvmfImage;
use crate::program::{Folder, Said};
use crate::small_uki::SmallUki;
use crate::tiny_image::TinyImage;

/// Runs a line of a shell, in which `cvmkit` is the program; a line that takes long is a failure.
fn shell(folder: &Folder, line: &str) -> Said {
    let program = env!("CARGO_BIN_EXE_cvmkit");
    let script = format!("ulimit -c 0; cvmkit() {{ {program} \"$@\"; }}; {line}");
    let mut command = Command::new("timeout");
    command.args(["60", "bash", "-c", &script]).current_dir(folder.path(""));
    command.env("NO_COLOR", "1").env("LC_ALL", "C").env("CVMKIT_STORE", folder.path("store"));
    let output = command.stdin(Stdio::null()).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    Said { code: output.status.code(), stdout, stderr }
}

/// Commands that answer something, each of another kind.
const ANSWERS: [&str; 9] = [
    "cvmkit --version",
    "cvmkit --help",
    "cvmkit profile",
    "cvmkit profile --format json",
    "cvmkit schema manifest",
    "cvmkit completions bash",
    "cvmkit verify out",
    "cvmkit dump out/tiny.efi",
    "cvmkit dump --format json out/tiny.efi",
];

fn image() -> TinyImage {
    TinyImage::new().uki(&SmallUki::new(257)).finish()
}

#[test]
fn a_result_that_nothing_takes_is_an_error() {
    let image = image();
    for line in ANSWERS {
        for (how, said) in [
            (">&-", shell(&image.folder, &format!("{line} >&-"))),
            (">/dev/full", shell(&image.folder, &format!("{line} >/dev/full"))),
            (
                "| true",
                shell(&image.folder, &format!("{{ sleep 0.2; {line}; echo $? >code; }} | true")),
            ),
        ] {
            let code = match how {
                "| true" => {
                    String::from_utf8(image.folder.get("code")).unwrap().trim().parse().ok()
                }
                _ => said.code,
            };
            assert_eq!(code, Some(3), "{line} {how}: {said:?}");
            assert!(said.stderr.contains("standard output"), "{line} {how}: {said:?}");
        }
        let said = shell(&image.folder, &format!("{line} >/dev/null"));
        assert!(matches!(said.code, Some(0 | 1)), "{line}: {said:?}");
        // As Python's `subprocess.DEVNULL` opens it.
        let said = shell(&image.folder, &format!("{line} 1<>/dev/null"));
        assert!(matches!(said.code, Some(0 | 1)), "{line}: {said:?}");
    }
}

#[test]
fn an_input_without_an_end_is_refused_by_its_bound() {
    let image = image();
    let snp = "cvmkit measure snp --vcpus 1 --vcpu-type EPYC-v4 --ovmf";
    for line in [
        format!("{snp} /dev/zero"),
        format!("{snp} <(cat /dev/zero)"),
        "cvmkit measure se /dev/zero".into(),
        "cvmkit export /dev/zero --as rvps".into(),
        "cvmkit export <(cat /dev/zero) --as rvps".into(),
        "cvmkit compare /dev/zero --with out".into(),
        "cvmkit compare <(cat /dev/zero) --with out".into(),
        "cvmkit dump /dev/zero".into(),
        "cvmkit measure tdx --firmware /dev/zero --kernel out/tiny.efi --memory 2G".into(),
        "cvmkit measure image /dev/zero".into(),
        "cvmkit verify /dev/zero".into(),
        "cvmkit build /dev/zero".into(),
        "cvmkit verity verify /dev/zero /dev/zero 00".into(),
    ] {
        let start = Instant::now();
        let said = shell(&image.folder, &format!("ulimit -v 8000000; {line}"));
        assert_eq!(said.code, Some(2), "{line}: {said:?}");
        assert!(said.stderr.starts_with("error: "), "{line}: {said:?}");
        assert!(start.elapsed() < Duration::from_secs(60), "{line}");
    }
}

/// `ulimit -v`: whatever the limit, either it works or it says in a line what it needs. Below 40 MB the
/// kernel can't even load the program, which says nothing then.
#[test]
fn too_little_memory_is_told_in_one_line() {
    let image = image();
    image.folder.put("firmware", &OvmfImage::default().bytes());
    let snp = "cvmkit measure snp --vcpus 1 --vcpu-type EPYC-v4 --ovmf firmware";
    let mut refused = 0;
    // What is read whole before it is seen to be none.
    assert_eq!(shell(&image.folder, "truncate -s 96M large").code, Some(0));
    let whole = "cvmkit measure se large";
    for line in
        ["cvmkit verify out", "cvmkit dump out/tiny.raw", "cvmkit measure tpm out", snp, whole]
    {
        let expected = shell(&image.folder, line);
        assert!(matches!(expected.code, Some(0..=2)), "{line}: {expected:?}");
        for limit in [524_288, 200_000, 120_000, 80_000, 70_000, 60_000, 55_000, 50_000, 48_000] {
            let said = shell(&image.folder, &format!("ulimit -v {limit}; {line}"));
            if said.code == expected.code {
                assert_eq!(said.stdout, expected.stdout, "{limit} {line}");
                continue;
            }
            refused += 1;
            assert_eq!(said.code, Some(3), "{limit} {line}: {said:?}");
            assert!(said.stderr.starts_with("error: "), "{limit} {line}: {said:?}");
            assert!(said.stderr.contains("memory"), "{limit} {line}: {said:?}");
            assert!(!said.stderr.contains("panicked"), "{limit} {line}: {said:?}");
        }
    }
    assert!(refused > 0, "no limit was too low");
    let said = shell(&image.folder, "ulimit -v 524288; cvmkit verify out");
    assert_eq!(said.code, Some(1), "half a gigabyte is enough: {said:?}");
}

/// A file that can't be read is the machine's fault, however deep in a decoder it shows.
#[test]
fn a_disk_that_fails_is_the_machine() {
    let image = image();
    for line in [
        "cvmkit export /proc/self/mem --as rvps",
        "cvmkit compare /proc/self/mem --with out",
        "cvmkit measure se /proc/self/mem",
        "cvmkit profile ./../../proc/self/mem",
        "cvmkit measure tpm out --pinned /proc/self/mem",
        "cvmkit verify out --corim /proc/self/mem",
        "cvmkit build /proc/self/mem",
    ] {
        let said = shell(&image.folder, line);
        assert_eq!(said.code, Some(3), "{line}: {said:?}");
    }
}

#[test]
fn a_pipe_in_the_place_of_a_file_is_not_waited_for() {
    let image = image();
    image.folder.put("image.toml", b"id = \"x\"\n");
    for line in [
        "rm image.toml; mkfifo image.toml; cvmkit build",
        "mkfifo out/manifest.json2; mv out/manifest.json2 out/manifest.json; cvmkit measure image out",
        "cvmkit export out --as rvps",
    ] {
        let said = shell(&image.folder, line);
        assert_eq!(said.code, Some(2), "{line}: {said:?}");
    }
    assert!(shell(&image.folder, "cvmkit verify out").code.is_some_and(|code| code < 3));
}

#[test]
fn no_name_reaches_the_terminal_as_it_is() {
    let image = image();
    let hostile = "\u{1b}]0;owned\u{7}\u{202e}x\u{9b}2J";
    let folder = &image.folder;
    let manifest = String::from_utf8(folder.get("out/manifest.json")).unwrap();
    let altered = manifest.replace("tiny.efi", &format!("tiny{}", json_escaped(hostile)));
    assert_ne!(manifest, altered);
    folder.put("out/manifest.json", altered.as_bytes());
    folder.put(&format!("{hostile}.toml"), b"");
    folder.put("image.toml", format!("id = \"{}\"\n", toml_escaped(hostile)).as_bytes());
    for said in [
        folder.cvmkit_with(&["verify", "out"]),
        folder.cvmkit_with(&["verify", hostile]),
        folder.cvmkit_with(&["build"]),
        folder.cvmkit_with(&["measure", "image", "out"]),
        folder.cvmkit_with(&["dump", &format!("{hostile}.toml")]),
        folder.cvmkit_with(&["compare", hostile, "--with", "out"]),
    ] {
        let shown = format!("{}{}", said.stdout, said.stderr);
        let obeyed = |char: &char| char.is_control() && !matches!(char, '\n' | '\t');
        assert_eq!(shown.chars().find(obeyed), None, "{said:?}");
        assert!(!shown.contains('\u{202e}'), "{said:?}");
    }
    let said = folder.cvmkit_with(&["verify", "out"]);
    assert!(format!("{}{}", said.stdout, said.stderr).contains("\\u{202e}"), "{said:?}");
}

/// The console puts notes into the JSON of every command, and into that of its error: here those that say
/// some with the least effort, `tests/refusals` those that talk to mirrors.
#[test]
fn notes_are_in_the_json_of_every_command() {
    let image = image();
    let folder = &image.folder;
    folder.put("out/left-over", b"");
    let values = include_bytes!("../../../attest/tests/fixtures/export/reference-values.json");
    folder.put("values.json", values);
    folder.put("key.pem", include_bytes!("../../../measure/tests/fixtures/id_key_test.pem"));
    let corim = "export values.json --as corim --profile qemu-snp --out it.corim";
    folder.cvmkit(corim).answer();
    folder.put("registers", format!("pcr11={}\n", "ab".repeat(32)).as_bytes());
    for (line, words) in [
        ("verify out", "`left-over` is not part of the image"),
        ("verify out --corim it.corim", "the CoRIM is not signed"),
        (corim, "the CoRIM is not signed"),
        ("export values.json --as corim", "the CoRIM is not signed"),
        ("export values.json --as rvps", "no rtmr"),
        ("compare registers --with values.json", ""),
    ] {
        let text = folder.cvmkit(line);
        let told: Vec<&str> =
            text.stderr.lines().filter_map(|line| line.strip_prefix("note: ")).collect();
        assert!(text.stderr.contains(words), "{line}: {text:?}");
        let said = folder.cvmkit(&format!("{line} --format json"));
        assert_eq!(said.code, text.code, "{line}: {said:?}");
        let json: serde_json::Value = serde_json::from_str(&said.stdout).unwrap();
        assert_eq!(said.stdout.matches("\n  \"notes\": [").count(), 1, "{line}: {said:?}");
        let notes: Vec<&str> =
            json["notes"].as_array().unwrap().iter().map(|note| note.as_str().unwrap()).collect();
        for note in told {
            assert!(notes.contains(&note), "{line}: {note}: {notes:?}");
        }
        assert!(!said.stderr.contains("note"), "{line}: {said:?}");
    }
    let said = folder.cvmkit("verify none --format json");
    let error: serde_json::Value = serde_json::from_str(&said.stderr).unwrap();
    assert_eq!(error["notes"], serde_json::json!([]));
}

/// What is given on the command line comes back in clap's own errors, and a line break within a name
/// begins no line that reads as one of ours.
#[test]
fn no_argument_reaches_the_terminal_as_it_is() {
    let folder = Folder::new();
    let hostile = "x\u{1b}[2J\u{202e}\nerror: forged\nhint: forged\tnote: forged";
    folder.put("image.toml", b"");
    for arguments in [
        &[hostile][..],
        &["build", "--nothing", hostile],
        &[&format!("--{hostile}")],
        &["dump", "a", hostile],
        &["dump", "--format", hostile, "a"],
        &["export", "a", "--as", "corim", "--not-after", hostile],
        &["export", "a", "--as", hostile],
        &["measure", hostile],
        &["measure", "snp", "--vcpus", hostile],
        &["compare", "a", "--with", "b", "--require", hostile],
        &["build", hostile],
        &["dump", hostile],
        &["verify", hostile],
        &["export", hostile, "--as", "rvps"],
        &["plan", "--edit", hostile],
    ] {
        let said = folder.cvmkit_with(arguments);
        assert_eq!(said.code, Some(2), "{arguments:?}: {said:?}");
        let obeyed = |char: &char| char.is_control() && !matches!(char, '\n' | '\t');
        assert_eq!(said.stderr.chars().find(obeyed), None, "{said:?}");
        assert!(!said.stderr.contains('\u{202e}'), "{said:?}");
        let forged = said.stderr.lines().find(|line| {
            ["error: forged", "hint: forged", "note: forged"].iter().any(|it| line.starts_with(it))
        });
        assert_eq!(forged, None, "{said:?}");
        assert!(said.stderr.starts_with("error: "), "{said:?}");
    }
}

fn json_escaped(text: &str) -> String {
    text.chars().map(|char| format!("\\u{:04x}", u32::from(char))).collect()
}

fn toml_escaped(text: &str) -> String {
    json_escaped(text)
}
