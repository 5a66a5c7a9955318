//! How fast and how small, next to the tools that do the same on a Debian machine.
//!
//! The contract: every figure printed was measured in this run. The sides of a race run in turn, so
//! that a busy machine slows all of them; medians are compared. Each side starts from nothing but
//! its inputs: packages that were fetched before. Fetched is what `cvmkit vendor` leaves in an empty
//! store: each package verified, decoded and sealed. The same build of packages that are there as
//! files only has a row of its own.
//!
//! Deliberately absent: a verdict in the exit code, since a shared machine is no judge.
//!
//! Oracle: GNU time for CPU seconds and memory, the kernel's monotonic clock for the wall.

pub(crate) mod inputs;
mod mirror;
mod race;

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::demo::{self, Artifacts};
use crate::{Workspace, oracles, step};
use inputs::Inputs;
use race::{Figures, Race, Side};

/// Where the profiles that come with the program are, one to a file.
const PROFILES: &str = "crates/attest/profiles";

/// Numbers of vCPUs of a run of all profiles.
const VCPUS: &str = "1,2,4,8,16,32,64,128";

/// Seconds allowed for one.
const REFERENCE_MAX: f64 = 0.5;

/// Seconds allowed for unpacking the packages of the minimal image with their scripts evaluated.
const EVALUATION_MAX: f64 = 0.15;

/// Peak memory allowed for a whole build, in MiB.
const MEMORY_MAX: f64 = 400.0;

/// The packages of the peers that are timed.
const PEERS: [&str; 5] = ["mmdebstrap", "squashfs-tools", "cryptsetup-bin", "dpkg", "time"];

/// The zstd level of both squashfs writers: what a definition has by default.
const LEVEL: &str = "3";

/// What people glue together for a verity root: `$1` packages, `$2` product, `$3` suite, `$4` level.
const PIPELINE: &str = "\
set -e
mkdir \"$2\"
names=$(sed -n 's/^Package: //p' \"$1/Packages\" | sort -u | paste -sd,)
mmdebstrap --quiet --variant=essential --include=\"$names\" \
    \"$3\" \"$2/root\" \"deb [trusted=yes] copy:$1 ./\"
mksquashfs \"$2/root\" \"$2/rootfs\" -comp zstd -Xcompression-level \"$4\" \
    -noappend -quiet -no-progress
veritysetup format \"$2/rootfs\" \"$2/verity\" >\"$2/roothash\"
";

/// Unpacks every package of a folder and does no more: `$1` packages, `$2` product.
const UNPACK: &str = "\
set -e
mkdir \"$2\"
for deb in \"$1\"/*.deb; do dpkg-deb -x \"$deb\" \"$2\"; done
";

/// Ours against theirs.
#[derive(Clone)]
struct Comparison {
    name: &'static str,
    ours: Figures,
    theirs: Figures,
    /// Ours takes at most this part of the wall time of theirs.
    target: Option<f64>,
}

/// Runs every race, each side up to `runs` times, and prints the figures.
pub(crate) fn run(workspace: &Workspace, runs: usize) -> Result<()> {
    ensure!(runs > 0, "a benchmark needs at least one run");
    oracles::ensure(workspace, oracles::Need::Tests)?;
    step::announce("release builds");
    demo::build_cvmkit(workspace)?;
    let example = ["build", "--release", "--package", "cvmkit-formats", "--example"];
    let mut example = step::command("cargo", example);
    step::run(example.arg("squashfs_bench").current_dir(&workspace.root))?;
    let inputs = Inputs::make(workspace)?;
    let [whole, files_only] = whole_build(workspace, &inputs, runs)?;
    let peak = whole.ours.peak.max(files_only.ours.peak);
    let unpacked = unpack(&inputs, files_only.ours.clone(), runs)?;
    let mut comparisons = vec![whole, files_only, unpacked];
    comparisons.push(squashfs(workspace, &inputs, runs)?);
    comparisons.push(verity(workspace, &inputs, runs)?);
    comparisons.extend(launch_digests(workspace, &inputs, runs)?);
    let values = reference_values(workspace, &inputs, runs)?;
    let evaluated = evaluation(workspace, &inputs, runs)?;
    machine(workspace)?;
    table(&comparisons);
    println!("{evaluated}");
    sizes(&inputs)?;
    println!(
        "reference values of all {} profiles, {} vCPU counts: {:.3} s, CPU {:.3} s; target below \
         {REFERENCE_MAX} s: {}",
        profiles(workspace)?.len(),
        VCPUS.split(',').count(),
        values.wall,
        values.cpu,
        verdict(values.wall < REFERENCE_MAX)
    );
    println!(
        "peak memory of the whole build: {peak:.0} MiB for a root of {} MB; target below \
         {MEMORY_MAX} MiB: {}",
        inputs.root_len / 1_000_000,
        verdict(peak < MEMORY_MAX)
    );
    Ok(())
}

/// Definition and packages to a finished, measured disk, and the usual pipeline to a verity root.
/// First with packages as fetching leaves them, then with nothing but their files.
fn whole_build(workspace: &Workspace, inputs: &Inputs, runs: usize) -> Result<[Comparison; 2]> {
    let (out, theirs_out) = (inputs.product("ours"), inputs.product("theirs"));
    let ours = |store: &Path| {
        let mut ours = inputs.cvmkit(workspace, &["build", "--offline", "--quiet"]);
        ours.env("CVMKIT_STORE", store).arg(&inputs.recipe).arg("--out").arg(&out);
        ours
    };
    let mut theirs = shell(PIPELINE);
    theirs.arg("sh").args([&inputs.debs, &theirs_out]).args([&inputs.suite, LEVEL]);
    let (fetched, files) = (inputs.fetched(), inputs.files_only());
    let sides = vec![
        Side::new(ours(&fetched), [out.clone(), fetched.join("builds")]),
        Side::new(ours(&files), [out.clone(), files.join("builds"), files.join("decoded")]),
        Side::new(theirs, [theirs_out]),
    ];
    let race = Race { name: "whole build, packages fetched / mmdebstrap pipeline", sides };
    let [first, files_only, theirs] = race.run(runs)?;
    let cold = "the same, packages as files only, nothing decoded";
    Ok([
        Comparison { name: race.name, ours: first, theirs: theirs.clone(), target: Some(0.1) },
        Comparison { name: cold, ours: files_only, theirs, target: None },
    ])
}

/// The same packages, unpacked by dpkg-deb and no more. cvmkit has no command that does only that, so
/// the whole build of the same files, which does far more, stands for it.
fn unpack(inputs: &Inputs, ours: Figures, runs: usize) -> Result<Comparison> {
    let out = inputs.product("unpacked");
    let mut theirs = shell(UNPACK);
    theirs.arg("sh").args([&inputs.debs, &out]);
    let name = "dpkg-deb -x of every package";
    let [theirs] = Race { name, sides: vec![Side::new(theirs, [out])] }.run(runs)?;
    Ok(Comparison { name: "the same / dpkg-deb -x loop", ours, theirs, target: None })
}

fn squashfs(workspace: &Workspace, inputs: &Inputs, runs: usize) -> Result<Comparison> {
    let (ours_out, theirs_out) = squashfs_products(inputs);
    let mut ours = Command::new(workspace.target.join("release/examples/squashfs_bench"));
    ours.args([&inputs.root, &ours_out]).args(["zstd", LEVEL]);
    let mut theirs = step::command("mksquashfs", [&inputs.root, &theirs_out]);
    theirs.args(["-comp", "zstd", "-Xcompression-level", LEVEL]);
    theirs.args(["-no-xattrs", "-noappend", "-quiet", "-no-progress"]);
    versus("squashfs / mksquashfs, zstd level 3", ours, theirs, Some([ours_out, theirs_out]), runs)
}

fn squashfs_products(inputs: &Inputs) -> (PathBuf, PathBuf) {
    (inputs.product("ours.squashfs"), inputs.product("theirs.squashfs"))
}

fn verity(workspace: &Workspace, inputs: &Inputs, runs: usize) -> Result<Comparison> {
    let products = [inputs.product("ours.verity"), inputs.product("theirs.verity")];
    let mut ours = inputs.cvmkit(workspace, &["verity", "format"]);
    ours.args([&inputs.large, &products[0]]);
    let mut theirs = step::command("veritysetup", ["format"]);
    theirs.args([&inputs.large, &products[1]]);
    versus("verity / veritysetup, 1 GiB", ours, theirs, Some(products), runs)
}

/// What a guest of 4 vCPUs measures, by the usual tool and by a program on crate `sev`: one that boots
/// its kernel directly, and one that boots from its disk, of which the firmware is measured alone.
fn launch_digests(workspace: &Workspace, inputs: &Inputs, runs: usize) -> Result<Vec<Comparison>> {
    let mut examples = step::command("cargo", ["build", "--release", "--examples"]);
    examples.args(["--package", "cvmkit-measure", "--features", "cross-check"]);
    step::run(examples.current_dir(&workspace.root))?;
    let direct = Artifacts::find(&inputs.minimal)?.flags("4");
    let firmware_end = direct.iter().position(|flag| flag == "--kernel").unwrap_or(direct.len());
    let disk = &direct[..firmware_end];
    let names = [
        ["measure snp, kernel / sev-snp-measure", "measure snp, kernel / crate sev"],
        ["measure snp, disk / sev-snp-measure", "measure snp, disk / crate sev"],
    ];
    let races = names.into_iter().zip([&direct[..], disk]);
    let raced = races.map(|(names, flags)| launch_digest(workspace, inputs, names, flags, runs));
    let mut raced = raced.collect::<Result<Vec<_>>>()?.concat();
    let kernel = direct.get(firmware_end + 1).context("a direct boot has a kernel")?;
    let measured = raced.first().context("a race has figures")?.ours.clone();
    raced.push(kernel_hash(workspace, kernel, measured, runs)?);
    Ok(raced)
}

/// A direct boot next to the one part of it that every tool has to compute, on one processor.
fn kernel_hash(
    workspace: &Workspace,
    kernel: &OsStr,
    ours: Figures,
    runs: usize,
) -> Result<Comparison> {
    let mut floor = Command::new(workspace.target.join("release/examples/kernel_sha256"));
    floor.arg(kernel);
    let name = "measure snp, kernel / SHA-256 of the kernel alone";
    let [theirs] = Race { name, sides: vec![Side::new(floor, None)] }.run(runs)?;
    Ok(Comparison { name, ours, theirs, target: None })
}

fn launch_digest(
    workspace: &Workspace,
    inputs: &Inputs,
    names: [&'static str; 2],
    flags: &[OsString],
    runs: usize,
) -> Result<Vec<Comparison>> {
    let mut ours = inputs.cvmkit(workspace, &["measure", "snp"]);
    let mut tool = step::command(oracles::snp_measure(workspace), ["--mode", "snp"]);
    let mut on_sev = Command::new(workspace.target.join("release/examples/sev_measure"));
    let digests = [&mut ours, &mut tool, &mut on_sev].map(|side| step::output(side.args(flags)));
    let [ours_says, tool_says, sev_says] = digests;
    let (digest, by_tool, by_sev) = (ours_says?, tool_says?, sev_says?);
    ensure!(
        digest == by_tool && digest == by_sev,
        "not the same work: {digest} by cvmkit, {by_tool} by sev-snp-measure, {by_sev} by crate sev"
    );
    let sides = [ours, tool, on_sev].map(|side| Side::new(side, None)).into();
    let [ours, tool, on_sev] = Race { name: names[0], sides }.run(runs)?;
    Ok(vec![
        Comparison { name: names[0], ours: ours.clone(), theirs: tool, target: Some(0.1) },
        Comparison { name: names[1], ours, theirs: on_sev, target: Some(1.0 / 3.0) },
    ])
}

/// Every profile of the program for the minimal image; there is no peer that does this.
fn reference_values(workspace: &Workspace, inputs: &Inputs, runs: usize) -> Result<Figures> {
    let firmware =
        crate::inputs::Inputs::ensure(workspace, &workspace.cvmkit())?.generic_firmware();
    let header = workspace.root.join("crates/measure/tests/fixtures/se_header.bin");
    let mut ours = inputs.cvmkit(workspace, &["measure", "image", "--vcpus", VCPUS]);
    ours.args(["--format", "json", "--firmware"]).arg(firmware);
    ours.arg("--secure-execution").arg(header);
    let names = profiles(workspace)?;
    ours.args(names.iter().flat_map(|name| ["--profile", name])).arg(&inputs.minimal);
    let sides = vec![Side::new(ours, None)];
    let [figures] = Race { name: "reference values of all profiles", sides }.run(runs)?;
    Ok(figures)
}

/// The maintainer scripts of the minimal image, evaluated in one process: the fastest of all runs, since a
/// process that is interrupted is slower and never faster.
fn evaluation(workspace: &Workspace, inputs: &Inputs, runs: usize) -> Result<String> {
    step::announce("evaluation of the maintainer scripts of recipes/minimal");
    let example = ["build", "--release", "--package", "cvmkit-engine", "--example"];
    let mut example = step::command("cargo", example);
    step::run(example.arg("evaluation_bench").current_dir(&workspace.root))?;
    let program = workspace.target.join("release/examples/evaluation_bench");
    let mut bench = Command::new(program);
    bench.arg(inputs.minimal_debs(workspace)?).arg(runs.to_string());
    let line = step::output(&mut bench)?;
    let seconds = installation(&line).with_context(|| format!("no figure in `{line}`"))?;
    let reached = verdict(seconds < EVALUATION_MAX);
    Ok(format!("scripts evaluated: {line}; target below {EVALUATION_MAX} s: {reached}"))
}

/// The seconds of an installation with its scripts: `102 packages, 60 scripts: 0.1 s, ...`.
fn installation(line: &str) -> Option<f64> {
    line.split_once(": ")?.1.split(' ').next()?.parse().ok()
}

/// The names of all profiles.
fn profiles(workspace: &Workspace) -> Result<Vec<String>> {
    let files = demo::list(&workspace.root.join(PROFILES))?;
    Ok(files.iter().filter_map(|name| name.strip_suffix(".toml")).map(str::to_owned).collect())
}

/// Two commands that make the same thing, of which ours is to be no slower.
fn versus(
    name: &'static str,
    ours: Command,
    theirs: Command,
    products: Option<[PathBuf; 2]>,
    runs: usize,
) -> Result<Comparison> {
    let [our_product, their_product] = products.map_or([None, None], |both| both.map(Some));
    let sides = vec![Side::new(ours, our_product), Side::new(theirs, their_product)];
    let [ours, theirs] = Race { name, sides }.run(runs)?;
    Ok(Comparison { name, ours, theirs, target: Some(1.0) })
}

fn shell(script: &str) -> Command {
    step::command("sh", ["-c", script])
}

/// What the figures were measured on and against.
fn machine(workspace: &Workspace) -> Result<()> {
    step::announce("machine and versions");
    let line = |path: &str, key: &str| {
        let text = fs::read_to_string(path).unwrap_or_default();
        let found = text.lines().find(|line| line.starts_with(key)).unwrap_or_default();
        found.split_once(':').map_or("?", |(_, value)| value.trim()).to_owned()
    };
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    println!("  {} cores, {}", cores, line("/proc/cpuinfo", "model name"));
    println!("  memory {}", line("/proc/meminfo", "MemTotal"));
    println!("  load {}", fs::read_to_string("/proc/loadavg").unwrap_or_default().trim());
    println!("  {}", step::output(&mut step::command(workspace.cvmkit(), ["--version"]))?);
    for (package, version) in crate::apt::installed(&PEERS) {
        println!("  {package} {version}");
    }
    Ok(())
}

fn table(comparisons: &[Comparison]) {
    step::announce("medians: wall and CPU seconds of ours and theirs, ratios, target for the wall");
    for Comparison { name, ours, theirs, target } in comparisons {
        let ratio = ours.wall / theirs.wall;
        let target = target.map_or(String::new(), |target| {
            format!("  target {target:.2}: {}", verdict(ratio <= target))
        });
        println!(
            "{name:<51} wall {:8.4} / {:8.4} = {ratio:6.3}   CPU {:7.3} / {:7.3} = {:6.3}{target}",
            ours.wall,
            theirs.wall,
            ours.cpu,
            theirs.cpu,
            ours.cpu / theirs.cpu
        );
    }
}

/// How large our squashfs is next to theirs.
fn sizes(inputs: &Inputs) -> Result<()> {
    let len = |path: PathBuf| {
        fs::metadata(&path).map(|meta| meta.len()).with_context(|| format!("{}", path.display()))
    };
    let (ours, theirs) = squashfs_products(inputs);
    let (ours, theirs) = (len(ours)?, len(theirs)?);
    // Within 1 %, in whole bytes.
    let reached = ours * 100 <= theirs * 101;
    println!("squashfs size: {ours} bytes, mksquashfs {theirs}; target +1 %: {}", verdict(reached));
    Ok(())
}

fn verdict(reached: bool) -> &'static str {
    if reached { "reached" } else { "NOT reached" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_the_evaluation_has_its_seconds() {
        let line = "102 packages, 60 scripts: 0.1034 s, without scripts 0.0900 s, their evaluation 0.0134 s";
        assert_eq!(installation(line).map(f64::to_bits), Some(0.1034_f64.to_bits()));
        assert_eq!(installation("no packages in x"), None);
    }
}
