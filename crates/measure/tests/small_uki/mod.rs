//! A unified kernel image of a few kilobytes: an image that says it is a systemd stub, with
//! sections appended as the product appends them.

use cvmkit_formats::pe::spec;
use cvmkit_formats::pe::uki::{Options, Plan};
use cvmkit_formats::source::Source;
use cvmkit_measure::tpm::{Error, Uki};
use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromZeros as _, IntoBytes as _};

/// What each section holds, before anything is changed. `.linux` is made.
pub(crate) const SECTIONS: [(&str, &[u8]); 8] = [
    (".linux", b""),
    (".osrel", b"ID=test\nVERSION_ID=1\n"),
    (".cmdline", b"console=ttyS0 quiet panic=-1"),
    (".initrd", b"an initrd of 23 bytes.."),
    (".splash", b"BM"),
    (".uname", b"6.12.0"),
    (".pcrpkey", b"-----BEGIN PUBLIC KEY-----"),
    (".pcrsig", b"{}"),
];

/// The stub's own section, which every image has and measures.
const SBAT: &[u8] = b"sbat,1,SBAT Version,sbat,1,https://example.invalid\n";

/// An image under construction.
pub(crate) struct SmallUki {
    stub: Vec<u8>,
    sections: Vec<(&'static str, Vec<u8>)>,
}

impl SmallUki {
    pub(crate) fn new(version: u32) -> Self {
        let magic = format!("#### LoaderInfo: systemd-stub {version}.1-1 ####");
        let stub =
            application(&[(".text", b"code"), (".sbat", SBAT), (".sdmagic", magic.as_bytes())]);
        let mut kernel = application(&[(".text", b"a kernel")]);
        // The version, and where it is behind 0x200 (Linux, `Documentation/arch/x86/boot.rst`).
        kernel[0x20e..0x210].copy_from_slice(&0x0100_u16.to_le_bytes());
        kernel[0x300..0x306].copy_from_slice(b"6.12.0");
        let mut sections: Vec<_> =
            SECTIONS.iter().map(|(name, contents)| (*name, contents.to_vec())).collect();
        sections[0].1 = kernel;
        Self { stub, sections }
    }

    /// The sections in the order of their measurement, without the stub's own.
    pub(crate) fn sections(&self) -> impl Iterator<Item = (&'static str, &[u8])> {
        self.sections.iter().map(|(name, contents)| (*name, contents.as_slice()))
    }

    /// Replaces a section, or leaves it out.
    pub(crate) fn set(&mut self, section: &'static str, contents: Option<&[u8]>) {
        self.sections.retain(|(name, _)| *name != section);
        self.sections.extend(contents.map(|contents| (section, contents.to_vec())));
    }

    /// Inverts the last bit of a section.
    pub(crate) fn change(&mut self, section: &str) {
        let (_, contents) = self.sections.iter_mut().find(|(name, _)| *name == section).unwrap();
        *contents.last_mut().unwrap() ^= 1;
    }

    pub(crate) fn image(&self) -> Vec<u8> {
        let lengths: Vec<_> =
            self.sections.iter().map(|(name, contents)| (*name, contents.len() as u64)).collect();
        let plan = Plan::new(&self.stub, &lengths, &Options { keep_nx_compat: true }).unwrap();
        let contents: Vec<(&str, &dyn Source)> =
            self.sections.iter().map(|(name, contents)| (*name, contents as &dyn Source)).collect();
        let mut image = Vec::new();
        plan.write(&contents, &mut image).unwrap();
        image
    }

    /// The contents of a section.
    #[allow(dead_code, reason = "not every test asks")]
    pub(crate) fn contents(&self, section: &str) -> Vec<u8> {
        self.sections.iter().find(|(name, _)| *name == section).unwrap().1.clone()
    }

    /// An image with these sections behind the stub's own, each as often as it is given.
    #[allow(dead_code, reason = "not every test makes profiles")]
    pub(crate) fn in_order(version: u32, sections: &[(&str, &[u8])]) -> Vec<u8> {
        let magic = format!("#### LoaderInfo: systemd-stub {version}.1-1 ####");
        let own: [(&str, &[u8]); 3] =
            [(".text", b"code"), (".sbat", SBAT), (".sdmagic", magic.as_bytes())];
        application(&[&own, sections].concat())
    }

    pub(crate) fn read(&self) -> Result<Uki, Error> {
        Uki::read(&self.image())
    }
}

/// A small PE32+ image with the headers of an EFI application.
fn application(sections: &[(&str, &[u8])]) -> Vec<u8> {
    const HEADERS: u32 = 0x800;
    let mut optional = spec::OptionalHeader::new_zeroed();
    optional.magic = U16::new(spec::MAGIC_PE32_PLUS);
    optional.image_base = U64::new(0x1_4000_0000);
    optional.section_alignment = U32::new(0x1000);
    optional.file_alignment = U32::new(0x200);
    optional.headers_size = U32::new(HEADERS);
    optional.subsystem = U16::new(spec::EFI_APPLICATION);
    optional.directories = U32::new(16);
    let (mut headers, mut data) = (Vec::new(), Vec::new());
    let mut address = 0x1000u32;
    for (name, bytes) in sections {
        let mut header = spec::SectionHeader::new_zeroed();
        header.name[..name.len()].copy_from_slice(name.as_bytes());
        let len = u32::try_from(bytes.len()).unwrap();
        header.virtual_size = U32::new(len);
        header.virtual_address = U32::new(address);
        header.raw_size = U32::new(len.next_multiple_of(0x200));
        header.raw_offset = U32::new(HEADERS + u32::try_from(data.len()).unwrap());
        header.characteristics = U32::new(spec::SECTION_READ);
        headers.extend_from_slice(header.as_bytes());
        data.extend_from_slice(bytes);
        data.resize(data.len().next_multiple_of(0x200), 0);
        address += len.next_multiple_of(0x1000);
    }
    optional.image_size = U32::new(address);
    let mut file = spec::FileHeader::new_zeroed();
    file.machine = U16::new(0x8664);
    file.sections = U16::new(u16::try_from(sections.len()).unwrap());
    file.optional_header_size = U16::new(112 + 128);
    let mut image = b"MZ".to_vec();
    image.resize(0x3c, 0);
    image.extend_from_slice(&0x40u32.to_le_bytes());
    image.extend_from_slice(b"PE\0\0");
    image.extend_from_slice(file.as_bytes());
    image.extend_from_slice(optional.as_bytes());
    image.extend_from_slice(&[0; 128]);
    image.extend_from_slice(&headers);
    image.resize(HEADERS as usize, 0);
    image.extend_from_slice(&data);
    image
}
