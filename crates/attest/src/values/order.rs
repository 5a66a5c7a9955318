//! Registers by name in the order of their numbers: PCR 2 comes before PCR 11, in what is printed and in
//! what is written.

use std::collections::{BTreeMap, BTreeSet};

use cvmkit_measure::event::Register;
use serde::{Serialize, Serializer};

/// What names are sorted by: other names first, in byte order, then PCRs, MRTD and RTMRs by number.
fn rank(name: &str) -> (Option<Register>, &str) {
    (name.parse().ok(), name)
}

/// The entries of a map, its keys in the order of [`names_by_number`].
#[must_use]
pub fn by_number<V>(named: &BTreeMap<String, V>) -> Vec<(&String, &V)> {
    let mut all: Vec<_> = named.iter().collect();
    all.sort_by_key(|(name, _)| rank(name));
    all
}

/// Names in the order in which registers are written: `launch-digest`, `pcr2`, `pcr11`, `mrtd`, `rtmr0`.
#[must_use]
pub fn names_by_number(names: &BTreeSet<String>) -> Vec<&String> {
    let mut all: Vec<_> = names.iter().collect();
    all.sort_by_key(|name| rank(name));
    all
}

/// A map as it is written.
pub(super) fn map<V: Serialize, S: Serializer>(
    named: &BTreeMap<String, V>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(by_number(named))
}

/// Serializes names as a list in the order of [`names_by_number`], for `serialize_with`.
///
/// # Errors
/// What the serializer says.
pub fn set<S: Serializer>(names: &BTreeSet<String>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(names_by_number(names))
}

/// The registers of one bank as they are written.
struct InOrder<'a>(&'a BTreeMap<String, String>);

impl Serialize for InOrder<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        map(self.0, serializer)
    }
}

/// The registers of all banks as they are written.
pub(super) fn banks<S: Serializer>(
    banks: &BTreeMap<String, BTreeMap<String, String>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(banks.iter().map(|(bank, registers)| (bank, InOrder(registers))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registers_stand_in_the_order_of_their_numbers() {
        let names = ["pcr11", "pcr2", "rtmr0", "mrtd", "launch-digest", "pcr0"].map(str::to_owned);
        let map: BTreeMap<String, u8> = names.iter().cloned().zip(0..).collect();
        let expected = ["launch-digest", "pcr0", "pcr2", "pcr11", "mrtd", "rtmr0"];
        let found: Vec<&str> = by_number(&map).iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(found, expected);
        let set: BTreeSet<String> = names.into();
        assert_eq!(names_by_number(&set), expected);
    }

    /// The order of what is written is digested: names that are no register first, in byte order.
    #[test]
    fn documents_have_registers_in_the_order_of_their_numbers() {
        #[derive(Serialize)]
        struct Written {
            #[serde(serialize_with = "map")]
            map: BTreeMap<String, u8>,
            #[serde(serialize_with = "banks")]
            banks: BTreeMap<String, BTreeMap<String, String>>,
            #[serde(serialize_with = "super::set")]
            set: BTreeSet<String>,
        }
        let names = ["pcr10", "pcr9", "z", "a", "rtmr1", "mrtd"];
        let bank = |value: &str| {
            names[..2].iter().map(|name| ((*name).to_owned(), value.to_owned())).collect()
        };
        let written = Written {
            map: names.iter().map(|name| (*name).to_owned()).zip(0..).collect(),
            banks: [("sha384".to_owned(), bank("b")), ("sha256".to_owned(), bank("a"))].into(),
            set: names.map(str::to_owned).into(),
        };
        assert_eq!(
            serde_json::to_string(&written).unwrap(),
            concat!(
                r#"{"map":{"a":3,"z":2,"pcr9":1,"pcr10":0,"mrtd":5,"rtmr1":4},"#,
                r#""banks":{"sha256":{"pcr9":"a","pcr10":"a"},"sha384":{"pcr9":"b","pcr10":"b"}},"#,
                r#""set":["a","z","pcr9","pcr10","mrtd","rtmr1"]}"#
            )
        );
    }
}
