//! A real suite of Debian, served on the loopback interface with the faults that mirrors have.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Mutex;

use cvmkit_host::http::Limits;

use super::*;

/// `trixie-security` as Debian signed it (`crates/debian/tests/fixtures/README.md`).
const IN_RELEASE: &[u8] =
    include_bytes!("../../../../../debian/tests/fixtures/trixie-security.InRelease");
const SUITE: &str = "trixie-security";
/// Its `Date`, Wed, 18 Nov 2026 22:17:43 UTC (`date -u +%s`), and its `Valid-Until`, seven days later.
const DATE: i64 = 1_795_040_263;
const VALID_UNTIL: i64 = DATE + 7 * SECONDS_PER_DAY;
/// The two keys that signed it: Debian Security Archive Automatic Signing Key, of bookworm and of trixie.
const SIGNED_BY: [&str; 2] =
    ["05AB90340C0C5E797F44A8C8254CF3B5AEC0A8F0", "5E04A1E3223A19A20706E20F9904613D4CCE68C6"];

/// Its `non-free` for amd64 is empty. These are the bytes that xz 5.4 makes of nothing, and their digest is the one in
/// the release file.
const EMPTY_XZ: [u8; 32] = [
    0xfd, b'7', b'z', b'X', b'Z', 0, 0, 4, 0xe6, 0xd6, 0xb4, 0x46, 0, 0, 0, 0, 0x1c, 0xdf, 0x44,
    0x21, 0x1f, 0xb6, 0xf3, 0x7d, 1, 0, 0, 0, 0, 4, b'Y', b'Z',
];
const EMPTY_XZ_SHA256: &str = "0040f94d11d0039505328a90b2ff48968db873e9e7967307631bf40ef5679275";
const BY_HASH: &str = "/debian-security/dists/trixie-security/non-free/binary-amd64/by-hash/SHA256/\
    0040f94d11d0039505328a90b2ff48968db873e9e7967307631bf40ef5679275";
const RELEASE_PATH: &str = "/debian-security/dists/trixie-security/InRelease";

/// Serves these files by their paths, and answers with the address of the archive.
fn mirror(files: &[(&str, &[u8])]) -> String {
    let files: BTreeMap<String, Vec<u8>> =
        files.iter().map(|(path, bytes)| ((*path).to_owned(), bytes.to_vec())).collect();
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut head = [0; 2048];
            let Ok(len) = stream.read(&mut head) else { continue };
            let request = String::from_utf8_lossy(&head[..len]).into_owned();
            let path = request.split(' ').nth(1).unwrap_or_default();
            let (status, body) = match files.get(path) {
                Some(bytes) => ("200 OK", bytes.as_slice()),
                None => ("404 Not Found", &b""[..]),
            };
            let head = format!(
                "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                body.len()
            );
            // A client that goes away ends the answer.
            drop(stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body)));
        }
    });
    format!("http://{address}/debian-security")
}

/// A mirror that gives what Debian signed.
fn honest() -> String {
    mirror(&[(RELEASE_PATH, IN_RELEASE), (BY_HASH, &EMPTY_XZ)])
}

/// Keeps the notes.
#[derive(Default)]
struct Notes(Mutex<Vec<String>>);

impl Progress for Notes {
    fn begin(&self, _: &str, _: u64) {}
    fn advance(&self, _: u64) {}
    fn end(&self) {}
    fn note(&self, text: &str) {
        self.0.lock().unwrap().push(text.to_owned());
    }
}

fn source() -> Source {
    Source {
        archive: "debian-security".into(),
        mirrors: Vec::new(),
        suites: vec![SUITE.into()],
        components: vec!["non-free".into()],
        keys: Vec::new(),
        key_files: Vec::new(),
        origin: Some("Debian".into()),
        label: Some("Debian-Security".into()),
        max_age_days: None,
    }
}

/// What a test does not take as it is.
struct Case<'a> {
    mirrors: Vec<String>,
    suite: &'a str,
    source: Source,
    now: i64,
    architecture: Architecture,
    earlier: Vec<LockedSuite>,
    accepted: Accepted<'a>,
    key_files: Vec<KeyFile>,
}

impl Default for Case<'_> {
    fn default() -> Self {
        Self {
            mirrors: Vec::new(),
            suite: SUITE,
            source: source(),
            now: DATE,
            architecture: Architecture::X86_64,
            earlier: Vec::new(),
            accepted: Accepted::default(),
            key_files: Vec::new(),
        }
    }
}

impl Case<'_> {
    fn judged(&self) -> (Result<TrustedSuite, SuiteError>, Vec<String>) {
        let (mirrors, notes) = (Mirrors::new(self.mirrors.clone()), Notes::default());
        let judge = Judge {
            client: Client::new(Limits::default()),
            mirrors: &mirrors,
            now: Timestamp(self.now),
            earlier: &self.earlier,
            accepted: self.accepted,
            progress: &notes,
        };
        let found = judge.suite(&self.source, self.suite, self.architecture, &self.key_files);
        (found, notes.0.into_inner().unwrap())
    }

    fn trusted(&self) -> TrustedSuite {
        self.judged().0.unwrap()
    }

    fn refused(&self) -> SuiteError {
        self.judged().0.map(|suite| suite.locked).unwrap_err()
    }
}

#[test]
fn a_suite_that_debian_signed_is_locked_as_it_is() {
    let (found, notes) = Case { mirrors: vec![honest()], ..Case::default() }.judged();
    let TrustedSuite { locked, source: of, priority, indices, .. } = found.unwrap();
    let expected = LockedSuite {
        name: SUITE.into(),
        archive: "debian-security".into(),
        date: Timestamp(DATE),
        valid_until: Some(Timestamp(VALID_UNTIL)),
        expired: false,
        older_than: None,
        inrelease: Sha256::of(IN_RELEASE),
        signed_by: SIGNED_BY.map(str::to_owned).into(),
        expired_keys: Vec::new(),
        indices: vec![LockedIndex {
            path: "non-free/binary-amd64/Packages.xz".into(),
            size: 32,
            sha256: EMPTY_XZ_SHA256.parse().unwrap(),
        }],
    };
    assert_eq!(locked, expected);
    assert_eq!((of, priority, indices), (source(), PinPriority::Default, vec![Vec::new()]));
    assert_eq!(notes, [""; 0]);
}

#[test]
fn a_suite_is_asked_for_by_its_codename_or_its_suite() {
    let path = RELEASE_PATH.replace(SUITE, "stable-security");
    let index = BY_HASH.replace(SUITE, "stable-security");
    let mirrors = vec![mirror(&[(&path, IN_RELEASE), (&index, &EMPTY_XZ)])];
    let case = Case { mirrors, suite: "stable-security", ..Case::default() };
    assert_eq!(case.trusted().locked.name, "stable-security");
    let path = RELEASE_PATH.replace(SUITE, "trixie");
    let case = Case { mirrors: vec![mirror(&[(&path, IN_RELEASE)])], suite: "trixie", ..case };
    let error = case.refused();
    assert!(
        matches!(
            &error,
            SuiteError::Release { suite, source: ReleaseError::AnotherSuite { asked, .. } }
                if suite == "trixie" && asked == "trixie"
        ),
        "{error:?}"
    );
    assert!(error.hint().unwrap().contains("write `trixie-security`"), "{:?}", error.hint());
}

/// apt-secure(8), `Valid-Until`: the last second counts.
#[test]
fn a_release_is_refused_after_its_last_second_unless_that_is_accepted() {
    let case = |now, expired| Case {
        mirrors: vec![honest()],
        now,
        accepted: Accepted { expired, ..Accepted::default() },
        ..Case::default()
    };
    assert!(!case(VALID_UNTIL, &[]).trusted().locked.expired);
    let error = case(VALID_UNTIL + 1, &[]).refused();
    let is_expired = matches!(
        error,
        SuiteError::Release { source: ReleaseError::Expired { valid_until: VALID_UNTIL, now, .. }, .. }
            if now == VALID_UNTIL + 1
    );
    assert!(is_expired, "{error:?}");
    assert!(error.hint().unwrap().ends_with("`--accept-expired trixie-security`"));
    let other = ["trixie".to_owned()];
    assert!(matches!(case(VALID_UNTIL + 1, &other).refused(), SuiteError::Release { .. }));
    let this = [SUITE.to_owned()];
    assert!(case(VALID_UNTIL + 1, &this).trusted().locked.expired);
    assert!(!case(VALID_UNTIL, &this).trusted().locked.expired, "nothing to accept");
    // A day ahead is a clock that disagrees; its signature is as young.
    let early = case(DATE - SECONDS_PER_DAY - 60, &this).refused();
    assert!(
        matches!(early, SuiteError::Untrusted { .. } | SuiteError::Release { .. }),
        "{early:?}"
    );
}

#[test]
fn origin_and_label_tell_archives_apart() {
    let of = |origin: Option<&str>, label: Option<&str>| Case {
        mirrors: vec![honest()],
        source: Source {
            origin: origin.map(str::to_owned),
            label: label.map(str::to_owned),
            ..source()
        },
        ..Case::default()
    };
    of(None, None).trusted();
    for (case, wrong) in [
        (of(Some("Ubuntu"), None), "Origin"),
        (of(Some("Debian"), Some("Debian")), "Label"),
        (of(Some(""), None), "Origin"),
    ] {
        let error = case.refused();
        let SuiteError::Release { source: ReleaseError::AnotherArchive { field, .. }, .. } = &error
        else {
            panic!("{error:?}")
        };
        assert_eq!(*field, wrong);
        assert!(error.hint().unwrap().contains("correct `origin` and `label`"));
    }
}

#[test]
fn a_state_older_than_any_that_was_seen_is_refused_unless_that_is_accepted() {
    let seen = |archive: &str, name: &str, date| LockedSuite::bare(archive, name, Timestamp(date));
    let same = |date| seen("debian-security", SUITE, date);
    let case = |earlier: Vec<LockedSuite>, older| Case {
        mirrors: vec![honest()],
        earlier,
        accepted: Accepted { older, ..Accepted::default() },
        ..Case::default()
    };
    let this = [SUITE.to_owned()];
    for (earlier, older_than) in [
        (vec![same(DATE - 1)], None),
        (vec![same(DATE)], None),
        (vec![same(DATE + 1)], Some(DATE + 1)),
        (vec![same(DATE + 1), same(DATE + 9), same(DATE - 1)], Some(DATE + 9)),
        (vec![seen("debian", SUITE, DATE + 1)], None),
        (vec![seen("debian-security", "trixie", DATE + 1)], None),
    ] {
        let accepted = case(earlier.clone(), &this).trusted().locked;
        assert_eq!(accepted.older_than, older_than.map(Timestamp), "{earlier:?}");
        let asked = case(earlier.clone(), &[]);
        match older_than {
            None => assert_eq!(asked.trusted().locked.older_than, None, "{earlier:?}"),
            Some(date) => {
                let error = asked.refused();
                let SuiteError::Backwards { suite, locked, found } = &error else {
                    panic!("{error:?}")
                };
                assert_eq!(suite, SUITE);
                assert_eq!((*locked, *found), (Timestamp(date), Timestamp(DATE)), "{earlier:?}");
                assert!(error.hint().unwrap().ends_with("`--accept-older trixie-security`"));
            }
        }
    }
}

#[test]
fn a_component_that_the_suite_lacks_is_named_with_the_architecture() {
    let lacking = |component: &str, architecture| Case {
        mirrors: vec![honest()],
        source: Source { components: vec!["non-free".into(), component.into()], ..source() },
        architecture,
        ..Case::default()
    };
    for component in ["universe", ""] {
        let (architecture, name) = (Architecture::X86_64, "amd64");
        let error = lacking(component, architecture).refused();
        let SuiteError::NoIndex { suite, component: found, architecture: of } = &error else {
            panic!("{error:?}")
        };
        assert_eq!((suite.as_str(), of.as_str()), (SUITE, name));
        assert_eq!(found, component);
        assert_eq!(error.fault(), Fault::Definition);
    }
}

#[test]
fn an_index_has_the_bytes_that_the_release_file_lists() {
    let mut wrong = EMPTY_XZ;
    wrong[31] ^= 1;
    let mirrors = vec![mirror(&[(RELEASE_PATH, IN_RELEASE), (BY_HASH, &wrong)])];
    let error = Case { mirrors, ..Case::default() }.refused();
    let SuiteError::Mismatch { suite, source } = &error else { panic!("{error:?}") };
    assert_eq!(suite, SUITE);
    assert_eq!((source.expected, source.computed), (Sha256::of(&EMPTY_XZ), Sha256::of(&wrong)));
    assert!(source.what.ends_with(BY_HASH), "{}", source.what);
    assert!(error.hint().unwrap().contains("try again"));
    // One that is longer is not read to its end.
    let long = [&EMPTY_XZ[..], b"x"].concat();
    let mirrors = vec![mirror(&[(RELEASE_PATH, IN_RELEASE), (BY_HASH, &long)])];
    let error = Case { mirrors, ..Case::default() }.refused();
    assert!(matches!(error, SuiteError::Unreachable { .. }), "{error:?}");
}

#[test]
fn a_changed_byte_or_another_key_is_no_signature() {
    let mut changed = IN_RELEASE.to_vec();
    let at = changed.windows(6).position(|text| text == b"Debian").unwrap();
    changed[at] = b'd';
    let mirrors = vec![mirror(&[(RELEASE_PATH, &changed), (BY_HASH, &EMPTY_XZ)])];
    let error = Case { mirrors, ..Case::default() }.refused();
    let SuiteError::Untrusted { suite, archive, source: OpenPgpError::NoValidSignature(refused) } =
        &error
    else {
        panic!("{error:?}")
    };
    assert_eq!((suite.as_str(), archive.as_str()), (SUITE, "debian-security"));
    assert!(refused.iter().all(|one| one.why == Refusal::Wrong), "{refused:?}");
    assert!(error.hint().unwrap().contains("`keys` or `key-files`"));

    // Each key that signed is enough, and any other is too few.
    for key in SIGNED_BY {
        let source = Source { keys: vec![key.to_owned()], ..source() };
        let case = Case { mirrors: vec![honest()], source, ..Case::default() };
        assert_eq!(case.trusted().locked.signed_by, [key]);
    }
    let stranger = "0123456789ABCDEF0123456789ABCDEF01234567";
    let source = Source { keys: vec![stranger.to_owned()], ..source() };
    let error = Case { mirrors: vec![honest()], source, ..Case::default() }.refused();
    assert!(matches!(error, SuiteError::Untrusted { .. }), "{error:?}");
}

#[test]
fn keys_come_from_the_definition_its_files_or_debian() {
    const GOOD: &[u8] = include_bytes!("../../../../../debian/tests/fixtures/openpgp/good.pgp");
    const ARMORED: &[u8] =
        include_bytes!("../../../../../debian/tests/fixtures/openpgp/good.key.asc");
    let file = |bytes: &[u8]| KeyFile { path: "keys/own.asc".into(), bytes: bytes.to_vec() };
    let debian = keys(&source(), &[]).unwrap().configured;
    for key in SIGNED_BY {
        assert!(debian.contains(&key.parse().unwrap()), "{key}");
    }
    // Those of a file are all that count, and no longer Debian's.
    let own = keys(&source(), &[file(GOOD)]).unwrap().configured;
    assert_eq!(own.len(), 1);
    assert!(!debian.contains(&own[0]));
    assert_eq!(keys(&source(), &[file(ARMORED)]).unwrap().configured, own);
    // Fingerprints of the definition decide among all of them.
    let chosen = Source { keys: vec![SIGNED_BY[0].to_owned()], ..source() };
    let found = keys(&chosen, &[file(GOOD)]).unwrap();
    assert_eq!(found.configured, [SIGNED_BY[0].parse().unwrap()]);
    assert_eq!(found.keyring.fingerprints().len(), debian.len() + 1);
    for (source, files, named) in [
        (source(), vec![file(b"no key")], "keys/own.asc"),
        (Source { keys: vec!["0xabc".into()], ..source() }, Vec::new(), "0xabc"),
    ] {
        let Err(error) = keys(&source, &files) else { panic!("{named}") };
        let SuiteError::Key { key, .. } = &error else { panic!("{error:?}") };
        assert_eq!((key.as_str(), error.fault()), (named, Fault::Definition));
    }
}

#[test]
fn the_next_mirror_is_asked_and_each_failure_is_told() {
    let empty = || mirror(&[]);
    let error = Case::default().refused();
    assert!(matches!(&error, SuiteError::NoMirror { archive } if archive == "debian-security"));
    assert!(error.hint().unwrap().contains("CVMKIT_MIRROR"));

    let error = Case { mirrors: vec![empty()], ..Case::default() }.refused();
    assert!(matches!(error, SuiteError::Unreachable { .. }), "{error:?}");

    let (bad, good) = (empty(), honest());
    let (found, notes) = Case { mirrors: vec![bad.clone(), good], ..Case::default() }.judged();
    found.unwrap();
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert!(notes[0].starts_with(&format!("{bad} was passed over: ")), "{notes:?}");

    let stale = honest();
    let case =
        Case { mirrors: vec![bad.clone(), stale.clone()], now: VALID_UNTIL + 1, ..Case::default() };
    let (found, notes) = case.judged();
    let error = found.map(|suite| suite.locked).unwrap_err();
    let SuiteError::NoMirrorServes { suite, archive, refused } = &error else {
        panic!("{error:?}")
    };
    assert_eq!((suite.as_str(), archive.as_str()), (SUITE, "debian-security"));
    let bases: Vec<&String> = refused.iter().map(|(base, _)| base).collect();
    assert_eq!(bases, [&bad, &stale]);
    assert_eq!(notes, [""; 0], "what was refused is in the error");
    // The hint is of the mirror that gave something.
    assert!(error.hint().unwrap().contains("--accept-expired"), "{:?}", error.hint());
}

#[test]
fn the_age_of_a_suite_without_an_end_is_noted_after_120_days() {
    let notes = |days: i64, seconds: i64, max_age_days, valid_until| {
        let (mirrors, notes) = (Mirrors::default(), Notes::default());
        let now = days * SECONDS_PER_DAY + seconds;
        let judge = Judge {
            client: Client::new(Limits::default()),
            mirrors: &mirrors,
            now: Timestamp(now),
            earlier: &[],
            accepted: Accepted::default(),
            progress: &notes,
        };
        let mut locked = LockedSuite::bare("debian", "trixie", Timestamp(0));
        locked.valid_until = valid_until;
        let source = Source { max_age_days, ..source() };
        judge.note_age(&TrustedSuite {
            locked,
            source,
            architecture: Architecture::X86_64,
            priority: PinPriority::Default,
            indices: Vec::new(),
        });
        notes.0.into_inner().unwrap()
    };
    for (days, seconds, max, until, is_noted) in [
        (120, SECONDS_PER_DAY - 1, None, None, false),
        (121, 0, None, None, true),
        (121, 0, Some(121), None, false),
        (122, 0, Some(121), None, true),
        (1, 0, Some(0), None, true),
        (0, SECONDS_PER_DAY - 1, Some(0), None, false),
        (9999, 0, None, Some(Timestamp(5)), false),
    ] {
        let found = notes(days, seconds, max, until);
        assert_eq!(found.len(), usize::from(is_noted), "{days} {seconds} {max:?}: {found:?}");
        if let Some(note) = found.first() {
            let max = max.unwrap_or(120);
            assert!(note.contains(&format!(", {days} days old,")), "{note}");
            assert!(note.ends_with(&format!("(`max-age-days` is {max})")), "{note}");
        }
    }
}

/// A release that nobody signed, with these lines of `SHA256`.
fn release(by_hash: &str, lines: &[(Sha256, u64, &str)]) -> Release {
    let lines: String =
        lines.iter().map(|(sha256, size, path)| format!(" {sha256} {size} {path}\n")).collect();
    let text = format!(
        "Suite: tiny\nDate: Wed, 18 Nov 2026 22:17:43 UTC\nArchitectures: amd64\nComponents: main\n\
         {by_hash}SHA256:\n{lines}"
    );
    Release::parse(&text).unwrap()
}

/// The index of `main` of that release, from a mirror with these files.
fn index(release: &Release, files: &[(&str, &[u8])]) -> Result<(LockedIndex, Vec<u8>), SuiteError> {
    let mirrors = Mirrors::default();
    let judge = Judge {
        client: Client::new(Limits::default()),
        mirrors: &mirrors,
        now: Timestamp(DATE),
        earlier: &[],
        accepted: Accepted::default(),
        progress: &cvmkit_host::progress::Silent,
    };
    judge.index(&mirror(files), &source(), "tiny", (Some("main"), "amd64"), release)
}

const XZ: &str = "main/binary-amd64/Packages.xz";
const GZ: &str = "main/binary-amd64/Packages.gz";
const PLAIN: &str = "main/binary-amd64/Packages";
const XZ_PATH: &str = "/debian-security/dists/tiny/main/binary-amd64/Packages.xz";
const GZ_PATH: &str = "/debian-security/dists/tiny/main/binary-amd64/Packages.gz";

/// What gzip 1.12 makes of 100 times `x`: `head -c100 /dev/zero | tr '\0' x | gzip -n`.
const GZIPPED: &[u8] = &[
    0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x03, 0xab, 0xa8, 0xa0, 0x3d, 0x00, 0x00,
    0x8f, 0x5d, 0x0e, 0x5e, 0x64, 0x00, 0x00, 0x00,
];

#[test]
fn xz_goes_before_gzip_and_is_found_by_path_without_by_hash() {
    let (empty, gzipped) = (Sha256::of(&EMPTY_XZ), Sha256::of(GZIPPED));
    let both = release("", &[(empty, 32, XZ), (gzipped, GZIPPED.len() as u64, GZ)]);
    let files = [(XZ_PATH, &EMPTY_XZ[..]), (GZ_PATH, GZIPPED)];
    let (found, text) = index(&both, &files).unwrap();
    assert_eq!((found.path.as_str(), found.size, found.sha256), (XZ, 32, empty));
    assert_eq!(text, b"");
    let one = release("", &[(gzipped, GZIPPED.len() as u64, GZ)]);
    let (found, text) = index(&one, &files).unwrap();
    assert_eq!((found.path.as_str(), text.as_slice()), (GZ, &[b'x'; 100][..]));
    // By hash there is another path, which this mirror does not have.
    let by_hash = release("Acquire-By-Hash: yes\n", &[(empty, 32, XZ)]);
    let error = index(&by_hash, &files).unwrap_err();
    assert!(matches!(&error, SuiteError::Incomplete { path, .. } if path == XZ), "{error:?}");
    assert!(error.to_string().starts_with("mirror incomplete: "), "{error}");
    assert!(error.hint().unwrap().contains("a complete mirror"));
    // A user's own archive may have nothing but the text.
    let text: &[u8] = b"text";
    let plain = release("", &[(Sha256::of(text), 4, PLAIN)]);
    let path = "/debian-security/dists/tiny/main/binary-amd64/Packages";
    let (found, read) = index(&plain, &[(path, text)]).unwrap();
    assert_eq!((found.path.as_str(), read.as_slice()), (PLAIN, text));
    let other = release("", &[(Sha256::of(text), 4, "main/binary-amd64/Packages.bz2")]);
    assert!(matches!(index(&other, &files), Err(SuiteError::NoIndex { .. })));
}

#[test]
fn the_decompressed_index_is_what_the_release_file_says_too() {
    let gzipped = (Sha256::of(GZIPPED), GZIPPED.len() as u64, GZ);
    let files = [(GZ_PATH, GZIPPED)];
    let text = [b'x'; 100];
    index(&release("", &[gzipped, (Sha256::of(&text), 100, PLAIN)]), &files).unwrap();
    let error =
        index(&release("", &[gzipped, (Sha256::of(b"y"), 100, PLAIN)]), &files).unwrap_err();
    let SuiteError::Mismatch { source, .. } = error else { panic!("{error:?}") };
    assert_eq!((source.what.as_str(), source.computed), (PLAIN, Sha256::of(&text)));
    assert_eq!(source.expected_by, "release file");
    // One byte more than the signed length is a bomb.
    let error =
        index(&release("", &[gzipped, (Sha256::of(&text), 99, PLAIN)]), &files).unwrap_err();
    assert!(matches!(&error, SuiteError::Compression { path, .. } if path == GZ), "{error:?}");
    let noise = [0x1f, 0x8b, 8, 0];
    let cut = release("", &[(Sha256::of(&noise), 4, GZ)]);
    let error = index(&cut, &[(GZ_PATH, &noise)]).unwrap_err();
    assert!(matches!(&error, SuiteError::Compression { path, .. } if path == GZ), "{error:?}");
}

#[test]
fn an_index_of_more_than_256_mib_is_not_asked_for() {
    let of = |packed: u64, plain: Option<u64>| {
        let digest = Sha256::of(b"");
        let mut lines = vec![(digest, packed, XZ)];
        lines.extend(plain.map(|len| (digest, len, PLAIN)));
        index(&release("", &lines), &[]).unwrap_err()
    };
    for (packed, plain, longest) in [
        (INDEX_MAX + 1, None, INDEX_MAX + 1),
        (1, Some(INDEX_MAX + 1), INDEX_MAX + 1),
        (INDEX_MAX + 2, Some(INDEX_MAX + 1), INDEX_MAX + 2),
    ] {
        let error = of(packed, plain);
        let SuiteError::IndexTooLong { suite, path, size } = &error else { panic!("{error:?}") };
        assert_eq!((suite.as_str(), path.as_str(), *size), ("tiny", XZ, longest));
    }
    for (packed, plain) in [(INDEX_MAX, None), (INDEX_MAX, Some(INDEX_MAX))] {
        assert!(matches!(of(packed, plain), SuiteError::Incomplete { .. }));
    }
}

/// The fault decides the exit code, the hint the next step.
#[test]
fn the_refusal_that_says_most_speaks_for_all_mirrors() {
    let fingerprint: Fingerprint = SIGNED_BY[0].parse().unwrap();
    let unreachable = || SuiteError::Unreachable {
        suite: "s".into(),
        archive: "a".into(),
        source: "gone".into(),
    };
    let no_index = || SuiteError::NoIndex {
        suite: "s".into(),
        component: "c".into(),
        architecture: "amd64".into(),
    };
    let all = |errors: Vec<SuiteError>| SuiteError::NoMirrorServes {
        suite: "s".into(),
        archive: "a".into(),
        refused: errors.into_iter().map(|error| ("base".to_owned(), error)).collect(),
    };
    assert_eq!(all(vec![unreachable(), no_index()]).fault(), Fault::Definition);
    assert_eq!(all(vec![unreachable(), no_index()]).hint(), None);
    assert_eq!(all(vec![unreachable(), unreachable()]).fault(), Fault::Environment);
    assert_eq!(all(vec![unreachable()]).hint(), unreachable().hint());
    assert_eq!((all(Vec::new()).fault(), all(Vec::new()).hint()), (Fault::Environment, None));

    let refused = |why| openpgp::Refused { key_id: "1".into(), why };
    let expired = Refusal::KeyExpiredSince { fingerprint, expired: 1, now: 2 };
    let untrusted = |refused: Vec<_>| SuiteError::Untrusted {
        suite: "s".into(),
        archive: "a".into(),
        source: OpenPgpError::NoValidSignature(refused),
    };
    let hint = untrusted(vec![refused(Refusal::UnknownKey), refused(expired)]).hint().unwrap();
    assert!(hint.ends_with(&format!("`--accept-expired-key {fingerprint}`")), "{hint}");
    let hint = untrusted(vec![refused(Refusal::UnknownKey)]).hint().unwrap();
    assert!(!hint.contains("--accept-expired-key"), "{hint}");
}
