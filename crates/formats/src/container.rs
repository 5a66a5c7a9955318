//! Files that hold another file: told by their signatures, so that none is taken for what is in it.
//!
//! A disk and a firmware image are bytes as the machine has them. The same file in a container or
//! compressed has other bytes everywhere, some of which can look right. The contract: a name and
//! what to do, for the containers that disks and firmware are distributed in. Deliberately absent:
//! reading them. Sources: the specifications of the formats, as cited at the signatures.

use std::fmt;
use std::io;

use crate::source::Source;

/// A format that holds another file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Container {
    /// QEMU's copy-on-write image, of any version, and its predecessors.
    Qcow,
    /// VMware's disk image: sparse extent or descriptor file.
    Vmdk,
    /// VirtualBox's disk image.
    Vdi,
    /// Hyper-V's and Azure's disk image: with a footer, which a dynamic one repeats in front.
    Vhd,
    /// Hyper-V's later disk image (MS-VHDX).
    Vhdx,
    /// gzip (RFC 1952).
    Gzip,
    /// xz (.xz file format 1.2.0).
    Xz,
    /// Zstandard (RFC 8878).
    Zstd,
    /// bzip2, `BZh` and a level.
    Bzip2,
    /// LZ4, in frames (LZ4 Frame Format 1.6).
    Lz4,
    /// ZIP (PKWARE APPNOTE), and formats built on it.
    Zip,
    /// 7-Zip (`7zFormat.txt` of its SDK).
    SevenZip,
    /// tar: POSIX ustar or pax, and GNU's.
    Tar,
    /// A Debian package, or another archive of `ar`.
    Deb,
    /// An RPM package, by the magic of its lead.
    Rpm,
    /// A UEFI capsule, which updates firmware.
    Capsule,
    /// An IGVM file, which holds the pages of a guest one by one.
    Igvm,
}

/// Where a signature is and what it says, for each format.
const SIGNATURES: [(Container, usize, &[u8]); 19] = [
    // QEMU, docs/interop/qcow2.rst, "Header".
    (Container::Qcow, 0, b"QFI\xfb"),
    (Container::Qcow, 0, b"QED\0"),
    // Virtual Disk Format 5.0: sparse extents, and the descriptor file.
    (Container::Vmdk, 0, b"KDMV"),
    (Container::Vmdk, 0, b"# Disk DescriptorFile"),
    (Container::Vdi, 0x40, b"\x7f\x10\xda\xbe"),
    // Virtual Hard Disk Image Format Specification, "Cookie".
    (Container::Vhd, 0, b"conectix"),
    // MS-VHDX, section 2.2.1.
    (Container::Vhdx, 0, b"vhdxfile"),
    // RFC 1952, section 2.3.1, with the only method there is.
    (Container::Gzip, 0, b"\x1f\x8b\x08"),
    (Container::Xz, 0, b"\xfd7zXZ\0"),
    // RFC 8878, section 3.1.1.
    (Container::Zstd, 0, b"\x28\xb5\x2f\xfd"),
    (Container::Bzip2, 0, b"BZh"),
    (Container::Lz4, 0, b"\x04\x22\x4d\x18"),
    // PKWARE APPNOTE, section 4.3.7.
    (Container::Zip, 0, b"PK\x03\x04"),
    (Container::SevenZip, 0, b"7z\xbc\xaf\x27\x1c"),
    // POSIX.1-2017, pax, "ustar Interchange Format".
    (Container::Tar, 257, b"ustar"),
    (Container::Deb, 0, b"!<arch>\n"),
    (Container::Rpm, 0, b"\xed\xab\xee\xdb"),
    // EFI_FIRMWARE_MANAGEMENT_CAPSULE_ID_GUID (UEFI 2.11, section 23.3).
    (Container::Capsule, 0, b"\xed\xd5\xcb\x6d\x2d\xe8\x44\x4c\xbd\xa1\x71\x94\x19\x9a\xd9\x2a"),
    // IGVM, `IGVM_FIXED_HEADER`.
    (Container::Igvm, 0, b"IGVM"),
];

/// Bytes in which every signature is.
const HEAD: usize = 512;

/// A fixed VHD is the disk itself with this footer behind it.
const FOOTER: u64 = 512;

impl Container {
    /// The container that a file is, by the signature at its start or, of a fixed VHD, at its end.
    ///
    /// # Errors
    /// What the source says.
    pub fn of<S: Source + ?Sized>(file: &S) -> io::Result<Option<Self>> {
        let mut head = [0; HEAD];
        let len = usize::try_from(file.len()).unwrap_or(HEAD).min(HEAD);
        let head = head.get_mut(..len).unwrap_or_default();
        file.read_at(0, head)?;
        let begins = |(_, at, signature): &&(Self, usize, &[u8])| {
            head.get(*at..).is_some_and(|rest| rest.starts_with(signature))
        };
        if let Some((container, ..)) = SIGNATURES.iter().find(begins) {
            return Ok(Some(*container));
        }
        let Some(at) = file.len().checked_sub(FOOTER) else { return Ok(None) };
        let mut cookie = [0; 8];
        file.read_at(at, &mut cookie)?;
        Ok((&cookie == b"conectix").then_some(Self::Vhd))
    }

    /// How to get at the contained file: a sentence for the user, without a period.
    #[must_use]
    pub const fn hint(self) -> &'static str {
        match self {
            Self::Qcow | Self::Vmdk | Self::Vdi | Self::Vhd | Self::Vhdx => {
                "convert it with `qemu-img convert -O raw FILE FILE.raw` and name the raw file"
            }
            Self::Gzip => "decompress it with `gunzip` and name the file that comes out",
            Self::Xz => "decompress it with `unxz` and name the file that comes out",
            Self::Zstd => "decompress it with `unzstd` and name the file that comes out",
            Self::Bzip2 => "decompress it with `bunzip2` and name the file that comes out",
            Self::Lz4 => "decompress it with `unlz4` and name the file that comes out",
            Self::Zip | Self::SevenZip | Self::Tar | Self::Deb | Self::Rpm => {
                "unpack it and name the file in it"
            }
            Self::Capsule => "name the firmware image itself, as the machine maps it",
            Self::Igvm => {
                "name the firmware image that it was made of: IGVM files are not supported"
            }
        }
    }
}

impl fmt::Display for Container {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Qcow => "a qcow2 disk image",
            Self::Vmdk => "a VMDK disk image",
            Self::Vdi => "a VDI disk image",
            Self::Vhd => "a VHD disk image",
            Self::Vhdx => "a VHDX disk image",
            Self::Gzip => "compressed with gzip",
            Self::Xz => "compressed with xz",
            Self::Zstd => "compressed with zstd",
            Self::Bzip2 => "compressed with bzip2",
            Self::Lz4 => "compressed with lz4",
            Self::Zip => "a ZIP archive",
            Self::SevenZip => "a 7-Zip archive",
            Self::Tar => "a tar archive",
            Self::Deb => "a Debian package",
            Self::Rpm => "an RPM package",
            Self::Capsule => "a UEFI capsule",
            Self::Igvm => "an IGVM file",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_container_is_told_by_its_signature() {
        for (container, at, signature) in SIGNATURES {
            let mut file = vec![0; 4096];
            file[at..at + signature.len()].copy_from_slice(signature);
            assert_eq!(Container::of(&file).unwrap(), Some(container), "{container}");
            let cut = file[..at + signature.len()].to_vec();
            assert_eq!(Container::of(&cut).unwrap(), Some(container), "{container}, cut");
            file[at] ^= 1;
            assert_eq!(Container::of(&file).unwrap(), None, "{container}, changed");
        }
    }

    /// The beginnings of such files, as the programs that make them write them.
    #[test]
    fn beginnings_of_real_files_are_told() {
        for (container, at, beginning) in [
            (Container::Qcow, 0, "514649fb00000003"),
            (Container::Qcow, 0, "51454400"),
            (Container::Vmdk, 0, "4b444d5601000000"),
            (Container::Vmdk, 0, "23204469736b2044657363726970746f7246696c65"),
            (Container::Vdi, 0x40, "7f10dabe"),
            (Container::Vhd, 0, "636f6e6563746978"),
            (Container::Vhdx, 0, "7668647866696c65"),
            (Container::Gzip, 0, "1f8b0800"),
            (Container::Xz, 0, "fd377a585a0000"),
            (Container::Zstd, 0, "28b52ffd"),
            (Container::Bzip2, 0, "425a6839"),
            (Container::Lz4, 0, "04224d18"),
            (Container::Zip, 0, "504b0304"),
            (Container::SevenZip, 0, "377abcaf271c"),
            (Container::Tar, 257, "7573746172"),
            (Container::Deb, 0, "213c617263683e0a"),
            (Container::Rpm, 0, "edabeedb"),
            (Container::Capsule, 0, "edd5cb6d2de8444cbda17194199ad92a"),
            (Container::Igvm, 0, "4947564d"),
        ] {
            let mut file = vec![0; 4096];
            let digits = (0..beginning.len()).step_by(2).map(|at| &beginning[at..at + 2]);
            let bytes: Vec<u8> = digits.map(|two| u8::from_str_radix(two, 16).unwrap()).collect();
            file[at..at + bytes.len()].copy_from_slice(&bytes);
            assert_eq!(Container::of(&file).unwrap(), Some(container), "{container}");
        }
    }

    #[test]
    fn a_fixed_vhd_is_told_by_its_footer() {
        let mut file = vec![0; 4096 + 512];
        assert_eq!(Container::of(&file).unwrap(), None);
        file[4096..4104].copy_from_slice(b"conectix");
        assert_eq!(Container::of(&file).unwrap(), Some(Container::Vhd));
        assert_eq!(Container::of(&Vec::new()).unwrap(), None);
    }
}
