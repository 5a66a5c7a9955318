//! The launch as a list, and the digest as a fold over it.

use std::fmt;
use std::sync::Arc;

use cvmkit_formats::digest::Sha384;
use serde::{Serialize, Serializer};
use zerocopy::byteorder::little_endian::{U16, U64};
use zerocopy::{Immutable, IntoBytes, Unaligned};

use crate::digest::role;
use crate::gpa::{Gpa, PAGE_SIZE, PAGE_SIZE_U64};

role! {
    /// What an SEV-SNP attestation report carries as MEASUREMENT: 48 bytes.
    LaunchDigest(Sha384)
}

/// PAGE_TYPE of SNP_LAUNCH_UPDATE (SEV-SNP ABI, publication 56860, section 8.17).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum PageType {
    /// PAGE_TYPE_NORMAL: contents are measured.
    Normal,
    /// PAGE_TYPE_VMSA: the state of a virtual processor, measured.
    Vmsa,
    /// PAGE_TYPE_ZERO: the secure processor fills it with zeros.
    Zero,
    /// PAGE_TYPE_UNMEASURED: the VMM's contents, of which only the address is measured.
    Unmeasured,
    /// PAGE_TYPE_SECRETS: the secure processor fills it.
    Secrets,
    /// PAGE_TYPE_CPUID: the VMM fills it and the secure processor checks it.
    Cpuid,
}

impl PageType {
    /// The number in PAGE_INFO.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Normal => 1,
            Self::Vmsa => 2,
            Self::Zero => 3,
            Self::Unmeasured => 4,
            Self::Secrets => 5,
            Self::Cpuid => 6,
        }
    }
}

impl fmt::Display for PageType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Normal => "NORMAL",
            Self::Vmsa => "VMSA",
            Self::Zero => "ZERO",
            Self::Unmeasured => "UNMEASURED",
            Self::Secrets => "SECRETS",
            Self::Cpuid => "CPUID",
        })
    }
}

/// Why an operation is in the launch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Meaning {
    /// The firmware image, as it lies below 4 GiB.
    Firmware,
    /// The SVSM image, below the firmware.
    Svsm,
    /// Memory the firmware uses early.
    SecMem,
    /// The page that the secure processor puts keys into.
    Secrets,
    /// The page of CPUID values.
    Cpuid,
    /// The calling area of the firmware and an SVSM.
    SvsmCaa,
    /// The table of kernel, initrd and command line hashes.
    KernelHashes,
    /// The page for those hashes, without a kernel to check.
    NoKernelHashes,
    /// The initial state of a virtual processor, counted from 0, the boot processor.
    Vmsa {
        /// Number of the processor; 0 boots the others.
        vcpu: u32,
    },
}

impl fmt::Display for Meaning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::Firmware => "firmware",
            Self::Svsm => "SVSM",
            Self::SecMem => "SEC memory",
            Self::Secrets => "secrets",
            Self::Cpuid => "CPUID",
            Self::SvsmCaa => "SVSM calling area",
            Self::KernelHashes => "kernel hashes",
            Self::NoKernelHashes => "kernel hashes, unused",
            Self::Vmsa { vcpu } => return f.pad(&format!("VMSA of vCPU {vcpu}")),
        };
        f.pad(text)
    }
}

impl Serialize for Meaning {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A page the VMM makes, hashed once however many vCPUs share it.
#[derive(Clone)]
pub struct HashedPage {
    bytes: Arc<[u8; PAGE_SIZE]>,
    digest: Sha384,
}

impl HashedPage {
    pub(crate) fn new(bytes: [u8; PAGE_SIZE]) -> Self {
        Self { digest: Sha384::of(&bytes), bytes: Arc::new(bytes) }
    }

    /// The bytes of the page.
    #[must_use]
    pub fn bytes(&self) -> &[u8; PAGE_SIZE] {
        &self.bytes
    }
}

impl fmt::Debug for HashedPage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HashedPage({})", self.digest)
    }
}

/// What is in the pages of an operation.
#[derive(Clone)]
pub enum Contents<'a> {
    /// Consecutive pages of an image the caller holds.
    Image(&'a [[u8; PAGE_SIZE]]),
    /// One page the VMM makes.
    Page(HashedPage),
    /// Pages whose contents are not measured.
    Unhashed {
        /// Number of the pages.
        pages: u64,
    },
}

impl fmt::Debug for Contents<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Image(pages) => write!(f, "Image({} pages)", pages.len()),
            Self::Page(page) => page.fmt(f),
            Self::Unhashed { pages } => write!(f, "Unhashed({pages} pages)"),
        }
    }
}

/// Consecutive pages given to the secure processor as one type for one reason.
#[derive(Clone, Debug)]
pub struct Operation<'a> {
    /// PAGE_TYPE of every page.
    pub page_type: PageType,
    /// Address of the first page.
    pub gpa: Gpa,
    /// Why the pages are in the launch.
    pub meaning: Meaning,
    /// What the pages hold, as far as it is measured.
    pub contents: Contents<'a>,
}

impl Operation<'_> {
    /// How many pages it has, of 4096 bytes each.
    #[must_use]
    pub fn pages(&self) -> u64 {
        match &self.contents {
            Contents::Image(pages) => pages.len() as u64,
            Contents::Page(_) => 1,
            Contents::Unhashed { pages } => *pages,
        }
    }

    /// SHA-384 of a page's contents; none where they are not measured.
    fn contents_digest(&self, page: u64, runs: &mut Runs) -> Option<Sha384> {
        match &self.contents {
            Contents::Image(pages) => {
                let page = usize::try_from(page).ok().and_then(|page| pages.get(page));
                page.map(|page| runs.digest(page))
            }
            Contents::Page(page) => Some(page.digest),
            Contents::Unhashed { .. } => None,
        }
    }
}

/// Hashes pages and remembers the last one: most of a firmware image is one page over and over, the
/// padding between its volumes, and to compare a page takes a hundredth of the time to hash it.
#[derive(Clone, Default)]
pub(super) struct Runs {
    last: Option<([u8; PAGE_SIZE], Sha384)>,
}

impl Runs {
    pub(super) fn digest(&mut self, page: &[u8; PAGE_SIZE]) -> Sha384 {
        match &self.last {
            Some((last, digest)) if last == page => *digest,
            _ => {
                let digest = Sha384::of(page);
                self.last = Some((*page, digest));
                digest
            }
        }
    }
}

impl fmt::Display for Operation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { page_type, gpa, meaning, .. } = self;
        write!(f, "{page_type:<10} {gpa} {meaning}, pages: {}", self.pages())
    }
}

/// PAGE_INFO (SEV-SNP ABI, publication 56860, section 8.17.2, table 67).
#[derive(IntoBytes, Immutable, Unaligned)]
#[repr(C)]
struct PageInfo {
    /// DIGEST_CUR
    digest_cur: [u8; 48],
    /// CONTENTS
    contents: [u8; 48],
    /// LENGTH of this structure.
    length: U16,
    /// PAGE_TYPE
    page_type: u8,
    /// IMI_PAGE: 0, no VMM here migrates at launch.
    imi_page: u8,
    /// VMPL3_PERMS, VMPL2_PERMS, VMPL1_PERMS: 0, only VMPL0 has access at launch.
    vmpl_perms: [u8; 3],
    /// Reserved, 0.
    reserved: u8,
    /// GPA
    gpa: U64,
}
const _: () = assert!(size_of::<PageInfo>() == 0x70);

/// The launch digest while it grows. It is a plain value: a copy continues from the same state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fold(LaunchDigest);

impl Fold {
    /// Continues from `digest`; all zero is the state after SNP_LAUNCH_START.
    #[must_use]
    pub fn resume(digest: LaunchDigest) -> Self {
        Self(digest)
    }

    /// Adds one page. `contents` is the SHA-384 of its bytes, or none for the types that hash none.
    pub fn page(&mut self, page_type: PageType, gpa: Gpa, contents: Option<Sha384>) {
        let info = PageInfo {
            digest_cur: self.0.0.0,
            contents: contents.unwrap_or(Sha384::ZERO).0,
            length: U16::new(0x70),
            page_type: page_type.code(),
            imi_page: 0,
            vmpl_perms: [0; 3],
            reserved: 0,
            gpa: U64::new(gpa.0),
        };
        self.0 = LaunchDigest(Sha384::of(info.as_bytes()));
    }

    /// The digest after the pages that were added so far.
    #[must_use]
    pub fn digest(&self) -> LaunchDigest {
        self.0
    }
}

/// Everything the secure processor is given, in order.
#[derive(Clone, Debug)]
pub struct Launch<'a> {
    start: LaunchDigest,
    operations: Vec<Operation<'a>>,
}

impl Default for Launch<'_> {
    /// Nothing given yet: the digest is zero, as SNP_LAUNCH_START leaves it.
    fn default() -> Self {
        Self::resumed(LaunchDigest(Sha384::ZERO))
    }
}

impl<'a> Launch<'a> {
    pub(super) fn resumed(start: LaunchDigest) -> Self {
        Self { start, operations: Vec::new() }
    }

    pub(super) fn push(&mut self, operation: Operation<'a>) {
        self.operations.push(operation);
    }

    /// Where the fold starts: all zero, or [`super::Guest::firmware_digest`].
    #[must_use]
    pub fn start(&self) -> LaunchDigest {
        self.start
    }

    /// The list: one operation for the firmware, one per section, one per vCPU.
    #[must_use]
    pub fn operations(&self) -> &[Operation<'a>] {
        &self.operations
    }

    /// The launch digest: the last of [`Launch::explain`].
    #[must_use]
    pub fn digest(&self) -> LaunchDigest {
        self.explain().last().map_or(self.start, |step| step.digest)
    }

    /// Every page in order with the digest after it.
    pub fn explain(&self) -> impl Iterator<Item = Step> + '_ {
        let pages = self
            .operations
            .iter()
            .flat_map(|operation| (0..operation.pages()).map(move |page| (operation, page)));
        let (mut fold, mut runs) = (Fold::resume(self.start), Runs::default());
        pages.enumerate().map(move |(index, (operation, page))| {
            let offset = page * PAGE_SIZE_U64;
            let gpa = Gpa(operation.gpa.0 + offset);
            let (page_type, meaning) = (operation.page_type, operation.meaning);
            let contents = operation.contents_digest(page, &mut runs);
            fold.page(page_type, gpa, contents);
            Step { index, page_type, gpa, meaning, offset, contents, digest: fold.digest() }
        })
    }
}

/// One page of a launch, and the digest after it.
///
/// Prints as `index | type | gpa | meaning | contents | running digest`; `-` stands for contents
/// that are not measured. Digests are never shortened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Step {
    /// Place of the page in the launch, from 0.
    pub index: usize,
    /// PAGE_TYPE of every page.
    pub page_type: PageType,
    /// Guest-physical address of the page.
    pub gpa: Gpa,
    /// Why the page is in the launch.
    pub meaning: Meaning,
    /// Bytes from the start of what `meaning` names.
    pub offset: u64,
    /// SHA-384 of the page; none for the types of which contents are not measured.
    pub contents: Option<Sha384>,
    /// The launch digest after this page.
    pub digest: LaunchDigest,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { index, page_type, gpa, meaning, offset, contents, digest } = self;
        let meaning = match offset {
            0 => meaning.to_string(),
            _ => format!("{meaning} +{offset:#x}"),
        };
        let contents = contents.map_or_else(|| "-".to_owned(), |contents| contents.to_string());
        write!(
            f,
            "{index:>5} | {page_type:<10} | {gpa} | {meaning:<21} | {contents:<96} | {digest}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: [u8; PAGE_SIZE] = [0x5a; PAGE_SIZE];

    /// Values of `tests/folds.py`: PAGE_INFO of a normal page, of zeros, and of a VMSA.
    const FOLDED: [&str; 3] = [
        "0299b7f5894ad677acde8fc47e181f362d07895b63ba2c8c1e97c1f7520e96baef81638cfda798c95229c0c7e6dab5a7",
        "6ae5d14f265d73dfe479edfefab7438843fbf8b48b066e748a32f08ed8dcd2d17f3000c36b8e6b750d16125291625633",
        "b031da96c776f359a3cd88f7bc7658f094d3b56d6b9e325f7a55318243b9ccdd507968073564b4fd05e5afd43ac8e3e1",
    ];

    #[test]
    fn pages_fold_as_the_specification_says() {
        let contents = Some(Sha384::of(&PAGE));
        let mut fold = Fold::resume(LaunchDigest(Sha384::ZERO));
        let mut digests = Vec::new();
        for (page_type, gpa, contents) in [
            (PageType::Normal, 0xffff_f000, contents),
            (PageType::Zero, 0x80_0000, None),
            (PageType::Vmsa, 0xffff_ffff_f000, contents),
        ] {
            fold.page(page_type, Gpa(gpa), contents);
            digests.push(fold.digest().to_string());
        }
        assert_eq!(digests, FOLDED);
        // From any state on.
        let mut later = Fold::resume(FOLDED[1].parse().unwrap());
        later.page(PageType::Vmsa, Gpa(0xffff_ffff_f000), contents);
        assert_eq!(later, fold);
    }

    /// SEV-SNP ABI, publication 56860, section 8.17: the numbers in PAGE_INFO.
    #[test]
    fn page_types_have_their_numbers() {
        use PageType::{Cpuid, Normal, Secrets, Unmeasured, Vmsa, Zero};
        let types = [Normal, Vmsa, Zero, Unmeasured, Secrets, Cpuid];
        assert_eq!(types.map(PageType::code), [1, 2, 3, 4, 5, 6]);
        for page_type in types {
            let json = serde_json::to_string(&page_type).unwrap();
            assert_eq!(json, format!("\"{page_type}\""));
        }
    }

    #[test]
    fn the_explanation_has_a_step_for_each_page() {
        let pages = [PAGE, [0; PAGE_SIZE]];
        let operation = |page_type, gpa, meaning, contents| Operation {
            page_type,
            gpa: Gpa(gpa),
            meaning,
            contents,
        };
        let mut launch = Launch::default();
        launch.push(operation(
            PageType::Normal,
            0x1000,
            Meaning::Firmware,
            Contents::Image(&pages),
        ));
        let unhashed = Contents::Unhashed { pages: 2 };
        launch.push(operation(PageType::Zero, 0x8000, Meaning::SecMem, unhashed));
        let page = Contents::Page(HashedPage::new(PAGE));
        launch.push(operation(PageType::Vmsa, 0xf000, Meaning::Vmsa { vcpu: 0 }, page));
        let steps: Vec<Step> = launch.explain().collect();
        let places: Vec<_> = steps.iter().map(|s| (s.index, s.gpa.0, s.offset)).collect();
        let expected = [
            (0, 0x1000, 0),
            (1, 0x2000, 0x1000),
            (2, 0x8000, 0),
            (3, 0x9000, 0x1000),
            (4, 0xf000, 0),
        ];
        assert_eq!(places, expected);
        let hashed = [Some(Sha384::of(&PAGE)), Some(Sha384::of(&[0; PAGE_SIZE])), None, None];
        assert!(steps.iter().map(|step| step.contents).take(4).eq(hashed));
        assert_eq!(launch.digest(), steps[4].digest);
        assert_eq!(
            steps[3].to_string().split(" | ").take(5).map(str::trim).collect::<Vec<_>>(),
            ["3", "ZERO", "0x000000009000", "SEC memory +0x1000", "-"]
        );
        let empty = Launch::resumed(FOLDED[0].parse().unwrap());
        assert_eq!(empty.digest().to_string(), FOLDED[0]);
    }

    #[test]
    fn a_run_remembers_the_last_page_only() {
        let mut runs = Runs::default();
        for page in [PAGE, PAGE, [0; PAGE_SIZE], PAGE] {
            assert_eq!(runs.digest(&page), Sha384::of(&page));
        }
    }
}
