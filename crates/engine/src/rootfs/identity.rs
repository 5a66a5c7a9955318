//! What makes the tree this image: its name, its version, and files that every Linux system has.
//!
//! `/etc/machine-id` is empty, so that each boot has its own and systemd does not take the boot for
//! the first one and ask questions (machine-id(5), "First boot semantics").

use super::RootfsError;
use super::assembly::Assembly;

const OS_RELEASE: &str = "/usr/lib/os-release";
const RESOLVED: &str = "/usr/lib/systemd/systemd-resolved";

/// What the definition has put there stays.
pub(crate) fn apply(assembly: &mut Assembly<'_>) -> Result<(), RootfsError> {
    let hostname = assembly.request.hostname.unwrap_or("localhost");
    check_hostname(hostname)?;
    for (path, text) in [
        ("/etc/hostname", format!("{hostname}\n")),
        ("/etc/hosts", hosts(hostname)),
        (
            "/etc/fstab",
            "# Written by cvmkit: file systems are mounted by stage 1 and systemd.\n".to_owned(),
        ),
    ] {
        if !assembly.occupied(path) {
            assembly.write(path, 0o644, text.as_str())?;
        }
    }
    if !assembly.occupied("/etc/machine-id") {
        assembly.write("/etc/machine-id", 0o444, "")?;
    }
    if !assembly.occupied("/etc/mtab") {
        assembly.link("/etc/mtab", "../proc/self/mounts")?;
    }
    if !assembly.occupied("/etc/resolv.conf") {
        // The root is read-only: what learns of a name server writes below /run.
        let stub = "../run/systemd/resolve/stub-resolv.conf";
        let target = if assembly.is_file(RESOLVED) { stub } else { "../run/resolv.conf" };
        assembly.link("/etc/resolv.conf", target)?;
        assembly.note(format!("/etc/resolv.conf links to {target}"));
    }
    for path in ["/etc/.updated", "/var/.updated"] {
        // Newer than /usr: `ConditionNeedsUpdate=` (systemd.unit(5)) finds nothing to rebuild, be
        // the root writable or not.
        assembly.write(path, 0o644, "# The image is complete: systemd has nothing to update.\n")?;
    }
    os_release(assembly)
}

fn hosts(hostname: &str) -> String {
    let mut text = String::from("127.0.0.1\tlocalhost\n");
    if hostname != "localhost" {
        text += &format!("127.0.1.1\t{hostname}\n");
    }
    text + "::1\t\tlocalhost ip6-localhost ip6-loopback\n\
        ff02::1\t\tip6-allnodes\nff02::2\t\tip6-allrouters\n"
}

/// hostname(7): labels of letters, digits and hyphens, 64 bytes (`HOST_NAME_MAX`).
pub(crate) fn is_hostname(name: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    name.len() <= 64 && name.split('.').all(is_label)
}

fn check_hostname(name: &str) -> Result<(), RootfsError> {
    if is_hostname(name) {
        return Ok(());
    }
    Err(RootfsError::Value {
        field: "hostname",
        value: name.to_owned(),
        why: "expected labels of letters, digits and hyphens, at most 64 bytes",
    })
}

/// Adds the image's fields (os-release(5)); a field the distribution has already is replaced.
fn os_release(assembly: &mut Assembly<'_>) -> Result<(), RootfsError> {
    let request = assembly.request;
    let mut fields = Vec::new();
    for (name, field, value) in [
        ("IMAGE_ID", "image id", request.image_id),
        ("IMAGE_VERSION", "image version", request.image_version),
    ] {
        let is_plain =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
        // Versions have `~`, `^` and `+` too (UAPI.10, Version Format Specification).
        let is_version =
            |byte: u8| is_plain(byte) || byte.is_ascii_uppercase() || b"~^+".contains(&byte);
        let valid = if name == "IMAGE_ID" {
            value.bytes().all(is_plain)
        } else {
            value.bytes().all(is_version)
        };
        if !valid {
            return Err(RootfsError::Value {
                field,
                value: value.to_owned(),
                why: "expected letters, digits, `.`, `_` and `-`",
            });
        }
        if !value.is_empty() {
            fields.push((name, value));
        }
    }
    if request.debug {
        fields.push(("VARIANT", "Debug"));
        fields.push(("VARIANT_ID", "debug"));
    }
    let old = assembly.text(OS_RELEASE)?.unwrap_or_default();
    let stays = |line: &&str| {
        let name = line.split('=').next().unwrap_or_default();
        !fields.iter().any(|(field, _)| *field == name)
    };
    let mut text: String = old.lines().filter(stays).map(|line| format!("{line}\n")).collect();
    for (name, value) in &fields {
        text += &format!("{name}=\"{value}\"\n");
    }
    assembly.write(OS_RELEASE, 0o644, text.as_str())?;
    if !assembly.occupied("/etc/os-release") {
        assembly.link("/etc/os-release", "../usr/lib/os-release")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rootfs::Request;
    use crate::rootfs::tests::{access, assembly, at, refused};

    fn after<'a>(
        request: &'a Request<'a>,
        files: &[(&str, &str)],
    ) -> Result<Assembly<'a>, RootfsError> {
        let mut assembly = assembly(request, files);
        apply(&mut assembly)?;
        Ok(assembly)
    }

    #[test]
    fn a_tree_of_nothing_gets_what_every_system_has() {
        let request = Request::default();
        let tree = after(&request, &[]).unwrap();
        for (path, text) in [
            ("/etc/hostname", "localhost\n"),
            (
                "/etc/hosts",
                "127.0.0.1\tlocalhost\n::1\t\tlocalhost ip6-localhost ip6-loopback\n\
                 ff02::1\t\tip6-allnodes\nff02::2\t\tip6-allrouters\n",
            ),
            ("/etc/machine-id", ""),
            ("/etc/mtab", "-> ../proc/self/mounts"),
            ("/etc/resolv.conf", "-> ../run/resolv.conf"),
            ("/etc/os-release", "-> ../usr/lib/os-release"),
            ("/usr/lib/os-release", ""),
        ] {
            assert_eq!(at(&tree, path).as_deref(), Some(text), "{path}");
        }
        assert!(at(&tree, "/etc/fstab").unwrap().starts_with('#'));
        assert_eq!(access(&tree, "/etc/machine-id").0, 0o444);
        assert_eq!(access(&tree, "/etc/hostname").0, 0o644);
        assert_eq!(at(&tree, "/etc/.updated"), at(&tree, "/var/.updated"));
    }

    /// hosts(5): 127.0.1.1 is the name of a machine without a fixed address (Debian Reference, 5.1.1).
    #[test]
    fn a_host_with_a_name_has_an_address_of_its_own() {
        for (hostname, line) in [("cvm-1", Some("127.0.1.1\tcvm-1\n")), ("localhost", None)] {
            let request = Request { hostname: Some(hostname), ..Request::default() };
            let tree = after(&request, &[]).unwrap();
            assert_eq!(at(&tree, "/etc/hostname").unwrap(), format!("{hostname}\n"));
            let hosts = at(&tree, "/etc/hosts").unwrap();
            match line {
                Some(line) => assert!(hosts.contains(line), "{hosts}"),
                None => assert!(!hosts.contains("127.0.1.1"), "{hosts}"),
            }
        }
    }

    #[test]
    fn what_is_there_already_stays_but_for_the_marks_of_an_update() {
        let own = [
            ("/etc/hostname", "mine\n"),
            ("/etc/hosts", "mine\n"),
            ("/etc/fstab", "mine\n"),
            ("/etc/machine-id", "uninitialized\n"),
            ("/etc/mtab", "mine\n"),
            ("/etc/resolv.conf", "nameserver 192.0.2.1\n"),
            ("/etc/os-release", "ID=mine\n"),
        ];
        let request = Request { hostname: Some("cvm"), ..Request::default() };
        let tree = after(&request, &[&own[..], &[("/etc/.updated", "old")]].concat()).unwrap();
        for (path, text) in own {
            assert_eq!(at(&tree, path).as_deref(), Some(text), "{path}");
        }
        assert_ne!(at(&tree, "/etc/.updated").as_deref(), Some("old"));
    }

    #[test]
    fn name_servers_come_from_resolved_where_it_is_there() {
        let request = Request::default();
        for (files, target) in [
            (
                &[("/usr/lib/systemd/systemd-resolved", "x")][..],
                "-> ../run/systemd/resolve/stub-resolv.conf",
            ),
            (&[("/usr/lib/systemd/systemd-resolved/", "")], "-> ../run/resolv.conf"),
        ] {
            let tree = after(&request, files).unwrap();
            assert_eq!(at(&tree, "/etc/resolv.conf").as_deref(), Some(target));
            let note = format!("/etc/resolv.conf links to {}", &target[3..]);
            assert_eq!(tree.log, [note]);
        }
    }

    /// hostname(7), RFC 1123, 2.1, and `HOST_NAME_MAX` of Linux.
    #[test]
    fn host_names_are_labels_of_letters_digits_and_hyphens() {
        let label = "a".repeat(63);
        for (name, is_valid) in [
            ("a", true),
            ("A-1.b", true),
            ("0", true),
            ("x--y", true),
            (&format!("{label}a"), true),
            (&format!("{label}aa"), false),
            ("", false),
            (".", false),
            ("a.", false),
            (".a", false),
            ("a..b", false),
            ("-a", false),
            ("a-", false),
            ("a.-b", false),
            ("a_b", false),
            ("a b", false),
            ("a\n", false),
            ("ä", false),
        ] {
            assert_eq!(is_hostname(name), is_valid, "{name:?}");
            let request = Request { hostname: Some(name), ..Request::default() };
            match (after(&request, &[]), is_valid) {
                (Ok(_), true) => {}
                (result, _) => refused(result, &format!("hostname `{name}`: expected labels")),
            }
        }
    }

    /// os-release(5): fields of the distribution stay, those of the image are replaced.
    #[test]
    fn the_image_replaces_its_own_fields_of_os_release() {
        let old = "PRETTY_NAME=\"Debian\"\nIMAGE_ID=old\nID=debian\nIMAGE_IDX=kept\nVARIANT=old\nVARIANT_ID=old\n";
        let kept = "PRETTY_NAME=\"Debian\"\nID=debian\nIMAGE_IDX=kept\n";
        for (id, version, debug, text) in [
            ("", "", false, old.to_owned()),
            ("x", "", false, old.replace("IMAGE_ID=old\n", "") + "IMAGE_ID=\"x\"\n"),
            ("", "1.0", false, format!("{old}IMAGE_VERSION=\"1.0\"\n")),
            (
                "x",
                "1",
                true,
                format!(
                    "{kept}IMAGE_ID=\"x\"\nIMAGE_VERSION=\"1\"\nVARIANT=\"Debug\"\nVARIANT_ID=\"debug\"\n"
                ),
            ),
        ] {
            let request =
                Request { image_id: id, image_version: version, debug, ..Request::default() };
            let tree = after(&request, &[("/usr/lib/os-release", old)]).unwrap();
            assert_eq!(at(&tree, "/usr/lib/os-release").unwrap(), text);
        }
    }

    /// os-release(5), `IMAGE_ID=`, `IMAGE_VERSION=`; UAPI.10, "Version Format Specification".
    #[test]
    fn ids_and_versions_have_the_signs_of_their_standards() {
        for (text, is_id, is_version) in [
            ("a-b_c.9", true, true),
            ("A", false, true),
            ("1~rc1^2+b1", false, true),
            ("a b", false, false),
            ("a\"b", false, false),
            ("a\nb", false, false),
            ("a$b", false, false),
            ("é", false, false),
        ] {
            let id = Request { image_id: text, ..Request::default() };
            let version = Request { image_version: text, ..Request::default() };
            for (request, field, is_valid) in
                [(id, "image id", is_id), (version, "image version", is_version)]
            {
                match (after(&request, &[]), is_valid) {
                    (Ok(_), true) => {}
                    (result, _) => refused(result, &format!("{field} `{text}`: expected letters")),
                }
            }
        }
    }
}
