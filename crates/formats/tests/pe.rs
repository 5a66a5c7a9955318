//! Unified kernel images against ukify and objcopy, digests against the `authenticode` crate.

#![expect(clippy::disallowed_methods, reason = "oracles take files")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod tool;

use authenticode_sha2::Digest as _;
use cvmkit_formats::pe::uki::{Options, Plan, SECTION_ORDER};
use cvmkit_formats::pe::{self, Headers, authenticode as digest, spec};
use cvmkit_formats::sink::Checked;
use cvmkit_formats::source::{Source, read_all};
use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromZeros, IntoBytes};

/// Where the package systemd-boot-efi puts the stub; `CVMKIT_STUB` names another.
const STUB: &str = "/usr/lib/systemd/boot/efi/linuxx64.efi.stub";

/// A small PE32+ image with the headers of an EFI application.
fn image(dll_characteristics: u16, sections: &[(&str, &[u8])], symbols: bool) -> Vec<u8> {
    let mut optional = spec::OptionalHeader::new_zeroed();
    optional.magic = U16::new(spec::MAGIC_PE32_PLUS);
    optional.image_base = U64::new(0x1_4000_0000);
    optional.section_alignment = U32::new(0x1000);
    optional.file_alignment = U32::new(0x200);
    optional.headers_size = U32::new(0x600);
    optional.subsystem = U16::new(spec::EFI_APPLICATION);
    optional.dll_characteristics = U16::new(dll_characteristics);
    optional.directories = U32::new(16);
    optional.checksum = U32::new(0x1234);
    optional.entry_point = U32::new(0x1000);
    let mut headers = Vec::new();
    let mut data = Vec::new();
    let mut address = 0x1000u32;
    for (name, bytes) in sections {
        let mut header = spec::SectionHeader::new_zeroed();
        header.name[..name.len()].copy_from_slice(name.as_bytes());
        let len = u32::try_from(bytes.len()).unwrap();
        header.virtual_size = U32::new(len);
        header.virtual_address = U32::new(address);
        header.raw_size = U32::new(len.next_multiple_of(0x200));
        header.raw_offset = U32::new(0x600 + u32::try_from(data.len()).unwrap());
        header.characteristics = U32::new(spec::SECTION_READ | spec::SECTION_INITIALIZED_DATA);
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
    file.characteristics = U16::new(0x0226);
    if symbols {
        file.symbol_table = U32::new(0x600 + u32::try_from(data.len()).unwrap());
        file.symbols = U32::new(1);
        data.extend_from_slice(&[7; 18]);
        data.extend_from_slice(b"\x08\0\0\0abc\0");
    }
    let mut bytes = b"MZ".to_vec();
    bytes.resize(0x3c, 0);
    bytes.extend_from_slice(&0x40u32.to_le_bytes());
    bytes.extend_from_slice(b"PE\0\0");
    bytes.extend_from_slice(file.as_bytes());
    bytes.extend_from_slice(optional.as_bytes());
    bytes.extend_from_slice(&[0; 128]);
    bytes.extend_from_slice(&headers);
    bytes.resize(0x600, 0);
    bytes.extend_from_slice(&data);
    bytes
}

const SBAT: &[u8] =
    b"sbat,1,SBAT Version,sbat,1,https://github.com/rhboot/shim/blob/main/SBAT.md\n";

fn small_stub(symbols: bool) -> Vec<u8> {
    image(spec::NX_COMPAT, &[(".text", &[0x90; 700]), (".sbat", SBAT)], symbols)
}

fn kernel(nx: bool) -> Vec<u8> {
    let flags = if nx { spec::NX_COMPAT } else { 0 };
    image(flags, &[(".text", &[0xcc; 5000]), (".data", b"Linux")], false)
}

fn stubs() -> Vec<Vec<u8>> {
    let mut stubs = vec![small_stub(false), small_stub(true)];
    let named = std::env::var("CVMKIT_STUB").unwrap_or(STUB.into());
    match std::fs::read(&named) {
        Ok(stub) => stubs.push(stub),
        Err(_) => tool::missing(&named),
    }
    stubs
}

fn written(plan: &Plan, contents: &[(&str, &dyn Source)]) -> Vec<u8> {
    let mut sink = Checked::new(Vec::new());
    plan.write(contents, &mut sink).unwrap();
    sink.finish(plan.len()).unwrap()
}

fn uki(stub: &[u8]) -> Vec<u8> {
    let (linux, initrd) = (kernel(true), vec![3u8; 1025]);
    let (osrel, cmdline) = (b"ID=cvm\n".to_vec(), b"roothash=00".to_vec());
    let contents: [(&str, &dyn Source); 4] =
        [(".cmdline", &cmdline), (".initrd", &initrd), (".osrel", &osrel), (".linux", &linux)];
    let lengths: Vec<(&str, u64)> = contents.iter().map(|(name, c)| (*name, c.len())).collect();
    let plan = Plan::new(stub, &lengths, &Options::for_kernel(&linux).unwrap()).unwrap();
    written(&plan, &contents)
}

#[test]
fn ukify_makes_the_same_bytes() {
    for (stub, nx) in stubs().into_iter().flat_map(|stub| [(stub.clone(), true), (stub, false)]) {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        let linux = kernel(nx);
        std::fs::write(path("stub"), &stub).unwrap();
        std::fs::write(path("linux"), &linux).unwrap();
        std::fs::write(path("initrd"), vec![3; 100_001]).unwrap();
        let args = [
            "build",
            "--stub",
            &path("stub"),
            "--linux",
            &path("linux"),
            "--initrd",
            &path("initrd"),
            "--cmdline",
            "console=ttyS0",
            "--os-release",
            "ID=cvm",
            "--uname",
            "6.12.1",
            "--output",
            &path("uki"),
        ];
        if tool::accepts("ukify", &args).is_none() {
            return;
        }
        let theirs = std::fs::read(path("uki")).unwrap();
        let headers = Headers::read(&theirs).unwrap();
        let ours = headers.sections.iter().filter(|s| SECTION_ORDER.contains(&s.name.as_str()));
        let contents: Vec<(&str, Vec<u8>)> = ours
            .map(|s| (s.name.as_str(), read_all(&s.contents(&theirs).unwrap(), 1 << 24).unwrap()))
            .collect();
        assert_eq!(contents.len(), 6);
        let lengths: Vec<(&str, u64)> =
            contents.iter().map(|(name, bytes)| (*name, bytes.len() as u64)).collect();
        let sources: Vec<(&str, &dyn Source)> =
            contents.iter().map(|(name, bytes)| (*name, bytes as &dyn Source)).collect();
        let options = Options::for_kernel(&linux).unwrap();
        let plan = Plan::in_order(&stub, &lengths, &options).unwrap();
        assert!(written(&plan, &sources) == theirs, "nx {nx}, stub of {} bytes", stub.len());
    }
}

#[test]
fn objcopy_finds_the_contents() {
    for stub in stubs() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        let image = uki(&stub);
        std::fs::write(path("uki"), &image).unwrap();
        let headers = Headers::read(&image).unwrap();
        for name in [".linux", ".osrel", ".cmdline", ".initrd"] {
            let only = format!("--only-section={name}");
            let args = ["-O", "binary", &only, &path("uki"), &path("out")];
            if tool::accepts("objcopy", &args).is_none() {
                return;
            }
            let section = headers.section(name).unwrap();
            let ours = read_all(&section.contents(&image).unwrap(), 1 << 24).unwrap();
            let theirs = std::fs::read(path("out")).unwrap();
            assert!(theirs.starts_with(&ours), "{name}");
            assert!(theirs[ours.len()..].iter().all(|&byte| byte == 0), "{name}");
        }
    }
}

#[test]
fn digests_are_those_of_the_authenticode_crate() {
    let mut images: Vec<Vec<u8>> = stubs().iter().map(|stub| uki(stub)).collect();
    images.extend(stubs());
    images.push([kernel(true), b"behind it".to_vec()].concat());
    // A certificate table of 16 bytes at the end.
    let mut signed = kernel(true);
    let (at, end) = (0x40 + 4 + 20 + 112 + 32, u32::try_from(signed.len()).unwrap());
    signed[at..at + 4].copy_from_slice(&end.to_le_bytes());
    signed[at + 4..at + 8].copy_from_slice(&16u32.to_le_bytes());
    signed.extend_from_slice(&[9; 16]);
    images.push(signed);
    for image in images {
        let theirs = authenticode_object::read::pe::PeFile64::parse(image.as_slice()).unwrap();
        let mut sha256 = authenticode_sha2::Sha256::new();
        authenticode::authenticode_digest(&theirs, &mut sha256).unwrap();
        let mut sha384 = authenticode_sha2::Sha384::new();
        authenticode::authenticode_digest(&theirs, &mut sha384).unwrap();
        let ours = digest::digest::<sha2::Sha256, _>(&image).unwrap();
        assert_eq!(ours.as_slice(), sha256.finalize().as_slice());
        let ours = digest::digest::<sha2::Sha384, _>(&image).unwrap();
        assert_eq!(ours.as_slice(), sha384.finalize().as_slice());
    }
}

#[test]
fn the_listing_of_a_uki() {
    insta::assert_snapshot!(pe::dump(&Headers::read(&uki(&small_stub(true))).unwrap()), @r"
    PE32+ image of 12800 bytes
      machine            0x8664
      subsystem          10
      section alignment  0x1000
      file alignment     0x200
      size of image      0x8000
      size of headers    0x600
      initialized data   0x2013
      DLL flags          0x0100
      certificates       none
    .text    address 0x00001000+0x2bc file 0x00000600+0x400 flags 0x40000040
    .sbat    address 0x00002000+0x4c file 0x00000a00+0x200 flags 0x40000040
    .linux   address 0x00003000+0x1c00 file 0x00000c00+0x1c00 flags 0x40000020
    .osrel   address 0x00005000+0x7 file 0x00002800+0x200 flags 0x40000040
    .cmdline address 0x00006000+0xb file 0x00002a00+0x200 flags 0x40000040
    .initrd  address 0x00007000+0x401 file 0x00002c00+0x600 flags 0x40000040
    ");
}

#[test]
fn sections_that_do_not_fit_are_refused() {
    let stub = small_stub(false);
    let options = Options { keep_nx_compat: true };
    for sections in [
        &[(".linux", 0)][..],
        &[(".linux", 1), (".linux", 1)],
        &[(".text", 1)],
        &[(".unknown", 1)],
        &[(".sbat", 0x201)],
        &[(".linux", u64::MAX)],
        &[(".linux", 1 << 32)],
        &[(".linux", 3 << 30), (".initrd", 3 << 30)],
    ] {
        assert!(Plan::new(&stub, sections, &options).is_err(), "{sections:?}");
    }
    let plan = Plan::new(&stub, &[(".cmdline", 3)], &options).unwrap();
    let (short, right) = (b"ab".to_vec(), b"abc".to_vec());
    assert!(plan.write(&[(".cmdline", &short)], &mut Vec::new()).is_err());
    assert!(plan.write(&[], &mut Vec::new()).is_err());
    let extra: [(&str, &dyn Source); 2] = [(".cmdline", &right), (".linux", &right)];
    assert!(plan.write(&extra, &mut Vec::new()).is_err());
    assert!(Options::for_kernel(&b"\x1f\x8b".to_vec()).is_err());
}

#[test]
fn hostile_images_never_panic() {
    let image = uki(&small_stub(false));
    for len in (0..0x600).chain((0x600..image.len()).step_by(101)) {
        assert!(Headers::read(&image[..len]).is_err(), "{len} bytes");
    }
    let mut broken = image.clone();
    for at in 0..0x600 {
        for value in [0, 1, 0x7f, 0xff] {
            let old = std::mem::replace(&mut broken[at], value);
            let _ = digest::digest::<sha2::Sha256, _>(&broken[..]);
            let options = Options { keep_nx_compat: true };
            let _ = Plan::new(&broken, &[(".ucode", 1)], &options);
            broken[at] = old;
        }
    }
}
