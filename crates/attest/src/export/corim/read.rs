//! Reads a CoRIM as it is written here.

use std::collections::{BTreeMap, BTreeSet};

use super::super::cbor::{CborError, Reader};
use super::content::{
    Algorithm, Class, Comid, Corim, Digest, HeaderField, Measurement, ProfileId, Triple,
};
use super::cose::{self, Sign1};
use super::file::CorimFile;
use super::spec::{
    CLASS_ID, CLASS_MODEL, CLASS_VENDOR, COMID_IDENTITY, COMID_TRIPLES, CORIM_ID, CORIM_PROFILE,
    CORIM_TAGS, CORIM_VALIDITY, DIGESTS, ENVIRONMENT_CLASS, INTEGRITY_REGISTERS, INTEL_PROFILE,
    LAST_REGISTER, MKEY, MKEY_MEASUREMENT, MKEY_MRTEE, MVAL, RAW_VALUE, REFERENCE_TRIPLES,
    SNP_CLASSES, SNP_PROFILE, TAG_BYTES, TAG_COMID, TAG_CORIM, TAG_ID, TAG_OID, TAG_URI,
};
use super::validity;

/// The bytes that a file of either form starts with: the tag of a `COSE_Sign1` with its array of four,
/// and the tag of a CoRIM.
const STARTS: [&[u8]; 2] = [&[0xd2, 0x84], &[0xd9, 0x01, 0xf5]];

type Read<T> = Result<T, CborError>;

impl CorimFile {
    /// Longest file that is read: one has some kilobytes for each machine.
    pub const MAX: u64 = 16 << 20;

    /// Whether a file that starts with `head` is one, signed or not.
    #[must_use]
    pub fn is_start(head: &[u8]) -> bool {
        STARTS.iter().any(|start| head.starts_with(start))
    }

    /// Reads a file that `cvmkit export --as corim` wrote. The signature is not verified here.
    ///
    /// # Errors
    /// Anything that is not written so, with its place.
    pub fn read(bytes: &[u8]) -> Read<Self> {
        let mut reader = Reader::new(bytes);
        let signed = match bytes.starts_with(STARTS[0]) {
            true => Some(cose::read(&mut reader)?),
            false => None,
        };
        let corim = match &signed {
            Some((_, payload)) => corim(payload.clone())?,
            None => corim(reader)?,
        };
        Ok(Self { corim, signed: signed.map(|(signed, _): (Sign1, _)| signed) })
    }
}

/// `tagged-unsigned-corim-map`, to the end of the bytes.
fn corim(mut reader: Reader<'_>) -> Read<Corim> {
    reader.tag(TAG_CORIM, "a CoRIM")?;
    let (mut id, mut tags, mut profile, mut valid) = (None, None, None, None);
    reader.map("corim-map", |key, value| {
        match key.number() {
            Some(CORIM_ID) => id = Some(value.text("the id")?.to_owned()),
            Some(CORIM_TAGS) => tags = Some(value.list("the tags", comid)?),
            Some(CORIM_PROFILE) => profile = Some(profile_id(value)?),
            Some(CORIM_VALIDITY) => valid = Some(validity::read(value)?),
            _ => return Err(key.unknown("a key of corim-map: 0, 1, 3 or 4")),
        }
        Ok(())
    })?;
    let corim = Corim {
        id: reader.needed(id, "the id (key 0) of corim-map")?,
        tags: reader.needed(tags, "the tags (key 1) of corim-map")?,
        profile,
        validity: valid,
    };
    reader.end()?;
    let ids: BTreeSet<&str> = corim.tags.iter().map(|comid| comid.id.as_str()).collect();
    if ids.len() < corim.tags.len() {
        return Err(CborError::new(0, "tags with distinct ids", "two of the same id"));
    }
    Ok(corim)
}

fn profile_id(reader: &mut Reader<'_>) -> Read<ProfileId> {
    let at = reader.at();
    if reader.tagged() == Some(TAG_URI) {
        reader.tag(TAG_URI, "a URI")?;
        let uri = reader.text("a URI")?;
        let other = || CborError::new(at, format!("the profile {SNP_PROFILE}"), format!("{uri:?}"));
        return if uri == SNP_PROFILE { Ok(ProfileId::Snp) } else { Err(other()) };
    }
    reader.tag(TAG_OID, "an OID")?;
    let oid = reader.bytes("an OID")?;
    let other = || CborError::new(at, "the OID of Intel's profile", hex::encode(oid));
    if oid == INTEL_PROFILE { Ok(ProfileId::Intel) } else { Err(other()) }
}

/// A CoMID in its tag and byte string.
fn comid(outer: &mut Reader<'_>) -> Read<Comid> {
    outer.tag(TAG_COMID, "a CoMID")?;
    let mut reader = outer.embedded("a CoMID")?;
    let (mut id, mut triples) = (None, None);
    reader.map("concise-mid-tag", |key, value| {
        match key.number() {
            Some(COMID_IDENTITY) => {
                id =
                    Some(value.only("tag-identity", TAG_ID, |it| {
                        Ok(it.text("the tag-id")?.to_owned())
                    })?);
            }
            Some(COMID_TRIPLES) => {
                triples = Some(value.only("triples", REFERENCE_TRIPLES, |it| {
                    it.list("the reference triples", triple)
                })?);
            }
            _ => return Err(key.unknown("a key of concise-mid-tag: 1 or 4")),
        }
        Ok(())
    })?;
    let id = reader.needed(id, "the tag-identity (key 1) of concise-mid-tag")?;
    let triples = reader.needed(triples, "the triples (key 4) of concise-mid-tag")?;
    reader.end()?;
    Ok(Comid { id, triples })
}

fn triple(reader: &mut Reader<'_>) -> Read<Triple> {
    reader.array(2, "a reference triple")?;
    let class = reader.only("environment-map", ENVIRONMENT_CLASS, class)?;
    let measurements = reader.list("measurements", measurement)?;
    Ok(Triple { class, measurements })
}

fn class(reader: &mut Reader<'_>) -> Read<Class> {
    let (mut id, mut vendor, mut model) = (None, None, None);
    reader.map("class-map", |key, value| {
        match key.number() {
            Some(CLASS_ID) => id = Some(class_id(value)?),
            Some(CLASS_VENDOR) => vendor = Some(value.text("the vendor")?.to_owned()),
            Some(CLASS_MODEL) => model = Some(value.text("the model")?.to_owned()),
            _ => return Err(key.unknown("a key of class-map: 0, 1 or 2")),
        }
        Ok(())
    })?;
    match (id, vendor, model) {
        (Some(class), None, None) => Ok(class),
        (None, Some(vendor), Some(model)) => Ok(Class::Named { vendor, model }),
        _ => Err(CborError::new(reader.at(), "a class-id, or a vendor and a model", "others")),
    }
}

fn class_id(reader: &mut Reader<'_>) -> Read<Class> {
    reader.tag(TAG_OID, "an OID")?;
    let at = reader.at();
    let oid = reader.bytes("an OID")?;
    let [by_chip, by_provider] = &SNP_CLASSES;
    match oid {
        oid if oid == by_chip => Ok(Class::SnpByChip),
        oid if oid == by_provider => Ok(Class::SnpByProvider),
        oid => Err(CborError::new(at, "the OID of a class of SEV-SNP", hex::encode(oid))),
    }
}

/// `measurement-map`: `mkey`, and one value.
fn measurement(reader: &mut Reader<'_>) -> Read<Measurement> {
    /// What the value is of.
    enum Of {
        LaunchDigest,
        Mrtd,
        Tag,
        Header(HeaderField),
    }
    let (mut of, mut measured) = (None, None);
    reader.map("measurement-map", |key, value| {
        match key.number() {
            Some(MKEY) => {
                let name = value.key()?;
                of = Some(match (name.number(), name.text()) {
                    (Some(MKEY_MEASUREMENT), _) => Of::LaunchDigest,
                    (Some(MKEY_MRTEE), _) => Of::Mrtd,
                    (_, Some("tag")) => Of::Tag,
                    (_, text) => {
                        let mut fields = HeaderField::ALL.into_iter();
                        let field = fields.find(|field| Some(field.name()) == text);
                        let expected = "mkey 641, 83, `tag`, `pld`, `ald` or `tld`";
                        Of::Header(field.ok_or_else(|| name.unknown(expected))?)
                    }
                });
            }
            Some(MVAL) => {
                measured = Some(match &of {
                    None => value.only("mval", INTEGRITY_REGISTERS, registers)?,
                    Some(Of::Tag) => Measurement::Tag(value.only("mval", RAW_VALUE, raw)?),
                    Some(Of::LaunchDigest) => {
                        Measurement::LaunchDigest(one_digest(value, Algorithm::Sha384)?)
                    }
                    Some(Of::Mrtd) => Measurement::Mrtd(one_digest(value, Algorithm::Sha384)?),
                    Some(Of::Header(field)) => {
                        Measurement::Header(*field, one_digest(value, Algorithm::Sha512)?)
                    }
                });
            }
            _ => return Err(key.unknown("a key of measurement-map: 0 or 1")),
        }
        Ok(())
    })?;
    reader.needed(measured, "a value (key 1) of measurement-map")
}

fn raw(reader: &mut Reader<'_>) -> Read<Vec<u8>> {
    reader.tag(TAG_BYTES, "bytes")?;
    Ok(reader.bytes("bytes")?.to_vec())
}

/// The one digest of an `mval`.
fn one_digest(reader: &mut Reader<'_>, algorithm: Algorithm) -> Read<Digest> {
    reader.only("mval", DIGESTS, |reader| {
        let at = reader.at();
        let digests = digests(reader)?;
        match digests.as_slice() {
            [one] if one.algorithm == algorithm => Ok(one.clone()),
            _ => Err(CborError::new(at, format!("one digest of {algorithm}"), "others")),
        }
    })
}

fn registers(reader: &mut Reader<'_>) -> Read<Measurement> {
    let mut registers = BTreeMap::new();
    reader.map("integrity-registers", |key, value| {
        let number = key.number().and_then(|number| u8::try_from(number).ok());
        let number = number.filter(|number| *number <= LAST_REGISTER);
        let number = number.ok_or_else(|| key.unknown("the number of a register, 0 to 23"))?;
        registers.insert(number, digests(value)?);
        Ok(())
    })?;
    if registers.is_empty() {
        return Err(CborError::new(reader.at(), "at least one register", "none"));
    }
    Ok(Measurement::Registers(registers))
}

/// One digest of each function, in their order.
fn digests(reader: &mut Reader<'_>) -> Read<Vec<Digest>> {
    let at = reader.at();
    let digests = reader.list("digests", digest)?;
    if digests.windows(2).all(|pair| pair[0].algorithm < pair[1].algorithm) {
        Ok(digests)
    } else {
        Err(CborError::new(at, "one digest of each hash function, in their order", "others"))
    }
}

fn digest(reader: &mut Reader<'_>) -> Read<Digest> {
    reader.array(2, "a digest")?;
    let key = reader.key()?;
    let mut known = Algorithm::ALL.into_iter();
    let algorithm = known.find(|algorithm| Some(algorithm.number_and_len().0) == key.number());
    let algorithm = algorithm
        .ok_or_else(|| key.unknown("a hash function: 1 (SHA-256), 7 (SHA-384) or 8 (SHA-512)"))?;
    let at = reader.at();
    let value = reader.bytes("a digest")?;
    let (_, len) = algorithm.number_and_len();
    if value.len() != len {
        let found = format!("{} bytes", value.len());
        return Err(CborError::new(at, format!("{len} bytes of {algorithm}"), found));
    }
    Ok(Digest::new(algorithm, value))
}

#[cfg(test)]
mod tests;
