//! What an image is made of.

use cvmkit_formats::tree::Tree;
use cvmkit_host::timestamp::Timestamp;

use crate::content::Content;
use crate::definition::Definition;

/// All that goes into an image.
#[derive(Clone, Copy)]
pub struct Parts<'a> {
    /// What the user wants.
    pub definition: &'a Definition,
    /// The root file system.
    pub tree: &'a Tree<Content>,
    /// The kernel: a bzImage with an EFI stub.
    pub kernel: &'a [u8],
    /// What `uname -r` will say.
    pub kernel_release: &'a str,
    /// The initramfs.
    pub initrd: &'a [u8],
    /// The systemd stub.
    pub stub: &'a [u8],
    /// The image's os-release.
    pub os_release: &'a [u8],
    /// The time of all that is made.
    pub timestamp: Timestamp,
}
