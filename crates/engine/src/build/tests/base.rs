//! An OCI image layout below all packages: a folder, and an archive of one.

use serde_json::json;

use super::*;
use crate::lock::LockError;
use crate::oci::OciError;
use crate::rootfs::layer::sample::{Row, archive, member};

const BASE: &str = "[base]\noci = \"base\"\n";

/// A layout of one image with these layers, by path.
fn layout(layers: &[Vec<u8>], damaged: bool) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    let mut blob = |media_type: &str, bytes: Vec<u8>| {
        let (digest, size) = (Sha256::of(&bytes), bytes.len());
        files.push((format!("blobs/sha256/{digest}"), bytes));
        json!({ "mediaType": media_type, "digest": format!("sha256:{digest}"), "size": size })
    };
    let diff_ids: Vec<String> = layers
        .iter()
        .map(|layer| Sha256::of(if damaged { &b"other"[..] } else { &layer[..] }))
        .map(|digest| format!("sha256:{digest}"))
        .collect();
    let layers: Vec<_> = layers
        .iter()
        .enumerate()
        .map(|(at, layer)| match at % 2 {
            0 => blob("application/vnd.oci.image.layer.v1.tar", layer.clone()),
            _ => blob(
                "application/vnd.oci.image.layer.v1.tar+zstd",
                zstd::encode_all(&layer[..], 3).unwrap(),
            ),
        })
        .collect();
    let config = json!({
        "architecture": "amd64", "os": "linux",
        "rootfs": { "type": "layers", "diff_ids": diff_ids },
    });
    let config = blob("application/vnd.oci.image.config.v1+json", config.to_string().into_bytes());
    let manifest = json!({ "schemaVersion": 2, "config": config, "layers": layers });
    let manifest =
        blob("application/vnd.oci.image.manifest.v1+json", manifest.to_string().into_bytes());
    let index = json!({ "schemaVersion": 2, "manifests": [manifest] });
    files.push(("index.json".to_owned(), index.to_string().into_bytes()));
    files.push(("oci-layout".to_owned(), b"{\"imageLayoutVersion\":\"1.0.0\"}".to_vec()));
    files
}

fn layers() -> Vec<Vec<u8>> {
    let lower: &[Row<'_>] =
        &[("opt/", 0o755, "/"), ("opt/a", 0o640, "lower"), ("opt/b", 0o644, "b")];
    let upper: &[Row<'_>] = &[("opt/a", 0o600, "upper"), ("opt/.wh.b", 0, "")];
    vec![archive(lower), archive(upper)]
}

/// A definition with this layout, in a folder, and a lock that has it.
fn bench(layout: &[(String, Vec<u8>)]) -> Bench {
    let bench = Bench::new("", &[]);
    for (path, bytes) in layout {
        let path = bench.folder.path().join("base").join(path);
        files::make_folder(files::parent(&path)).unwrap();
        files::replace(&path, bytes).unwrap();
    }
    locked(bench, BASE)
}

fn locked(bench: Bench, tables: &str) -> Bench {
    let project = definitions::project_in(bench.folder.path(), &definitions::text("", tables));
    let definition = project.definition(None).unwrap();
    let files = survey(std::slice::from_ref(&definition), project.folder()).unwrap();
    let lock = Lock { files, ..bench.lock.lock.clone() };
    let lock = crate::lock::sample::beside(&project, lock);
    Bench { project, definition, lock, ..bench }
}

/// What is below `/opt`, each with its mode.
fn opt(bench: &Bench) -> Result<Vec<String>, BuildError> {
    let inputs = bench.inputs();
    let parts = inputs.rootfs_request(&[], &bench.store)?;
    let request = parts.as_request();
    assert_eq!(request.root.base.unwrap().layers, 2);
    let tree = crate::rootfs::assembly::Assembly::new(&request.root);
    let names = tree.names("opt").unwrap().into_iter();
    let shown = names.map(|name| {
        let path = format!("opt/{name}");
        let mode = tree.tree.inode(tree.find(&path).unwrap()).meta.mode;
        format!("{name} {mode:o} {}", tree.text(&path).unwrap().unwrap())
    });
    Ok(shown.collect())
}

#[test]
fn a_base_is_what_its_layers_make() {
    let layout = layout(&layers(), false);
    assert_eq!(opt(&bench(&layout)).unwrap(), ["a 600 upper"]);
    // The same as an archive.
    let bench = Bench::new("", &[]);
    let members = layout.iter().map(|(path, bytes)| member(path, bytes));
    let tar = [members.collect::<Vec<_>>().concat(), vec![0; 1024]].concat();
    files::replace(&bench.folder.path().join("base"), &tar).unwrap();
    assert_eq!(opt(&locked(bench, BASE)).unwrap(), ["a 600 upper"]);
}

#[test]
fn a_layer_that_is_not_what_the_configuration_says_is_refused() {
    let error = opt(&bench(&layout(&layers(), true))).unwrap_err();
    assert!(matches!(error, BuildError::Oci(OciError::DiffId { .. })), "{error:?}");
    // A blob that the lock has, but that is not what names it.
    let mut changed = layout(&layers(), false);
    changed[0].1 = archive(&[("opt/", 0o755, "/")]);
    let error = opt(&bench(&changed)).unwrap_err();
    assert!(matches!(error, BuildError::Oci(OciError::Blob { .. })), "{error:?}");
    let mut gone = layout(&layers(), false);
    gone.remove(0);
    let error = opt(&bench(&gone)).unwrap_err();
    assert!(error.to_string().contains("it is not there"), "{error}");
}

#[test]
fn a_base_that_changes_after_it_was_locked_is_refused() {
    let bench = bench(&layout(&layers(), false));
    let index = bench.folder.path().join("base/index.json");
    files::replace(&index, b"{}").unwrap();
    assert!(matches!(bench.checked(), Err(BuildError::Lock(LockError::LocalChanged { .. }))));
    files::remove(&index).unwrap();
    let error = bench.checked().map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("base/index.json"), "{error}");
}
