//! Names of units (systemd.unit(5), "Description").

use crate::rootfs::RootfsError;

/// What a unit's name may end in.
const SUFFIXES: &[&str] = &[
    "service",
    "socket",
    "target",
    "timer",
    "path",
    "mount",
    "automount",
    "swap",
    "slice",
    "scope",
    "device",
];

/// The longest name (`UNIT_NAME_MAX`, `src/basic/unit-name.h`).
const NAME_MAX: usize = 255;

/// A unit's name in its parts: `getty@tty1.service` is `getty`, `tty1` and `service`.
pub(in crate::rootfs) struct Name<'a> {
    pub(in crate::rootfs) full: &'a str,
    pub(in crate::rootfs) prefix: &'a str,
    /// Empty for the template itself.
    pub(in crate::rootfs) instance: Option<&'a str>,
    pub(in crate::rootfs) suffix: &'a str,
}

impl<'a> Name<'a> {
    pub(in crate::rootfs) fn parse(full: &'a str) -> Result<Self, RootfsError> {
        let split = full.rsplit_once('.').filter(|(stem, suffix)| {
            !stem.is_empty()
                && SUFFIXES.contains(suffix)
                && !full.contains('/')
                && full.len() <= NAME_MAX
        });
        let Some((stem, suffix)) = split else {
            return refuse(
                full,
                format!("not a unit name: expected one of .{}", SUFFIXES.join(" .")),
            );
        };
        let (prefix, instance) = match stem.split_once('@') {
            Some((prefix, instance)) => (prefix, Some(instance)),
            None => (stem, None),
        };
        Ok(Self { full, prefix, instance, suffix })
    }

    /// The template of an instance; a template is its own.
    pub(in crate::rootfs) fn template(&self) -> Option<String> {
        self.instance.map(|_| format!("{}@.{}", self.prefix, self.suffix))
    }

    pub(in crate::rootfs) fn is_template(&self) -> bool {
        self.instance == Some("")
    }

    /// The name without its suffix.
    pub(in crate::rootfs) fn stem(&self) -> &'a str {
        self.full.strip_suffix(self.suffix).unwrap_or(self.full).trim_end_matches('.')
    }

    /// `text` with its specifiers replaced (systemd.unit(5), "Specifiers"); nothing if it has one
    /// that only a running machine can answer.
    pub(in crate::rootfs) fn expand(&self, text: &str) -> Option<String> {
        let mut expanded = String::new();
        let mut chars = text.chars();
        while let Some(next) = chars.next() {
            if next != '%' {
                expanded.push(next);
                continue;
            }
            match chars.next()? {
                '%' => expanded.push('%'),
                'i' => expanded.push_str(self.instance.unwrap_or_default()),
                'I' => expanded.push_str(&unescaped(self.instance.unwrap_or_default())),
                'p' => expanded.push_str(self.prefix),
                'P' => expanded.push_str(&unescaped(self.prefix)),
                'n' => expanded.push_str(self.full),
                'N' => expanded.push_str(self.stem()),
                'j' => expanded.push_str(self.prefix.rsplit('-').next().unwrap_or_default()),
                't' => expanded.push_str("/run"),
                'S' => expanded.push_str("/var/lib"),
                'C' => expanded.push_str("/var/cache"),
                'L' => expanded.push_str("/var/log"),
                'E' => expanded.push_str("/etc"),
                'T' => expanded.push_str("/tmp"),
                'V' => expanded.push_str("/var/tmp"),
                _ => return None,
            }
        }
        Some(expanded)
    }
}

/// Refuses the unit of a name, with the reason.
pub(super) fn refuse<T>(unit: &str, why: String) -> Result<T, RootfsError> {
    Err(RootfsError::Unit { unit: unit.to_owned(), why })
}

/// Undoes systemd-escape(1): `-` is a slash, `\x2d` a byte.
fn unescaped(text: &str) -> String {
    let text = text.replace('-', "/");
    let mut parts = text.split("\\x");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let digits = part.get(..2).filter(|two| two.bytes().all(|one| one.is_ascii_hexdigit()));
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match byte.filter(u8::is_ascii) {
            Some(byte) => {
                plain.push(char::from(byte));
                plain.push_str(part.get(2..).unwrap_or_default());
            }
            None => {
                plain.push_str("\\x");
                plain.push_str(part);
            }
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    /// systemd.unit(5), "Description": a prefix, a type, and at most 255 bytes (`UNIT_NAME_MAX`).
    #[test]
    fn a_name_has_a_stem_a_known_type_and_255_bytes() {
        let longest = format!("{}.service", "a".repeat(247));
        for (full, parts) in [
            ("a.service", Some(("a", None, "service"))),
            ("a.b.socket", Some(("a.b", None, "socket"))),
            ("a@.timer", Some(("a", Some(""), "timer"))),
            ("a@b@c.path", Some(("a", Some("b@c"), "path"))),
            ("-.mount", Some(("-", None, "mount"))),
            ("a.scope", Some(("a", None, "scope"))),
            ("a.device", Some(("a", None, "device"))),
            (&longest, Some((&longest[..247], None, "service"))),
            (&format!("a{longest}"), None),
            (".service", None),
            ("service", None),
            ("a.", None),
            ("a.servicex", None),
            ("a.Service", None),
            ("a/b.service", None),
            ("", None),
        ] {
            let found = Name::parse(full);
            match (found, parts) {
                (Ok(name), Some(parts)) => {
                    assert_eq!((name.prefix, name.instance, name.suffix), parts, "{full}");
                    assert_eq!(name.full, full);
                }
                (Err(error), None) => {
                    let words = format!("unit `{full}`: not a unit name: expected one of .service");
                    assert!(error.to_string().starts_with(&words), "{error}");
                }
                (found, _) => panic!("{full}: {:?}", found.map(|name| name.full)),
            }
        }
    }

    #[test]
    fn an_instance_has_a_template_and_a_plain_unit_has_none() {
        for (full, template, is_template, stem) in [
            ("a@1.service", Some("a@.service"), false, "a@1"),
            ("a@.service", Some("a@.service"), true, "a@"),
            ("a.service", None, false, "a"),
            ("a.b.service", None, false, "a.b"),
        ] {
            let name = Name::parse(full).unwrap();
            assert_eq!(name.template().as_deref(), template, "{full}");
            assert_eq!((name.is_template(), name.stem()), (is_template, stem), "{full}");
        }
    }

    /// systemd.unit(5), "Specifiers", of the manager of the system.
    #[test]
    fn each_specifier_that_the_name_decides_is_expanded() {
        let name = Name::parse("foo-bar\\x2dx@in-st\\x2fance.service").unwrap();
        for (text, expanded) in [
            ("%i", "in-st\\x2fance"),
            ("%I", "in/st/ance"),
            ("%p", "foo-bar\\x2dx"),
            ("%P", "foo/bar-x"),
            ("%n", "foo-bar\\x2dx@in-st\\x2fance.service"),
            ("%N", "foo-bar\\x2dx@in-st\\x2fance"),
            ("%j", "bar\\x2dx"),
            ("%t/a", "/run/a"),
            ("%S", "/var/lib"),
            ("%C", "/var/cache"),
            ("%L", "/var/log"),
            ("%E", "/etc"),
            ("%T", "/tmp"),
            ("%V", "/var/tmp"),
            ("100%%i", "100%i"),
            ("plain", "plain"),
        ] {
            assert_eq!(name.expand(text).as_deref(), Some(expanded), "{text}");
        }
        // What only a running machine answers: boot id, host name, machine id, kernel, user, and so on.
        for text in ["%b", "%H", "%m", "%v", "%u", "%h", "a%", "%Z", "%%%"] {
            assert_eq!(name.expand(text), None, "{text}");
        }
        let plain = Name::parse("a-b.service").unwrap();
        assert_eq!(plain.expand("[%i%I]").as_deref(), Some("[]"));
    }

    /// systemd-escape(1), `--unescape`: what is not `\xHH` stays as it is.
    #[test]
    fn escapes_that_are_none_stay() {
        for (text, plain) in [
            ("a-b", "a/b"),
            ("\\x2d", "-"),
            ("\\x2D", "-"),
            ("\\x2", "\\x2"),
            ("\\x", "\\x"),
            ("\\xzz", "\\xzz"),
            ("\\x+f", "\\x+f"),
            ("\\xff", "\\xff"),
            ("\\x41\\x42c", "ABc"),
            ("\\é", "\\é"),
            ("\\xé", "\\xé"),
        ] {
            assert_eq!(unescaped(text), plain, "{text}");
        }
    }

    #[test]
    fn specifiers_of_instances_are_expanded() {
        let name = Name::parse("serial-getty@dev-ttyS0\\x2dx.service").unwrap();
        assert_eq!(name.expand("/%I %i %p %j %n %%").unwrap(), {
            "/dev/ttyS0-x dev-ttyS0\\x2dx serial-getty getty serial-getty@dev-ttyS0\\x2dx.service %"
        });
        assert_eq!(name.template().unwrap(), "serial-getty@.service");
        assert_eq!(name.expand("%b"), None);
        assert_eq!(name.expand("x%"), None);
    }
}
