//! ID blocks against snp-create-id-block of sev-snp-measure and python's `cryptography`.
//!
//! The tool is found by `CVMKIT_SNP_MEASURE` or in `PATH`: its interpreter runs `snp_id_block.py`.

#![cfg(feature = "id-block")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "runs the oracle, found by the environment, on files it can open"
)]

mod snp_measure;

use std::env;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use cvmkit_formats::digest::Sha384;
use cvmkit_measure::snp::LaunchDigest;
use cvmkit_measure::snp::id_block::{
    self, Error, ID_AUTH_LEN, IdAuthentication, IdBlock, PrivateKey, PublicKey,
};
use cvmkit_measure::snp::policy::{FamilyId, GuestPolicy, ImageId, PolicyError};
use proptest::prelude::*;
use serde_json::{Value, json};

/// The measurement of upstream's `tests/test_id_block.py`.
const LAUNCH_DIGEST: &str = "076f052d08bda7a700aa2a608c5caa6b00ebad297b6d68a85a45b1e669a558b6\
                             7e1b91d284a301fe63c4fa0750467eed";
const ID_KEY: &str = include_str!("fixtures/id_key_test.pem");
const AUTHOR_KEY: &str = include_str!("fixtures/author_key_test.pem");

fn keys() -> [PrivateKey; 2] {
    [("ID key", ID_KEY), ("author key", AUTHOR_KEY)]
        .map(|(what, pem)| PrivateKey::from_pem(what, pem).unwrap())
}

fn block() -> IdBlock {
    IdBlock::new(LAUNCH_DIGEST.parse().unwrap(), GuestPolicy::default()).unwrap()
}

fn signed() -> (IdBlock, IdAuthentication) {
    let [id_key, author_key] = keys();
    (block(), id_block::sign(&block(), &id_key, Some(&author_key)))
}

/// The expectations of upstream's `tests/test_id_block.py`, there in Base64.
#[test]
fn upstream_expectations_hold() {
    let (block, auth) = signed();
    let names_version_and_policy = [&"00".repeat(32)[..], "0100000000000000", "0000030000000000"];
    assert_eq!(
        hex::encode(block.encode()),
        format!("{LAUNCH_DIGEST}{}", names_version_and_policy.concat())
    );
    assert_eq!(
        auth.id_key_digest().to_string(),
        "870b7e35c53f8a72d0d322f75ab2af8262792aaf6579622ce4131c3f21f289e7\
         7cb0560a5e3b90b3932e674ec709cb14"
    );
    assert_eq!(
        auth.author().unwrap().digest().to_string(),
        "63111c34bbfc0a4938f9a009bd074980d8172323e61599c9fd336da8673248e1\
         dca98d0be8f76376a106b8afd4c0a057"
    );
}

fn ask(interpreter: &Path, block: &IdBlock, auth: &IdAuthentication) -> Value {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let question = json!({
        "measurement": block.launch_digest().to_string(),
        "id_key": tests.join("fixtures/id_key_test.pem"),
        "author_key": tests.join("fixtures/author_key_test.pem"),
        "id_block": hex::encode(block.encode()),
        "id_auth": hex::encode(auth.encode()),
    });
    let mut tool = Command::new(interpreter)
        .arg(tests.join("snp_id_block.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    tool.stdin.take().unwrap().write_all(question.to_string().as_bytes()).unwrap();
    let output = tool.wait_with_output().unwrap();
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).unwrap()
}

fn bytes(answer: &Value, name: &str) -> Vec<u8> {
    hex::decode(answer[name].as_str().unwrap()).unwrap()
}

#[test]
fn the_oracle_makes_the_same_and_each_accepts_the_other_s_signatures() {
    let Some(interpreter) = snp_measure::interpreter() else { return };
    let (block, auth) = signed();
    let answer = ask(&interpreter, &block, &auth);
    assert_eq!(answer["id_block"], hex::encode(block.encode()));
    assert_eq!(answer["id_key_digest"], auth.id_key_digest().to_string());
    assert_eq!(answer["author_key_digest"], auth.author().unwrap().digest().to_string());
    assert_eq!([&answer["block_verifies"], &answer["id_key_verifies"]], [true, true]);

    let encoded = auth.encode();
    let signatures = [&encoded[0x40..0x40 + 144], &encoded[0x680..0x680 + 144]].map(hex::encode);
    match answer["signatures"][0].is_null() {
        true => eprintln!("SKIPPED: python's OpenSSL makes no deterministic signatures"),
        false => assert_eq!(answer["signatures"], json!(signatures)),
    }

    // The tool's signatures are random, everything else of its 4096 bytes is ours.
    let theirs = bytes(&answer, "id_auth");
    let their_auth = IdAuthentication::decode(&theirs).unwrap();
    assert_eq!(their_auth.verify(&block), Ok(()));
    assert_eq!(their_auth.encode(), *theirs);
    let without_signatures = |mut auth: Vec<u8>| {
        auth[0x40..0x40 + 144].fill(0);
        auth[0x680..0x680 + 144].fill(0);
        auth
    };
    assert_eq!(without_signatures(theirs), without_signatures(auth.encode().to_vec()));

    // The oracle does see a signature of something else.
    let other = block.named(FamilyId([1; 16]), ImageId::default(), 0);
    let [id_key, _] = keys();
    let mismatched = id_block::sign(&other, &id_key, Some(&id_key));
    let answer = ask(&interpreter, &block, &mismatched);
    assert_eq!([&answer["block_verifies"], &answer["id_key_verifies"]], [false, true]);
}

/// RFC 6979, appendix A.2.6, P-384 with SHA-384 and the message "sample".
#[test]
fn signatures_are_those_of_rfc_6979_whatever_the_run() {
    let (block, auth) = signed();
    assert_eq!(signed().1.encode(), auth.encode());
    assert_eq!(auth.verify(&block), Ok(()));
    let point = hex::decode(
        "04EC3A4E415B4E19A4568618029F427FA5DA9A8BC4AE92E02E06AAE5286B300C64\
         DEF8F0EA9055866064A254515480BC13\
         8015D9B72D7D57244EA8EF9AC0C621896708A59367F9DFB9F54CA84B3F1C9DB1\
         288B231C3AE0D4FE7344FD2533264720",
    )
    .unwrap();
    let number = |text: &str| {
        let mut number = hex::decode(text).unwrap();
        number.reverse();
        number.resize(72, 0);
        number
    };
    let r = "94EDBB92A5ECB8AAD4736E56C691916B3F88140666CE9FA73D64C4EA95AD133C\
             81A648152E44ACF96E36DD1E80FABE46";
    let s = "99EF4AEB15F178CEA1FE40DB2603138F130E740A19624526203B6351D0A3A94F\
             A329C145786E679E7B82C71A38628AC8";
    let mut signature = [number(r), number(s)].concat();
    signature.resize(512, 0);
    let key = PublicKey::from_sec1(&point).unwrap();
    assert_eq!(key.verify(b"sample", &signature), Ok(()));
    assert!(matches!(key.verify(b"simple", &signature), Err(Error::Signature { .. })));
}

#[test]
fn names_are_signed_and_read_back() {
    let [id_key, _] = keys();
    let family = FamilyId(*b"a family of 16 b");
    let image = ImageId(*b"an image of 16 b");
    let policy = GuestPolicy::default().with(GuestPolicy::SINGLE_SOCKET);
    let block = IdBlock::new(LAUNCH_DIGEST.parse().unwrap(), policy).unwrap();
    let block = block.named(family, image, 0x0102_0304);
    let bytes = block.encode();
    assert_eq!(&bytes[48..64], b"a family of 16 b");
    assert_eq!(&bytes[64..80], b"an image of 16 b");
    assert_eq!(&bytes[84..88], [4, 3, 2, 1]);
    assert_eq!(IdBlock::decode(&bytes), Ok(block));

    let auth = id_block::sign(&block, &id_key, None);
    assert_eq!(auth.author(), None);
    assert_eq!(auth.encode()[0x680..], [0; ID_AUTH_LEN - 0x680]);
    let read = IdAuthentication::decode(&auth.encode()).unwrap();
    assert_eq!(read, auth);
    assert_eq!(read.verify(&block), Ok(()));
    let renamed = block.named(family, image, 0);
    assert!(matches!(read.verify(&renamed), Err(Error::Signature { key: "ID key", .. })));
}

#[test]
fn a_block_that_protects_nothing_is_refused() {
    let zero = IdBlock::new(LaunchDigest(Sha384::ZERO), GuestPolicy::default());
    assert_eq!(zero, Err(Error::ZeroLaunchDigest));
    let debug = GuestPolicy::default().with(GuestPolicy::DEBUG);
    let refused = Err(Error::Policy(PolicyError::Debug { found: debug }));
    assert_eq!(IdBlock::new(LAUNCH_DIGEST.parse().unwrap(), debug), refused);
    let mut bytes = block().encode();
    bytes[88..].copy_from_slice(&debug.0.to_le_bytes());
    assert_eq!(IdBlock::decode(&bytes), refused);
    assert_eq!(IdBlock::decode(&[0; 96]).unwrap_err().to_string(), {
        "VERSION of the ID block is 0x0, expected 0x1"
    });
    assert!(matches!(IdBlock::decode(&bytes[1..]), Err(Error::Length { expected: 96, .. })));
}

#[test]
fn a_key_of_another_kind_is_refused_by_name() {
    let p256 = "-----BEGIN PRIVATE KEY-----\n\
                MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgevZzL1gdAFr88hb2\n\
                OF/2NxApJCzGCEDdfSp6VQO30hyhRANCAAQRWz+jn65BtOMvdyHKcvjBeBSDZH2r\n\
                1RTwjmYSi9R/zpBnuQ4EiMnCqfMPWiZqB4QdbAd0E7oH50VpuZ1P087G\n\
                -----END PRIVATE KEY-----\n";
    for pem in [p256, "", "-----BEGIN PRIVATE KEY-----", "no key\n"] {
        let error = PrivateKey::from_pem("ID key", pem).unwrap_err().to_string();
        assert!(error.starts_with("the ID key can't be used, expected"), "{error}");
    }
    // As `openssl ecparam -genkey` writes it.
    let parameters = "-----BEGIN EC PARAMETERS-----\nBgUrgQQAIg==\n-----END EC PARAMETERS-----\n";
    let key = PrivateKey::from_pem("ID key", &format!("{parameters}{ID_KEY}")).unwrap();
    assert_eq!(key.public_key(), keys()[0].public_key());
    assert!(!format!("{key:?}").contains("ddd3"), "{key:?}");
}

proptest! {
    /// No byte of either structure is without a meaning, and none makes the decoder panic.
    #[test]
    fn any_change_is_noticed(at in 0..ID_AUTH_LEN, bit in 0..8_u8) {
        let (block, auth) = signed();
        let mut bytes = auth.encode();
        bytes[at] ^= 1 << bit;
        let noticed = IdAuthentication::decode(&bytes).and_then(|auth| auth.verify(&block));
        prop_assert!(noticed.is_err(), "byte {at:#x}, bit {bit}");
        let mut bytes = block.encode();
        bytes[at % 96] ^= 1 << bit;
        let noticed = IdBlock::decode(&bytes).and_then(|block| auth.verify(&block));
        prop_assert!(noticed.is_err(), "byte {:#x}, bit {bit}", at % 96);
    }
}
