//! `/etc/shells` (shells(5)) as `update-shells` of debianutils makes it: the template, then what
//! packages list in `shells.d`, each followed by its name on the merged /usr.

use cvmkit_formats::tree::split;

use crate::rootfs::RootfsError;
use crate::rootfs::assembly::Assembly;

const TEMPLATE: &str = "/usr/share/debianutils/shells";
const FOLDER: &str = "/usr/share/debianutils/shells.d";

pub(super) fn write(assembly: &mut Assembly<'_>) -> Result<(), RootfsError> {
    if assembly.occupied("/etc/shells") {
        return Ok(());
    }
    let mut text = assembly.text(TEMPLATE)?.unwrap_or_default();
    let mut listed: Vec<String> = text.lines().filter_map(shell).collect();
    let mut packaged = listed.clone();
    for name in assembly.names(FOLDER)? {
        let more = assembly.text(&format!("{FOLDER}/{name}"))?.unwrap_or_default();
        packaged.extend(more.lines().filter_map(shell));
    }
    for shell in packaged {
        let real = real_name(assembly, &shell);
        for name in [shell, real] {
            if !listed.contains(&name) {
                text.push_str(&name);
                text.push('\n');
                listed.push(name);
            }
        }
    }
    assembly.write("/etc/shells", 0o644, text.as_str())
}

fn shell(line: &str) -> Option<String> {
    let shell = line.split('#').next().unwrap_or_default();
    (!shell.is_empty()).then(|| shell.to_owned())
}

/// The name with links in its folders, but not the last one, followed.
fn real_name(assembly: &Assembly<'_>, shell: &str) -> String {
    match assembly.tree.canonical(shell.trim_start_matches('/').as_bytes()) {
        Ok(real) if !split(&real).1.is_empty() => format!("/{}", String::from_utf8_lossy(&real)),
        _ => shell.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rootfs::Request;
    use crate::rootfs::tests::{assembly, at};

    /// debianutils 5.23, `update-shells`: a shell, then its name on the merged /usr, each once.
    #[test]
    fn shells_of_packages_are_listed_with_their_real_names() {
        let merged = [("/bin", "-> usr/bin"), ("/usr/bin/bash", ""), ("/usr/bin/rbash", "-> bash")];
        for (template, packaged, text) in [
            (Some("# valid\n/bin/sh\n"), &[][..], "# valid\n/bin/sh\n/usr/bin/sh\n"),
            (None, &[("bash", "/bin/bash\n")], "/bin/bash\n/usr/bin/bash\n"),
            (None, &[("bash", "/usr/bin/bash\n")], "/usr/bin/bash\n"),
            (Some("/bin/bash\n"), &[("bash", "/bin/bash\n")], "/bin/bash\n/usr/bin/bash\n"),
            (
                None,
                &[("z", "/opt/z\n"), ("a", "# a comment\n\n/opt/a\n/bin/rbash\n")],
                "/opt/a\n/bin/rbash\n/usr/bin/rbash\n/opt/z\n",
            ),
            (None, &[], ""),
        ] {
            let request = Request::default();
            let mut tree = assembly(&request, &merged);
            if let Some(template) = template {
                tree.write(TEMPLATE, 0o644, template).unwrap();
            }
            for (name, shells) in packaged {
                tree.write(&format!("{FOLDER}/{name}"), 0o644, *shells).unwrap();
            }
            write(&mut tree).unwrap();
            assert_eq!(at(&tree, "/etc/shells").unwrap(), text, "{packaged:?}");
        }
    }

    #[test]
    fn a_list_of_the_definition_stays() {
        let request = Request::default();
        let mut tree = assembly(&request, &[("/etc/shells", "mine\n"), (TEMPLATE, "/bin/sh\n")]);
        write(&mut tree).unwrap();
        assert_eq!(at(&tree, "/etc/shells").as_deref(), Some("mine\n"));
    }
}
