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
//! Deliberately absent: endorsements, entities, appraisal of the firmware's version. Trustee reads
//! `digests` and no integrity registers: use `rvps` for it.
//!
//! Standards: draft-ietf-rats-corim-10; draft-deeglaze-amd-sev-snp-corim-profile-02;
//! draft-cds-rats-intel-corim-profile-06.

use ciborium::Value;
use cvmkit_measure::event::Bank;

use super::cbor::{Key, bytes, embedded, encode, list, map, tag};
use super::machine::{Machine, platforms};
use super::{Document, ExportError, Options, Shape, Validity, cose};
use crate::digest::Sha256;
use crate::profile::{Technology, Vmm};

/// Media type of a CoRIM, signed or not (section 12.12).
pub(super) const MEDIA_TYPE: &str = "application/rim+cbor";

/// `tagged-unsigned-corim-map` and `tagged-concise-mid-tag` (sections 4.1 and 5.1).
const TAG_CORIM: u64 = 501;
const TAG_COMID: u64 = 506;
/// `uri` and `time` of CDDL's prelude (RFC 8610, appendix D).
const TAG_URI: u64 = 32;
const TAG_TIME: u64 = 1;
/// `tagged-oid-type` and `tagged-bytes` (sections 7.6 and 7.8).
const TAG_OID: u64 = 111;
const TAG_BYTES: u64 = 560;

/// `corim-map` (section 4.1): `id`, `tags`, `profile`, `rim-validity`.
const CORIM_ID: u64 = 0;
const CORIM_TAGS: u64 = 1;
const CORIM_PROFILE: u64 = 3;
const CORIM_VALIDITY: u64 = 4;
/// `concise-mid-tag` (section 5.1): `tag-identity` with its `tag-id`, `triples` with its
/// `reference-triples`.
const COMID_IDENTITY: u64 = 1;
const TAG_ID: u64 = 0;
const COMID_TRIPLES: u64 = 4;
const REFERENCE_TRIPLES: u64 = 0;
/// `environment-map` and `class-map` (sections 5.1.4.1 and 5.1.4.2): `class`, its `class-id`,
/// `vendor` and `model`.
const ENVIRONMENT_CLASS: u64 = 0;
const CLASS_ID: u64 = 0;
const CLASS_VENDOR: u64 = 1;
const CLASS_MODEL: u64 = 2;
/// `measurement-map` (section 5.1.4.5): `mkey`, `mval`; its `measurement-values-map`: `digests`,
/// `raw-value`, `integrity-registers`.
const MKEY: u64 = 0;
const MVAL: u64 = 1;
const DIGESTS: u64 = 2;
const RAW_VALUE: u64 = 4;
const INTEGRITY_REGISTERS: u64 = 14;

/// Numbers of hash functions (IANA, "Named Information Hash Algorithm Registry").
const SHA256: u64 = 1;
const SHA384: u64 = 7;
const SHA512: u64 = 8;

/// Profile of SEV-SNP (draft-deeglaze, section 3.1).
const SNP_PROFILE: &str = "tag:amd.com,2025:snp-corim-profile";
/// Classes of SEV-SNP, by chip (VCEK) and by provider (VLEK): 1.3.6.1.4.1.3704.3.1 and .2, with the
/// DER header that the profile writes and RFC 9090 would not (draft-deeglaze, section 3.1.1).
const SNP_CLASSES: [[u8; 11]; 2] = [
    [0x06, 0x09, 0x2b, 0x06, 0x01, 0x04, 0x01, 0x9c, 0x78, 0x03, 0x01],
    [0x06, 0x09, 0x2b, 0x06, 0x01, 0x04, 0x01, 0x9c, 0x78, 0x03, 0x02],
];
/// MEASUREMENT of a report (draft-deeglaze, section 3.1.2).
const MKEY_MEASUREMENT: u64 = 641;

/// Intel's profile, 2.16.840.1.113741.1.16.1 (draft-cds-rats-intel, section 4.1).
const INTEL_PROFILE: [u8; 10] = [0x60, 0x86, 0x48, 0x01, 0x86, 0xf8, 0x4d, 0x01, 0x10, 0x01];
/// `tee.mrtee` as an `mkey` (draft-cds-rats-intel, section 8.3.5).
const MKEY_MRTEE: u64 = 83;

/// The CoRIM of `machines`, whose reference values have the digest `identity`.
pub(super) fn document(
    identity: Sha256,
    machines: &[&Machine],
    options: &Options,
) -> Result<Document, ExportError> {
    let id = format!("cvmkit:sha256:{identity}");
    let (mut tags, mut carried, mut notes) = (Vec::new(), Vec::new(), Vec::new());
    for machine in machines {
        notes.extend(machine.words(|_| true));
        let triples = triples(machine);
        if triples.is_empty() {
            notes.push(format!("{machine} is left out: it has no value"));
            continue;
        }
        tags.push(comid(&format!("{id}/{machine}"), triples)?);
        carried.push(*machine);
    }
    if carried.is_empty() {
        return Err(ExportError::NoPlace {
            shape: Shape::Corim,
            platforms: platforms(machines),
            carries: "launch digests and registers, and they have none",
            add: "a profile whose values can be predicted, such as `qemu-snp`,",
        });
    }
    let profile = profile(&carried, &mut notes);
    let corim = map([
        (CORIM_ID, Some(id.into())),
        (CORIM_TAGS, Some(list(tags))),
        (CORIM_PROFILE, profile),
        (CORIM_VALIDITY, options.validity.map(validity)),
    ]);
    let unsigned = encode(&tag(TAG_CORIM, corim))?;
    let bytes = match &options.signer {
        Some(signer) => cose::sign1(&unsigned, signer, options.validity)?,
        None => {
            notes.push("the CoRIM is not signed: sign it with `--key`".to_owned());
            unsigned
        }
    };
    let machines = carried.iter().map(ToString::to_string).collect();
    Ok(Document { bytes, media_type: MEDIA_TYPE, debug: false, machines, notes })
}

/// `validity-map` (section 7.3).
pub(super) fn validity(validity: Validity) -> Value {
    let time = |at: crate::timestamp::Timestamp| tag(TAG_TIME, at.0.into());
    map([(0, validity.not_before.map(time)), (1, Some(time(validity.not_after)))])
}

/// The profile that all machines have; a CoRIM has place for one.
fn profile(machines: &[&Machine], notes: &mut Vec<String>) -> Option<Value> {
    let platform = machines.first()?.platform();
    if machines.iter().any(|machine| machine.platform() != platform) {
        let words = "the CoRIM names no profile, since it is of several platforms: for verifiers \
                     that go by it, make one for each with `--profile`";
        notes.push(words.to_owned());
        return None;
    }
    match platform {
        Technology::SevSnp => Some(tag(TAG_URI, SNP_PROFILE.into())),
        Technology::Tdx => Some(tag(TAG_OID, bytes(&INTEL_PROFILE))),
        Technology::Tpm | Technology::Se => None,
    }
}

/// A CoMID, in the tag and the byte string that a CoRIM holds it in.
fn comid(id: &str, triples: Vec<Value>) -> Result<Value, ExportError> {
    let comid = map([
        (COMID_IDENTITY, Some(map([(TAG_ID, Some(id.into()))]))),
        (COMID_TRIPLES, Some(map([(REFERENCE_TRIPLES, Some(list(triples)))]))),
    ]);
    Ok(tag(TAG_COMID, embedded(&comid)?))
}

/// What to expect of a machine: none if it has no values.
fn triples(machine: &Machine) -> Vec<Value> {
    let measurements = measurements(machine);
    if measurements.is_empty() {
        return Vec::new();
    }
    let triple = |class| {
        let environment = map([(ENVIRONMENT_CLASS, Some(class))]);
        list([environment, list(measurements.clone())])
    };
    classes(machine).into_iter().map(triple).collect()
}

/// The classes of the machine's environment.
fn classes(machine: &Machine) -> Vec<Value> {
    let named = |vendor: &str, model: &str| {
        vec![map([(CLASS_VENDOR, Some(vendor.into())), (CLASS_MODEL, Some(model.into()))])]
    };
    match machine.platform() {
        Technology::SevSnp => {
            let class = |oid: &[u8; 11]| map([(CLASS_ID, Some(tag(TAG_OID, bytes(oid))))]);
            SNP_CLASSES.iter().map(class).collect()
        }
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

/// The measurements of a machine.
fn measurements(machine: &Machine) -> Vec<Value> {
    let mut measurements = Vec::new();
    if let Some(launch) = &machine.launch_digest {
        measurements.push(digest_measurement(MKEY_MEASUREMENT.into(), SHA384, &launch.0.0));
    }
    if let Some(mrtd) = machine.register(Bank::Sha384, "mrtd") {
        measurements.push(digest_measurement(MKEY_MRTEE.into(), SHA384, mrtd));
    }
    for (name, value) in &machine.secure_execution {
        measurements.push(match *name {
            "tag" => measurement(Some("tag".into()), RAW_VALUE, tag(TAG_BYTES, bytes(value))),
            digest => digest_measurement(digest.into(), SHA512, value),
        });
    }
    let registers = machine.registers.iter().filter(|(name, _)| name.as_str() != "mrtd");
    let registers: Vec<(Key, Option<Value>)> = registers
        .map(|(name, values)| {
            let digests =
                values.iter().map(|(bank, value)| digest(bank_id(*bank), value.as_bytes()));
            (register_id(name), Some(list(digests)))
        })
        .collect();
    if !registers.is_empty() {
        measurements.push(measurement(None, INTEGRITY_REGISTERS, map(registers)));
    }
    measurements
}

/// `measurement-map` of one value.
fn measurement(mkey: Option<Value>, code: u64, value: Value) -> Value {
    map([(MKEY, mkey), (MVAL, Some(map([(code, Some(value))])))])
}

fn digest_measurement(mkey: Value, algorithm: u64, value: &[u8]) -> Value {
    measurement(Some(mkey), DIGESTS, list([digest(algorithm, value)]))
}

/// `digest`: an algorithm and a value (section 7.7).
fn digest(algorithm: u64, value: &[u8]) -> Value {
    list([algorithm.into(), bytes(value)])
}

fn bank_id(bank: Bank) -> u64 {
    match bank {
        Bank::Sha256 => SHA256,
        Bank::Sha384 => SHA384,
    }
}

/// `integrity-register-id-type-choice`: the number of a PCR or RTMR, or a name (section 5.1.4.7).
fn register_id(name: &str) -> Key {
    let number = name.strip_prefix("pcr").or_else(|| name.strip_prefix("rtmr"));
    match number.and_then(|digits| digits.parse::<u64>().ok()) {
        Some(number) => Key::from(number),
        None => Key::from(name),
    }
}
