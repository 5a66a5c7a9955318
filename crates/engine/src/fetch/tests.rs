//! Locked files from servers that are right, and from some that are short, long, wrong, or elsewhere.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

use super::*;
use crate::store::SealKey;

/// What was begun, and how far it came; and what was noted.
#[derive(Default)]
struct Seen {
    phases: Mutex<Vec<(String, u64, u64)>>,
    notes: Mutex<Vec<String>>,
}

impl Progress for Seen {
    fn begin(&self, what: &str, total: u64) {
        self.phases.lock().unwrap().push((what.to_owned(), total, 0));
    }
    fn advance(&self, bytes: u64) {
        self.phases.lock().unwrap().last_mut().unwrap().2 += bytes;
    }
    fn end(&self) {}
    fn note(&self, text: &str) {
        self.notes.lock().unwrap().push(text.to_owned());
    }
}

/// A mirror on this machine.
struct Server {
    base: String,
    /// What was asked for: the path, and where from if it was asked for from there on.
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Answers each request with what `answer` writes for it; then the connection is closed.
    fn new(answer: impl Fn(&str, &mut TcpStream) -> io::Result<()> + Send + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let base = format!("http://{}/debian", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&asked);
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let Some(request) = request(&mut stream) else { continue };
                seen.lock().unwrap().push(request.clone());
                // A client that goes away ends the answer.
                drop(answer(&request, &mut stream));
            }
        });
        Self { base, asked }
    }

    /// Gives these bytes for every path, or the rest of them where it is asked for the rest.
    fn of(bytes: &'static [u8]) -> Self {
        Self::new(move |request, stream| match request.split_once(" from ") {
            Some((_, from)) => {
                let rest = &bytes[from.parse::<usize>().unwrap()..];
                answer(stream, "206 Partial Content", rest.len(), rest)
            }
            None => answer(stream, "200 OK", bytes.len(), bytes),
        })
    }

    fn status(status: &'static str) -> Self {
        Self::new(move |_, stream| answer(stream, status, 0, b""))
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

/// The path of a request and where it begins; none if it is not whole.
fn request(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).ok()?;
        head.extend(byte);
    }
    let head = String::from_utf8(head).ok()?;
    let path = head.split(' ').nth(1)?.to_owned();
    let range = head.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        let from = value.strip_prefix("bytes=")?.strip_suffix('-')?;
        name.eq_ignore_ascii_case("range").then(|| from.to_owned())
    });
    Some(range.map_or(path.clone(), |from| format!("{path} from {from}")))
}

/// An answer that promises `len` bytes.
fn answer(stream: &mut TcpStream, status: &str, len: usize, body: &[u8]) -> io::Result<()> {
    write!(stream, "HTTP/1.1 {status}\r\ncontent-length: {len}\r\nconnection: close\r\n\r\n")?;
    stream.write_all(body)
}

/// A store in a folder that goes with the test.
struct Bench {
    folder: tempfile::TempDir,
    store: Store,
    seen: Seen,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = Some(SealKey::new([7; 32]));
        let store = Store::open(&folder.path().join("store"), key, folder.path()).unwrap();
        Self { folder, store, seen: Seen::default() }
    }

    fn fetch(&self, wanted: &[Wanted], mirrors: &[&Server]) -> Result<Vec<Vec<u8>>, FetchError> {
        let mirrors = Mirrors::new(mirrors.iter().map(|server| server.base.clone()));
        let vendor = Some(self.folder.path().join("vendor"));
        let origins = Origins {
            store: &self.store,
            vendor: vendor.as_deref(),
            mirrors: &mirrors,
            offline: false,
            progress: &self.seen,
        };
        Ok(fetch(wanted, origins)?.iter().map(|blob| blob.bytes().unwrap()).collect())
    }

    /// Leaves what a download that broke off would.
    fn begun(&self, wanted: &Wanted, bytes: &[u8]) {
        let mut partial = self.store.begin(wanted.sha256).unwrap();
        partial.append(0, bytes.len() as u64, &mut &bytes[..], &mut |_| ()).unwrap().unwrap();
    }

    fn vendored(&self, wanted: &Wanted, bytes: &[u8]) -> PathBuf {
        let path = vendor_path(&self.folder.path().join("vendor"), wanted);
        files::make_folder(files::parent(&path)).unwrap();
        files::replace(&path, bytes).unwrap();
        path
    }

    fn has(&self, wanted: &Wanted) -> bool {
        self.store.get(wanted.sha256).unwrap().is_some()
    }
}

const BYTES: &[u8] = b"the bytes of a package";

fn wanted(name: &str, bytes: &[u8]) -> Wanted {
    Wanted {
        name: name.into(),
        version: "1".into(),
        architecture: "all".into(),
        archive: "debian".into(),
        path: format!("pool/{name}.deb"),
        size: bytes.len() as u64,
        sha256: Sha256::of(bytes),
        locked_at: "image.lock:7".into(),
    }
}

#[test]
fn a_file_is_fetched_once_and_then_in_the_store() {
    let (bench, server) = (Bench::new(), Server::of(BYTES));
    let one = wanted("a", BYTES);
    assert_eq!(bench.fetch(std::slice::from_ref(&one), &[&server]).unwrap(), [BYTES]);
    assert_eq!(server.asked(), ["/debian/pool/a.deb"]);
    let phases = bench.seen.phases.lock().unwrap().clone();
    let total = BYTES.len() as u64;
    assert_eq!(phases[0], ("fetching packages".to_owned(), total, total));
    assert_eq!(bench.fetch(&[one.clone(), one], &[]).unwrap(), [BYTES, BYTES]);
    assert_eq!(server.asked().len(), 1);
}

#[test]
fn files_come_in_the_order_in_which_they_were_asked_for() {
    let bench = Bench::new();
    // What is asked for names its length: `pool/5.deb` has five bytes.
    let server = Server::new(|request, stream| {
        let len = request.trim_start_matches("/debian/pool/").trim_end_matches(".deb");
        let len = len.parse().unwrap();
        answer(stream, "200 OK", len, &vec![b'x'; len])
    });
    let lens = [3, 9, 1, 7, 5, 8, 2];
    let all: Vec<Wanted> =
        lens.iter().map(|len| wanted(&len.to_string(), &vec![b'x'; *len])).collect();
    let found = bench.fetch(&all, &[&server]).unwrap();
    assert_eq!(found.iter().map(Vec::len).collect::<Vec<_>>(), lens);
    let mut asked = server.asked();
    asked.sort();
    let expected = [1, 2, 3, 5, 7, 8, 9].map(|len| format!("/debian/pool/{len}.deb"));
    assert_eq!(asked, expected, "each of them once");
}

#[test]
fn work_begins_with_the_largest_and_ends_in_order() {
    let all = [3_usize, 9, 1].map(|len| wanted(&len.to_string(), &vec![0; len]));
    let done: Result<Vec<_>, ()> = largest_first(&all, |at, of| Ok((at, of.size)));
    assert_eq!(done, Ok(vec![(0, 3), (1, 9), (2, 1)]));
    let failed: Result<Vec<()>, u64> =
        largest_first(&all, |_, of| if of.size == 9 { Err(of.size) } else { Ok(()) });
    assert_eq!(failed, Err(9));
    assert_eq!(largest_first(&[], |_, _| Err::<(), ()>(())), Ok(Vec::new()));
}

#[test]
fn without_a_network_the_first_that_is_missing_is_named() {
    let bench = Bench::new();
    let [here, first, second] =
        [("a", &b"aaa"[..]), ("b", b"b"), ("c", b"cccc")].map(|(name, of)| wanted(name, of));
    bench.store.insert(b"aaa").unwrap();
    let mirrors = Mirrors::default();
    let offline = |all: &[Wanted]| {
        let origins = Origins {
            store: &bench.store,
            vendor: None,
            mirrors: &mirrors,
            offline: true,
            progress: &bench.seen,
        };
        fetch(all, origins)
    };
    let error = offline(&[here.clone(), first, second]).unwrap_err();
    let FetchError::Offline { count, first } = &error else { panic!("{error:?}") };
    assert_eq!((*count, first.as_str()), (2, "pool/b.deb"));
    assert_eq!(offline(&[here]).unwrap().len(), 1);
}

#[test]
fn an_archive_without_a_mirror_is_named() {
    let bench = Bench::new();
    let one = Wanted { archive: "vendor".into(), ..wanted("a", BYTES) };
    let error = bench.fetch(&[one], &[]).unwrap_err();
    assert!(matches!(&error, FetchError::NoMirror { archive } if archive == "vendor"), "{error:?}");
}

#[test]
fn a_vendor_folder_is_asked_before_the_mirrors() {
    let (bench, server) = (Bench::new(), Server::of(b""));
    let one = wanted("a", BYTES);
    let path = bench.vendored(&one, BYTES);
    assert!(path.ends_with("vendor/debian/pool/a.deb"), "{}", path.display());
    assert_eq!(bench.fetch(std::slice::from_ref(&one), &[&server]).unwrap(), [BYTES]);
    assert_eq!(server.asked(), [""; 0]);
    files::remove(&path).unwrap();
    assert_eq!(bench.fetch(&[one], &[]).unwrap(), [BYTES], "it is in the store now");
}

#[test]
fn a_vendored_file_that_is_not_locked_is_refused_and_not_passed_over() {
    let server = Server::of(BYTES);
    let longer = [BYTES, b"x"].concat();
    let much_longer = [BYTES, &[b'x'; 1000]].concat();
    for (bytes, read) in [
        (&b"other bytes of a packa"[..], &b"other bytes of a packa"[..]),
        (&BYTES[1..], &BYTES[1..]),
        (b"", b""),
        (&longer, &longer),
        // A byte more than is locked is read, whatever there is.
        (&much_longer, &longer),
    ] {
        let bench = Bench::new();
        let one = wanted("a", BYTES);
        let path = bench.vendored(&one, bytes);
        let error = bench.fetch(std::slice::from_ref(&one), &[&server]).unwrap_err();
        let FetchError::Vendored { name, source } = &error else { panic!("{error:?}") };
        assert_eq!((name.as_str(), source.what.as_str()), ("a", path.to_str().unwrap()));
        assert_eq!((source.expected, source.computed), (one.sha256, Sha256::of(read)));
        assert_eq!(source.expected_by, "image.lock:7");
        assert!(error.hint().unwrap().contains(path.to_str().unwrap()));
        assert!(!bench.has(&one));
    }
    assert_eq!(server.asked(), [""; 0]);
}

#[test]
fn a_file_that_no_mirror_has_any_more_is_gone() {
    for status in ["404 Not Found", "410 Gone"] {
        let (bench, server) = (Bench::new(), Server::status(status));
        let one = wanted("a", BYTES);
        let error = bench.fetch(std::slice::from_ref(&one), &[&server]).unwrap_err();
        let FetchError::Gone { name, path, sha256, locked_at, .. } = &error else {
            panic!("{error:?}")
        };
        assert_eq!((name.as_str(), path.as_str()), ("a", "pool/a.deb"));
        assert_eq!((*sha256, locked_at.as_str()), (one.sha256, "image.lock:7"));
        assert_eq!(server.asked().len(), 1, "asked once: it will not come back");
        assert!(error.hint().unwrap().contains("`--vendor`"));
    }
}

/// An incomplete mirror was found out one file at a time.
#[test]
fn all_files_that_are_gone_are_named_at_once() {
    let bench = Bench::new();
    let (here, gone) = (Server::of(BYTES), Server::status("404 Not Found"));
    let server = Server::new(|request, stream| match request {
        "/debian/pool/b.deb" => answer(stream, "200 OK", BYTES.len(), BYTES),
        _ => answer(stream, "404 Not Found", 0, b""),
    });
    let all = ["a", "b", "c"].map(|name| wanted(name, BYTES));
    // One digest is one object: those that are gone have others.
    let [a, b, c] = all;
    let (a, c) = (wanted(&a.name, b"bytes of a"), wanted(&c.name, b"bytes of c"));
    let wanted = [a, b, c];
    let error = bench.fetch(&wanted, &[&server]).unwrap_err();
    let words =
        "2 of the locked files are gone from the mirrors\n  `a`: pool/a.deb\n  `c`: pool/c.deb";
    assert_eq!(error.to_string(), words);
    assert!(error.hint().unwrap().contains("incomplete"));
    assert!(bench.has(&wanted[1]), "what came stays");
    let incomplete = MirrorIncomplete::of(&error).unwrap();
    let words = "mirror incomplete: its indices list what is not there\n  `a`: pool/a.deb\n  `c`: \
                 pool/c.deb";
    assert_eq!((incomplete.to_string().as_str(), incomplete.fault()), (words, Fault::Environment));
    // What several mirrors lack, all of them; bytes that differ are no file that is gone.
    let error = bench.fetch(&wanted[..1], &[&gone, &server]).unwrap_err();
    assert!(MirrorIncomplete::of(&error).is_some());
    let error = bench.fetch(&wanted[..1], &[&gone, &here]).unwrap_err();
    assert!(MirrorIncomplete::of(&error).is_none());
}

/// A mirror whose bytes are others is believed in nothing, and never fills the store.
#[test]
fn a_mirror_that_lies_is_named_with_both_digests() {
    let (bench, server) = (Bench::new(), Server::of(b"the bytes of an attack"));
    let one = wanted("a", BYTES);
    let error = bench.fetch(std::slice::from_ref(&one), &[&server]).unwrap_err();
    let FetchError::Mismatch { name, source } = &error else { panic!("{error:?}") };
    assert_eq!((name.as_str(), &source.what), ("a", &format!("{}/pool/a.deb", server.base)));
    assert_eq!(source.expected, one.sha256);
    assert_eq!(source.computed, Sha256::of(b"the bytes of an attack"));
    assert!(!bench.has(&one));
    // The next one is asked from the start.
    let honest = Server::of(BYTES);
    assert_eq!(bench.fetch(&[one], &[&honest]).unwrap(), [BYTES]);
    assert_eq!(honest.asked(), ["/debian/pool/a.deb"]);
}

#[test]
fn the_next_mirror_is_asked_and_the_one_before_is_noted() {
    let bench = Bench::new();
    let (lying, gone, honest) =
        (Server::of(b"the bytes of an attack"), Server::status("404 Not Found"), Server::of(BYTES));
    let found = bench.fetch(&[wanted("a", BYTES)], &[&lying, &gone, &honest]).unwrap();
    assert_eq!(found, [BYTES]);
    let notes = bench.seen.notes.lock().unwrap().clone();
    assert_eq!(notes.len(), 2, "{notes:?}");
    assert!(notes[0].starts_with(&format!("{} was passed over: `a` does not match", lying.base)));
    assert!(notes[1].starts_with(&format!("{} was passed over: `a` is gone", gone.base)));
}

#[test]
fn of_several_mirrors_each_is_named_and_wrong_bytes_say_most() {
    let bench = Bench::new();
    let one = wanted("a", BYTES);
    let (gone, lying) = (Server::status("404 Not Found"), Server::of(b"the bytes of an attack"));
    let error = bench.fetch(&[one], &[&gone, &lying]).unwrap_err();
    let FetchError::NoMirrorHas { name, refused } = &error else { panic!("{error:?}") };
    assert_eq!(name, "a");
    let bases: Vec<&str> = refused.iter().map(|(base, _)| base.as_str()).collect();
    assert_eq!(bases, [gone.base.as_str(), lying.base.as_str()]);
    assert!(matches!(refused[0].1, FetchError::Gone { .. }));
    assert!(matches!(refused[1].1, FetchError::Mismatch { .. }));
    assert!(error.hint().unwrap().contains("`cvmkit lock --update a`"), "the hint of the second");
}

/// More than is locked is not taken, and what was taken of it is of no use to the next try.
#[test]
fn a_mirror_that_gives_too_much_is_left() {
    let (bench, server) = (Bench::new(), Server::of(b"the bytes of a package, and more of them"));
    let one = wanted("a", BYTES);
    let error = bench.fetch(std::slice::from_ref(&one), &[&server]).unwrap_err();
    let FetchError::Unreachable { name, source } = &error else { panic!("{error:?}") };
    assert_eq!(name, "a");
    let words = format!("{}/pool/a.deb: more than the expected 22 bytes", server.base);
    assert_eq!(source.to_string(), words);
    assert_eq!(server.asked().len(), 1);
    let honest = Server::of(BYTES);
    assert_eq!(bench.fetch(&[one], &[&honest]).unwrap(), [BYTES]);
    assert_eq!(honest.asked(), ["/debian/pool/a.deb"], "from the start");
}

/// What came before a connection broke off is not asked for again.
#[test]
fn a_mirror_that_breaks_off_is_asked_for_the_rest() {
    let bench = Bench::new();
    let server = Server::new(|request, stream| match request.split_once(" from ") {
        None => answer(stream, "200 OK", BYTES.len(), &BYTES[..9]),
        Some((_, from)) => {
            let rest = &BYTES[from.parse::<usize>().unwrap()..];
            answer(stream, "206 Partial Content", rest.len(), rest)
        }
    });
    assert_eq!(bench.fetch(&[wanted("a", BYTES)], &[&server]).unwrap(), [BYTES]);
    assert_eq!(server.asked(), ["/debian/pool/a.deb", "/debian/pool/a.deb from 9"]);
}

/// One that promises less than is locked, or breaks off each time, is left after a few tries.
#[test]
fn a_mirror_that_is_short_for_ever_is_left() {
    let (bench, server) = (Bench::new(), Server::of(b"the bytes"));
    let one = Wanted { sha256: Sha256::of(BYTES), ..wanted("a", b"the bytes of a package") };
    let error = bench.fetch(std::slice::from_ref(&one), &[&server]).unwrap_err();
    let FetchError::Unreachable { source, .. } = &error else { panic!("{error:?}") };
    assert!(source.to_string().ends_with("broke off after 9 of 22 bytes"), "{source}");
    let asked = server.asked();
    assert_eq!((asked.len(), asked[1].as_str()), (4, "/debian/pool/a.deb from 9"));
    assert!(!bench.has(&one));
}

/// A server that ignores the range gives everything: it is not put behind what is there.
#[test]
fn a_server_that_can_t_resume_gives_the_whole() {
    let bench = Bench::new();
    let one = wanted("a", BYTES);
    bench.begun(&one, &BYTES[..9]);
    let server = Server::new(|_, stream| answer(stream, "200 OK", BYTES.len(), BYTES));
    assert_eq!(bench.fetch(&[one], &[&server]).unwrap(), [BYTES]);
    assert_eq!(server.asked(), ["/debian/pool/a.deb from 9"]);
}

/// What an earlier try left speaks against no mirror.
#[test]
fn a_damaged_part_is_fetched_again_as_a_whole() {
    let (bench, server) = (Bench::new(), Server::of(BYTES));
    let one = wanted("a", BYTES);
    bench.begun(&one, b"the botes");
    assert_eq!(bench.fetch(std::slice::from_ref(&one), &[&server]).unwrap(), [BYTES]);
    assert_eq!(server.asked(), ["/debian/pool/a.deb from 9", "/debian/pool/a.deb"]);
    // The whole of it, damaged: nothing is asked for, until it is known.
    let (bench, server) = (Bench::new(), Server::of(BYTES));
    bench.begun(&one, b"the bytes of a packaxe");
    assert_eq!(bench.fetch(std::slice::from_ref(&one), &[&server]).unwrap(), [BYTES]);
    assert_eq!(server.asked(), ["/debian/pool/a.deb"]);
    // Longer than the whole: of no use.
    let (bench, server) = (Bench::new(), Server::of(BYTES));
    bench.begun(&one, b"the bytes of a package and more");
    assert_eq!(bench.fetch(&[one], &[&server]).unwrap(), [BYTES]);
    assert_eq!(server.asked(), ["/debian/pool/a.deb"]);
}

#[test]
fn a_download_that_was_finished_is_not_asked_for_again() {
    let (bench, server) = (Bench::new(), Server::of(b""));
    let one = wanted("a", BYTES);
    bench.begun(&one, BYTES);
    assert_eq!(bench.fetch(&[one], &[&server]).unwrap(), [BYTES]);
    assert_eq!(server.asked(), [""; 0]);
}

#[test]
fn a_mirror_that_is_elsewhere_is_followed_and_checked_as_any_other() {
    let redirect = |body: &'static [u8]| {
        let target = Server::of(body);
        let to = format!("{}/moved.deb", target.base);
        let server = Server::new(move |_, stream| {
            write!(
                stream,
                "HTTP/1.1 302 Found\r\nlocation: {to}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            )
        });
        (server, target)
    };
    let (bench, one) = (Bench::new(), wanted("a", BYTES));
    let (server, target) = redirect(b"the bytes of an attack");
    let error = bench.fetch(std::slice::from_ref(&one), &[&server]).unwrap_err();
    assert!(matches!(error, FetchError::Mismatch { .. }), "{error:?}");
    assert_eq!(target.asked(), ["/debian/moved.deb"]);
    let (server, _target) = redirect(BYTES);
    assert_eq!(bench.fetch(&[one], &[&server]).unwrap(), [BYTES]);
}

/// Both of a lock that was edited: what is in the store has the digest, and another length.
#[test]
fn a_locked_size_that_is_not_the_file_s_is_refused() {
    let bench = Bench::new();
    bench.store.insert(BYTES).unwrap();
    for size in [0, 21, 23] {
        let one = Wanted { size, ..wanted("a", BYTES) };
        let error = bench.fetch(&[one], &[]).unwrap_err();
        let FetchError::Size { name, locked, found, locked_at } = &error else {
            panic!("{error:?}")
        };
        assert_eq!((name.as_str(), locked_at.as_str()), ("a", "image.lock:7"));
        assert_eq!((*locked, *found), (size, 22));
        assert_eq!(error.fault(), Fault::Definition);
    }
}

#[test]
fn of_all_refusals_the_one_that_says_most_gives_the_hint() {
    let gone = || FetchError::Gone {
        name: "g".into(),
        path: "p".into(),
        sha256: Sha256::of(b""),
        locked_at: "l".into(),
        source: Box::new(io::Error::other("gone")),
    };
    let unreachable = || FetchError::Unreachable {
        name: "u".into(),
        source: Box::new(io::Error::other("unreachable")),
    };
    let mismatch = || FetchError::Mismatch {
        name: "m".into(),
        source: digests(&wanted("m", b""), "x".into(), Sha256::of(b"y")),
    };
    let hint = |refused: Vec<FetchError>| {
        let refused = refused.into_iter().map(|error| ("base".to_owned(), error)).collect();
        FetchError::NoMirrorHas { name: "n".into(), refused }.hint()
    };
    assert_eq!(hint(vec![gone(), unreachable(), mismatch()]), mismatch().hint());
    assert_eq!(hint(vec![mismatch(), unreachable(), gone()]), mismatch().hint());
    assert_eq!(hint(vec![gone(), unreachable()]), unreachable().hint());
    assert_eq!(hint(vec![gone(), gone()]), gone().hint());
    assert_eq!(hint(Vec::new()), None);
    assert!(mismatch().hint().unwrap().contains("`cvmkit lock --update m`"));
    let denied =
        || files::cannot("read", Path::new("x"))(io::Error::from(io::ErrorKind::PermissionDenied));
    assert_eq!(FetchError::from(denied()).fault(), denied().fault());
    assert_eq!(FetchError::from(denied()).hint(), denied().hint());
    let offline = || FetchError::Offline { count: 1, first: "p".into() };
    for error in [gone(), unreachable(), mismatch(), offline()] {
        assert_eq!(error.fault(), Fault::Environment, "{error:?}");
    }
    assert!(offline().hint().unwrap().contains("without `--offline`"));
}

#[test]
fn what_is_unpacked_after_the_last_download_is_a_phase_of_its_own() {
    let seen = Seen::default();
    seen.begin("fetching packages", 10);
    let unpacking = Unpacking::of(10);
    unpacking.done(3, &seen);
    unpacking.is_all_that_is_left(&seen);
    unpacking.done(2, &seen);
    unpacking.done(5, &seen);
    let all_done = Unpacking::of(10);
    all_done.done(10, &seen);
    all_done.is_all_that_is_left(&seen);
    let expected =
        [("fetching packages".to_owned(), 10, 0), ("unpacking packages".to_owned(), 7, 7)];
    assert_eq!(*seen.phases.lock().unwrap(), expected);
}
