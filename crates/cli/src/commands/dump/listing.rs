//! The formats that can be listed: how each is recognised, and its listing.

use std::io;

use cvmkit_attest::export::corim::CorimFile;
use cvmkit_formats::source::{Source, read_all};
use cvmkit_formats::squashfs::Limits;
use cvmkit_formats::{fat, gpt, pe, squashfs, verity};

use super::super::verity::described;
use super::error::Error;
use super::magic::{bytes, has};
use super::{firmware, initrd};

/// A format that can be listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Squashfs,
    Verity,
    Initrd,
    Gpt,
    Pe,
    Fat,
    Firmware,
    Corim,
}

/// In the order of recognition: a kernel is PE although it ends its first sector as FAT does, and a
/// GPT disk has a boot record in front.
const FORMATS: [Format; 8] = [
    Format::Squashfs,
    Format::Verity,
    Format::Initrd,
    Format::Gpt,
    Format::Pe,
    Format::Fat,
    Format::Firmware,
    Format::Corim,
];

impl Format {
    /// The format of `source`, by its magic numbers alone; none if no format has them.
    pub(super) fn of(source: &impl Source) -> io::Result<Option<Self>> {
        for format in FORMATS {
            if format.is_format_of(source)? {
                return Ok(Some(format));
            }
        }
        Ok(None)
    }

    /// Its name in messages.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Squashfs => "squashfs",
            Self::Verity => "dm-verity hash area",
            Self::Initrd => "initrd (cpio newc, plain, gzip or zstd)",
            Self::Gpt => "GPT disk",
            Self::Pe => "PE image (UKI, EFI application, kernel)",
            Self::Fat => "FAT volume",
            Self::Firmware => "OVMF firmware",
            Self::Corim => "CoRIM of `cvmkit export`",
        }
    }

    /// Every format, for a message.
    pub(super) fn names() -> String {
        FORMATS.map(Self::name).join(", ")
    }

    fn is_format_of(self, source: &impl Source) -> io::Result<bool> {
        match self {
            Self::Squashfs => has(source, 0, &squashfs::spec::MAGIC.to_le_bytes()),
            Self::Verity => has(source, 0, &verity::spec::SIGNATURE),
            Self::Initrd => initrd::starts(source),
            Self::Gpt => has(source, gpt::spec::SECTOR, b"EFI PART"),
            Self::Pe => is_pe(source),
            Self::Fat => is_fat(source),
            Self::Firmware => firmware::is_firmware(source),
            Self::Corim => is_corim(source),
        }
    }

    /// The annotated listing of the format's decoder.
    pub(super) fn listing(self, source: &impl Source) -> Result<String, Error> {
        Ok(match self {
            Self::Squashfs => squashfs::dump(source, &Limits::default())?,
            Self::Verity => described(&verity::read(source)?)?,
            Self::Initrd => initrd::listing(source)?,
            Self::Gpt => gpt::dump(&gpt::read(source)?),
            Self::Pe => pe::dump(&pe::Headers::read(source)?),
            Self::Fat => fat::dump(&fat::read(source)?),
            Self::Firmware => firmware::listing(source)?,
            Self::Corim => CorimFile::read(&read_all(source, CorimFile::MAX)?)?.dump(),
        })
    }
}

fn is_corim(source: &impl Source) -> io::Result<bool> {
    let mut head = [0; 3];
    Ok(bytes(source, 0, &mut head)? && CorimFile::is_start(&head))
}

/// `MZ`, and `PE` where the DOS header says (Microsoft "PE Format", "MS-DOS Stub").
fn is_pe(source: &impl Source) -> io::Result<bool> {
    const LFANEW: u64 = 0x3c;
    let mut lfanew = [0; 4];
    if !has(source, 0, b"MZ")? || !bytes(source, LFANEW, &mut lfanew)? {
        return Ok(false);
    }
    has(source, u32::from_le_bytes(lfanew).into(), b"PE\0\0")
}

/// The signature of a boot sector, a jump in front, and the name of a FAT in one of its two places
/// (Microsoft "FAT: General Overview of On-Disk Format" 1.03, `BS_jmpBoot`, `BS_FilSysType`).
fn is_fat(source: &impl Source) -> io::Result<bool> {
    let jump = has(source, 0, &[0xeb])? || has(source, 0, &[0xe9])?;
    let named = has(source, 54, b"FAT")? || has(source, 82, b"FAT32")?;
    Ok(jump && named && has(source, 510, &[0x55, 0xaa])?)
}
