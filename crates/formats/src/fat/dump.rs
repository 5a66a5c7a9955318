//! An annotated listing of a volume.

use std::fmt::Write as _;

use super::{Volume, Width};
use crate::source::Source;
use crate::tree::Node;

/// Lists a volume: its geometry, then one line per path.
#[must_use]
pub fn dump<S: Source + ?Sized>(volume: &Volume<'_, S>) -> String {
    let mut text = String::new();
    let width = match volume.width {
        Width::Fat32 => "FAT32",
        Width::Fat16 => "FAT16",
    };
    // Writing to a String can't fail.
    let _ = writeln!(
        text,
        "{width} volume {:04x}-{:04x}",
        volume.volume_id >> 16,
        volume.volume_id & 0xffff
    );
    let _ = writeln!(text, "  label         `{}`", volume.label);
    let _ = writeln!(text, "  length        {} bytes", volume.len);
    let _ = writeln!(text, "  cluster       {} bytes", volume.cluster_len);
    let _ = writeln!(text, "  clusters      {}, {} free", volume.clusters, volume.free_clusters);
    for (path, id) in volume.tree.walk() {
        let inode = volume.tree.inode(id);
        let path = String::from_utf8_lossy(&path);
        let _ = match &inode.node {
            Node::File(file) => {
                let runs: Vec<String> =
                    file.runs().iter().map(|&(at, len)| format!("{at:#x}+{len:#x}")).collect();
                writeln!(text, "/{path} {} bytes [{}]", file.len(), runs.join(" "))
            }
            _ => writeln!(text, "/{path}{}", if path.is_empty() { "" } else { "/" }),
        };
    }
    text
}
