//! Structures and constants of PE32+ images.
//!
//! Standard: Microsoft "PE Format" (formerly "PE and COFF Specification" 11.0), cited by the name
//! of its sections.

use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// `e_magic` of the MS-DOS stub.
pub const DOS_MAGIC: [u8; 2] = *b"MZ";

/// Offset of `e_lfanew`, the offset of the PE signature ("MS-DOS Stub").
pub const LFANEW: u64 = 0x3c;

/// The four bytes in front of the COFF file header ("Signature").
pub const SIGNATURE: [u8; 4] = *b"PE\0\0";

/// `Magic` of PE32+ ("Optional Header Standard Fields").
pub const MAGIC_PE32_PLUS: u16 = 0x20b;
/// `Magic` of PE32, whose addresses have 32 bits.
pub const MAGIC_PE32: u16 = 0x10b;

/// `IMAGE_DLLCHARACTERISTICS_NX_COMPAT` ("DLL Characteristics").
pub const NX_COMPAT: u16 = 0x0100;

/// `IMAGE_SUBSYSTEM_EFI_APPLICATION` ("Windows Subsystem").
pub const EFI_APPLICATION: u16 = 10;

/// `IMAGE_DIRECTORY_ENTRY_SECURITY`: the certificate table's place among the data directories.
pub const CERTIFICATE_DIRECTORY: u32 = 4;

/// `IMAGE_SCN_CNT_CODE` ("Section Flags").
pub const SECTION_CODE: u32 = 0x0000_0020;
/// `IMAGE_SCN_CNT_INITIALIZED_DATA`
pub const SECTION_INITIALIZED_DATA: u32 = 0x0000_0040;
/// `IMAGE_SCN_MEM_READ`
pub const SECTION_READ: u32 = 0x4000_0000;

/// Bytes of a COFF symbol ("COFF Symbol Table").
pub const SYMBOL: u64 = 18;

/// "COFF File Header", behind the signature.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct FileHeader {
    /// `Machine`: the processor that it is for
    pub machine: U16,
    /// `NumberOfSections`
    pub sections: U16,
    /// `TimeDateStamp`
    pub timestamp: U32,
    /// `PointerToSymbolTable`
    pub symbol_table: U32,
    /// `NumberOfSymbols`
    pub symbols: U32,
    /// `SizeOfOptionalHeader`
    pub optional_header_size: U16,
    /// `Characteristics`: flags of the image
    pub characteristics: U16,
}

const _: () = assert!(size_of::<FileHeader>() == 20);

/// "Optional Header" of PE32+, without its data directories.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct OptionalHeader {
    /// `Magic`: PE32 or PE32+
    pub magic: U16,
    /// `MajorLinkerVersion`, `MinorLinkerVersion`
    pub linker_version: [u8; 2],
    /// `SizeOfCode`
    pub code_size: U32,
    /// `SizeOfInitializedData`
    pub initialized_data_size: U32,
    /// `SizeOfUninitializedData`
    pub uninitialized_data_size: U32,
    /// `AddressOfEntryPoint`
    pub entry_point: U32,
    /// `BaseOfCode`
    pub code_base: U32,
    /// `ImageBase`
    pub image_base: U64,
    /// `SectionAlignment`
    pub section_alignment: U32,
    /// `FileAlignment`
    pub file_alignment: U32,
    /// `MajorOperatingSystemVersion` to `MinorSubsystemVersion`
    pub versions: [U16; 6],
    /// `Win32VersionValue`
    pub win32_version: U32,
    /// `SizeOfImage`
    pub image_size: U32,
    /// `SizeOfHeaders`
    pub headers_size: U32,
    /// `CheckSum` of the whole file, which Authenticode leaves out
    pub checksum: U32,
    /// `Subsystem`: what runs it, such as EFI
    pub subsystem: U16,
    /// `DllCharacteristics`
    pub dll_characteristics: U16,
    /// `SizeOfStackReserve` to `SizeOfHeapCommit`
    pub stack_and_heap: [U64; 4],
    /// `LoaderFlags`
    pub loader_flags: U32,
    /// `NumberOfRvaAndSizes`
    pub directories: U32,
}

const _: () = assert!(size_of::<OptionalHeader>() == 112);

/// Offset of `CheckSum` in the optional header, of PE32 and PE32+ alike.
pub const CHECKSUM: u64 = 64;

/// "Optional Header Data Directories".
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct DataDirectory {
    /// `VirtualAddress`; of the certificate table: an offset in the file
    pub address: U32,
    /// `Size` in bytes
    pub size: U32,
}

const _: () = assert!(size_of::<DataDirectory>() == 8);

/// "Section Table (Section Headers)".
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct SectionHeader {
    /// `Name`, padded with NUL
    pub name: [u8; 8],
    /// `VirtualSize`
    pub virtual_size: U32,
    /// `VirtualAddress`
    pub virtual_address: U32,
    /// `SizeOfRawData`
    pub raw_size: U32,
    /// `PointerToRawData`
    pub raw_offset: U32,
    /// `PointerToRelocations`, `PointerToLinenumbers`
    pub relocations: [U32; 2],
    /// `NumberOfRelocations`, `NumberOfLinenumbers`
    pub relocation_counts: [U16; 2],
    /// `Characteristics`: what the section holds and how it is mapped
    pub characteristics: U32,
}

const _: () = assert!(size_of::<SectionHeader>() == 40);

/// `IMAGE_FILE_MACHINE_AMD64` (PE format, "Machine Types").
pub const MACHINE_X86_64: u16 = 0x8664;

/// `Machine` of an arm64 image: Microsoft PE Format, "Machine Types" (`IMAGE_FILE_MACHINE_ARM64`).
pub const MACHINE_ARM64: u16 = 0xaa64;
