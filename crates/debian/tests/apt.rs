//! The whole chain against apt on a real archive: signatures, indices, and the same selection as
//! `apt-get -s install` with an empty status file. The archive is the one the host's apt uses, or
//! `CVMKIT_MIRROR`; without network or apt the test is skipped.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test says what it found")]
#![expect(clippy::disallowed_types, clippy::disallowed_methods, reason = "runs apt")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Instant, SystemTime};

use cvmkit_debian::openpgp::{Keyring, Policy, verify};
use cvmkit_debian::packages::Index;
use cvmkit_debian::release::{PinPriority, Release};
use cvmkit_debian::resolver::{Options, Suite, resolve};

const SUITES: [&str; 4] = ["trixie", "trixie-updates", "trixie-security", "trixie-backports"];

const MINIMAL: [&str; 7] = [
    "systemd",
    "systemd-sysv",
    "udev",
    "dbus",
    "iproute2",
    "ca-certificates",
    "linux-image-cloud-amd64",
];

/// Beside [`MINIMAL`]: server sets, and some chosen for their virtual packages and alternatives.
const SETS: [&[&str]; 12] = [
    &[],
    &["openssh-server", "nginx-light", "podman", "chrony", "curl", "cryptsetup", "python3"],
    &["postgresql", "nginx", "redis-server"],
    &["qemu-guest-agent", "docker.io", "haproxy", "prometheus-node-exporter"],
    &["apache2", "php", "mariadb-server", "postfix"],
    &["mutt", "bsd-mailx", "logwatch", "default-jre-headless"],
    &["git", "build-essential", "cmake", "golang", "rustc"],
    &["libvirt-daemon-system", "qemu-system-x86", "ovmf", "swtpm"],
    &["tasksel", "task-ssh-server", "network-manager", "wpasupplicant"],
    &["emacs-nox", "vim", "tmux", "rsyslog", "logrotate", "cron", "fail2ban"],
    &["gnome-core", "libreoffice-calc", "firefox-esr"],
    &["nodejs", "npm", "rabbitmq-server", "bind9", "samba"],
];

fn skip(why: &str) {
    let required = std::env::var_os("CVMKIT_ORACLES").is_some_and(|value| value == "require");
    assert!(!required, "{why}");
    eprintln!("SKIPPED: {why}");
}

struct Apt {
    root: PathBuf,
}

impl Apt {
    /// A private apt: its own sources, lists and caches, nothing installed.
    fn new(root: &Path, mirror: &str) -> Self {
        for folder in ["lists/partial", "cache/archives/partial", "etc/parts"] {
            std::fs::create_dir_all(root.join(folder)).unwrap();
        }
        let keyring = root.join("keyring.gpg");
        let keys = include_bytes!("../keys/debian-archive-keyring.pgp");
        std::fs::write(&keyring, keys).unwrap();
        let sources = SUITES.map(|suite| {
            let archive = if suite.ends_with("-security") {
                format!("{mirror}-security")
            } else {
                mirror.into()
            };
            format!("deb [signed-by={}] {archive} {suite} main\n", keyring.display())
        });
        std::fs::write(root.join("sources.list"), sources.concat()).unwrap();
        std::fs::write(root.join("status"), "").unwrap();
        Self { root: root.to_owned() }
    }

    fn get(&self, arguments: &[&str]) -> Result<String, String> {
        let own = |name: &str, path: &str| format!("{name}={}", self.root.join(path).display());
        let options = [
            own("Dir::Etc::sourcelist", "sources.list"),
            own("Dir::Etc::sourceparts", "etc/parts"),
            own("Dir::Etc::preferencesparts", "etc/parts"),
            own("Dir::State::lists", "lists"),
            own("Dir::State::status", "status"),
            own("Dir::State::extended_states", "extended_states"),
            own("Dir::Cache", "cache"),
            "Dir::Etc::preferences=/nonexistent".to_owned(),
            "APT::Architecture=amd64".to_owned(),
            "APT::Architectures=amd64".to_owned(),
            "APT::Install-Recommends=false".to_owned(),
            "APT::Sandbox::User=".to_owned(),
            "Acquire::Languages=none".to_owned(),
            "Acquire::GzipIndexes=false".to_owned(),
            "Acquire::Retries=3".to_owned(),
        ];
        let output = Command::new("apt-get")
            .args(options.iter().flat_map(|option| ["-o", option]))
            .args(arguments)
            .env("LC_ALL", "C.UTF-8")
            .output()
            .map_err(|error| error.to_string())?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }

    /// The one list whose name ends so.
    fn list(&self, suite: &str, ending: &str) -> Vec<u8> {
        let lists = std::fs::read_dir(self.root.join("lists")).unwrap();
        let ending = format!("_dists_{suite}_{ending}");
        let found = lists.map(|entry| entry.unwrap().path());
        let path = found
            .filter(|path| path.to_string_lossy().ends_with(&ending))
            .collect::<Vec<_>>()
            .pop()
            .unwrap_or_else(|| panic!("no list {ending}"));
        std::fs::read(path).unwrap()
    }

    /// `name=version` of all that apt would install.
    fn simulate(&self, packages: &[&str]) -> Result<BTreeSet<String>, String> {
        let output = self.get(&[&["-s", "install"], packages].concat())?;
        let lines = output.lines().filter_map(|line| line.strip_prefix("Inst "));
        Ok(lines
            .map(|line| {
                let (name, rest) = line.split_once(" (").unwrap();
                format!("{name}={}", rest.split(' ').next().unwrap())
            })
            .collect())
    }
}

/// The host's own mirror of Debian.
fn mirror() -> Option<String> {
    if let Some(mirror) = std::env::var_os("CVMKIT_MIRROR") {
        return Some(mirror.to_string_lossy().trim_end_matches('/').to_owned());
    }
    let targets =
        Command::new("apt-get").args(["indextargets", "--format", "$(REPO_URI)"]).output();
    let targets = String::from_utf8(targets.ok()?.stdout).ok()?;
    let mut mirrors = targets.lines().map(|line| line.trim_end_matches('/'));
    mirrors.find(|uri| uri.ends_with("/debian")).map(str::to_owned)
}

/// Verifies a suite as the lock step does and answers its index.
fn verified(apt: &Apt, suite: &str, now: i64) -> (Vec<u8>, PinPriority) {
    let keyring = Keyring::debian().unwrap();
    let configured = keyring.fingerprints();
    let started = Instant::now();
    let signed =
        verify(&apt.list(suite, "InRelease"), &keyring, &Policy::new(&configured, now)).unwrap();
    let took = started.elapsed();
    let release = Release::parse(&signed.text).unwrap();
    release.check_freshness(now).unwrap();
    assert_eq!(release.codename.as_deref(), Some(suite));
    let packages = apt.list(suite, "main_binary-amd64_Packages");
    let listed = release.files["main/binary-amd64/Packages"];
    assert_eq!(listed.size, packages.len() as u64);
    assert_eq!(listed.sha256, cvmkit_formats::digest::Sha256::of(&packages));
    eprintln!("{suite}: {} signatures, verified in {took:?}", signed.good.len());
    (packages, release.pin_priority)
}

#[test]
fn the_selection_is_the_one_of_apt() {
    let Some(mirror) = mirror() else {
        return skip("apt is not installed, or has no Debian mirror");
    };
    let folder = tempfile::tempdir().unwrap();
    let apt = Apt::new(folder.path(), &mirror);
    if let Err(error) = apt.get(&["update"]) {
        return skip(&format!("the mirror can't be reached: {error}"));
    }
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let now = i64::try_from(now).unwrap();
    let texts = SUITES.map(|suite| verified(&apt, suite, now));
    let indices = texts.each_ref().map(|(text, priority)| {
        let started = Instant::now();
        let index = Index::parse(text).unwrap();
        let (count, mib) = (index.packages.len(), text.len() >> 20);
        eprintln!("{count} packages of {mib} MiB parsed in {:?}", started.elapsed());
        (index, *priority)
    });
    let suites: Vec<Suite<'_>> = SUITES
        .iter()
        .zip(&indices)
        .map(|(id, (index, priority))| Suite { id, priority: *priority, index })
        .collect();
    // apt resolves on one processor.
    let differences = |sets: &[&[&str]]| -> Vec<String> {
        let difference = |set: &&[&str]| {
            let found = compare(&apt, &suites, &[&MINIMAL[..], set].concat());
            found.map(|difference| format!("{set:?}: {difference}"))
        };
        sets.iter().filter_map(difference).collect()
    };
    let (one, other) = SETS.split_at(SETS.len() / 2);
    let different = std::thread::scope(|scope| {
        let half = scope.spawn(|| differences(one));
        [differences(other), half.join().unwrap()].concat()
    });
    assert!(different.is_empty(), "{}", different.join("\n"));
}

/// What differs between apt and the resolver for some requests.
fn compare(apt: &Apt, suites: &[Suite<'_>], requests: &[&str]) -> Option<String> {
    let started = Instant::now();
    let options = Options { architecture: "amd64", essential: true };
    let ours = resolve(suites, requests, &options);
    let took = started.elapsed();
    let mut essential: Vec<&str> = suites
        .iter()
        .flat_map(|suite| &suite.index.packages)
        .filter(|package| package.essential)
        .map(|package| package.name)
        .collect();
    essential.sort_unstable();
    essential.dedup();
    let theirs = apt.simulate(&[&essential[..], requests].concat());
    let ours = match (ours, &theirs) {
        (Ok(ours), Ok(_)) => ours,
        (Err(error), Err(_)) => {
            eprintln!("{requests:?}: both refuse: {error}");
            return None;
        }
        (Err(error), Ok(theirs)) => return Some(format!("apt: {}, we: {error}", theirs.len())),
        (Ok(ours), Err(error)) => {
            return Some(format!("apt: {error}, we: {}", ours.packages.len()));
        }
    };
    for selected in &ours.packages {
        assert!(ours.explain(selected.package.name).len() < 100);
    }
    let ours: BTreeSet<String> = ours
        .packages
        .iter()
        .map(|found| format!("{}={}", found.package.name, found.package.version))
        .collect();
    let theirs = theirs.unwrap_or_default();
    let more: Vec<_> = ours.difference(&theirs).collect();
    let less: Vec<_> = theirs.difference(&ours).collect();
    eprintln!("{} packages in {took:?}, apt {}", ours.len(), theirs.len());
    (!more.is_empty() || !less.is_empty()).then(|| format!("ours only {more:?}, apt only {less:?}"))
}
