//! `/etc/pam.d/common-*` as `pam-auth-update(8)` composes them from the profiles in
//! `/usr/share/pam-configs` that are on by default.
//!
//! Oracle: the files that tool writes on the same packages.

use std::collections::BTreeMap;

use crate::rootfs::RootfsError;
use crate::rootfs::assembly::Assembly;

const PROFILES: &str = "/usr/share/pam-configs";
const TEMPLATES: &str = "/usr/share/pam";

/// The files, and the profile fields they are made of.
const KINDS: &[(&str, &str, &str)] = &[
    ("account", "account", "Account"),
    ("auth", "auth", "Auth"),
    ("password", "password", "Password"),
    ("session", "session", "Session"),
    ("session-noninteractive", "session", "Session"),
];

const PRIMARY: &str = "# here are the per-package modules (the \"Primary\" block)";
const FALLBACK: &str = "# here's the fallback if no module succeeds";
const ADDITIONAL: &str = "# and here are more per-package modules (the \"Additional\" block)";
const END: &str = "# end of pam-auth-update config";

/// Fields of a profile; continued lines are joined by line breaks.
type Profile = BTreeMap<String, String>;

pub(super) fn write(assembly: &mut Assembly<'_>) -> Result<(), RootfsError> {
    let mut profiles = Vec::new();
    for name in assembly.names(PROFILES)? {
        let text = assembly.text(&format!("{PROFILES}/{name}"))?.unwrap_or_default();
        let profile = parse(&text);
        if profile.get("Default").is_some_and(|value| value == "yes") {
            let priority: i64 = profile.get("Priority").and_then(|p| p.parse().ok()).unwrap_or(0);
            profiles.push((std::cmp::Reverse(priority), std::cmp::Reverse(name), profile));
        }
    }
    profiles.sort_by(|a, b| (&a.0, &a.1).cmp(&(&b.0, &b.1)));
    refuse_conflicts(profiles.iter().map(|(_, name, profile)| (name.0.as_str(), profile)))?;
    let profiles: Vec<Profile> = profiles.into_iter().map(|(_, _, profile)| profile).collect();
    let decides =
        |profile: &Profile| profile.get("Auth-Type").is_some_and(|kind| kind == "Primary");
    if !assembly.request.debug && !profiles.iter().any(decides) {
        // pam-auth-update would write `pam_permit`, and anybody could become anybody.
        return Err(RootfsError::Unsupported {
            path: PROFILES.trim_start_matches('/').to_owned(),
            what: "no profile that authenticates users".to_owned(),
        });
    }
    for &(file, kind, field) in KINDS {
        let path = format!("/etc/pam.d/common-{file}");
        let template = assembly.text(&format!("{TEMPLATES}/common-{file}"))?;
        let Some(template) = template.filter(|_| !assembly.occupied(&path)) else { continue };
        // Only the interactive variant gets modules for interactive sessions.
        let fitting: Vec<&Profile> = profiles
            .iter()
            .filter(|profile| {
                file != "session-noninteractive"
                    || profile.get("Session-Interactive-Only").is_none_or(|only| only != "yes")
            })
            .collect();
        let text = compose(&template, kind, field, &fitting);
        assembly.write(&path, 0o644, text.as_str())?;
    }
    Ok(())
}

fn refuse_conflicts<'a>(
    profiles: impl Iterator<Item = (&'a str, &'a Profile)> + Clone,
) -> Result<(), RootfsError> {
    for (name, profile) in profiles.clone() {
        let conflicts = profile.get("Conflicts").map(String::as_str).unwrap_or_default();
        for other in conflicts.split(',').map(str::trim) {
            if profiles.clone().any(|(name, _)| name == other) {
                return Err(RootfsError::Unsupported {
                    path: format!("usr/share/pam-configs/{name}"),
                    what: format!("a profile that conflicts with `{other}`, which is on too"),
                });
            }
        }
    }
    Ok(())
}

fn parse(text: &str) -> Profile {
    let mut profile = Profile::new();
    let mut field = String::new();
    for line in text.lines() {
        if line.starts_with([' ', '\t']) {
            let value: &mut String = profile.entry(field.clone()).or_default();
            if !value.is_empty() {
                value.push('\n');
            }
            value.push_str(line.trim());
        } else if let Some((name, value)) = line.split_once(':') {
            name.clone_into(&mut field);
            profile.insert(field.clone(), value.trim().to_owned());
        }
    }
    profile
}

fn compose(template: &str, kind: &str, field: &str, profiles: &[&Profile]) -> String {
    let mut text = String::new();
    let mut skips_to = None;
    for line in template.lines() {
        if skips_to.is_some_and(|end: &str| !line.starts_with(end)) {
            continue;
        }
        skips_to = None;
        text.push_str(line);
        text.push('\n');
        if line.starts_with(PRIMARY) {
            text += &block(kind, field, "Primary", profiles);
            skips_to = Some(FALLBACK);
        } else if line.starts_with(ADDITIONAL) {
            text += &block(kind, field, "Additional", profiles);
            skips_to = Some(END);
        }
    }
    text
}

/// The lines of one block; `end` in a jump becomes the number of lines that are left to skip.
fn block(kind: &str, field: &str, wanted: &str, profiles: &[&Profile]) -> String {
    let fitting = profiles.iter().filter(|profile| {
        profile.get(&format!("{field}-Type")).is_some_and(|found| found == wanted)
    });
    let mut lines: Vec<&str> = Vec::new();
    for (position, profile) in fitting.enumerate() {
        let initial = profile.get(&format!("{field}-Initial")).filter(|_| position == 0);
        let value = initial.or_else(|| profile.get(field)).map(String::as_str);
        lines.extend(value.unwrap_or_default().lines().filter(|line| !line.is_empty()));
    }
    if lines.is_empty() && wanted == "Primary" {
        return format!("{kind}\t[default=1]\t\t\tpam_permit.so\n");
    }
    // In the additional block nothing comes after the last line to jump to.
    let mut left = lines.len() - usize::from(wanted == "Additional" && !lines.is_empty());
    let mut text = String::new();
    for line in lines {
        let (module, options) = split_module(line);
        text += &format!("{kind}\t{} {options}\n", module.replace("end", &left.to_string()));
        left = left.saturating_sub(1);
    }
    text
}

/// The control and module with the space between them, and the options with single spaces.
fn split_module(line: &str) -> (&str, String) {
    let control = if line.starts_with('[') {
        line.find(']').map_or(line.len(), |at| at + 1)
    } else {
        line.find(char::is_whitespace).unwrap_or(line.len())
    };
    let rest = line.get(control..).unwrap_or_default();
    let module = rest.trim_start();
    let start = line.len() - module.len();
    let end = start + module.find(char::is_whitespace).unwrap_or(module.len());
    let options = line.get(end..).unwrap_or_default().split_whitespace().collect::<Vec<_>>();
    (line.get(..end).unwrap_or(line), options.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jumps_count_the_lines_that_are_left() {
        let one = parse("Auth-Type: Primary\nAuth:\n\t[success=end default=ignore]\tpam_a.so x\n");
        let two = parse(
            "Auth-Type: Primary\nAuth:\n\t[success=end default=ignore]\tpam_b.so  y  z\n\
             Auth-Initial:\n\trequired pam_never.so\n",
        );
        assert_eq!(
            block("auth", "Auth", "Primary", &[&one, &two]),
            "auth\t[success=2 default=ignore]\tpam_a.so x\n\
             auth\t[success=1 default=ignore]\tpam_b.so y z\n"
        );
        assert_eq!(block("auth", "Auth", "Primary", &[]), "auth\t[default=1]\t\t\tpam_permit.so\n");
    }

    #[test]
    fn a_profile_has_fields_with_continued_lines() {
        let profile =
            parse("Name: One\nAuth:\n\trequired  a.so\n  sufficient b.so\nno field\nPriority: 5\n");
        let field = |name: &str| profile.get(name).map(String::as_str);
        assert_eq!(field("Name"), Some("One"));
        assert_eq!(field("Auth"), Some("required  a.so\nsufficient b.so"));
        assert_eq!(field("Priority"), Some("5"));
        assert_eq!(profile.len(), 3);
    }

    /// pam.conf(5): a control is a word or a list in brackets; `end` within it is the number of lines to skip.
    #[test]
    fn control_module_and_options_are_kept_apart() {
        for (line, module, options) in [
            ("required pam_a.so", "required pam_a.so", ""),
            ("required\tpam_a.so x  y", "required\tpam_a.so", "x y"),
            ("[success=1 default=ignore]\tpam_a.so a", "[success=1 default=ignore]\tpam_a.so", "a"),
            ("required", "required", ""),
            ("[success=1", "[success=1", ""),
        ] {
            assert_eq!(split_module(line), (module, options.to_owned()), "{line}");
        }
    }

    #[test]
    fn the_additional_block_skips_to_its_last_line() {
        let one = parse(
            "Session-Type: Additional\nSession:\n\t[success=end]\ta.so\n\t[success=end]\tb.so\n",
        );
        assert_eq!(
            block("session", "Session", "Additional", &[&one]),
            "session\t[success=1]\ta.so \nsession\t[success=0]\tb.so \n"
        );
        assert_eq!(
            block("session", "Session", "Primary", &[&one]),
            "session\t[default=1]\t\t\tpam_permit.so\n"
        );
        assert_eq!(block("session", "Session", "Additional", &[]), "");
    }

    const TEMPLATE: &str = "# auth\n# here are the per-package modules (the \"Primary\" block)\nold\n\
        # here's the fallback if no module succeeds\nauth requisite pam_deny.so\n\
        # and here are more per-package modules (the \"Additional\" block)\nold\n# end of pam-auth-update config\n";

    #[test]
    fn a_template_keeps_all_but_its_two_blocks() {
        let unix =
            parse("Auth-Type: Primary\nAuth:\n\t[success=end default=ignore]\tpam_unix.so\n");
        let extra = parse("Auth-Type: Additional\nAuth:\n\toptional\tpam_x.so\n");
        assert_eq!(
            compose(TEMPLATE, "auth", "Auth", &[&unix, &extra]),
            "# auth\n# here are the per-package modules (the \"Primary\" block)\n\
             auth\t[success=1 default=ignore]\tpam_unix.so \n\
             # here's the fallback if no module succeeds\nauth requisite pam_deny.so\n\
             # and here are more per-package modules (the \"Additional\" block)\n\
             auth\toptional\tpam_x.so \n# end of pam-auth-update config\n"
        );
    }

    /// pam-auth-update(8): profiles that are on by default, by priority; among equals the later name first.
    #[test]
    fn profiles_apply_by_priority_and_only_those_that_are_on() {
        use crate::rootfs::Request;
        use crate::rootfs::tests::{assembly, at, refused};

        let profile = |default: &str, priority: i32, module: &str| {
            format!(
                "Default: {default}\nPriority: {priority}\nAuth-Type: Primary\nAuth:\n\trequired {module}\n"
            )
        };
        let (low, high) = (profile("yes", 1, "low.so"), profile("yes", 256, "high.so"));
        let (equal, off) = (profile("yes", 1, "equal.so"), profile("no", 999, "off.so"));
        let files = [
            ("/usr/share/pam/common-auth", TEMPLATE),
            ("/usr/share/pam-configs/a", low.as_str()),
            ("/usr/share/pam-configs/b", &equal),
            ("/usr/share/pam-configs/c", &high),
            ("/usr/share/pam-configs/d", &off),
        ];
        let request = Request::default();
        let mut tree = assembly(&request, &files);
        write(&mut tree).unwrap();
        let text = at(&tree, "/etc/pam.d/common-auth").unwrap();
        let modules: Vec<&str> =
            text.lines().filter_map(|line| line.strip_prefix("auth\trequired ")).collect();
        assert_eq!(modules, ["high.so ", "equal.so ", "low.so "]);
        assert_eq!(at(&tree, "/etc/pam.d/common-session"), None, "there is no template for it");

        let conflict = high.clone() + "Conflicts: x, a\n";
        let mut tree = assembly(
            &request,
            &[&files[..3], &[("/usr/share/pam-configs/c", conflict.as_str())]].concat(),
        );
        refused(
            write(&mut tree),
            "`/usr/share/pam-configs/c` holds a profile that conflicts with `a`",
        );

        // Nobody may become anybody: production needs a profile that decides.
        let weak = "Default: yes\nAuth-Type: Additional\nAuth:\n\toptional x.so\n";
        let files = [("/usr/share/pam/common-auth", TEMPLATE), ("/usr/share/pam-configs/a", weak)];
        refused(write(&mut assembly(&request, &files)), "no profile that authenticates users");
        let debug = Request { debug: true, ..Request::default() };
        let mut tree = assembly(&debug, &files);
        write(&mut tree).unwrap();
        assert!(at(&tree, "/etc/pam.d/common-auth").unwrap().contains("pam_permit.so"));
    }

    #[test]
    fn modules_for_interactive_sessions_are_in_those_alone() {
        use crate::rootfs::Request;
        use crate::rootfs::tests::{assembly, at};

        let template = TEMPLATE.replace("auth", "session");
        let both = "Default: yes\nSession-Type: Additional\nSession:\n\toptional both.so\n";
        let only = "Default: yes\nSession-Interactive-Only: yes\nSession-Type: Additional\nSession:\n\toptional only.so\n";
        let request = Request { debug: true, ..Request::default() };
        let mut tree = assembly(
            &request,
            &[
                ("/usr/share/pam/common-session", &template),
                ("/usr/share/pam/common-session-noninteractive", &template),
                ("/usr/share/pam-configs/both", both),
                ("/usr/share/pam-configs/only", only),
                ("/etc/pam.d/common-session", "mine\n"),
            ],
        );
        write(&mut tree).unwrap();
        assert_eq!(at(&tree, "/etc/pam.d/common-session").as_deref(), Some("mine\n"));
        let text = at(&tree, "/etc/pam.d/common-session-noninteractive").unwrap();
        assert!(text.contains("both.so") && !text.contains("only.so"), "{text}");
    }
}
