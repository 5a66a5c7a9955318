//! What firmware writes into the chipset and the PCI devices of a `q35` machine before it asks for
//! the ACPI tables, as far as these depend on it.
//!
//! The tables name the address of the configuration space (MCFG), of the power management ports
//! (FADT, DSDT), and the window of 64-bit BARs (DSDT: from the lowest of them on). Deliberately
//! absent: PCI bridges, of which the windows would count too, and more than one root bus.
//!
//! Standards: PCI Local Bus 3.0, section 6.2.5 (BARs) and section 3.2.2.3.2 (configuration
//! mechanism); Intel 3 Series Express Chipset (PCIEXBAR); Intel I/O Controller Hub 9, section 13.1
//! (PMBASE, ACPI_CNTL). Values: edk2, `OvmfPkg`. Oracle: what OVMF measures.

use super::error::AcpiError;
use super::qtest::Qtest;

/// The lowest address a window of 64-bit BARs can have.
const WINDOW_MIN: u64 = 1 << 32;

/// `CONFIG_ADDRESS` and `CONFIG_DATA`.
const CONFIG_ADDRESS: u16 = 0xcf8;
const CONFIG_DATA: u16 = 0xcfc;

/// A function on bus 0: device in bits 7 to 3, function in bits 2 to 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Function(u8);

/// The memory controller, 00.0.
const MEMORY_CONTROLLER: Function = Function(0);
/// The bridge to the LPC bus, 1f.0.
const LPC_BRIDGE: Function = Function(0x1f << 3);

/// `PCIEXBAR` of the memory controller, 64 bits.
const PCIEXBAR: u8 = 0x60;
/// `PcdPciExpressBaseAddress` of OVMF, 256 MiB (bits 2 and 1 are 0), enabled (bit 0).
const PCIEXBAR_VALUE: u32 = 0xe000_0000 | 1;
/// `PMBASE` of the LPC bridge.
const PMBASE: u8 = 0x40;
/// `ICH9_PMBASE_VALUE` of OVMF; bit 0 says that it is a port.
const PMBASE_VALUE: u32 = 0x600 | 1;
/// `ACPI_CNTL` of the LPC bridge.
const ACPI_CNTL: u8 = 0x44;
/// `ACPI_EN`, bit 7.
const ACPI_EN: u32 = 1 << 7;

/// Vendor and device.
const ID: u8 = 0x00;
/// What no function is there reads as.
const NO_FUNCTION: u32 = u32::MAX;
/// `Command`; bit 1 has the device decode its memory BARs.
const COMMAND: u8 = 0x04;
const MEMORY_SPACE: u32 = 1 << 1;
/// The double word with `Header Type` in bits 22 to 16: 0 for devices, 1 for bridges.
const HEADER_TYPE: u8 = 0x0c;
/// The first and the last BAR of a device.
const FIRST_BAR: u8 = 0x10;
const LAST_BAR: u8 = 0x24;
/// Bits 2 to 0 of a BAR: memory, 64 bits.
const KIND: u32 = 0b111;
const MEMORY_64: u32 = 0b100;
/// Bits 3 to 0 of a memory BAR are not address.
const FLAGS: u64 = 0xf;

/// A 64-bit memory BAR.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Bar {
    function: Function,
    offset: u8,
    size: u64,
}

/// Writes the registers of the chipset, then the 64-bit BARs from `window` on.
pub(super) fn program(machine: &mut Qtest, window: Option<u64>) -> Result<(), AcpiError> {
    // The upper half first: the register may be enabled by the lower one only when it is whole.
    machine.put(MEMORY_CONTROLLER, PCIEXBAR + 4, 0)?;
    machine.put(MEMORY_CONTROLLER, PCIEXBAR, PCIEXBAR_VALUE)?;
    machine.put(LPC_BRIDGE, PMBASE, PMBASE_VALUE)?;
    machine.put(LPC_BRIDGE, ACPI_CNTL, ACPI_EN)?;
    let bars = bars(machine)?;
    let Some(first) = bars.first() else { return Ok(()) };
    let window =
        window.ok_or_else(|| AcpiError::NoWindow { function: first.function.to_string() })?;
    for (bar, address) in bars.iter().zip(addresses(&bars, window)?) {
        let Bar { function, offset, .. } = *bar;
        let [low, high] = halves(address);
        machine.put(function, offset, low)?;
        machine.put(function, offset + 4, high)?;
        let command = machine.get(function, COMMAND)?;
        machine.put(function, COMMAND, command | MEMORY_SPACE)?;
    }
    Ok(())
}

/// Every 64-bit BAR, the largest first, which is the order in which edk2 places them.
fn bars(machine: &mut Qtest) -> Result<Vec<Bar>, AcpiError> {
    let mut bars = Vec::new();
    for function in (0..=u8::MAX).map(Function) {
        if machine.get(function, ID)? == NO_FUNCTION {
            continue;
        }
        if machine.get(function, HEADER_TYPE)? >> 16 & 0x7f != 0 {
            return Err(AcpiError::Bridge { function: function.to_string() });
        }
        let mut offset = FIRST_BAR;
        while offset <= LAST_BAR {
            let is_wide = machine.get(function, offset)? & KIND == MEMORY_64;
            if is_wide && offset < LAST_BAR {
                bars.push(Bar { function, offset, size: size(machine, function, offset)? });
                offset += 4;
            }
            offset += 4;
        }
    }
    bars.sort_by_key(|bar| std::cmp::Reverse(bar.size));
    Ok(bars)
}

/// How much a BAR decodes: address bits below that can't be set.
fn size(machine: &mut Qtest, function: Function, offset: u8) -> Result<u64, AcpiError> {
    for half in [offset, offset + 4] {
        machine.put(function, half, u32::MAX)?;
    }
    let (low, high) = (machine.get(function, offset)?, machine.get(function, offset + 4)?);
    let settable = (u64::from(high) << 32 | u64::from(low)) & !FLAGS;
    Ok((!settable).wrapping_add(1))
}

/// One behind the other; sizes are powers of two, and descend, so that each is aligned.
fn addresses(bars: &[Bar], window: u64) -> Result<Vec<u64>, AcpiError> {
    let largest = bars.first().map_or(1, |bar| bar.size.max(1));
    if !window.is_multiple_of(largest) || window < WINDOW_MIN {
        return Err(AcpiError::Window { found: window, alignment: largest });
    }
    let mut at = window;
    let mut addresses = Vec::with_capacity(bars.len());
    for bar in bars {
        addresses.push(at);
        at = at
            .checked_add(bar.size)
            .ok_or(AcpiError::Window { found: window, alignment: largest })?;
    }
    Ok(addresses)
}

fn halves(address: u64) -> [u32; 2] {
    let [a, b, c, d, e, f, g, h] = address.to_le_bytes();
    [u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h])]
}

impl Qtest {
    fn select(&mut self, function: Function, offset: u8) -> Result<(), AcpiError> {
        const ENABLE: u32 = 1 << 31;
        self.outl(CONFIG_ADDRESS, ENABLE | u32::from(function.0) << 8 | u32::from(offset & !3))
    }

    fn get(&mut self, function: Function, offset: u8) -> Result<u32, AcpiError> {
        self.select(function, offset)?;
        self.inl(CONFIG_DATA)
    }

    fn put(&mut self, function: Function, offset: u8, value: u32) -> Result<(), AcpiError> {
        self.select(function, offset)?;
        self.outl(CONFIG_DATA, value)
    }
}

impl std::fmt::Display for Function {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "00:{:02x}.{}", self.0 >> 3, self.0 & 7)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bar(size: u64) -> Bar {
        Bar { function: Function(8), offset: 0x20, size }
    }

    #[test]
    fn bars_follow_each_other() {
        let bars = [bar(0x100_0000), bar(0x4000), bar(0x4000)];
        let expected = vec![0x8_0000_0000, 0x8_0100_0000, 0x8_0100_4000];
        assert_eq!(addresses(&bars, 0x8_0000_0000).unwrap(), expected);
        for window in [0x8_0000_4000, 0x8000_0000, !0xff_ffff_u64] {
            let refused = addresses(&bars, window);
            assert!(matches!(refused, Err(AcpiError::Window { .. })), "{window:#x}");
        }
    }

    #[test]
    fn functions_print_as_lspci_does() {
        assert_eq!(Function(0xfa).to_string(), "00:1f.2");
    }

    /// The registers of a function by their offset: the bits that can be set, and the value.
    type Registers = Vec<(u8, u32, u32)>;

    /// A machine with these functions, and what is written to its BARs and to what has no register.
    fn machine(functions: Vec<(u8, Registers)>) -> (Qtest, std::sync::mpsc::Receiver<String>) {
        let (send, written) = std::sync::mpsc::channel();
        let mut functions: std::collections::BTreeMap<u8, Registers> =
            functions.into_iter().collect();
        let mut address = 0_u32;
        let machine = Qtest::of(move |command| {
            let words: Vec<&str> = command.split(' ').collect();
            let number =
                |word: &str| u32::from_str_radix(word.trim_start_matches("0x"), 16).unwrap();
            let [offset, function, ..] = address.to_le_bytes();
            match words.as_slice() {
                ["outl", "0xcf8", value] => {
                    address = number(value);
                    assert_eq!(address & 0xff00_0003, 0x8000_0000, "enabled, a double word");
                    "OK".into()
                }
                ["inl", "0xcfc"] => {
                    let registers = functions.get(&function);
                    let value = registers.map(|registers| {
                        let register = registers.iter().find(|(at, ..)| *at == offset);
                        register.map_or(0, |(_, _, value)| *value)
                    });
                    format!("OK {:#x}", value.unwrap_or(u32::MAX))
                }
                ["outl", "0xcfc", value] => {
                    let value = number(value);
                    let registers = functions.get_mut(&function);
                    let register =
                        registers.and_then(|all| all.iter_mut().find(|(at, ..)| *at == offset));
                    match register {
                        Some((_, settable, now)) => *now = *now & !*settable | value & *settable,
                        None => drop(send.send(format!("{function:#x} {offset:#x} {value:#x}"))),
                    }
                    if value != u32::MAX && (0x10..0x28).contains(&offset) {
                        send.send(format!("{} bar {offset:#x} {value:#x}", Function(function)))
                            .unwrap();
                    }
                    "OK".into()
                }
                _ => "FAIL".into(),
            }
        });
        (machine, written)
    }

    /// A function with a 64-bit BAR of 2^`bits` bytes at an offset.
    fn device(function: u8, bars: &[(u8, u32)]) -> (u8, Registers) {
        let mut registers = vec![(ID, 0, 0x1234_8086), (HEADER_TYPE, 0, 0), (COMMAND, 0xffff, 1)];
        for &(offset, bits) in bars {
            let settable = !((1_u64 << bits) - 1);
            let [low, high] = halves(settable);
            registers.extend([(offset, low, 0b1100), (offset + 4, high, 0)]);
        }
        (function, registers)
    }

    /// The values are those of OvmfPkg: PCIEXBAR, PMBASE, ACPI_CNTL, in this order.
    #[test]
    fn the_chipset_is_programmed_as_ovmf_does_it() {
        let (mut machine, written) = machine(vec![]);
        program(&mut machine, None).unwrap();
        drop(machine);
        let expected = ["0x0 0x64 0x0", "0x0 0x60 0xe0000001", "0xf8 0x40 0x601", "0xf8 0x44 0x80"];
        assert_eq!(written.iter().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn bars_are_placed_the_largest_first() {
        let functions = vec![device(0x10, &[(0x10, 14), (0x18, 24)]), device(0x1a, &[(0x20, 34)])];
        let (mut machine, written) = machine(functions);
        program(&mut machine, Some(0x38_0000_0000)).unwrap();
        assert_eq!(machine.get(Function(0x10), COMMAND).unwrap(), 0b11, "it decodes memory");
        drop(machine);
        let bars: Vec<_> = written.iter().filter(|line| line.contains("bar")).collect();
        let expected = [
            "00:03.2 bar 0x20 0x0",
            "00:03.2 bar 0x24 0x38",
            "00:02.0 bar 0x18 0x0",
            "00:02.0 bar 0x1c 0x3c",
            "00:02.0 bar 0x10 0x1000000",
            "00:02.0 bar 0x14 0x3c",
        ];
        assert_eq!(bars, expected);
    }

    #[test]
    fn a_machine_that_is_not_predicted_is_refused() {
        let (mut windowless, _written) = machine(vec![device(0x10, &[(0x10, 14)])]);
        let error = program(&mut windowless, None).unwrap_err();
        assert!(
            matches!(&error, AcpiError::NoWindow { function } if function == "00:02.0"),
            "{error}"
        );
        let (mut bridged, _written) =
            machine(vec![(0x20, vec![(ID, 0, 1), (HEADER_TYPE, 0, 0x0001_0000)])]);
        let error = program(&mut bridged, None).unwrap_err();
        assert!(
            matches!(&error, AcpiError::Bridge { function } if function == "00:04.0"),
            "{error}"
        );
        // Bit 7 of the header type says that there are more functions, and no bridge.
        let (mut multiple, _written) =
            machine(vec![(0x20, vec![(ID, 0, 1), (HEADER_TYPE, 0, 0x0080_0000)])]);
        assert!(program(&mut multiple, None).is_ok());
        // A 64-bit BAR in the last place has no upper half; a 32-bit one needs no window.
        let (mut narrow, _written) = machine(vec![(
            0x20,
            vec![(ID, 0, 1), (HEADER_TYPE, 0, 0), (0x10, !0xfff, 0), (LAST_BAR, !0xfff, 0b100)],
        )]);
        assert!(program(&mut narrow, None).is_ok());
    }

    #[test]
    fn a_window_is_above_4_gib_and_aligned() {
        let alignment = |bars: &[Bar], window| match addresses(bars, window) {
            Err(AcpiError::Window { found, alignment }) => Some((found, alignment)),
            _ => None,
        };
        assert_eq!(addresses(&[bar(0x1000)], 1 << 32).unwrap(), [1 << 32]);
        assert_eq!(alignment(&[bar(0x1000)], (1 << 32) - 0x1000), Some((0xffff_f000, 0x1000)));
        assert_eq!(alignment(&[bar(0x1000)], (1 << 32) + 0x800), Some((0x1_0000_0800, 0x1000)));
        assert!(alignment(&[bar(0x1000); 2], !0xfff).is_some(), "it wraps");
        assert_eq!(halves(0x1234_5678_9abc_def0), [0x9abc_def0, 0x1234_5678]);
    }
}
