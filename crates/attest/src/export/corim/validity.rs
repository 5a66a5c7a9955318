//! `validity-map` (section 7.3): in a CoRIM, and in the header of its signature.

use ciborium::Value;
use cvmkit_host::timestamp::Timestamp;

use super::super::cbor::{CborError, Reader, map, tag};
use super::super::request::Validity;
use super::spec::{NOT_AFTER, NOT_BEFORE, TAG_TIME};

/// The map.
pub(super) fn value(validity: Validity) -> Value {
    let time = |at: Timestamp| tag(TAG_TIME, at.0.into());
    map([(NOT_BEFORE, validity.not_before.map(time)), (NOT_AFTER, Some(time(validity.not_after)))])
}

/// Reads the map.
pub(super) fn read(reader: &mut Reader<'_>) -> Result<Validity, CborError> {
    let (mut not_before, mut not_after) = (None, None);
    reader.map("validity-map", |key, value| {
        match key.number() {
            Some(NOT_BEFORE) => not_before = Some(time(value)?),
            Some(NOT_AFTER) => not_after = Some(time(value)?),
            _ => return Err(key.unknown("a key of validity-map: 0 or 1")),
        }
        Ok(())
    })?;
    Ok(Validity { not_before, not_after: reader.needed(not_after, "not-after (key 1)")? })
}

fn time(reader: &mut Reader<'_>) -> Result<Timestamp, CborError> {
    /// The seconds that have a name in RFC 3339: from 0000-01-01T00:00:00Z to 9999-12-31T23:59:59Z.
    const NAMED: std::ops::RangeInclusive<i64> = -62_167_219_200..=253_402_300_799;
    reader.tag(TAG_TIME, "a time")?;
    let at = reader.at();
    let seconds = reader.integer("seconds")?;
    let other = || CborError::new(at, "a time of the years 0 to 9999", seconds);
    if NAMED.contains(&seconds) { Ok(Timestamp(seconds)) } else { Err(other()) }
}

#[cfg(test)]
mod tests {
    use super::super::super::cbor::encode;
    use super::*;

    #[test]
    fn a_validity_is_read_as_it_is_written() {
        for (from, until) in [(None, 0), (Some(-1), 1_900_000_000), (Some(0), 253_402_300_799)] {
            let validity =
                Validity { not_before: from.map(Timestamp), not_after: Timestamp(until) };
            let bytes = encode(&value(validity)).unwrap();
            assert_eq!(read(&mut Reader::new(&bytes)).unwrap(), validity);
        }
    }

    #[test]
    fn a_time_without_a_year_and_a_map_without_its_end_are_refused() {
        let time = |seconds: i64| tag(TAG_TIME, seconds.into());
        let maps = [
            map([(NOT_AFTER, Some(time(253_402_300_800)))]),
            map([(NOT_AFTER, Some(time(i64::MIN)))]),
            map([(NOT_AFTER, Some(0.into()))]),
            map([(NOT_BEFORE, Some(time(0)))]),
            map([(NOT_AFTER, Some(time(0))), (2, Some(time(0)))]),
        ];
        for value in maps {
            let bytes = encode(&value).unwrap();
            assert!(read(&mut Reader::new(&bytes)).is_err(), "{value:?}");
        }
    }
}
