//! CoRIM: reference values as the IETF's RATS working group writes them.
//!
//! One CoMID for each machine, with reference triples of its environment. A verifier accepts
//! evidence that one triple corroborates, so machines are alternatives; two values in one `digests`
//! would match nothing (section 9.3.6.1.3 of the draft).
//!
//! - SEV-SNP: the profile's two environments, by the kind of key that signs reports, since an image
//!   does not know its host; MEASUREMENT is `mkey` 641.
//! - TDX: MRTD is `mkey` 83, Intel's `tee.mrtee`; RTMRs are integrity registers 0 to 3. Intel's
//!   profile names no class for a TD, so the environment is a vendor and a model.
//! - TPM: PCRs are integrity registers by number, with a digest for each bank. No profile names a
//!   class: the environment is the one that gives the TPM and the name of cvmkit's profile.
//! - Secure Execution: tag, PLD, ALD and TLD of the header by these names, which no profile gives.
//!
//! [`CorimFile::read`] reads what is written here and nothing else: what it does not know is an error with its
//! place, since a part that was passed over would be taken for one that says nothing.
//!
//! Deliberately absent: endorsements, entities, appraisal of the firmware's version, and so the CoRIMs
//! of others. Trustee reads `digests` and no integrity registers: use `rvps` for it.
//!
//! Standards: draft-ietf-rats-corim-10; draft-deeglaze-amd-sev-snp-corim-profile-02;
//! draft-cds-rats-intel-corim-profile-06.

mod content;
mod cose;
mod describe;
mod dump;
mod file;
mod image;
mod read;
mod spec;
mod validity;
mod write;

use cvmkit_formats::digest::Sha256;

use super::document::Document;
use super::error::ExportError;
use super::machine::{ExpectedMachine, platforms};
use super::note::Note;
use super::request::{Options, Shape};
use describe::{are_of_one_platform, measurements};
use spec::MEDIA_TYPE;

pub use super::cbor::CborError;
pub use content::{
    Algorithm, Class, Comid, Corim, Digest, HeaderField, Measurement, ProfileId, Triple,
};
pub use cose::{Header, Sign1, SignatureError};
pub use dump::Named;
pub use file::CorimFile;
pub use image::{Difference, OfImage};

/// The CoRIM of `machines`, whose reference values have the digest `identity`.
pub(super) fn document(
    identity: Sha256,
    machines: &[&ExpectedMachine],
    options: &Options,
) -> Result<Document, ExportError> {
    let (mut carried, mut notes) = (Vec::new(), Vec::new());
    for machine in machines {
        notes.extend(machine.words(|_| true));
        if measurements(machine).is_empty() {
            notes.push(Note::Value(format!("{machine} is left out: it has no value")));
        } else {
            carried.push(*machine);
        }
    }
    if carried.is_empty() {
        return Err(ExportError::NoPlace {
            shape: Shape::Corim,
            platforms: platforms(machines),
            carries: "launch digests and registers, and they have none",
            add: "a profile whose values can be predicted, such as `qemu-snp`,",
        });
    }
    if !are_of_one_platform(&carried) {
        notes.push(Note::SeveralPlatforms);
    }
    let unsigned = Corim::of(identity, &carried, options.validity).write()?;
    let bytes = match &options.signer {
        Some(signer) => cose::sign1(unsigned, signer, options.validity)?.write()?,
        None => {
            notes.push(Note::Unsigned);
            unsigned
        }
    };
    let machines = carried.iter().map(ToString::to_string).collect();
    Ok(Document { bytes, media_type: MEDIA_TYPE, debug: false, machines, notes })
}

#[cfg(test)]
mod tests;
