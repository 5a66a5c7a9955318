//! An annotated listing of a partition table.

use std::fmt::Write as _;

use super::Table;
use super::spec::{self, SECTOR};
use super::{Guid, Lba};

/// Lists the table, one line per partition.
#[must_use]
pub fn dump(table: &Table) -> String {
    let mut text = String::new();
    // Writing to a String can't fail.
    let _ = writeln!(text, "GPT disk {}", table.disk_guid);
    let _ = writeln!(text, "  {} sectors of {SECTOR} bytes", table.sectors);
    let (Lba(first), Lba(last)) = (table.first_usable, table.last_usable);
    let _ = writeln!(text, "  usable sectors {first}..={last}");
    for entry in &table.partitions {
        let _ = writeln!(text, "partition {} `{}`", entry.number, entry.name);
        let _ = writeln!(text, "  type       {}{}", entry.type_guid, meaning(entry.type_guid));
        let _ = writeln!(text, "  unique     {}", entry.unique_guid);
        let _ = writeln!(
            text,
            "  sectors    {}..={} ({} bytes at {:#x})",
            entry.first.0,
            entry.last.0,
            entry.len(),
            entry.offset()
        );
        let _ = writeln!(text, "  attributes {:#018x}", entry.attributes);
    }
    text
}

/// The UAPI.2 name of a partition type.
fn meaning(type_guid: Guid) -> &'static str {
    const NAMES: [(Guid, &str); 13] = [
        (spec::ESP, " (esp)"),
        (spec::XBOOTLDR, " (xbootldr)"),
        (spec::ROOT_X86_64, " (root-x86-64)"),
        (spec::ROOT_VERITY_X86_64, " (root-x86-64-verity)"),
        (spec::ROOT_VERITY_SIG_X86_64, " (root-x86-64-verity-sig)"),
        (spec::ROOT_ARM64, " (root-arm64)"),
        (spec::ROOT_VERITY_ARM64, " (root-arm64-verity)"),
        (spec::ROOT_VERITY_SIG_ARM64, " (root-arm64-verity-sig)"),
        (spec::ROOT_S390X, " (root-s390x)"),
        (spec::ROOT_VERITY_S390X, " (root-s390x-verity)"),
        (spec::ROOT_VERITY_SIG_S390X, " (root-s390x-verity-sig)"),
        (spec::VAR, " (var)"),
        (spec::LINUX_GENERIC, " (linux-generic)"),
    ];
    NAMES.iter().find(|(guid, _)| *guid == type_guid).map_or("", |(_, name)| name)
}
