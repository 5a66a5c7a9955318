//! Links that scripts make: alternatives and certificates, against the tools that make them.

use super::*;

/// Each candidate has a manual page, which only the best one's is there for.
const INSTALLS: &str = "#!/bin/sh\nset -e\nfor one in x:10 y:30 z:20; do\n  name=${one%:*}\n  \
    update-alternatives --install /usr/bin/tool tool /usr/bin/$name ${one#*:} --slave \
    /usr/share/tool.1 tool.1 /usr/share/$name.1\ndone\n";

#[test]
fn alternatives_are_those_of_update_alternatives() {
    let files = [
        ("usr/bin/update-alternatives", ""),
        ("usr/bin/x", "x"),
        ("usr/bin/y", "y"),
        ("usr/bin/z", "z"),
        ("usr/share/y.1", "y"),
    ];
    let mut one = with_script(package("a", "", &files), "postinst", INSTALLS);
    one.entries[0].mode = 0o755;
    let packages = [one];
    let rootfs = assemble(&request(&packages)).unwrap();
    assert_eq!(rootfs.tree.resolve(b"usr/bin/tool").ok(), rootfs.tree.lookup(b"usr/bin/y"));
    assert_eq!(rootfs.tree.resolve(b"usr/share/tool.1").ok(), rootfs.tree.lookup(b"usr/share/y.1"));
    let folder = tempfile::tempdir().unwrap();
    materialise(&rootfs.tree, folder.path());
    let root = folder.path().to_str().unwrap();
    let arguments = ["--root", root, "--query", "tool"];
    let Some(found) = oracle("update-alternatives", &arguments) else { return };
    for line in [
        "Status: auto",
        "Best: /usr/bin/y",
        "Alternative: /usr/bin/z",
        "Priority: 20",
        " tool.1 /usr/share/y.1",
    ] {
        assert!(found.lines().any(|found| found == line), "{line} in\n{found}");
    }
}

#[test]
fn certificates_are_linked_as_openssl_does() {
    let folder = tempfile::tempdir().unwrap();
    let mut files = Vec::new();
    for (name, subject) in [
        ("plain", "/C=DE/O=Example/CN=Root"),
        ("blanks", "/C=de/O=  Example  /CN=ROOT"),
        ("wide", "/O=Ünïcode Ärger/CN=Größe  zwei"),
        ("multi", "/O=Example/CN=a+OU=b"),
        ("mail (x), y", "/emailAddress=A@Example.ORG/DC=org/serialNumber=7"),
    ] {
        let path = folder.path().join(format!("{name}.crt"));
        let file = path.to_str().unwrap();
        let arguments = [
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-utf8",
            "-multivalue-rdn",
            "-subj",
            subject,
            "-keyout",
            "/dev/null",
            "-out",
            file,
        ];
        let Ok(output) = Command::new("openssl").args(arguments).output() else {
            return drop(oracle("openssl", &[]));
        };
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        files.push(Placed {
            path: format!("/usr/local/share/ca-certificates/{name}.crt"),
            mode: 0o644,
            user: "root".into(),
            group: "root".into(),
            xattrs: BTreeMap::new(),
            node: PlacedNode::File(fs::read(&path).unwrap().into()),
        });
    }
    let packages = [];
    let request = Request {
        root: rootfs::Request { files: &files, ..request(&packages).root },
        ..request(&packages)
    };
    let mut assembly = Assembly::new(&request.root);
    overlay::place(&mut assembly).unwrap();
    certificates::write(&mut assembly).unwrap();
    let ours = links(&assembly.tree, "etc/ssl/certs");
    // Two subjects differ only in case and blanks: one hash, two numbers.
    assert!(ours.keys().any(|name| name.ends_with(".1")), "{ours:?}");
    let theirs = folder.path().join("certs");
    fs::create_dir(&theirs).unwrap();
    for (name, target) in ours.iter().filter(|(name, _)| name.ends_with(".pem")) {
        let base = target.rsplit('/').next().unwrap();
        fs::copy(folder.path().join(base), theirs.join(name.trim_start_matches('/'))).unwrap();
    }
    oracle("openssl", &["rehash", "-v", theirs.to_str().unwrap()]).unwrap();
    let hashed = |name: &String| !name.ends_with(".pem");
    let ours: BTreeMap<_, _> = ours.into_iter().filter(|(name, _)| hashed(name)).collect();
    assert_eq!(ours, links_on_disk(&theirs));
    assert_eq!(ours.len(), 5);
}
