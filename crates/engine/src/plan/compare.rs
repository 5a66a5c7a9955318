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

/// Which values of which machines a build would change, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Plan {
    /// What was changed since the earlier build.
    pub changes: Vec<Change>,
    /// What is assumed to change in addition.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub edits: Vec<Edit>,
    /// The machines whose values change.
    pub changed_machines: Vec<MachineChange>,
    /// How many machines keep all of theirs.
    pub unchanged_machines: usize,
    /// What is not foreseen.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// A machine whose values change.
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
            pairs.into_iter().map(|(from, to)| machine_change(from, to, reached)).collect();
        let stays = |it: &MachineChange| {
            it.registers.is_empty() && it.not_predicted.is_empty() && it.from == it.to
        };
        let unchanged_machines = all.iter().filter(|machine| stays(machine)).count();
        let changed_machines = all.into_iter().filter(|machine| !stays(machine)).collect();
        let grows = reached.contains(&Edit::Initrd) && !reached.contains(&Edit::Root);
        let mut notes = if grows { vec![LENGTH.to_owned()] } else { Vec::new() };
        for edit in edits.iter().filter(|edit| !edit.follows().is_empty()) {
            let follows: Vec<String> = edit.follows().iter().map(ToString::to_string).collect();
            notes.push(format!("a change of {edit} changes {} too", follows.join(" and ")));
        }
        Self { changes, edits, changed_machines, unchanged_machines, notes }
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

fn machine_change(
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
        if self.changed_machines.is_empty() {
            return writeln!(f, "no register changes");
        }
        // Machines of which the same is said share one paragraph.
        let mut rest = self.changed_machines.as_slice();
        while let Some(first) = rest.first() {
            let alike = rest.iter().take_while(|machine| machine.says_as(first)).count();
            let (paragraph, behind) = rest.split_at(alike);
            paragraph.iter().try_for_each(|machine| machine.heading(f))?;
            first.registers(f)?;
            rest = behind;
        }
        match self.unchanged_machines {
            0 => {}
            1 => writeln!(f, "1 more machine keeps its values")?,
            count => writeln!(f, "{count} more machines keep their values")?,
        }
        self.notes.iter().try_for_each(|note| writeln!(f, "note: {note}"))
    }
}

impl MachineChange {
    /// Whether the same registers of it change as of `other`.
    fn says_as(&self, other: &Self) -> bool {
        let said = |machine: &Self| {
            (machine.registers.clone(), machine.not_predicted.clone(), machine.unchanged.clone())
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use cvmkit_attest::profile::{Boot, Memory};
    use cvmkit_attest::values::SCHEMA;
    use serde_json::json;

    use super::*;

    /// A machine with these registers, each in the bank `sha256`.
    fn machine(profile: &str, platform: Technology, registers: &[(&str, &str)]) -> ReferenceValue {
        let of_bank: BTreeMap<String, String> = registers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let value = json!({
            "profile": profile, "profile-version": 1, "platform": platform, "vmm": "qemu",
            "boot": Boot::UkiDisk, "registers": { "sha256": of_bank },
        });
        serde_json::from_value(value).unwrap()
    }

    fn tpm(registers: &[(&str, &str)]) -> ReferenceValue {
        machine("vtpm", Technology::Tpm, registers)
    }

    fn values(values: Vec<ReferenceValue>) -> ReferenceValues {
        ReferenceValues { schema: SCHEMA, debug: false, profiles: Vec::new(), values }
    }

    fn between(
        edits: &[Edit],
        reached: &[Edit],
        before: Vec<ReferenceValue>,
        after: Vec<ReferenceValue>,
    ) -> Plan {
        let (before, after) = (values(before), values(after));
        Plan::between(Vec::new(), edits.to_vec(), reached, &before, &after)
    }

    fn names(set: &BTreeSet<String>) -> String {
        set.iter().map(String::as_str).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_register_changes_if_its_value_differs() {
        let before = tpm(&[("pcr4", "aa"), ("pcr5", "bb"), ("pcr7", "cc")]);
        let after = tpm(&[("pcr4", "ab"), ("pcr5", "bb"), ("pcr11", "dd")]);
        let plan = between(&[], &[], vec![before.clone()], vec![after]);
        let [machine] = &plan.changed_machines[..] else { panic!("{plan:?}") };
        assert_eq!(names(&machine.registers), "pcr11 pcr4 pcr7", "changed, new and gone");
        assert_eq!((names(&machine.unchanged), plan.unchanged_machines), ("pcr5".to_owned(), 0));
        let still = between(&[], &[], vec![before.clone()], vec![before]);
        assert_eq!((still.changed_machines, still.unchanged_machines), (Vec::new(), 1));
    }

    /// One register of two banks is one register; a digest of SNP and a tag of an SE image are too.
    #[test]
    fn every_kind_of_value_is_compared() {
        let mut before = tpm(&[("pcr4", "aa")]);
        before.launch_digest = Some("11".into());
        let banks = |value: &str| BTreeMap::from([("pcr4".to_owned(), value.to_owned())]);
        before.registers.insert("sha384".into(), banks("aa"));
        let header = json!({
            "tag": "22", "page-digest": "", "address-digest": "", "tweak-digest": "",
            "host-keys": [],
        });
        before.secure_execution = Some(serde_json::from_value(header).unwrap());
        let changed = |change: fn(&mut ReferenceValue)| {
            let mut after = before.clone();
            change(&mut after);
            let plan = between(&[], &[], vec![before.clone()], vec![after]);
            plan.changed_machines.first().map(|of| (names(&of.registers), names(&of.unchanged)))
        };
        let found =
            |registers: &str, unchanged: &str| Some((registers.to_owned(), unchanged.to_owned()));
        assert_eq!(changed(|_| ()), None);
        assert_eq!(
            changed(|value| value.launch_digest = Some("12".into())),
            found("launch-digest", "pcr4 tag")
        );
        assert_eq!(
            changed(|value| {
                value.registers.get_mut("sha384").unwrap().insert("pcr4".into(), "ab".into());
            }),
            found("pcr4", "launch-digest tag"),
            "of one bank alone"
        );
        assert_eq!(
            changed(|value| value.secure_execution.as_mut().unwrap().tag = "23".into()),
            found("tag", "launch-digest pcr4")
        );
        // What a verifier does not compare by is no register.
        assert_eq!(
            changed(|value| value.secure_execution.as_mut().unwrap().host_keys = vec!["k".into()]),
            None
        );
    }

    /// The same machine is found wherever it stands; what is left of a profile is paired in order.
    #[test]
    fn machines_are_paired_by_what_tells_them_apart() {
        let of = |profile: &str, vcpus: u32, value: &str| ReferenceValue {
            vcpus: Some(vcpus),
            ..machine(profile, Technology::Tdx, &[("rtmr0", value)])
        };
        let before = vec![of("a", 1, "x"), of("a", 2, "y"), of("b", 1, "z"), of("c", 1, "w")];
        let after = vec![of("a", 2, "y"), of("a", 4, "v"), of("d", 1, "u"), of("b", 1, "z2")];
        let plan = between(&[], &[], before, after);
        let pairs: Vec<(Option<&str>, Option<&str>)> =
            plan.changed_machines.iter().map(|of| (of.from.as_deref(), of.to.as_deref())).collect();
        let name =
            |profile: &str, vcpus: &str| Some(format!("{profile} (qemu, uki-disk boot, {vcpus})"));
        let expected = [
            (name("a", "1 vCPU"), name("a", "4 vCPUs")),
            (name("b", "1 vCPU"), name("b", "1 vCPU")),
            (name("c", "1 vCPU"), None),
            (None, name("d", "1 vCPU")),
        ];
        let expected: Vec<_> =
            expected.iter().map(|(from, to)| (from.as_deref(), to.as_deref())).collect();
        assert_eq!(pairs, expected);
        assert_eq!(plan.unchanged_machines, 1, "a with 2 vCPUs, which stood elsewhere");
        assert_eq!(names(&plan.changed_machines[3].registers), "rtmr0", "all of a new machine");
        assert_eq!(names(&plan.changed_machines[2].registers), "rtmr0", "and of one that goes");
        // Of an assumed edit each machine is the one in its place, whatever it is called.
        let assumed =
            between(&[Edit::Vcpus], &[Edit::Vcpus], vec![of("a", 1, "x")], vec![of("a", 2, "x")]);
        assert_eq!(assumed.changed_machines.len(), 1, "its name is another one");
        assert_eq!(names(&assumed.changed_machines[0].registers), "");
    }

    /// Of registers without a value, those that the machine or its firmware decides.
    #[test]
    fn what_is_not_predicted_changes_with_what_decides_it() {
        let base = || ReferenceValue {
            firmware: Some("f.fd".into()),
            memory: Some(Memory(1 << 30)),
            ..tpm(&[("pcr4", "aa"), ("pcr0", "bb")])
        };
        let changed = |edits: &[Edit], from: ReferenceValue, to: ReferenceValue| {
            let plan = between(&[], edits, vec![from], vec![to]);
            plan.changed_machines.first().map(|of| (names(&of.not_predicted), names(&of.unchanged)))
        };
        let found = |not: &str, unchanged: &str| Some((not.to_owned(), unchanged.to_owned()));
        assert_eq!(changed(&[], base(), base()), None);
        assert_eq!(changed(&[Edit::Kernel], base(), base()), None);
        assert_eq!(changed(&[Edit::Firmware], base(), base()), found("pcr0", "pcr4"));
        assert_eq!(changed(&[Edit::Memory], base(), base()), found("pcr1", "pcr0 pcr4"));
        assert_eq!(changed(&[Edit::Vcpus], base(), base()), found("pcr1", "pcr0 pcr4"));
        let both = [Edit::Firmware, Edit::Vcpus];
        assert_eq!(changed(&both, base(), base()), found("pcr0 pcr1", "pcr4"));
        let larger = ReferenceValue { memory: Some(Memory(2 << 30)), ..base() };
        assert_eq!(changed(&[], base(), larger), found("pcr1", "pcr0 pcr4"));
        let bare = || ReferenceValue { firmware: None, ..base() };
        assert_eq!(changed(&[Edit::Firmware], bare(), bare()), None, "it has none of its own");
        let azure = || ReferenceValue { vmm: Vmm::Azure, ..base() };
        assert_eq!(changed(&both, azure(), azure()), None);

        // A TD's rtmr0 depends on the machine where it has no value.
        let td = |is_predicted: bool| {
            let value = json!({
                "profile": "td", "profile-version": 1, "platform": "tdx", "vmm": "qemu",
                "boot": "direct", "firmware": "f.fd", "registers": { "sha384": { "mrtd": "aa" } },
            });
            let mut value: ReferenceValue = serde_json::from_value(value).unwrap();
            if !is_predicted {
                let reasons = json!({ "rtmr0": { "code": "unknown-firmware" } });
                value.not_predicted = serde_json::from_value(reasons).unwrap();
            }
            value
        };
        assert_eq!(
            changed(&[Edit::FirmwareVariables], td(false), td(false)),
            found("rtmr0", "mrtd")
        );
        assert_eq!(changed(&[Edit::Firmware], td(false), td(false)), None);
        assert_eq!(changed(&[Edit::FirmwareVariables], td(true), td(true)), None);
        let more = ReferenceValue { vcpus: Some(2), ..td(false) };
        assert_eq!(changed(&[], td(false), more), found("rtmr0", "mrtd"));
    }

    #[test]
    fn what_is_not_foreseen_is_a_note() {
        let notes = |edits: &[Edit], reached: &[Edit]| {
            between(edits, reached, Vec::new(), Vec::new()).notes
        };
        assert_eq!(notes(&[], &[]), [""; 0]);
        assert_eq!(notes(&[], &[Edit::Initrd]), [LENGTH]);
        assert_eq!(notes(&[], &[Edit::Initrd, Edit::Root]), [""; 0], "then all of it changes");
        assert_eq!(notes(&[], &[Edit::Root]), [""; 0]);
        let all = [Edit::Kernel, Edit::Initrd, Edit::Root];
        assert_eq!(
            notes(&[Edit::Kernel], &all),
            ["a change of kernel changes initrd and root too"]
        );
        assert_eq!(notes(&[Edit::Stub, Edit::Vcpus], &[Edit::Stub]), [""; 0]);
    }

    /// Machines of which the same is said share a paragraph; registers stand in the order of numbers.
    #[test]
    fn a_plan_is_read_from_top_to_bottom() {
        let before = |profile: &str| {
            machine(profile, Technology::Tpm, &[("pcr4", "a"), ("pcr11", "b"), ("pcr7", "c")])
        };
        let after = |profile: &str| {
            machine(profile, Technology::Tpm, &[("pcr4", "x"), ("pcr11", "y"), ("pcr7", "c")])
        };
        let change = |what: &str, from: Option<&str>, to: Option<&str>| Change {
            what: what.to_owned(),
            from: from.map(str::to_owned),
            to: to.map(str::to_owned),
        };
        let mut plan = between(
            &[],
            &[],
            vec![before("a"), before("b"), before("c"), before("gone")],
            vec![after("a"), after("b"), before("c"), before("new")],
        );
        plan.changes = vec![
            change("one", Some("1"), Some("2")),
            change("two", None, Some("2")),
            change("three", Some("1"), None),
            change("four", None, None),
        ];
        let expected = "\
changed: one
  from 1
  to   2
new: two, 2
gone: three, 1
changed: four
a (qemu, uki-disk boot)
b (qemu, uki-disk boot)
  changes:     pcr4, pcr11
  keeps:       pcr7
gone (qemu, uki-disk boot): no longer has values
new (qemu, uki-disk boot): new
1 more machine keeps its values
";
        assert_eq!(plan.to_string(), expected);
        let still = between(&[Edit::Stub], &[], vec![before("a")], vec![before("a")]);
        assert_eq!(still.to_string(), "assumed: a change of stub\nno register changes\n");
        plan.unchanged_machines = 2;
        plan.notes = vec!["n".into()];
        assert!(plan.to_string().ends_with("\n2 more machines keep their values\nnote: n\n"));
    }
}
