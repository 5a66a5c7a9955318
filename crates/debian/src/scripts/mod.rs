//! Classifies the maintainer scripts of a package, so that what they do can be done natively.
//!
//! A script is never run. Blocks that debhelper generated are recognised line by line; what is left
//! (the *residual*) is looked up by SHA-256 in a compiled-in table of recipes. A residual nobody has
//! read is an error: on an image that is measured, "probably harmless" is not an answer.
//!
//! Only `preinst install` and `postinst configure` matter for an image made from nothing. `prerm`
//! and `postrm` never run on one, and `config` only asks questions; all three are left out on
//! purpose. Deliberately absent: running scripts, evaluating shell, upgrades.
//!
//! Oracle: the tree that dpkg leaves behind after running the same scripts.

mod alternatives;
mod blocks;
mod effects;
mod kind;
mod recipes;
mod triggers;
mod trixie;

use sha2::{Digest, Sha256};
use thiserror::Error;

pub use alternatives::{Alternative, AlternativeError, AlternativeLink};
pub use effects::{Access, AppArmorLocal, Effects, EnabledUnit, Native};
pub use kind::{ScriptKind, of_control};
pub use triggers::{UnknownTrigger, check_triggers};

/// A script does something that no recipe covers.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error(
    "no recipe for the {} of `{package}` (SHA-256 {sha256} of the script without its generated \
     blocks):\n{text}",
    script.file_name()
)]
#[non_exhaustive]
pub struct UnknownScript {
    /// The package whose script it is.
    pub package: String,
    /// Which of its scripts.
    pub script: ScriptKind,
    /// SHA-256 of `text`, in lower-case hexadecimal.
    pub sha256: String,
    /// The residual: what has to be understood before the package can be used.
    pub text: String,
}

/// Says what `text`, a maintainer script of `package`, does on a fresh image.
///
/// # Errors
/// [`UnknownScript`] when the residual has no recipe, or a recipe promises alternatives that are not
/// literals.
pub fn classify(
    package: &str,
    script: ScriptKind,
    text: &[u8],
) -> Result<Effects, Box<UnknownScript>> {
    let text = String::from_utf8_lossy(text);
    let mut effects = Effects::default();
    let residual = residual(package, &text, &mut effects);
    if residual.is_empty() {
        return Ok(effects);
    }
    let sha256 = hex::encode(Sha256::digest(&residual));
    let unknown = || {
        Box::new(UnknownScript {
            package: package.to_owned(),
            script,
            sha256: sha256.clone(),
            text: residual.clone(),
        })
    };
    let recipe = trixie::find(&family(package), script, &sha256).ok_or_else(unknown)?;
    if recipe.effects.contains(&Native::Alternatives) {
        effects.alternatives.extend(alternatives::parse(&residual).map_err(|_| unknown())?);
    }
    effects.native.extend(recipe.effects);
    effects.why = recipe.why;
    Ok(effects)
}

/// What the generated blocks alone do, for a script whose residual was decided to be skipped.
#[must_use]
pub fn generated(package: &str, text: &[u8]) -> Effects {
    let mut effects = Effects::default();
    let _residual = residual(package, &String::from_utf8_lossy(text), &mut effects);
    effects
}

/// What is left of a script when the generated blocks are taken away and, unless it has a here
/// document whose lines are data, comments and blank lines too. Empty when the rest does nothing.
fn residual(package: &str, text: &str, effects: &mut Effects) -> String {
    let keeps_comments = text.contains("<<");
    let mut left: Vec<String> = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(tool) = blocks::opens(line) {
            let body: Vec<&str> = lines.by_ref().take_while(|line| !blocks::closes(line)).collect();
            match blocks::recognise(tool, &body) {
                Some(found) => blocks::add(found, effects),
                None => left.extend(body.into_iter().map(str::to_owned)),
            }
            continue;
        }
        let bare = line.trim();
        if keeps_comments || !(bare.is_empty() || bare.starts_with('#')) {
            left.push(line.trim_end().to_owned());
        }
    }
    if left.iter().all(|line| is_inert(line.trim())) {
        return String::new();
    }
    let text = left.join("\n");
    match kernel_release(package) {
        Some(release) => text.replace(release, KERNEL),
        None => text,
    }
}

/// Stands for the kernel's release in the name and the scripts of a kernel package, which change with
/// every version.
const KERNEL: &str = "@KERNEL@";

fn kernel_release(package: &str) -> Option<&str> {
    package
        .strip_prefix("linux-image-")
        .filter(|release| release.starts_with(|first: char| first.is_ascii_digit()))
}

/// The name a package's recipes go by.
fn family(package: &str) -> String {
    match kernel_release(package) {
        Some(release) => package.replace(release, KERNEL),
        None => package.to_owned(),
    }
}

/// True for a line that can't change a file, whatever lines of the same kind stand around it: the
/// skeleton that `dh_make` starts scripts with.
fn is_inert(line: &str) -> bool {
    const LINES: &[&str] = &[
        "",
        "set -e",
        "set -eu",
        "set +eu",
        "umask 022",
        "exit 0",
        "exit 1",
        "case \"$1\" in",
        "case $1 in",
        "esac",
        ";;",
        ":",
        // Debconf is not there while an image is made; its front end only asks.
        ". /usr/share/debconf/confmodule",
        "db_version 2.0",
        "db_stop",
    ];
    let is_pattern = |line: &str| {
        line.strip_suffix(')').is_some_and(|pattern| {
            pattern.trim_start_matches('(').split('|').map(str::trim).all(|word| {
                word == "*" || word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')
            })
        })
    };
    // `echo "postinst called with unknown argument \`$1'" >&2`, maybe with the package's name in it;
    // nothing in front of it may mean anything to the shell.
    let is_complaint = |line: &str| {
        let said = line.strip_prefix("echo \"").and_then(|rest| rest.strip_suffix(">&2"));
        let said = said
            .map(str::trim_end)
            .and_then(|rest| rest.strip_suffix("inst called with unknown argument \\`$1'\""));
        said.is_some_and(|who| {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b" +-.:_".contains(&byte);
            who.starts_with('p') && who.bytes().all(plain)
        })
    };
    line.starts_with('#') || LINES.contains(&line) || is_pattern(line) || is_complaint(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DBUS: &str = "#!/bin/sh\nset -e\n# Automatically added by dh_installsystemd/13.24.2\n\
        if [ \"$1\" = \"configure\" ] || [ \"$1\" = \"abort-upgrade\" ] || \
        [ \"$1\" = \"abort-deconfigure\" ] || [ \"$1\" = \"abort-remove\" ] ; then\n\
        \tif deb-systemd-helper --quiet was-enabled 'x.service'; then\n\
        \t\tdeb-systemd-helper enable 'x.service' >/dev/null || true\n\
        \tfi\nfi\n# End automatically added section\n\nexit 0\n";

    #[test]
    fn generated_blocks_need_no_recipe() {
        let effects = classify("x", ScriptKind::Postinst, DBUS.as_bytes()).unwrap();
        assert_eq!(effects.units, [EnabledUnit { name: "x.service".into(), user: false }]);
        assert_eq!(effects.native, []);
    }

    #[test]
    fn a_foreign_line_in_a_generated_block_is_unknown() {
        let text = DBUS.replace("\tfi\nfi", "\tfi\n\trm -rf /var/lib/x\nfi");
        let error = classify("x", ScriptKind::Postinst, text.as_bytes()).unwrap_err();
        assert!(error.text.contains("rm -rf /var/lib/x"), "{error}");
        let text = DBUS.replace("'x.service' >", "'x.service'; touch '/x' >");
        assert!(classify("x", ScriptKind::Postinst, text.as_bytes()).is_err());
    }

    #[test]
    fn a_disabled_unit_is_not_enabled() {
        let text = DBUS.replace("--quiet was-enabled", "debian-installed");
        let effects = classify("x", ScriptKind::Postinst, text.as_bytes()).unwrap();
        assert_eq!(effects.units, []);
    }

    #[test]
    fn an_unknown_residual_is_an_error_with_its_text() {
        let text = "#!/bin/sh\n# comment\n\nset -e\nuseradd x\n";
        let error = classify("x", ScriptKind::Preinst, text.as_bytes()).unwrap_err();
        assert_eq!(error.text, "set -e\nuseradd x");
        assert_eq!(error.sha256, hex::encode(Sha256::digest("set -e\nuseradd x")));
        // The lines of a here document are data: a changed one must be noticed.
        let with_here = |line: &str| format!("#!/bin/sh\ncat >/etc/x <<E\n# {line}\nE\n");
        let hash =
            |text: String| classify("x", ScriptKind::Preinst, text.as_bytes()).unwrap_err().sha256;
        assert_ne!(hash(with_here("a")), hash(with_here("b")));
    }

    #[test]
    fn skeletons_do_nothing() {
        let text = "#!/bin/sh\nset -e\ncase \"$1\" in\n  configure)\n  ;;\n  \
            abort-upgrade|abort-remove|abort-deconfigure)\n  ;;\n  *)\n    \
            echo \"postinst called with unknown argument \\`$1'\" >&2\n    exit 1\n  ;;\nesac\n\
            exit 0\n";
        assert_eq!(
            classify("x", ScriptKind::Postinst, text.as_bytes()).unwrap(),
            Effects::default()
        );
        let text = text.replace("configure)\n", "configure)\n $(reboot)\n");
        assert!(classify("x", ScriptKind::Postinst, text.as_bytes()).is_err());
    }

    /// What a skeleton consists of, and lines that look like it.
    #[test]
    fn inert_lines() {
        let complaint = "echo \"postinst called with unknown argument \\`$1'\" >&2";
        let inert = [
            "",
            "# rm -rf /",
            "set -e",
            "umask 022",
            "exit 0",
            "case \"$1\" in",
            "configure)",
            "(configure)",
            "abort-upgrade|abort-remove | abort-deconfigure)",
            "*)",
            ";;",
            "esac",
            ":",
            ". /usr/share/debconf/confmodule",
            complaint,
            &complaint.replace(" >", ">"),
            &complaint.replace("post", "pre"),
            &complaint.replace("post", "procps-ng post"),
        ];
        for line in inert {
            assert!(is_inert(line), "{line}");
        }
        let active = [
            "set -x",
            "umask 0",
            "exit 2",
            "case \"$2\" in",
            "Configure)",
            "a b)",
            "$(reboot))",
            "a|`b`)",
            ". /usr/share/debconf/confmodule; reboot",
            "db_get a/b",
            &complaint.replace(">&2", ""),
            &complaint.replace(">&2", ">/etc/x"),
            &complaint.replace("$1", "$(reboot)"),
            &complaint.replace("post", "p`reboot`"),
            &complaint.replace("post", "p$(reboot)"),
            &complaint.replace("post", "p\" & reboot & echo \""),
            &complaint.replace("post", "p\"; reboot; echo \""),
            &format!("{complaint}; reboot"),
            &format!("reboot; {complaint}"),
        ];
        for line in active {
            assert!(!is_inert(line), "{line}");
        }
    }

    /// What is hashed: no comments, no blank lines, no generated blocks, no white space at the ends;
    /// everything where a here document makes lines data.
    #[test]
    fn the_residual_is_what_a_recipe_was_written_for() {
        let of = |text: &str| residual("x", text, &mut Effects::default());
        assert_eq!(of("#!/bin/sh\n\n  # c\n  useradd x  \n\t\n exit 0\n"), "  useradd x\n exit 0");
        assert_eq!(of("#!/bin/sh\nset -e\n\nexit 0\n"), "");
        let block =
            "# Automatically added by dh_x/1\nldconfig\n# End automatically added section\n";
        assert_eq!(of(&format!("a\n{block}b\n")), "a\nb");
        // An unknown block counts with its own lines, without those that mark it.
        assert_eq!(of(&block.replace("ldconfig", "reboot")), "reboot");
        // A block without an end takes all that follows.
        assert_eq!(of("# Automatically added by dh_x\nldconfig\nreboot\n"), "ldconfig\nreboot");
        assert_eq!(of("cat <<E\n# c\n\nE\n"), "cat <<E\n# c\n\nE");
    }

    #[test]
    fn the_residual_of_a_kernel_has_no_release() {
        let of = |package: &str| {
            residual(
                package,
                "linux-update-symlinks 6.12.1+deb13-amd64 /boot",
                &mut Effects::default(),
            )
        };
        let expected = "linux-update-symlinks @KERNEL@ /boot";
        assert_eq!(of("linux-image-6.12.1+deb13-amd64"), expected);
        assert_eq!(of("linux-image-amd64"), expected.replace(KERNEL, "6.12.1+deb13-amd64"));
        for package in ["linux-image-amd64", "linux-headers-6.12", "x-linux-image-6"] {
            assert_eq!(kernel_release(package), None, "{package}");
        }
    }

    #[test]
    fn a_recipe_answers_for_its_package_script_and_text_alone() {
        let recipe = trixie::find("dash", ScriptKind::Postinst, "").is_none();
        assert!(recipe, "no text, no recipe");
        // The residual of util-linux' postinst is of that shape; another text has no recipe.
        let text = "update-alternatives --install /usr/bin/pager pager /bin/more 50";
        let error = classify("util-linux", ScriptKind::Postinst, text.as_bytes()).unwrap_err();
        assert_eq!((error.package.as_str(), error.script), ("util-linux", ScriptKind::Postinst));
        assert_eq!(error.text, text);
        let expected = format!(
            "no recipe for the postinst of `util-linux` (SHA-256 {} of the script without its \
             generated blocks):\n{text}",
            hex::encode(Sha256::digest(text))
        );
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn the_generated_blocks_of_a_skipped_script_count() {
        let text = DBUS.replace("exit 0", "useradd x");
        assert!(classify("x", ScriptKind::Postinst, text.as_bytes()).is_err());
        let effects = generated("x", text.as_bytes());
        assert_eq!(effects.units, [EnabledUnit { name: "x.service".into(), user: false }]);
        assert_eq!((effects.native, effects.why), (vec![], ""));
    }

    #[test]
    fn kernels_share_recipes_across_releases() {
        assert_eq!(family("linux-image-6.12.1+deb13-cloud-amd64"), "linux-image-@KERNEL@");
        assert_eq!(family("linux-image-cloud-amd64"), "linux-image-cloud-amd64");
    }
}
