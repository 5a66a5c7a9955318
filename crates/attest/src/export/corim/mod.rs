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

mod dump;
mod image;
mod read;
mod spec;
mod write;

use std::collections::BTreeMap;

use cvmkit_measure::event::Bank;

pub use super::cbor::CborError;
pub use super::cose::{Header, Sign1, SignatureError};
use cvmkit_formats::digest::Sha256;

use super::machine::{ExpectedMachine, platforms};
use super::{Document, ExportError, Note, Options, Shape, Validity, cose};
use crate::profile::{Technology, Vmm};
pub use dump::Named;
pub use image::{Difference, OfImage};
pub(super) use read::validity as read_validity;
pub(super) use spec::MEDIA_TYPE;
pub(super) use write::validity;

/// A CoRIM as it is in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CorimFile {
    /// What it says.
    pub corim: Corim,
    /// The signature around it, if there is one.
    pub signed: Option<Sign1>,
}

/// What a CoRIM says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Corim {
    /// Its name.
    pub id: String,
    /// One for each machine.
    pub tags: Vec<Comid>,
    /// Whose rules the values follow.
    pub profile: Option<ProfileId>,
    /// From when to when it is to be used.
    pub validity: Option<Validity>,
}

/// A profile of CoRIMs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProfileId {
    /// Of SEV-SNP.
    Snp,
    /// Of Intel.
    Intel,
}

/// What to expect of one machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comid {
    /// Its name: that of the CoRIM and the machine.
    pub id: String,
    /// Alternatives.
    pub triples: Vec<Triple>,
}

/// What to expect in an environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Triple {
    /// The environment.
    pub class: Class,
    /// The values.
    pub measurements: Vec<Measurement>,
}

/// An environment, by its class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Class {
    /// SEV-SNP whose reports the key of the chip signs.
    SnpByChip,
    /// SEV-SNP whose reports the key of a provider signs.
    SnpByProvider,
    /// Any other.
    Named {
        /// Who makes it.
        vendor: String,
        /// What it is.
        model: String,
    },
}

/// A value, and of what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Measurement {
    /// SEV-SNP's launch digest.
    LaunchDigest(Digest),
    /// A TD's MRTD.
    Mrtd(Digest),
    /// The tag of a Secure Execution header.
    Tag(Vec<u8>),
    /// Another field of a Secure Execution header.
    Header(HeaderField, Digest),
    /// PCRs or RTMRs by number, each with a digest for every bank.
    Registers(BTreeMap<u8, Vec<Digest>>),
}

/// A digest of a Secure Execution header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderField {
    /// Of the encrypted pages.
    Pld,
    /// Of their addresses.
    Ald,
    /// Of their tweaks.
    Tld,
}

impl HeaderField {
    pub(super) const ALL: [Self; 3] = [Self::Pld, Self::Ald, Self::Tld];

    fn name(self) -> &'static str {
        match self {
            Self::Pld => "pld",
            Self::Ald => "ald",
            Self::Tld => "tld",
        }
    }
}

/// A digest with its hash function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digest {
    /// The function.
    pub algorithm: Algorithm,
    /// As long as the function makes it.
    pub value: Vec<u8>,
}

/// A hash function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Algorithm {
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl Algorithm {
    const ALL: [Self; 3] = [Self::Sha256, Self::Sha384, Self::Sha512];

    /// Its number (IANA, "Named Information Hash Algorithm Registry"), and the bytes of a digest.
    fn number_and_len(self) -> (u64, usize) {
        match self {
            Self::Sha256 => (1, 32),
            Self::Sha384 => (7, 48),
            Self::Sha512 => (8, 64),
        }
    }

    fn of_bank(bank: Bank) -> Self {
        match bank {
            Bank::Sha256 => Self::Sha256,
            Bank::Sha384 => Self::Sha384,
        }
    }
}

impl Digest {
    fn new(algorithm: Algorithm, value: &[u8]) -> Self {
        Self { algorithm, value: value.to_vec() }
    }
}

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

fn are_of_one_platform(machines: &[&ExpectedMachine]) -> bool {
    machines.windows(2).all(|pair| pair[0].platform() == pair[1].platform())
}

impl Corim {
    /// What there is to say of `machines`, each of which has a value.
    fn of(identity: Sha256, machines: &[&ExpectedMachine], validity: Option<Validity>) -> Self {
        let id = format!("cvmkit:sha256:{identity}");
        let comid = |machine: &&ExpectedMachine| Comid {
            id: format!("{id}/{machine}"),
            triples: classes(machine)
                .into_iter()
                .map(|class| Triple { class, measurements: measurements(machine) })
                .collect(),
        };
        let tags = machines.iter().map(comid).collect();
        Self { id, tags, profile: profile(machines), validity }
    }
}

/// The profile that all machines have; a CoRIM has place for one.
fn profile(machines: &[&ExpectedMachine]) -> Option<ProfileId> {
    let platform = machines.first()?.platform();
    match platform {
        _ if !are_of_one_platform(machines) => None,
        Technology::SevSnp => Some(ProfileId::Snp),
        Technology::Tdx => Some(ProfileId::Intel),
        Technology::Tpm | Technology::Se => None,
    }
}

/// The classes of the machine's environment.
fn classes(machine: &ExpectedMachine) -> Vec<Class> {
    let named = |vendor: &str, model: &str| {
        vec![Class::Named { vendor: vendor.to_owned(), model: model.to_owned() }]
    };
    match machine.platform() {
        Technology::SevSnp => vec![Class::SnpByChip, Class::SnpByProvider],
        Technology::Tdx => named("Intel Corporation", "TDX"),
        Technology::Tpm => named(tpm_vendor(machine.value.vmm), &machine.value.profile),
        Technology::Se => named("IBM", "Secure Execution"),
    }
}

/// Who gives a machine its TPM.
fn tpm_vendor(vmm: Vmm) -> &'static str {
    match vmm {
        Vmm::Qemu => "QEMU",
        Vmm::Azure => "Microsoft",
        Vmm::Gce => "Google",
        Vmm::Ec2 => "Amazon",
    }
}

/// The measurements of a machine; none if it has no values.
fn measurements(machine: &ExpectedMachine) -> Vec<Measurement> {
    let mut measurements = Vec::new();
    if let Some(launch) = &machine.launch_digest {
        let digest = Digest::new(Algorithm::Sha384, &launch.0.0);
        measurements.push(Measurement::LaunchDigest(digest));
    }
    if let Some(mrtd) = machine.register(Bank::Sha384, "mrtd") {
        measurements.push(Measurement::Mrtd(Digest::new(Algorithm::Sha384, mrtd)));
    }
    for (name, value) in &machine.secure_execution {
        let field = HeaderField::ALL.into_iter().find(|field| field.name() == *name);
        measurements.push(match field {
            Some(field) => Measurement::Header(field, Digest::new(Algorithm::Sha512, value)),
            None => Measurement::Tag(value.clone()),
        });
    }
    let registers = machine.registers.iter().filter_map(|(name, values)| {
        let digest = |(bank, value): (&Bank, &cvmkit_measure::event::BankDigest)| {
            Digest::new(Algorithm::of_bank(*bank), value.as_bytes())
        };
        Some((number(name)?, values.iter().map(digest).collect()))
    });
    let registers: BTreeMap<u8, Vec<Digest>> = registers.collect();
    if !registers.is_empty() {
        measurements.push(Measurement::Registers(registers));
    }
    measurements
}

/// The number of a PCR or RTMR; MRTD, the one register without, is a measurement of its own.
fn number(name: &str) -> Option<u8> {
    let digits = name.strip_prefix("pcr").or_else(|| name.strip_prefix("rtmr"))?;
    digits.parse().ok()
}
