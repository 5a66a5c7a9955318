use std::collections::BTreeMap;

use cvmkit_formats::compression::Compression;
use serde_json::{Value, json};

use super::*;

/// Files of a layout by path.
#[derive(Clone, Default)]
struct Layout(BTreeMap<String, Vec<u8>>);

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

impl Layout {
    fn new() -> Self {
        let mut layout = Self::default();
        layout.put("oci-layout", &json!({ "imageLayoutVersion": "1.0.0" }));
        layout
    }

    fn put(&mut self, path: &str, value: &Value) {
        self.0.insert(path.to_owned(), value.to_string().into_bytes());
    }

    /// Adds a blob, and answers its descriptor.
    fn blob(&mut self, media_type: &str, value: &Value) -> Value {
        let bytes = value.to_string().into_bytes();
        let (digest, size) = (Digest(Sha256::of(&bytes)), bytes.len());
        self.0.insert(digest.path(), bytes);
        json!({ "mediaType": media_type, "digest": digest.to_string(), "size": size })
    }

    /// Adds an image of one layer, and answers its descriptor.
    fn image(&mut self, architecture: &str, layer: &Value) -> Value {
        let config = json!({
            "architecture": architecture, "os": "linux", "config": { "Cmd": ["sh"] },
            "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{}", Sha256::of(b"tar"))] },
        });
        let config = self.blob(CONFIG, &config);
        let manifest = json!({ "schemaVersion": 2, "config": config, "layers": [layer], "x": 1 });
        self.blob(MANIFEST, &manifest)
    }

    fn index(&mut self, manifests: &[Value]) {
        self.put("index.json", &json!({ "schemaVersion": 2, "manifests": manifests }));
    }

    fn find(&self, reference: Option<&str>) -> Result<Image, OciError> {
        let read =
            |path: &str| self.0.get(path).cloned().ok_or_else(|| refused(path, "is not there"));
        find(read, "amd64", reference)
    }
}

fn layer(media_type: &str) -> Value {
    json!({ "mediaType": media_type, "digest": format!("sha256:{}", Sha256::of(b"gz")), "size": 2 })
}

fn named(mut descriptor: Value, name: &str) -> Value {
    descriptor["annotations"] = json!({ "org.opencontainers.image.ref.name": name });
    descriptor
}

fn refusal(layout: &Layout, words: &str) {
    let text = layout.find(None).unwrap_err().to_string();
    assert!(text.contains(words), "expected `{words}`, found: {text}");
}

#[test]
fn the_image_of_the_architecture_is_found() {
    let mut layout = Layout::new();
    let [arm, amd] = ["arm64", "amd64"].map(|name| layout.image(name, &layer(LAYER)));
    layout.index(&[arm.clone(), amd.clone()]);
    let found = layout.find(None).unwrap();
    assert_eq!(format!("{}", found.manifest), amd["digest"].as_str().unwrap());
    let expected = Layer {
        digest: Digest(Sha256::of(b"gz")),
        size: 2,
        packed: LayerType(Compression::Gzip),
        diff_id: Digest(Sha256::of(b"tar")),
    };
    assert_eq!(found.layers, [expected]);
    // An index in the index, as builders of several architectures write it, with its attestation.
    let mut attestation = arm.clone();
    attestation["platform"] = json!({ "architecture": "unknown", "os": "unknown" });
    let nested = json!({ "schemaVersion": 2, "manifests": [arm, amd, attestation] });
    let nested = layout.blob(INDEX, &nested);
    layout.index(&[named(nested, "1.0")]);
    assert_eq!(layout.find(Some("1.0")).unwrap(), found);
    assert!(matches!(layout.find(Some("2.0")), Err(OciError::NoImage { .. })));
}

#[test]
fn one_image_must_be_meant() {
    let mut layout = Layout::new();
    let one = layout.image("amd64", &layer(LAYER));
    let other = layout.image("amd64", &layer("application/vnd.oci.image.layer.v1.tar"));
    let arm = layout.image("arm64", &layer(LAYER));
    layout.index(&[named(one.clone(), "a"), named(other.clone(), "b")]);
    refusal(&layout, "2 images for linux/amd64");
    assert!(layout.find(Some("a")).is_ok() && layout.find(Some("b")).is_ok());
    // Two tags of one image are one image.
    layout.index(&[named(one.clone(), "a"), named(one, "b")]);
    assert!(layout.find(None).is_ok());
    layout.index(&[named(arm, "a")]);
    refusal(&layout, "no image for linux/amd64\n    found: linux/arm64 `a`, sha256:");
    layout.index(&[]);
    refusal(&layout, "no image for linux/amd64");
}

#[test]
fn every_blob_is_what_names_it() {
    let mut layout = Layout::new();
    let image = layout.image("amd64", &layer(LAYER));
    layout.index(std::slice::from_ref(&image));
    assert!(layout.find(None).is_ok());
    for path in layout.0.keys().filter(|path| path.starts_with("blobs/")) {
        let mut damaged = layout.clone();
        damaged.0.get_mut(path).unwrap().push(b' ');
        assert!(matches!(damaged.find(None), Err(OciError::Blob { .. })), "{path}");
        let mut gone = layout.clone();
        gone.0.remove(path);
        refusal(&gone, "is not there");
    }
    let mut longer = image;
    longer["size"] = json!(7);
    layout.index(&[longer]);
    assert!(matches!(layout.find(None), Err(OciError::Blob { size: 7, .. })));
}

#[test]
fn what_is_no_layout_is_refused_with_its_place() {
    let mut layout = Layout::new();
    refusal(&layout, "`index.json` of the image layout is not what it should be: is not there");
    layout.put("oci-layout", &json!({ "imageLayoutVersion": "2.0.0" }));
    refusal(&layout, "`oci-layout` of the image layout");
    let mut layout = Layout::new();
    layout.put("index.json", &json!({ "schemaVersion": 1, "manifests": [] }));
    refusal(&layout, "expected `schemaVersion` 2, found 1");
    layout.put("index.json", &json!({ "manifests": [] }));
    refusal(&layout, "schemaVersion");
    for digest in
        ["sha512:00", "sha256:00", "sha256:../../x", &format!("sha256:{}", "A".repeat(64))]
    {
        let manifest = json!({ "mediaType": MANIFEST, "digest": digest, "size": 1 });
        layout.index(&[manifest]);
        refusal(&layout, "expected `sha256:` and 64 hex digits");
    }
    for media_type in [
        "application/vnd.oci.image.layer.v1.tar+encrypted",
        "application/vnd.oci.image.layer.v1.tar+xz",
        "application/octet-stream",
    ] {
        let image = layout.image("amd64", &layer(media_type));
        layout.index(&[image]);
        refusal(&layout, "is no type of a layer that is supported");
    }
    // What the index and the configuration say of the machine is the same.
    let mut image = layout.image("arm64", &layer(LAYER));
    image["platform"] = json!({ "architecture": "amd64", "os": "linux" });
    layout.index(&[image]);
    refusal(&layout, "expected linux/amd64 as its index says, found linux/arm64");
    let config = json!({
        "architecture": "amd64", "os": "linux", "rootfs": { "type": "layers", "diff_ids": [] },
    });
    let config = layout.blob(CONFIG, &config);
    let manifest = json!({ "schemaVersion": 2, "config": config, "layers": [layer(LAYER)] });
    let manifest = layout.blob(MANIFEST, &manifest);
    layout.index(&[manifest]);
    refusal(&layout, "expected 1 `diff_ids`, found 0");
}

/// An index that names itself can't be made; one that is deep can.
#[test]
fn indices_have_bounds() {
    let mut layout = Layout::new();
    let mut inner = layout.image("amd64", &layer(LAYER));
    for _ in 0..DEPTH_MAX {
        inner = layout.blob(INDEX, &json!({ "schemaVersion": 2, "manifests": [inner] }));
    }
    layout.index(std::slice::from_ref(&inner));
    assert!(layout.find(None).is_ok());
    let deeper = layout.blob(INDEX, &json!({ "schemaVersion": 2, "manifests": [inner] }));
    layout.index(&[deeper]);
    refusal(&layout, "too many indices");
    let empty = layout.blob(INDEX, &json!({ "schemaVersion": 2, "manifests": [] }));
    layout.index(&vec![empty; INDICES_MAX + 1]);
    refusal(&layout, "too many indices");
}

/// Image Layer Filesystem Changeset Specification, "Media Types", and Docker's own.
#[test]
fn a_layer_is_packed_as_its_type_says() {
    for (media_type, packed) in [
        ("application/vnd.oci.image.layer.v1.tar", Some(Compression::None)),
        ("application/vnd.oci.image.layer.v1.tar+gzip", Some(Compression::Gzip)),
        ("application/vnd.oci.image.layer.v1.tar+zstd", Some(Compression::Zstd)),
        ("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", Some(Compression::Gzip)),
        ("application/vnd.docker.image.rootfs.diff.tar.gzip", Some(Compression::Gzip)),
        ("application/vnd.oci.image.layer.v2.tar", None),
        ("application/vnd.oci.image.layer.v1.tar+gzip+encrypted", None),
        ("", None),
    ] {
        assert_eq!(LayerType::of(media_type), packed.map(LayerType), "{media_type}");
    }
}
