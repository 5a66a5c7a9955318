//! Recipes for the scripts of Debian 13 (trixie), amd64: what was read there, and what it comes to.
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
