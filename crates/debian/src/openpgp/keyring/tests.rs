use super::super::clearsign::Clearsigned;
use super::*;

/// The fixtures' keys were made then: 2025-01-01 00:00:00 UTC (`tests/fixtures/openpgp/make.sh`).
const MADE: i64 = 1_735_689_600;
const DAY: i64 = 86_400;

macro_rules! fixture {
    ($name:literal) => {
        include_bytes!(concat!("../../../tests/fixtures/openpgp/", $name))
    };
}

fn key(keyring: &[u8]) -> SignedPublicKey {
    let mut found = Keyring::default();
    found.add(keyring).unwrap();
    found.keys.remove(0)
}

/// The first signature of a message, and its text as it is hashed.
fn signature(message: &[u8]) -> (Signature, Vec<u8>) {
    let message = Clearsigned::parse(message).unwrap();
    let mut signatures = super::super::signatures(&message.packets).unwrap();
    (signatures.remove(0), message.hashed())
}

fn good(fingerprint: u8, expired: Option<i64>) -> GoodSignature {
    let fingerprint = Fingerprint([fingerprint; 20]);
    GoodSignature { fingerprint, signing_key: fingerprint, made: MADE, expired }
}

/// A key ends at its end, not a second later, and only what is accepted by name outlives it.
#[test]
fn an_end_counts_from_its_second_on() {
    let (end, own, other) = (MADE + DAY, [Fingerprint([1; 20])], [Fingerprint([2; 20])]);
    let policy = |now, accept_expired| Policy { configured: &[], now, accept_expired };
    for (now, accepted, expected) in [
        (end - 1, &[][..], Ok(None)),
        (end - 1, &own[..], Ok(None)),
        (end, &own[..], Ok(Some(end))),
        (end + 1, &own[..], Ok(Some(end))),
        (end, &[][..], Err(())),
        (end, &other[..], Err(())),
    ] {
        let found = check_not_expired(good(1, Some(end)), &policy(now, accepted));
        match expected {
            Ok(expired) => assert_eq!(found.unwrap().expired, expired, "{now} {accepted:?}"),
            Err(()) => {
                let fingerprint = own[0];
                let refusal = Refusal::KeyExpiredSince { fingerprint, expired: end, now };
                assert_eq!(found, Err(refusal));
            }
        }
    }
    assert_eq!(check_not_expired(good(1, None), &policy(i64::MAX, &[])), Ok(good(1, None)));
}

/// RFC 9580, 5.2.3.13: a key expires that many seconds after it was made.
#[test]
fn a_key_must_live_when_it_signs() {
    let (lasting, expiring) = (key(fixture!("good.pgp")), key(fixture!("expired.pgp")));
    let lifetime = |key: &SignedPublicKey, signed| {
        check_lifetime(&key.primary_key, self_signature(key).unwrap(), signed)
    };
    let end = MADE + 2 * DAY;
    assert_eq!(lifetime(&lasting, MADE), Ok(None));
    assert_eq!(lifetime(&lasting, i64::MAX), Ok(None));
    assert_eq!(lifetime(&expiring, MADE), Ok(Some(end)));
    assert_eq!(lifetime(&expiring, end - 1), Ok(Some(end)));
    assert_eq!(lifetime(&expiring, end), Err(Refusal::KeyExpired { expired: end, signed: end }));
    let young = Refusal::KeyTooYoung { made: MADE, signed: MADE - 1 };
    assert_eq!(lifetime(&lasting, MADE - 1), Err(young));
    // The latest self signature decides.
    let extended = lifetime(&key(fixture!("extended.pgp")), end).unwrap();
    assert!(extended.is_some_and(|later| later > end + 300 * DAY), "{extended:?}");
}

#[test]
fn a_signature_has_a_beginning_and_maybe_an_end() {
    let (lasting, _) = signature(fixture!("good.asc"));
    let made = check_document_signature(&lasting, i64::MAX).unwrap();
    assert!((MADE..MADE + DAY).contains(&made), "{made}");
    assert_eq!(check_document_signature(&lasting, made - FUTURE_TOLERANCE), Ok(made));
    assert_eq!(
        check_document_signature(&lasting, made - FUTURE_TOLERANCE - 1),
        Err(Refusal::FromTheFuture(made))
    );
    let (expiring, _) = signature(fixture!("expiring.asc"));
    let made = check_document_signature(&expiring, MADE).unwrap();
    let end = made + 2 * DAY;
    assert_eq!(check_document_signature(&expiring, end - 1), Ok(made));
    assert_eq!(check_document_signature(&expiring, end), Err(Refusal::Expired(end)));
}

#[test]
fn weak_hashes_keys_and_critical_subpackets() {
    let check = |message: &[u8]| check_signature(&signature(message).0);
    assert!(check(fixture!("good.asc")).is_ok());
    assert_eq!(check(fixture!("sha1.asc")), Err(Refusal::WeakHash("SHA1".to_owned())));
    assert_eq!(check(fixture!("notation.asc")), Err(Refusal::CriticalSubpacket));
    let small = key(fixture!("small.pgp"));
    let weak = Refusal::WeakKey("RSA of 1024 bits".to_owned());
    assert_eq!(check_strength(&small.primary_key), Err(weak));
    assert_eq!(check_strength(&key(fixture!("good.pgp")).primary_key), Ok(()));
    for debian in Keyring::debian().unwrap().keys {
        assert_eq!(check_strength(&debian.primary_key), Ok(()));
    }
}

#[test]
fn revocations_are_of_the_key_itself() {
    assert!(is_revoked(&key(fixture!("revoked.pgp"))));
    let mut foreign = key(fixture!("good.pgp"));
    assert!(!is_revoked(&foreign));
    // Somebody else's revocation in the place of one's own does not verify.
    foreign.details.revocation_signatures =
        key(fixture!("revoked.pgp")).details.revocation_signatures;
    assert!(!is_revoked(&foreign));
}

#[test]
fn self_signatures_are_of_the_key_itself() {
    let (mut one, other) = (key(fixture!("good.pgp")), key(fixture!("other.pgp")));
    let own = self_signature(&one).unwrap();
    assert!(own.key_flags().sign() && has_key_flags(own));
    let (message, _) = signature(fixture!("good.asc"));
    assert!(!has_key_flags(&message));
    one.details.users = other.details.users;
    assert!(self_signature(&one).is_none(), "the user id of another key");
    one.details.users.clear();
    assert!(self_signature(&one).is_none());
}

#[test]
fn a_subkey_must_be_bound() {
    let (with_subkey, other) = (key(fixture!("sub.pgp")), key(fixture!("good.pgp")));
    let signing = with_subkey
        .public_subkeys
        .iter()
        .filter(|subkey| binding(&with_subkey.primary_key, subkey).is_ok())
        .collect::<Vec<_>>();
    assert_eq!(signing.len(), 1);
    let stolen = binding(&other.primary_key, signing[0]);
    assert_eq!(stolen.map(|_| ()), Err(Refusal::NotBound), "the subkey of another key");
    let mut unbound = signing[0].clone();
    unbound.signatures.clear();
    assert_eq!(binding(&with_subkey.primary_key, &unbound).map(|_| ()), Err(Refusal::NotBound));
}

/// A signature says which key made it, and only that one is asked.
#[test]
fn the_issuer_is_looked_up() {
    let (of_primary, _) = signature(fixture!("good.asc"));
    let (of_subkey, _) = signature(fixture!("sub.asc"));
    let count = |keyring: &[u8], signature: &Signature| {
        let key = key(keyring);
        let found: Vec<_> =
            signers(&key, signature).map(|signer| matches!(signer, Signer::Primary)).collect();
        found
    };
    assert_eq!(count(fixture!("good.pgp"), &of_primary), [true]);
    assert_eq!(count(fixture!("other.pgp"), &of_primary), [false; 0]);
    assert_eq!(count(fixture!("sub.pgp"), &of_subkey), [false]);
}

#[test]
fn a_keyring_is_added_whole_or_not_at_all() {
    let mut keyring = Keyring::default();
    let both = [&fixture!("good.pgp")[..], fixture!("other.pgp")].concat();
    let added = keyring.add(&both).unwrap();
    assert_eq!((added.len(), keyring.fingerprints()), (2, added.clone()));
    for bytes in [&b""[..], b"\xff\xff", fixture!("good.asc")] {
        assert!(keyring.add(bytes).is_err());
        assert_eq!(keyring.fingerprints(), added);
    }
}
