//! Inputs beside the root file system: files of packages that are locked, and files of a machine.

use super::*;

/// A tar archive of these files (POSIX.1-1988, `ustar`).
fn tar(files: &[(&str, &str)]) -> Vec<u8> {
    let mut archive = Vec::new();
    for (name, text) in files {
        let mut header = vec![0; 512];
        let mut put = |at: usize, text: &str| {
            header[at..at + text.len()].copy_from_slice(text.as_bytes());
        };
        put(0, name);
        put(100, "0000644\0");
        put(108, "0000000\0");
        put(116, "0000000\0");
        put(124, &format!("{:011o}\0", text.len()));
        put(136, "00000000000\0");
        put(148, "        ");
        put(156, "0");
        put(257, "ustar\x0000");
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        archive.extend(header);
        archive.extend(text.as_bytes());
        archive.resize(archive.len().next_multiple_of(512), 0);
    }
    archive.resize(archive.len() + 1024, 0);
    archive
}

/// A package of these files (deb(5)).
fn deb(name: &str, files: &[(&str, &str)]) -> Vec<u8> {
    let control = format!("Package: {name}\nVersion: 1\nArchitecture: all\n");
    let members = [
        ("debian-binary", b"2.0\n".to_vec()),
        ("control.tar", tar(&[("./control", &control)])),
        ("data.tar", tar(files)),
    ];
    let mut archive = b"!<arch>\n".to_vec();
    for (name, bytes) in members {
        let header =
            format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n", 0, 0, 0, 100_644, bytes.len());
        archive.extend(header.as_bytes());
        archive.extend(bytes);
    }
    archive
}

/// A lock with these bytes as a package of the stub's role, which the store has.
fn stub_of(bytes: &[u8], change: impl Fn(&mut LockedPackage)) -> Bench {
    let mut stub = LockedPackage {
        size: bytes.len() as u64,
        sha256: Sha256::of(bytes),
        roles: vec!["stub".into()],
        ..package("s")
    };
    change(&mut stub);
    let text = definitions::text("", "[boot]\nstub = { package = \"s\", path = \"/usr/x.stub\" }");
    let bench = Bench::of(&text, &[], None, lock(vec![package("p"), stub]));
    bench.store.insert(bytes).unwrap();
    bench
}

#[test]
fn an_input_of_a_package_is_a_file_of_the_package_that_is_locked() {
    let read = |bench: &Bench| {
        let external = bench.inputs().external(bench.origins());
        external.map(|external| external.stub)
    };
    let good = deb("s", &[("./usr/x.stub", "the stub"), ("./usr/y", "")]);
    let bench = stub_of(&good, |_| ());
    assert_eq!(read(&bench).unwrap(), b"the stub");
    let stub = &bench.definition.stub;
    let found = bench.inputs().input("stub", "boot.stub", stub, bench.origins()).unwrap();
    assert_eq!((found.origin.as_str(), found.local), ("s 1: /usr/x.stub", None));

    let error = read(&stub_of(&deb("s", &[("./usr/y", "")]), |_| ())).unwrap_err();
    let BuildError::NoInputFile { role, key, package, path } = &error else { panic!("{error:?}") };
    assert_eq!((*role, *key), ("stub", "boot.stub"));
    assert_eq!((package.as_str(), path.as_str()), ("s", "usr/x.stub"));
    let error = read(&stub_of(&deb("t", &[("./usr/x.stub", "")]), |_| ())).unwrap_err();
    assert!(matches!(error, BuildError::AnotherPackage(_)), "{error:?}");
    let error = read(&stub_of(&[b'x'; 700], |_| ())).unwrap_err();
    let BuildError::Deb { package, path, locked_at, .. } = &error else { panic!("{error:?}") };
    assert_eq!((package.as_str(), path.as_str()), ("s", "pool/main/s.deb"));
    assert!(locked_at.starts_with("image.lock:"), "{locked_at}");
    assert!(error.hint().unwrap().contains("`cvmkit lock --update s`"));
    // Not fetched, and no network.
    let bench = stub_of(&good, |stub| stub.sha256 = Sha256::of(b"other"));
    assert!(matches!(read(&bench).unwrap_err(), BuildError::Fetch(_)));
}

#[test]
fn the_package_of_an_input_is_one_of_its_role_and_its_sources() {
    let good = deb("s", &[("./usr/x.stub", "the stub")]);
    let none = |change: fn(&mut LockedPackage)| {
        let error = stub_of(&good, change).inputs().external(stub_of(&good, |_| ()).origins());
        matches!(error.map(|_| ()).unwrap_err(), BuildError::NoInputPackage { role: "stub" })
    };
    assert!(none(|stub| stub.roles = vec!["firmware".into()]));
    assert!(none(|stub| stub.roles = vec!["stub:debug".into()]));
    assert!(none(|stub| stub.name = "t".into()));
    // Two suites of the definition have it.
    let text = definitions::text(
        "",
        "[[sources]]\nsuites = [\"forky\"]\n\
         [boot]\nstub = { package = \"s\", path = \"/usr/x.stub\" }",
    );
    let of = |version: &str, suite: &str| LockedPackage {
        version: version.into(),
        suite: suite.into(),
        sha256: Sha256::of(suite.as_bytes()),
        roles: vec!["stub".into()],
        ..package("s")
    };
    let mut two = lock(vec![package("p"), of("1", "trixie"), of("2", "forky")]);
    two.suites.push(crate::lock::sample::suite("forky", 9));
    let bench = Bench::of(&text, &[], None, two);
    let error = bench.inputs().external(bench.origins()).map(|_| ()).unwrap_err();
    let BuildError::TwoInputPackages { role, key, package, found } = error else {
        panic!("{error:?}")
    };
    assert_eq!((role, key, package.as_str()), ("stub", "boot.stub", "s"));
    assert_eq!(found, ["1 of trixie", "2 of forky"]);
}

#[test]
fn an_image_without_a_uki_needs_no_stub() {
    let bench = Bench::new("[boot]\nkind = \"direct\"", &[]);
    let external = bench.inputs().external(bench.origins()).unwrap();
    assert_eq!(external.stub, [0; 0]);
    assert!(external.machines.profiles.is_empty() && external.machines.files.is_empty());
}
