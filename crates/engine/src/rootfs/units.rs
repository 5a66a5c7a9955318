//! Enables and masks units as `systemctl --root` would: an evaluator of `[Install]` sections
//! (systemd.unit(5)).
//!
//! Nothing is enabled but what the definition names; what Debian's scripts would have enabled is
//! recorded. Units that packages want statically (`/usr/lib/systemd/system/*.wants`) start
//! nevertheless: that set boots to multi-user with no failed unit. In a production image every
//! way from the console or a host-provided socket to a shell is masked (`LOGIN_UNITS`,
//! `LOGIN_GENERATORS`).
//!
//! Oracle: `systemctl --root is-enabled`, and the links of `systemctl --root enable`.

use std::collections::{BTreeMap, BTreeSet};

use super::RootfsError;
use super::assembly::Assembly;
use super::native::Effects;
use crate::fault::near;

/// Where units are looked for, in systemd's order (systemd.unit(5), "Unit File Load Path").
const FOLDERS: &[&str] =
    &["/etc/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system"];

const CONFIGURATION: &str = "/etc/systemd/system";
const GENERATORS: &str = "/etc/systemd/system-generators";

/// Units that every image masks, with the reason.
const NEEDLESS_UNITS: &[(&str, &str)] =
    &[("ldconfig.service", "it fails on a read-only root, and the loader cache is not needed")];

/// Units that give a shell or a login prompt.
const LOGIN_UNITS: &[&str] = &[
    "autovt@.service",
    "console-getty.service",
    "container-getty@.service",
    "debug-shell.service",
    "emergency.service",
    "getty-static.service",
    "getty@.service",
    "rescue.service",
    "serial-getty@.service",
];

/// Generators that start such units, run commands, or open SSH to the host, from what the kernel
/// command line, the firmware or the virtual machine monitor says.
const LOGIN_GENERATORS: &[&str] = &[
    "systemd-debug-generator",
    "systemd-getty-generator",
    "systemd-run-generator",
    "systemd-ssh-generator",
];

/// Generators that every image masks, with the reason. A systemd without one does not mind.
const HOST_TRUSTING_GENERATORS: &[(&str, &str)] = &[(
    "systemd-gpt-auto-generator",
    "it mounts whatever partitions the disk says are /home, /var, /efi or swap, and the disk is the \
     host's",
)];

/// What the definition says about units.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Units {
    /// To enable, each with an `[Install]` section.
    pub enable: Vec<String>,
    /// To mask.
    pub mask: Vec<String>,
    /// What `default.target` is; Debian's `graphical.target`, which wants multi-user, when absent.
    pub default_target: Option<String>,
}

/// Masks and enables.
pub(super) fn apply(assembly: &mut Assembly<'_>, effects: &Effects) -> Result<(), RootfsError> {
    let request = assembly.request;
    for (generator, why) in HOST_TRUSTING_GENERATORS {
        mask_generator(assembly, generator)?;
        assembly.note(format!("masked {generator}: {why}"));
    }
    if !request.debug {
        close_logins(assembly)?;
    }
    for (unit, why) in NEEDLESS_UNITS {
        if find(assembly, unit).is_some() {
            mask(assembly, unit)?;
            assembly.note(format!("masked {unit}: {why}"));
        }
    }
    for unit in &request.units.mask {
        if find(assembly, unit).is_none() {
            return Err(missing(assembly, unit));
        }
        mask(assembly, unit)?;
    }
    if let Some(target) = &request.units.default_target {
        let path = find(assembly, target).ok_or_else(|| missing(assembly, target))?;
        assembly.link(&format!("{CONFIGURATION}/default.target"), &path)?;
    }
    let mut enabled = BTreeSet::new();
    for unit in &request.units.enable {
        enable(assembly, unit, &mut enabled, true)?;
    }
    for (package, unit) in &effects.units {
        if !enabled.contains(&unit.name) {
            let manager = if unit.user { "user unit " } else { "" };
            assembly.note(format!(
                "{manager}{} of {package} is not enabled: Debian does, the definition does not",
                unit.name
            ));
        }
    }
    Ok(())
}

fn close_logins(assembly: &mut Assembly<'_>) -> Result<(), RootfsError> {
    for unit in LOGIN_UNITS {
        mask(assembly, unit)?;
    }
    for generator in LOGIN_GENERATORS {
        mask_generator(assembly, generator)?;
    }
    assembly.note(format!(
        "production image: masked {} and {}",
        LOGIN_UNITS.join(", "),
        LOGIN_GENERATORS.join(", ")
    ));
    Ok(())
}

/// Files of the definition are placed last: none of them may open again what was closed.
pub(super) fn check_closed(assembly: &Assembly<'_>) -> Result<(), RootfsError> {
    let units = LOGIN_UNITS.iter().map(|unit| (*unit, CONFIGURATION));
    let generators = LOGIN_GENERATORS.iter().map(|generator| (*generator, GENERATORS));
    let logins = units.chain(generators).filter(|_| !assembly.request.debug);
    let trusting = HOST_TRUSTING_GENERATORS.iter().map(|(generator, _)| (*generator, GENERATORS));
    for (name, folder) in logins.chain(trusting) {
        let path = format!("{folder}/{name}");
        if assembly.target(&path).as_deref() != Some("/dev/null") {
            return refuse(name, format!("must stay masked, but `{path}` is something else"));
        }
    }
    Ok(())
}

fn mask_generator(assembly: &mut Assembly<'_>, generator: &str) -> Result<(), RootfsError> {
    let path = format!("{GENERATORS}/{generator}");
    if assembly.occupied(&path) { Ok(()) } else { assembly.link(&path, "/dev/null") }
}

fn mask(assembly: &mut Assembly<'_>, unit: &str) -> Result<(), RootfsError> {
    let path = format!("{CONFIGURATION}/{unit}");
    match assembly.target(&path).as_deref() {
        Some("/dev/null") => Ok(()),
        None if assembly.occupied(&path) => {
            refuse(unit, format!("can't be masked: `{path}` is a file of its own"))
        }
        _ => assembly.link(&path, "/dev/null"),
    }
}

fn refuse<T>(unit: &str, why: String) -> Result<T, RootfsError> {
    Err(RootfsError::Unit { unit: unit.to_owned(), why })
}

fn missing(assembly: &Assembly<'_>, unit: &str) -> RootfsError {
    let known: Vec<String> = FOLDERS.iter().flat_map(|folder| assembly.names(folder)).collect();
    let guess = near(unit, known.iter().map(String::as_str));
    let why = match guess {
        Some(guess) => format!("is not in the image; did you mean `{guess}`?"),
        None => "is not in the image".to_owned(),
    };
    RootfsError::Unit { unit: unit.to_owned(), why }
}

/// A unit's name in its parts: `getty@tty1.service` is `getty`, `tty1` and `service`.
struct Name<'a> {
    full: &'a str,
    prefix: &'a str,
    /// Empty for the template itself.
    instance: Option<&'a str>,
    suffix: &'a str,
}

impl<'a> Name<'a> {
    fn parse(full: &'a str) -> Result<Self, RootfsError> {
        let split = full.rsplit_once('.').filter(|(stem, suffix)| {
            !stem.is_empty() && SUFFIXES.contains(suffix) && !full.contains('/') && full.len() < 256
        });
        let Some((stem, suffix)) = split else {
            return refuse(
                full,
                format!("is no unit name: expected one of .{}", SUFFIXES.join(" .")),
            );
        };
        let (prefix, instance) = match stem.split_once('@') {
            Some((prefix, instance)) => (prefix, Some(instance)),
            None => (stem, None),
        };
        Ok(Self { full, prefix, instance, suffix })
    }

    fn template(&self) -> Option<String> {
        self.instance.map(|_| format!("{}@.{}", self.prefix, self.suffix))
    }

    fn is_template(&self) -> bool {
        self.instance == Some("")
    }
}

const SUFFIXES: &[&str] = &[
    "service",
    "socket",
    "target",
    "timer",
    "path",
    "mount",
    "automount",
    "swap",
    "slice",
    "scope",
    "device",
];

/// The path of a unit's file, be it a mask.
fn find(assembly: &Assembly<'_>, unit: &str) -> Option<String> {
    let at = |name: &str| {
        let mut paths = FOLDERS.iter().map(|folder| format!("{folder}/{name}"));
        paths.find(|path| assembly.occupied(path))
    };
    let template = Name::parse(unit).ok().and_then(|name| name.template());
    at(unit).or_else(|| template.and_then(|template| at(&template)))
}

/// The `[Install]` section.
type Install = BTreeMap<String, Vec<String>>;

/// Enables `unit`; one that is asked for must have something to install, one that another unit
/// lists in `Also=` need not.
fn enable(
    assembly: &mut Assembly<'_>,
    unit: &str,
    done: &mut BTreeSet<String>,
    asked_for: bool,
) -> Result<(), RootfsError> {
    if !done.insert(unit.to_owned()) {
        return Ok(());
    }
    let name = Name::parse(unit)?;
    let path = find(assembly, unit).ok_or_else(|| missing(assembly, unit))?;
    if assembly.target(&path).as_deref() == Some("/dev/null") {
        return refuse(
            unit,
            "is masked and to be enabled; in production login units are".to_owned(),
        );
    }
    let (path, install) = load(assembly, &name, &path)?;
    let instance = match (name.is_template(), install.get("DefaultInstance")) {
        (true, Some(values)) => values.first().cloned(),
        (true, None) if has_links(&install) => {
            return refuse(
                unit,
                "is a template: name an instance, such as `x@1.service`".to_owned(),
            );
        }
        _ => None,
    };
    let instantiated =
        instance.map(|instance| format!("{}@{instance}.{}", name.prefix, name.suffix));
    let name = Name::parse(instantiated.as_deref().unwrap_or(unit))?;
    if asked_for && !has_links(&install) && !install.contains_key("Also") {
        return refuse(
            unit,
            "has no [Install] section: it can't be enabled, other units want it".to_owned(),
        );
    }
    links(assembly, &name, &path, &install)?;
    for other in install.get("Also").into_iter().flatten() {
        let other = expand(other, &name)?;
        enable(assembly, &other, done, false)?;
    }
    Ok(())
}

fn has_links(install: &Install) -> bool {
    ["WantedBy", "RequiredBy", "UpheldBy", "Alias"].iter().any(|key| install.contains_key(*key))
}

fn links(
    assembly: &mut Assembly<'_>,
    name: &Name<'_>,
    path: &str,
    install: &Install,
) -> Result<(), RootfsError> {
    for (key, folder) in
        [("WantedBy", "wants"), ("RequiredBy", "requires"), ("UpheldBy", "upholds")]
    {
        for by in install.get(key).into_iter().flatten() {
            let by = expand(by, name)?;
            Name::parse(&by)?;
            assembly.link(&format!("{CONFIGURATION}/{by}.{folder}/{}", name.full), path)?;
        }
    }
    for alias in install.get("Alias").into_iter().flatten() {
        let alias = expand(alias, name)?;
        let parsed = Name::parse(&alias)?;
        if parsed.suffix != name.suffix {
            return refuse(name.full, format!("can't have the alias `{alias}` of another type"));
        }
        let link = format!("{CONFIGURATION}/{alias}");
        if assembly.target(&link).is_some_and(|target| target != path) {
            return refuse(name.full, format!("wants the alias `{alias}`, which another unit has"));
        }
        assembly.link(&link, path)?;
    }
    Ok(())
}

/// Follows links between unit files and reads `[Install]` of the file and its drop-ins.
fn load(
    assembly: &Assembly<'_>,
    name: &Name<'_>,
    path: &str,
) -> Result<(String, Install), RootfsError> {
    let mut path = path.to_owned();
    // An alias is a link in a unit folder; the links that are made point at the unit itself.
    for _ in 0..8 {
        let Some(target) = assembly.target(&path) else { break };
        let base = target.rsplit('/').next().unwrap_or_default();
        match find(assembly, base) {
            Some(next) if next != path => path = next,
            _ => break,
        }
    }
    let mut install = Install::new();
    let text = assembly.text(&path)?.unwrap_or_default();
    section(&text, &mut install);
    let mut folders: Vec<String> = vec![format!("{}.d", name.full)];
    folders.extend(name.template().map(|template| format!("{template}.d")));
    for folder in folders {
        for root in FOLDERS {
            for file in assembly.names(&format!("{root}/{folder}")) {
                if file.ends_with(".conf") {
                    let text = assembly.text(&format!("{root}/{folder}/{file}"))?;
                    section(&text.unwrap_or_default(), &mut install);
                }
            }
        }
    }
    Ok((path, install))
}

fn section(text: &str, install: &mut Install) {
    let mut inside = false;
    for line in text.replace("\\\n", " ").lines().map(str::trim) {
        if line.starts_with('[') {
            inside = line == "[Install]";
        } else if inside
            && !line.starts_with(['#', ';'])
            && let Some((key, value)) = line.split_once('=')
        {
            let values = install.entry(key.trim().to_owned()).or_default();
            values.extend(value.split_whitespace().map(str::to_owned));
        }
    }
    // An empty list installs nothing.
    install.retain(|_, values| !values.is_empty());
}

/// Specifiers of `[Install]` (systemd.unit(5), "Specifiers").
fn expand(text: &str, name: &Name<'_>) -> Result<String, RootfsError> {
    let mut expanded = String::new();
    let mut chars = text.chars();
    while let Some(next) = chars.next() {
        if next != '%' {
            expanded.push(next);
            continue;
        }
        let stem = name.full.strip_suffix(name.suffix).unwrap_or(name.full).trim_end_matches('.');
        match chars.next() {
            Some('%') => expanded.push('%'),
            Some('i') => expanded.push_str(name.instance.unwrap_or_default()),
            Some('p') => expanded.push_str(name.prefix),
            Some('n') => expanded.push_str(name.full),
            Some('N') => expanded.push_str(stem),
            Some('j') => expanded.push_str(name.prefix.rsplit('-').next().unwrap_or_default()),
            _ => return refuse(name.full, format!("has the specifier of `{text}`: not supported")),
        }
    }
    Ok(expanded)
}
