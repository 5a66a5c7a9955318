#![forbid(unsafe_code)]
//! What an image should measure, and whether a machine measured it: what a verifier service links.
//!
//! A build publishes [`ReferenceValues`](values::ReferenceValues), `reference-values.json`: for each machine that
//! the image is for the launch digest of SEV-SNP, MRTD and RTMRs of a TD, or PCRs of a TPM. A machine reports a
//! report, a quote, an event log or registers. [`compare::compare`] holds one against the other:
//!
//! ```no_run
//! use std::path::Path;
//!
//! use cvmkit_attest::compare::{CompareError, Options, Verdict, compare};
//!
//! # fn main() -> Result<(), CompareError> {
//! let (observed, expected) = (Path::new("report.bin"), Path::new("reference-values.json"));
//! let report = compare(observed, expected, &Options::default())?;
//! match report.judgement.verdict {
//!     Verdict::Equal => println!("this machine runs the image"),
//!     // Which register differs, at which event of the log, and the likely cause.
//!     Verdict::Differs => println!("{report}"),
//!     // A register that the image decides was not reported.
//!     Verdict::Undecided => println!("not judged: {:?}", report.judgement.missing),
//! }
//! # Ok(())
//! # }
//! ```
//!
//! The verifier checks the signatures of reports and quotes before, and decides which `reference-values.json` it
//! trusts. A log alone is the guest's own words: hold the signed registers against it as well.
//!
//! - [`profile`]: what is taken for granted of a machine. [`predict`]: files and a machine make a prediction.
//! - [`values`]: the predictions for all machines of an image. [`output`]: the folder that a build wrote.
//! - [`compare`]: an observation against either. `export`, a feature: values in the formats of other verifiers.
//!
//! Each error implements [`Diagnosis`](cvmkit_host::fault::Diagnosis): whose fault it is, and the next step in words
//! of the domain. Reading is strict: an unknown key, another schema or a malformed digest is an error, never a value
//! that is missing. Deliberately absent: building an image, the network, signatures of hardware.

pub mod compare;
#[cfg(feature = "export")]
pub mod export;
pub mod machine_name;
pub mod output;
pub mod predict;
pub mod profile;
pub mod values;

#[cfg(test)]
mod tests;
