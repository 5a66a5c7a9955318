//! Scripts that the definition says to skip, or whose effect it gives, each by the SHA-256 of its text.
//!
//! Of such a script, what debhelper wrote into it is evaluated still: it enables units and makes accounts, and
//! says where it starts and ends.

use std::collections::{BTreeMap, BTreeSet};

use cvmkit_formats::digest::Sha256;

use super::request::{Given, Request};
use crate::rootfs::{RootfsError, Unused};

/// The lines around a block of debhelper (`autoscript`, `Debian::Debhelper::Dh_Lib`).
const BEGIN: &str = "# Automatically added by ";
const END: &str = "# End automatically added section";

/// What the definition says to skip and what it gives, and what of it came up.
pub(super) struct Skipping<'r> {
    wanted: &'r BTreeMap<String, BTreeSet<Sha256>>,
    given: &'r BTreeMap<String, BTreeMap<Sha256, Given>>,
    /// By package, text and script: two scripts of a package may be one text.
    used: BTreeSet<(&'r str, Sha256, &'static str)>,
}

/// What is done of a script.
#[derive(Clone, Copy)]
pub(super) enum Decision<'r> {
    /// All of it is evaluated.
    Evaluate,
    /// What debhelper wrote is evaluated, and nothing done for the rest.
    Skip,
    /// What debhelper wrote is evaluated, behind what is given instead.
    Give {
        /// What is given.
        given: &'r Given,
        /// True where it was given for another script of the package with this text.
        before: bool,
    },
    /// As [`Decision::Give`], when that was done for this script: it runs again for triggers.
    GaveBefore,
}

impl<'r> Skipping<'r> {
    pub(super) fn new(request: &'r Request<'_>) -> Self {
        Self { wanted: &request.skip, given: &request.give, used: BTreeSet::new() }
    }

    /// What is to be done of a script of a package, whose text has this digest.
    pub(super) fn decide(
        &mut self,
        package: &str,
        script: &'static str,
        sha256: Sha256,
    ) -> Decision<'r> {
        if let Some((package, wanted)) = self.wanted.get_key_value(package)
            && wanted.contains(&sha256)
        {
            self.used.insert((package, sha256, script));
            return Decision::Skip;
        }
        let given = self.given.get_key_value(package);
        match given.and_then(|(package, given)| Some((package, given.get(&sha256)?))) {
            Some((package, given)) => {
                let before = self.is_used(package, &sha256);
                match self.used.insert((package, sha256, script)) {
                    true => Decision::Give { given, before },
                    false => Decision::GaveBefore,
                }
            }
            None => Decision::Evaluate,
        }
    }

    fn is_used(&self, package: &str, sha256: &Sha256) -> bool {
        self.used.iter().any(|(name, text, _)| *name == package && text == sha256)
    }

    /// What the definition says to skip of a package.
    pub(super) fn of(&self, package: &str) -> BTreeSet<Sha256> {
        self.wanted.get(package).cloned().unwrap_or_default()
    }

    /// Refuses digests that are of no script of their package.
    ///
    /// # Errors
    /// [`RootfsError::NoEffect`]
    pub(super) fn check(&self, packages: &BTreeSet<&str>) -> Result<(), RootfsError> {
        let skipped =
            self.wanted.iter().flat_map(|(name, of)| of.iter().map(move |one| (name, one)));
        let given = self.given.iter().flat_map(|(name, of)| of.keys().map(move |one| (name, one)));
        let skipped = skipped.map(|of| (of, "skip"));
        let mut unused = Vec::new();
        for ((name, sha256), what) in skipped.chain(given.map(|of| (of, "give"))) {
            let why = match packages.contains(name.as_str()) {
                true => "matches none of its scripts",
                false => "is of a package that is not in the image",
            };
            if !self.is_used(name, sha256) {
                let key = key(name, what);
                unused.push(Unused { key, value: sha256.to_string(), why: why.to_owned() });
            }
        }
        if unused.is_empty() { Ok(()) } else { Err(RootfsError::NoEffect(unused)) }
    }
}

/// The key of the definition that decides about scripts of a package.
pub(super) fn key(package: &str, what: &str) -> String {
    format!("packages.scripts.\"{package}\".{what}")
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
        for (name, uses, why) in [
            ("a", true, None),
            ("a", false, Some("matches none of its scripts")),
            ("gone", false, Some("is of a package that is not in the image")),
        ] {
            for what in ["skip", "give"] {
                let mut request = Request::default();
                if what == "skip" {
                    request.skip.insert(name.to_owned(), BTreeSet::from([digest]));
                } else {
                    let given = BTreeMap::from([(digest, Given::default())]);
                    request.give.insert(name.to_owned(), given);
                }
                let mut skipping = Skipping::new(&request);
                assert!(matches!(skipping.decide("b", "postinst", digest), Decision::Evaluate));
                assert!(matches!(
                    skipping.decide(name, "postinst", Sha256::of(b"y")),
                    Decision::Evaluate
                ));
                if uses {
                    let decision = skipping.decide(name, "postinst", digest);
                    assert_eq!(matches!(decision, Decision::Skip), what == "skip");
                    assert_eq!(matches!(decision, Decision::Give { .. }), what == "give");
                    let again = skipping.decide(name, "postinst", digest);
                    assert_eq!(matches!(again, Decision::GaveBefore), what == "give");
                    // The same text of another script.
                    let other = skipping.decide(name, "preinst", digest);
                    let is_given = matches!(other, Decision::Give { before: true, .. });
                    assert_eq!(is_given, what == "give");
                }
                let result = skipping.check(&BTreeSet::from(["a", "b"]));
                let Some(why) = why else {
                    result.unwrap();
                    continue;
                };
                let said = result.unwrap_err().to_string();
                assert!(said.contains(why) && said.contains(&format!("\".{what}: ")), "{said}");
            }
        }
    }
}
