//! Measurements of stage0 as text, and as JSON in the shape of a policy.

use std::fmt;

use cvmkit_formats::digest::Sha256;
use cvmkit_measure::stage0::{
    AcpiArea, AcpiDigest, EventDigest, InitrdDigest, KernelImageDigest, MachineType, Measurements,
    MemoryMap, MemoryMapDigest, SetupDataDigest,
};
use serde::Serialize;

const NO_ACPI: &str = "QEMU makes the tables: give the digest that stage0 logs with --acpi, or the files \
                       of QEMU's fw_cfg with --acpi-loader, --acpi-rsdp and --acpi-tables";
const NO_EVENT: &str = "the event covers the ACPI tables, whose digest is not known";
const NO_EVENT_OF_TAIL: &str = "the event covers the whole command line, whose end is open";
const NO_SYSTEM_IMAGE: &str = "missing --system-image PATH";
const STAGE0: &str = "the launch digest of stage0 itself: `cvmkit measure snp --ovmf STAGE0`";
const CONTAINER: &str = "measured when the guest loads it";

/// What the digests depend on besides the files.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Inputs {
    pub(super) machine: MachineType,
    pub(super) memory: u64,
    pub(super) acpi_area: AcpiArea,
}

/// The digests that the files and the options decide.
pub(super) struct Values {
    pub(super) kernel: KernelImageDigest,
    pub(super) setup_data: SetupDataDigest,
    /// None for a guest without an initrd, which is measured as zeros.
    pub(super) initrd: Option<InitrdDigest>,
    pub(super) acpi: Option<AcpiDigest>,
    pub(super) system_image: Option<Sha256>,
    pub(super) cmdline: String,
    pub(super) pattern: String,
    pub(super) memory_map: MemoryMap,
}

/// The fields of HATs' `PolicyMeasurement` that files and machine decide, by their names there.
#[derive(Serialize)]
struct Measurement {
    kernel_image_sha256: KernelImageDigest,
    kernel_setup_data_sha256: SetupDataDigest,
    init_ram_fs_sha256: InitrdDigest,
    memory_map_sha256: MemoryMapDigest,
    #[serde(skip_serializing_if = "Option::is_none")]
    acpi_table_sha256: Option<AcpiDigest>,
    kernel_cmd_line_regex: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    system_image_sha256: Option<Sha256>,
}

/// A field of a policy without a value, and why.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Reason {
    field: &'static str,
    reason: &'static str,
}

/// One measurement.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Row {
    index: usize,
    /// The stage that measures it.
    by: &'static str,
    meaning: String,
    source: &'static str,
    digest: String,
}

/// What is printed.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Report {
    #[serde(flatten)]
    inputs: Inputs,
    measurement: Measurement,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_sha256: Option<EventDigest>,
    not_predicted: Vec<Reason>,
    #[serde(skip_serializing_if = "Option::is_none")]
    events: Option<Vec<Row>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    memory_map: Option<MemoryMap>,
}

impl Report {
    pub(super) fn new(inputs: Inputs, values: Values, any_tail: bool, explain: bool) -> Self {
        let measurement = Measurement {
            kernel_image_sha256: values.kernel,
            kernel_setup_data_sha256: values.setup_data,
            init_ram_fs_sha256: values.initrd.unwrap_or(InitrdDigest(Sha256::ZERO)),
            memory_map_sha256: values.memory_map.digest(),
            acpi_table_sha256: values.acpi,
            kernel_cmd_line_regex: values.pattern.clone(),
            system_image_sha256: values.system_image,
        };
        let event_sha256 = event(&measurement, &values.cmdline).filter(|_| !any_tail);
        let events = explain.then(|| rows(&measurement, &values, event_sha256));
        Self {
            inputs,
            not_predicted: reasons(&measurement, event_sha256, any_tail),
            measurement,
            event_sha256,
            events,
            memory_map: explain.then_some(values.memory_map),
        }
    }
}

/// The digest of the event that stage0 logs, if all its parts are known.
fn event(measurement: &Measurement, cmdline: &str) -> Option<EventDigest> {
    let measurements = Measurements {
        setup_data: measurement.kernel_setup_data_sha256,
        kernel: measurement.kernel_image_sha256,
        initrd: measurement.init_ram_fs_sha256,
        memory_map: measurement.memory_map_sha256,
        acpi: measurement.acpi_table_sha256?,
        cmdline: cmdline.to_owned(),
    };
    Some(measurements.event_digest())
}

fn reasons(measurement: &Measurement, event: Option<EventDigest>, any_tail: bool) -> Vec<Reason> {
    let no_event = if any_tail { NO_EVENT_OF_TAIL } else { NO_EVENT };
    let open = [
        ("stage0_measurement", STAGE0, true),
        ("acpi_table_sha256", NO_ACPI, measurement.acpi_table_sha256.is_none()),
        ("system_image_sha256", NO_SYSTEM_IMAGE, measurement.system_image_sha256.is_none()),
        ("container_binary_sha256", CONTAINER, true),
        ("event_sha256", no_event, event.is_none()),
    ];
    let open = open.into_iter().filter(|(.., is_open)| *is_open);
    open.map(|(field, reason, _)| Reason { field, reason }).collect()
}

/// The measurements, in the order of the fields of stage0's event; then those of stage1.
fn rows(measurement: &Measurement, values: &Values, event: Option<EventDigest>) -> Vec<Row> {
    let or_open = |digest: Option<String>| digest.unwrap_or_else(|| "open".to_owned());
    let initrd = if values.initrd.is_some() { "initrd" } else { "no initrd" };
    let entries = values.memory_map.entries().len();
    let acpi = measurement.acpi_table_sha256.map(|digest| digest.to_string());
    let cmdline = format!("command line {:?}, as text", values.cmdline);
    let event = event.map(|digest| digest.to_string());
    let system_image = measurement.system_image_sha256.map(|digest| digest.to_string());
    let rows: [(&str, String, &str, String); 8] = [
        (
            "stage0",
            "setup data of the kernel".into(),
            "kernel",
            measurement.kernel_setup_data_sha256.to_string(),
        ),
        (
            "stage0",
            "kernel without its setup data".into(),
            "kernel",
            measurement.kernel_image_sha256.to_string(),
        ),
        ("stage0", initrd.into(), "initrd", measurement.init_ram_fs_sha256.to_string()),
        (
            "stage0",
            format!("E820 table of {entries} entries"),
            "machine",
            measurement.memory_map_sha256.to_string(),
        ),
        ("stage0", "commands and files of the ACPI tables".into(), "machine", or_open(acpi)),
        ("stage0", cmdline, "command-line", "-".into()),
        ("stage0", "event of all these".into(), "stage0", or_open(event)),
        ("stage1", "system image".into(), "system-image", or_open(system_image)),
    ];
    let row = |(index, (by, meaning, source, digest))| Row { index, by, meaning, source, digest };
    rows.into_iter().enumerate().map(row).collect()
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { index, by, meaning, source, digest } = self;
        write!(f, "{index:>5} | {by:<6} | {meaning:<40} | {source:<12} | {digest}")
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(rows) = &self.events {
            writeln!(
                f,
                "{:>5} | {:<6} | {:<40} | {:<12} | digest",
                "index", "by", "meaning", "source"
            )?;
            rows.iter().try_for_each(|row| writeln!(f, "{row}"))?;
        }
        for entry in self.memory_map.iter().flat_map(MemoryMap::entries) {
            writeln!(f, "E820  {entry}")?;
        }
        let Measurement {
            kernel_image_sha256,
            kernel_setup_data_sha256,
            init_ram_fs_sha256,
            memory_map_sha256,
            acpi_table_sha256,
            kernel_cmd_line_regex,
            system_image_sha256,
        } = &self.measurement;
        writeln!(f, "kernel_image_sha256       {kernel_image_sha256}")?;
        writeln!(f, "kernel_setup_data_sha256  {kernel_setup_data_sha256}")?;
        writeln!(f, "init_ram_fs_sha256        {init_ram_fs_sha256}")?;
        writeln!(f, "memory_map_sha256         {memory_map_sha256}")?;
        if let Some(digest) = acpi_table_sha256 {
            writeln!(f, "acpi_table_sha256         {digest}")?;
        }
        writeln!(f, "kernel_cmd_line_regex     {kernel_cmd_line_regex}")?;
        if let Some(digest) = system_image_sha256 {
            writeln!(f, "system_image_sha256       {digest}")?;
        }
        if let Some(digest) = &self.event_sha256 {
            writeln!(f, "event_sha256              {digest}")?;
        }
        for Reason { field, reason } in &self.not_predicted {
            writeln!(f, "{field:<24}  - {reason}")?;
        }
        Ok(())
    }
}
