//! A variant laid over its base: for every key of a definition, by two rules.

use schemars::schema_for;
use serde_json::{Map, Value, json};

use super::*;

/// Every key that a definition has, with values that `base` and `variant` do not share.
fn full(own: &str) -> RawDefinition {
    let (flag, number) = (own == "base", if own == "base" { 1 } else { 2 });
    let digest = format!("0{number}").repeat(32);
    let input = json!({
        "package": own, "suite": own, "archive": own, "path": own, "sha256": digest,
    });
    let given = json!([{
        "script": digest, "files": [{ "path": own, "content": own }], "users": [{ "name": own }],
        "groups": [{ "name": own, "gid": number }],
    }]);
    let pick = |base: &'static str, variant: &'static str| if flag { base } else { variant };
    let value = json!({
        "id": own, "version": own, "architecture": "x86-64", "seed": own, "hostname": own,
        "debug": flag, "mirrors": [own], "outside-folders": [own],
        "sources": [{
            "archive": own, "suites": [own], "components": [own], "keys": [own],
            "key-files": [own], "origin": own, "label": own, "max-age-days": number,
        }],
        "packages": {
            "install": [own], "local": [own], "essential": flag, "exclude-paths": [own], "include-paths": [own],
            "metadata": pick("full", "none"),
            "scripts": { own: { "skip": [digest] }, "both": { "skip": [digest], "give": given } },
            "debconf": { own: flag, "a/b": own },
            "drop": { own: own, "both": own },
        },
        "kernel": { "modules": [own], "command-line": [own] },
        "root": {
            "format": "squashfs", "compression": pick("zstd", "gzip"),
            "compression-level": number, "block-size": number,
        },
        "verity": {
            "salt": own, "uuid": own, "data-block-size": number, "hash-block-size": number,
        },
        "boot": { "kind": pick("disk", "direct"), "stub": input },
        "firmware": input,
        "files": [{
            "path": own, "content": own, "source": own, "symlink": own, "folder": flag,
            "sha256": digest, "mode": own, "owner": own, "group": own, "capabilities": own,
            "xattrs": { own: own },
        }],
        "base": { "oci": own, "reference": own },
        "layers": [{ "source": own, "sha256": digest, "target": own }],
        "overlays": [{ "source": own, "target": own, "owner": own, "group": own }],
        "users": [{
            "name": own, "uid": number, "gid": number, "comment": own, "home": own, "shell": own,
            "groups": [own],
        }],
        "allow": [{ "finding": "setuid", "path": own, "reason": own }],
        "units": { "enable": [own], "mask": [own], "default": own },
        "platforms": [{ "profile": own, "vcpus": [number] }],
    });
    serde_json::from_value(value).unwrap()
}

fn written(raw: &RawDefinition) -> Value {
    serde_json::to_value(raw).unwrap()
}

/// Keys of which the variant's value stands in place of the base's, although it is a list or a table.
const REPLACED: [&str; 5] = ["modules", "stub", "firmware", "base", "both"];

/// What the documentation says: a list is appended, any other key is replaced.
fn merged(base: &Map<String, Value>, over: &Map<String, Value>) -> Map<String, Value> {
    let mut all = base.clone();
    for (key, over) in over {
        let value = match (all.get(key), over) {
            (Some(Value::Array(base)), Value::Array(over)) if !REPLACED.contains(&key.as_str()) => {
                Value::Array([base.as_slice(), over.as_slice()].concat())
            }
            (Some(Value::Object(base)), Value::Object(over))
                if !REPLACED.contains(&key.as_str()) =>
            {
                Value::Object(merged(base, over))
            }
            _ => over.clone(),
        };
        all.insert(key.clone(), value);
    }
    all
}

/// A key that is added to a definition and left out of the variants would be dropped without a word.
#[test]
fn the_definition_of_these_tests_has_every_key() {
    let schema = schema_for!(RawDefinition).as_value().clone();
    let sample = written(&full("base"));
    let properties = |of: &Value| -> Vec<String> {
        of["properties"].as_object().unwrap().keys().cloned().collect()
    };
    let has = |sample: &Value, key: &str| sample.get(key).is_some();
    for key in properties(&schema).iter().filter(|key| *key != "variant") {
        assert!(has(&sample, key), "{key}");
    }
    for (table, name) in [
        ("packages", "RawPackages"),
        ("kernel", "RawKernel"),
        ("root", "RawRoot"),
        ("verity", "RawVerity"),
        ("boot", "RawBoot"),
        ("units", "RawUnits"),
    ] {
        for key in properties(&schema["$defs"][name]) {
            assert!(has(&sample[table], &key), "{table}.{key}");
        }
    }
}

#[test]
fn a_key_of_a_variant_replaces_the_base_s_and_a_list_is_appended() {
    let (base, over) = (full("base"), full("variant"));
    let (Value::Object(one), Value::Object(other)) = (written(&base), written(&over)) else {
        unreachable!("a definition is a table")
    };
    let expected = Value::Object(merged(&one, &other));
    assert_eq!(written(&base.overlaid(over)), expected);
    // The premise: the rules above are those of the documentation.
    assert_eq!(expected["packages"]["install"], json!(["base", "variant"]));
    assert_eq!(expected["kernel"]["modules"], json!(["variant"]));
    assert_eq!(expected["hostname"], json!("variant"));
    assert_eq!(expected["packages"]["scripts"].as_object().unwrap().len(), 3);
}

#[test]
fn a_variant_that_says_nothing_changes_nothing() {
    let base = full("base");
    assert_eq!(written(&base.clone().overlaid(RawDefinition::default())), written(&base));
    assert_eq!(written(&RawDefinition::default().overlaid(base.clone())), written(&base));
}

/// Each key on its own: all the others are the base's.
#[test]
fn each_key_of_a_variant_changes_that_key_alone() {
    let base = full("base");
    let Value::Object(keys) = written(&full("variant")) else { unreachable!() };
    let only = |value: Value| -> RawDefinition { serde_json::from_value(value).unwrap() };
    for (key, value) in &keys {
        let inner: Vec<Value> = match value {
            Value::Object(table) if key != "firmware" => {
                table.iter().map(|(inner, value)| json!({ key: { inner: value } })).collect()
            }
            value => vec![json!({ key: value })],
        };
        for over in inner {
            let found = written(&base.clone().overlaid(only(over.clone())));
            let (Value::Object(one), Value::Object(other)) = (written(&base), &over) else {
                unreachable!()
            };
            assert_eq!(found, Value::Object(merged(&one, other)), "{over}");
        }
    }
}

/// A definition is read from what it was written to, as the checksum of a lock takes for granted.
#[test]
fn what_is_written_is_read_again_and_what_is_not_said_is_not_written() {
    for own in ["base", "variant"] {
        let raw = full(own);
        let text = toml::to_string(&raw).unwrap();
        let again: RawDefinition = toml::from_str(&text).unwrap();
        assert_eq!(written(&again), written(&raw));
    }
    let Value::Object(empty) = written(&RawDefinition::default()) else { unreachable!() };
    let empty: Vec<_> = empty.iter().filter(|(_, value)| **value != json!({})).collect();
    assert!(empty.is_empty(), "{empty:?}");
}
