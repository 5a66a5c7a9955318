//! The files of an image beside its disk, each with what it holds.
//!
//! Name, suffix and media type of a role are [`Role`]'s. Another file is a row here and one there.

use std::borrow::Cow;

use cvmkit_attest::output::Role;
use cvmkit_formats::verity::RootHash;

use super::parts::Parts;

/// What the files are made of.
pub(super) struct Made<'a> {
    pub(super) parts: &'a Parts<'a>,
    pub(super) command_line: &'a str,
    pub(super) root_hash: &'a RootHash,
    /// The UKI, when the image boots from its disk.
    pub(super) uki: Option<&'a [u8]>,
}

/// The contents of a file; none when the image is without it.
type Contents = for<'a> fn(&Made<'a>) -> Option<Cow<'a, [u8]>>;

/// The files in the order in which they are written and listed.
pub(super) const BESIDE_THE_DISK: [(Role, Contents); 5] = [
    (Role::Uki, |made| made.uki.map(Cow::Borrowed)),
    (Role::Kernel, |made| Some(Cow::Borrowed(made.parts.kernel))),
    (Role::Initrd, |made| Some(Cow::Borrowed(made.parts.initrd))),
    (Role::CommandLine, |made| Some(Cow::Borrowed(made.command_line.as_bytes()))),
    (Role::RootHash, |made| Some(Cow::Owned(format!("{}\n", made.root_hash).into_bytes()))),
];
