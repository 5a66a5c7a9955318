//! The MRTD: what was in a TD's memory when it started.
//!
//! The register is one SHA-384 over 128-byte records, in the order in which the VMM builds the TD:
//! one for each page added, three for each 256 bytes whose contents are measured. [`launch`] writes
//! that order down, [`Launch::digest`] folds it.
//!
//! The order is the VMM's, so [`Rule`] is an input. Firmware of which the code would go unmeasured
//! is refused. Deliberately absent: TDs that are not started by firmware with TDVF metadata.
//!
//! Standard: Intel TDX Module Base Architecture Specification (348549), "MRTD: Build-Time
//! Measurement Register"; ABI Specification (348551), TDH.MEM.PAGE.ADD and TDH.MR.EXTEND. Oracle:
//! td-shim's `td_shim_tee_info_hash.py`.

use std::fmt;

use cvmkit_formats::digest::Sha384;
use serde::Serialize;
use sha2::Digest as _;

use super::Error;
use crate::digest::role;
use crate::firmware::{Firmware, TdvfSection, TdvfSectionType};
use crate::gpa::{Gpa, PAGE_SIZE_U64};

role! {
    /// What a TD quote carries as MRTD: 48 bytes.
    Mrtd(Sha384)
}

/// Bytes that one TDH.MR.EXTEND measures.
const CHUNK: usize = 256;

/// [`CHUNK`] where addresses are computed.
const CHUNK_U64: u64 = 256;

/// The order in which a VMM adds the pages of a section and measures their contents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Passes {
    /// Each page is added and then measured, as Linux 6.16 does for QEMU 9 and later.
    Single,
    /// All pages of a section are added, then all are measured: QEMU 8, of the TDX branches that
    /// distributions shipped before TDX was in Linux.
    Two,
}

impl Passes {
    /// What the VMM of that major version of QEMU does.
    #[must_use]
    pub const fn of_qemu(major: u32) -> Self {
        if major >= 9 { Self::Single } else { Self::Two }
    }
}

/// The sections of which a VMM measures the contents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extended<'a> {
    /// Those the firmware marks, as it should be.
    Marked,
    /// All of them, the TD HOB included, whatever the firmware says: Google Compute Engine's first
    /// VMMs with TDX.
    All {
        /// The TD HOB; zeros follow up to the end of its section.
        td_hob: &'a [u8],
    },
}

/// How a VMM builds a TD.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule<'a> {
    /// In which order pages are added and measured.
    pub passes: Passes,
    /// What is measured beside addresses.
    pub extended: Extended<'a>,
}

impl Rule<'static> {
    /// The rule of that major version of QEMU.
    #[must_use]
    pub const fn of_qemu(major: u32) -> Self {
        Self { passes: Passes::of_qemu(major), extended: Extended::Marked }
    }
}

/// What is done to the pages of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Act {
    /// TDH.MEM.PAGE.ADD for each page.
    #[serde(rename = "ADD")]
    Add,
    /// TDH.MEM.PAGE.ADD for each page, then TDH.MR.EXTEND for each 256 bytes of it.
    #[serde(rename = "ADD+EXTEND")]
    AddAndExtend,
    /// TDH.MR.EXTEND for each 256 bytes of pages added before.
    #[serde(rename = "EXTEND")]
    Extend,
}

impl Act {
    const fn adds(self) -> bool {
        matches!(self, Self::Add | Self::AddAndExtend)
    }

    const fn extends(self) -> bool {
        matches!(self, Self::Extend | Self::AddAndExtend)
    }
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Add => "ADD",
            Self::AddAndExtend => "ADD+EXTEND",
            Self::Extend => "EXTEND",
        })
    }
}

/// Consecutive pages to which the same is done for the same reason.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Operation<'a> {
    /// The leaf functions that are called for each page.
    pub act: Act,
    /// The section the pages are of.
    pub section_type: TdvfSectionType,
    /// Address of the first page.
    pub gpa: Gpa,
    /// How many pages, of 4096 bytes each.
    pub pages: u64,
    /// What they start with; zeros follow.
    pub data: &'a [u8],
}

impl fmt::Debug for Operation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Operation({self}, {} bytes)", self.data.len())
    }
}

impl fmt::Display for Operation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { act, section_type, gpa, pages, data: _ } = self;
        write!(f, "{act:<10} {gpa} {section_type}, pages: {pages}")
    }
}

impl<'a> Operation<'a> {
    /// Each leaf function in order: its address, and the bytes of those that measure some.
    fn calls(self) -> impl Iterator<Item = (Gpa, Option<[u8; CHUNK]>)> + use<'a> {
        (0..self.pages).flat_map(move |page| {
            let first = page * PAGE_SIZE_U64;
            let add = self.act.adds().then_some((Gpa(self.gpa.0 + first), None));
            let chunks = if self.act.extends() { PAGE_SIZE_U64 / CHUNK_U64 } else { 0 };
            let extend = (0..chunks).map(move |chunk| {
                let offset = first + chunk * CHUNK_U64;
                (Gpa(self.gpa.0 + offset), Some(self.chunk(offset)))
            });
            add.into_iter().chain(extend)
        })
    }

    /// The bytes at `offset`, zeros behind the end of the data.
    fn chunk(&self, offset: u64) -> [u8; CHUNK] {
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let rest = self.data.get(start..).unwrap_or_default();
        rest.first_chunk().copied().unwrap_or_else(|| {
            let mut chunk = [0; CHUNK];
            for (to, from) in chunk.iter_mut().zip(rest) {
                *to = *from;
            }
            chunk
        })
    }
}

/// The MRTD while it grows. It is a plain value: a copy continues from the same state.
#[derive(Clone, Default)]
pub struct Fold(sha2::Sha384);

impl fmt::Debug for Fold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fold({})", self.digest())
    }
}

impl Fold {
    /// TDH.MEM.PAGE.ADD: one page at `gpa`, contents not measured.
    pub fn page_add(&mut self, gpa: Gpa) {
        self.0.update(record(b"MEM.PAGE.ADD", gpa));
    }

    /// TDH.MR.EXTEND: the bytes from `gpa` on.
    pub fn extend(&mut self, gpa: Gpa, chunk: &[u8; CHUNK]) {
        self.0.update(record(b"MR.EXTEND", gpa));
        self.0.update(chunk);
    }

    /// The MRTD after the records that were added so far.
    #[must_use]
    pub fn digest(&self) -> Mrtd {
        Mrtd(Sha384(self.0.clone().finalize().into()))
    }
}

/// The first of the 128-byte records of a leaf function: its name, and the address in bytes 16 to
/// 23 (ABI Specification, TDH.MEM.PAGE.ADD step "extend TDCS.MRTD").
fn record(name: &[u8], gpa: Gpa) -> [u8; 128] {
    let mut record = [0; 128];
    for (to, from) in record.iter_mut().zip(name) {
        *to = *from;
    }
    for (to, from) in record.iter_mut().skip(16).zip(gpa.0.to_le_bytes()) {
        *to = from;
    }
    record
}

/// Everything the TDX module is given before the TD starts, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Launch<'a> {
    operations: Vec<Operation<'a>>,
}

impl<'a> Launch<'a> {
    /// The list: one operation per section and pass.
    #[must_use]
    pub fn operations(&self) -> &[Operation<'a>] {
        &self.operations
    }

    /// The MRTD: one SHA-384 over the records of every operation.
    #[must_use]
    pub fn digest(&self) -> Mrtd {
        let mut fold = Fold::default();
        for (gpa, chunk) in self.operations.iter().flat_map(|operation| operation.calls()) {
            step(&mut fold, gpa, chunk.as_ref());
        }
        fold.digest()
    }

    /// Every leaf function in order, with the digest after it.
    pub fn explain(&self) -> impl Iterator<Item = Step> + '_ {
        let calls = self.operations.iter().flat_map(|operation| {
            operation.calls().map(move |(gpa, chunk)| (operation, gpa, chunk))
        });
        let mut fold = Fold::default();
        calls.enumerate().map(move |(index, (operation, gpa, chunk))| {
            step(&mut fold, gpa, chunk.as_ref());
            Step {
                index,
                function: if chunk.is_some() { "MR.EXTEND" } else { "MEM.PAGE.ADD" },
                gpa,
                section_type: operation.section_type,
                offset: gpa.0 - operation.gpa.0,
                contents: chunk.map(|chunk| Sha384::of(&chunk)),
                digest: fold.digest(),
            }
        })
    }
}

fn step(fold: &mut Fold, gpa: Gpa, chunk: Option<&[u8; CHUNK]>) {
    match chunk {
        Some(chunk) => fold.extend(gpa, chunk),
        None => fold.page_add(gpa),
    }
}

/// One leaf function of a launch, and the digest after it.
///
/// Prints as `index | function | gpa | section | contents | running digest`; `-` stands for a page
/// that is added without its contents. Digests are never shortened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Step {
    /// Place of the leaf function in the launch, from 0.
    pub index: usize,
    /// What the record starts with: `MEM.PAGE.ADD` or `MR.EXTEND`.
    pub function: &'static str,
    /// The address in the record.
    pub gpa: Gpa,
    /// The section the address is in.
    pub section_type: TdvfSectionType,
    /// Bytes from the start of the section.
    pub offset: u64,
    /// SHA-384 of the 256 bytes measured, to compare by: the MRTD covers the bytes themselves.
    pub contents: Option<Sha384>,
    /// The MRTD after this leaf function.
    pub digest: Mrtd,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { index, function, gpa, section_type, offset, contents, digest } = self;
        let place = format!("{section_type} +{offset:#x}");
        let contents = contents.map_or_else(|| "-".to_owned(), |contents| contents.to_string());
        write!(f, "{index:>5} | {function:<12} | {gpa} | {place:<19} | {contents:<96} | {digest}")
    }
}

/// The launch of a TD that starts `firmware`.
///
/// # Errors
/// [`Error::Tdvf`] for firmware that is corrupt or can't start a TD, [`Error::NoCode`] and
/// [`Error::CodeNotMeasured`] for firmware whose code nothing would measure, [`Error::TdHobSize`]
/// for a TD HOB that does not fit.
pub fn launch<'a>(firmware: &Firmware<'a>, rule: &Rule<'a>) -> Result<Launch<'a>, Error> {
    let sections = firmware.tdvf_sections()?;
    check_code(&sections, rule)?;
    let mut launch = Launch::default();
    for section in sections.iter().filter(|section| !section.augmented) {
        let data = contents(section, rule)?;
        let operation = |act| Operation {
            act,
            section_type: section.section_type,
            gpa: section.gpa,
            pages: section.size / PAGE_SIZE_U64,
            data,
        };
        match (is_extended(section, rule), rule.passes) {
            (false, _) => launch.operations.push(operation(Act::Add)),
            (true, Passes::Single) => launch.operations.push(operation(Act::AddAndExtend)),
            (true, Passes::Two) => {
                launch.operations.extend([operation(Act::Add), operation(Act::Extend)]);
            }
        }
    }
    Ok(launch)
}

fn is_extended(section: &TdvfSection<'_>, rule: &Rule<'_>) -> bool {
    section.extended || matches!(rule.extended, Extended::All { .. })
}

/// What the VMM puts into the section before the launch.
fn contents<'a>(section: &TdvfSection<'a>, rule: &Rule<'a>) -> Result<&'a [u8], Error> {
    match (section.section_type, rule.extended) {
        (TdvfSectionType::TdHob, Extended::All { td_hob }) => {
            let found = td_hob.len() as u64;
            let fits = found <= section.size;
            fits.then_some(td_hob).ok_or(Error::TdHobSize { expected: section.size, found })
        }
        (TdvfSectionType::TdHob, Extended::Marked) if section.extended => {
            // Its contents depend on the machine, so the MRTD would be one per memory size.
            Err(Error::TdHobExtended { gpa: section.gpa })
        }
        _ => Ok(section.data),
    }
}

/// Nothing vouches for firmware of which the MRTD does not cover the code.
fn check_code(sections: &[TdvfSection<'_>], rule: &Rule<'_>) -> Result<(), Error> {
    let is_code = |section: &&TdvfSection<'_>| section.section_type == TdvfSectionType::Bfv;
    let mut code = sections.iter().filter(is_code).peekable();
    if code.peek().is_none() {
        return Err(Error::NoCode);
    }
    match code.find(|section| section.augmented || !is_extended(section, rule)) {
        Some(section) => Err(Error::CodeNotMeasured { gpa: section.gpa }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values of `tests/folds.py`: the record of a page, and that of 256 bytes.
    #[test]
    fn records_fold_as_the_specification_says() {
        let mut fold = Fold::default();
        fold.page_add(Gpa(0xffc0_0000));
        assert_eq!(
            fold.digest().to_string(),
            "c1d69262bf2469a95b95bb4e99984e026cbfe659a7170f6444f496a210a036b92c37abc9197dd6081af4a5fa35adb42f"
        );
        fold.extend(Gpa(0xffc0_0000), &[0x11; CHUNK]);
        assert_eq!(
            fold.digest().to_string(),
            "6162a6f6347777e582879e8d60d89dcd5bc4a7dce7a3dae195eda599d70c4d668fcdd9494f3f8264ad969f310507cfd3"
        );
    }

    fn operation(act: Act, pages: u64, data: &[u8]) -> Operation<'_> {
        Operation { act, section_type: TdvfSectionType::Bfv, gpa: Gpa(0x1000), pages, data }
    }

    #[test]
    fn each_page_is_added_and_each_256_bytes_of_it_measured() {
        let data: Vec<u8> = (0..=255).cycle().take(300).collect();
        for (act, calls) in [(Act::Add, 2), (Act::Extend, 32), (Act::AddAndExtend, 34)] {
            assert_eq!(operation(act, 2, &data).calls().count(), calls, "{act}");
        }
        let calls: Vec<_> = operation(Act::AddAndExtend, 2, &data).calls().collect();
        let places: Vec<u64> = calls.iter().map(|(gpa, _)| gpa.0).collect();
        assert_eq!((places[..3].to_vec(), places[17]), (vec![0x1000, 0x1000, 0x1100], 0x2000));
        let chunk = |at: usize| calls[at].1.unwrap();
        assert_eq!(calls[0].1, None);
        assert_eq!(chunk(1)[..], data[..256]);
        // The data ends inside the second chunk; zeros follow.
        assert_eq!(chunk(2)[..44], data[256..]);
        assert!(chunk(2)[44..].iter().chain(&chunk(3)).all(|&byte| byte == 0));
    }

    /// Linux 6.16 adds and measures page by page; the branches of QEMU 8 in two passes.
    #[test]
    fn the_order_follows_qemu() {
        for (major, passes) in [(8, Passes::Two), (9, Passes::Single), (10, Passes::Single)] {
            assert_eq!(Passes::of_qemu(major), passes);
            assert_eq!(Rule::of_qemu(major), Rule { passes, extended: Extended::Marked });
        }
    }

    fn section(
        section_type: TdvfSectionType,
        extended: bool,
        augmented: bool,
    ) -> TdvfSection<'static> {
        let (at, gpa, size) = (0, Gpa(0x1000), 0x1000);
        TdvfSection { at, section_type, gpa, size, data: b"data", extended, augmented }
    }

    #[test]
    fn code_is_there_and_measured() {
        use TdvfSectionType::{Bfv, Cfv};
        let marked = Rule::of_qemu(9);
        let all = Rule { extended: Extended::All { td_hob: &[] }, ..marked };
        let not_measured = Err(Error::CodeNotMeasured { gpa: Gpa(0x1000) });
        for (sections, rule, expected) in [
            (vec![section(Cfv, true, false)], marked, Err(Error::NoCode)),
            (vec![section(Bfv, true, false)], marked, Ok(())),
            (vec![section(Bfv, false, false)], marked, not_measured.clone()),
            (vec![section(Bfv, false, false)], all, Ok(())),
            (vec![section(Bfv, true, true)], all, not_measured.clone()),
            (vec![section(Bfv, true, false), section(Bfv, false, false)], marked, not_measured),
        ] {
            assert_eq!(check_code(&sections, &rule), expected);
        }
    }

    #[test]
    fn a_td_hob_is_measured_by_one_vmm_only() {
        use TdvfSectionType::{Bfv, TdHob};
        let marked = Rule::of_qemu(9);
        let with = |td_hob| Rule { extended: Extended::All { td_hob }, ..marked };
        let (hob, long) = ([7; 0x1000], [7; 0x1001]);
        assert_eq!(contents(&section(TdHob, false, false), &marked), Ok(&b"data"[..]));
        assert_eq!(
            contents(&section(TdHob, true, false), &marked),
            Err(Error::TdHobExtended { gpa: Gpa(0x1000) })
        );
        assert_eq!(contents(&section(TdHob, false, false), &with(&hob)), Ok(&hob[..]));
        assert_eq!(
            contents(&section(TdHob, false, false), &with(&long)),
            Err(Error::TdHobSize { expected: 0x1000, found: 0x1001 })
        );
        assert_eq!(contents(&section(Bfv, true, false), &with(&hob)), Ok(&b"data"[..]));
    }
}
