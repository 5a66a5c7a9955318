//! The programs against those of the machine: output, status, and the files that they leave.

#![expect(clippy::unwrap_used, reason = "a test ends where its premises do")]
#![expect(clippy::disallowed_types, reason = "runs dash")]
#![expect(clippy::disallowed_methods, reason = "looks at a scratch directory")]

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::{Command, Stdio};

use cvmkit_shell::evaluation::{Limits, Start, evaluate};
use cvmkit_shell::memory::{Memory, Node};

/// What a script leaves: its output, its status, and a line for each path.
#[derive(Debug, PartialEq, Eq)]
struct Result {
    status: u8,
    output: String,
    says_something: bool,
    files: Vec<String>,
}

fn theirs(script: &str) -> (Result, Vec<u8>) {
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path().join("files");
    std::fs::create_dir(&folder).unwrap();
    let output = Command::new("/bin/dash")
        .args(["-c", script, "script"])
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("LC_ALL", "C")
        .current_dir(&folder)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let (mut files, mut first) = (Vec::new(), BTreeMap::new());
    walk(&folder, &folder, &mut first, &mut files);
    let result = Result {
        status: u8::try_from(output.status.code().unwrap()).unwrap(),
        output: String::from_utf8_lossy(&output.stdout).into_owned(),
        says_something: !output.stderr.is_empty(),
        files,
    };
    (result, folder.as_os_str().as_bytes().to_vec())
}

fn walk(root: &Path, folder: &Path, first: &mut BTreeMap<u64, String>, files: &mut Vec<String>) {
    let mut paths: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        let at = std::fs::symlink_metadata(&path).unwrap();
        let name = path.strip_prefix(root).unwrap().display().to_string();
        let mode = at.permissions().mode() & 0o7777;
        if at.is_dir() {
            files.push(format!("{name}/ {mode:o}"));
            walk(root, &path, first, files);
        } else if at.is_symlink() {
            files.push(format!("{name} -> {}", std::fs::read_link(&path).unwrap().display()));
        } else if at.file_type().is_fifo() {
            files.push(format!("{name}| {mode:o}"));
        } else {
            let known = first.entry(at.ino()).or_insert_with(|| name.clone()).clone();
            let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
            files.push(format!("{name} {mode:o} {known} {text:?}"));
        }
    }
}

fn ours(script: &str, folder: &[u8]) -> std::result::Result<Result, String> {
    let mut memory = Memory::with_programs(folder);
    let start = Start {
        name: "script".into(),
        environment: [("PATH", "/usr/bin:/bin"), ("LC_ALL", "C")]
            .map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()))
            .into(),
        directory: folder.to_vec(),
        ..Start::default()
    };
    let finished = evaluate(script.as_bytes(), start, &mut memory, Limits::default())
        .map_err(|stop| stop.to_string())?;
    let mut first = BTreeMap::new();
    let files = memory
        .walk(folder)
        .into_iter()
        .map(|(path, number)| {
            let name = String::from_utf8_lossy(&path[folder.len() + 1..]).into_owned();
            let inode = memory.inode(number);
            match &inode.node {
                Node::Directory(_) => format!("{name}/ {:o}", inode.mode),
                Node::Fifo => format!("{name}| {:o}", inode.mode),
                Node::Symlink(target) => format!("{name} -> {}", String::from_utf8_lossy(target)),
                Node::File(contents) => {
                    let known = first.entry(number).or_insert_with(|| name.clone());
                    let text = String::from_utf8_lossy(contents);
                    format!("{name} {:o} {known} {text:?}", inode.mode)
                }
            }
        })
        .collect();
    Ok(Result {
        status: finished.status,
        output: String::from_utf8_lossy(&finished.output).into_owned(),
        says_something: !finished.errors.is_empty(),
        files,
    })
}

fn compare(scripts: &str) {
    let mut different = Vec::new();
    for script in scripts.split("\n----\n").map(str::trim) {
        let (expected, folder) = theirs(script);
        match ours(script, &folder) {
            Ok(found) if found == expected => {}
            Ok(found) => {
                different.push(format!("{script}\n  theirs: {expected:?}\n  ours:   {found:?}"));
            }
            Err(stop) => different.push(format!("{script}\n  theirs: {expected:?}\n  {stop}")),
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n\n"));
}

#[test]
fn programs_of_files() {
    compare(include_str!("cases/files.sh"));
}

#[test]
fn listings() {
    compare(include_str!("cases/listing.sh"));
}

#[test]
fn programs_of_text() {
    compare(include_str!("cases/text.sh"));
}

#[test]
fn grep() {
    compare(include_str!("cases/grep.sh"));
}

#[test]
fn sed() {
    compare(include_str!("cases/sed.sh"));
}

#[test]
fn perl() {
    compare(include_str!("cases/perl.sh"));
}

#[test]
fn programs_about_the_system() {
    compare(include_str!("cases/system.sh"));
}

#[test]
fn awk() {
    compare(include_str!("cases/awk.sh"));
}

#[test]
fn digests() {
    compare(include_str!("cases/digests.sh"));
}

/// What only the image has: its time, a billion seconds behind the start of 1970, and its room.
#[test]
fn answers_of_the_image() {
    for (script, expected) in [
        ("date", "Sun Sep  9 01:46:40 UTC 2001\n"),
        ("date +%s; date -R; date -I", "1000000000\nSun, 09 Sep 2001 01:46:40 +0000\n2001-09-09\n"),
        (
            "date -d tomorrow +%F_%T; date --date='2 hours ago' +%s",
            "2001-09-10_01:46:40\n999992800\n",
        ),
        (
            "date -d 12:00 +%F_%R; date -Iseconds -d now",
            "2001-09-09_12:00\n2001-09-09T01:46:40+00:00\n",
        ),
        ("mkdir /etc; ln -s /usr/share/zoneinfo/Etc/UTC /etc/localtime; date +%Z", "UTC\n"),
        (">f; ls -l f", "-rw-r--r-- 1 root root 0 Sep  9 01:46 f\n"),
        (">f; touch -d @1000000001 f; ls -l f", "-rw-r--r-- 1 root root 0 Sep  9  2001 f\n"),
        (
            // As chown of coreutils 9.1 tells root.
            ">f; chown -c 12:777 f; chown root:root -c f; chown -c root:root f; chown -c 5:0 f",
            "changed ownership of 'f' from root:root to 12:777\n\
             changed ownership of 'f' from 12:777 to root:root\n\
             changed ownership of 'f' from root:root to 5:root\n",
        ),
        ("mkdir d; echo >d/f; mkdir d/g; ls -l d | head -1; ls -s d/f", "total 8\n4 d/f\n"),
        (
            "df",
            "Filesystem      1K-blocks  Used  Available Use% Mounted on\n\
             -              1073741824     0 1073741824   0% /\n",
        ),
        (
            "df -P --block-size=G /w",
            "Filesystem     1073741824-blocks  Used Available Capacity Mounted on\n\
             -                          1024G    0G     1024G       0% /\n",
        ),
        ("df --portability /w/. | tail -n 1 | awk '{ print $4 }'", "1073741824\n"),
        (
            "df -BM --output=avail / | tail -n 1; df -h --output=size,pcent /",
            "1048576M\n Size Use%\n 1.0T   0%\n",
        ),
    ] {
        let found = ours(script, b"/w").map(|found| found.output);
        assert_eq!(found.as_deref(), Ok(expected), "{script}");
    }
}

/// Nothing is guessed: what has no answer here ends the evaluation with the program and the reason.
#[test]
fn what_cannot_be_answered_stops() {
    for (script, expected) in [
        ("uname -r", "`uname`: -r: the machine that runs the image answers it"),
        ("uname --machine", "`uname`: -m: the machine that runs the image answers it"),
        ("echo a | xargs -d ab echo", "`xargs`: -d ab"),
        ("ls --re", "`ls`: the option --re: it may be --recursive --reverse"),
        ("ls --dired", "`ls`: the option --dired"),
        ("mkdir --xyz", "`mkdir`: the option --xyz"),
        (
            "cp --no- a b",
            "`cp`: the option --no-: it may be --no-clobber --no-dereference --no-preserve --no-target-directory",
        ),
        ("find . -printf %a", "`find`: -printf %a"),
        ("find . -printf '\\a'", "`find`: -printf \\a"),
        ("find . -printf '\\01'", "`find`: -printf \\01"),
        ("mkdir d; find d -printf %s", "`find`: -printf %s of d"),
        ("mkdir d; find d/ -printf %f", "`find`: -printf %f of d/"),
        ("mkdir d; >d/f; rm -rv d", "`rm`: the option -v of a directory that holds files"),
        (">\"it's\"; rm -v \"it's\"", "`rm`: the quotes of `it\\'s`"),
        ("ln -s a l; touch -h l", "`touch`: the time of a link"),
        (">f; chown -c root f", "`chown`: the option -c of anything but an owner with a group"),
        ("mkdir d; chown -RL root d", "`chown`: a recursive change through links"),
        ("mkdir d; ln -s d l; chown -RPH root l", "`chown`: a recursive change through links"),
        ("hostname", "`hostname`: the machine that runs the image has the name"),
        ("nproc", "`nproc`: the machine that runs the image has the processors"),
        ("chroot / true", "`chroot`: a second root directory"),
        ("date -d 'next thursday'", "`date`: the time `next thursday`"),
        ("date -d 2024-02-30", "`date`: the time `2024-02-30`"),
        ("TZ=Europe/Paris date -d @0 +%F", "`date`: the time of the zone `Europe/Paris`"),
        (
            "mkdir /etc; ln -s /usr/share/zoneinfo/Asia/Tokyo /etc/localtime; date +%F",
            "`date`: the time of `/usr/share/zoneinfo/Asia/Tokyo`",
        ),
        ("date -u -d @0 +%+", "`date`: the format `%+`"),
        ("ls --color=always", "`ls`: --color=always"),
        ("ls --sort=width", "`ls`: --sort=width"),
        ("ls -l --time-style='+a\nb'", "`ls`: --time-style=+a\nb"),
        ("touch -t 01010000 f", "`touch`: the time `01010000`"),
        (">f; stat -c %x f", "`stat`: the format `%x`"),
        (">f; stat -c %W f", "`stat`: the format `%W`"),
        ("df -i", "`df`: the option -i"),
        ("df --output=fstype", "`df`: --output=fstype"),
        ("df --output", "`df`: --output of all columns"),
        ("df -B1000", "`df`: blocks of 1000 bytes"),
        ("date -u -d @0 -r / +%s", "`date`: more than one time"),
        ("dd if=/dev/urandom bs=1 count=1", "`dd`: `/dev/urandom`: nothing is random"),
        ("echo a | dd count=1", "`dd`: a part of its input, in blocks of more than a byte"),
        ("echo YWI | base64 -d", "`base64`: a text without its padding"),
        ("dd if=/dev/zero", "`dd`: an input without an end"),
        ("dd if=/dev/zero bs=64M count=2", "`dd`: more than 64 MiB"),
        ("dd if=/dev/zero ibs=1", "`dd`: `ibs=1`"),
        ("truncate -s 65M f", "`truncate`: more than 64 MiB"),
        ("truncate -s 1P f", "`truncate`: the size `1P`"),
        ("mknod n c 1 3", "`mknod`: a device"),
        ("echo a >f; echo b >g; diff f g", "`diff`: what files differ in"),
        ("mkdir a b; diff a b", "`diff`: two directories"),
        ("printf 'b\\na\\n' >f; comm f f", "`comm`: `f`, which is not sorted"),
        (
            "echo abcd | sed -E 's/(a|ab)(c|bcd)(d*)/\\1/'",
            "`sed`: the groups of `(?s-u)(a|ab)(c|bcd)((?:d)*)` where alternatives overlap",
        ),
        (
            "echo a | sed -E 's/(a*)*/\\1/'",
            "`sed`: the groups of `(?s-u)(?:((?:a)*))*` where alternatives overlap",
        ),
        (
            "echo a | grep -P '(?=a)'",
            "`grep`: the expression `(?=a)` of Perl (a group with a question mark)",
        ),
        ("printf 'a\\nb' | grep -z '^b'", "`grep`: -z with an anchor, of what holds a line break"),
        ("getopt -s csh -o a --", "`getopt`: another shell"),
        ("env printf %b x", "`printf`: the format `%b`"),
        ("env printf '\\x41'", "`printf`: the format `\\x41`"),
        ("env printf %d ''", "`printf`: a number or character of an empty word"),
        ("env test / -nt /", "`test`: `-nt`"),
        ("env test ! ! a", "`test`: `! !`"),
        ("echo 'MD5 (f) = x' | md5sum -c", "`md5sum`: a list of the form that BSD has"),
        (
            "cat /dev/null >&-; true | cat; echo a | cat >&-",
            "`cat` without a descriptor 1 to write to",
        ),
        (
            "awk 'BEGIN { a[1]; a[36]; for (k in a) n++ }'",
            "`awk`: the order of these elements of an array",
        ),
        (
            "awk 'BEGIN { print 2147483648 }'",
            "`awk`: the digits of a whole number beyond 2147483647",
        ),
        ("awk 'BEGIN { print 1 / 0 }'", "`awk`: a division by zero"),
        ("awk 'BEGIN { print 2 ^ 0.5 }'", "`awk`: the power 0.5"),
        ("awk 'BEGIN { getline }'", "`awk`: line 1: `getline`"),
        ("awk 'BEGIN { print > \"f\" }'", "`awk`: line 1: output to a file in the program"),
        ("echo | awk '/a{2}/'", "`awk`: an interval"),
        ("awk 'BEGIN { print substr(\"a\", 0, 1) }'", "`awk`: `substr` from 0"),
        ("awk 'BEGIN { x = 1; x[1] = 2 }'", "`awk`: an array where a value stands"),
        (
            "awk -F: 'BEGIN { RS = \"\" } 1' /dev/stdin <<E\na\nE",
            "`awk`: fields of paragraphs that blanks do not separate",
        ),
        ("echo | awk 'BEGIN { RS = \"ab\" } 1'", "`awk`: a record separator of more than one byte"),
    ] {
        let found = ours(script, b"/w").map(|found| found.output);
        assert_eq!(found, Err(format!("script, line 1: {expected}")), "{script}");
    }
}

/// A program of Perl that is no substitution, or of which another one would be read, is none.
#[test]
fn other_programs_of_perl_stop() {
    for (script, expected) in [
        ("perl -e 'print 1'", "-e print 1"),
        ("perl -pe 'print'", "a statement that is no substitution, in the program `print`"),
        ("perl -pe 's/$x/y/'", "a variable, in the program `s/$x/y/`"),
        ("perl -pe 's/x/$y/'", "a variable, in the program `s/x/$y/`"),
        ("perl -pe 's/(x)/$1[0]/'", "a variable, in the program `s/(x)/$1[0]/`"),
        ("perl -pe 's/(x)/$12/'", "a variable, in the program `s/(x)/$12/`"),
        ("perl -pe 's/x/@y/'", "a variable, in the program `s/x/@y/`"),
        ("perl -pe 's/x/y/e'", "a flag of a substitution, in the program `s/x/y/e`"),
        ("perl -pe 's/x/y/ s/y/z/'", "a statement without its end, in the program `s/x/y/ s/y/z/`"),
        ("perl -pe 's{x}{y}'", "a statement that is no substitution, in the program `s{x}{y}`"),
        ("perl -pe 's/x/\\Uy/'", "an escape in a replacement, in the program `s/x/\\Uy/`"),
        ("perl -pe 's/x/$1/'", "a group that is not there, in the program `s/x/$1/`"),
        ("perl -pe 's/x'", "a substitution without its end, in the program `s/x`"),
        ("perl -pe 's//x/'", "an empty expression, which is the last one, in the program `s//x/`"),
        ("perl -pe \"s'x'\\\\n'\"", "a backslash in a replacement, in the program `s'x'\\n'`"),
        ("perl -pe 's/(?=x)//'", "the expression `(?=x)` of Perl (a group with a question mark)"),
        ("echo a | perl -pe 's/x*/y/g'", "an empty match, of all that there are"),
        ("perl -ne 's/x/y/'", "the option -n"),
        ("perl -pi.bak -e 's/x/y/' f", "-i with a suffix"),
        ("perl -pi -e 's/x/y/'", "-i of no file"),
        ("echo a | perl -pe 's/a/b\\nc/; s/^c/d/'", "an anchor in a text of several lines"),
    ] {
        let found = ours(script, b"/w").map(|found| found.output);
        assert_eq!(found, Err(format!("script, line 1: `perl`: {expected}")), "{script}");
    }
}
