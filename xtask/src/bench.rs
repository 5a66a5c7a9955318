//! How fast and how large, next to the tools that do the same on a Debian machine.
//!
//! Both sides of a pair run alternately in one session, so that a busy machine slows both; medians
//! are compared, and every figure printed was measured in this run. Packages are fetched before.
//!
//! Oracle for time and memory: GNU time (`%e` seconds, `%M` KiB of the largest process).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::demo::{self, Artifacts};
use crate::{Workspace, oracles, step};

/// Peak memory allowed for a 300 MB root, in MiB.
const MEMORY_MAX: f64 = 400.0;

/// The packages of the peers that are timed.
const PEERS: [&str; 5] = ["mmdebstrap", "squashfs-tools", "cryptsetup-bin", "dpkg", "time"];

/// Makes a flat archive of a folder of packages (sources.list(5), "exact path") that claims to be
/// the suite `$1`: mmdebstrap takes essential packages only from a suite of that name.
const INDEX: &str = "\
set -e
dpkg-scanpackages --multiversion . >Packages 2>index.log
set -- \"$1\" $(sha256sum <Packages) $(wc -c <Packages)
printf 'Suite: %s\\nCodename: %s\\n' \"$1\" \"$1\" >Release
printf 'SHA256:\\n %s %s Packages\\n' \"$2\" \"$4\" >>Release
";

/// What people glue together for a verity root: `$1` packages, `$2` product, `$3` suite.
const PIPELINE: &str = "\
set -e
mkdir \"$2\"
names=$(sed -n 's/^Package: //p' \"$1/Packages\" | sort -u | paste -sd,)
mmdebstrap --quiet --variant=essential --include=\"$names\" \
    \"$3\" \"$2/root\" \"deb [trusted=yes] copy:$1 ./\"
mksquashfs \"$2/root\" \"$2/rootfs\" -comp zstd -noappend -quiet -no-progress
veritysetup format \"$2/rootfs\" \"$2/verity\" >\"$2/roothash\"
";

/// Unpacks every package of a folder and does no more: `$1` packages, `$2` product.
const UNPACK: &str = "\
set -e
mkdir \"$2\"
for deb in \"$1\"/*.deb; do dpkg-deb -x \"$deb\" \"$2\"; done
";

/// One run of one command.
#[derive(Clone, Copy, Debug)]
struct Run {
    seconds: f64,
    /// Largest resident set, in MiB.
    memory: f64,
}

/// Two commands that make the same thing.
struct Pair {
    name: &'static str,
    /// Ours takes at most this part of the time of theirs.
    target: Option<f64>,
    ours: Command,
    theirs: Command,
    /// Removed before each run, so that both always start from nothing.
    products: Vec<PathBuf>,
}

/// The inputs of all pairs, made once.
struct Inputs {
    folder: PathBuf,
    recipe: PathBuf,
    /// The built image.
    image: PathBuf,
    /// The packages of the lock, as `.deb` files with an index.
    debs: PathBuf,
    /// The root file system, unpacked.
    root: PathBuf,
}

/// Runs every pair `runs` times and prints the figures.
pub(crate) fn run(workspace: &Workspace, runs: usize) -> Result<()> {
    ensure!(runs > 0, "a benchmark needs at least one run");
    oracles::ensure(workspace, oracles::Need::Tests)?;
    step::announce("release builds");
    demo::build_cvmkit(workspace)?;
    let example = ["build", "--release", "-p", "cvmkit-formats", "--example", "squashfs_bench"];
    step::run(step::command("cargo", example).current_dir(&workspace.root))?;
    let inputs = Inputs::make(workspace)?;
    let pairs = [
        whole_build(workspace, &inputs)?,
        squashfs(workspace, &inputs),
        verity(workspace, &inputs)?,
        unpack(workspace, &inputs),
        launch_digest(workspace, &inputs)?,
    ];
    machine();
    let mut figures = Vec::new();
    for pair in &pairs {
        step::announce(pair.name);
        figures.push(alternate(pair, runs)?);
    }
    table(&pairs, &figures);
    sizes(&inputs)?;
    let peak = figures.first().map_or(0.0, |(ours, _)| ours.memory);
    println!(
        "peak memory of the whole build: {peak:.0} MiB, target below {MEMORY_MAX} MiB: {}",
        verdict(peak < MEMORY_MAX)
    );
    Ok(())
}

impl Inputs {
    fn make(workspace: &Workspace) -> Result<Self> {
        step::announce("inputs: image, packages, unpacked root");
        let folder = workspace.target.join("bench");
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(&folder)?;
        let inputs = Self {
            recipe: workspace.root.join("recipes/minimal"),
            image: folder.join("image"),
            debs: folder.join("debs"),
            root: folder.join("root"),
            folder,
        };
        let cvmkit = workspace.cvmkit();
        let mut build = step::command(&cvmkit, ["build"]);
        step::run(build.arg(&inputs.recipe).arg("--out").arg(&inputs.image))?;
        let vendor = inputs.folder.join("vendor");
        step::run(step::command(&cvmkit, ["vendor"]).arg(&vendor).arg(&inputs.recipe))?;
        fs::create_dir_all(&inputs.debs)?;
        collect_debs(&vendor, &inputs.debs)?;
        let mut index = shell(INDEX);
        index.arg("sh").arg(suite(&inputs.recipe)?).current_dir(&inputs.debs);
        step::run(&mut index)?;
        let rootfs = demo::only(&inputs.image, ".rootfs")?;
        let mut unpack = step::command("unsquashfs", ["-quiet", "-no-progress", "-dest"]);
        // Without root it cannot make owners and device nodes, and says so with status 2.
        step::attempt(unpack.arg(&inputs.root).arg(rootfs))?;
        ensure!(inputs.root.join("usr").is_dir(), "unsquashfs made no root file system");
        Ok(inputs)
    }
}

/// Links every Debian package below a folder into another, by number; objects of a store have no
/// names, so packages are known by their first bytes (deb(5)).
fn collect_debs(from: &Path, to: &Path) -> Result<()> {
    for name in demo::list(from)? {
        let path = from.join(&name);
        if path.is_dir() {
            collect_debs(&path, to)?;
            continue;
        }
        let bytes = fs::read(&path)?;
        if bytes.starts_with(b"!<arch>\ndebian-binary") {
            let name = format!("{:04}.deb", demo::list(to)?.len());
            fs::copy(&path, to.join(name)).with_context(|| format!("{}", path.display()))?;
        }
    }
    Ok(())
}

/// Definition and packages to a finished disk, and the usual pipeline to a verity root.
fn whole_build(workspace: &Workspace, inputs: &Inputs) -> Result<Pair> {
    let (ours_out, theirs_out) = (inputs.folder.join("ours"), inputs.folder.join("theirs"));
    let mut ours = step::command(workspace.cvmkit(), ["build", "--offline", "--quiet"]);
    ours.arg(&inputs.recipe).arg("--out").arg(&ours_out);
    let mut theirs = shell(PIPELINE);
    theirs.arg("sh").arg(&inputs.debs).arg(&theirs_out).arg(suite(&inputs.recipe)?);
    Ok(Pair {
        name: "whole build / mmdebstrap + mksquashfs + veritysetup",
        target: Some(0.1),
        ours,
        theirs,
        products: vec![ours_out, theirs_out],
    })
}

/// The first suite a definition names.
fn suite(recipe: &Path) -> Result<String> {
    let definition = fs::read_to_string(recipe.join("image.toml"))?;
    let line = definition
        .lines()
        .find(|line| line.trim_start().starts_with("suite"))
        .context("recipes/minimal/image.toml names no suite")?;
    Ok(line.split('"').nth(1).context("a suite is a string")?.to_owned())
}

fn squashfs(workspace: &Workspace, inputs: &Inputs) -> Pair {
    let (ours_out, theirs_out) = squashfs_products(inputs);
    let mut ours = Command::new(workspace.target.join("release/examples/squashfs_bench"));
    ours.arg(&inputs.root).arg(&ours_out).args(["zstd", "15"]);
    let mut theirs = step::command("mksquashfs", [&inputs.root, &theirs_out]);
    theirs.args(["-comp", "zstd", "-Xcompression-level", "15", "-noappend", "-quiet"]);
    theirs.arg("-no-progress");
    Pair {
        name: "squashfs / mksquashfs, zstd level 15",
        target: Some(1.0),
        ours,
        theirs,
        products: vec![ours_out, theirs_out],
    }
}

fn squashfs_products(inputs: &Inputs) -> (PathBuf, PathBuf) {
    (inputs.folder.join("ours.squashfs"), inputs.folder.join("theirs.squashfs"))
}

fn verity(workspace: &Workspace, inputs: &Inputs) -> Result<Pair> {
    let data = demo::only(&inputs.image, ".rootfs")?;
    let (ours_out, theirs_out) =
        (inputs.folder.join("ours.verity"), inputs.folder.join("theirs.verity"));
    let mut ours = step::command(workspace.cvmkit(), ["verity", "format"]);
    ours.arg(&data).arg(&ours_out);
    let mut theirs = step::command("veritysetup", ["format"]);
    theirs.arg(&data).arg(&theirs_out);
    Ok(Pair {
        name: "verity format / veritysetup format",
        target: Some(1.0),
        ours,
        theirs,
        products: vec![ours_out, theirs_out],
    })
}

/// The whole build against only unpacking its packages.
fn unpack(workspace: &Workspace, inputs: &Inputs) -> Pair {
    let (ours_out, theirs_out) = (inputs.folder.join("again"), inputs.folder.join("unpacked"));
    let mut ours = step::command(workspace.cvmkit(), ["build", "--offline", "--quiet"]);
    ours.arg(&inputs.recipe).arg("--out").arg(&ours_out);
    let mut theirs = shell(UNPACK);
    theirs.arg("sh").arg(&inputs.debs).arg(&theirs_out);
    Pair {
        name: "whole build / dpkg-deb -x of its packages",
        target: None,
        ours,
        theirs,
        products: vec![ours_out, theirs_out],
    }
}

fn launch_digest(workspace: &Workspace, inputs: &Inputs) -> Result<Pair> {
    let flags = Artifacts::find(&inputs.image)?.flags("4");
    let mut ours = step::command(workspace.cvmkit(), ["measure", "snp"]);
    ours.args(&flags);
    let mut theirs = step::command(oracles::snp_measure(workspace), ["--mode", "snp"]);
    theirs.args(&flags);
    let name = "measure snp / sev-snp-measure";
    Ok(Pair { name, target: None, ours, theirs, products: Vec::new() })
}

fn shell(script: &str) -> Command {
    step::command("sh", ["-c", script])
}

/// Runs both sides in turn and returns the median of each; the last products stay.
fn alternate(pair: &Pair, runs: usize) -> Result<(Run, Run)> {
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..runs {
        pair.products.iter().try_for_each(|product| remove(product))?;
        let (a, b) = (timed(&pair.ours)?, timed(&pair.theirs)?);
        println!(
            "  ours {:8.2} s {:5.0} MiB   theirs {:8.2} s {:5.0} MiB",
            a.seconds, a.memory, b.seconds, b.memory
        );
        ours.push(a);
        theirs.push(b);
    }
    Ok((median(&ours), median(&theirs)))
}

fn remove(path: &Path) -> Result<()> {
    match fs::symlink_metadata(path) {
        Ok(meta) if meta.is_dir() => Ok(fs::remove_dir_all(path)?),
        Ok(_) => Ok(fs::remove_file(path)?),
        Err(_) => Ok(()),
    }
}

/// One run under GNU time, whose last line of standard error has the figures.
fn timed(command: &Command) -> Result<Run> {
    let mut time = step::command("time", ["--format", "%e %M", "--"]);
    time.arg(command.get_program()).args(command.get_args());
    let output = time.output().context("cannot start GNU time")?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{} failed: {}", step::shown(command), stderr.trim());
    let figures = stderr.trim_end().lines().next_back().unwrap_or_default();
    let (seconds, memory) = figures.split_once(' ').context("GNU time printed no figures")?;
    Ok(Run { seconds: seconds.parse()?, memory: memory.parse::<f64>()? / 1024.0 })
}

/// The middle of each figure; the lower middle of an even number.
fn median(runs: &[Run]) -> Run {
    let middle = |figure: fn(&Run) -> f64| {
        let mut figures: Vec<f64> = runs.iter().map(figure).collect();
        figures.sort_by(f64::total_cmp);
        figures.get(runs.len().saturating_sub(1) / 2).copied().unwrap_or(f64::NAN)
    };
    Run { seconds: middle(|run| run.seconds), memory: middle(|run| run.memory) }
}

/// What the figures were measured on and against.
fn machine() {
    step::announce("machine");
    let line = |path: &str, key: &str| {
        let text = fs::read_to_string(path).unwrap_or_default();
        let found = text.lines().find(|line| line.starts_with(key)).unwrap_or_default();
        found.split_once(':').map_or("?", |(_, value)| value.trim()).to_owned()
    };
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    println!("  {} cores, {}", cores, line("/proc/cpuinfo", "model name"));
    println!("  memory {}", line("/proc/meminfo", "MemTotal"));
    for (package, version) in crate::apt::installed(&PEERS) {
        println!("  {package} {version}");
    }
}

fn table(pairs: &[Pair], figures: &[(Run, Run)]) {
    step::announce("medians: ours, theirs, ratio");
    for (pair, (ours, theirs)) in pairs.iter().zip(figures) {
        let ratio = ours.seconds / theirs.seconds;
        let target = pair.target.map_or(String::new(), |target| {
            format!("  target {target}: {}", verdict(ratio <= target))
        });
        println!(
            "{:<52} {:8.2} s {:8.2} s  {ratio:6.3}{target}",
            pair.name, ours.seconds, theirs.seconds
        );
    }
}

/// How large our squashfs is next to theirs.
fn sizes(inputs: &Inputs) -> Result<()> {
    let (ours, theirs) = squashfs_products(inputs);
    let (ours, theirs) = (fs::metadata(ours)?.len(), fs::metadata(theirs)?.len());
    // Within 1 %, in whole bytes.
    let reached = ours * 100 <= theirs * 101;
    println!("squashfs size: {ours} bytes, mksquashfs {theirs}, target +1 %: {}", verdict(reached));
    Ok(())
}

fn verdict(reached: bool) -> &'static str {
    if reached { "reached" } else { "NOT reached" }
}
