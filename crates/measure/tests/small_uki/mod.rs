//! A unified kernel image of a few kilobytes: an image that says it is a systemd stub, with
//! sections appended as the product appends them.

use cvmkit_formats::pe::spec;
use cvmkit_formats::pe::uki::{Options, Plan};
use cvmkit_formats::source::Source;
use cvmkit_measure::tpm::{Error, Uki};

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

/// A small PE32+ image with the headers of an EFI application (Microsoft, "PE Format").
fn application(sections: &[(&str, &[u8])]) -> Vec<u8> {
    const HEADERS: usize = 0x800;
    /// Where the optional header and the section table start.
    const OPTIONAL: usize = 0x58;
    const TABLE: usize = OPTIONAL + 0xf0;
    let number = |number: usize| u32::try_from(number).unwrap().to_le_bytes();
    let mut image = vec![0; HEADERS];
    let mut address = 0x1000;
    for (at, (name, bytes)) in sections.iter().enumerate() {
        let (header, offset, len) = (TABLE + 40 * at, image.len(), <[u8]>::len(bytes));
        image.extend_from_slice(bytes);
        image.resize((offset + len).next_multiple_of(0x200), 0);
        put(&mut image, header, name.as_bytes());
        put(&mut image, header + 8, &number(len)); // VirtualSize
        put(&mut image, header + 12, &number(address)); // VirtualAddress
        put(&mut image, header + 16, &number(len.next_multiple_of(0x200))); // SizeOfRawData
        put(&mut image, header + 20, &number(offset)); // PointerToRawData
        put(&mut image, header + 36, &spec::SECTION_READ.to_le_bytes());
        address += len.next_multiple_of(0x1000);
    }
    for (at, field) in [
        (0, &b"MZ"[..]),
        (0x3c, &[0x40]),
        (0x40, b"PE\0\0"),
        (0x44, &0x8664_u16.to_le_bytes()), // Machine
        (0x46, &number(sections.len())[..2]),
        (0x54, &[0xf0]), // SizeOfOptionalHeader
        (OPTIONAL, &spec::MAGIC_PE32_PLUS.to_le_bytes()),
        (OPTIONAL + 24, &0x1_4000_0000_u64.to_le_bytes()), // ImageBase
        (OPTIONAL + 32, &number(0x1000)),                  // SectionAlignment
        (OPTIONAL + 36, &number(0x200)),                   // FileAlignment
        (OPTIONAL + 56, &number(address)),                 // SizeOfImage
        (OPTIONAL + 60, &number(HEADERS)),
        (OPTIONAL + 68, &spec::EFI_APPLICATION.to_le_bytes()),
        (OPTIONAL + 108, &[16]), // NumberOfRvaAndSizes
    ] {
        put(&mut image, at, field);
    }
    image
}

fn put(image: &mut [u8], at: usize, field: &[u8]) {
    image[at..at + field.len()].copy_from_slice(field);
}
