//! `cvmkit measure id-block`: the identity that a guest owner signs, for QEMU's `sev-snp-guest`.
//!
//! The contract: the text is that of snp-create-id-block (sev-snp-measure 0.0.13), except for the signatures:
//! ours are deterministic (RFC 6979), and verified before they are printed.
//! Deliberate deviations: the digest is hexadecimal, the author key may be absent, policy and names
//! can be given, and a policy that allows debugging or a digest of zeros is refused (exit 2).
//! Oracle: snp-create-id-block.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use cvmkit_formats::base64::base64;
use cvmkit_host::fault::{Diagnosis, Fault};
use cvmkit_measure::snp::LaunchDigest;
use cvmkit_measure::snp::id_block::{self, IdAuthentication, IdBlock, PrivateKey};
use cvmkit_measure::snp::policy::{AuthorKeyDigest, FamilyId, GuestPolicy, IdKeyDigest, ImageId};
use serde::Serialize;
use thiserror::Error;

use super::super::input;
use crate::console::{Answer, CommandError, Console};

/// What to sign, and with which keys.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// File of the ID key, which signs the block: P-384 in PEM, not encrypted.
    #[arg(long, value_name = "PEM")]
    id_key: PathBuf,
    /// File of the author key, which signs the ID key.
    #[arg(long, value_name = "PEM")]
    author_key: Option<PathBuf>,
    /// The launch digest, as `cvmkit measure snp` prints it: 96 hexadecimal digits.
    #[arg(long, value_name = "HEX")]
    digest: LaunchDigest,
    /// The guest policy, decimal or hexadecimal after 0x.
    #[arg(long, value_name = "VALUE", default_value_t)]
    policy: GuestPolicy,
    /// `FAMILY_ID`: 32 hexadecimal digits.
    #[arg(long, value_name = "HEX", default_value_t)]
    family_id: FamilyId,
    /// `IMAGE_ID`: 32 hexadecimal digits.
    #[arg(long, value_name = "HEX", default_value_t)]
    image_id: ImageId,
    /// `GUEST_SVN`: the security version of the image.
    #[arg(long, value_name = "N", default_value_t)]
    guest_svn: u32,
    /// The format of the structures.
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    output_format: OutputFormat,
}

/// The format of the structures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum OutputFormat {
    /// As snp-create-id-block prints them.
    #[default]
    Base64,
    /// As a JSON object; the same as `--format json`.
    Json,
}

/// Options or files that no identity can be made from.
#[derive(Debug, Error)]
enum Refusal {
    #[error("cannot use `{}`", path.display())]
    Key { path: PathBuf, source: id_block::Error },
    #[error("cannot make an ID block from --digest and --policy")]
    Block(#[source] id_block::Error),
    #[error("the new ID block does not verify")]
    Verify(#[source] id_block::Error),
}

impl Diagnosis for Refusal {
    fn fault(&self) -> Fault {
        match self {
            Self::Key { .. } | Self::Block(_) => Fault::Definition,
            Self::Verify(_) => Fault::Bug,
        }
    }

    fn hint(&self) -> Option<String> {
        let Self::Key { .. } = self else { return None };
        Some("make a key with `openssl ecparam -name secp384r1 -genkey -noout`".to_owned())
    }
}

impl Arguments {
    pub(super) fn run(&self, console: &Console) -> Answer {
        let block = IdBlock::new(self.digest, self.policy).map_err(Refusal::Block)?;
        let block = block.named(self.family_id, self.image_id, self.guest_svn);
        let id_key = key("ID key", &self.id_key)?;
        let author_key = self.author_key.as_deref().map(|path| key("author key", path));
        let authentication = id_block::sign(&block, &id_key, author_key.transpose()?.as_ref());
        authentication.verify(&block).map_err(Refusal::Verify)?;
        console.answer(&Identity::new(&block, &authentication, self.output_format));
        Ok(ExitCode::SUCCESS)
    }
}

fn key(what: &'static str, path: &Path) -> Result<PrivateKey, CommandError> {
    let pem = input::read(path, input::KEY_FILE_MAX)?;
    let refusal = |source| Refusal::Key { path: path.to_owned(), source };
    Ok(PrivateKey::from_pem(what, &String::from_utf8_lossy(&pem)).map_err(refusal)?)
}

/// What is printed.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Identity {
    id_block: String,
    id_auth: String,
    launch_digest: LaunchDigest,
    policy: GuestPolicy,
    family_id: FamilyId,
    image_id: ImageId,
    guest_svn: u32,
    id_key_digest: IdKeyDigest,
    #[serde(skip_serializing_if = "Option::is_none")]
    author_key_digest: Option<AuthorKeyDigest>,
    #[serde(skip)]
    output_format: OutputFormat,
}

impl Identity {
    fn new(
        block: &IdBlock,
        authentication: &IdAuthentication,
        output_format: OutputFormat,
    ) -> Self {
        Self {
            id_block: base64(&block.encode()),
            id_auth: base64(&authentication.encode()),
            launch_digest: block.launch_digest(),
            policy: block.policy(),
            family_id: block.family_id(),
            image_id: block.image_id(),
            guest_svn: block.guest_svn(),
            id_key_digest: authentication.id_key_digest(),
            author_key_digest: authentication.author().map(id_block::Author::digest),
            output_format,
        }
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.output_format == OutputFormat::Json {
            return f.write_str(&serde_json::to_string_pretty(self).map_err(|_| fmt::Error)?);
        }
        writeln!(f, "id-block={},id-auth={}", self.id_block, self.id_auth)?;
        write!(f, "id_key_hash: {}", base64(&self.id_key_digest.0.0))?;
        match &self.author_key_digest {
            Some(digest) => write!(f, "\nauthor_key: {}", base64(&digest.0.0)),
            None => Ok(()),
        }
    }
}
