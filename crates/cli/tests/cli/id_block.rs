//! `cvmkit measure id-block` against snp-create-id-block of sev-snp-measure.

use std::path::Path;

use crate::program::Folder;

/// The measurement of upstream's `tests/test_id_block.py`, there in Base64.
const DIGEST: &str = "076f052d08bda7a700aa2a608c5caa6b00ebad297b6d68a85a45b1e669a558b6\
                      7e1b91d284a301fe63c4fa0750467eed";
const DIGEST_BASE64: &str = "B28FLQi9p6cAqipgjFyqawDrrSl7bWioWkWx5mmlWLZ+G5HShKMB/mPE+gdQRn7t";

/// A folder with upstream's keys.
fn keys() -> Folder {
    let folder = Folder::new();
    for (name, fixture) in [("id.pem", "id_key_test.pem"), ("author.pem", "author_key_test.pem")] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../measure/tests/fixtures");
        folder.put(name, &cvmkit_host::files::read(&path.join(fixture)).unwrap());
    }
    folder
}

/// The text up to the first signature, and from behind the structures on: all that is not random.
fn steady(text: &str) -> [&str; 2] {
    let (structures, digests) = text.split_once('\n').unwrap();
    let (block, auth) = structures.split_once(",id-auth=").unwrap();
    assert_eq!(auth.len(), 4096_usize.div_ceil(3) * 4, "{text}");
    assert!(auth.starts_with("AQAAAAEAAAAA"), "{text}");
    [block, digests]
}

#[test]
fn the_text_is_that_of_snp_create_id_block() {
    let folder = keys();
    let ours = folder
        .cvmkit(&format!(
            "measure id-block --id-key id.pem --author-key author.pem --digest {DIGEST}"
        ))
        .answer();
    assert_eq!(
        steady(&ours),
        [
            "id-block=B28FLQi9p6cAqipgjFyqawDrrSl7bWioWkWx5mmlWLZ+G5HShKMB/mPE+gdQRn7tAAAAAAAAAAAAA\
             AAAAAAAAAAAAAAAAAAAAAAAAAAAAAABAAAAAAAAAAAAAwAAAAAA",
            "id_key_hash: hwt+NcU/inLQ0yL3WrKvgmJ5Kq9leWIs5BMcPyHyied8sFYKXjuQs5MuZ07HCcsU\n\
             author_key: YxEcNLv8Ckk4+aAJvQdJgNgXIyPmFZnJ/TNtqGcySOHcqY0L6PdjdqEGuK/UwKBX\n"
        ]
    );
    let oracle = ["--measurement", DIGEST_BASE64, "--idkey", "id.pem", "--authorkey", "author.pem"];
    let Some(oracle) = folder.oracle("snp-create-id-block", &oracle) else { return };
    assert_eq!(steady(&ours), steady(&oracle.answer()));
}

#[test]
fn the_same_inputs_give_the_same_bytes_and_json_has_the_same_fields() {
    let folder = keys();
    let line = format!(
        "measure id-block --id-key id.pem --digest {DIGEST} --policy 0x130000 --guest-svn 7 \
         --family-id {} --image-id {}",
        "0a".repeat(16),
        "0b".repeat(16)
    );
    let text = folder.cvmkit(&line).answer();
    assert_eq!(folder.cvmkit(&line).answer(), text);
    let json = folder.cvmkit(&format!("{line} --output-format json")).answer();
    assert_eq!(folder.cvmkit(&format!("{line} --format json")).answer(), json);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["policy"], "0x130000");
    assert_eq!(json["guest-svn"], 7);
    assert_eq!(json["family-id"], "0a".repeat(16));
    assert_eq!(json.get("author-key-digest"), None);
    let structures = format!("id-block={},id-auth={}\n", json["id-block"].as_str().unwrap(), {
        json["id-auth"].as_str().unwrap()
    });
    assert!(text.starts_with(&structures) && !text.contains("author_key"), "{text}");
}

#[test]
fn what_protects_nothing_is_refused() {
    let folder = keys();
    folder.put("other.pem", b"-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n");
    let refused = |arguments: &str| {
        let said = folder.cvmkit(&format!("measure id-block {arguments}"));
        assert_eq!(said.code, Some(2), "{said:?}");
        said.stderr
    };
    let debug = refused(&format!("--id-key id.pem --digest {DIGEST} --policy 0xb0000"));
    assert!(debug.contains("0xb0000 allows debugging (bit 19)"), "{debug}");
    let zero = refused(&format!("--id-key id.pem --digest {}", "0".repeat(96)));
    assert!(zero.contains("is all zero"), "{zero}");
    let key = refused(&format!("--id-key other.pem --digest {DIGEST}"));
    assert!(key.contains("`other.pem`") && key.contains("hint: make a key with"), "{key}");
    let short = refused("--id-key id.pem --digest 00");
    assert!(short.contains("expected 96 hexadecimal digits"), "{short}");
    refused(&format!("--id-key missing.pem --digest {DIGEST}"));
    refused(&format!("--digest {DIGEST}"));
}
