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
}
