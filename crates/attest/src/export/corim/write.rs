//! Writes a CoRIM.

use ciborium::Value;

use super::super::cbor::{bytes, embedded, encode, list, map, tag};
use super::super::error::ExportError;
use super::content::{Class, Comid, Corim, Digest, Measurement, ProfileId, Triple};
use super::file::CorimFile;
use super::spec::{
    CLASS_ID, CLASS_MODEL, CLASS_VENDOR, COMID_IDENTITY, COMID_TRIPLES, CORIM_ID, CORIM_PROFILE,
    CORIM_TAGS, CORIM_VALIDITY, DIGESTS, ENVIRONMENT_CLASS, INTEGRITY_REGISTERS, INTEL_PROFILE,
    MKEY, MKEY_MEASUREMENT, MKEY_MRTEE, MVAL, RAW_VALUE, REFERENCE_TRIPLES, SNP_CLASSES,
    SNP_PROFILE, TAG_BYTES, TAG_COMID, TAG_CORIM, TAG_ID, TAG_OID, TAG_URI,
};
use super::validity;

impl CorimFile {
    /// The bytes of the file.
    ///
    /// # Errors
    /// None that a file which was read could have.
    pub fn write(&self) -> Result<Vec<u8>, ExportError> {
        match &self.signed {
            Some(signed) => signed.write(),
            None => self.corim.write(),
        }
    }
}

impl Corim {
    /// The bytes of the document, unsigned.
    ///
    /// # Errors
    /// None that plain data could have.
    pub fn write(&self) -> Result<Vec<u8>, ExportError> {
        let tags = self.tags.iter().map(comid).collect::<Result<Vec<_>, _>>()?;
        let profile = self.profile.map(|profile| match profile {
            ProfileId::Snp => tag(TAG_URI, SNP_PROFILE.into()),
            ProfileId::Intel => tag(TAG_OID, bytes(&INTEL_PROFILE)),
        });
        let corim = map([
            (CORIM_ID, Some(self.id.as_str().into())),
            (CORIM_TAGS, Some(list(tags))),
            (CORIM_PROFILE, profile),
            (CORIM_VALIDITY, self.validity.map(validity::value)),
        ]);
        encode(&tag(TAG_CORIM, corim))
    }
}

/// A CoMID, in the tag and the byte string that a CoRIM holds it in.
fn comid(comid: &Comid) -> Result<Value, ExportError> {
    let triples = list(comid.triples.iter().map(triple));
    let value = map([
        (COMID_IDENTITY, Some(map([(TAG_ID, Some(comid.id.as_str().into()))]))),
        (COMID_TRIPLES, Some(map([(REFERENCE_TRIPLES, Some(triples))]))),
    ]);
    Ok(tag(TAG_COMID, embedded(&value)?))
}

fn triple(triple: &Triple) -> Value {
    let environment = map([(ENVIRONMENT_CLASS, Some(class(&triple.class)))]);
    list([environment, list(triple.measurements.iter().map(measurement))])
}

fn class(class: &Class) -> Value {
    let [by_chip, by_provider] = &SNP_CLASSES;
    let id = |oid: &[u8]| map([(CLASS_ID, Some(tag(TAG_OID, bytes(oid))))]);
    match class {
        Class::SnpByChip => id(by_chip),
        Class::SnpByProvider => id(by_provider),
        Class::Named { vendor, model } => map([
            (CLASS_VENDOR, Some(vendor.as_str().into())),
            (CLASS_MODEL, Some(model.as_str().into())),
        ]),
    }
}

/// `measurement-map` of one value, or of all registers.
fn measurement(measurement: &Measurement) -> Value {
    let (mkey, code, value) = match measurement {
        Measurement::LaunchDigest(it) => (Some(MKEY_MEASUREMENT.into()), DIGESTS, digests([it])),
        Measurement::Mrtd(it) => (Some(MKEY_MRTEE.into()), DIGESTS, digests([it])),
        Measurement::Tag(it) => (Some("tag".into()), RAW_VALUE, tag(TAG_BYTES, bytes(it))),
        Measurement::Header(field, it) => (Some(field.name().into()), DIGESTS, digests([it])),
        Measurement::Registers(registers) => {
            let registers = registers.iter();
            let registers = registers.map(|(at, it)| (u64::from(*at), Some(digests(it))));
            (None, INTEGRITY_REGISTERS, map(registers))
        }
    };
    map([(MKEY, mkey), (MVAL, Some(map([(code, Some(value))])))])
}

/// Each an algorithm and a value (section 7.7).
fn digests<'a>(digests: impl IntoIterator<Item = &'a Digest>) -> Value {
    let digest = |digest: &Digest| {
        let (number, _) = digest.algorithm.number_and_len();
        list([number.into(), bytes(&digest.value)])
    };
    list(digests.into_iter().map(digest))
}
