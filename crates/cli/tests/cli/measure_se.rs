//! `cvmkit measure se` against the digests in the tests of s390-tools.

use serde_json::Value;

use crate::program::Folder;
use crate::se_image::{self, ALD, ENCRYPTED, HEADER, HEADER_AT, PARAMETERS_AT, PLD, TLD};
use crate::snp_measure;

/// The tag of that header (`EXP_HDR` in s390-tools' `rust/pv/src/brcb.rs`).
const TAG: &str = "92309d4589b9a85b427f8753171d1520";

fn json(folder: &Folder) -> Value {
    let said = folder.cvmkit("--format json measure se se.img");
    serde_json::from_str(&said.stdout).unwrap()
}

/// A folder with an image of which the page digest is that of s390-tools.
fn image() -> Option<(Folder, Vec<u8>)> {
    let folder = Folder::new();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../measure/tests/se_image/pages.py");
    let interpreter = snp_measure::interpreter()?;
    let said = folder.oracle(interpreter.to_str().unwrap(), &[script])?;
    let image = se_image::image(&se_image::pages(&said.answer()));
    folder.put("se.img", &image);
    Some((folder, image))
}

#[test]
fn a_header_alone_is_named_as_verifiers_name_it() {
    let folder = Folder::new();
    folder.put("se.img", HEADER);
    let report = json(&folder);
    let slot = hex::encode(&HEADER[0x1a0..0x1c0]);
    assert_eq!(
        report["reference-values"],
        serde_json::json!({ "se.version": 256, "se.tag": TAG, "se.image_phkh": [slot] })
    );
    assert!(report["not-predicted"]["se.attestation_phkh"].as_str().unwrap().contains("request"));
    assert_eq!(report["header"]["pages"], 0xfc25);
    assert!(report["image"].is_null() && report["pages"].is_null(), "{report}");
    let text = folder.cvmkit("measure se se.img").answer();
    for line in [
        "se.version           256".to_owned(),
        format!("se.tag               {TAG}"),
        format!("se.image_phkh        {slot}"),
        "image                absent: this is a header alone".to_owned(),
    ] {
        assert!(text.lines().any(|found| found == line), "{line} in {text}");
    }
}

#[test]
fn the_pages_of_an_image_are_compared_with_its_header() {
    let Some((folder, image)) = image() else { return };
    let report = json(&folder);
    for of in ["header", "image"] {
        let digests = [PLD, ALD, TLD].map(Value::from);
        let fields = ["page-digest", "address-digest", "tweak-digest"];
        assert_eq!(fields.map(|field| report[of][field].clone()), digests, "{of}");
        assert_eq!(report[of]["pages"], 7);
    }
    assert_eq!(report["pages"]["verdict"], "equal");
    assert_eq!(report["parameters"]["components"][1]["address"], "0x20000");
    let text = folder.cvmkit("measure se se.img").answer();
    assert!(text.contains(&format!("image PLD            {PLD}")), "{text}");
    assert!(text.ends_with("image                equal to its header\n"), "{text}");

    let places = [
        (ENCRYPTED[0].start, "page list digest (PLD)"),
        (PARAMETERS_AT + 0x88 + 7, "tweak list digest (TLD)"),
        (HEADER_AT + 0x37, "number of pages (NEP)"),
        (PARAMETERS_AT + 0x88 + 18, "but the image has"),
    ];
    for (at, why) in places {
        let mut other = image.clone();
        other[at] ^= 1;
        folder.put("se.img", &other);
        let said = folder.cvmkit("measure se se.img");
        assert_eq!(said.code, Some(1), "{said:?}");
        assert!(said.stdout.contains("DIFFERS") && said.stderr.contains(why), "{said:?}");
        assert_eq!(json(&folder)["pages"]["verdict"], "different");
    }
}

#[test]
fn what_is_no_image_is_refused() {
    let folder = Folder::new();
    folder.put("se.img", &[0; 0x2000]);
    insta::assert_snapshot!(folder.cvmkit("measure se se.img").refusal(), @r"
    exit 2
    error: cannot read `se.img` as a Secure Execution image
      caused by: the image has no Secure Execution header at the start of any of its pages
    hint: name a file that genprotimg or pvimg wrote
    ");
    let mut image = se_image::image(&[vec![1; 0x4000], vec![2; 0x3000]]);
    image[PARAMETERS_AT + 7] = 2;
    folder.put("se.img", &image);
    insta::assert_snapshot!(folder.cvmkit("measure se se.img").refusal(), @r"
    exit 2
    error: cannot check the pages of `se.img`
      caused by: the image has no IPL parameters: expected a page that starts with a block of version 1 and type 5, for a header of 640 bytes at 0x24000
    hint: the file is truncated, or another tool wrote it; to read the header alone, extract it
    ");
    let mut cut = vec![0; 0x1000];
    cut.extend(&HEADER[..639]);
    folder.put("se.img", &cut);
    let said = folder.cvmkit("measure se se.img").refusal();
    assert!(said.starts_with("exit 2") && said.contains("truncated"), "{said}");
    assert_eq!(folder.cvmkit("measure se missing").code, Some(2));
}
