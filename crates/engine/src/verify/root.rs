//! The root hash where it is written down, and the root file system that it covers.

use std::collections::BTreeMap;

use cvmkit_attest::output::{MANIFEST_FILE, Role};

use super::disk::{Disk, NO_TABLE, Part};
use super::examination::Examination;
use super::rederive::{self, Against};
use super::subject::Subject;
use super::{Check, VerifyError};
use crate::image::{OpenRoot, RootError, RootFormat};

/// Where the image's name and version are.
const OS_RELEASE: &[u8] = b"etc/os-release";

/// Where dpkg keeps what is installed.
pub(super) const PACKAGES: &str = "var/lib/dpkg/status";

/// Longest package database that is taken: a guard, one of 5,000 packages has some 5 MB.
const PACKAGES_MAX: u64 = 64 << 20;

/// Longest os-release that is taken, and that the build takes.
const OS_RELEASE_MAX: u64 = 1 << 20;

/// Bytes of contents that are decoded of one image: a guard against sparse files without end.
const CONTENTS_MAX: u64 = 256 << 30;

/// A root file system that decodes.
pub(super) struct Root {
    /// The contents of `/etc/os-release`.
    pub(super) os_release: Option<Vec<u8>>,
    /// The package database, if there is one; empty if it can't be read.
    pub(super) packages: Option<Vec<u8>>,
}

/// One root hash everywhere.
pub(super) fn root_hash(subject: Subject<'_>) -> Result<Examination, VerifyError> {
    let mut examination = Examination::new(Check::RootHash);
    let manifest = subject.manifest;
    let root_hash = manifest.root.root_hash.as_str();
    if root_hash.len() != 64
        || !root_hash.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    {
        let expected = "64 lower-case hex digits";
        examination.find(MANIFEST_FILE, "root.root-hash", expected, format!("`{root_hash}`"));
    }
    let wanted = [
        (Role::RootHash, "its root hash", format!("{root_hash}\n")),
        (
            Role::CommandLine,
            "the command line of the manifest",
            manifest.image.command_line.clone(),
        ),
    ];
    for (role, what, expected) in wanted {
        let Some((name, _)) = subject.file(role) else {
            examination.skip(what, "there is no such file");
            continue;
        };
        let Some(found) = subject.folder.text(name)? else {
            examination.find(name, what, "a short text", "a file too long to read");
            continue;
        };
        if found != expected.as_bytes() {
            let shown = |bytes: &[u8]| format!("`{}`", bytes.escape_ascii());
            examination.find(name, what, shown(expected.as_bytes()), shown(&found));
        }
        if role == Role::CommandLine {
            promised(&mut examination, name, &String::from_utf8_lossy(&found), root_hash);
        }
    }
    examination.detail = root_hash.to_owned();
    Ok(examination)
}

/// The command line promises this root hash, once: with two of them, stage 1 refuses to boot.
fn promised(examination: &mut Examination, name: &str, line: &str, root_hash: &str) {
    let words = words(line);
    let values = words.iter().filter_map(|word| word.strip_prefix("roothash"));
    let values: Vec<&str> = values.filter_map(|rest| rest.strip_prefix('=')).collect();
    if values != [root_hash] {
        let found = values.iter().map(|value| format!("roothash={value}"));
        let found: Vec<String> = found.collect();
        let found = if found.is_empty() { "none".to_owned() } else { found.join(" ") };
        examination.find(name, "its roothash=", format!("roothash={root_hash}"), found);
    }
}

/// Words as the kernel splits them (`next_arg`, Linux `lib/cmdline.c`), up to a lone `--`.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for c in line.chars() {
        match c {
            '"' => quoted = !quoted,
            c if c.is_ascii_whitespace() && !quoted => words.push(String::new()),
            c => words.last_mut().into_iter().for_each(|word| word.push(c)),
        }
    }
    let end = words.iter().position(|word| word == "--").unwrap_or(words.len());
    words.truncate(end);
    words
}

/// The whole root file system decodes, contents and all.
pub(super) fn file_system(
    subject: Subject<'_>,
    disk: Option<&Disk<'_>>,
) -> Result<(Examination, Option<Root>), VerifyError> {
    let mut examination = Examination::new(Check::RootFileSystem);
    let Some((name, part)) = disk.and_then(|disk| Some((disk.name, disk.root?))) else {
        examination.skip("all of it", NO_TABLE);
        return Ok((examination, None));
    };
    // Another name is a finding about the manifest.
    let format = RootFormat::of_name(&subject.manifest.root.format).unwrap_or(RootFormat::Squashfs);
    let opened = match format.open(part) {
        Ok(opened) => opened,
        Err(error) => {
            examination.refused(subject.folder, name, "its root file system", error)?;
            return Ok((examination, None));
        }
    };
    let lengths = opened.lengths();
    let total = lengths.iter().fold(0, |sum: u64, len| sum.saturating_add(*len));
    let names = opened.names();
    examination.detail = format!("{names} names, {} files of {total} bytes", lengths.len());
    let os_release = opened.file(OS_RELEASE, OS_RELEASE_MAX);
    let packages = opened
        .contains(PACKAGES.as_bytes())
        .then(|| opened.file(PACKAGES.as_bytes(), PACKAGES_MAX).unwrap_or_default());
    if total > CONTENTS_MAX {
        let what = "contents of the root file system";
        examination.find(name, what, format!("at most {CONTENTS_MAX} bytes"), total);
    } else {
        written_again(&mut examination, subject, name, part, opened)?;
    }
    Ok((examination, Some(Root { os_release, packages })))
}

/// The file system written again of what it decodes to, contents and all.
fn written_again(
    examination: &mut Examination,
    subject: Subject<'_>,
    name: &str,
    part: Part<'_>,
    opened: OpenRoot<Part<'_>>,
) -> Result<(), VerifyError> {
    let what = "its root file system";
    let layout = opened.layout();
    let mut sink = Against::new(&part);
    match opened.rewrite(subject.manifest.image.timestamp, &mut sink) {
        Ok(_) => {}
        Err(RootError::Time(time)) => {
            examination.find(MANIFEST_FILE, "image.timestamp", "a time of 1970 to 2106", time.0);
            return Ok(());
        }
        Err(error) => return examination.refused(subject.folder, name, what, error),
    }
    match sink.finish() {
        Ok(difference) => {
            let place = |at| layout.part(at).to_owned();
            rederive::report(examination, name, part.start(), difference, place);
            Ok(())
        }
        Err(error) => examination.refused(subject.folder, name, what, error),
    }
}

/// Name, version and debug mark of the image, as its os-release has them.
pub(super) fn os_release(subject: Subject<'_>, root: Option<&Root>) -> Examination {
    let mut examination = Examination::new(Check::OsRelease);
    let (Some(root), Some((name, _))) = (root, subject.file(Role::Disk)) else {
        examination.skip("all of it", "the root file system can't be read");
        return examination;
    };
    let Some(text) = &root.os_release else {
        examination.find(name, "/etc/os-release", "a short file", "none that can be read");
        return examination;
    };
    let text = String::from_utf8_lossy(text);
    let fields = fields(&text);
    let image = &subject.manifest.image;
    for (field, expected) in [("IMAGE_ID", &image.id), ("IMAGE_VERSION", &image.version)] {
        let found = fields.get(field).copied().unwrap_or_default();
        let what = format!("{field} in /etc/os-release, by the manifest");
        examination.expect(name, &what, expected.as_str(), found);
    }
    let is_debug = fields.get("VARIANT_ID") == Some(&"debug");
    let kind = |debug| if debug { "a debug image" } else { "a production image" };
    let what = "VARIANT_ID in /etc/os-release, by the manifest";
    examination.expect(name, what, kind(image.debug), kind(is_debug));
    examination.detail = format!("{} {}, {}", image.id, image.version, kind(image.debug));
    examination
}

/// Fields of os-release(5); the last of a name counts, as in a shell.
fn fields(text: &str) -> BTreeMap<&str, &str> {
    let fields = text.lines().filter_map(|line| line.split_once('='));
    fields.map(|(name, value)| (name.trim(), unquoted(value))).collect()
}

fn unquoted(value: &str) -> &str {
    let within = |quote| value.strip_prefix(quote)?.strip_suffix(quote);
    within('"').or_else(|| within('\'')).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_the_kernel() {
        let line = "a \"roothash=1 2\" b=\"c d\" -- roothash=3";
        assert_eq!(words(line), ["a", "roothash=1 2", "b=c d"]);
    }

    #[test]
    fn fields_are_those_of_a_shell() {
        let found = fields("A=1\nA=\"two words\"\n# B=2\nC='3'\nVARIANT_ID=debug\n");
        assert_eq!(found.get("A"), Some(&"two words"));
        assert_eq!(found.get("C"), Some(&"3"));
        assert_eq!(found.get("VARIANT_ID"), Some(&"debug"));
        assert_eq!(found.get("B"), None);
    }

    /// `next_arg` of `lib/cmdline.c`: quotes keep white space, wherever they stand, and `--` ends.
    #[test]
    fn quotes_keep_words_together_and_a_lone_end_ends() {
        for (line, expected) in [
            ("", &[""][..]),
            ("a", &["a"]),
            ("a b\tc\nd", &["a", "b", "c", "d"]),
            ("a\"b c\"d e", &["ab cd", "e"]),
            ("\"a -- b\" c", &["a -- b", "c"]),
            ("a -- b", &["a"]),
            ("a --b", &["a", "--b"]),
            ("-- a", &[]),
            ("\"--\" a", &[]),
            ("a \"b c", &["a", "b c"]),
        ] {
            assert_eq!(words(line), expected, "{line:?}");
        }
    }

    /// With another root hash, or with two, stage 1 refuses to boot.
    #[test]
    fn a_command_line_promises_one_root_hash() {
        let found = |line: &str| {
            let mut examination = Examination::new(Check::RootHash);
            promised(&mut examination, "f", line, "00");
            let (_, findings) = examination.finish();
            findings.into_iter().map(|it| it.found).collect::<Vec<_>>()
        };
        assert_eq!(found("roothash=00 quiet --"), [""; 0]);
        assert_eq!(found("quiet \"roothash=00\""), [""; 0], "as the kernel reads it");
        assert_eq!(found("roothash=01"), ["roothash=01"]);
        assert_eq!(found("roothash=00 roothash=00"), ["roothash=00 roothash=00"]);
        assert_eq!(found("roothash=00 roothash=01"), ["roothash=00 roothash=01"]);
        for none in ["", "quiet", "-- roothash=00", "roothash", "xroothash=00", "roothashes=00"] {
            assert_eq!(found(none), ["none"], "{none}");
        }
        assert_eq!(found("roothash="), ["roothash="]);
    }

    /// os-release(5): assignments of a shell; the quotes of a value are a pair.
    #[test]
    fn a_value_loses_one_pair_of_quotes() {
        for (value, expected) in [
            ("a", "a"),
            ("\"a\"", "a"),
            ("'a'", "a"),
            ("\"\"", ""),
            ("\"a'", "\"a'"),
            ("\"a", "\"a"),
            ("a\"", "a\""),
            ("\"'a'\"", "'a'"),
            ("", ""),
        ] {
            assert_eq!(unquoted(value), expected, "{value}");
        }
    }
}
