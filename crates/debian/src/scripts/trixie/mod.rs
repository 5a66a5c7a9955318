//! Recipes for the scripts of Debian 13 (trixie), amd64: what was read there, and what each does.
//!
//! The keys are printed by the error about an unknown script. A recipe is written after reading the
//! residual of that error; a changed script has a changed key and becomes unknown again.

mod a_to_l;
mod m_to_z;

use super::kind::ScriptKind;
use super::recipes::Recipe;

/// Sorted by package.
static RECIPES: [&[Recipe]; 2] = [a_to_l::RECIPES, m_to_z::RECIPES];

/// The recipe for a residual.
pub(super) fn find(package: &str, script: ScriptKind, sha256: &str) -> Option<&'static Recipe> {
    RECIPES.into_iter().flatten().find(|recipe| {
        recipe.package == package && recipe.script == script && recipe.sha256 == sha256
    })
}

#[cfg(test)]
mod tests {
    use super::super::effects::Native;
    use super::*;

    fn all() -> impl Iterator<Item = &'static Recipe> {
        RECIPES.into_iter().flatten()
    }

    #[test]
    fn a_recipe_is_found_by_all_three_of_its_keys() {
        for recipe in all() {
            let found = find(recipe.package, recipe.script, recipe.sha256).unwrap();
            assert!(std::ptr::eq(found, recipe), "{} is there twice", recipe.package);
            assert!(find("x", recipe.script, recipe.sha256).is_none());
            assert!(find(recipe.package, recipe.script, "00").is_none());
            let other = match recipe.script {
                ScriptKind::Preinst => ScriptKind::Postinst,
                ScriptKind::Postinst => ScriptKind::Preinst,
            };
            let found = find(recipe.package, other, recipe.sha256);
            assert!(found.is_none_or(|found| !std::ptr::eq(found, recipe)));
        }
    }

    #[test]
    fn the_tables_are_in_order_and_complete() {
        let names: Vec<_> = all().map(|recipe| recipe.package).collect();
        assert!(names.is_sorted(), "{names:?}");
        for recipe in all() {
            let name = recipe.package;
            let digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
            assert!(recipe.sha256.len() == 64 && recipe.sha256.bytes().all(digit), "{name}");
            assert!(recipe.why.ends_with('.'), "{name}: {}", recipe.why);
        }
    }

    /// Paths are of the image, whatever the working directory is.
    #[test]
    fn paths_are_absolute() {
        for recipe in all() {
            for effect in recipe.effects {
                let paths: &[&str] = match effect {
                    Native::Copy { from, to } | Native::Divert { from, to } => &[from, to],
                    Native::Directory { path, .. }
                    | Native::File { path, .. }
                    | Native::Link { path, .. }
                    | Native::Relink { path, .. }
                    | Native::Owner { path, .. }
                    | Native::Capabilities { path, .. }
                    | Native::Absent { path, .. } => &[path],
                    Native::SystemUser { home, .. } => &[home],
                    _ => &[],
                };
                for path in paths {
                    assert!(path.starts_with('/'), "{}: {path}", recipe.package);
                    assert!(!path.ends_with('/') && !path.contains("/../"), "{path}");
                }
            }
        }
    }
}
