//! A TD against the boot of an image: its event log, its quote, or both.
//!
//! What is not said of the TD is tried with every value it can have: firmware layouts, versions of QEMU, a
//! boot from the disk and a direct one, with and without a virtual TPM. The memory's size is found
//! by the TD HOB in the log. A register of which an input is not known has a reason, and is never
//! equal; the events of it that are known can still part.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use cvmkit_host::files;
use cvmkit_measure::compare::{
    self, Cause, Comparison, Divergence, ValueComparison, compare_start, compare_values,
};
use cvmkit_measure::event::registers::Registers;
use cvmkit_measure::event::{
    Bank, BankDigest, Event, EventType, Observed, ObservedEvent, Register, RegisterSet, RtmrIndex,
};
use cvmkit_measure::firmware::behaviour::SecureBootBuild;
use cvmkit_measure::firmware::layout::{LAYOUTS, Layout};
use cvmkit_measure::qemu::QemuVersion;
use cvmkit_measure::tdx::mrtd::{Extended, Passes, Rule};
use cvmkit_measure::tdx::prediction::{Prediction, Unknown};
use cvmkit_measure::uefi::medium::Medium;
use cvmkit_measure::uefi::variables::SecureBoot;
use serde::Serialize;

use super::error::{CompareError, in_full};
use super::explain;
use super::named::Named;
use super::options::TdOptions;
use super::values::{ValuesComparison, write_value};
use crate::machine_name::MachineName;
use crate::output::{OutputFolder, Role};
use crate::predict::{PATCHED_FOR, RTMR_0, TdBoot, TdError, TdFirmware, TdMachine};
use crate::profile::{Boot, Vmm};

/// What was assumed of a TD, where nobody said it: of all that was tried the nearest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct TdAssumptions {
    /// The firmware's file; none for one that is not at hand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub firmware: Option<PathBuf>,
    /// How the firmware measures, by the release of edk2.
    pub layout: Layout,
    /// The release of QEMU from which on it does so, where that decides anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub qemu: Option<QemuVersion>,
    /// Bytes of memory; none if that is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<u64>,
    /// Whether it has a virtual TPM.
    pub tpm: bool,
}

impl TdAssumptions {
    /// The machine in words.
    fn name(&self, boot: &str) -> MachineName {
        let file = self.firmware.as_ref().map(|path| path.display());
        let vmm = self.qemu.map(|version| format!("{} {version}", Vmm::Qemu));
        let machine = MachineName::default().with_any(vmm).boot(boot).memory(self.memory);
        let machine = machine.firmware(file, Some(self.layout));
        machine.with(if self.tpm { "with a TPM" } else { "without a TPM" })
    }
}

/// A TD beside the prediction that fits it best.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct TdComparison {
    /// How the image booted: `uki-disk` or `direct`.
    pub boot: &'static str,
    /// What was assumed of the TD.
    pub assumptions: TdAssumptions,
    /// Number of predictions that were tried.
    pub tried: usize,
    /// Registers of which there is a value and no log; the MRTD never has one.
    pub values: Vec<ValueComparison>,
    /// The log beside the events that are predicted; none if there is no log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub events: Option<Comparison>,
    /// Registers that are not predicted, and why.
    pub not_predicted: BTreeMap<Register, String>,
    /// Number of reported events that are predicted somewhere in their register.
    #[serde(skip)]
    alike: usize,
    /// What was reported.
    #[serde(skip)]
    reported: BTreeSet<Register>,
}

impl TdComparison {
    fn given(&self) -> impl Iterator<Item = &ValueComparison> {
        self.values.iter().filter(|register| register.observed.is_some())
    }

    /// Whether everything that is predicted and reported is equal, and there is any such thing.
    #[must_use]
    pub fn is_equal(&self) -> bool {
        let any = self.given().next().is_some()
            || self.events.as_ref().is_some_and(|events| !events.registers.is_empty());
        any && self.differing() == 0
    }

    /// The first event that differs, in the order of the prediction; none without a log.
    #[must_use]
    pub fn first(&self) -> Option<&Divergence> {
        self.events.as_ref().and_then(Comparison::first)
    }

    fn differing(&self) -> usize {
        let values = self.given().filter(|register| !register.is_equal()).count();
        values + self.events.as_ref().map_or(0, |events| events.divergences().count())
    }

    /// Fewer differences are better, then more that is equal, then more events that are alike.
    pub(super) fn distance(&self) -> (usize, Reverse<usize>, Reverse<usize>) {
        let values = self.given().filter(|register| register.is_equal()).count();
        let registers = self.events.iter().flat_map(|events| &events.registers);
        let equal = registers.filter(|register| register.divergence.is_none()).count();
        (self.differing(), Reverse(values + equal), Reverse(self.alike))
    }

    /// What was reported and is not predicted.
    pub(super) fn silent(&self) -> impl Iterator<Item = &Register> {
        self.not_predicted.keys().filter(|register| self.reported.contains(register))
    }

    /// The registers of the log that values have no line for, and where it parts.
    pub(super) fn write_events(
        &self,
        f: &mut fmt::Formatter<'_>,
        values: &ValuesComparison,
    ) -> fmt::Result {
        self.write_registers(f, |register| !values.has_line(register))?;
        explain::write_divergences(f, self.events.as_ref())
    }

    /// One line for each register of the log that is `wanted`.
    fn write_registers(
        &self,
        f: &mut fmt::Formatter<'_>,
        wanted: impl Fn(Register) -> bool,
    ) -> fmt::Result {
        let whole = self.events.iter().flat_map(|events| &events.registers);
        for register in whole.filter(|of| wanted(of.register)) {
            let state = if register.divergence.is_some() { "DIFFERS" } else { "equal" };
            let (name, value) = (register.register, register.observed);
            writeln!(f, "  {name:<7} {state:<7}  {}:{value}", value.bank())?;
        }
        let open = self.events.iter().flat_map(|events| &events.open);
        for open in open.filter(|of| wanted(of.register)) {
            let (name, known) = (open.register, open.known);
            let reason = self.not_predicted.get(&name).map(|reason| format!(": {reason}"));
            let reason = reason.unwrap_or_default();
            match &open.divergence {
                Some(_) => {
                    writeln!(f, "  {name:<7} DIFFERS  within the {known} events known of it")?
                }
                None => {
                    writeln!(f, "  {name:<7} not judged beyond its first {known} events{reason}")?
                }
            }
        }
        Ok(())
    }

    /// Leaves the reasons of the registers that the log has a line for: others have theirs where values
    /// are.
    pub(super) fn keep_reasons_of_lines(&mut self) {
        let mut reasons = std::mem::take(&mut self.not_predicted);
        reasons.retain(|register, _| self.has_line(*register));
        self.not_predicted = reasons;
    }

    /// Whether the log has a line for a register.
    fn has_line(&self, register: Register) -> bool {
        let whole = self.events.iter().flat_map(|events| &events.registers);
        let open = self.events.iter().flat_map(|events| &events.open);
        whole.map(|of| of.register).chain(open.map(|of| of.register)).any(|of| of == register)
    }
}

impl fmt::Display for TdComparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "expected: {}", self.assumptions.name(self.boot))?;
        self.values.iter().try_for_each(|value| write_value(f, value))?;
        self.write_registers(f, |_| true)?;
        for (register, reason) in &self.not_predicted {
            // Each register has one line.
            if !self.has_line(*register) {
                writeln!(f, "  {register:<7} not predicted: {reason}")?;
            }
        }
        explain::write_divergences(f, self.events.as_ref())
    }
}

/// What a TD reports.
pub(super) struct ReportedTd<'a> {
    pub(super) log: Option<&'a Observed<'a>>,
    /// Values that a quote or somebody has.
    pub(super) values: Option<&'a Registers>,
}

impl ReportedTd<'_> {
    fn given(&self) -> BTreeMap<Register, BankDigest> {
        let banks = self.values.iter().flat_map(|values| values.banks());
        banks.filter(|(bank, _)| *bank == Bank::Sha384).flat_map(|(_, of)| of.clone()).collect()
    }

    /// The registers that anything is reported of.
    fn reported(&self) -> BTreeSet<Register> {
        let extended = self.log.iter().flat_map(|log| log.events()).map(|event| event.register);
        self.given().into_keys().chain(extended).collect()
    }

    /// The size of the memory by the TD HOB, with this firmware.
    fn memory(&self, firmware: &TdFirmware) -> Option<u64> {
        let log = self.log.iter().flat_map(|log| log.events());
        let is_hob = |event_type| event_type == EventType::EV_EFI_HANDOFF_TABLES2;
        let mut hobs = log.filter(|event| is_hob(event.event_type));
        match hobs.next()?.digest {
            BankDigest::Sha384(digest) => firmware.memory_of_hob(digest),
            BankDigest::Sha256(_) => None,
        }
    }
}

/// What the TD may be.
#[derive(Clone)]
struct Candidate {
    layout: Layout,
    machine: TdMachine,
    knows_memory: bool,
}

/// Compares what a TD reports with the image in a folder, as the TDs that are named first.
pub(super) fn compare(
    subject: &ReportedTd<'_>,
    folder: &Path,
    named: &Named,
    options: &TdOptions,
    boot: Option<Boot>,
    notes: &mut Vec<String>,
) -> Result<TdComparison, CompareError> {
    let firmware = firmware(folder, named, options, notes)?;
    let mut refusals = Vec::new();
    let mut boots = boots(folder, boot, &mut refusals);
    boots.sort_by_key(|boot| !named.boots(boot.kind()));
    let mut compared = Vec::new();
    for firmware in &firmware {
        let firmware = firmware.as_ref();
        compared.extend(with_firmware(subject, firmware, &boots, (named, options), &mut refusals)?);
    }
    let tried = compared.len();
    let Some(best) = compared.into_iter().min_by_key(TdComparison::distance) else {
        return Err(refusals.into_iter().next().unwrap_or(TdError::NoFirmware).into());
    };
    notes
        .extend(firmware.iter().flatten().find_map(|it| other_memory(subject, it, options.memory)));
    let mut refusals: Vec<String> = refusals.iter().map(|error| in_full(error)).collect();
    refusals.sort_unstable();
    refusals.dedup();
    notes.extend(refusals.iter().map(|error| format!("not tried: {error}")));
    Ok(TdComparison { tried, ..best })
}

/// Everything the TD can be with this firmware, or with a cloud's.
fn with_firmware(
    subject: &ReportedTd<'_>,
    firmware: Option<&TdFirmware>,
    boots: &[TdBoot],
    (named, options): (&Named, &TdOptions),
    refusals: &mut Vec<TdError>,
) -> Result<Vec<TdComparison>, CompareError> {
    let found = || firmware.and_then(|firmware| subject.memory(firmware));
    let options = TdOptions { memory: options.memory.or_else(found), ..options.clone() };
    let mrtds = match firmware {
        Some(firmware) if subject.given().contains_key(&Register::Mrtd) => mrtds(firmware)?,
        _ => Mrtds::default(),
    };
    let mut compared = Vec::new();
    for boot in boots {
        for candidate in candidates(boot, firmware, named, &options) {
            match predict(boot, firmware, &candidate) {
                Ok(prediction) => {
                    let expected =
                        Expected { boot, candidate: &candidate, prediction: &prediction };
                    compared.push(expected.beside(subject, firmware, &mrtds)?);
                }
                Err(error) => refusals.push(error),
            }
        }
    }
    Ok(compared)
}

/// Compares a log with the boot of a machine that reference values are of.
pub(super) fn of_machine_known(
    subject: &ReportedTd<'_>,
    boot: &TdBoot,
    firmware: Option<&TdFirmware>,
    machine: TdMachine,
    notes: &mut Vec<String>,
) -> Result<TdComparison, CompareError> {
    let (layout, prediction) = match firmware {
        Some(firmware) => {
            let (layout, _) = firmware.behaviour(machine.layout, machine.secure_boot)?;
            (layout, boot.registers(firmware, &machine)?)
        }
        None => {
            let layout = machine.layout.ok_or(TdError::NoFirmware)?;
            (layout, boot.predict_foreign(SecureBoot::default(), &machine)?)
        }
    };
    notes.extend(firmware.and_then(|it| other_memory(subject, it, Some(machine.memory))));
    let candidate = Candidate { layout, machine, knows_memory: true };
    let expected = Expected { boot, candidate: &candidate, prediction: &prediction };
    expected.beside(subject, firmware, &Mrtds::default())
}

/// That the log is of a machine with another memory than is said.
fn other_memory(
    subject: &ReportedTd<'_>,
    firmware: &TdFirmware,
    memory: Option<u64>,
) -> Option<String> {
    let (given, found) = (memory?, subject.memory(firmware)?);
    let (given, found) = (given >> 20, found >> 20);
    let words = "the TD HOB of the log is that of a machine with";
    (given != found).then(|| format!("{words} {found} MiB of memory, not {given}"))
}

/// The MRTD of each order in which a VMM can build the TD.
type Mrtds = BTreeMap<Passes, BankDigest>;

fn mrtds(firmware: &TdFirmware) -> Result<Mrtds, TdError> {
    let of = |passes| {
        let mrtd = firmware.mrtd(&Rule { passes, extended: Extended::Marked })?;
        Ok((passes, BankDigest::Sha384(mrtd.0)))
    };
    [Passes::Single, Passes::Two].into_iter().map(of).collect()
}

/// The firmware that is said, or those that the image's profiles name, or those of its folder that can
/// start a TD; one that is not at hand if there is none.
fn firmware(
    folder: &Path,
    named: &Named,
    options: &TdOptions,
    notes: &mut Vec<String>,
) -> Result<Vec<Option<TdFirmware>>, CompareError> {
    let read =
        |path: &Path| -> Result<_, CompareError> { Ok(TdFirmware::new(path, files::read(path)?)?) };
    if let Some(path) = &options.firmware {
        return Ok(vec![Some(read(path)?)]);
    }
    if let Some(named) = named.firmware() {
        let read = |name: Option<&str>| name.map(|name| read(&folder.join(name))).transpose();
        return named.map(read).collect();
    }
    let mut able = Vec::new();
    for path in OutputFolder::read(folder)?.files(Role::Firmware) {
        let firmware = read(&path)?;
        match firmware.launch(&Rule::of_qemu(NEWEST.major)) {
            Ok(_) => able.push(Some(firmware)),
            // An image for several technologies has firmware for each.
            Err(error) => notes.push(format!("not tried: {}", in_full(&error))),
        }
    }
    if able.is_empty() {
        able.push(None);
    }
    Ok(able)
}

/// What the image can boot as.
fn boots(folder: &Path, boot: Option<Boot>, refusals: &mut Vec<TdError>) -> Vec<TdBoot> {
    let mut boots = Vec::new();
    if boot != Some(Boot::UkiDisk) {
        boots.push(TdBoot::of_image(folder));
    }
    if boot != Some(Boot::Direct) {
        boots.push(TdBoot::disk_of_image(folder));
    }
    let mut possible = Vec::new();
    for boot in boots {
        match boot {
            Ok(boot) => possible.push(boot),
            Err(error) => refusals.push(error),
        }
    }
    possible
}

/// The releases of QEMU that differ in what they measure, each for all up to the next: the kernel as
/// it is in its file, that or the patched one as the firmware asks, the patched one, two passes.
const QEMU_RELEASES: [QemuVersion; 4] =
    [NEWEST, QemuVersion::new(10, 0), QemuVersion::new(9, 0), QemuVersion::new(8, 0)];

/// The first release that leaves the kernel of a confidential guest alone, and all later ones.
const NEWEST: QemuVersion = QemuVersion::new(10, 2);

/// All that the TD can be, the likeliest first.
fn candidates(
    boot: &TdBoot,
    firmware: Option<&TdFirmware>,
    named: &Named,
    options: &TdOptions,
) -> Vec<Candidate> {
    let known = options.layout.or_else(|| firmware.and_then(TdFirmware::known_layout));
    let layouts: Vec<Layout> =
        known.map_or_else(|| LAYOUTS.iter().rev().copied().collect(), |layout| vec![layout]);
    let builds = match firmware.map(|firmware| firmware.behaviour(layouts.first().copied(), None)) {
        // Known firmware says, and a cloud's is not asked.
        Some(Ok(_)) | None => vec![None],
        Some(Err(_)) => vec![Some(SecureBootBuild::Absent), Some(SecureBootBuild::BuiltIn)],
    };
    let every = || named.qemu().chain(QEMU_RELEASES).collect();
    let releases: Vec<QemuVersion> = options.qemu.map_or_else(every, |version| vec![version]);
    let tpms = options.tpm.map_or(vec![false, true], |tpm| vec![tpm]);
    let mut found = Vec::new();
    for layout in layouts {
        for secure_boot in &builds {
            for qemu in releases.iter().copied() {
                for tpm in tpms.iter().copied() {
                    let machine = TdMachine {
                        acpi: options.acpi,
                        smbios: options.smbios,
                        layout: Some(layout),
                        secure_boot: *secure_boot,
                        tpm,
                        ..TdMachine::of_qemu(qemu, 0)
                    };
                    found.extend(of_machine(boot, layout, &machine, options));
                }
            }
        }
    }
    found
}

/// One for each size of memory and each disk, where they matter.
fn of_machine(
    boot: &TdBoot,
    layout: Layout,
    machine: &TdMachine,
    options: &TdOptions,
) -> Vec<Candidate> {
    let patched = layout.measures_patched_kernel(machine.qemu);
    let is_direct = matches!(boot, TdBoot::Direct(_));
    let sizes = match options.memory {
        Some(memory) => vec![memory],
        None if is_direct && patched => PATCHED_FOR.to_vec(),
        None => vec![1 << 30],
    };
    let with = |is_writable| Medium { is_writable: Some(is_writable), ..options.medium };
    let media = match options.medium.is_writable {
        Some(_) => vec![options.medium],
        None if layout.first_exit_may_fail => vec![with(true), with(false)],
        None => vec![with(true)],
    };
    let knows_memory = options.memory.is_some();
    let candidate = |memory, medium| Candidate {
        layout,
        machine: TdMachine { memory, medium, ..machine.clone() },
        knows_memory,
    };
    let of_size = |memory: &u64| {
        let memory = *memory;
        media.iter().map(move |medium| candidate(memory, *medium)).collect::<Vec<_>>()
    };
    sizes.iter().flat_map(of_size).collect()
}

fn predict(
    boot: &TdBoot,
    firmware: Option<&TdFirmware>,
    candidate: &Candidate,
) -> Result<Prediction, TdError> {
    let Some(firmware) = firmware else {
        let off = SecureBoot { enabled: Some(false), ..SecureBoot::default() };
        return boot.predict_foreign(off, &candidate.machine);
    };
    let prediction = boot.registers(firmware, &candidate.machine)?;
    if candidate.knows_memory {
        return Ok(prediction);
    }
    Ok(prediction.without(RTMR_0, Unknown::Memory))
}

/// What is expected of one candidate.
struct Expected<'a> {
    boot: &'a TdBoot,
    candidate: &'a Candidate,
    prediction: &'a Prediction,
}

/// The register of a TD that an event is extended into, and what is.
fn place(event: &Event) -> Option<(Register, BankDigest)> {
    let register = RegisterSet::Td.of_pcr(event.pcr)?;
    Some((register, BankDigest::Sha384(event.digests.sha384)))
}

impl Expected<'_> {
    fn beside(
        &self,
        subject: &ReportedTd<'_>,
        firmware: Option<&TdFirmware>,
        mrtds: &Mrtds,
    ) -> Result<TdComparison, CompareError> {
        let given = subject.given();
        let untouched = self.untouched();
        let mut values: Vec<_> = self.mrtd(given.get(&Register::Mrtd), mrtds).into_iter().collect();
        let events = subject.log.map(|log| {
            let events = &self.prediction.listed;
            let open: Vec<_> = self.prediction.open.keys().map(|at| Register::Rtmr(*at)).collect();
            compare_start(
                compare::Prediction { events, untouched: &untouched, startup_locality: 0 },
                &open,
                log,
            )
        });
        if events.is_none() {
            let expected =
                compare::Prediction { untouched: &untouched, ..(&self.prediction.events).into() };
            let rtmrs = compare_values(expected, RegisterSet::Td, Bank::Sha384, &given)?;
            values.extend(rtmrs);
        }
        Ok(TdComparison {
            boot: self.boot.kind(),
            assumptions: self.assumptions(firmware, given.contains_key(&Register::Mrtd)),
            tried: 1,
            values,
            events,
            not_predicted: self.not_predicted(firmware),
            alike: subject.log.map_or(0, |log| self.alike(log)),
            reported: subject.reported(),
        })
    }

    fn alike(&self, log: &Observed<'_>) -> usize {
        let mut expected: Vec<_> = self.prediction.listed.0.iter().filter_map(place).collect();
        let is_expected = |event: &&ObservedEvent<'_>| {
            let found = expected.iter().position(|e| *e == (event.register, event.digest));
            found.map(|at| expected.swap_remove(at)).is_some()
        };
        log.events().iter().filter(is_expected).count()
    }

    /// The RTMRs that nothing is extended into. RTMR 3 is the running system's: it stays zero until
    /// software of the image extends it, as the reference values have it.
    fn untouched(&self) -> Vec<Register> {
        let events = &self.prediction.listed.0;
        let is_extended =
            |at: &RtmrIndex| events.iter().any(|e| RtmrIndex::of_pcr(e.pcr) == Some(*at));
        let of_boot = RtmrIndex::all().filter(|at| !is_extended(at));
        let known = of_boot.filter(|at| !self.prediction.open.contains_key(at));
        known.map(Register::Rtmr).collect()
    }

    fn mrtd(&self, observed: Option<&BankDigest>, mrtds: &Mrtds) -> Option<ValueComparison> {
        let observed = *observed?;
        let expected = *mrtds.get(&self.candidate.machine.rule.passes)?;
        let mut causes = Vec::new();
        if observed != expected {
            let is_other = mrtds.values().any(|other| *other == observed);
            causes.push(if is_other { Cause::VmmVersion } else { Cause::FirmwareBuild });
        }
        let observed = Some(observed);
        Some(ValueComparison { register: Register::Mrtd, expected, observed, causes })
    }

    fn assumptions(&self, firmware: Option<&TdFirmware>, has_mrtd: bool) -> TdAssumptions {
        let machine = &self.candidate.machine;
        let is_direct = matches!(self.boot, TdBoot::Direct(_));
        TdAssumptions {
            firmware: firmware.map(|firmware| firmware.path().to_owned()),
            layout: self.candidate.layout,
            qemu: (is_direct || has_mrtd).then_some(machine.qemu),
            memory: self.candidate.knows_memory.then_some(machine.memory),
            tpm: machine.tpm,
        }
    }

    fn not_predicted(&self, firmware: Option<&TdFirmware>) -> BTreeMap<Register, String> {
        let open = self.prediction.open.iter();
        let mut reasons: BTreeMap<_, _> =
            open.map(|(at, open)| (Register::Rtmr(*at), open.reason.to_string())).collect();
        if firmware.is_none() {
            reasons.insert(Register::Mrtd, Unknown::Firmware.to_string());
        }
        reasons
    }
}

#[cfg(test)]
mod tests;
