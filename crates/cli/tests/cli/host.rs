//! What the machine around cvmkit does to it: streams that are closed or full, inputs without an end,
//! pipes in the place of files, names that a terminal would obey.

#![expect(clippy::disallowed_types, reason = "the tests start the program as a shell does")]

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

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

fn json_escaped(text: &str) -> String {
    text.chars().map(|char| format!("\\u{:04x}", u32::from(char))).collect()
}

fn toml_escaped(text: &str) -> String {
    json_escaped(text)
}
