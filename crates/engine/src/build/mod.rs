//! From a locked definition to a measured image in a folder.
//!
//! [`build`] reads like the flow in ARCHITECTURE.md: inputs are gathered and checked, packages are
//! fetched and decoded, the tree is assembled, the image is written, what hardware will measure is
//! computed from the written files, and everything is described. Nothing appears in the output
//! folder before all of it is finished.

mod audit;
mod base;
mod built;
mod copies;
mod error;
pub(crate) mod external;
pub(crate) mod inputs;
mod layer_error;
mod layers;
pub(crate) mod machines;
mod overlays;
mod packages;
mod parts;
mod rootfs;
#[cfg(test)]
pub(crate) mod sample;
mod scripts;
#[cfg(test)]
mod tests;
mod unchanged;

use std::path::Path;

use cvmkit_attest::output::{Notice, SUMS_FILE, Sums};
use cvmkit_attest::values;
use cvmkit_formats::digest::Sha256;
use cvmkit_formats::source::read_all;
use cvmkit_formats::tree::{Inode, Meta, Tree};
use cvmkit_host::files::{self, Published, Staging};

pub use audit::{Audited, audit};
pub use built::Built;
pub use error::BuildError;
use external::External;
pub use inputs::Builder;
use inputs::{Inputs, RootPackages};
pub use layer_error::LayerError;
pub use rootfs::evaluate;
pub use scripts::{ExplainedScript, Unexplained, explain};

use crate::content::Content;
use crate::definition::Project;
use crate::describe::{self, Described};
use crate::image::{self, Image, InitrdParts, Parts, RootFormat};
use crate::kernel::{Kernel, depmod};
use crate::lock::LockFile;
use crate::packages::debian;
use crate::rootfs::Rootfs;

/// The module that checks the root file system, on every machine.
const INTEGRITY_MODULE: &str = "dm_verity";

/// Longest kernel that is taken: a guard, real ones have 10 to 30 MB.
const KERNEL_MAX: u64 = 128 << 20;

/// Files of the kernel package that the image carries elsewhere (the kernel) or not at all.
const BOOT_FILES: [&str; 2] = ["vmlinuz-", "System.map-"];

/// Builds an image into `out`.
///
/// # Errors
/// [`BuildError`]; nothing is left in `out` but what was there before.
pub fn build(
    project: &Project,
    variant: Option<&str>,
    out: &Path,
    builder: &Builder<'_>,
) -> Result<Built, BuildError> {
    let definition = project.definition(variant)?;
    let lock = LockFile::open(project)?;
    let inputs = Inputs::check(project, &definition, &lock)?;
    inputs.is_built()?;
    let key = inputs.key(builder)?;
    let mut notes = machines::notes(&inputs)?;
    notes.extend(overlays::notes(&inputs)?);
    if let Some(key) = key
        && let Some(built) = unchanged::find(builder.origins.store, key, out)?
    {
        notes.extend(built.manifest.root.notices.iter().map(Notice::to_string));
        return Ok(Built { notes, ..built });
    }
    let staging = Staging::new(out)?;
    let RootPackages { packages, notices } = inputs.root_packages(builder.origins)?;
    let external = inputs.external(builder.origins)?;
    let mut rootfs =
        debian::assemble(&inputs.rootfs_request(&packages, builder.origins.store)?.as_request())?;
    lock.holds_scripts(variant, &rootfs.scripts)?;
    rootfs.notices.splice(..0, notices);
    audit::decide(&mut rootfs, &definition)?;
    let boot = boot_parts(&mut rootfs, &inputs, builder.stage1)?;
    let os_release = os_release(&rootfs.tree)?;
    let image = image::write(
        &Parts {
            definition: &definition,
            tree: &rootfs.tree,
            kernel: &boot.kernel,
            kernel_release: &boot.release,
            initrd: &boot.initrd,
            stub: &external.stub,
            os_release: &os_release,
            timestamp: inputs.timestamp,
        },
        &staging,
    )?;
    drop(boot);
    // The disk goes to its medium while its digest is computed.
    let (synced, described) = rayon::join(
        || image.sync(&staging),
        || describe(&inputs, &image, &external, &rootfs.notices, &staging, builder),
    );
    let (described, ()) = (described?, synced?);
    let earlier = earlier(out)?;
    notes.extend(earlier.as_ref().err().cloned());
    let obsolete = obsolete(&earlier.unwrap_or_default(), &described);
    let published = staging.publish(&described.files, &obsolete)?;
    notes.extend(switched(published));
    notes.extend(rootfs.notices.iter().map(Notice::to_string));
    notes.extend(key.and_then(|key| record(key, &described, builder)));
    Ok(Built {
        folder: out.to_owned(),
        manifest: described.manifest,
        identity: described.identity,
        unchanged: false,
        log: rootfs.log,
        notes,
    })
}

/// What to know of how the image came to its place.
fn switched(published: Published) -> Option<String> {
    match published {
        Published::AtOnce => None,
        Published::InTwoSteps => Some(
            "the file system of the output folder can't exchange names: for a moment, there was \
             neither the earlier image nor this one under its name"
                .to_owned(),
        ),
    }
}

/// Remembers the build. That it can't be remembered takes nothing from the image, which is there.
fn record(key: Sha256, described: &Described, builder: &Builder<'_>) -> Option<String> {
    let sums = described.sums.to_string();
    let recorded = builder.origins.store.record(key, sums.as_bytes());
    let error = recorded.err()?;
    let why = &error.source;
    Some(format!("the next build can't know that nothing changed: {error}: {why}"))
}

/// The sums of an earlier image in `out`, `None` without one; or a note that they can't be read, and so
/// that files of the earlier image may stay.
fn earlier(out: &Path) -> Result<Result<Sums, String>, BuildError> {
    let path = out.join(SUMS_FILE);
    let said = |why: &dyn std::fmt::Display| {
        format!("`{}` was no list of sums ({why}): files of an earlier image stay", path.display())
    };
    match files::read_text(&path) {
        Ok(text) => Ok(Sums::parse(&text).map_err(|error| said(&error))),
        Err(error) if error.is_not_found() => Ok(Ok(Sums::default())),
        Err(error) if error.is_unsuitable() || error.is_invalid() => Ok(Err(said(&error.source))),
        Err(error) => Err(error.into()),
    }
}

/// The files of an earlier image, by its own sums, that this one does not have.
fn obsolete(earlier: &Sums, described: &Described) -> Vec<String> {
    let kept = |name: &&str| !described.files.iter().any(|file| file == name);
    earlier.names().filter(kept).map(str::to_owned).collect()
}

/// What boots the root file system.
struct BootParts {
    kernel: Vec<u8>,
    release: String,
    initrd: Vec<u8>,
}

/// Takes the kernel out of the tree, indexes its modules there, and makes the initramfs.
fn boot_parts(
    rootfs: &mut Rootfs,
    inputs: &Inputs<'_>,
    stage1: &[u8],
) -> Result<BootParts, BuildError> {
    let kernel = Kernel::find(&rootfs.tree, None)?;
    let format = RootFormat::of(&inputs.definition.root);
    let names: Vec<&str> = [INTEGRITY_MODULE, format.module()]
        .into_iter()
        .chain(inputs.definition.modules.iter().map(String::as_str))
        .collect();
    let image = read_all(kernel.vmlinuz()?, KERNEL_MAX).map_err(BuildError::Kernel)?;
    let (release, folder) = (kernel.release().to_owned(), kernel.folder().to_owned());
    let initrd = || -> Result<_, BuildError> {
        let modules = kernel.closure(&names)?;
        Ok(image::initrd(&InitrdParts {
            stage1,
            modules: &modules,
            built_for: &image::built_for(inputs.definition),
            timestamp: inputs.timestamp,
        })?)
    };
    let (initrd, indices) = rayon::join(initrd, || depmod::files(&kernel));
    let (initrd, indices) = (initrd?, indices?);
    for (name, bytes) in indices {
        put_file(&mut rootfs.tree, &format!("{folder}/{name}"), bytes, inputs)?;
    }
    for prefix in BOOT_FILES {
        rootfs.tree.remove(format!("boot/{prefix}{release}").as_bytes());
    }
    Ok(BootParts { kernel: image, release, initrd })
}

fn put_file(
    tree: &mut Tree<Content>,
    path: &str,
    bytes: Vec<u8>,
    inputs: &Inputs<'_>,
) -> Result<(), BuildError> {
    let meta = Meta::root(0o644, inputs.timestamp.0);
    tree.put(path.as_bytes(), Inode::file(meta, Content::from(bytes)))?;
    Ok(())
}

/// The text that the UKI shows to boot loaders: the image's own os-release.
fn os_release(tree: &Tree<Content>) -> Result<Vec<u8>, BuildError> {
    use cvmkit_formats::tree::Node;
    let id = tree.resolve(b"etc/os-release")?;
    match &tree.inode(id).node {
        Node::File(content) => read_all(content, 1 << 20).map_err(BuildError::OsRelease),
        _ => Err(BuildError::OsRelease(std::io::ErrorKind::InvalidData.into())),
    }
}

/// Measures and lists the written files, and writes what describes them.
fn describe(
    inputs: &Inputs<'_>,
    image: &Image,
    external: &External,
    notices: &[Notice],
    staging: &Staging,
    builder: &Builder<'_>,
) -> Result<Described, BuildError> {
    let machines = &external.machines;
    for file in &machines.files {
        image::stage(staging, &file.name, &file.bytes)?;
    }
    let debug = inputs.definition.debug;
    let measured = image.measured_files(debug, staging.folder());
    let values = values::values(&machines.profiles, &measured)?;
    let description = describe::Description {
        definition: inputs.definition,
        lock: inputs.lock,
        image,
        parts: inputs.parts(builder.stage1, &external.stub),
        machine_files: &machines.files,
        local_stub: external.local_stub.clone(),
        timestamp: inputs.timestamp,
        version: builder.version,
        definition_digest: inputs.definition_digest(),
        lock_digest: inputs.lock_digest(),
        stage1: Sha256::of(builder.stage1),
        notices,
    };
    Ok(describe::write(&description, &values, staging)?)
}
