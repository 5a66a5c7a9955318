//! What a publisher or verifier of an image has to know about its root file system: decisions of
//! the definition that the files alone do not tell. The manifest has them as codes and values.

use std::fmt;

use cvmkit_formats::digest::Sha256;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One thing to know, by its code.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(tag = "code", deny_unknown_fields, rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Notice {
    /// A maintainer script that the definition says to skip.
    #[serde(rename_all = "kebab-case")]
    ScriptSkipped {
        /// The package.
        package: String,
        /// `preinst`, `config` or `postinst`.
        script: String,
        /// What was skipped, as the definition names it.
        sha256: Sha256,
        /// Capabilities that the script would have given to files (`setcap`), one command each.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        lost_capabilities: Vec<String>,
    },
    /// A maintainer script that the definition states the effect of, instead of its evaluation.
    #[serde(rename_all = "kebab-case")]
    ScriptGiven {
        /// The package.
        package: String,
        /// `preinst`, `config` or `postinst`.
        script: String,
        /// What was not evaluated, as the definition names it.
        sha256: Sha256,
        /// Paths that are made or changed instead.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        files: Vec<String>,
        /// Users that are made instead.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        users: Vec<String>,
        /// Groups that are made instead, beside those of these users.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        groups: Vec<String>,
    },
    /// A package that the definition drops although others depend on it.
    #[serde(rename_all = "kebab-case")]
    PackageDropped {
        /// The package.
        package: String,
        /// The definition's reason.
        because: String,
        /// The dependencies that nothing else meets, such as `Depends of OTHER: RELATION`.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        needed: Vec<String>,
    },
    /// Keys that a script wanted to make: a key of an image would be everybody's, so the image has none.
    #[serde(rename_all = "kebab-case")]
    KeysLeftOut {
        /// The package.
        package: String,
        /// What its script called, words and all.
        call: String,
    },
    /// Data that a script wanted a program to make, such as a cluster of a database: nothing runs in a build, so
    /// the image has none.
    #[serde(rename_all = "kebab-case")]
    DataLeftOut {
        /// The package.
        package: String,
        /// What its script called, words and all.
        call: String,
    },
    /// A production image that people log in to over the network.
    #[serde(rename_all = "kebab-case")]
    NetworkLogin {
        /// The unit that a boot starts.
        unit: String,
        /// What it runs.
        program: String,
    },
    /// Findings of the audit that the definition allows.
    #[serde(rename_all = "kebab-case")]
    FindingsAllowed {
        /// Their class, such as `missing-interpreter`.
        finding: String,
        /// The path, or the pattern of paths.
        path: String,
        /// How many there are.
        count: u64,
    },
    /// Findings of the audit that only a debug image may have.
    #[serde(rename_all = "kebab-case")]
    FindingsOfDebug {
        /// Their class, such as `private-key`.
        finding: String,
        /// How many there are.
        count: u64,
        /// The path of the first.
        first: String,
    },
    /// An OCI image that packages are put over.
    #[serde(rename_all = "kebab-case")]
    Base {
        /// The layout, relative to the definition.
        layout: String,
        /// The digest of the image's manifest, as OCI writes it.
        digest: String,
        /// How many layers it has.
        layers: u64,
    },
    /// Configuration files that the base has otherwise than its packages: those of the lock's packages take
    /// their place.
    #[serde(rename_all = "kebab-case")]
    BaseChangesLost {
        /// The layout, relative to the definition.
        layout: String,
        /// How many there are.
        count: u64,
        /// The path of the first.
        first: String,
    },
    /// A tar archive of the definition that is put over what packages have.
    #[serde(rename_all = "kebab-case")]
    Layer {
        /// The archive, relative to the definition.
        layer: String,
        /// Digest of the archive as it lies there.
        sha256: Sha256,
        /// How many members it has.
        members: u64,
    },
    /// Files of a package that a layer of the definition replaces.
    #[serde(rename_all = "kebab-case")]
    LayerReplaces {
        /// The archive, relative to the definition.
        layer: String,
        /// The package.
        package: String,
        /// How many there are.
        count: u64,
        /// The path of the first.
        first: String,
    },
    /// Paths that a layer has more than once: the last of each is in the image.
    #[serde(rename_all = "kebab-case")]
    LayerRepeats {
        /// The archive, relative to the definition.
        layer: String,
        /// How many there are.
        count: u64,
        /// The path of the first, as the archive has it.
        first: String,
    },
    /// Folders that were there before a layer came, and keep the mode and owner that they had.
    #[serde(rename_all = "kebab-case")]
    LayerFoldersKept {
        /// The archive, relative to the definition.
        layer: String,
        /// How many there are.
        count: u64,
        /// The path of the first.
        first: String,
    },
    /// Files of a layer that nobody sees, as each boot puts a file system of its own over their folder.
    #[serde(rename_all = "kebab-case")]
    LayerHidden {
        /// The archive, relative to the definition.
        layer: String,
        /// How many there are.
        count: u64,
        /// The path of the first.
        first: String,
    },
    /// A unit that helps an enabled one, and never starts on this image.
    #[serde(rename_all = "kebab-case")]
    HelperNeverStarts {
        /// The enabled unit.
        unit: String,
        /// The one that helps it.
        helper: String,
        /// What can't hold; empty if the helper is not enabled.
        condition: String,
    },
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ScriptSkipped { .. } | Self::ScriptGiven { .. } | Self::PackageDropped { .. } => {
                self.fmt_decision(f)
            }
            Self::KeysLeftOut { package, call } => write!(
                f,
                "{package} has no keys of its own (`{call}` was not run): everybody who has the \
                 image would have them; make them at boot, as docs/servers.md shows"
            ),
            Self::DataLeftOut { package, call } => write!(
                f,
                "{package} lacks the data that `{call}` makes (it was not run): make it at boot, as docs/servers.md \
                 shows, or put it into the image"
            ),
            Self::NetworkLogin { unit, program } => write!(
                f,
                "{unit} runs {program}: anyone with a key or password that the image accepts can \
                 log in over the network"
            ),
            Self::FindingsAllowed { finding, path, count } => {
                write!(f, "the definition allows {finding} at {path} ({count} found)")
            }
            Self::FindingsOfDebug { finding, count, first } => {
                write!(f, "{finding} at {first} ({count} found): refused in a production image")
            }
            Self::Base { .. }
            | Self::BaseChangesLost { .. }
            | Self::Layer { .. }
            | Self::LayerReplaces { .. }
            | Self::LayerRepeats { .. }
            | Self::LayerFoldersKept { .. }
            | Self::LayerHidden { .. } => self.fmt_layer(f),
            Self::HelperNeverStarts { unit, helper, condition } if condition.is_empty() => write!(
                f,
                "{unit} is enabled, but {helper}, which Debian enables for it, is not: nothing does \
                 what it would do"
            ),
            Self::HelperNeverStarts { unit, helper, condition } => write!(
                f,
                "{unit} is enabled, but {helper}, which helps it, never starts on this image \
                 ({condition} can't hold): nothing does what it would do"
            ),
        }
    }
}

impl Notice {
    /// What the definition decided about a package.
    fn fmt_decision(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ScriptSkipped { package, script, sha256, lost_capabilities } => {
                write!(f, "{script} of {package} was skipped (SHA-256 {sha256})")?;
                for lost in lost_capabilities {
                    write!(
                        f,
                        "; without it nothing runs `{lost}`: see `capabilities` of [[files]]"
                    )?;
                }
                Ok(())
            }
            Self::ScriptGiven { package, script, sha256, files, users, groups } => {
                let users = users.iter().map(|name| format!("user {name}"));
                let groups = groups.iter().map(|name| format!("group {name}"));
                let given: Vec<String> = users.chain(groups).chain(files.iter().cloned()).collect();
                let given = given.join(", ");
                write!(
                    f,
                    "the definition gives what {script} of {package} does (SHA-256 {sha256}): {given}"
                )
            }
            Self::PackageDropped { package, because, needed } => {
                write!(f, "the definition drops {package}: {because}")?;
                match needed.as_slice() {
                    [] => Ok(()),
                    [one] => write!(f, " ({one})"),
                    [first, more @ ..] => write!(f, " ({first}, and {} more)", more.len()),
                }
            }
            // Named, so that a new one does not pass in silence.
            Self::Base { .. }
            | Self::BaseChangesLost { .. }
            | Self::Layer { .. }
            | Self::LayerReplaces { .. }
            | Self::LayerRepeats { .. }
            | Self::LayerFoldersKept { .. }
            | Self::LayerHidden { .. }
            | Self::KeysLeftOut { .. }
            | Self::DataLeftOut { .. }
            | Self::NetworkLogin { .. }
            | Self::FindingsAllowed { .. }
            | Self::FindingsOfDebug { .. }
            | Self::HelperNeverStarts { .. } => Ok(()),
        }
    }

    /// What a base or a layer brings.
    fn fmt_layer(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Base { layout, digest, layers } => {
                write!(f, "base {layout}: image {digest}, layers: {layers}")
            }
            Self::BaseChangesLost { layout, count, first } => write!(
                f,
                "base {layout} changed configuration of its packages, which is the packages' again: {first} \
                 ({count} found); `[[files]]` or `[[overlays]]` keep such a change"
            ),
            Self::Layer { layer, sha256, members } => {
                let word = if *members == 1 { "member" } else { "members" };
                write!(f, "layer {layer} brings {members} {word} (SHA-256 {sha256})")
            }
            Self::LayerReplaces { layer, package, count, first } => {
                write!(f, "layer {layer} replaces files of {package}: {first} ({count} found)")
            }
            Self::LayerRepeats { layer, count, first } => write!(
                f,
                "layer {layer} has paths more than once, of which the last counts: {first} ({count} found)"
            ),
            Self::LayerFoldersKept { layer, count, first } => write!(
                f,
                "layer {layer} does not change the mode and owner of folders that are there already: \
                 {first} ({count} found); `[[files]]` with `path` and `mode` does"
            ),
            Self::LayerHidden { layer, count, first } => write!(
                f,
                "layer {layer} has files that every boot hides under a file system of its own: \
                 {first} ({count} found)"
            ),
            // Named, so that a new one does not pass in silence.
            Self::ScriptSkipped { .. }
            | Self::ScriptGiven { .. }
            | Self::PackageDropped { .. }
            | Self::KeysLeftOut { .. }
            | Self::DataLeftOut { .. }
            | Self::NetworkLogin { .. }
            | Self::FindingsAllowed { .. }
            | Self::FindingsOfDebug { .. }
            | Self::HelperNeverStarts { .. } => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The manifest is digested: it holds the code and values, and no wording.
    #[test]
    fn what_is_written_has_codes_and_values_alone() {
        let helper = |condition: &str| Notice::HelperNeverStarts {
            unit: "a.service".into(),
            helper: "a.socket".into(),
            condition: condition.into(),
        };
        assert_eq!(
            serde_json::to_value(helper("ConditionUser=x")).unwrap(),
            json!({
                "code": "helper-never-starts", "unit": "a.service", "helper": "a.socket",
                "condition": "ConditionUser=x",
            })
        );
        assert!(helper("").to_string().contains("which Debian enables for it"));
        assert!(helper("ConditionUser=x").to_string().contains("(ConditionUser=x can't hold)"));
    }

    #[test]
    fn an_unknown_code_or_key_is_refused() {
        for text in [
            r#"{"code":"network-login","unit":"a","program":"b","more":1}"#,
            r#"{"code":"network-logins","unit":"a","program":"b"}"#,
            r#"{"code":"network-login","unit":"a"}"#,
            r#"{"unit":"a","program":"b"}"#,
        ] {
            assert!(serde_json::from_str::<Notice>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn every_notice_is_written_as_it_is_read() {
        let sha256 = Sha256::of(b"script").to_string();
        for value in [
            json!({
                "code": "script-skipped", "package": "a", "script": "postinst", "sha256": sha256,
            }),
            json!({
                "code": "script-skipped", "package": "a", "script": "triggers", "sha256": sha256,
                "lost-capabilities": ["setcap cap_net_raw+ep /usr/bin/ping"],
            }),
            json!({
                "code": "script-given", "package": "a", "script": "preinst", "sha256": sha256,
                "files": ["/etc/x"], "users": ["web"], "groups": ["logs"],
            }),
            json!({
                "code": "script-given", "package": "a", "script": "preinst", "sha256": sha256,
                "users": ["web"],
            }),
            json!({
                "code": "package-dropped", "package": "a", "because": "not used",
                "needed": ["Depends of b: a"],
            }),
            json!({ "code": "package-dropped", "package": "a", "because": "not used" }),
            json!({ "code": "keys-left-out", "package": "a", "call": "ssh-keygen -A" }),
            json!({ "code": "data-left-out", "package": "a", "call": "pg_createcluster 17 main" }),
            json!({ "code": "base", "layout": "oci", "digest": "sha256:00", "layers": 2 }),
            json!({ "code": "base-changes-lost", "layout": "oci", "count": 1, "first": "/etc/x" }),
            json!({ "code": "layer", "layer": "a.tar", "sha256": sha256, "members": 2 }),
            json!({
                "code": "layer-replaces", "layer": "a.tar", "package": "p", "count": 2, "first": "/x",
            }),
            json!({ "code": "layer-repeats", "layer": "a.tar", "count": 1, "first": "/x" }),
            json!({ "code": "layer-folders-kept", "layer": "a.tar", "count": 1, "first": "/" }),
            json!({ "code": "layer-hidden", "layer": "a.tar", "count": 1, "first": "/dev/x" }),
            json!({ "code": "network-login", "unit": "ssh.service", "program": "/usr/sbin/sshd" }),
            json!({
                "code": "helper-never-starts", "unit": "a.service", "helper": "a.socket",
                "condition": "",
            }),
        ] {
            let notice: Notice = serde_json::from_value(value.clone()).unwrap();
            assert_eq!(serde_json::to_value(&notice).unwrap(), value);
        }
        let short = json!({
            "code": "script-skipped", "package": "a", "script": "postinst", "sha256": "00",
        });
        assert!(serde_json::from_value::<Notice>(short).is_err());
    }

    #[test]
    fn what_is_given_is_said_accounts_first() {
        let notice = Notice::ScriptGiven {
            package: "a".into(),
            script: "postinst".into(),
            sha256: Sha256::ZERO,
            files: vec!["/etc/x".into(), "/srv".into()],
            users: vec!["web".into()],
            groups: vec!["logs".into()],
        };
        let said = notice.to_string();
        assert!(said.ends_with("): user web, group logs, /etc/x, /srv"), "{said}");
    }

    #[test]
    fn a_dropped_package_is_said_with_its_reason_and_who_needs_it() {
        let said = |needed: &[&str]| {
            let needed = needed.iter().map(|&one| one.to_owned()).collect();
            let (package, because) = ("a".to_owned(), "not used".to_owned());
            Notice::PackageDropped { package, because, needed }.to_string()
        };
        assert_eq!(said(&[]), "the definition drops a: not used");
        assert_eq!(said(&["x"]), "the definition drops a: not used (x)");
        assert_eq!(said(&["x", "y", "z"]), "the definition drops a: not used (x, and 2 more)");
    }

    #[test]
    fn each_capability_that_is_lost_is_said() {
        let notice = |lost: &[&str]| Notice::ScriptSkipped {
            package: "iputils-ping".into(),
            script: "postinst".into(),
            sha256: Sha256::ZERO,
            lost_capabilities: lost.iter().map(|&lost| lost.to_owned()).collect(),
        };
        let skipped = format!("postinst of iputils-ping was skipped (SHA-256 {})", Sha256::ZERO);
        assert_eq!(notice(&[]).to_string(), skipped);
        let said = notice(&["setcap a", "setcap b"]).to_string();
        let parts: Vec<&str> = said.split("; ").collect();
        assert_eq!((parts.len(), parts[0]), (3, skipped.as_str()));
        assert!(parts[1].contains("`setcap a`") && parts[2].contains("`setcap b`"), "{said}");
    }
}
