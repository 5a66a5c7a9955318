//! Reference values before and after.

use std::collections::BTreeSet;
use std::fmt;

use cvmkit_attest::profile::{Technology, Vmm};
use cvmkit_attest::values::{ReferenceValue, ReferenceValues, names_by_number, set_by_number};
use serde::Serialize;

use super::{Change, Edit};

/// What the length of something decides that is not made yet.
const LENGTH: &str = "if the initramfs gets longer by so much that the EFI system partition grows \
    (in steps of 1 MiB), pcr5 and rtmr1 of boots from the disk change too";

/// What will change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Plan {
    /// What was changed since the earlier build.
    pub changes: Vec<Change>,
    /// What is assumed to change in addition.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub edits: Vec<Edit>,
    /// The machines whose values move.
    pub moved: Vec<MachineChange>,
    /// How many keep all of theirs.
    pub unmoved: usize,
    /// What is not foreseen.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// A machine whose values move.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct MachineChange {
    /// What it was; none if it is new.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// What it will be; none if there will be no values of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// What will have another value: `launch-digest`, `mrtd`, `rtmr0`, `pcr4`.
    #[serde(serialize_with = "set_by_number")]
    pub registers: BTreeSet<String>,
    /// What will have another value and is not predicted.
    #[serde(skip_serializing_if = "BTreeSet::is_empty", serialize_with = "set_by_number")]
    pub not_predicted: BTreeSet<String>,
    /// What keeps its value.
    #[serde(serialize_with = "set_by_number")]
    pub unchanged: BTreeSet<String>,
}

impl Plan {
    /// The difference of values: machine by machine, in their order within a profile.
    pub(super) fn between(
        changes: Vec<Change>,
        edits: Vec<Edit>,
        reached: &[Edit],
        before: &ReferenceValues,
        after: &ReferenceValues,
    ) -> Self {
        // Of an assumed edit each machine has one after it.
        let pairs = match edits.is_empty() {
            true => pairs(&before.values, &after.values),
            false => before.values.iter().map(Some).zip(after.values.iter().map(Some)).collect(),
        };
        let all: Vec<MachineChange> =
            pairs.into_iter().map(|(from, to)| moved(from, to, reached)).collect();
        let stays = |moved: &MachineChange| {
            moved.registers.is_empty() && moved.not_predicted.is_empty() && moved.from == moved.to
        };
        let unmoved = all.iter().filter(|moved| stays(moved)).count();
        let moved = all.into_iter().filter(|moved| !stays(moved)).collect();
        let grows = reached.contains(&Edit::Initrd) && !reached.contains(&Edit::Root);
        let mut notes = if grows { vec![LENGTH.to_owned()] } else { Vec::new() };
        for edit in edits.iter().filter(|edit| !edit.follows().is_empty()) {
            let follows: Vec<String> = edit.follows().iter().map(ToString::to_string).collect();
            notes.push(format!("a change of {edit} changes {} too", follows.join(" and ")));
        }
        Self { changes, edits, moved, unmoved, notes }
    }
}

type Pair<'a> = (Option<&'a ReferenceValue>, Option<&'a ReferenceValue>);

/// The same machine before and after; what is left of a profile is paired in order.
fn pairs<'a>(before: &'a [ReferenceValue], after: &'a [ReferenceValue]) -> Vec<Pair<'a>> {
    let mut left: Vec<&ReferenceValue> = after.iter().collect();
    let mut take = |wanted: &dyn Fn(&ReferenceValue) -> bool| {
        let at = left.iter().position(|value| wanted(value))?;
        Some(left.remove(at))
    };
    let same: Vec<Pair<'_>> = before
        .iter()
        .map(|from| (Some(from), take(&|to| to.to_string() == from.to_string())))
        .collect();
    let paired = same.into_iter().map(|(from, to)| match (from, to) {
        (Some(from), None) => (Some(from), take(&|to| to.profile == from.profile)),
        pair => pair,
    });
    let mut all: Vec<Pair<'_>> = paired.collect();
    all.extend(left.into_iter().map(|to| (None, Some(to))));
    all
}

fn moved(
    from: Option<&ReferenceValue>,
    to: Option<&ReferenceValue>,
    edits: &[Edit],
) -> MachineChange {
    let (was, is) = (from.map(digests).unwrap_or_default(), to.map(digests).unwrap_or_default());
    let names = |digests: &BTreeSet<(String, String)>| -> BTreeSet<String> {
        // A register counts once, whatever banks it has.
        digests.iter().map(|(name, _)| name.rsplit(':').next().unwrap_or(name).to_owned()).collect()
    };
    let registers = names(&was.symmetric_difference(&is).cloned().collect());
    let not_predicted = match (from, to) {
        (Some(from), Some(to)) => of_machine(from, to, edits),
        _ => BTreeSet::new(),
    };
    let mut unchanged: BTreeSet<String> = names(&was).difference(&registers).cloned().collect();
    unchanged.retain(|name| !not_predicted.contains(name));
    MachineChange {
        from: from.map(ReferenceValue::to_string),
        to: to.map(ReferenceValue::to_string),
        registers,
        not_predicted,
        unchanged,
    }
}

/// Every digest of a value, by its name with its bank.
fn digests(value: &ReferenceValue) -> BTreeSet<(String, String)> {
    let launch =
        value.launch_digest.iter().map(|digest| ("launch-digest".to_owned(), digest.clone()));
    let banks = value.registers.iter().flat_map(|(bank, registers)| {
        registers.iter().map(move |(name, digest)| (format!("{bank}:{name}"), digest.clone()))
    });
    let header = value.secure_execution.iter().map(|it| ("tag".to_owned(), it.tag.clone()));
    launch.chain(banks).chain(header).collect()
}

/// The registers without a value, or with one that was pinned, that firmware or machine decide, if
/// those change.
fn of_machine(from: &ReferenceValue, to: &ReferenceValue, edits: &[Edit]) -> BTreeSet<String> {
    let edited = |edit| edits.contains(&edit);
    let machine = (from.vcpus, from.memory) != (to.vcpus, to.memory);
    let firmware = from.firmware.is_some() && edited(Edit::Firmware);
    let names: &[(&str, bool)] = match from.platform {
        // The ACPI tables are made for a number of vCPUs and a size of memory.
        Technology::Tdx if from.not_predicted.contains_key("rtmr0") => {
            let variables = from.firmware.is_some() && edited(Edit::FirmwareVariables);
            &[("rtmr0", machine || variables)]
        }
        Technology::Tpm if from.vmm == Vmm::Qemu => {
            let machine = machine || edited(Edit::Vcpus) || edited(Edit::Memory);
            &[("pcr0", firmware), ("pcr1", machine)]
        }
        _ => &[],
    };
    let changed = names.iter().filter(|(_, changes)| *changes);
    changed.map(|(name, _)| (*name).to_owned()).collect()
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Change { what, from, to } in &self.changes {
            match (from, to) {
                (Some(from), Some(to)) => {
                    writeln!(f, "changed: {what}\n  from {from}\n  to   {to}")?
                }
                (None, Some(to)) => writeln!(f, "new: {what}, {to}")?,
                (Some(from), None) => writeln!(f, "gone: {what}, {from}")?,
                (None, None) => writeln!(f, "changed: {what}")?,
            }
        }
        for edit in &self.edits {
            writeln!(f, "assumed: a change of {edit}")?;
        }
        if self.moved.is_empty() {
            return writeln!(f, "no register changes");
        }
        // Machines of which the same is said share one paragraph.
        let mut rest = self.moved.as_slice();
        while let Some(first) = rest.first() {
            let alike = rest.iter().take_while(|moved| moved.says_as(first)).count();
            let (paragraph, behind) = rest.split_at(alike);
            paragraph.iter().try_for_each(|moved| moved.heading(f))?;
            first.registers(f)?;
            rest = behind;
        }
        match self.unmoved {
            0 => {}
            1 => writeln!(f, "1 more machine keeps its values")?,
            count => writeln!(f, "{count} more machines keep their values")?,
        }
        self.notes.iter().try_for_each(|note| writeln!(f, "note: {note}"))
    }
}

impl MachineChange {
    /// Whether the same registers of it move as of another one.
    fn says_as(&self, other: &Self) -> bool {
        let said = |moved: &Self| {
            (moved.registers.clone(), moved.not_predicted.clone(), moved.unchanged.clone())
        };
        said(self) == said(other)
    }

    fn heading(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.from, &self.to) {
            (Some(from), Some(to)) if from == to => writeln!(f, "{from}"),
            (Some(from), Some(to)) => writeln!(f, "{from} -> {to}"),
            (Some(from), None) => writeln!(f, "{from}: no longer has values"),
            (None, Some(to)) => writeln!(f, "{to}: new"),
            (None, None) => Ok(()),
        }
    }

    fn registers(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.from.is_none() || self.to.is_none() {
            return Ok(());
        }
        let rows = [
            ("  changes:     ", &self.registers, ""),
            ("  changes too: ", &self.not_predicted, " (not predicted)"),
            ("  keeps:       ", &self.unchanged, ""),
        ];
        for (label, names, behind) in rows {
            if !names.is_empty() {
                writeln!(f, "{label}{}{behind}", listed(names))?;
            }
        }
        Ok(())
    }
}

/// Names in the order of their numbers.
fn listed(names: &BTreeSet<String>) -> String {
    names_by_number(names).into_iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}
