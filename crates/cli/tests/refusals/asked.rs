//! What a definition asks for and nothing comes of, although an image can be made: it is named.

use std::fs;

use cvmkit_formats::digest::Sha256;

use crate::archive::{Archive, Deb};

#[test]
fn what_comes_to_nothing_is_named() {
    let Some(archive) = Archive::new(&[Deb::base(), Deb::kernel()]) else { return };
    let (project, path) = (archive.project(), archive.project().join("image.toml"));
    fs::write(project.join("firmware.fd"), b"nobody's").unwrap();
    fs::create_dir(archive.path("other")).unwrap();
    fs::create_dir(archive.path("shared")).unwrap();
    fs::write(archive.path("shared/motd"), b"hello").unwrap();
    archive.define(&format!(
        "[packages]\ninstall = [\"kernel\"]\nessential = false\n\
         [firmware]\npath = \"firmware.fd\"\nsha256 = \"{}\"\n\
         [[files]]\npath = \"/etc/motd\"\nsource = \"../shared/motd\"\n",
        Sha256::of(b"nobody's")
    ));
    let text = fs::read_to_string(&path).unwrap();
    let text = text.replace("key-files", "max-age-days = 7\nkey-files");
    fs::write(&path, format!("outside-folders = [\"../other\", \"../shared\"]\n{text}")).unwrap();
    // It is said again where nothing changed.
    for _ in 0..2 {
        let said = archive.cvmkit(&["lock"]);
        for words in [
            "no effect: outside-folders: `../other` is a folder that no local file comes from",
            "no effect: sources.max-age-days: `7` is not used",
        ] {
            assert!(said.stderr.contains(words), "{words}: {said:?}");
        }
        assert_eq!(said.stderr.matches("no effect: ").count(), 2, "{said:?}");
        said.answer();
    }
    let json = archive.cvmkit(&["lock", "--format", "json"]).answer();
    assert!(json.contains("\"notes\": [\n    \"no effect: "), "{json}");
    let said = archive.build();
    let words = "no effect: firmware: `firmware.fd` is beside the image, but no platform is measured \
                 with it";
    assert!(said.stderr.contains(words), "{said:?}");
    said.answer();
}
