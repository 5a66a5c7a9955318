//! The blocks that debhelper writes into maintainer scripts, recognised line by line.
//!
//! Every line of a block must be one of [`LINES`]; a block with any other line is not recognised
//! and counts as the packager's own text. The lines are those of the autoscripts of debhelper 12 to
//! 13 (`/usr/share/debhelper/autoscripts`), dh-python, dh-apparmor and dh-runit.

use super::alternatives;
use super::effects::{AppArmorLocal, Effects, EnabledUnit};

/// What one line means for a fresh image that is not running.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meaning {
    /// A condition, or a command that only touches a running system, an older installation, or a
    /// cache that nothing needs.
    Nothing,
    /// Enables the unit captured.
    Enable,
    /// The same, in the user manager.
    EnableUser,
    /// The block's units were enabled only if they had been before: not on a fresh image.
    OnlyIfInstalled,
    /// `update-alternatives`, read by its own parser.
    Alternative,
    /// Names the AppArmor profile.
    Profile,
    /// Names the local include.
    Local,
}

use Meaning::{Alternative, Enable, EnableUser, Local, Nothing, OnlyIfInstalled, Profile};

/// Known lines; `{}` stands for one or more characters without a meaning to the shell.
#[rustfmt::skip]
const LINES: &[(&str, Meaning)] = &[
    ("fi", Nothing),
    ("else", Nothing),
    ("}", Nothing),
    ("if [ \"$1\" = \"configure\" ]; then", Nothing),
    ("if [ \"$1\" = \"configure\" ] || [ \"$1\" = \"abort-upgrade\" ]; then", Nothing),
    ("if [ \"$1\" = \"configure\" ] || [ \"$1\" = \"abort-upgrade\" ] || [ \"$1\" = \"abort-deconfigure\" ] || [ \"$1\" = \"abort-remove\" ]; then", Nothing),
    ("if [ -n \"$2\" ]; then", Nothing),
    ("if [ -z \"$DPKG_ROOT\" ]; then", Nothing),
    ("if [ -z \"${DPKG_ROOT:-}\" ]; then", Nothing),
    ("if [ -d /run/systemd/system ]; then", Nothing),
    ("if [ -z \"$DPKG_ROOT\" ] && [ -d /run/systemd/system ]; then", Nothing),
    ("if [ -z \"${DPKG_ROOT:-}\" ] && [ -d /run/systemd/system ]; then", Nothing),
    ("if [ -z \"$DPKG_ROOT\" ] && [ \"$1\" = upgrade ] && [ -d /run/systemd/system ]; then", Nothing),
    ("if [ -z \"${DPKG_ROOT:-}\" ] && [ \"$1\" = upgrade ] && [ -d /run/systemd/system ]; then", Nothing),
    ("_dh_action=restart", Nothing),
    ("_dh_action=try-restart", Nothing),
    ("_dh_action=start", Nothing),
    // dh_installsystemd, dh_installsystemduser.
    ("deb-systemd-helper unmask '{}' >/dev/null || true", Nothing),
    ("deb-systemd-helper --user unmask '{}' >/dev/null || true", Nothing),
    ("if deb-systemd-helper --quiet was-enabled '{}'; then", Nothing),
    ("if deb-systemd-helper --quiet --user was-enabled '{}'; then", Nothing),
    ("if deb-systemd-helper debian-installed '{}'; then", OnlyIfInstalled),
    ("if deb-systemd-helper --user debian-installed '{}'; then", OnlyIfInstalled),
    ("deb-systemd-helper enable '{}' >/dev/null || true", Enable),
    ("deb-systemd-helper --user enable '{}' >/dev/null || true", EnableUser),
    ("deb-systemd-helper update-state '{}' >/dev/null || true", Nothing),
    ("deb-systemd-helper --user update-state '{}' >/dev/null || true", Nothing),
    ("systemctl --system daemon-reload >/dev/null || true", Nothing),
    ("deb-systemd-invoke $_dh_action {} >/dev/null || true", Nothing),
    ("deb-systemd-invoke start {} >/dev/null || true", Nothing),
    ("deb-systemd-invoke stop {} >/dev/null || true", Nothing),
    ("deb-systemd-invoke restart {} >/dev/null || true", Nothing),
    ("deb-systemd-invoke --user daemon-reload >/dev/null || true", Nothing),
    // dh_installinit: this image boots systemd, which reads no rc?.d links.
    ("if [ \"$1\" = \"install\" ] && [ -n \"$2\" ] && [ -e \"/etc/init.d/{}\" ]; then", Nothing),
    ("chmod +x \"/etc/init.d/{}\" >/dev/null || true", Nothing),
    ("if [ -x \"/etc/init.d/{}\" ]; then", Nothing),
    ("if [ -z \"$DPKG_ROOT\" ] && [ -x \"/etc/init.d/{}\" ]; then", Nothing),
    ("if [ -z \"${DPKG_ROOT:-}\" ] && [ -x \"/etc/init.d/{}\" ]; then", Nothing),
    ("update-rc.d {} defaults >/dev/null || exit 1", Nothing),
    ("update-rc.d {} defaults >/dev/null", Nothing),
    ("update-rc.d {} defaults-disabled >/dev/null || exit 1", Nothing),
    ("update-rc.d {} defaults-disabled >/dev/null", Nothing),
    ("invoke-rc.d --skip-systemd-native {} $_dh_action || exit 1", Nothing),
    ("invoke-rc.d --skip-systemd-native {} start || exit 1", Nothing),
    ("invoke-rc.d {} $_dh_action || exit 1", Nothing),
    // dh_installtmpfiles, dh_installsysusers: all of tmpfiles.d and sysusers.d is evaluated.
    ("if [ -x \"$(command -v systemd-tmpfiles)\" ]; then", Nothing),
    ("systemd-tmpfiles ${DPKG_ROOT:+--root=\"$DPKG_ROOT\"} --create {} || true", Nothing),
    ("systemd-sysusers ${DPKG_ROOT:+--root=\"$DPKG_ROOT\"} {}", Nothing),
    // dh_installdeb: dpkg-maintscript-helper(1) acts on what an older version left behind.
    ("dpkg-maintscript-helper rm_conffile {} -- \"$@\"", Nothing),
    ("dpkg-maintscript-helper mv_conffile {} -- \"$@\"", Nothing),
    ("dpkg-maintscript-helper symlink_to_dir {} -- \"$@\"", Nothing),
    ("dpkg-maintscript-helper dir_to_symlink {} -- \"$@\"", Nothing),
    // dh_installmenu: no package of the archive ships update-menus any more.
    ("if [ \"$1\" = \"configure\" ] && [ -x \"`command -v update-menus`\" ] && [ -x \"$DPKG_ROOT`command -v update-menus`\" ]; then", Nothing),
    ("if [ \"$1\" = \"configure\" ] && [ -x \"`command -v update-menus`\" ]; then", Nothing),
    ("update-menus", Nothing),
    // dh_makeshlibs of old: the library cache is not made (the loader's own directories suffice).
    ("ldconfig", Nothing),
    // dh_python3: byte code is a cache that the interpreter does without.
    ("if command -v py3compile >/dev/null 2>&1; then", Nothing),
    ("if command -v pypy3compile >/dev/null 2>&1; then", Nothing),
    ("if which py3compile >/dev/null 2>&1; then", Nothing),
    ("py3compile -p {}", Nothing),
    ("pypy3compile -p {} || true", Nothing),
    // dh_installalternatives.
    ("update-alternatives --install {}", Alternative),
    // dh_apparmor.
    ("APP_PROFILE=\"{}\"", Profile),
    ("if [ -f \"$APP_PROFILE\" ]; then", Nothing),
    ("LOCAL_APP_PROFILE=\"{}\"", Local),
    ("test -e \"$LOCAL_APP_PROFILE\" || {", Nothing),
    ("mkdir -p `dirname \"$LOCAL_APP_PROFILE\"`", Nothing),
    ("mkdir -p $(dirname \"$LOCAL_APP_PROFILE\")", Nothing),
    ("install --mode 644 /dev/null \"$LOCAL_APP_PROFILE\"", Nothing),
    ("if aa-enabled --quiet 2>/dev/null; then", Nothing),
    ("apparmor_parser -r -T -W \"$APP_PROFILE\" || true", Nothing),
    // dh_runit: registers with an init that is not the one that boots.
    ("if [ ! -e /usr/lib/runit-helper/runit-helper ]; then", Nothing),
    ("echo \"warning: {}\"", Nothing),
    ("if [ -z \"${DPKG_ROOT:-}\" ] && [ -x /usr/lib/runit-helper/runit-helper ]; then", Nothing),
    ("NAME='{}' ENABLE='{}' ONUPGRADE='{}' /usr/lib/runit-helper/runit-helper postinst \"$@\"", Nothing),
];

/// The tool that a block starts with this line names.
pub(super) fn opens(line: &str) -> Option<&str> {
    line.trim().strip_prefix("# Automatically added by ")
}

/// True for the last line of a block.
pub(super) fn closes(line: &str) -> bool {
    line.trim() == "# End automatically added section"
}

/// What the lines between the two mean, or nothing if one of them is unknown.
pub(super) fn recognise(_tool: &str, body: &[&str]) -> Option<Effects> {
    let text = body.join("\n").replace("\\\n", " ");
    let mut found = Effects::default();
    let mut only_if_installed = false;
    let (mut profile, mut local) = (None, None);
    for line in text.lines().map(spaced) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (meaning, captured) = meaning(&line)?;
        match meaning {
            Nothing => {}
            OnlyIfInstalled => only_if_installed = true,
            Enable | EnableUser => {
                found.units.push(EnabledUnit { name: captured, user: meaning == EnableUser })
            }
            Alternative => found.alternatives.extend(alternatives::parse(&line).ok()?),
            Profile => profile = Some(captured),
            Local => local = Some(captured),
        }
    }
    if only_if_installed {
        found.units.clear();
    }
    if let (Some(profile), Some(local)) = (profile, local) {
        found.apparmor_locals.push(AppArmorLocal { profile, local });
    }
    Some(found)
}

/// Adds the effects of a block to those of its script.
pub(super) fn add(found: Effects, to: &mut Effects) {
    to.units.extend(found.units);
    to.alternatives.extend(found.alternatives);
    to.apparmor_locals.extend(found.apparmor_locals);
}

/// One space between words and none before a semicolon, as versions of debhelper differ there.
fn spaced(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ").replace(" ;", ";")
}

fn meaning(line: &str) -> Option<(Meaning, String)> {
    LINES
        .iter()
        .find_map(|&(pattern, meaning)| captures(pattern, line).map(|captured| (meaning, captured)))
}

/// The text at the first `{}` of `pattern` if `line` matches, empty if there is no `{}`.
fn captures(pattern: &str, line: &str) -> Option<String> {
    let mut parts = pattern.split("{}");
    let mut rest = line.strip_prefix(parts.next()?)?;
    let mut first = None;
    let parts: Vec<&str> = parts.collect();
    for (index, part) in parts.iter().enumerate() {
        let end = match (part.is_empty(), index + 1 == parts.len()) {
            (true, _) => rest.len(),
            (false, true) => rest.len().checked_sub(part.len())?,
            (false, false) => rest.find(part)?,
        };
        let (captured, after) = rest.split_at_checked(end)?;
        rest = after.strip_prefix(part)?;
        // `'` quotes several units of one deb-systemd-invoke; a single unit holds none.
        if captured.is_empty() || captured.contains(['$', '`', ';', '&', '|', '<', '>', '(', '"']) {
            return None;
        }
        first.get_or_insert_with(|| captured.to_owned());
    }
    rest.is_empty().then(|| first.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::super::alternatives::AlternativeLink;
    use super::*;

    fn of(lines: &str) -> Option<Effects> {
        recognise("dh_x", &lines.lines().collect::<Vec<_>>())
    }

    fn units(lines: &str) -> Vec<(String, bool)> {
        of(lines).unwrap().units.into_iter().map(|unit| (unit.name, unit.user)).collect()
    }

    #[test]
    fn marks_of_a_block() {
        assert_eq!(opens("  # Automatically added by dh_x/13"), Some("dh_x/13"));
        for line in [
            "# automatically added by x",
            "Automatically added by x",
            "echo # Automatically added by x",
        ] {
            assert_eq!(opens(line), None, "{line}");
        }
        assert!(closes("\t# End automatically added section "));
        assert!(!closes("# End automatically added sections"));
    }

    #[test]
    fn placeholders_take_one_word_or_more_without_a_meaning() {
        let cases = [
            ("fi", "fi", Some("")),
            ("fi", "fi x", None),
            ("fi", "xfi", None),
            ("a '{}' b", "a 'x.service' b", Some("x.service")),
            ("a '{}' b", "a '' b", None),
            ("a '{}' b", "a 'x' c", None),
            ("a '{}' b", "a 'x", None),
            ("a {}", "a x y", Some("x y")),
            ("a {}", "a ", None),
            ("a {}", "a", None),
            ("a {} b {} c", "a 1 b 2 c", Some("1")),
            ("a {} b {} c", "a 1 b  c", None),
            ("a {} b", "a 1 b || exit 1", None),
        ];
        for (pattern, line, expected) in cases {
            assert_eq!(captures(pattern, line).as_deref(), expected, "{pattern} {line}");
        }
        for special in ["$x", "`x`", "x;y", "x&y", "x|y", "x<y", "x>y", "(x", "x\"y"] {
            assert_eq!(captures("a '{}' b", &format!("a '{special}' b")), None, "{special}");
        }
    }

    #[test]
    fn units_are_enabled_by_the_manager_they_are_of() {
        let lines = "if [ \"$1\" = \"configure\" ]  ; then\n\
                     \tif deb-systemd-helper --quiet was-enabled 'a.socket'; then\n\
                     \t\tdeb-systemd-helper enable 'a.socket' >/dev/null || true\n\
                     \tfi\n\
                     \tdeb-systemd-helper --user enable 'b.service' >/dev/null || true\n\
                     \n# a comment\nfi";
        let expected = [("a.socket".to_owned(), false), ("b.service".to_owned(), true)];
        assert_eq!(units(lines), expected);
        // debhelper 13 asks whether an earlier version was enabled: on a fresh image it was not.
        let only = "if deb-systemd-helper debian-installed 'a.socket'; then";
        assert!(units(&format!("{lines}\n{only}")).is_empty());
        let only = "if deb-systemd-helper --user debian-installed 'a.socket'; then";
        assert!(units(&format!("{only}\n{lines}")).is_empty());
        for other in ["disable", "mask", "unmask --now", "enable --now"] {
            let line = format!("deb-systemd-helper {other} 'a.socket' >/dev/null || true");
            assert_eq!(of(&line), None, "{line}");
        }
        assert!(units("deb-systemd-helper unmask 'a.socket' >/dev/null || true").is_empty());
    }

    #[test]
    fn a_block_is_known_whole_or_not_at_all() {
        assert_eq!(of("ldconfig"), Some(Effects::default()));
        assert_eq!(of(""), Some(Effects::default()));
        for unknown in ["reboot", "ldconfig -v", "ldconfig; reboot", "ldconfig && reboot"] {
            assert_eq!(of(&format!("ldconfig\n{unknown}\nfi")), None, "{unknown}");
        }
    }

    #[test]
    fn alternatives_may_be_continued() {
        let lines = "if [ \"$1\" = \"configure\" ]; then\n\tupdate-alternatives --install \\\n\
                     \t\t/usr/bin/a a /usr/bin/b 5\nfi";
        let found = of(lines).unwrap().alternatives;
        let master = AlternativeLink {
            link: "/usr/bin/a".into(),
            name: "a".into(),
            path: "/usr/bin/b".into(),
        };
        assert_eq!((found.len(), &found[0].master, found[0].priority), (1, &master, 5));
        assert_eq!(of("update-alternatives --install a a /b 5"), None, "a relative link");
    }

    /// dh_apparmor: the include is made for a profile; either alone is nothing.
    #[test]
    fn apparmor_includes_need_both_paths() {
        let (profile, local) =
            ("APP_PROFILE=\"/etc/apparmor.d/x\"", "LOCAL_APP_PROFILE=\"/etc/apparmor.d/local/x\"");
        let found =
            of(&format!("{profile}\nif [ -f \"$APP_PROFILE\" ]; then\n{local}\nfi")).unwrap();
        let expected = AppArmorLocal {
            profile: "/etc/apparmor.d/x".into(),
            local: "/etc/apparmor.d/local/x".into(),
        };
        assert_eq!(found.apparmor_locals, [expected]);
        assert!(of(profile).unwrap().apparmor_locals.is_empty());
        assert!(of(local).unwrap().apparmor_locals.is_empty());
    }

    #[test]
    fn effects_of_blocks_add_up() {
        let unit = |name: &str| EnabledUnit { name: name.to_owned(), user: false };
        let mut all = Effects { units: vec![unit("a")], ..Effects::default() };
        let (profile, local) = ("p".to_owned(), "l".to_owned());
        let found = Effects {
            units: vec![unit("b")],
            apparmor_locals: vec![AppArmorLocal { profile, local }],
            alternatives: alternatives::parse("update-alternatives --install /a a /b 1").unwrap(),
            ..Effects::default()
        };
        add(found.clone(), &mut all);
        assert_eq!(all.units, [unit("a"), unit("b")]);
        assert_eq!(all.apparmor_locals, found.apparmor_locals);
        assert_eq!(all.alternatives, found.alternatives);
    }
}
