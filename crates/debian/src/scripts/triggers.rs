//! The `triggers` control files: names that are known to need nothing, or nothing more than the
//! native effects do (deb-triggers(5)).

use thiserror::Error;

/// Names that packages activate or are interested in, each with the reason it is covered.
#[rustfmt::skip]
const KNOWN: &[(&str, &str)] = &[
    ("ldconfig", "the loader finds the multiarch directories without a cache; others are checked"),
    ("update-initramfs", "the initramfs is written by the build"),
    ("update-ca-certificates", "certificates are collected natively"),
    ("update-ca-certificates-fresh", "certificates are collected natively"),
    ("libc-upgrade", "nothing is running"),
    ("nginx-reload", "nothing is running"),
    ("/usr/lib/sysctl.d", "nothing is running"),
    ("/usr/lib/binfmt.d", "nothing is running"),
    ("/etc/dbus-1/system.d", "nothing is running"),
    ("/usr/share/dbus-1/system.d", "nothing is running"),
    ("/usr/share/dbus-1/system-services", "nothing is running"),
    ("/usr/share/debianutils/shells.d", "/etc/shells is collected natively"),
    ("/usr/lib/systemd/catalog", "journalctl prints messages without the catalogue's index"),
    ("/usr/lib/udev/hwdb.d", "the hardware database is a lookup for desktop devices"),
    ("/lib/udev/hwdb.d", "the hardware database is a lookup for desktop devices"),
    ("/usr/lib32", "directories of other ABIs get their links when files are there"),
    ("/usr/libo32", "directories of other ABIs get their links when files are there"),
    ("/usr/libx32", "directories of other ABIs get their links when files are there"),
    ("/usr/share/glib-2.0/schemas", "compiled schemas are checked by the recipe of libglib2.0"),
    ("/usr/lib/x86_64-linux-gnu/gio/modules", "a cache that GIO does without"),
    ("/usr/lib/aarch64-linux-gnu/gio/modules", "a cache that GIO does without"),
    ("/usr/share/man", "the manual's index is a cache"),
    ("/usr/share/icons/hicolor", "an icon cache"),
    ("/usr/share/mime/packages", "a desktop cache"),
    ("/usr/share/applications", "a desktop cache"),
];

/// A trigger that nobody has read: what it would do is unknown.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("unknown trigger `{directive} {name}` of `{package}`")]
pub struct UnknownTrigger {
    /// The package that has the directive.
    pub package: String,
    /// `interest`, `activate` and their variants, or a word that is not a directive.
    pub directive: String,
    /// The trigger.
    pub name: String,
}

/// Checks the `triggers` control file of `package`.
///
/// # Errors
/// [`UnknownTrigger`] for the first unknown directive or name.
pub fn check_triggers(package: &str, text: &[u8]) -> Result<(), UnknownTrigger> {
    for line in String::from_utf8_lossy(text).lines() {
        let line = line.split('#').next().unwrap_or_default();
        let mut words = line.split_whitespace();
        let Some(directive) = words.next() else { continue };
        let name = words.next().unwrap_or_default();
        let kind = directive.trim_end_matches("-noawait").trim_end_matches("-await");
        let known = matches!(kind, "interest" | "activate")
            && KNOWN.iter().any(|&(known, _)| known == name)
            && words.next().is_none();
        if !known {
            return Err(UnknownTrigger {
                package: package.to_owned(),
                directive: directive.to_owned(),
                name: name.to_owned(),
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_triggers_are_named() {
        assert!(check_triggers("x", b"# c\nactivate-noawait ldconfig\n").is_ok());
        let error = check_triggers("x", b"interest-noawait /usr/share/sounds\n").unwrap_err();
        assert!(error.to_string().contains("/usr/share/sounds"), "{error}");
        assert!(check_triggers("x", b"provide ldconfig\n").is_err());
    }

    /// deb-triggers(5): a directive and a name a line, comments from `#`.
    #[test]
    fn directives() {
        for known in [
            "",
            "  # interest /x\n\n",
            "interest ldconfig",
            "interest-await ldconfig",
            "interest-noawait ldconfig # why",
            "activate ldconfig\nactivate-await update-initramfs\n",
            "activate-noawait /usr/share/man",
        ] {
            assert_eq!(check_triggers("x", known.as_bytes()), Ok(()), "{known}");
        }
        for (unknown, directive, name) in [
            ("interest", "interest", ""),
            ("interest ldconfig2", "interest", "ldconfig2"),
            ("interest-maybe ldconfig", "interest-maybe", "ldconfig"),
            ("ldconfig\n", "ldconfig", ""),
            ("activate ldconfig twice", "activate", "ldconfig"),
            ("activate ldconfig\nactivate /x", "activate", "/x"),
            ("activate \u{fffd}", "activate", "\u{fffd}"),
        ] {
            let error = check_triggers("x", unknown.as_bytes()).unwrap_err();
            let expected = UnknownTrigger {
                package: "x".into(),
                directive: directive.into(),
                name: name.into(),
            };
            assert_eq!(error, expected, "{unknown}");
        }
    }
}
