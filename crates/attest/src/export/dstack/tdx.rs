//! `measurement.tdx.cbor`: the parts of the image that the registers of a TD are computed of.
//!
//! dstack's verifier folds them to MRTD and RTMR 0 to 2 with what it is told of a guest: memory,
//! QEMU's version, and the digests of ACPI tables in its event log. All other events it takes for
//! granted ([`granted`]), so firmware or a kernel that measures something else is refused here:
//! no guest would ever be verified. For the same reason a TD HOB is described by the memory that
//! the firmware has added before the launch ([`witness`]).
//!
//! Deliberately absent: a TD that boots from a disk, which that verifier does not know. Oracles: the
//! document and the quote in dstack's own fixture `verifier/fixtures/tdx-lite-getquote.json`;
//! dstack-mr.
//!
//! Source: Dstack-TEE/dstack 312dc60 (2026-08): `CborTdxOsImageMeasurement` of
//! `dstack-types/src/lib.rs`; `dstack-mr/src/tdx.rs`, `dstack-mr/src/tdvf.rs`.

use std::collections::BTreeSet;

use ciborium::Value;
use cvmkit_formats::digest::{Digests, Sha256, Sha384};
use cvmkit_host::files;
use cvmkit_measure::event::{Event, EventType, Events, RtmrIndex, Source};
use cvmkit_measure::firmware::layout::Layout;
use cvmkit_measure::firmware::{TdvfSection, TdvfSectionType};
use cvmkit_measure::gpa::PAGE_SIZE_U64;
use cvmkit_measure::linux::KernelVersion;
use cvmkit_measure::tdx::mrtd::{Extended, Mrtd, Passes, Rule};
use cvmkit_measure::tdx::prediction::Prediction;
use cvmkit_measure::tdx::rtmr::{AcpiTables, DirectBoot, Platform};
use cvmkit_measure::uefi::medium::Medium;
use cvmkit_measure::uefi::variables::SecureBoot;

use super::super::cbor::bytes;
use super::super::document::Document;
use super::super::error::ExportError;
use super::super::machine::ExpectedMachine;
use super::super::note::Note;
use super::super::request::Shape;
use super::super::source::ExportSource;
use super::image::{cbor, command_line, firmware_of, in_order, output_of};
use crate::predict::{TdBoot, TdError, TdFirmware, TdMachine};
use crate::profile::{Boot, Memory, Profile};
use crate::values::td_machine;

/// `TdxOsImageMeasurement::VERSION`.
const VERSION: u32 = 3;
/// `OvmfVariant::Pre202505`, the only one.
const VARIANT: &str = "pre202505";
/// The last release of edk2 that measures what the variant stands for.
const RELEASE: (u32, u32) = (2025, 2);
/// The volume of variables that the verifier takes for granted (`cfv_image_hash` of
/// `dstack-mr/src/tdvf.rs`): that of OVMF of 4 MiB without a variable.
const EMPTY_VARIABLES: &str = "344bc51c980ba621aaa00da3ed7436f7d6e549197dfe699515dfa2c6583d95e6\
                               412af21c097d473155875ffd561d6790";
/// The verifier takes machines with this much memory (`TDX_KERNEL_HASH_COMPAT_2G_MEMORY`), and with
/// [`STABLE_MEMORY`] or more.
const ALSO_MEMORY: u64 = 2 << 30;
/// From here on the kernel is patched in one way (`TDX_KERNEL_HASH_STABLE_MIN_MEMORY`).
const STABLE_MEMORY: u64 = 0xb000_0000;
/// The registers that are computed of a document.
const REGISTERS: u8 = 3;

/// An input that only its SHA-384 is known of: a TD has no other bank.
const fn known(sha384: Sha384) -> Digests {
    Digests { sha256: Sha256::ZERO, sha384 }
}

/// Tables that the verifier takes from the log of a guest, whatever they are.
const ANY_TABLES: AcpiTables = AcpiTables {
    loader: known(Sha384::ZERO),
    rsdp: known(Sha384::ZERO),
    tables: known(Sha384::ZERO),
};

/// The document of machines with one firmware and one kernel.
pub(super) fn document(
    subject: &ExportSource,
    machines: &[&ExpectedMachine],
) -> Result<Document, ExportError> {
    if machines.iter().all(|machine| machine.value.boot == Boot::UkiDisk) {
        return Err(ExportError::NoPlace {
            shape: Shape::Dstack,
            platforms: vec!["a TD that boots from a disk".to_owned()],
            carries: "what QEMU hands to a TD: kernel, initrd and command line",
            add: "a profile such as `qemu-tdx-direct`",
        });
    }
    let image = output_of(subject, "image's files")?;
    let path = image.path().join(firmware_of(machines)?);
    command_line(&image)?;
    let firmware = TdFirmware::new(&path, files::read(&path)?)?;
    let boot = TdBoot::of_image(image.path())?;
    let mut inputs = BTreeSet::new();
    let (mut notes, mut kernels) = (Vec::new(), BTreeSet::new());
    for machine in machines {
        let profile = subject.profile(machine)?;
        let prediction = boot.registers(&firmware, &any_machine(profile))?;
        inputs.insert(Inputs::checked(machine, &prediction)?);
        notes.extend(note_of_memory(machine).map(Note::Value));
        kernels.extend(note_of_kernel(profile, &firmware)?);
    }
    notes.extend(kernels.into_iter().map(Note::Value));
    // They differ where one QEMU patches the kernel and the other does not.
    let [inputs] = inputs.into_iter().collect::<Vec<_>>()[..] else {
        return Err(ExportError::SeveralMachines {
            shape: Shape::Dstack,
            machines: machines.iter().map(ToString::to_string).collect(),
        });
    };
    let measurement = Measurement::of(inputs, &firmware)?;
    Ok(Document { notes, ..cbor(measurement.value(), machines)? })
}

/// The machine of a profile as far as the document depends on it.
fn any_machine(profile: &Profile) -> TdMachine {
    TdMachine { acpi: Some(ANY_TABLES), ..td_machine(profile, 1, Memory(STABLE_MEMORY)) }
}

/// That the verifier takes no machine of this memory, if so.
fn note_of_memory(machine: &ExpectedMachine) -> Option<String> {
    let memory = machine.value.memory?.0;
    let is_taken = memory == ALSO_MEMORY || memory >= STABLE_MEMORY;
    let rule = "dstack's verifier takes 2 GiB, or 2.75 GiB and more, without the image's files";
    (!is_taken).then(|| format!("{machine}: {rule}"))
}

/// That the kernel is measured as it is in its file, if so: dstack's own tool takes it for patched.
fn note_of_kernel(profile: &Profile, firmware: &TdFirmware) -> Result<Option<String>, ExportError> {
    let machine = any_machine(profile);
    let (layout, _) = firmware.behaviour(machine.layout, machine.secure_boot)?;
    let Profile { name, vmm_version, .. } = profile;
    let version = vmm_version.as_deref().unwrap_or_default();
    let rule = "has this firmware measure the kernel as it is in its file, and so does the \
                document; under QEMU before 10 it differs";
    let is_patched = layout.measures_patched_kernel(machine.qemu);
    Ok((!is_patched).then(|| format!("{name}: QEMU {version} {rule}")))
}

/// The events by which a document differs from others.
const TD_HOB: (Source, EventType) = (Source::Machine, EventType::EV_EFI_HANDOFF_TABLES2);
const KERNEL: (Source, EventType) = (Source::Kernel, EventType::EV_EFI_BOOT_SERVICES_APPLICATION);
const COMMAND_LINE: (Source, EventType) = (Source::CommandLine, EventType::EV_EVENT_TAG);
const INITRD: (Source, EventType) = (Source::Initrd, EventType::EV_EVENT_TAG);

/// What is measured of the image's files.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Inputs {
    /// With what the firmware adds to it, as UTF-16 with a NUL.
    command_line: Sha384,
    /// Authenticode, of the kernel as QEMU hands it over.
    kernel: Sha384,
    initrd: Sha384,
}

impl Inputs {
    /// The inputs of a boot, if its other events are those the verifier takes for granted.
    fn checked(machine: &ExpectedMachine, prediction: &Prediction) -> Result<Self, ExportError> {
        let digest = |of: (Source, EventType), register| {
            let mut events = prediction.listed.0.iter();
            let event = events.find(|event| (event.source, event.event_type) == of);
            let missing = || open(machine, prediction, register);
            event.map(|event| event.digests.sha384).ok_or_else(missing)
        };
        let inputs = Self {
            kernel: digest(KERNEL, "rtmr1")?,
            command_line: digest(COMMAND_LINE, "rtmr2")?,
            initrd: digest(INITRD, "rtmr2")?,
        };
        let granted = granted(&inputs, digest(TD_HOB, "rtmr0")?, ANY_TABLES)?;
        check(machine, &granted, prediction)?;
        Ok(inputs)
    }
}

/// That a register has an event that is not known.
fn open(machine: &ExpectedMachine, prediction: &Prediction, register: &str) -> ExportError {
    let mut open = prediction.open.iter();
    let reason = open.find(|(index, _)| format!("rtmr{index}") == register);
    let reason = reason.map(|(_, open)| open.reason.to_string());
    ExportError::Missing {
        shape: Shape::Dstack,
        machine: machine.to_string(),
        what: register.to_owned(),
        why: reason.unwrap_or_else(|| "the machine does not measure it".to_owned()),
    }
}

/// The events of a boot as the verifier takes it to be (`rtmr0_log_from_td_hob_hash_with_acpi_hashes`
/// and `rtmr1_log_from_kernel_hash`): firmware of [`RELEASE`] without Secure Boot, and without a
/// variable.
fn granted(inputs: &Inputs, td_hob: Sha384, acpi: AcpiTables) -> Result<Events, TdError> {
    let (year, month) = RELEASE;
    let boot = DirectBoot {
        platform: Platform {
            layout: Layout::of_edk2(year, month).ok_or(TdError::NoFirmware)?,
            td_hob: known(td_hob),
            // A digest that no firmware has, should the constant be none.
            cfv: known(EMPTY_VARIABLES.parse().unwrap_or(Sha384::ZERO)),
            secure_boot: SecureBoot::default(),
            configuration: Vec::new(),
            acpi: Some(acpi),
            has_tpm: false,
        },
        authority: None,
        smbios: None,
        kernel: known(inputs.kernel),
        // A kernel that measures what it is given, as the verifier takes for granted.
        kernel_version: Some(KernelVersion { major: 6, minor: 12 }),
        tpm: Some(false),
        medium: Medium::default(),
        initrd: Some(known(inputs.initrd)),
        // Of which only the digest counts, and is put in its place.
        command_line: b"",
    };
    let mut events = boot.events()?;
    for event in &mut events.0 {
        if event.source == Source::CommandLine {
            event.digests = known(inputs.command_line);
        }
    }
    Ok(events)
}

/// Refuses a boot that does not extend what the verifier takes for granted, by its first event.
fn check(
    machine: &ExpectedMachine,
    granted: &Events,
    prediction: &Prediction,
) -> Result<(), ExportError> {
    for register in RtmrIndex::all().take(usize::from(REGISTERS)) {
        let of = |events: &Events| -> Vec<Event> {
            let is_in = |event: &&Event| RtmrIndex::of_pcr(event.pcr) == Some(register);
            events.0.iter().filter(is_in).cloned().collect()
        };
        let (expected, found) = (of(granted), of(&prediction.listed));
        let same = |(a, b): &(&Event, &Event)| a.digests.sha384 == b.digests.sha384;
        let at = expected.iter().zip(&found).take_while(same).count();
        let (expected, found) = (expected.get(at), found.get(at));
        if expected.is_none() && found.is_none() {
            continue;
        }
        if found.is_none() && prediction.open.contains_key(&register) {
            return Err(open(machine, prediction, &format!("rtmr{register}")));
        }
        let words = |event: Option<&Event>| match event {
            Some(event) => format!("{} ({})", event.meaning, event.digests.sha384),
            None => "nothing".to_owned(),
        };
        return Err(ExportError::OtherBoot {
            machine: machine.to_string(),
            register,
            at: at + 1,
            expected: words(expected),
            found: words(found),
        });
    }
    Ok(())
}

/// `CborTdxOsImageMeasurement`.
struct Measurement {
    inputs: Inputs,
    single_pass: Mrtd,
    two_pass: Mrtd,
    td_hob: Vec<u8>,
}

impl Measurement {
    fn of(inputs: Inputs, firmware: &TdFirmware) -> Result<Self, ExportError> {
        let mrtd = |passes| firmware.mrtd(&Rule { passes, extended: Extended::Marked });
        Ok(Self {
            inputs,
            single_pass: mrtd(Passes::Single)?,
            two_pass: mrtd(Passes::Two)?,
            td_hob: witness(&firmware.added_memory()?),
        })
    }

    fn value(&self) -> Value {
        let Self { inputs, single_pass: Mrtd(single_pass), two_pass: Mrtd(two_pass), td_hob } =
            self;
        let image = in_order([
            ("cmdline_sha384", bytes(&inputs.command_line.0)),
            ("kernel_authenticode", bytes(&inputs.kernel.0)),
            ("initrd_sha384", bytes(&inputs.initrd.0)),
        ]);
        let mrtd =
            in_order([("single_pass", bytes(&single_pass.0)), ("two_pass", bytes(&two_pass.0))]);
        let tdvf = in_order([("ovmf", VARIANT.into()), ("mrtd", mrtd), ("td_hob", bytes(td_hob))]);
        in_order([("version", VERSION.into()), ("image", image), ("tdvf", tdvf)])
    }
}

/// `TdHobWitnessV1`, which the TD HOB is computed of with the size of the memory: the sections that
/// are accepted, by address.
///
/// Numbers of pages, each as an unsigned LEB128: the first page of all; the page of the TD HOB,
/// counted from there; how many sections there are; where each starts, counted from there too, and
/// its size.
fn witness(sections: &[TdvfSection<'_>]) -> Vec<u8> {
    let first = sections.first().map_or(0, |section| section.gpa.0);
    let pages = |bytes: u64| bytes / PAGE_SIZE_U64;
    let from_first = |section: &TdvfSection<'_>| pages(section.gpa.0 - first);
    let is_hob = |section: &&TdvfSection<'_>| section.section_type == TdvfSectionType::TdHob;
    let hob = sections.iter().find(is_hob).map_or(0, from_first);
    let ranges = sections.iter().flat_map(|section| [from_first(section), pages(section.size)]);
    let numbers = [pages(first), hob, sections.len() as u64].into_iter().chain(ranges);
    numbers.flat_map(leb128).collect()
}

/// Seven bits to a byte, low ones first, with a bit that says whether more follow (DWARF 5, section
/// 7.6).
fn leb128(mut number: u64) -> Vec<u8> {
    let mut encoded = Vec::new();
    loop {
        let [low, ..] = number.to_le_bytes();
        number >>= 7;
        if number == 0 {
            encoded.push(low & 0x7f);
            return encoded;
        }
        encoded.push(low | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use cvmkit_formats::base64::base64;
    use cvmkit_measure::gpa::Gpa;
    use cvmkit_measure::tdx::quote::Quote;
    use serde_json::Value as Json;

    use super::super::super::cbor::encode;
    use super::*;

    /// dstack 312dc60, `verifier/fixtures/tdx-lite-getquote.json`: what a real TD of dstack answered,
    /// the document of its image with it.
    const ANSWER: &str = include_str!("../../../../measure/tests/fixtures/tdx/quote.json");
    /// `single_pass` of that document, of which nothing else at hand says anything.
    const SINGLE_PASS: &str = "a6f2ac9451810686a4db259fe8fa5438dc4a58bda9fd2f5b1fb0928335705500\
                               d29a15c92387416a2f52dddce99c83f8";

    fn answer(field: &str) -> String {
        let answer: Json = serde_json::from_str(ANSWER).unwrap();
        answer[field].as_str().unwrap().to_owned()
    }

    /// The digests of the log with this register and type.
    fn logged(register: u64, event_type: EventType) -> Vec<Sha384> {
        let log: Vec<Json> = serde_json::from_str(&answer("event_log")).unwrap();
        let is_one = |event: &&Json| {
            event["imr"] == register && event["event_type"] == u64::from(event_type.0)
        };
        let digest = |event: &Json| event["digest"].as_str().unwrap().parse().unwrap();
        log.iter().filter(is_one).map(digest).collect()
    }

    /// What the TD measured of the image's files.
    fn inputs() -> Inputs {
        let kernel = logged(1, KERNEL.1);
        let given = logged(2, COMMAND_LINE.1);
        Inputs { kernel: kernel[0], command_line: given[0], initrd: given[1] }
    }

    /// What edk2 has the VMM add, in the order of addresses.
    fn memory() -> [TdvfSection<'static>; 4] {
        use TdvfSectionType::{TdHob, TempMem};
        let sections = [
            (TempMem, 0x80_0000, 0x6000),
            (TdHob, 0x80_9000, 0x2000),
            (TempMem, 0x80_b000, 0x2000),
            (TempMem, 0x81_0000, 0x1_0000),
        ];
        sections.map(|(section_type, gpa, size)| TdvfSection {
            at: 0,
            section_type,
            gpa: Gpa(gpa),
            size,
            data: &[],
            extended: false,
            augmented: false,
        })
    }

    /// The QEMU of that TD adds pages in two passes, and its MRTD is in the quote.
    #[test]
    fn the_document_of_what_a_real_td_measured_is_the_one_that_dstack_has_of_its_image() {
        let quote = hex::decode(answer("quote")).unwrap();
        let measurement = Measurement {
            inputs: inputs(),
            single_pass: SINGLE_PASS.parse().unwrap(),
            two_pass: Quote::parse(&quote).unwrap().mr_td,
            td_hob: witness(&memory()),
        };
        let config: Json = serde_json::from_str(&answer("vm_config")).unwrap();
        let document = base64(&encode(&measurement.value()).unwrap());
        assert_eq!(config["tdx_measurement"]["measurement"], document);
    }

    /// With what the verifier takes from the log: the tables, and the TD HOB of 2 GiB.
    #[test]
    fn what_is_granted_comes_to_the_registers_of_a_real_td() {
        let td_hob = logged(0, TD_HOB.1)[0];
        let tables = logged(0, EventType::EV_PLATFORM_CONFIG_FLAGS);
        let [loader, rsdp, tables] =
            tables.try_into().map(|all: [Sha384; 3]| all.map(known)).unwrap();
        let acpi = AcpiTables { loader, rsdp, tables };
        let registers = granted(&inputs(), td_hob, acpi).unwrap().rtmrs();
        let quote = hex::decode(answer("quote")).unwrap();
        assert_eq!(registers[..3], Quote::parse(&quote).unwrap().rtmrs[..3]);
    }

    /// The examples of DWARF 5, section 7.6.
    #[test]
    fn numbers_are_those_of_the_standard() {
        let examples: [(u64, &[u8]); 5] = [
            (2, &[2]),
            (127, &[127]),
            (128, &[0x80, 1]),
            (129, &[0x81, 1]),
            (12857, &[0xb9, 0x64]),
        ];
        for (number, encoded) in examples {
            assert_eq!(leb128(number), encoded, "{number}");
        }
    }
}
