//! Evaluates the maintainer scripts of packages and prints how long that takes: `evaluation_bench DEBS [TIMES]`.
//!
//! What an installation takes without any script is printed beside it: packages are unpacked in both.
#![expect(clippy::disallowed_methods, reason = "a measuring tool that reads real packages")]

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, Result, bail, ensure};
use cvmkit_debian::deb::Deb;
use cvmkit_engine::packages::debian::{Package, Request, evaluate};
use cvmkit_formats::archive::tar;

/// The members of a control archive that are evaluated.
const SCRIPTS: [&str; 3] = ["preinst", "config", "postinst"];

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, folder, times @ ..] = arguments.as_slice() else {
        bail!("usage: evaluation_bench DEBS [TIMES]");
    };
    let times = times.first().map_or(Ok(5), |times| times.parse())?;
    let packages = packages(Path::new(folder))?;
    let mut bare = packages.clone();
    for package in &mut bare {
        package.control.files.retain(|name, _| !SCRIPTS.contains(&name.as_str()));
    }
    let count =
        |of: &Package| SCRIPTS.iter().filter(|name| of.control.files.contains_key(**name)).count();
    let scripts: usize = packages.iter().map(count).sum();
    let with = fastest(&packages, times)?;
    let without = fastest(&bare, times)?;
    println!(
        "{} packages, {scripts} scripts: {with:.4} s, without scripts {without:.4} s, their evaluation {:.4} s",
        packages.len(),
        with - without
    );
    Ok(())
}

/// The packages of a folder, as the store keeps them: their data archives decompressed.
fn packages(folder: &Path) -> Result<Vec<Package>> {
    let mut paths: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "deb") {
            paths.push(path);
        }
    }
    paths.sort();
    ensure!(!paths.is_empty(), "no packages in {}", folder.display());
    paths.iter().map(|path| package(path).with_context(|| path.display().to_string())).collect()
}

fn package(path: &Path) -> Result<Package> {
    let bytes = fs::read(path)?;
    let deb = Deb::parse(&bytes)?;
    let control = deb.control()?;
    let mut data = Vec::new();
    std::io::copy(&mut deb.data()?, &mut data)?;
    let entries = tar::entries(data.as_slice())?;
    let field = |name| control.fields.get(name).unwrap_or_default().to_owned();
    Ok(Package {
        name: field("Package"),
        version: field("Version"),
        architecture: field("Architecture"),
        control,
        entries,
        data: Arc::new(unnamed(&data)?),
    })
}

/// A file with these contents that has no name.
fn unnamed(contents: &[u8]) -> Result<File> {
    let mut file = tempfile::tempfile()?;
    file.write_all(contents)?;
    Ok(file)
}

/// The shortest of several installations, in seconds.
fn fastest(packages: &[Package], times: usize) -> Result<f64> {
    let request = Request { packages, architecture: "amd64", ..Request::default() };
    let mut fastest = f64::INFINITY;
    for _ in 0..times {
        let started = Instant::now();
        evaluate(&request)?;
        fastest = fastest.min(started.elapsed().as_secs_f64());
    }
    Ok(fastest)
}
