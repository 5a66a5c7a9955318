//! `linux-version` of linux-base 4.12: the kernels of the image, and the order of their versions.

use std::cmp::Ordering;

use cvmkit_shell::Stop;
use cvmkit_shell::commands::Call;
use cvmkit_shell::world::Files as _;

use crate::packages::debian::commands::System;
use crate::packages::debian::commands::words::shown;

/// `linux-version list [--paths]`, `sort [--reverse] [VERSION..]` and `compare VERSION OP VERSION`.
pub(super) fn linux_version(system: &mut System<'_, '_>, call: &mut Call<'_>) -> Result<u8, Stop> {
    const USAGE: u8 = 2;
    let words: Vec<String> =
        call.arguments().iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["list"] => list(system, call, false),
        ["list", "--paths"] => list(system, call, true),
        ["sort", "--reverse", versions @ ..] => sort(call, versions, true),
        ["sort", versions @ ..] => sort(call, versions, false),
        ["compare", left, operator, right] => {
            let order = compare(left, right);
            let is_so = match *operator {
                "lt" => order.is_lt(),
                "le" => order.is_le(),
                "eq" => order.is_eq(),
                "ge" => order.is_ge(),
                "gt" => order.is_gt(),
                _ => return Ok(USAGE),
            };
            return Ok(u8::from(!is_so));
        }
        _ => return Err(call.unsupported(shown(call.arguments()))),
    }
    Ok(0)
}

fn list(system: &System<'_, '_>, call: &mut Call<'_>, with_paths: bool) {
    const STEM: usize = "vmlinuz-".len();
    let is_image = |name: &String| {
        (name.starts_with("vmlinux-") || name.starts_with("vmlinuz-")) && !name.ends_with(".sig")
    };
    let names = system.list(b"/boot").unwrap_or_default().into_iter();
    for name in names.filter_map(|name| String::from_utf8(name).ok()).filter(is_image) {
        let version = &name[STEM..];
        let line = match with_paths {
            true => format!("{version} /boot/{name}\n"),
            false => format!("{version}\n"),
        };
        call.print(line.as_bytes());
    }
}

/// Of the words, or of the lines of the input by what stands before their first space.
fn sort(call: &mut Call<'_>, versions: &[&str], reverse: bool) {
    let input = match versions {
        [] => String::from_utf8_lossy(&call.input()).into_owned(),
        versions => versions.iter().map(|version| format!("{version}\n")).collect(),
    };
    let mut lines: Vec<&str> = input.split_inclusive('\n').collect();
    let version = |line: &str| line.split([' ', '\n']).next().unwrap_or_default().to_owned();
    lines.sort_by(|a, b| {
        let order = compare(&version(a), &version(b));
        if reverse { order.reverse() } else { order }
    });
    lines.iter().for_each(|line| call.print(line.as_bytes()));
}

/// Numbers and other strings of a version; a hyphen starts a string.
fn split(version: &str) -> Vec<&str> {
    let (mut parts, mut rest) = (Vec::new(), version);
    while let Some(first) = rest.bytes().next() {
        let end = match first.is_ascii_digit() {
            true => rest.find(|c: char| !c.is_ascii_digit()),
            false => rest[1..].find(|c: char| c.is_ascii_digit() || c == '-').map(|at| at + 1),
        };
        let (part, tail) = rest.split_at(end.unwrap_or(rest.len()));
        parts.push(part);
        rest = tail;
    }
    // The expression matches once more, at the end.
    parts.push("");
    parts
}

/// The order of two versions: what is before a release comes before all, even before an end.
fn compare(left: &str, right: &str) -> Ordering {
    let (left, right) = (split(left), split(right));
    for at in 0.. {
        let (left, right) = (left.get(at), right.get(at));
        let is_pre = |part: Option<&&str>| part.is_some_and(|one| ["-rc", "-trunk"].contains(one));
        if is_pre(left) != is_pre(right) {
            return if is_pre(left) { Ordering::Less } else { Ordering::Greater };
        }
        let (left, right) = match (left, right) {
            (Some(left), Some(right)) => (left, right),
            (left, right) => return left.is_some().cmp(&right.is_some()),
        };
        // Numbers have no bound here.
        let digits = |part: &str| part.trim_start_matches('0').len();
        let are_numbers =
            [left, right].iter().all(|part| part.starts_with(|c: char| c.is_ascii_digit()));
        let order = match are_numbers {
            true => digits(left)
                .cmp(&digits(right))
                .then_with(|| left.trim_start_matches('0').cmp(right.trim_start_matches('0'))),
            false => left.cmp(right),
        };
        if order.is_ne() {
            return order;
        }
    }
    Ordering::Equal
}

#[cfg(test)]
mod tests {
    use super::compare;
    use crate::packages::debian::commands::tests::{output, stop};

    /// As DebianLinux.pm of linux-base 4.12 orders them.
    #[test]
    fn versions_of_kernels_are_in_order() {
        let versions = [
            "2.6.32-rc1",
            "2.6.32-trunk-amd64",
            "2.6.32",
            "2.6.32-1",
            "2.6.32.1",
            "2.6.32a",
            "2.6.33",
            "2.6.100",
            "6.1.0-9-amd64",
            "6.1.0-10-amd64",
            "6.12.10+deb13-amd64",
            "6.12.86+deb13-amd64",
        ];
        for (at, left) in versions.iter().enumerate() {
            for (other, right) in versions.iter().enumerate() {
                assert_eq!(compare(left, right), at.cmp(&other), "{left} {right}");
            }
        }
    }

    #[test]
    fn kernels_of_the_image_are_listed() {
        let files = [
            ("/usr/bin/linux-version", "#!/usr/bin/perl\n"),
            ("/usr/bin/tail", "+x"),
            ("/boot/vmlinuz-6.1.0-10-amd64", ""),
            ("/boot/vmlinuz-6.1.0-9-amd64", ""),
            ("/boot/vmlinuz-6.1.0-9-amd64.sig", ""),
            ("/boot/initrd.img-6.1.0-9-amd64", ""),
        ];
        let script = "linux-version list --paths; linux-version list | linux-version sort | tail -n 1; \
                      linux-version sort --reverse 5.1 5.10; linux-version compare 5.9 lt 5.10; echo $?; \
                      linux-version compare 5.9 ge 5.10; echo $?; linux-version compare 1 is 1; echo $?";
        let expected = "6.1.0-10-amd64 /boot/vmlinuz-6.1.0-10-amd64\n6.1.0-9-amd64 /boot/vmlinuz-6.1.0-9-amd64\n\
                        6.1.0-10-amd64\n5.10\n5.1\n0\n1\n2\n";
        assert_eq!(output(&files, script), expected);
        assert!(stop(&files, "linux-version help").contains("help"));
    }
}
