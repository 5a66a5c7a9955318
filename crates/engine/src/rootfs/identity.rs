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
