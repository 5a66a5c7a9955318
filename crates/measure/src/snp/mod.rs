//! The AMD SEV-SNP launch digest: the measurement of an attestation report.
//!
//! Starting from 48 zero bytes, the secure processor hashes one PAGE_INFO per page it is given
//! (SEV Secure Nested Paging Firmware ABI Specification, publication 56860, section 8.17.2). The
//! order of the pages is the VMM's: the firmware, then what its SEV metadata asks for, then the
//! state of each virtual processor. [`launch`] writes that order down, [`Launch::digest`] folds it.
//!
//! Firmware that can't enforce what it is asked to measure is refused here: no SEV metadata, or a
//! kernel with nowhere to put its hashes. HOST_DATA, policy and identity block are launch
//! parameters that the digest does not contain: [`policy`] and, with the feature `id-block`,
//! `id_block`. [`report`] reads what the secure processor says afterwards. Deliberately absent:
//! IGVM files. Oracle: sev-snp-measure.

#[cfg(feature = "id-block")]
pub mod id_block;
mod launch;
mod mode;
pub mod policy;
pub mod report;
mod vcpu;
mod vmm;
pub mod vmsa;

use std::collections::BTreeMap;

use cvmkit_formats::digest::Sha384;
use thiserror::Error;

use crate::firmware::{self, Firmware, HashTableArea, Section, SectionType};
use crate::gpa::{FOUR_GIB, Gpa, PAGE_SIZE, PAGE_SIZE_U64};
use crate::kernel_hashes::{KernelHashes, TABLE_SIZE};

use launch::Runs;
pub use launch::{
    Contents, Fold, HashedPage, Launch, LaunchDigest, Meaning, Operation, PageType, Step,
};
pub use mode::Mode;
pub use vcpu::{VCPU_TYPES, VcpuModelError, VcpuSignature, VcpuType};
pub use vmm::{GuestFeatures, MissingVcpuType, Vmm, VmmType};

/// The most virtual processors a guest can have (Linux `CONFIG_KVM_MAX_NR_VCPUS`, x86).
pub const VCPUS_MAX: u32 = 4096;

/// Why there is no launch to measure.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The firmware image contradicts itself, or lacks a structure.
    #[error(transparent)]
    Firmware(#[from] firmware::Error),
    /// The firmware has no page to put kernel hashes into, so the kernel would go unmeasured.
    #[error(
        "the firmware can't check kernel hashes: its SEV metadata has no SNP_KERNEL_HASHES \
         section, so the kernel, initrd and command line would not be measured"
    )]
    NoKernelHashesSection,
    /// The firmware has more than one page for kernel hashes, and would read one.
    #[error(
        "the firmware has {found} SNP_KERNEL_HASHES sections in its SEV metadata, expected one \
         place for the kernel hashes"
    )]
    ManyKernelHashesSections {
        /// Number of sections.
        found: usize,
    },
    /// The firmware does not say where it reads kernel hashes.
    #[error(
        "the firmware does not support kernel hashes: it has no table address (footer entry {})",
        firmware::SEV_HASH_TABLE_GUID
    )]
    NoHashTable,
    /// The firmware reserves too little for kernel hashes.
    #[error(
        "the firmware reserves {found} bytes for the table of kernel hashes, expected at least \
         {TABLE_SIZE}"
    )]
    HashTableTooSmall {
        /// Bytes that were found.
        found: u32,
    },
    /// The firmware would read kernel hashes outside the page that is measured.
    #[error(
        "the firmware reads its table of kernel hashes at {table}, expected all of it in the one \
         page of the SNP_KERNEL_HASHES section: {section} with {size:#x} bytes"
    )]
    HashTableOutsideSection {
        /// Where the firmware reads the table.
        table: Gpa,
        /// Start of the section.
        section: Gpa,
        /// Bytes of the section.
        size: u64,
    },
    /// A section that is one page by definition.
    #[error("the {section_type:?} section at {gpa} has {found:#x} bytes, expected 0x1000")]
    NotOnePage {
        /// The type of the section.
        section_type: SectionType,
        /// Guest-physical address of the section.
        gpa: Gpa,
        /// Bytes that were found.
        found: u64,
    },
    /// No virtual processor, or more than any VMM gives.
    #[error("the guest has {found} vCPUs, expected 1 to {VCPUS_MAX}")]
    VcpuCount {
        /// Number of vCPUs.
        found: u32,
    },
    /// The firmware says where processors start, and says 0.
    #[error(
        "the firmware starts one vCPU only (its SEV-ES reset vector is 0), found {vcpus} vCPUs"
    )]
    NoApResetVector {
        /// Number of vCPUs.
        vcpus: u32,
    },
    /// The SVSM does not fit below the firmware at a page boundary.
    #[error(
        "an SVSM of {svsm:#x} bytes can't end {vars:#x} bytes below the firmware at {firmware}: \
         expected whole pages of firmware variables and an address above its own sections"
    )]
    SvsmPlace {
        /// Bytes of the SVSM image.
        svsm: u64,
        /// Bytes of the firmware variables between both.
        vars: u64,
        /// Start of the firmware.
        firmware: Gpa,
    },
}

/// What decides the launch digest beside the firmware and the number of vCPUs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guest {
    /// Who starts the guest.
    pub vmm: Vmm,
    /// `SEV_FEATURES` of every vCPU.
    pub features: GuestFeatures,
    /// The kernel of a direct boot; none when the firmware boots from a disk.
    pub kernel: Option<KernelHashes>,
    /// Stands for the bytes of the firmware, computed earlier by [`firmware_digest`], when only the
    /// last pages of the image are at hand. Nothing checks that both belong together.
    pub firmware_digest: Option<LaunchDigest>,
}

impl Guest {
    /// A guest of `vmm` with the features of Linux 6.8 and later, that boots no kernel directly.
    #[must_use]
    pub fn new(vmm: Vmm) -> Self {
        Self { vmm, features: GuestFeatures::default(), kernel: None, firmware_digest: None }
    }
}

/// The launch of `guest` with `vcpus` virtual processors.
///
/// # Errors
/// Any of [`enum@Error`]: firmware that is corrupt, can't start an SEV-SNP guest, or can't check
/// the kernel.
pub fn launch<'a>(firmware: &Firmware<'a>, guest: &Guest, vcpus: u32) -> Result<Launch<'a>, Error> {
    let reset_vector = firmware.ap_reset_vector()?;
    check_vcpus(vcpus, reset_vector)?;
    let sections = firmware.sev_sections()?;
    let hashes_page = guest.kernel.map(|hashes| hashes_page(firmware, &sections, &hashes));
    let hashes_page = hashes_page.transpose()?;

    let mut launch = match guest.firmware_digest {
        Some(digest) => Launch::resumed(digest),
        None => firmware_launch(firmware),
    };
    push_sections(&mut launch, &sections, guest.vmm, hashes_page.as_ref())?;
    let processor = |eip| HashedPage::new(vmsa::page(guest.vmm, eip, guest.features));
    let [bsp, ap] = [processor(vmsa::BSP_EIP), processor(reset_vector)];
    push_processors(&mut launch, vcpus, &bsp, &ap);
    Ok(launch)
}

/// The launch digests of `guest` for several numbers of vCPUs, at the cost of the largest.
///
/// # Errors
/// As for [`launch`], with any of the numbers.
pub fn digests(
    firmware: &Firmware<'_>,
    guest: &Guest,
    vcpus: &[u32],
) -> Result<BTreeMap<u32, LaunchDigest>, Error> {
    let Some(most) = most_vcpus(vcpus)? else { return Ok(BTreeMap::new()) };
    let launch = launch(firmware, guest, most)?;
    Ok(prefix_digests(vcpus, launch.explain().map(|step| (step.meaning, step.digest))))
}

/// The digest after the firmware's own pages and nothing else: sev-snp-measure's `snp:ovmf-hash`,
/// the value of [`Guest::firmware_digest`].
#[must_use]
pub fn firmware_digest(firmware: &Firmware<'_>) -> LaunchDigest {
    firmware_launch(firmware).digest()
}

/// [`firmware_digest`] of an image that comes in pieces, from its first page to its last, and is never
/// in memory as a whole.
#[derive(Clone)]
pub struct FirmwareFold {
    fold: Fold,
    runs: Runs,
    next: Gpa,
}

impl FirmwareFold {
    /// Begins an image of `len` bytes, which the VMM maps so that it ends at 4 GiB.
    ///
    /// # Errors
    /// [`firmware::Error::Length`] unless these are whole pages below 4 GiB.
    pub fn new(len: u64) -> Result<Self, Error> {
        let start = FOUR_GIB.checked_sub(len).filter(|start| (1..FOUR_GIB).contains(start));
        match start.map(Gpa) {
            Some(next) if next.is_page_aligned() => {
                let fold = Fold::resume(LaunchDigest(Sha384::ZERO));
                Ok(Self { fold, runs: Runs::default(), next })
            }
            _ => {
                let found = usize::try_from(len).unwrap_or(usize::MAX);
                Err(firmware::Error::Length { found }.into())
            }
        }
    }

    /// Adds the pages that come next.
    pub fn pages(&mut self, pages: &[[u8; PAGE_SIZE]]) {
        for page in pages {
            self.fold.page(PageType::Normal, self.next, Some(self.runs.digest(page)));
            self.next.0 += PAGE_SIZE_U64;
        }
    }

    /// The digest, once the last page was added and none behind it.
    #[must_use]
    pub fn finish(self) -> Option<LaunchDigest> {
        (self.next == Gpa(FOUR_GIB)).then(|| self.fold.digest())
    }
}

/// A guest whose firmware runs under COCONUT-SVSM, started by QEMU.
///
/// The SVSM starts the firmware, so neither guest features nor kernel hashes are inputs: vCPUs of
/// an SVSM always start with `SEV_FEATURES` 1, and nothing checks a kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SvsmGuest {
    /// The virtual processor of `-cpu`, which is measured.
    pub vcpu: VcpuSignature,
    /// Bytes of the firmware variables, which QEMU maps between the SVSM and the firmware.
    pub vars_size: u64,
}

/// The launch of `svsm` with `firmware` above it.
///
/// # Errors
/// Any of [`enum@Error`]: an image that is corrupt or is no SVSM, firmware without SEV metadata, or
/// images that don't fit below 4 GiB.
pub fn launch_svsm<'a>(
    firmware: &Firmware<'a>,
    svsm: &Firmware<'a>,
    guest: &SvsmGuest,
    vcpus: u32,
) -> Result<Launch<'a>, Error> {
    // All vCPUs start at the same place, and that place is never 0.
    check_vcpus(vcpus, vmsa::BSP_EIP)?;
    let entry_point = u64::from(svsm.svsm_entry_point()?);
    let sections = svsm.sev_sections()?;
    // The SVSM starts the firmware as an SEV-SNP guest would be started.
    firmware.sev_sections()?;
    let gpa = svsm_gpa(firmware, svsm, &sections, guest.vars_size)?;

    let mut launch = firmware_launch(firmware);
    launch.push(image_pages(gpa, svsm.image(), Meaning::Svsm));
    push_sections(&mut launch, &sections, Vmm::Qemu { vcpu: guest.vcpu }, None)?;
    let processor = HashedPage::new(vmsa::svsm_page(guest.vcpu, gpa.0 + entry_point));
    push_processors(&mut launch, vcpus, &processor, &processor);
    Ok(launch)
}

/// The launch digests under an SVSM for several numbers of vCPUs, at the cost of the largest.
///
/// # Errors
/// As for [`launch_svsm`], with any of the numbers.
pub fn svsm_digests(
    firmware: &Firmware<'_>,
    svsm: &Firmware<'_>,
    guest: &SvsmGuest,
    vcpus: &[u32],
) -> Result<BTreeMap<u32, LaunchDigest>, Error> {
    let Some(most) = most_vcpus(vcpus)? else { return Ok(BTreeMap::new()) };
    let launch = launch_svsm(firmware, svsm, guest, most)?;
    Ok(prefix_digests(vcpus, launch.explain().map(|step| (step.meaning, step.digest))))
}

/// The largest of several numbers of vCPUs; none of no numbers.
pub(crate) fn most_vcpus(vcpus: &[u32]) -> Result<Option<u32>, Error> {
    if vcpus.contains(&0) {
        return Err(Error::VcpuCount { found: 0 });
    }
    Ok(vcpus.iter().max().copied())
}

/// Picks the digests of launches with fewer vCPUs out of the one with most: VMSAs come last, so
/// every smaller launch is a prefix of it.
pub(crate) fn prefix_digests<D>(
    vcpus: &[u32],
    steps: impl Iterator<Item = (Meaning, D)>,
) -> BTreeMap<u32, D> {
    let ends = steps.filter_map(|(meaning, digest)| match meaning {
        Meaning::Vmsa { vcpu } => Some((vcpu + 1, digest)),
        _ => None,
    });
    ends.filter(|(count, _)| vcpus.contains(count)).collect()
}

pub(crate) fn check_vcpus(vcpus: u32, reset_vector: u32) -> Result<(), Error> {
    if !(1..=VCPUS_MAX).contains(&vcpus) {
        return Err(Error::VcpuCount { found: vcpus });
    }
    if vcpus > 1 && reset_vector == 0 {
        return Err(Error::NoApResetVector { vcpus });
    }
    Ok(())
}

/// Where the table of kernel hashes goes, once it is known to be of use there.
pub(crate) fn usable_hash_table(firmware: &Firmware<'_>) -> Result<HashTableArea, Error> {
    let area = firmware.hash_table_area()?.ok_or(Error::NoHashTable)?;
    match usize::try_from(area.size) {
        Ok(size) if size >= TABLE_SIZE => Ok(area),
        _ => Err(Error::HashTableTooSmall { found: area.size }),
    }
}

/// The page of kernel hashes, if it is the page the firmware will read them from.
fn hashes_page(
    firmware: &Firmware<'_>,
    sections: &[Section],
    hashes: &KernelHashes,
) -> Result<HashedPage, Error> {
    let is_for_hashes = |section: &&Section| section.section_type == SectionType::SnpKernelHashes;
    let mut places = sections.iter().filter(is_for_hashes);
    let section = places.next().ok_or(Error::NoKernelHashesSection)?;
    let others = places.count();
    if others > 0 {
        return Err(Error::ManyKernelHashesSections { found: others + 1 });
    }
    let area = usable_hash_table(firmware)?;
    let offset = usize::try_from(area.gpa.page_offset()).ok();
    let page = offset.and_then(|offset| hashes.page(offset));
    match page {
        Some(page) if section.gpa == area.gpa.page() && section.size == PAGE_SIZE_U64 => {
            Ok(HashedPage::new(page))
        }
        _ => Err(Error::HashTableOutsideSection {
            table: area.gpa,
            section: section.gpa,
            size: section.size,
        }),
    }
}

/// What every launch starts with.
fn firmware_launch<'a>(firmware: &Firmware<'a>) -> Launch<'a> {
    let mut launch = Launch::default();
    launch.push(image_pages(firmware.gpa(), firmware.image(), Meaning::Firmware));
    launch
}

fn image_pages(gpa: Gpa, image: &[u8], meaning: Meaning) -> Operation<'_> {
    let (pages, _) = image.as_chunks::<PAGE_SIZE>();
    Operation { page_type: PageType::Normal, gpa, meaning, contents: Contents::Image(pages) }
}

fn push_sections(
    launch: &mut Launch<'_>,
    sections: &[Section],
    vmm: Vmm,
    hashes: Option<&HashedPage>,
) -> Result<(), Error> {
    let is_late = |section: &&Section| {
        // EC2 gives the CPUID page to the secure processor after every other section.
        vmm == Vmm::Ec2 && section.section_type == SectionType::Cpuid
    };
    let in_order = sections.iter().filter(|section| !is_late(section));
    for section in in_order.chain(sections.iter().filter(is_late)) {
        if let Some(operation) = section_operation(section, vmm, hashes)? {
            launch.push(operation);
        }
    }
    Ok(())
}

/// How the VMM gives a section to the secure processor; none for a section of no pages.
fn section_operation(
    section: &Section,
    vmm: Vmm,
    hashes: Option<&HashedPage>,
) -> Result<Option<Operation<'static>>, Error> {
    let Section { section_type, gpa, size, .. } = *section;
    let (page_type, meaning) = match section_type {
        SectionType::SnpSecMem if vmm == Vmm::Gce => (PageType::Unmeasured, Meaning::SecMem),
        SectionType::SnpSecMem => (PageType::Zero, Meaning::SecMem),
        SectionType::SnpSecrets => (PageType::Secrets, Meaning::Secrets),
        SectionType::Cpuid => (PageType::Cpuid, Meaning::Cpuid),
        SectionType::SvsmCaa => (PageType::Zero, Meaning::SvsmCaa),
        SectionType::SnpKernelHashes => match hashes {
            Some(page) => {
                let contents = Contents::Page(page.clone());
                let (page_type, meaning) = (PageType::Normal, Meaning::KernelHashes);
                return Ok(Some(Operation { page_type, gpa, meaning, contents }));
            }
            None => (PageType::Zero, Meaning::NoKernelHashes),
        },
    };
    let is_one_page = matches!(page_type, PageType::Secrets | PageType::Cpuid);
    if is_one_page && size != PAGE_SIZE_U64 {
        return Err(Error::NotOnePage { section_type, gpa, found: size });
    }
    let contents = Contents::Unhashed { pages: size / PAGE_SIZE_U64 };
    Ok((size > 0).then_some(Operation { page_type, gpa, meaning, contents }))
}

fn push_processors(launch: &mut Launch<'_>, vcpus: u32, bsp: &HashedPage, ap: &HashedPage) {
    for vcpu in 0..vcpus {
        let page = if vcpu == 0 { bsp } else { ap };
        launch.push(Operation {
            page_type: PageType::Vmsa,
            gpa: vmsa::GPA,
            meaning: Meaning::Vmsa { vcpu },
            contents: Contents::Page(page.clone()),
        });
    }
}

/// The SVSM ends where the firmware variables start, and they end where the firmware starts.
fn svsm_gpa(
    firmware: &Firmware<'_>,
    svsm: &Firmware<'_>,
    sections: &[Section],
    vars: u64,
) -> Result<Gpa, Error> {
    let size = svsm.image().len() as u64;
    let end_of_sections = sections.iter().map(|section| section.end().0).max().unwrap_or(0);
    let start = firmware.gpa().0.checked_sub(vars).and_then(|end| end.checked_sub(size));
    match start {
        Some(start) if start >= end_of_sections && Gpa(start).is_page_aligned() => Ok(Gpa(start)),
        _ => Err(Error::SvsmPlace { svsm: size, vars, firmware: firmware.gpa() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn smaller_launches_are_prefixes_of_the_largest() {
        let steps = [
            (Meaning::Firmware, 'f'),
            (Meaning::Vmsa { vcpu: 0 }, 'a'),
            (Meaning::Vmsa { vcpu: 1 }, 'b'),
            (Meaning::Vmsa { vcpu: 2 }, 'c'),
        ];
        let found = prefix_digests(&[3, 1, 1, 9], steps.into_iter());
        assert_eq!(found, BTreeMap::from([(1, 'a'), (3, 'c')]));
        assert_eq!(most_vcpus(&[3, 1]), Ok(Some(3)));
        assert_eq!(most_vcpus(&[]), Ok(None));
        assert_eq!(most_vcpus(&[3, 0]), Err(Error::VcpuCount { found: 0 }));
    }

    #[test]
    fn more_than_one_vcpu_needs_a_place_to_start() {
        for (vcpus, reset_vector, expected) in [
            (0, 1, Err(Error::VcpuCount { found: 0 })),
            (1, 0, Ok(())),
            (2, 0, Err(Error::NoApResetVector { vcpus: 2 })),
            (4096, 1, Ok(())),
            (4097, 1, Err(Error::VcpuCount { found: 4097 })),
        ] {
            assert_eq!(check_vcpus(vcpus, reset_vector), expected);
        }
    }

    /// The secure processor fills secrets and CPUID a page at a time; other sections may be empty.
    #[test]
    fn sections_become_operations_by_type_and_vmm() {
        let section = |section_type, size| Section { at: 0, section_type, gpa: Gpa(0x1000), size };
        let qemu = Vmm::Qemu { vcpu: VcpuSignature(0) };
        let page = HashedPage::new([7; PAGE_SIZE]);
        let made = |section_type, size, vmm, hashes| {
            let operation = section_operation(&section(section_type, size), vmm, hashes);
            operation.map(|made| made.map(|made| (made.page_type, made.meaning, made.pages())))
        };
        use SectionType as T;
        for (section_type, size, vmm, hashes, expected) in [
            (T::SnpSecMem, 0x2000, qemu, None, Some((PageType::Zero, Meaning::SecMem, 2))),
            (
                T::SnpSecMem,
                0x2000,
                Vmm::Gce,
                None,
                Some((PageType::Unmeasured, Meaning::SecMem, 2)),
            ),
            (T::SnpSecMem, 0, qemu, None, None),
            (T::SnpSecrets, 0x1000, qemu, None, Some((PageType::Secrets, Meaning::Secrets, 1))),
            (T::Cpuid, 0x1000, qemu, None, Some((PageType::Cpuid, Meaning::Cpuid, 1))),
            (T::SvsmCaa, 0x1000, qemu, None, Some((PageType::Zero, Meaning::SvsmCaa, 1))),
            (
                T::SnpKernelHashes,
                0x1000,
                qemu,
                None,
                Some((PageType::Zero, Meaning::NoKernelHashes, 1)),
            ),
            (
                T::SnpKernelHashes,
                0x1000,
                qemu,
                Some(&page),
                Some((PageType::Normal, Meaning::KernelHashes, 1)),
            ),
        ] {
            assert_eq!(made(section_type, size, vmm, hashes), Ok(expected), "{section_type:?}");
        }
        for section_type in [T::SnpSecrets, T::Cpuid] {
            for size in [0, 0x2000] {
                let error = made(section_type, size, qemu, None).unwrap_err();
                assert_eq!(
                    error,
                    Error::NotOnePage { section_type, gpa: Gpa(0x1000), found: size }
                );
            }
        }
    }

    #[test]
    fn a_fold_of_an_image_in_pieces_has_a_length() {
        for len in [0, 1, 4095, FOUR_GIB, u64::MAX] {
            assert!(FirmwareFold::new(len).is_err(), "{len}");
        }
        let mut fold = FirmwareFold::new(2 * PAGE_SIZE_U64).unwrap();
        fold.pages(&[[1; PAGE_SIZE]]);
        assert_eq!(fold.clone().finish(), None);
        fold.pages(&[[2; PAGE_SIZE]]);
        assert!(fold.clone().finish().is_some());
        fold.pages(&[[3; PAGE_SIZE]]);
        assert_eq!(fold.finish(), None);
    }
}
