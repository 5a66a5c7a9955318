//! A Linux kernel for x86 as QEMU hands it to the firmware.
//!
//! With `-kernel`, QEMU plays boot loader: it writes the fields of the setup header that a loader
//! must fill in, so the image that the firmware loads and measures is not the file. Since version
//! 10.0 it also offers the file as it is, and OVMF of edk2-stable202502 or later takes that one.
//! [`SetupHeader`] says which it is. Never both: one of the two digests is what is measured.
//!
//! The kernel is read through a [`Source`] and never copied; the patched header is laid over it.
//! Deliberately absent: device trees (`-dtb`), kernels for other architectures, ELF and multiboot
//! kernels.
//!
//! Standard: "The Linux/x86 Boot Protocol" (`Documentation/arch/x86/boot.rst`), "The Real-Mode
//! Kernel Header"; what QEMU does is `x86_load_linux` in `hw/i386/x86-common.c`. Oracle: QEMU,
//! asked for the header over fw_cfg; event logs of OVMF.

use std::fmt;
use std::io;

use cvmkit_formats::digest::Digests;
use cvmkit_formats::pe;
use cvmkit_formats::source::Source;
use serde::Serialize;
use thiserror::Error;

use crate::uefi::image;

/// How much of the header QEMU reads, and so writes back (`x86_load_linux`).
const HEADER_MAX: usize = 8192;

/// `setup_sects`, u8: 512-byte sectors of setup code behind the first; 0 stands for 4.
const SETUP_SECTS: usize = 0x1f1;
/// `vid_mode`, u16.
const VID_MODE: usize = 0x1fa;
/// `header`, "HdrS".
const MAGIC: usize = 0x202;
/// `version` of the protocol, u16.
const VERSION: usize = 0x206;
/// `kernel_version`, u16: where the version is, less 0x200; 0 for none.
const KERNEL_VERSION: usize = 0x20e;
/// `type_of_loader`, u8.
const TYPE_OF_LOADER: usize = 0x210;
/// `loadflags`, u8.
const LOADFLAGS: usize = 0x211;
/// `ramdisk_image` and `ramdisk_size`, u32 each.
const RAMDISK: usize = 0x218;
/// `heap_end_ptr`, u16.
const HEAP_END_PTR: usize = 0x224;
/// `cmd_line_ptr`, u32.
const CMD_LINE_PTR: usize = 0x228;
/// `initrd_addr_max`, u32, since protocol 2.03.
const INITRD_ADDR_MAX: usize = 0x22c;
/// `xloadflags`, u16, since protocol 2.12.
const XLOADFLAGS: usize = 0x236;

/// The protocol with `initrd_addr_max`; kernels with an EFI stub are years younger (2.10).
const VERSION_MIN: u16 = 0x203;
/// The protocol with `xloadflags`.
const VERSION_XLOADFLAGS: u16 = 0x20c;
/// `loadflags` bit 0, `LOADED_HIGH`: a bzImage.
const LOADED_HIGH: u8 = 1 << 0;
/// `loadflags` bit 7, `CAN_USE_HEAP`.
const CAN_USE_HEAP: u8 = 1 << 7;
/// `xloadflags` bit 1, `XLF_CAN_BE_LOADED_ABOVE_4G`.
const CAN_BE_LOADED_ABOVE_4G: u16 = 1 << 1;

/// `type_of_loader` of QEMU, version 0 ("The Linux/x86 Boot Protocol", table of loaders: 0xB).
const LOADER_QEMU: u8 = 0xb0;
/// Where QEMU puts the command line of a bzImage.
const CMDLINE_ADDRESS: u32 = 0x2_0000;
/// Where QEMU puts the real-mode part of a bzImage.
const REAL_MODE_ADDRESS: u32 = 0x1_0000;
/// What QEMU keeps free at the end of low memory: ACPI data of a q35 or pc machine
/// (`acpi_data_size`, 0x20000 + 0x8000).
const ACPI_DATA_SIZE: u64 = 0x2_8000;

/// From this much memory on, a `q35` machine has 2 GiB below 4 GiB (`pc_q35_init`).
const Q35_SPLIT: u64 = 0xb000_0000;
/// What it has there then.
const Q35_LOW: u64 = 0x8000_0000;

/// Bytes of memory a `q35` machine with `memory` bytes has below 4 GiB; the rest starts there.
#[must_use]
pub const fn q35_below_4g(memory: u64) -> u64 {
    if memory < Q35_SPLIT { memory } else { Q35_LOW }
}

/// The first two numbers of a kernel's version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct KernelVersion {
    /// Of 6.12, the 6.
    pub major: u32,
    /// Of 6.12, the 12.
    pub minor: u32,
}

impl fmt::Display for KernelVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// Longest version text that is looked at: what `uname -r` says has 64 bytes at most.
const RELEASE_MAX: u64 = 128;

/// What `uname -r` will say under this kernel: the first word of a text such as
/// `6.12.107+deb13-cloud-amd64 (…) #1 SMP`.
///
/// # Errors
/// What is found instead.
pub fn release<S: Source + ?Sized>(kernel: &S) -> Result<String, String> {
    let io = |error: io::Error| error.to_string();
    let mut magic = [0; 4];
    kernel.read_at(MAGIC as u64, &mut magic).map_err(io)?;
    if magic != *b"HdrS" {
        return Err(format!("`{}` at byte {MAGIC:#x}", magic.escape_ascii()));
    }
    let (at, text) = version_text(kernel)?;
    let word = text.split(|&byte| byte == 0 || byte == b' ').next().unwrap_or_default();
    match str::from_utf8(word) {
        Ok(word) if !word.is_empty() => Ok(word.to_owned()),
        _ => Err(format!("no version text at byte {at:#x}")),
    }
}

/// What `kernel_version` points to, and what is there.
fn version_text<S: Source + ?Sized>(kernel: &S) -> Result<(u64, Vec<u8>), String> {
    let io = |error: io::Error| error.to_string();
    let mut field = [0; 2];
    kernel.read_at(KERNEL_VERSION as u64, &mut field).map_err(io)?;
    let at = match u16::from_le_bytes(field) {
        0 => return Err("no version text".to_owned()),
        at => u64::from(at) + 0x200,
    };
    let len = kernel.len().saturating_sub(at).min(RELEASE_MAX);
    let mut text = vec![0; usize::try_from(len).unwrap_or_default()];
    kernel.read_at(at, &mut text).map_err(io)?;
    Ok((at, text))
}

/// The version that a kernel says it has; none of one that says nothing, as no kernel of the last
/// twenty years does.
#[must_use]
pub fn version<S: Source + ?Sized>(kernel: &S) -> Option<KernelVersion> {
    let (_, text) = version_text(kernel).ok()?;
    let mut numbers = text.split(|byte| !byte.is_ascii_digit());
    let mut number = || str::from_utf8(numbers.next()?).ok()?.parse().ok();
    Some(KernelVersion { major: number()?, minor: number()? })
}

/// Why a file can't be the kernel of a direct boot.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// The file can't be read.
    #[error("reading the setup header of the kernel")]
    Io(#[source] io::Error),
    /// The file has no setup header.
    #[error("the kernel has {found} at {MAGIC:#x}, expected `HdrS`: it is not a bzImage for x86")]
    NoHeader {
        /// The bytes in the place of the magic, or that the file ends before.
        found: String,
    },
    /// A boot protocol that QEMU treats differently.
    #[error(
        "the kernel has boot protocol {major}.{minor:02}, expected 2.03 or later",
        major = found >> 8,
        minor = found & 0xff
    )]
    TooOld {
        /// `version` of the header, major in the upper byte.
        found: u16,
    },
    /// A kernel for low memory.
    #[error(
        "the kernel is a zImage (loadflags {found:#04x} at {LOADFLAGS:#x}), expected a bzImage"
    )]
    NotHigh {
        /// `loadflags` of the header.
        found: u8,
    },
    /// More setup code than file.
    #[error("the kernel has {found} bytes, expected {expected} of setup code and more")]
    Truncated {
        /// Bytes of setup code.
        expected: u64,
        /// Bytes of the file.
        found: u64,
    },
    /// The initrd does not fit below the limit.
    #[error("the initrd has {found} bytes, expected less than {expected}, the room below 4 GiB")]
    InitrdTooLarge {
        /// Lowest size that does not fit.
        expected: u64,
        /// Bytes of the initrd.
        found: u64,
    },
    /// A command line that QEMU does not start with.
    #[error("`vga={found}` in the command line, expected normal, ext, ask or a number")]
    Vga {
        /// The word behind `vga=`.
        found: String,
    },
    /// The kernel is not a PE image, so firmware can't start it.
    #[error("the kernel can't be started by UEFI firmware")]
    Image(#[from] pe::Error),
}

/// What QEMU knows when it fills in the header of a `q35` machine's kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Boot<'a> {
    /// Bytes of memory, `-m`.
    pub memory: u64,
    /// Bytes of the initrd; none without `-initrd`.
    pub initrd: Option<u64>,
    /// The command line, `-append`.
    pub command_line: &'a [u8],
}

/// Which of the two images QEMU offers is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetupHeader<'a> {
    /// The file: QEMU 10.0 and later, with firmware that asks for `etc/boot/kernel`.
    AsInFile,
    /// What QEMU makes of it: older QEMU, or older firmware.
    Patched(Boot<'a>),
}

/// The Authenticode digests of a kernel, as firmware measures it before it starts it.
///
/// # Errors
/// Any of [`enum@Error`]: a file that is not a bzImage with an EFI stub, or a boot QEMU refuses.
pub fn digests<S: Source + ?Sized>(kernel: &S, header: &SetupHeader<'_>) -> Result<Digests, Error> {
    let mut head = read_header(kernel)?;
    if let SetupHeader::Patched(boot) = header {
        patch(&mut head, boot)?;
    }
    Ok(image::authenticode(&Patched { kernel, head })?)
}

/// The start of a kernel as QEMU patches it: its setup code, up to 8 KiB.
///
/// # Errors
/// As [`digests`].
pub fn patched_header<S: Source + ?Sized>(kernel: &S, boot: &Boot<'_>) -> Result<Vec<u8>, Error> {
    let mut head = read_header(kernel)?;
    patch(&mut head, boot)?;
    Ok(head)
}

/// A kernel under another header.
struct Patched<'a, S: ?Sized> {
    kernel: &'a S,
    head: Vec<u8>,
}

impl<S: Source + ?Sized> Source for Patched<'_, S> {
    fn len(&self) -> u64 {
        self.kernel.len()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        self.kernel.read_at(offset, buf)?;
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let head = self.head.get(start..).unwrap_or_default();
        for (to, from) in buf.iter_mut().zip(head) {
            *to = *from;
        }
        Ok(())
    }
}

/// The setup code, as far as QEMU writes it back; checked to be that of a bzImage.
fn read_header<S: Source + ?Sized>(kernel: &S) -> Result<Vec<u8>, Error> {
    let len = usize::try_from(kernel.len()).unwrap_or(usize::MAX).min(HEADER_MAX);
    let mut head = vec![0; len];
    kernel.read_at(0, &mut head).map_err(Error::Io)?;
    match head.get(MAGIC..MAGIC + 4) {
        Some(b"HdrS") => {}
        Some(other) => {
            return Err(Error::NoHeader { found: format!("`{}`", other.escape_ascii()) });
        }
        None => return Err(Error::NoHeader { found: "its end".to_owned() }),
    }
    // Everything read below is in front of 0x238, which only a made-up file would end before.
    let short = || Error::Truncated { expected: XLOADFLAGS as u64 + 2, found: kernel.len() };
    let version = u16_at(&head, VERSION).ok_or_else(short)?;
    if version < VERSION_MIN {
        return Err(Error::TooOld { found: version });
    }
    let loadflags = *head.get(LOADFLAGS).ok_or_else(short)?;
    if loadflags & LOADED_HIGH == 0 {
        return Err(Error::NotHigh { found: loadflags });
    }
    u16_at(&head, XLOADFLAGS).ok_or_else(short)?;
    let sectors = match head.get(SETUP_SECTS) {
        Some(0) | None => 4,
        Some(&sectors) => u64::from(sectors),
    };
    let expected = (sectors + 1) * 512;
    if expected > kernel.len() {
        return Err(Error::Truncated { expected, found: kernel.len() });
    }
    head.truncate(usize::try_from(expected).unwrap_or(HEADER_MAX));
    Ok(head)
}

fn patch(head: &mut [u8], boot: &Boot<'_>) -> Result<(), Error> {
    let initrd_address = initrd_address(head, boot)?;
    put(head, CMD_LINE_PTR, &CMDLINE_ADDRESS.to_le_bytes());
    if let Some(mode) = vga_mode(boot.command_line)? {
        put(head, VID_MODE, &mode.to_le_bytes());
    }
    put(head, TYPE_OF_LOADER, &[LOADER_QEMU]);
    if let Some(loadflags) = head.get_mut(LOADFLAGS) {
        *loadflags |= CAN_USE_HEAP;
    }
    // The heap ends where the command line starts, less the header (boot.rst, "heap_end_ptr").
    const HEAP_END: u32 = CMDLINE_ADDRESS - REAL_MODE_ADDRESS - 0x200;
    let [low, high, ..] = HEAP_END.to_le_bytes();
    put(head, HEAP_END_PTR, &[low, high]);
    if let Some((address, size)) = initrd_address {
        put(head, RAMDISK, &address.to_le_bytes());
        put(head, RAMDISK + 4, &size.to_le_bytes());
    }
    Ok(())
}

/// Address and size of the initrd: as high as it may be, at the start of a page.
fn initrd_address(head: &[u8], boot: &Boot<'_>) -> Result<Option<(u32, u32)>, Error> {
    let Some(size) = boot.initrd else { return Ok(None) };
    let version = u16_at(head, VERSION).unwrap_or_default();
    let flags = u16_at(head, XLOADFLAGS).unwrap_or_default();
    let anywhere = version >= VERSION_XLOADFLAGS && flags & CAN_BE_LOADED_ABOVE_4G != 0;
    let limit = match u32_at(head, INITRD_ADDR_MAX) {
        Some(limit) if !anywhere => u64::from(limit),
        _ => u64::from(u32::MAX),
    };
    let low = q35_below_4g(boot.memory).saturating_sub(ACPI_DATA_SIZE);
    let limit = if limit >= low { low.saturating_sub(1) } else { limit };
    let too_large = || Error::InitrdTooLarge { expected: limit, found: size };
    let room = limit.checked_sub(size).filter(|&room| room > 0).ok_or_else(too_large)?;
    // `limit` is below 4 GiB, so both are.
    let address = u32::try_from(room & !0xfff).map_err(|_| too_large())?;
    Ok(Some((address, u32::try_from(size).map_err(|_| too_large())?)))
}

/// `vid_mode` for the first `vga=` of the command line.
fn vga_mode(command_line: &[u8]) -> Result<Option<u16>, Error> {
    let Some(at) = command_line.windows(4).position(|window| window == b"vga=") else {
        return Ok(None);
    };
    let value = command_line.get(at + 4..).unwrap_or_default();
    for (word, mode) in [(&b"normal"[..], 0xffff), (b"ext", 0xfffe), (b"ask", 0xfffd)] {
        if value.starts_with(word) {
            return Ok(Some(mode));
        }
    }
    let word = value.split(|&byte| byte == b' ').next().unwrap_or_default();
    let text = String::from_utf8_lossy(word);
    let number = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => u32::from_str_radix(digits, 16),
        None if text.starts_with('0') => u32::from_str_radix(&text, 8),
        None => text.parse::<u32>(),
    };
    // QEMU stores the low half of what it reads.
    let low_half = |number: u32| u16::try_from(number & 0xffff).ok();
    let mode = number.ok().and_then(low_half);
    mode.map(Some).ok_or_else(|| Error::Vga { found: text.into_owned() })
}

fn put(head: &mut [u8], at: usize, bytes: &[u8]) {
    for (to, from) in head.iter_mut().skip(at).zip(bytes) {
        *to = *from;
    }
}

fn u16_at(head: &[u8], at: usize) -> Option<u16> {
    head.get(at..)?.first_chunk().copied().map(u16::from_le_bytes)
}

fn u32_at(head: &[u8], at: usize) -> Option<u32> {
    head.get(at..)?.first_chunk().copied().map(u32::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_is_the_first_word_of_the_version() {
        let mut image = vec![0; 0x400];
        assert!(release(&image).is_err());
        image[0x202..0x206].copy_from_slice(b"HdrS");
        image[0x20e..0x210].copy_from_slice(&[0x00, 0x01]);
        assert!(release(&image).is_err());
        image[0x300..0x310].copy_from_slice(b"6.12.1-a (b@c) #");
        assert_eq!(release(&image).unwrap(), "6.12.1-a");
        image[0x20f] = 0xff;
        assert!(release(&image).is_err());
        assert!(release(&image[..0x203]).is_err());
    }

    /// `x86_load_linux`, "vga=": words before numbers, in the bases of `strtol`.
    #[test]
    fn video_modes_are_read_as_qemu_reads_them() {
        for (line, expected) in [
            ("quiet", Ok(None)),
            ("vga=normal", Ok(Some(0xffff))),
            ("vga=ext", Ok(Some(0xfffe))),
            ("vga=ask quiet", Ok(Some(0xfffd))),
            ("quiet vga=791", Ok(Some(791))),
            ("vga=0x317", Ok(Some(0x317))),
            ("vga=0X317", Ok(Some(0x317))),
            ("vga=017", Ok(Some(15))),
            ("vga=65537", Ok(Some(1))),
            ("vga=1 vga=2", Ok(Some(1))),
            ("vga=", Err("`vga=` in the command line, expected normal, ext, ask or a number")),
            ("vga=09", Err("`vga=09` in the command line, expected normal, ext, ask or a number")),
            ("vga=-1", Err("`vga=-1` in the command line, expected normal, ext, ask or a number")),
        ] {
            let found = vga_mode(line.as_bytes()).map_err(|error| error.to_string());
            assert_eq!(found, expected.map_err(str::to_owned), "{line}");
        }
    }

    /// A header of this protocol, with `xloadflags` and `initrd_addr_max`.
    fn head(version: u16, flags: u16, limit: u32) -> Vec<u8> {
        let mut head = vec![0; 0x400];
        put(&mut head, VERSION, &version.to_le_bytes());
        put(&mut head, XLOADFLAGS, &flags.to_le_bytes());
        put(&mut head, INITRD_ADDR_MAX, &limit.to_le_bytes());
        head
    }

    /// boot.rst, "initrd_addr_max": the last byte that the initrd may have. QEMU keeps 0x28000 bytes of
    /// low memory for ACPI.
    #[test]
    fn an_initrd_lies_as_high_as_it_may() {
        const MIB: u64 = 1 << 20;
        let old = head(0x203, 0, 0x37ff_ffff);
        let new = head(0x20c, CAN_BE_LOADED_ABOVE_4G, 0x37ff_ffff);
        let boot = |memory, initrd| Boot { memory, initrd: Some(initrd), command_line: b"" };
        for (head, memory, size, expected) in [
            (&old, 2048 * MIB, 1, Some(0x37ff_f000)),
            (&old, 2048 * MIB, 0x1000, Some(0x37ff_e000)),
            (&new, 2048 * MIB, 1, Some(0x7ffd_7000)),
            // 4 GiB: 2 GiB of them below the hole.
            (&new, 4096 * MIB, 1, Some(0x7ffd_7000)),
            (&old, 256 * MIB, 1, Some(0xffd_7000)),
            (&old, 256 * MIB, 0xffd_7ffe, Some(0)),
            (&old, 256 * MIB, 0xffd_7fff, None),
            (&old, 256 * MIB, u64::MAX, None),
        ] {
            let found = initrd_address(head, &boot(memory, size));
            match expected {
                Some(address) => {
                    let size = u32::try_from(size).unwrap();
                    assert_eq!(found.unwrap(), Some((address, size)), "{memory} {size}");
                }
                None => assert_eq!(
                    found.unwrap_err().to_string(),
                    format!(
                        "the initrd has {size} bytes, expected less than 268271615, the room below 4 \
                         GiB"
                    )
                ),
            }
        }
        // A protocol before `xloadflags` has other bytes in its place.
        let lies = head(0x20b, CAN_BE_LOADED_ABOVE_4G, 0x37ff_ffff);
        let found = initrd_address(&lies, &boot(2048 * MIB, 1)).unwrap();
        assert_eq!(found, Some((0x37ff_f000, 1)));
        assert_eq!(initrd_address(&old, &Boot { initrd: None, ..boot(MIB, 1) }).unwrap(), None);
    }

    #[test]
    fn files_that_qemu_does_not_start_are_refused() {
        let kernel = || {
            let mut kernel = head(0x20f, 0, 0);
            put(&mut kernel, SETUP_SECTS, &[1]);
            put(&mut kernel, MAGIC, b"HdrS");
            put(&mut kernel, LOADFLAGS, &[LOADED_HIGH]);
            kernel
        };
        assert_eq!(read_header(&kernel()).unwrap().len(), 1024);
        for (at, bytes, expected) in [
            (
                MAGIC,
                &b"HdrT"[..],
                "the kernel has `HdrT` at 0x202, expected `HdrS`: it is not a bzImage for x86",
            ),
            (VERSION, &[2, 2], "the kernel has boot protocol 2.02, expected 2.03 or later"),
            (
                LOADFLAGS,
                &[0x80],
                "the kernel is a zImage (loadflags 0x80 at 0x211), expected a bzImage",
            ),
            (SETUP_SECTS, &[2], "the kernel has 1024 bytes, expected 1536 of setup code and more"),
            (SETUP_SECTS, &[0], "the kernel has 1024 bytes, expected 2560 of setup code and more"),
        ] {
            let mut kernel = kernel();
            put(&mut kernel, at, bytes);
            assert_eq!(read_header(&kernel).unwrap_err().to_string(), expected);
        }
        for (len, expected) in [
            (
                0x205,
                "the kernel has its end at 0x202, expected `HdrS`: it is not a bzImage for x86",
            ),
            (0x207, "the kernel has 519 bytes, expected 568 of setup code and more"),
            (0x237, "the kernel has 567 bytes, expected 568 of setup code and more"),
        ] {
            assert_eq!(read_header(&kernel()[..len]).unwrap_err().to_string(), expected);
        }
        // Setup code of more than QEMU reads.
        let mut large = kernel();
        large.resize(256 * 512, 0);
        put(&mut large, SETUP_SECTS, &[255]);
        assert_eq!(read_header(&large).unwrap().len(), HEADER_MAX);
    }

    #[test]
    fn a_version_is_two_numbers() {
        let of = |text: &[u8]| {
            let mut image = vec![0; 0x400];
            put(&mut image, KERNEL_VERSION, &[0x00, 0x01]);
            put(&mut image, 0x300, text);
            version(&image).map(|version| version.to_string())
        };
        for (text, expected) in [
            (&b"6.12.107+deb13 (a@b) #1"[..], Some("6.12")),
            (b"6.1", Some("6.1")),
            (b"6", None),
            (b"6.", None),
            (b"v6.12", None),
            (b"6.99999999999", None),
            (b"", None),
        ] {
            assert_eq!(of(text).as_deref(), expected);
        }
        assert_eq!(version(&vec![0; 0x400]), None);
        assert_eq!(version(&vec![0; 0x20f]), None);
    }

    #[test]
    fn memory_below_4_gib_is_split_by_q35() {
        for (memory, below) in [(0, 0), (0xafff_ffff, 0xafff_ffff), (0xb000_0000, 0x8000_0000)] {
            assert_eq!(q35_below_4g(memory), below);
        }
    }
}
