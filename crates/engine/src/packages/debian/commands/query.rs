//! dpkg-query: what is installed (dpkg-query(1)).

use cvmkit_formats::archive::EntryKind;
use cvmkit_shell::Stop;
use cvmkit_shell::commands::Call;

use super::{State, System};
use crate::packages::debian::Package;
use crate::packages::debian::package::{ADMIN_DIRECTORY, info_name};

/// What is shown of each package without `--showformat`.
const DEFAULT_FORMAT: &str = "${binary:Package}\t${Version}\n";

/// `dpkg-query --show|--status|--listfiles|--search|--control-path ...`.
pub(super) fn dpkg_query(system: &mut System<'_, '_>, call: &mut Call<'_>) -> Result<u8, Stop> {
    let (mut action, mut format) = ("", DEFAULT_FORMAT.to_owned());
    let mut operands = Vec::new();
    let mut words = call.arguments().iter().map(|word| String::from_utf8_lossy(word).into_owned());
    while let Some(word) = words.next() {
        match word.as_str() {
            "-W" | "--show" => action = "show",
            "-s" | "--status" => action = "status",
            "-L" | "--listfiles" => action = "list",
            "-S" | "--search" => action = "search",
            "-c" | "--control-path" => action = "control",
            "-f" => format = words.next().unwrap_or_default(),
            option if option.starts_with("--showformat=") => {
                format = option["--showformat=".len()..].to_owned();
            }
            option if option.starts_with("-f") => {
                format = option[2..].strip_prefix('=').unwrap_or(&option[2..]).to_owned();
            }
            "--no-pager" => {}
            option if option.starts_with('-') => {
                return Err(call.unsupported(format!("the option {option}")));
            }
            _ => operands.push(word),
        }
    }
    if let Some(pattern) = operands.iter().find(|one| one.contains(['*', '?', '['])) {
        return Err(call.unsupported(format!("the pattern {pattern}")));
    }
    match action {
        "search" => search(system, call, &operands),
        "control" => control_path(system, call, &operands),
        "" => Err(call.unsupported("a call without an action")),
        action => each(system, call, action, &format, &operands),
    }
}

impl System<'_, '_> {
    /// A package by its name, which may have an architecture behind it; unless it is not unpacked yet.
    pub(super) fn installed(&self, name: &str) -> Option<(&Package, State)> {
        let (name, architecture) = name.split_once(':').unwrap_or((name, "any"));
        let package = *self.packages.get(name)?;
        let fits = ["any", "all", self.architecture, &package.architecture].contains(&architecture);
        Some((package, *self.states.get(name)?)).filter(|_| fits)
    }

    /// The package whose file is at a path, as the archive or the tree spells it.
    pub(super) fn owner(&self, path: &str) -> Option<String> {
        let canonical = self.assembly.tree.canonical(path.as_bytes()).ok()?;
        self.assembly.owners.get(&canonical).cloned()
    }

    /// Has a file that moved keep its owner.
    pub(super) fn move_owner(&mut self, from: &str, to: &str) {
        let canonical = |path: &str| self.assembly.tree.canonical(path.as_bytes()).ok();
        let (Some(from), Some(to)) = (canonical(from), canonical(to)) else { return };
        if let Some(owner) = self.assembly.owners.remove(&from) {
            self.assembly.owners.insert(to, owner);
        }
    }
}

/// Fields that make a name known to dpkg, whether a package of it was ever there or not.
const RELATIONS: [&str; 9] = [
    "Breaks",
    "Conflicts",
    "Depends",
    "Enhances",
    "Pre-Depends",
    "Provides",
    "Recommends",
    "Replaces",
    "Suggests",
];

/// The head of a list whose names are short (`dpkg-query --list`).
const LIST: &str = "\
Desired=Unknown/Install/Remove/Purge/Hold
| Status=Not/Inst/Conf-files/Unpacked/halF-conf/Half-inst/trig-aWait/Trig-pend
|/ Err?=(none)/Reinst-required (Status,Err: uppercase=bad)
||/ Name           Version      Architecture Description
+++-==============-============-============-=================================
";

/// The width of a name in such a list.
const NAME_MAX: usize = 14;

/// `dpkg -l NAME` of a package that is not there: one that another names is listed as unknown (dpkg-query 1.22).
pub(super) fn list(
    system: &mut System<'_, '_>,
    call: &mut Call<'_>,
    name: &str,
) -> Result<u8, Stop> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
    if system.states.contains_key(name) || !name.chars().all(is_name) || name.len() > NAME_MAX {
        return Err(call.unsupported(format!("-l {name}")));
    }
    let mut fields = system.states.keys().filter_map(|name| system.packages.get(name.as_str()));
    let is_named = fields.any(|package| {
        let fields = package.control.fields.fields();
        let mut values = fields.filter(|(field, _)| RELATIONS.contains(field));
        values.any(|(_, value)| {
            let names = value.split([',', '|']).map(str::trim_start);
            let mut names = names.map(|one| one.split(|c| !is_name(c)).next().unwrap_or_default());
            names.any(|one| one == name)
        })
    });
    if !is_named {
        call.print_error(format!("dpkg-query: no packages found matching {name}\n").as_bytes());
        return Ok(1);
    }
    let line = format!("un  {name:<14} <none>       <none>       (no description available)\n");
    call.print(format!("{LIST}{line}").as_bytes());
    Ok(0)
}

/// The path of a control file in dpkg's database, if the package has the file.
fn control_path(
    system: &System<'_, '_>,
    call: &mut Call<'_>,
    operands: &[String],
) -> Result<u8, Stop> {
    let [name, file] = operands else {
        return Err(call.unsupported("--control-path without one file"));
    };
    let Some((package, _)) = system.installed(name) else {
        call.complain(&format!("package '{name}' is not installed"));
        return Ok(1);
    };
    if package.control.files.contains_key(file) {
        let path = format!("{ADMIN_DIRECTORY}/info/{}.{file}\n", info_name(package));
        call.print(path.as_bytes());
    }
    Ok(0)
}

/// The words of `Status` (dpkg(1), "Package states").
fn words(state: State) -> &'static str {
    match state {
        State::Unpacked => "install ok unpacked",
        State::Installed => "install ok installed",
    }
}

fn each(
    system: &mut System<'_, '_>,
    call: &mut Call<'_>,
    action: &str,
    format: &str,
    names: &[String],
) -> Result<u8, Stop> {
    let mut status = 0;
    for name in names {
        let Some((package, state)) = system.installed(name) else {
            match action {
                "show" => call.complain(&format!("no packages found matching {name}")),
                _ => call.complain(&format!("package '{name}' is not installed")),
            }
            status = 1;
            continue;
        };
        let text = match action {
            "show" => shown(call, package, state, format)?,
            "status" => {
                let first = format!("Package: {}\nStatus: {}\n", package.name, words(state));
                let fields = package.control.fields.fields().filter(|(name, _)| *name != "Package");
                fields.fold(first, |text, (name, value)| format!("{text}{name}: {value}\n"))
            }
            _ => {
                let paths = package.entries.iter().map(|entry| entry.path.as_slice());
                let lines = paths.map(|path| match path {
                    b"" => "/.\n".to_owned(),
                    path => format!("/{}\n", String::from_utf8_lossy(path)),
                });
                lines.collect()
            }
        };
        call.print(text.as_bytes());
    }
    Ok(status)
}

/// A format with its fields put in.
fn shown(call: &Call<'_>, package: &Package, state: State, format: &str) -> Result<String, Stop> {
    let qualified = match package.control.fields.get("Multi-Arch") {
        Some("same") => format!("{}:{}", package.name, package.architecture),
        _ => package.name.clone(),
    };
    let mut text = String::new();
    let mut rest = format;
    while let Some((before, behind)) = rest.split_once("${") {
        let (field, behind) = behind.split_once('}').unwrap_or((behind, ""));
        text += &escaped(before);
        let status = words(state);
        text += match field {
            "Status" => status,
            "db:Status-Want" => "install",
            "db:Status-Eflag" => "ok",
            "db:Status-Status" => status.rsplit(' ').next().unwrap_or_default(),
            "db:Status-Abbrev" if state == State::Installed => "ii ",
            "db:Status-Abbrev" => "iU ",
            "binary:Package" => &qualified,
            field if field.contains([';', ':']) => {
                return Err(call.unsupported(format!("the field {field}")));
            }
            // A field that the package does not have is empty.
            field => package.control.fields.get(field).unwrap_or_default(),
        };
        rest = behind;
    }
    Ok(text + &escaped(rest))
}

/// `\n` and `\t` as dpkg-query(1) reads them.
fn escaped(text: &str) -> String {
    text.replace("\\n", "\n").replace("\\t", "\t").replace("\\\\", "\\")
}

/// The packages that have a path, one in each line.
fn search(system: &mut System<'_, '_>, call: &mut Call<'_>, paths: &[String]) -> Result<u8, Stop> {
    let mut status = 0;
    for path in paths {
        if !path.starts_with('/') {
            return Err(call.unsupported(format!("the pattern {path}")));
        }
        let bare = path.trim_start_matches('/').as_bytes();
        let has = |package: &&&Package| {
            let mut entries = package.entries.iter();
            entries.any(|entry| entry.path == bare && !matches!(entry.kind, EntryKind::Directory))
        };
        let unpacked = |package: &&&Package| system.states.contains_key(&package.name);
        let found: Vec<&str> = system
            .packages
            .values()
            .filter(unpacked)
            .filter(has)
            .map(|package| package.name.as_str())
            .collect();
        match found.as_slice() {
            [] => {
                call.complain(&format!("no path found matching pattern {path}"));
                status = 1;
            }
            found => call.print(format!("{}: {path}\n", found.join(", ")).as_bytes()),
        }
    }
    Ok(status)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packages::debian::commands::tests::{machine, run};
    use crate::packages::debian::tests::{package, with_script};
    use crate::rootfs;

    /// dpkg-query(1): what is not unpacked yet is not known.
    #[test]
    fn packages_are_known_as_far_as_they_are() {
        let request = rootfs::Request::default();
        let mut assembly = machine(&request, &[("/usr/share/debconf/confmodule", "")]);
        let packages = [
            package(
                "p",
                "Multi-Arch: same\nDescription: one\n two\n",
                &[("opt/", ""), ("opt/p", "")],
            ),
            with_script(
                package("q", "Multi-Arch: foreign\n", &[]),
                "templates",
                "Template: q/a\nType: note\n",
            ),
            package("r", "", &[]),
            package("s", "Suggests: a | nis (>= 1),\n b\n", &[]),
        ];
        let mut system = System::new(&mut assembly, &packages, "amd64");
        system.set_state("p", State::Installed);
        system.set_state("q", State::Unpacked);
        system.set_state("s", State::Unpacked);
        for (script, expected) in [
            (
                "dpkg-query -W -f '${Package} ${Version} ${Status}\\n' p",
                "p 1.0 install ok installed\n",
            ),
            ("dpkg-query --show --showformat='${db:Status-Status}' q", "unpacked"),
            (
                "dpkg-query -W -f='${binary:Package}-${db:Status-Abbrev}|${None}' p q",
                "p:amd64-ii |q-iU |",
            ),
            ("dpkg-query -W p q", "p:amd64\t1.0\nq\t1.0\n"),
            ("dpkg-query -W r 2>&1; echo $?", "dpkg-query: no packages found matching r\n1\n"),
            ("dpkg -s none >/dev/null 2>&1; echo $?", "1\n"),
            (
                "dpkg -s p",
                "Package: p\nStatus: install ok installed\nVersion: 1.0\nArchitecture: amd64\n\
                 Multi-Arch: same\nDescription: one\n two\n",
            ),
            ("dpkg -L p", "/opt\n/opt/p\n"),
            ("dpkg-query -S /opt/p; dpkg -S /opt >/dev/null 2>&1; echo $?", "p: /opt/p\n1\n"),
            (
                "dpkg-query --control-path q templates; dpkg-query -c q postinst; dpkg-query -c r md5sums 2>&1; echo $?",
                "/var/lib/dpkg/info/q.templates\ndpkg-query: package 'r' is not installed\n1\n",
            ),
            (
                ". /usr/share/debconf/confmodule; db_get q/a || echo $? >&3; db_x_loadtemplatefile \
                 $(dpkg-query --control-path q templates) q; db_get q/a; echo \"$?$RET\" >&3",
                "10\n0\n",
            ),
            ("dpkg -l r 2>&1; echo $?", "dpkg-query: no packages found matching r\n1\n"),
            (
                "dpkg -l nis | grep ^un",
                "un  nis            <none>       <none>       (no description available)\n",
            ),
            (
                "dpkg -l b | while read -r a rest; do echo $a; done",
                "Desired=Unknown/Install/Remove/Purge/Hold\n|\n|/\n||/\n+++-==============-============-============-=================================\nun\n",
            ),
            ("dpkg-query -W p:amd64 p:arm64 2>/dev/null; echo $?", "p:amd64\t1.0\n1\n"),
        ] {
            let finished =
                run(&mut system, script).unwrap_or_else(|stop| panic!("{script}: {stop}"));
            assert_eq!(String::from_utf8(finished.output).unwrap(), expected, "{script}");
        }
    }
}
