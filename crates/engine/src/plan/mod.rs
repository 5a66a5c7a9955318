//! Which registers an edit will change, before anything is built.
//!
//! An earlier output folder says what the image was. What the definition and its lock say now is
//! put in its place: the command line, the stub, the firmware and the machines as they will be, and
//! for what only a build can know (the root hash, a new kernel, a new initramfs) something else than
//! it was. The image is written again around that, without its root file system, and measured by
//! the same code that measures a built one ([`cvmkit_attest::values`]); where a value differs, the
//! register will change. So there is no second table of rules that could contradict the build.
//!
//! The contract: a register that is named will change, one that is not will keep its value. What is
//! not predicted has no value to compare; those that the machine decides are named when it changes.
//! One thing depends on a length that is not known yet, and is a note: whether the ESP grows.
//! Deliberately absent: what an edit of equal effect does (one that leaves the root file system's
//! bytes alone is taken for a change of it).

mod changes;
mod compare;
mod earlier;
mod edit;
mod error;
mod image;

use std::path::Path;

use crate::build::Builder;
use crate::build::inputs::Inputs;
use crate::definition::Project;
use crate::lock::LockFile;

pub use changes::Change;
pub use compare::{MachineChange, Plan};
pub use edit::{Edit, UnknownEdit};
pub use error::PlanError;

use earlier::Earlier;
use image::PlannedImage;

/// What an edit changes: that which was made since `out` was built, or in addition `edits`, as the
/// packages change that these are from.
///
/// # Errors
/// There is no earlier build, or what would be built can't be.
pub fn plan(
    project: &Project,
    variant: Option<&str>,
    out: &Path,
    edits: &[Edit],
    builder: &Builder<'_>,
) -> Result<Plan, PlanError> {
    let definition = project.definition(variant)?;
    let lock = LockFile::for_packages(project)?;
    let inputs = Inputs::of_folder(project, &definition, &lock)?;
    inputs.is_built()?;
    let external = inputs.external(builder.origins)?;
    let earlier = Earlier::read(out)?;
    let parts = inputs.parts(builder.stage1, &external.stub);
    let changes = changes::between(&earlier, &inputs, &external, builder, &parts);
    let mut now = PlannedImage::new(&earlier, &inputs, external)?;
    let rebuilt = changes::of_parts(&earlier, &parts);
    now.apply(&rebuilt)?;
    let scratch = |name: &str| builder.origins.store.scratch_folder(name);
    if edits.is_empty() {
        let values = now.values(&inputs, &scratch("plan")?)?;
        let reached = [rebuilt, changes::of_machine_files(&earlier, &now)].concat();
        return Ok(Plan::between(changes, Vec::new(), &reached, &earlier.values, &values));
    }
    let before = now.values(&inputs, &scratch("plan-before")?)?;
    let follows = edits.iter().flat_map(|edit| edit.follows()).copied();
    let mut reached = edits.to_vec();
    for edit in follows {
        if !reached.contains(&edit) {
            reached.push(edit);
        }
    }
    now.apply(&reached)?;
    let after = now.values(&inputs, &scratch("plan-after")?)?;
    Ok(Plan::between(changes, edits.to_vec(), &reached, &before, &after))
}
