//! gtk-query-immodules-3.0 of libgtk-3-0t64 3.24.49: the cache of input methods, without which GTK has none of them.
//!
//! The real program loads each module and asks it. What those of GTK itself answer is known; any other one ends
//! the evaluation. Oracle: the program, whose cache has modules in the order of their names.

use std::fmt::Write as _;

use cvmkit_shell::Stop;
use cvmkit_shell::commands::Call;
use cvmkit_shell::world::Files as _;

use crate::packages::debian::commands::System;

/// The version whose modules these are.
const VERSION: &str = "3.24.49";

/// The package of the program and of the modules.
const PACKAGE: &str = "libgtk-3-0t64";

/// The modules: the file's name between `im-` and `.so`, the method's own name, what users see, and the languages for
/// which it is the default.
const MODULES: [(&str, &str, &str, &str); 13] = [
    ("am-et", "am_et", "Amharic (EZ+)", "am"),
    ("broadway", "broadway", "Broadway", ""),
    ("cedilla", "cedilla", "Cedilla", "az:ca:co:fr:gv:oc:pt:sq:tr:wa"),
    ("cyrillic-translit", "cyrillic_translit", "Cyrillic (Transliterated)", ""),
    ("inuktitut", "inuktitut", "Inuktitut (Transliterated)", "iu"),
    ("ipa", "ipa", "IPA", ""),
    ("multipress", "multipress", "Multipress", ""),
    ("thai", "thai", "Thai-Lao", "lo:th"),
    ("ti-er", "ti_er", "Tigrigna-Eritrean (EZ+)", "ti"),
    ("ti-et", "ti_et", "Tigrigna-Ethiopian (EZ+)", "ti"),
    ("viqr", "viqr", "Vietnamese (VIQR)", ""),
    ("wayland", "wayland", "Wayland", ""),
    ("xim", "xim", "X Input Method", "ko:ja:th:zh"),
];

/// `gtk-query-immodules-3.0 --update-cache`
pub(super) fn update_cache(system: &mut System<'_, '_>, call: &mut Call<'_>) -> Result<u8, Stop> {
    if call.arguments() != [b"--update-cache".to_vec()] {
        return Err(call.unsupported("these words"));
    }
    let triplet = match system.architecture {
        "amd64" => "x86_64-linux-gnu",
        "arm64" => "aarch64-linux-gnu",
        other => return Err(call.unsupported(format!("the architecture {other}"))),
    };
    let version = system.packages.get(PACKAGE).map_or("", |package| package.version.as_str());
    if version.split_once('-').map_or(version, |(upstream, _)| upstream) != VERSION {
        return Err(call.unsupported(format!("{PACKAGE} {version}, where {VERSION} is known")));
    }
    let base = format!("/usr/lib/{triplet}/gtk-3.0");
    let folders = ["3.0.0/linux/immodules", "3.0.0/immodules", "linux/immodules", "immodules"];
    let folders = folders.map(|folder| format!("{base}/{folder}"));
    let mut text = format!(
        "# GTK+ Input Method Modules file\n# Automatically generated file, do not edit\n\
         # Created by /usr/lib/{triplet}/{PACKAGE}/gtk-query-immodules-3.0 from gtk+-{VERSION}\n#\n\
         # ModulesPath = {}\n#\n",
        folders.join(":")
    );
    for folder in &folders {
        for name in system.list(folder.as_bytes()).unwrap_or_default() {
            let name = String::from_utf8_lossy(&name);
            let Some(stem) = name.strip_suffix(".so") else { continue };
            let known = MODULES.iter().find(|(file, ..)| stem.strip_prefix("im-") == Some(file));
            let Some((_, id, shown, languages)) = known.filter(|_| *folder == folders[1]) else {
                return Err(call.unsupported(format!(
                    "the module {folder}/{name}, which is not GTK's own (leave its package out, or bring \
                     {base}/3.0.0/immodules.cache as one of the definition's files and skip this script)"
                )));
            };
            // Writing to a string never fails.
            let _ = writeln!(
                text,
                "\"{folder}/{name}\" \n\"{id}\" \"{shown}\" \"gtk30\" \"/usr/share/locale\" \"{languages}\" \n"
            );
        }
    }
    let cache = format!("{base}/3.0.0/immodules.cache");
    match system.write(cache.as_bytes(), text.as_bytes(), 0o644) {
        Ok(()) => Ok(0),
        Err(error) => Ok(call.fail("cannot write", cache.as_bytes(), error)),
    }
}

#[cfg(test)]
mod tests {
    use cvmkit_formats::digest::Sha256;

    use super::*;
    use crate::packages::debian::commands::tests::{machine, run};
    use crate::packages::debian::tests::package;
    use crate::rootfs;

    const BASE: &str = "/usr/lib/x86_64-linux-gnu/gtk-3.0";

    /// The cache of modules, or what ends the evaluation.
    fn cache(version: &str, modules: &[&str], words: &str) -> Result<Vec<u8>, String> {
        let program = "/usr/lib/x86_64-linux-gnu/libgtk-3-0t64/gtk-query-immodules-3.0";
        let paths: Vec<String> = modules.iter().map(|name| format!("{BASE}/{name}")).collect();
        let mut files: Vec<(&str, &str)> = paths.iter().map(|path| (path.as_str(), "")).collect();
        files.extend([(program, ""), ("/usr/bin/chmod", "+x")]);
        let request = rootfs::Request::default();
        let mut assembly = machine(&request, &files);
        let mut packages = [package(PACKAGE, "", &[])];
        packages[0].version = version.into();
        let mut system = System::new(&mut assembly, &packages, "amd64");
        let script = format!("chmod 755 {program}; {program} {words}");
        run(&mut system, &script).map_err(|stop| stop.to_string())?;
        Ok(system.read(format!("{BASE}/3.0.0/immodules.cache").as_bytes()).unwrap())
    }

    /// The digest is of the cache that the program of 3.24.49 wrote in a folder with the files of Debian 13.
    #[test]
    fn the_cache_is_the_real_programs() {
        let modules: Vec<String> =
            MODULES.iter().map(|(file, ..)| format!("3.0.0/immodules/im-{file}.so")).collect();
        let mut modules: Vec<&str> = modules.iter().map(String::as_str).collect();
        modules.push("3.0.0/immodules/README");
        let found = cache("3.24.49-3", &modules, "--update-cache").unwrap();
        let digest = "bc6f35ea81fceb9512e59f9cabd704aec547a6f7e968c73afa7d17f3911d9051";
        assert_eq!(Sha256::of(&found).to_string(), digest, "{}", String::from_utf8_lossy(&found));
    }

    #[test]
    fn modules_that_are_not_known_are_told() {
        let told = |version, module, words| cache(version, &[module], words).unwrap_err();
        let own = "3.0.0/immodules/im-ipa.so";
        let foreign = "3.0.0/immodules/im-fcitx5.so";
        assert!(told("3.24.49-3", foreign, "--update-cache").contains("im-fcitx5.so"));
        assert!(
            told("3.24.49-3", "immodules/im-ipa.so", "--update-cache").contains("not GTK's own")
        );
        assert!(told("3.24.50-1", own, "--update-cache").contains("3.24.50-1"));
        assert!(told("3.24.49-3", own, "").contains("these words"));
    }
}
