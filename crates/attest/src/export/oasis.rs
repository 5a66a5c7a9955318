//! The enclave identities of a ROFL policy.
//!
//! The shape: `{"enclaves": [{"id": BASE64, "description": WORDS}]}`, a part of
//! `deployments.NAME.policy` in `rofl.yaml`, and YAML as all JSON is. An identity is 64 bytes:
//! MRENCLAVE, which stands for a TD's measurement registers, and an MRSIGNER of zeros. MRENCLAVE is
//! TupleHash256 of MRTD and RTMR0 to RTMR3 (NIST SP 800-185, section 5).
//!
//! A TD of which a register is not predicted has no identity, and is left out. RTMR3 is all zero in
//! a TD whose guest extends nothing. Oracles: TupleHash256 of PyCryptodome, the identity of a quote that oasis-core
//! is tested with.
//!
//! Source: oasisprotocol/oasis-core f9f1fdc (2026-08): `go/common/sgx/pcs/report.go`,
//! `go/common/sgx/common.go`; oasisprotocol/cli d374d97: `build/rofl/manifest.go`.

use cshake::CShake256;
use cshake::digest::{ExtendableOutput as _, Update as _, XofReader as _};
use cvmkit_formats::base64::base64;
use cvmkit_measure::event::Bank;
use serde::Serialize;

use super::document::{Document, json};
use super::error::ExportError;
use super::machine::{ExpectedMachine, platforms};
use super::note::Note;
use super::request::Shape;
use crate::profile::Technology;

/// The customization string of the hash (`TdEnclaveIdentityContext`).
const CONTEXT: &[u8] = b"oasis-core/tdx: TD enclave identity";
/// The function's name (NIST SP 800-185, section 5.3.2).
const TUPLE_HASH: &[u8] = b"TupleHash";
/// Bytes of MRENCLAVE.
const MRENCLAVE_LEN: usize = 32;
/// Bytes of MRSIGNER.
const MRSIGNER_LEN: usize = 32;
/// Bytes of a register of a TD.
const REGISTER_LEN: usize = 48;

#[derive(Serialize)]
struct Policy {
    enclaves: Vec<Enclave>,
}

#[derive(Serialize)]
struct Enclave {
    id: String,
    description: String,
}

/// The identities of the TDs among `machines`.
pub(super) fn document(machines: &[&ExpectedMachine]) -> Result<Document, ExportError> {
    let (mut enclaves, mut carried, mut notes) = (Vec::new(), Vec::new(), Vec::new());
    let mut refusal = None;
    let (tds, others): (Vec<&ExpectedMachine>, Vec<&ExpectedMachine>) =
        machines.iter().partition(|machine| machine.platform() == Technology::Tdx);
    if !others.is_empty() {
        let others = platforms(&others).join(", ");
        notes.push(Note::Value(format!("left out, as they are not TDs: {others}")));
    }
    for machine in tds {
        match mrenclave(machine) {
            Ok(mrenclave) => {
                let id = base64(&[&mrenclave[..], &[0; MRSIGNER_LEN]].concat());
                enclaves.push(Enclave { id, description: machine.to_string() });
                carried.push(machine);
            }
            Err(error) => {
                notes.push(Note::Value(format!("{machine} is left out: {error}")));
                refusal = refusal.or(Some(error));
            }
        }
    }
    if enclaves.is_empty() {
        return Err(refusal.unwrap_or_else(|| ExportError::NoPlace {
            shape: Shape::Oasis,
            platforms: platforms(machines),
            carries: "MRTD and RTMRs of `tdx`",
            add: "a profile of `tdx`, such as `qemu-tdx-direct`,",
        }));
    }
    json(&Policy { enclaves }, &carried, notes)
}

/// What stands for the registers of a TD.
fn mrenclave(machine: &ExpectedMachine) -> Result<[u8; MRENCLAVE_LEN], ExportError> {
    let needed = |name| machine.needed(Shape::Oasis, Bank::Sha384, name);
    let rtmr3 = machine.register(Bank::Sha384, "rtmr3").unwrap_or(&[0; REGISTER_LEN]);
    let registers = [needed("mrtd")?, needed("rtmr0")?, needed("rtmr1")?, needed("rtmr2")?, rtmr3];
    Ok(tuple_hash(&registers))
}

/// TupleHash256 of byte strings of less than 8 KiB, to 256 bits.
fn tuple_hash(strings: &[&[u8]]) -> [u8; MRENCLAVE_LEN] {
    let mut hasher = CShake256::new_with_function_name(TUPLE_HASH, CONTEXT);
    for string in strings {
        hasher.update(&left_encode(8 * string.len() as u64));
        hasher.update(string);
    }
    hasher.update(&right_encode(8 * MRENCLAVE_LEN as u64));
    let mut digest = [0; MRENCLAVE_LEN];
    hasher.finalize_xof().read(&mut digest);
    digest
}

/// `left_encode` (NIST SP 800-185, section 2.3.1): the number of bytes, the number.
fn left_encode(number: u64) -> Vec<u8> {
    let digits = digits(number);
    [&[len(&digits)], &digits[..]].concat()
}

/// `right_encode` (the same): the number, the number of bytes.
fn right_encode(number: u64) -> Vec<u8> {
    let digits = digits(number);
    [&digits[..], &[len(&digits)]].concat()
}

/// A number without its leading zeros, of one byte at least.
fn digits(number: u64) -> Vec<u8> {
    let bytes = number.to_be_bytes();
    let zeros = bytes.iter().take(bytes.len() - 1).take_while(|&&byte| byte == 0).count();
    bytes.into_iter().skip(zeros).collect()
}

/// At most 8.
fn len(digits: &[u8]) -> u8 {
    u8::try_from(digits.len()).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::tests::fixture::machine;
    use super::*;
    use crate::tests::image::value;

    /// NIST SP 800-185, section 2.3.1. NIST's "TupleHash samples" have another context and length; the
    /// identity of `quote_v4_tdx_ecdsa_p256.bin` in oasis-core is checked in `tests/export.rs`.
    #[test]
    fn numbers_are_encoded_as_the_standard_says() {
        for (number, left, right) in [
            (0, &[1, 0][..], &[0, 1][..]),
            (1, &[1, 1], &[1, 1]),
            (255, &[1, 255], &[255, 1]),
            (256, &[2, 1, 0], &[1, 0, 2]),
            (384, &[2, 1, 128], &[1, 128, 2]),
            (65536, &[3, 1, 0, 0], &[1, 0, 0, 3]),
            (
                u64::MAX,
                &[8, 255, 255, 255, 255, 255, 255, 255, 255],
                &[255, 255, 255, 255, 255, 255, 255, 255, 8],
            ),
        ] {
            assert_eq!(
                (left_encode(number), right_encode(number)),
                (left.to_vec(), right.to_vec())
            );
        }
    }

    /// Section 5.3.2 by its definition: cSHAKE256 of the encoded strings, with the function's name.
    #[test]
    fn a_tuple_is_hashed_with_the_length_of_each_string() {
        let by_hand = |encoded: &[u8]| {
            let mut hasher = CShake256::new_with_function_name(b"TupleHash", CONTEXT);
            hasher.update(encoded);
            let mut digest = [0; 32];
            hasher.finalize_xof().read(&mut digest);
            digest
        };
        // left_encode(8), "a", left_encode(16), "bc", right_encode(256).
        let encoded = [1, 8, b'a', 1, 16, b'b', b'c', 1, 0, 2];
        assert_eq!(tuple_hash(&[b"a", b"bc"]), by_hand(&encoded));
        assert_eq!(tuple_hash(&[]), by_hand(&[1, 0, 2]));
        assert_ne!(tuple_hash(&[b"a", b"bc"]), tuple_hash(&[b"ab", b"c"]));
        assert_ne!(tuple_hash(&[b"abc"]), tuple_hash(&[b"abc", b""]));
    }

    /// Each register of the bytes of its number.
    fn td(registers: &[&str]) -> ExpectedMachine {
        let value_of = |name: &str| match name {
            "mrtd" => "0a".repeat(48),
            name => format!("0{}", &name[4..]).repeat(48),
        };
        let registers: serde_json::Map<String, Value> =
            registers.iter().map(|name| ((*name).to_owned(), value_of(name).into())).collect();
        let more = json!({ "registers": { "sha384": registers } });
        machine(value("td", ["tdx", "qemu", "direct"], more))
    }

    const ALL: [&str; 4] = ["mrtd", "rtmr0", "rtmr1", "rtmr2"];

    #[test]
    fn an_identity_is_of_mrtd_and_all_registers() {
        let of = |rtmr3: u8| {
            let registers = [0x0a, 0, 1, 2, rtmr3].map(|byte| [byte; REGISTER_LEN]);
            tuple_hash(&registers.each_ref().map(|register| &register[..]))
        };
        // RTMR 3 is zero where no value is given.
        assert_eq!(mrenclave(&td(&ALL)).unwrap(), of(0));
        let extended = td(&["mrtd", "rtmr0", "rtmr1", "rtmr2", "rtmr3"]);
        assert_eq!(mrenclave(&extended).unwrap(), of(3));
        for missing in ALL {
            let left: Vec<&str> = ALL.into_iter().filter(|name| *name != missing).collect();
            let error = mrenclave(&td(&left)).unwrap_err();
            assert!(
                matches!(&error, ExportError::Missing { what, .. } if what == missing),
                "{error}"
            );
        }
    }

    /// oasis-core f9f1fdc, `go/common/sgx/common.go`: MRENCLAVE and MRSIGNER in Base64.
    #[test]
    fn a_policy_has_the_tds_that_have_an_identity() {
        let (whole, open) = (td(&ALL), td(&["mrtd"]));
        let snp = machine(value("snp", ["sev-snp", "qemu", "direct"], json!({})));
        let document = document(&[&snp, &open, &whole]).unwrap();
        let policy: Value = serde_json::from_slice(&document.bytes).unwrap();
        let identity = [&mrenclave(&whole).unwrap()[..], &[0; 32]].concat();
        let enclave = json!({ "id": base64(&identity), "description": whole.to_string() });
        assert_eq!(policy, json!({ "enclaves": [enclave] }));
        assert_eq!(document.machines, [whole.to_string()]);
        let notes: Vec<String> = document.notes.iter().map(ToString::to_string).collect();
        let why = format!("`oasis` needs rtmr0 of {open}: the reference values do not have it");
        let left_out = format!("{open} is left out: {why}");
        assert_eq!(notes, ["left out, as they are not TDs: sev-snp".to_owned(), left_out]);
    }

    #[test]
    fn a_policy_without_an_enclave_is_refused() {
        let snp = machine(value("snp", ["sev-snp", "qemu", "direct"], json!({})));
        let (one, other) = (td(&["mrtd"]), td(&["mrtd", "rtmr0"]));
        // The first reason is that of the machine that comes first.
        for (machines, missing) in
            [([&snp, &one, &other], "rtmr0"), ([&other, &one, &snp], "rtmr1")]
        {
            let error = document(&machines).unwrap_err();
            assert!(
                matches!(&error, ExportError::Missing { what, .. } if what == missing),
                "{error}"
            );
        }
        let error = document(&[&snp]).unwrap_err();
        let ExportError::NoPlace { shape: Shape::Oasis, platforms, .. } = &error else {
            panic!("{error}")
        };
        assert_eq!(platforms, &["sev-snp"]);
    }
}
