//! What an audit finds, and what the definition allows of it.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A class of findings.
#[derive(
    Clone, Copy, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq, PartialOrd, Ord,
)]
#[serde(rename_all = "kebab-case")]
pub enum FindingKind {
    /// A file holds a private key: whoever has the image has the key. That of a package
    /// is everybody's already, and is listed.
    PrivateKey,
    /// An account takes an empty password; the path is `/etc/shadow:NAME` or `/etc/passwd:NAME`.
    EmptyPassword,
    /// An account or a group has the hash of a password, which whoever has the image can guess at; the path is
    /// `/etc/shadow:NAME`, `/etc/passwd:NAME`, `/etc/gshadow:NAME` or `/etc/group:NAME`.
    Password,
    /// A unit, or a line of `/etc/inittab`, logs somebody in on a terminal without a password.
    Autologin,
    /// A setting of sshd lets somebody in by what is no key of the image: without a password, as root with one, or by
    /// keys that a program says while the image runs.
    SshLogin,
    /// A rule of sudo or doas asks for no password.
    SudoWithoutPassword,
    /// Everybody may write a file, or a folder without the sticky bit.
    WorldWritable,
    /// Members of a group but root's may write a file or folder below `/usr`, `/etc`, `/boot` or `/opt`.
    GroupWritable,
    /// A program runs with the rights of its owner or group.
    Setuid,
    /// A program runs with capabilities of its file.
    Capabilities,
    /// A device node: who may open it has the device, whichever it is on the machine.
    Device,
    /// A file says whose keys log in over SSH, or a setting of sshd where such files are.
    AuthorizedKeys,
    /// An ELF file needs a library that is not in the image.
    MissingLibrary,
    /// An ELF file needs a loader that is not in the image.
    MissingLoader,
    /// An ELF file says of itself what makes no sense, so that it is not known what it needs.
    DamagedElf,
    /// A script needs an interpreter that is not in the image.
    MissingInterpreter,
}

impl FindingKind {
    /// Its name in definitions and reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::PrivateKey => "private-key",
            Self::EmptyPassword => "empty-password",
            Self::Password => "password",
            Self::Autologin => "autologin",
            Self::SshLogin => "ssh-login",
            Self::SudoWithoutPassword => "sudo-without-password",
            Self::WorldWritable => "world-writable",
            Self::GroupWritable => "group-writable",
            Self::Setuid => "setuid",
            Self::Capabilities => "capabilities",
            Self::Device => "device",
            Self::AuthorizedKeys => "authorized-keys",
            Self::MissingLibrary => "missing-library",
            Self::MissingLoader => "missing-loader",
            Self::DamagedElf => "damaged-elf",
            Self::MissingInterpreter => "missing-interpreter",
        }
    }

    /// Whether it is about what a file needs of others to run.
    #[must_use]
    pub fn is_missing(self) -> bool {
        matches!(
            self,
            Self::MissingLibrary
                | Self::MissingLoader
                | Self::DamagedElf
                | Self::MissingInterpreter
        )
    }
}

/// What comes of a finding.
#[derive(Clone, Copy, Debug, Serialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// A production image is not built with it.
    Refused,
    /// The definition allows it by name.
    Allowed,
    /// It is what a package or the definition says it is, and is listed.
    Listed,
}

impl Verdict {
    /// Its name in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Allowed => "allowed",
            Self::Listed => "listed",
        }
    }
}

/// Something that an audit found in a root file system.
#[derive(Clone, Debug, Serialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub struct Finding {
    /// Its class.
    pub finding: FindingKind,
    /// The absolute path of the file that it is about; of an account `/etc/shadow:NAME`.
    pub path: String,
    /// The package that the file is of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub package: Option<String>,
    /// What was found there, in words.
    pub detail: String,
    /// What comes of it.
    pub verdict: Verdict,
    /// Why the definition allows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { finding, path, package, detail, .. } = self;
        write!(f, "{}: `{path}`", finding.name())?;
        if let Some(package) = package {
            write!(f, " of {package}")?;
        }
        write!(f, " {detail}")
    }
}

/// Findings that the definition allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allowed {
    /// Their class.
    pub finding: FindingKind,
    /// The path of one, or a pattern of several, as in `exclude-paths`.
    pub path: String,
    /// Why they are allowed.
    pub reason: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_the_one_that_a_definition_uses() {
        for kind in [
            FindingKind::PrivateKey,
            FindingKind::EmptyPassword,
            FindingKind::Password,
            FindingKind::Autologin,
            FindingKind::SshLogin,
            FindingKind::SudoWithoutPassword,
            FindingKind::WorldWritable,
            FindingKind::GroupWritable,
            FindingKind::Setuid,
            FindingKind::Capabilities,
            FindingKind::Device,
            FindingKind::AuthorizedKeys,
            FindingKind::MissingLibrary,
            FindingKind::MissingLoader,
            FindingKind::DamagedElf,
            FindingKind::MissingInterpreter,
        ] {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
        }
        for verdict in [Verdict::Refused, Verdict::Allowed, Verdict::Listed] {
            assert_eq!(serde_json::to_value(verdict).unwrap(), verdict.name());
        }
    }
}
