//! Signatures made by GnuPG and by Debian, against the policy and against gpgv.

#![expect(clippy::panic, reason = "a test says what it found")]
#![expect(clippy::unwrap_used, reason = "a test binary")]
#![expect(clippy::disallowed_types, clippy::disallowed_methods, reason = "runs gpgv on fixtures")]

use std::io::Write;
use std::process::Command;

use cvmkit_debian::openpgp::{Fingerprint, Keyring, OpenPgpError, Policy, Refusal, Signed, verify};
use cvmkit_debian::release::Release;

/// 2026-11-19 00:00:00 UTC, within the `Valid-Until` of the fixture.
const NOW: i64 = 1_795_046_400;
/// 2025-01-01 12:00:00 UTC, half a day after the fixtures of GnuPG were made.
const THEN: i64 = 1_735_732_800;
const SECURITY_13: &str = "5E04A1E3223A19A20706E20F9904613D4CCE68C6";
const SECURITY_12: &str = "05AB90340C0C5E797F44A8C8254CF3B5AEC0A8F0";
const IN_RELEASE: &[u8] = include_bytes!("fixtures/trixie-security.InRelease");

fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/tests/fixtures/openpgp/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn configured(fingerprints: &[&str]) -> Vec<Fingerprint> {
    fingerprints.iter().map(|text| text.parse().unwrap()).collect()
}

fn check(message: &[u8], key: &str, now: i64) -> Result<Signed, OpenPgpError> {
    let mut keyring = Keyring::default();
    let fingerprints = keyring.add(&fixture(key)).unwrap();
    verify(message, &keyring, &Policy::new(&fingerprints, now))
}

#[track_caller]
fn refusal(message: &str, key: &str, now: i64) -> Refusal {
    match check(&fixture(message), key, now) {
        Err(OpenPgpError::NoValidSignature(mut refused)) if refused.len() == 1 => {
            refused.remove(0).why
        }
        other => panic!("{message} with {key}: {other:?}"),
    }
}

fn security(message: &[u8]) -> Result<Signed, OpenPgpError> {
    let configured = configured(&[SECURITY_13]);
    verify(message, &Keyring::debian().unwrap(), &Policy::new(&configured, NOW))
}

#[test]
fn a_real_suite_verifies_and_parses() {
    let signed = security(IN_RELEASE).unwrap();
    assert_eq!(signed.fingerprints(), configured(&[SECURITY_13]));
    assert_eq!(signed.good[0].signing_key.to_string(), "89C87ACEA5DD6B8E6A7068808E9F831205B4BA95");
    assert_eq!(signed.refused[0].why, Refusal::NotConfigured(configured(&[SECURITY_12])[0]));
    let release = Release::parse(&signed.text).unwrap();
    assert_eq!(release.codename.as_deref(), Some("trixie-security"));
    assert_eq!(release.check_freshness(NOW), Ok(()));
    assert!(release.files.contains_key("main/binary-amd64/Packages.xz"));

    let both = configured(&[SECURITY_12, SECURITY_13]);
    let signed = verify(IN_RELEASE, &Keyring::debian().unwrap(), &Policy::new(&both, NOW)).unwrap();
    assert_eq!((signed.fingerprints(), signed.refused), (both, vec![]));
}

#[test]
fn the_embedded_keyring_is_the_documented_one() {
    let readme = include_str!("../keys/README.md");
    let fingerprints = Keyring::debian().unwrap().fingerprints();
    assert_eq!(fingerprints.len(), 9);
    for fingerprint in fingerprints {
        assert!(readme.contains(&format!("`{fingerprint}`")), "{fingerprint}");
    }
}

#[test]
fn only_configured_keys_count() {
    let keyring = Keyring::debian().unwrap();
    for configured in [vec![], configured(&["04B54C3CDCA79751B16BC6B5225629DF75B188BD"])] {
        let Err(OpenPgpError::NoValidSignature(refused)) =
            verify(IN_RELEASE, &keyring, &Policy::new(&configured, NOW))
        else {
            panic!("accepted");
        };
        assert_eq!(refused.len(), 2);
        assert!(refused.iter().all(|one| matches!(one.why, Refusal::NotConfigured(_))));
    }
}

#[test]
fn every_altered_byte_is_noticed() {
    let text_start = IN_RELEASE.windows(8).position(|window| window == b"\nOrigin:").unwrap() + 1;
    let text_end = IN_RELEASE.windows(17).position(|part| part == b"\n-----BEGIN PGP S").unwrap();
    let signature_end = IN_RELEASE.len();
    let step = (text_end - text_start) / 40;
    let in_text = (text_start..text_end).step_by(step);
    let whole = |at: usize| {
        let mut altered = IN_RELEASE.to_vec();
        altered[at] ^= 0x10;
        security(&altered)
    };
    for at in in_text {
        assert!(whole(at).is_err(), "byte {at}");
    }
    // Altered armour may spoil one of the two signatures, and never the text.
    let genuine = security(IN_RELEASE).unwrap().text;
    for at in (text_end..signature_end).step_by(61) {
        assert!(whole(at).map_or(true, |signed| signed.text == genuine), "byte {at}");
    }
}

#[test]
fn nothing_outside_the_signature_is_accepted() {
    let text = std::str::from_utf8(IN_RELEASE).unwrap();
    let framing = |message: String| match security(message.as_bytes()) {
        Err(OpenPgpError::Framing { line, .. }) => line,
        other => panic!("{other:?}"),
    };
    assert_eq!(framing(format!("\n{text}")), 1);
    assert_eq!(framing(format!("Origin: x\n{text}")), 1);
    assert_eq!(framing(text.replacen("Hash: SHA256\n", "Hash: SHA256\nOrigin: x\n", 1)), 3);
    assert_eq!(framing(text.replacen("Hash: SHA256\n", "Comment: x\n", 1)), 2);
    assert_eq!(
        framing(text.replacen("\nOrigin:", "\n-----BEGIN PGP SIGNED MESSAGE-----\nO:", 1)),
        4
    );
    let lines = text.lines().count();
    assert_eq!(framing(format!("{text}\n")), lines + 1);
    assert_eq!(framing(format!("{text}Origin: x\n")), lines + 1);
    assert_eq!(framing(format!("{text}{text}")), lines + 1);
    let injected = text.replacen("-----END", "-----BEGIN PGP SIGNATURE-----\n-----END", 1);
    assert_eq!(framing(injected), lines);
}

#[test]
fn truncated_messages_are_refused() {
    for len in (0..IN_RELEASE.len() - 1).step_by(1999).chain([IN_RELEASE.len() - 2]) {
        assert!(security(&IN_RELEASE[..len]).is_err(), "{len}");
    }
    // The last line break is no part of the signature.
    assert!(security(&IN_RELEASE[..IN_RELEASE.len() - 1]).is_ok());
    assert!(matches!(security(b"\xff"), Err(OpenPgpError::Encoding(0))));
}

#[test]
fn dash_escapes_and_line_ends_are_not_signed() {
    let message = fixture("good.asc");
    let expected = "Suite: test\n- dash\nOrigin: fixture\nDate: Wed, 01 Jan 2025 00:00:00 UTC\n";
    assert_eq!(check(&message, "good.pgp", THEN).unwrap().text, expected);
    let text = String::from_utf8(message).unwrap();
    let crlf = text.replace('\n', "\r\n");
    assert_eq!(check(crlf.as_bytes(), "good.pgp", THEN).unwrap().text, expected);
    let trailing = text.replace("fixture  \t", "fixture ");
    assert_eq!(check(trailing.as_bytes(), "good.key.asc", THEN).unwrap().text, expected);
    let unescaped = text.replace("- - dash", "- dash");
    assert!(check(unescaped.as_bytes(), "good.pgp", THEN).is_err());
}

#[test]
fn keys_and_signatures_that_do_not_count() {
    let weak_key = Refusal::WeakKey("RSA of 1024 bits".to_owned());
    assert_eq!(refusal("small.asc", "small.pgp", THEN), weak_key);
    assert_eq!(refusal("sha1.asc", "good.pgp", THEN), Refusal::WeakHash("SHA1".to_owned()));
    assert_eq!(refusal("notation.asc", "good.pgp", THEN), Refusal::CriticalSubpacket);
    assert_eq!(refusal("revoked.asc", "revoked.pgp", THEN), Refusal::Revoked);
    assert_eq!(refusal("good.asc", "other.pgp", THEN), Refusal::UnknownKey);
    assert!(matches!(refusal("good.asc", "good.pgp", THEN - 200_000), Refusal::FromTheFuture(_)));
    assert!(matches!(refusal("expiring.asc", "good.pgp", NOW), Refusal::Expired(_)));
    assert!(check(&fixture("expiring.asc"), "good.pgp", THEN).is_ok());
}

/// What a signature says of its own time proves nothing: whoever has an expired key writes any.
#[test]
fn keys_must_live_when_they_sign_and_now() {
    let mut keyring = Keyring::default();
    let keys = keyring.add(&fixture("expired.pgp")).unwrap();
    let message = fixture("before-expiry.asc");
    let signed = |now, accept_expired: &[Fingerprint]| {
        verify(&message, &keyring, &Policy { configured: &keys, now, accept_expired })
    };
    let Refusal::KeyExpiredSince { fingerprint, expired, now } =
        refusal("before-expiry.asc", "expired.pgp", NOW)
    else {
        panic!("an expired key counts");
    };
    assert_eq!((fingerprint, now), (keys[0], NOW));
    let good = signed(expired - 1, &[]).unwrap();
    assert_eq!(good.good[0].expired, None);
    assert!(signed(expired, &[]).is_err());
    assert!(signed(NOW, &configured(&[SECURITY_13])).is_err(), "another key was accepted");
    let good = signed(NOW, &keys).unwrap();
    assert_eq!(good.good[0].expired, Some(expired));

    let late = refusal("after-expiry.asc", "expired.pgp", NOW);
    assert!(matches!(late, Refusal::KeyExpired { .. }), "{late:?}");
    let accepted = Policy { configured: &keys, now: NOW, accept_expired: &keys };
    assert!(verify(&fixture("after-expiry.asc"), &keyring, &accepted).is_err());
    // A later self signature gives the key a later end.
    let Refusal::KeyExpiredSince { expired: later, .. } =
        refusal("after-expiry.asc", "extended.pgp", NOW)
    else {
        panic!("an extended key counts after its end");
    };
    assert!(later > expired);
    assert!(check(&fixture("after-expiry.asc"), "extended.pgp", later - 1).is_ok());
}

#[test]
fn subkeys_need_both_bindings() {
    assert!(check(&fixture("sub.asc"), "sub.pgp", NOW).is_ok());
    let keyring = fixture("sub.pgp");
    // Any bit of the binding signature, which ends the keyring, breaks one of the two.
    for at in [keyring.len() - 1, keyring.len() - 70, keyring.len() - 130] {
        let mut keyring = keyring.clone();
        keyring[at] ^= 1;
        let mut altered = Keyring::default();
        let Ok(fingerprints) = altered.add(&keyring) else { continue };
        assert!(
            verify(&fixture("sub.asc"), &altered, &Policy::new(&fingerprints, NOW)).is_err(),
            "{at}"
        );
    }
}

#[test]
fn a_revocation_in_any_copy_counts() {
    let mut keyring = Keyring::default();
    let revoked = fixture("revoked.pgp");
    let fingerprints = keyring.add(&revoked).unwrap();
    let signed = verify(&fixture("revoked.asc"), &keyring, &Policy::new(&fingerprints, THEN));
    assert!(signed.is_err());
    keyring.add(&fixture("good.pgp")).unwrap();
    let all = keyring.fingerprints();
    let signed = verify(&fixture("revoked.asc"), &keyring, &Policy::new(&all, THEN));
    assert!(signed.is_err());
}

#[test]
fn one_good_signature_is_enough() {
    let signed = check(&fixture("both.asc"), "other.pgp", THEN).unwrap();
    assert_eq!((signed.good.len(), signed.refused.len()), (1, 1));
    assert_eq!(signed.refused[0].why, Refusal::UnknownKey);
}

#[test]
fn keyrings_that_are_none() {
    let mut keyring = Keyring::default();
    for bytes in [&b""[..], b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n", b"\xff\xff", IN_RELEASE] {
        assert!(keyring.add(bytes).is_err());
    }
    assert!(keyring.fingerprints().is_empty());
    assert!("05AB 9034".parse::<Fingerprint>().is_err());
    let spaced = "05AB 9034 0C0C 5E79 7F44  A8C8 254C F3B5 AEC0 A8F0";
    assert_eq!(spaced.parse::<Fingerprint>().unwrap(), configured(&[SECURITY_12])[0]);
}

/// gpgv must find every signature good that we do, by the same keys, and answer the same text.
#[test]
fn gpgv_agrees() {
    if Command::new("gpgv").arg("--version").output().is_err() {
        assert!(std::env::var_os("CVMKIT_ORACLES").is_none_or(|value| value != "require"));
        eprintln!("SKIPPED: gpgv is not installed");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let debian = include_bytes!("../keys/debian-archive-keyring.pgp").to_vec();
    let cases = [
        (IN_RELEASE.to_vec(), debian, NOW),
        (fixture("good.asc"), fixture("good.pgp"), THEN),
        (fixture("sub.asc"), fixture("sub.pgp"), NOW),
        (fixture("both.asc"), [fixture("good.pgp"), fixture("other.pgp")].concat(), THEN),
        (fixture("before-expiry.asc"), fixture("expired.pgp"), NOW),
    ];
    for (message, keys, now) in cases {
        let (ring, text) = (folder.path().join("ring.pgp"), folder.path().join("text"));
        let signed_file = folder.path().join("message.asc");
        std::fs::File::create(&signed_file).unwrap().write_all(&message).unwrap();
        std::fs::write(&ring, &keys).unwrap();
        let output = Command::new("gpgv")
            .args(["--status-fd", "1", "--keyring"])
            .arg(&ring)
            .arg("--output")
            .arg(&text)
            .arg(&signed_file)
            .output()
            .unwrap();
        let status = String::from_utf8_lossy(&output.stdout);
        // EXPKEYSIG takes the place of GOODSIG when the key has expired since; apt refuses it.
        let of_expired_key = status.contains("[GNUPG:] EXPKEYSIG ");
        let mut theirs: Vec<String> = status
            .lines()
            .filter_map(|line| line.strip_prefix("[GNUPG:] VALIDSIG "))
            .filter(|_| !of_expired_key)
            .filter_map(|line| line.split(' ').next_back().map(str::to_owned))
            .collect();
        theirs.sort_unstable();
        let mut keyring = Keyring::default();
        let configured = keyring.add(&keys).unwrap();
        let signed = match verify(&message, &keyring, &Policy::new(&configured, now)) {
            Ok(signed) => signed,
            Err(OpenPgpError::NoValidSignature(refused)) => {
                assert!(theirs.is_empty() && of_expired_key, "{refused:?}\n{status}");
                std::fs::remove_file(&text).unwrap();
                continue;
            }
            Err(error) => panic!("{error}"),
        };
        let ours: Vec<_> = signed.fingerprints().iter().map(ToString::to_string).collect();
        assert_eq!(ours, theirs);
        let trimmed = std::fs::read_to_string(&text).unwrap();
        let trimmed: Vec<_> = trimmed.lines().map(str::trim_end).collect();
        assert_eq!(signed.text.lines().collect::<Vec<_>>(), trimmed);
        std::fs::remove_file(&text).unwrap();
    }
}
