//! The ACPI tables that a QEMU makes for a machine, without starting a guest.
//!
//! QEMU makes the tables when firmware asks for them over fw_cfg, from what the firmware has
//! written into the chipset until then. Here nothing runs: the machine stays stopped, its registers
//! are written from outside ([`pci`]) over QEMU's test protocol ([`qtest`]), and the files are read
//! as firmware would read them. No hardware, container, root or patched QEMU is needed.
//!
//! The tables are those of the machine described here and no other: version of QEMU, devices,
//! processors, memory and machine properties must be those of the guest. Deliberately absent: PCI
//! bridges; tables that depend on the accelerator (a QEMU that declares other interrupts for a TD
//! than for a guest without protection gives other ones there: take the files from such a guest).
//!
//! Source: `hw/i386/acpi-build.c` of QEMU; "QEMU Firmware Configuration (fw_cfg) Device"
//! (`docs/specs/fw_cfg.rst`). Oracle: what OVMF measures when it boots such a machine.

mod error;
mod pci;
mod qtest;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use cvmkit_formats::digest::Digests;
use cvmkit_measure::tdx::rtmr::AcpiTables;

pub use self::error::AcpiError;
use self::qtest::{FILE_MAX, Qtest};
use super::qemu;

/// The properties of a machine that is a TD: QEMU switches off what a TD can't have
/// (`target/i386/kvm/tdx.c`), and the tables say so.
pub const TD_MACHINE: &str = "q35,smm=off,pic=off";

/// The files, as they are named in fw_cfg.
const LOADER: &str = "etc/table-loader";
const RSDP: &str = "etc/acpi/rsdp";
const TABLES: &str = "etc/acpi/tables";

/// `FW_CFG_FILE_DIR`: number of files, then the files (fw_cfg.rst, "File Directory").
const FILE_DIRECTORY: u16 = 0x19;
/// Bytes of an entry: size and selector, big endian, 2 reserved, the name with its NUL.
const ENTRY: usize = 64;
/// More files than any QEMU has.
const ENTRIES_MAX: u32 = 4096;
/// The address register of the DMA interface, big endian; its upper half (fw_cfg.rst, "Guest-side
/// DMA Interface").
const DMA_HIGH: u16 = 0x514;
/// Its lower half, of which the write starts the transfer.
const DMA_LOW: u16 = 0x518;
/// `FW_CFG_DMA_CTL_READ` and `FW_CFG_DMA_CTL_SELECT`; the selector is in the upper 16 bits.
const DMA_READ: u32 = 1 << 1;
const DMA_SELECT: u32 = 1 << 3;
/// Where the control structure is put, and what is read: memory that a machine has, and nothing of
/// its own uses as long as it does not run.
const CONTROL_ADDRESS: u32 = 0x1_0000;
const DATA_ADDRESS: u32 = 0x10_0000;

/// The machine of which the tables are wanted.
#[derive(Clone, Debug)]
pub struct AcpiRequest {
    /// The emulator; `None` takes `qemu-system-x86_64` from [`AcpiRequest::search_path`].
    pub qemu: Option<PathBuf>,
    /// Where programs are looked for, in order.
    pub search_path: Vec<PathBuf>,
    /// What QEMU takes as `-machine`: a `q35`, for a TD [`TD_MACHINE`].
    pub machine: String,
    /// How many processors the machine has, `-smp`: the tables name each.
    pub vcpus: u32,
    /// Bytes of memory, `-m`.
    pub memory: u64,
    /// Further arguments of QEMU: the devices.
    pub arguments: Vec<OsString>,
    /// Where the firmware puts the first 64-bit BAR; not needed without a device that has one.
    pub pci_window: Option<u64>,
    /// When to give up.
    pub timeout: Duration,
}

impl AcpiRequest {
    /// A TD without any device: QEMU from the search path, 60 seconds.
    #[must_use]
    pub fn new(search_path: Vec<PathBuf>, vcpus: u32, memory: u64) -> Self {
        Self {
            qemu: None,
            search_path,
            machine: TD_MACHINE.to_owned(),
            vcpus,
            memory,
            arguments: Vec::new(),
            pci_window: None,
            timeout: Duration::from_secs(60),
        }
    }

    /// The machine, stopped before its first instruction.
    fn arguments(&self) -> Vec<OsString> {
        let (vcpus, memory) = (self.vcpus.to_string(), format!("size={}B", self.memory));
        let fixed = ["-no-user-config", "-nodefaults", "-display", "none", "-accel", "tcg", "-S"];
        let machine = ["-machine", &self.machine, "-smp", &vcpus, "-m", &memory];
        let words = fixed.into_iter().chain(machine).map(OsString::from);
        words.chain(self.arguments.iter().cloned()).collect()
    }
}

/// What firmware reads of QEMU's tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcpiFiles {
    /// `etc/table-loader`: how the tables are to be put into memory.
    pub loader: Vec<u8>,
    /// `etc/acpi/rsdp`: the pointer to them.
    pub rsdp: Vec<u8>,
    /// `etc/acpi/tables`: all tables but the pointer to them.
    pub tables: Vec<u8>,
    /// The version of the QEMU that made them, such as `10.0.2`.
    pub qemu_version: String,
}

impl AcpiFiles {
    /// The files as firmware measures them.
    #[must_use]
    pub fn digests(&self) -> AcpiTables {
        let Self { loader, rsdp, tables, qemu_version: _ } = self;
        AcpiTables {
            loader: Digests::of(loader),
            rsdp: Digests::of(rsdp),
            tables: Digests::of(tables),
        }
    }
}

/// Starts QEMU, reads the files, and ends it.
///
/// # Errors
/// [`AcpiError`]; QEMU is gone then too.
pub fn acpi_files(request: &AcpiRequest) -> Result<AcpiFiles, AcpiError> {
    let deadline = Instant::now() + request.timeout;
    // Any version will do: the tables are to be that version's.
    let (path, qemu_version) = qemu::locate(request.qemu.as_deref(), &request.search_path)?;
    let mut machine = Qtest::start(&path, &request.search_path, &request.arguments(), deadline)?;
    let read = read_files(&mut machine, request.pci_window);
    let stderr = machine.end();
    match read {
        Ok([loader, rsdp, tables]) => Ok(AcpiFiles { loader, rsdp, tables, qemu_version }),
        Err(AcpiError::Gone) if !stderr.is_empty() => Err(AcpiError::Refused { stderr }),
        Err(error) => Err(error),
    }
}

/// Loader, RSDP and tables.
fn read_files(machine: &mut Qtest, window: Option<u64>) -> Result<[Vec<u8>; 3], AcpiError> {
    pci::program(machine, window)?;
    let directory = directory(machine)?;
    // The first read of any of them has QEMU make them all.
    let mut file = |name| {
        let place = directory.chunks_exact(ENTRY).find_map(|entry| named(entry, name));
        let (size, selector) = place.ok_or(AcpiError::NoFile { name })?;
        let len = usize::try_from(size).ok().filter(|len| (1..=FILE_MAX).contains(len));
        let len = len.ok_or(AcpiError::FileSize { name, expected: FILE_MAX, found: size })?;
        machine.fw_cfg(selector, len)
    };
    Ok([file(LOADER)?, file(RSDP)?, file(TABLES)?])
}

/// The entries of all files.
fn directory(machine: &mut Qtest) -> Result<Vec<u8>, AcpiError> {
    const COUNT: usize = size_of::<u32>();
    let count = machine.fw_cfg(FILE_DIRECTORY, COUNT)?;
    let count = count.first_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes));
    let name = "the file directory";
    let entries = usize::try_from(count).ok().filter(|_| (1..=ENTRIES_MAX).contains(&count));
    let entries = entries.ok_or(AcpiError::FileSize { name, expected: FILE_MAX, found: count })?;
    let mut bytes = machine.fw_cfg(FILE_DIRECTORY, COUNT + entries * ENTRY)?;
    Ok(bytes.split_off(COUNT))
}

/// Size and selector of an entry, if it has this name.
fn named(entry: &[u8], name: &str) -> Option<(u32, u16)> {
    let (size, rest) = entry.split_first_chunk()?;
    let (selector, rest) = rest.split_first_chunk()?;
    let found = rest.get(2..)?.split(|&byte| byte == 0).next()?;
    let place = (u32::from_be_bytes(*size), u16::from_be_bytes(*selector));
    (found == name.as_bytes()).then_some(place)
}

impl Qtest {
    /// The first bytes of an item of fw_cfg.
    fn fw_cfg(&mut self, selector: u16, len: usize) -> Result<Vec<u8>, AcpiError> {
        let control = u32::from(selector) << 16 | DMA_SELECT | DMA_READ;
        // Callers ask for less than 4 GiB.
        let length = u32::try_from(len).unwrap_or(u32::MAX);
        let mut access = Vec::with_capacity(16);
        access.extend(control.to_be_bytes());
        access.extend(length.to_be_bytes());
        access.extend(u64::from(DATA_ADDRESS).to_be_bytes());
        self.write(CONTROL_ADDRESS.into(), &access)?;
        self.outl(DMA_HIGH, 0)?;
        self.outl(DMA_LOW, CONTROL_ADDRESS.swap_bytes())?;
        // QEMU clears the control word when it is done, and it is when the write returns.
        let state = self.read(CONTROL_ADDRESS.into(), size_of::<u32>())?;
        if state.iter().any(|&byte| byte != 0) {
            let command = format!("a transfer of fw_cfg item {selector:#x}");
            return Err(AcpiError::Protocol { command, answer: hex::encode(state) });
        }
        self.read(DATA_ADDRESS.into(), len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_found_by_its_whole_name() {
        let mut entry = [0; ENTRY];
        entry[..8].copy_from_slice(&[0, 2, 0, 0, 0, 0x2a, 0, 0]);
        entry[8..8 + TABLES.len()].copy_from_slice(TABLES.as_bytes());
        assert_eq!(named(&entry, TABLES), Some((0x2_0000, 0x2a)));
        assert_eq!(named(&entry, "etc/acpi"), None);
        assert_eq!(named(&entry[..6], TABLES), None);
    }

    #[test]
    fn a_machine_stands_still_before_its_first_instruction() {
        let mut request = AcpiRequest::new(Vec::new(), 4, 3 << 30);
        request.arguments = vec!["-device".into(), "x".into()];
        let expected = "-no-user-config -nodefaults -display none -accel tcg -S -machine \
                        q35,smm=off,pic=off -smp 4 -m size=3221225472B -device x";
        let words = request.arguments();
        let words: Vec<_> = words.iter().map(|word| word.to_string_lossy()).collect();
        assert_eq!(words.join(" "), expected);
        assert_eq!((request.pci_window, request.timeout), (None, Duration::from_secs(60)));
    }

    #[test]
    fn the_files_are_digested_one_by_one() {
        let files = AcpiFiles {
            loader: b"l".to_vec(),
            rsdp: b"r".to_vec(),
            tables: b"t".to_vec(),
            qemu_version: "10.0.2".into(),
        };
        let AcpiTables { loader, rsdp, tables } = files.digests();
        assert_eq!(
            (loader, rsdp, tables),
            (Digests::of(b"l"), Digests::of(b"r"), Digests::of(b"t"))
        );
    }

    /// An entry of the file directory: size and selector, big endian, 2 reserved, the name (fw_cfg.rst).
    fn entry(name: &str, size: u32, selector: u16) -> Vec<u8> {
        let mut entry =
            [&size.to_be_bytes()[..], &selector.to_be_bytes(), &[0, 0], name.as_bytes()].concat();
        entry.resize(ENTRY, 0);
        entry
    }

    /// Items of fw_cfg by selector, as a q35 without devices has them.
    fn machine(items: Vec<(u16, Vec<u8>)>) -> Qtest {
        let mut control = Vec::new();
        let mut data = Vec::new();
        Qtest::of(move |command| {
            let words: Vec<&str> = command.split(' ').collect();
            let number =
                |word: &str| u64::from_str_radix(word.trim_start_matches("0x"), 16).unwrap();
            match words.as_slice() {
                ["write", "0x10000", _, digits] => {
                    control = hex::decode(digits.trim_start_matches("0x")).unwrap();
                    "OK".into()
                }
                ["outl", "0x518", value] => {
                    // The address of the control structure, big endian, starts the transfer.
                    assert_eq!(number(value), u64::from(0x1_0000_u32.swap_bytes()));
                    let selector = u16::from_be_bytes([control[0], control[1]]);
                    assert_eq!(control[2..4], [0, 0b1010], "select and read");
                    assert_eq!(control[8..], 0x10_0000_u64.to_be_bytes());
                    let len = u32::from_be_bytes(control[4..8].try_into().unwrap()) as usize;
                    let item = items.iter().find(|(of, _)| *of == selector);
                    data = item.map(|(_, bytes)| bytes.clone()).unwrap_or_default();
                    data.resize(len, 0);
                    control[..4].copy_from_slice(if item.is_some() {
                        &[0; 4]
                    } else {
                        &[0, 0, 0, 1]
                    });
                    "OK".into()
                }
                ["read", "0x10000", _] => format!("OK 0x{}", hex::encode(&control[..4])),
                ["read", "0x100000", len] => {
                    let len = usize::try_from(number(len)).unwrap();
                    format!("OK 0x{}", hex::encode(&data[..len]))
                }
                // No function is there.
                ["inl", "0xcfc"] => "OK 0xffffffff".into(),
                ["outl", ..] => "OK".into(),
                _ => format!("FAIL Unknown command '{command}'"),
            }
        })
    }

    fn directory_of(count: u32, entries: &[Vec<u8>]) -> (u16, Vec<u8>) {
        (FILE_DIRECTORY, [count.to_be_bytes().to_vec(), entries.concat()].concat())
    }

    #[test]
    fn files_are_read_as_firmware_reads_them() {
        let entries = [
            entry("etc/other", 9, 0x20),
            entry(LOADER, 3, 0x21),
            entry(RSDP, 2, 0x22),
            entry(TABLES, 1, 0x23),
        ];
        let items = vec![
            directory_of(4, &entries),
            (0x21, b"abc".to_vec()),
            (0x22, b"de".to_vec()),
            (0x23, b"f".to_vec()),
        ];
        let found = read_files(&mut machine(items), None).unwrap();
        assert_eq!(found, [b"abc".to_vec(), b"de".to_vec(), b"f".to_vec()]);
    }

    #[test]
    fn a_machine_without_tables_is_refused() {
        let largest = u32::try_from(FILE_MAX).unwrap();
        let name = |name: &str| format!("`{name}` of fw_cfg has");
        let most = format!("expected 1 to {FILE_MAX}");
        for (items, expected) in [
            (vec![directory_of(0, &[])], format!("{} 0 bytes, {most}", name("the file directory"))),
            (
                vec![directory_of(4097, &[])],
                format!("{} 4097 bytes, {most}", name("the file directory")),
            ),
            (
                vec![directory_of(1, &[entry(RSDP, 1, 0x22)])],
                format!("QEMU has no `{LOADER}` in fw_cfg, expected a machine with ACPI tables"),
            ),
            (
                vec![directory_of(1, &[entry(LOADER, 0, 0x21)])],
                format!("{} 0 bytes, {most}", name(LOADER)),
            ),
            (
                vec![directory_of(1, &[entry(LOADER, largest + 1, 0x21)])],
                format!("{} {} bytes, {most}", name(LOADER), largest + 1),
            ),
            (
                vec![directory_of(1, &[entry(LOADER, 1, 0x21)])],
                "QEMU answered \"00000001\" to `a transfer of fw_cfg item 0x21`".to_owned(),
            ),
        ] {
            let error = read_files(&mut machine(items), None).unwrap_err().to_string();
            assert_eq!(error, expected);
        }
    }
}
