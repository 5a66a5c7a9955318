//! Holds what is linked in against `deny.toml`: licences, unwanted crates, sources, wildcards, and that the decisions
//! about advisories are of the versions that are locked.
//!
//! The contract: every crate that a shipped program or one of its build scripts links is judged, by
//! what its own manifest says. A licence expression that can't be read is refused. Deliberately
//! absent: licence texts, and the advisory database; cargo-deny reads both (ADR 9).
//!
//! Source: "SPDX Specification", annex "SPDX license expressions".

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::{Workspace, step};

/// What is passed on: the program, and what it carries.
const SHIPPED: [&str; 2] = ["cvmkit", "cvmkit-stage1"];

/// What `deny.toml` says, as far as it is checked here.
#[derive(Debug)]
struct Policy {
    licences: BTreeSet<String>,
    unwanted: BTreeMap<String, String>,
    registries: BTreeSet<String>,
    /// Identifier and reason of each advisory that is taken.
    advisories: Vec<(String, String)>,
}

/// A crate, as cargo describes it.
#[derive(Debug)]
struct Package {
    name: String,
    version: String,
    licence: Option<String>,
    source: Option<String>,
    /// Dependencies without a version.
    wildcards: Vec<String>,
}

/// Checks everything; the error lists all that is wrong.
pub(crate) fn check(workspace: &Workspace) -> Result<()> {
    let path = workspace.root.join("deny.toml");
    let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let policy = Policy::parse(&text)?;
    let arguments = ["metadata", "--format-version", "1", "--locked", "--filter-platform"];
    let mut cargo = step::command("cargo", arguments);
    cargo.arg("x86_64-unknown-linux-gnu").current_dir(&workspace.root);
    let metadata: Value = serde_json::from_str(&step::output(&mut cargo)?)?;
    let linked = linked(&metadata)?;
    let mut wrong: Vec<String> = linked.iter().flat_map(|package| policy.judge(package)).collect();
    wrong.extend(policy.stale_decisions(&linked));
    ensure!(wrong.is_empty(), "deny.toml does not allow:\n  {}", wrong.join("\n  "));
    println!("  {} crates linked in, as deny.toml allows", linked.len());
    Ok(())
}

impl Policy {
    fn parse(text: &str) -> Result<Self> {
        let table: toml::Table = toml::from_str(text).context("deny.toml")?;
        let list = |section: &str, key: &str| -> Result<Vec<toml::Value>> {
            let list = table.get(section).and_then(|section| section.get(key)?.as_array());
            Ok(list.with_context(|| format!("deny.toml has no list {section}.{key}"))?.clone())
        };
        let word = |value: &toml::Value, key: &str| -> Result<String> {
            let word = value.get(key).and_then(toml::Value::as_str);
            Ok(word.with_context(|| format!("deny.toml: {value} has no `{key}`"))?.to_owned())
        };
        let words = |section: &str, key: &str| -> Result<BTreeSet<String>> {
            let list = list(section, key)?;
            Ok(list.iter().filter_map(|value| value.as_str().map(str::to_owned)).collect())
        };
        let mut unwanted = BTreeMap::new();
        for value in list("bans", "deny")? {
            unwanted.insert(word(&value, "crate")?, word(&value, "reason")?);
        }
        let advisories = list("advisories", "ignore")?;
        let advisory = |value| Ok((word(value, "id")?, word(value, "reason")?));
        Ok(Self {
            licences: words("licenses", "allow")?,
            unwanted,
            registries: words("sources", "allow-registry")?,
            advisories: advisories.iter().map(advisory).collect::<Result<_>>()?,
        })
    }

    /// What is wrong with a crate.
    fn judge(&self, package: &Package) -> Vec<String> {
        let named = format!("{} {}", package.name, package.version);
        let mut wrong = Vec::new();
        match package.licence.as_deref().map(|text| is_allowed(text, &self.licences)) {
            Some(Ok(true)) => {}
            Some(Ok(false)) => {
                let licence = package.licence.as_deref().unwrap_or_default();
                wrong.push(format!("{named}: its licence, {licence}"));
            }
            Some(Err(error)) => wrong.push(format!("{named}: {error:#}")),
            None => wrong.push(format!("{named}: it names no licence")),
        }
        if let Some(reason) = self.unwanted.get(&package.name) {
            wrong.push(format!("{named}: {reason}"));
        }
        let registry = package.source.as_deref().map(|source| {
            source.strip_prefix("registry+").is_some_and(|url| self.registries.contains(url))
        });
        if registry == Some(false) {
            let source = package.source.as_deref().unwrap_or_default();
            wrong.push(format!("{named}: it comes from {source}"));
        }
        wrong.extend(package.wildcards.iter().map(|of| format!("{named}: any version of {of}")));
        wrong
    }

    /// Decisions that nobody took of what is locked now.
    fn stale_decisions(&self, linked: &[Package]) -> Vec<String> {
        let stale = self.advisories.iter().filter_map(|(id, reason)| {
            let decided = reason.split([',', ':']).next().unwrap_or_default();
            let is_locked =
                |package: &Package| decided == format!("{} {}", package.name, package.version);
            (!linked.iter().any(is_locked)).then(|| {
                format!(
                    "{id}: it was decided of `{decided}`, which is not linked in: decide it again"
                )
            })
        });
        stale.collect()
    }
}

/// Every crate that is linked into a shipped program, or into one of the build scripts and macros
/// that make it.
fn linked(metadata: &Value) -> Result<Vec<Package>> {
    let array = |value: &Value, key: &str| -> Result<Vec<Value>> {
        Ok(value[key].as_array().with_context(|| format!("cargo metadata has no `{key}`"))?.clone())
    };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let packages = array(metadata, "packages")?;
    let nodes = array(&metadata["resolve"], "nodes")?;
    let is_shipped = |package: &&Value| SHIPPED.contains(&text(&package["name"]).as_str());
    let mut queue: Vec<String> =
        packages.iter().filter(is_shipped).map(|package| text(&package["id"])).collect();
    ensure!(queue.len() == SHIPPED.len(), "the workspace has no {SHIPPED:?}");
    let mut seen = BTreeSet::new();
    while let Some(id) = queue.pop() {
        if !seen.insert(id.clone()) {
            continue;
        }
        let node = nodes.iter().find(|node| node["id"] == id.as_str());
        for dependency in array(node.with_context(|| id.clone())?, "deps")? {
            // A kind is null for what is linked, "build", or "dev", which nobody gets.
            if array(&dependency, "dep_kinds")?.iter().any(|kind| kind["kind"] != "dev") {
                queue.push(text(&dependency["pkg"]));
            }
        }
    }
    let of = packages.iter().filter(|package| seen.contains(&text(&package["id"])));
    of.map(|package| {
        let wildcards = array(package, "dependencies")?;
        let wildcards = wildcards.iter().filter(|dependency| {
            dependency["req"] == "*" && dependency["kind"] != "dev" && dependency["path"].is_null()
        });
        Ok(Package {
            name: text(&package["name"]),
            version: text(&package["version"]),
            licence: package["license"].as_str().map(str::to_owned),
            source: package["source"].as_str().map(str::to_owned),
            wildcards: wildcards.map(|dependency| text(&dependency["name"])).collect(),
        })
    })
    .collect()
}

/// Whether a licence expression can be met with these licences alone.
fn is_allowed(expression: &str, licences: &BTreeSet<String>) -> Result<bool> {
    // Before SPDX, a slash was an "or".
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let mut words = spaced.split_ascii_whitespace().peekable();
    let allowed = any_of(&mut words, licences)?;
    ensure!(words.next().is_none(), "its licence expression `{expression}` goes on");
    Ok(allowed)
}

type Words<'a> = std::iter::Peekable<std::str::SplitAsciiWhitespace<'a>>;

/// `all OR all ..`: `AND` binds tighter.
fn any_of(words: &mut Words<'_>, licences: &BTreeSet<String>) -> Result<bool> {
    let mut allowed = all_of(words, licences)?;
    while words.next_if_eq(&"OR").is_some() {
        allowed |= all_of(words, licences)?;
    }
    Ok(allowed)
}

fn all_of(words: &mut Words<'_>, licences: &BTreeSet<String>) -> Result<bool> {
    let mut allowed = one(words, licences)?;
    while words.next_if_eq(&"AND").is_some() {
        allowed &= one(words, licences)?;
    }
    Ok(allowed)
}

/// A licence, with or without an exception, or an expression in parentheses.
fn one(words: &mut Words<'_>, licences: &BTreeSet<String>) -> Result<bool> {
    match words.next() {
        Some("(") => {
            let allowed = any_of(words, licences)?;
            ensure!(words.next() == Some(")"), "a licence expression lacks a parenthesis");
            Ok(allowed)
        }
        None | Some("AND" | "OR" | "WITH" | ")") => bail!("a licence expression lacks a licence"),
        Some(licence) => {
            // An exception only adds permissions.
            if words.next_if_eq(&"WITH").is_some() {
                words.next().context("a licence expression lacks an exception")?;
            }
            Ok(licences.contains(licence))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> Policy {
        let text = r#"
[advisories]
ignore = [{ id = "RUSTSEC-1", reason = "rsa 0.9.10, 2026-11-27: no private key" }]
[licenses]
allow = ["MIT", "Apache-2.0", "Unicode-3.0"]
[bans]
deny = [{ crate = "openssl", reason = "one TLS stack" }]
[sources]
allow-registry = ["https://example.invalid/index"]
"#;
        Policy::parse(text).unwrap()
    }

    fn package(name: &str, licence: Option<&str>) -> Package {
        Package {
            name: name.into(),
            version: "1.0.0".into(),
            licence: licence.map(str::to_owned),
            source: Some("registry+https://example.invalid/index".into()),
            wildcards: Vec::new(),
        }
    }

    #[test]
    fn licence_expressions() {
        let allowed = |text: &str| is_allowed(text, &policy().licences).ok();
        for text in [
            "MIT",
            "GPL-2.0 OR MIT",
            "MIT/GPL-2.0",
            "(MIT OR GPL-3.0) AND Unicode-3.0",
            "Apache-2.0 WITH LLVM-exception",
            "GPL-2.0 AND GPL-3.0 OR MIT",
        ] {
            assert_eq!(allowed(text), Some(true), "{text}");
        }
        for text in ["GPL-2.0", "MIT AND LGPL-2.1", "(MIT OR Apache-2.0) AND GPL-3.0"] {
            assert_eq!(allowed(text), Some(false), "{text}");
        }
        for text in ["", "MIT OR", "MIT Apache-2.0", "(MIT", "MIT WITH", "AND MIT", ")"] {
            assert_eq!(allowed(text), None, "{text}");
        }
    }

    #[test]
    fn a_crate_is_refused_for_each_reason() {
        let policy = policy();
        assert_eq!(policy.judge(&package("a", Some("MIT"))), Vec::<String>::new());
        let one = |package: &Package, words: &str| {
            let wrong = policy.judge(package);
            assert!(wrong.len() == 1 && wrong[0].contains(words), "{wrong:?}");
        };
        one(&package("a", Some("LGPL-2.1")), "a 1.0.0: its licence, LGPL-2.1");
        one(&package("a", None), "names no licence");
        one(&package("a", Some("MIT OR")), "lacks a licence");
        one(&package("openssl", Some("MIT")), "one TLS stack");
        let source = Some("git+https://example.invalid/a".into());
        one(&Package { source, ..package("a", Some("MIT")) }, "comes from git+");
        one(
            &Package { wildcards: vec!["b".into()], ..package("a", Some("MIT")) },
            "any version of b",
        );
    }

    #[test]
    fn a_decision_is_of_one_version() {
        let locked = |version: &str| {
            let package = Package { version: version.into(), ..package("rsa", Some("MIT")) };
            policy().stale_decisions(&[package])
        };
        assert_eq!(locked("0.9.10"), Vec::<String>::new());
        assert!(locked("0.9.11")[0].contains("RUSTSEC-1"));
        assert_eq!(policy().stale_decisions(&[]).len(), 1);
    }

    #[test]
    fn tests_are_not_linked_in() {
        let node = |id: &str, deps: &[(&str, Value)]| {
            let deps: Vec<Value> = deps
                .iter()
                .map(|(pkg, kind)| serde_json::json!({ "pkg": pkg, "dep_kinds": [{ "kind": kind }] }))
                .collect();
            serde_json::json!({ "id": id, "deps": deps })
        };
        let names = ["cvmkit", "cvmkit-stage1", "linked", "script", "tested", "deep"];
        let packages: Vec<Value> = names
            .iter()
            .map(|name| {
                serde_json::json!({ "id": name, "name": name, "version": "1", "license": "MIT",
                                    "source": null, "dependencies": [] })
            })
            .collect();
        let (linked_kind, build, dev) = (Value::Null, Value::from("build"), Value::from("dev"));
        let nodes = [
            node("cvmkit", &[("linked", linked_kind.clone()), ("tested", dev)]),
            node("cvmkit-stage1", &[("script", build)]),
            node("linked", &[("deep", linked_kind)]),
            node("script", &[]),
            node("tested", &[]),
            node("deep", &[]),
        ];
        let metadata = serde_json::json!({ "packages": packages, "resolve": { "nodes": nodes } });
        let found: Vec<String> =
            linked(&metadata).unwrap().into_iter().map(|package| package.name).collect();
        assert_eq!(found, ["cvmkit", "cvmkit-stage1", "linked", "script", "deep"]);
    }
}
