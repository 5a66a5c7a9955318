//! Scripts that the definition says to skip, each by the SHA-256 of its text.
//!
//! Of a script that is skipped, what debhelper wrote into it is evaluated still: it enables units and makes
//! accounts, and says where it starts and ends.

use std::collections::{BTreeMap, BTreeSet};

use cvmkit_formats::digest::Sha256;

use super::request::Request;
use crate::rootfs::{RootfsError, Unused};

/// The lines around a block of debhelper (`autoscript`, `Debian::Debhelper::Dh_Lib`).
const BEGIN: &str = "# Automatically added by ";
const END: &str = "# End automatically added section";

/// What the definition says to skip, and what of it came up.
pub(super) struct Skipping<'r> {
    wanted: &'r BTreeMap<String, BTreeSet<Sha256>>,
    used: BTreeSet<(&'r str, Sha256)>,
}

impl<'r> Skipping<'r> {
    pub(super) fn new(request: &'r Request<'_>) -> Self {
        Self { wanted: &request.skip, used: BTreeSet::new() }
    }

    /// Whether the script of a package with this digest is to be skipped.
    pub(super) fn skips(&mut self, package: &str, sha256: Sha256) -> bool {
        match self.wanted.get_key_value(package) {
            Some((package, wanted)) if wanted.contains(&sha256) => {
                self.used.insert((package, sha256));
                true
            }
            _ => false,
        }
    }

    /// What the definition says to skip of a package.
    pub(super) fn of(&self, package: &str) -> BTreeSet<Sha256> {
        self.wanted.get(package).cloned().unwrap_or_default()
    }

    /// Refuses digests that are of no script of their package.
    ///
    /// # Errors
    /// [`RootfsError::NoEffect`]
    pub(super) fn check(self, packages: &BTreeSet<&str>) -> Result<(), RootfsError> {
        let mut unused = Vec::new();
        for (name, digests) in self.wanted {
            let why = match packages.contains(name.as_str()) {
                true => "matches none of its scripts",
                false => "is of a package that is not in the image",
            };
            for sha256 in digests {
                if !self.used.contains(&(name.as_str(), *sha256)) {
                    let key = format!("packages.scripts.\"{name}\".skip");
                    unused.push(Unused { key, value: sha256.to_string(), why: why.to_owned() });
                }
            }
        }
        if unused.is_empty() { Ok(()) } else { Err(RootfsError::NoEffect(unused)) }
    }
}

/// A script of the blocks alone that debhelper has written into a text.
pub(super) fn generated(text: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(text);
    let mut script = String::from("#!/bin/sh\nset -e\n");
    let mut within = false;
    for line in text.lines() {
        within = (within || line.starts_with(BEGIN)) && line != END;
        if within {
            script += line;
            script.push('\n');
        }
    }
    script.into_bytes()
}

/// The `setcap` calls of a script that name a capability, as far as they can be read: nothing else in an image
/// shows that they are missing.
pub(super) fn lost_capabilities(text: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(text);
    let calls =
        text.lines().flat_map(|line| line.match_indices("setcap ").map(move |at| (line, at.0)));
    let mut found: Vec<String> = Vec::new();
    for (line, at) in calls {
        let rest = line.get(at..).unwrap_or_default();
        let end = rest.find([';', '&', '|', '>', '\'', ')']).unwrap_or(rest.len());
        let call = rest.get(..end).unwrap_or_default().trim();
        let names = call.to_ascii_lowercase().contains("cap_") || call.contains('$');
        if names && !found.iter().any(|known| known == call) {
            found.push(call.to_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_debhelper_wrote_is_taken_out_of_a_script() {
        let text = "#!/bin/sh\nset -e\nfrob\n# Automatically added by dh_x/13\na\nb\n# End \
                    automatically added section\nfrob\n# Automatically added by dh_y/13\nc\n";
        let blocks = "#!/bin/sh\nset -e\n# Automatically added by dh_x/13\na\nb\n# Automatically \
                      added by dh_y/13\nc\n";
        assert_eq!(String::from_utf8(generated(text.as_bytes())).unwrap(), blocks);
        assert_eq!(generated(b"frob\n"), b"#!/bin/sh\nset -e\n");
    }

    #[test]
    fn capabilities_that_a_skipped_script_would_set_are_found() {
        for (text, found) in [
            ("setcap cap_net_raw+ep /usr/bin/x", &["setcap cap_net_raw+ep /usr/bin/x"][..]),
            ("  if ! setcap cap_a+ep /x; then echo no; fi\n", &["setcap cap_a+ep /x"]),
            (
                "setcap CAP_A+ep /x || setcap cap_b=p /y",
                &["setcap CAP_A+ep /x", "setcap cap_b=p /y"],
            ),
            ("setcap \"$caps\" /x >/dev/null", &["setcap \"$caps\" /x"]),
            ("x=$(setcap cap_a+p /x)", &["setcap cap_a+p /x"]),
            ("setcap cap_a+p /x\nsetcap cap_a+p /x\n", &["setcap cap_a+p /x"]),
            ("echo 'setcap failed'", &[]),
            ("command -v setcap >/dev/null", &[]),
            ("setcap -r /x", &[]),
            ("", &[]),
        ] {
            assert_eq!(lost_capabilities(text.as_bytes()), found, "{text}");
        }
    }

    #[test]
    fn a_digest_of_no_script_is_refused() {
        let digest = Sha256::of(b"x");
        let wanted = |name: &str| BTreeMap::from([(name.to_owned(), BTreeSet::from([digest]))]);
        for (name, uses, why) in [
            ("a", true, None),
            ("a", false, Some("matches none of its scripts")),
            ("gone", false, Some("is of a package that is not in the image")),
        ] {
            let wanted = wanted(name);
            let mut skipping = Skipping { wanted: &wanted, used: BTreeSet::new() };
            assert!(!skipping.skips("b", digest) && !skipping.skips(name, Sha256::of(b"y")));
            assert!(!uses || skipping.skips(name, digest));
            let result = skipping.check(&BTreeSet::from(["a", "b"]));
            match why {
                None => result.unwrap(),
                Some(why) => assert!(result.unwrap_err().to_string().contains(why), "{name}"),
            }
        }
    }
}
