//! `cvmkit measure se`: the tag of an IBM Secure Execution image, and whether its pages match its header.
//!
//! The contract: exit 0 if the header is readable and, for a whole image, page count and digests are equal; 1
//! if they differ; 2 without a header, or if an image does not say where its components lie. Deliberately
//! absent: verification of the header's tag and host keys, which needs keys of machine and owner. Oracle: the
//! tests of s390-tools.
//!
//! Names of the reference values: claims of Confidential Containers' verifier for Secure Execution
//! (trustee, `kbs/docs/attestation_claims.md` and `deps/verifier/src/se`).

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use cvmkit_formats::digest::Sha256;
use cvmkit_host::fault::{Diagnosis, Fault};
use cvmkit_measure::se::{
    self, ComponentError, Header, HeaderTag, ImageDigests, KeySlot, Parameters, ParametersError,
};
use serde::Serialize;
use thiserror::Error;

use super::super::input::{self, IMAGE_MAX};
use crate::console::{Answer, Console};

/// The verifier chooses the host key of its request; the image has no part in it.
const ATTESTATION_PHKH: &str =
    "not in the image: the hash of the host key in the verifier's request";

/// The image.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// An image that genprotimg or pvimg made, or the header alone.
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// Files that are not a Secure Execution image.
#[derive(Debug, Error)]
enum Refusal {
    #[error("cannot read `{}` as a Secure Execution image", path.display())]
    Header { path: PathBuf, source: se::Error },
    #[error("cannot check the pages of `{}`", path.display())]
    Parameters { path: PathBuf, source: ParametersError },
}

impl Diagnosis for Refusal {
    fn fault(&self) -> Fault {
        Fault::Definition
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Header { .. } => "name a file that genprotimg or pvimg wrote",
            Self::Parameters { .. } => {
                "the file is truncated, or another tool wrote it; to read the header alone, extract it"
            }
        };
        Some(hint.to_owned())
    }
}

impl Arguments {
    pub(super) fn run(&self, console: &Console) -> Answer {
        let bytes = input::read(&self.file, IMAGE_MAX)?;
        let report = Report::of(&self.file, &bytes)?;
        console.answer(&report);
        let Some(Pages::Different { why }) = &report.pages else {
            return Ok(ExitCode::SUCCESS);
        };
        console.failure(&format!("`{}`: {why}", self.file.display()));
        Ok(ExitCode::from(1))
    }
}

/// The values that a verifier pins.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct ReferenceValues {
    #[serde(rename = "se.version")]
    version: u32,
    #[serde(rename = "se.tag")]
    tag: HeaderTag,
    /// One per host key: the guest reports the one of its host.
    #[serde(rename = "se.image_phkh")]
    image_phkh: Vec<Sha256>,
}

/// The claims that the image does not decide, and why.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct NotPredicted {
    #[serde(rename = "se.attestation_phkh")]
    attestation_phkh: &'static str,
}

/// The verdict on the pages of a whole image.
#[derive(Serialize)]
#[serde(tag = "verdict", rename_all = "kebab-case")]
enum Pages {
    /// Page count and digests are those of the header.
    Equal,
    /// One of them differs.
    Different { why: String },
}

/// What is printed.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Report {
    reference_values: ReferenceValues,
    not_predicted: NotPredicted,
    header_offset: usize,
    header_size: usize,
    flags: String,
    flag_names: Vec<&'static str>,
    header: ImageDigests,
    /// Where the components lie; none for a header alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters: Option<Parameters>,
    /// Computed from the pages, if all of them are present.
    #[serde(skip_serializing_if = "Option::is_none")]
    image: Option<ImageDigests>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pages: Option<Pages>,
}

impl Report {
    fn of(path: &Path, bytes: &[u8]) -> Result<Self, Refusal> {
        let refused = |source| Refusal::Header { path: path.to_owned(), source };
        let (header_offset, header) = se::find(bytes).map_err(refused)?;
        let is_image = header_offset > 0;
        let parameters = is_image.then(|| Parameters::find(bytes, header_offset, &header));
        let refused = |source| Refusal::Parameters { path: path.to_owned(), source };
        let parameters = parameters.transpose().map_err(refused)?;
        let computed = parameters.as_ref().map(|parameters| parameters.digests(bytes));
        let pages = computed.as_ref().map(|computed| Pages::judge(&header, computed));
        Ok(Self {
            reference_values: ReferenceValues {
                version: header.version,
                tag: header.tag,
                image_phkh: header.key_slots.iter().map(phkh).collect(),
            },
            not_predicted: NotPredicted { attestation_phkh: ATTESTATION_PHKH },
            header_offset,
            header_size: header.size,
            flags: format!("{:#x}", header.flags.0),
            flag_names: header.flags.names().collect(),
            header: ImageDigests {
                pages: header.pages,
                page_digest: header.page_digest,
                address_digest: header.address_digest,
                tweak_digest: header.tweak_digest,
            },
            parameters,
            image: computed.and_then(Result::ok),
            pages,
        })
    }
}

fn phkh(slot: &KeySlot) -> Sha256 {
    slot.host_key_hash
}

impl Pages {
    fn judge(header: &Header, computed: &Result<ImageDigests, ComponentError>) -> Self {
        let verdict = match computed {
            Ok(digests) => header.check(digests).map_err(|mismatch| mismatch.to_string()),
            Err(error) => Err(error.to_string()),
        };
        verdict.map_or_else(|why| Self::Different { why }, |()| Self::Equal)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ReferenceValues { version, tag, image_phkh } = &self.reference_values;
        writeln!(f, "se.version           {version}")?;
        writeln!(f, "se.tag               {tag}")?;
        for hash in image_phkh {
            writeln!(f, "se.image_phkh        {hash}")?;
        }
        writeln!(f, "se.attestation_phkh  {}", self.not_predicted.attestation_phkh)?;
        let (size, offset) = (self.header_size, self.header_offset);
        writeln!(f, "header               {size} bytes at {offset:#x}, tag not verified")?;
        let names = if self.flag_names.is_empty() { &["none"][..] } else { &self.flag_names };
        writeln!(f, "flags                {} ({})", self.flags, names.join(", "))?;
        lines(f, "header", &self.header)?;
        if let Some(image) = &self.image {
            lines(f, "image", image)?;
        }
        match &self.pages {
            None => write!(f, "image                absent: this is a header alone"),
            Some(Pages::Equal) => write!(f, "image                equal to its header"),
            Some(Pages::Different { why }) => write!(f, "image                DIFFERS: {why}"),
        }
    }
}

/// The digests of a header, or those computed from the pages.
fn lines(f: &mut fmt::Formatter<'_>, of: &str, digests: &ImageDigests) -> fmt::Result {
    let ImageDigests { pages, page_digest, address_digest, tweak_digest } = digests;
    writeln!(f, "{:<20} {pages}", format!("{of} pages (NEP)"))?;
    writeln!(f, "{:<20} {page_digest}", format!("{of} PLD"))?;
    writeln!(f, "{:<20} {address_digest}", format!("{of} ALD"))?;
    writeln!(f, "{:<20} {tweak_digest}", format!("{of} TLD"))
}
