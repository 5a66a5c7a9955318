//! File descriptors: texts, files of the world, or nothing.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

/// Where a descriptor leads. Copies share what they have in common with dup(2): the place they are at.
#[derive(Clone, Debug)]
pub(super) enum Descriptor {
    /// `/dev/null`.
    Null,
    /// A text to read: that of a file, a pipe or a here-document.
    Text(Rc<RefCell<Text>>),
    /// What the evaluation's own messages are collected in: nothing of the script reads it.
    Terminal(Rc<RefCell<Vec<u8>>>),
    /// A pipe's other end, or what descriptor 1 is at first.
    Sink(Rc<RefCell<Vec<u8>>>),
    /// A file to write.
    File(Rc<RefCell<OpenFile>>),
}

/// A text, read up to a place.
#[derive(Debug, Default)]
pub(super) struct Text {
    pub(super) bytes: Vec<u8>,
    pub(super) at: usize,
}

impl Text {
    pub(super) fn rest(&self) -> &[u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }
}

/// A file that is open to write.
#[derive(Debug)]
pub(super) struct OpenFile {
    pub(super) path: Vec<u8>,
    pub(super) at: usize,
    pub(super) append: bool,
    pub(super) mode: u16,
    /// It is open to read too, from where it is at.
    pub(super) is_read: bool,
}

/// Descriptors by number.
#[derive(Clone, Debug, Default)]
pub(super) struct Descriptors(pub(super) BTreeMap<u32, Descriptor>);

impl Descriptors {
    /// Whether a script, or a file, takes what is written to a descriptor.
    pub(super) fn is_read(&self, number: u32) -> bool {
        matches!(self.0.get(&number), Some(Descriptor::Sink(_) | Descriptor::File(_)))
    }
}

impl Descriptor {
    pub(super) fn text(bytes: Vec<u8>) -> Self {
        Self::Text(Rc::new(RefCell::new(Text { bytes, at: 0 })))
    }
}
