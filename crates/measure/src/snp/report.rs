//! Attestation reports: what a guest's secure processor said about it, read and **not verified**.
//!
//! [`Report::parse`] takes the 1184 bytes of versions 2 to 5 and gives every field its type; what
//! it can't know (a field of a later version, the processor of a version-2 report) is `None`.
//! Deliberately absent: certificates and the chain from AMD's root to the key that signed; whoever
//! relies on a report must check [`Report::signed_bytes`] against [`Report::signature`] first.
//! [`Report::check`] refuses what no signature makes good: a guest the host may debug, or one of
//! which nothing was measured.
//!
//! Standard: SEV Secure Nested Paging Firmware ABI Specification, publication 56860, revision 1.58,
//! section 7.3, table 23. Oracle: a report of a real EPYC and the certificate of its key.

use cvmkit_formats::digest::Sha384;
use serde::Serialize;
use thiserror::Error;
use zerocopy::byteorder::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

use super::LaunchDigest;
use super::policy::{
    AuthorKeyDigest, ChipId, FamilyId, GuestPolicy, HostData, IdKeyDigest, ImageId, PolicyError,
    ReportData, ReportId,
};

/// Bytes of a report, signature included.
pub const REPORT_LEN: usize = 0x4a0;

/// Bytes at the start of a report that the signature covers.
pub const SIGNED_LEN: usize = 0x2a0;

/// Processor family from which on [`TcbVersion`] has an FMC (table 4 instead of table 3).
const FAMILY_TURIN: u8 = 0x1a;

/// Why bytes are no report.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// Too short or too long.
    #[error("the SEV-SNP report has {found} bytes, expected {REPORT_LEN}")]
    Length {
        /// Bytes that were given.
        found: usize,
    },
    /// A version of which the fields are not known.
    #[error("the SEV-SNP report has version {found}, expected 2 to 5")]
    Version {
        /// VERSION of the report.
        found: u32,
    },
}

/// Why a report is of no guest to trust, whoever signed it.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// The policy of the guest.
    #[error("the report's guest is not protected")]
    Policy(#[from] PolicyError),
    /// A launch digest no guest has.
    #[error("the report's MEASUREMENT is all zero, expected a launch digest")]
    ZeroMeasurement,
}

/// Table 23 as it lies in memory.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Raw {
    version: U32,
    guest_svn: U32,
    policy: U64,
    family_id: [u8; 16],
    image_id: [u8; 16],
    vmpl: U32,
    signature_algo: U32,
    current_tcb: [u8; 8],
    platform_info: U64,
    keys: U32,
    reserved_4c: [u8; 4],
    report_data: [u8; 64],
    measurement: [u8; 48],
    host_data: [u8; 32],
    id_key_digest: [u8; 48],
    author_key_digest: [u8; 48],
    report_id: [u8; 32],
    report_id_ma: [u8; 32],
    reported_tcb: [u8; 8],
    cpuid_family: u8,
    cpuid_model: u8,
    cpuid_stepping: u8,
    reserved_18b: [u8; 21],
    chip_id: [u8; 64],
    committed_tcb: [u8; 8],
    current_version: [u8; 3],
    reserved_1eb: u8,
    committed_version: [u8; 3],
    reserved_1ef: u8,
    launch_tcb: [u8; 8],
    launch_mit_vector: U64,
    current_mit_vector: U64,
    reserved_208: [u8; 152],
    signature: [u8; 512],
}
const _: () = assert!(size_of::<Raw>() == REPORT_LEN);

/// TCB_VERSION: security versions of what the processor runs beneath the guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct TcbVersion {
    /// FMC; none before Turin.
    pub fmc: Option<u8>,
    /// BOOT_LOADER of the secure processor.
    pub boot_loader: u8,
    /// TEE, the secure processor's operating system.
    pub tee: u8,
    /// SNP, its SEV-SNP firmware.
    pub snp: u8,
    /// MICROCODE, the lowest of all cores.
    pub microcode: u8,
}

impl TcbVersion {
    /// Section 2.2: table 3 up to Genoa, table 4 since Turin.
    fn new(bytes: [u8; 8], family: Option<u8>) -> Self {
        match (bytes, family) {
            ([fmc, boot_loader, tee, snp, _, _, _, microcode], Some(FAMILY_TURIN..)) => {
                Self { fmc: Some(fmc), boot_loader, tee, snp, microcode }
            }
            ([boot_loader, tee, _, _, _, _, snp, microcode], _) => {
                Self { fmc: None, boot_loader, tee, snp, microcode }
            }
        }
    }
}

/// Version of the secure processor's firmware.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct FirmwareVersion {
    /// CURRENT_MAJOR or COMMITTED_MAJOR of the ABI.
    pub major: u8,
    /// CURRENT_MINOR or COMMITTED_MINOR of the ABI.
    pub minor: u8,
    /// CURRENT_BUILD or COMMITTED_BUILD.
    pub build: u8,
}

impl FirmwareVersion {
    fn new([build, minor, major]: [u8; 3]) -> Self {
        Self { major, minor, build }
    }
}

/// The processor a report is of, as CPUID Fn0000_0001_EAX says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Processor {
    /// Family, extended family included.
    pub family: u8,
    /// Model, extended model included.
    pub model: u8,
    /// Stepping, 0 to 15.
    pub stepping: u8,
}

/// SIGNING_KEY: whose signature a report carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SigningKey {
    /// The versioned chip endorsement key.
    Vcek,
    /// The versioned loaded endorsement key, of a cloud provider.
    Vlek,
    /// Nobody's: the report is not signed.
    None,
    /// A value without a meaning.
    Reserved,
}

/// PLATFORM_INFO: how the host is set up (section 7.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct PlatformInfo(pub u64);

impl PlatformInfo {
    /// Names of the bits that have a meaning.
    const NAMES: [(&'static str, u64); 7] = [
        ("SMT_EN", 1 << 0),
        ("TSME_EN", 1 << 1),
        ("ECC_EN", 1 << 2),
        ("RAPL_DIS", 1 << 3),
        ("CIPHERTEXT_HIDING_DRAM_EN", 1 << 4),
        ("ALIAS_CHECK_COMPLETE", 1 << 5),
        ("TIO_EN", 1 << 7),
    ];

    /// The names of the set bits, in the order of the bits.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        let set = move |&(_, bit): &(_, u64)| self.0 & bit != 0;
        Self::NAMES.into_iter().filter(set).map(|(name, _)| name)
    }
}

/// A report: every field, read and not verified.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Report {
    /// VERSION, 2 to 5.
    pub version: u32,
    /// GUEST_SVN of the ID block.
    pub guest_svn: u32,
    /// POLICY of the guest, as the host gave it at launch.
    pub policy: GuestPolicy,
    /// FAMILY_ID of the ID block.
    pub family_id: FamilyId,
    /// IMAGE_ID of the ID block.
    pub image_id: ImageId,
    /// VMPL of who asked, 0 to 3; 0xffffffff where the host asked.
    pub vmpl: u32,
    /// SIGNATURE_ALGO; 1 is ECDSA P-384 with SHA-384 (chapter 10, table 139).
    pub signature_algo: u32,
    /// CURRENT_TCB: what runs on the processor now.
    pub current_tcb: TcbVersion,
    /// PLATFORM_INFO: how the host is set up.
    pub platform_info: PlatformInfo,
    /// SIGNING_KEY: whose key signed the report.
    pub signing_key: SigningKey,
    /// MASK_CHIP_KEY: the host keeps the processor from signing.
    pub mask_chip_key: bool,
    /// REPORT_DATA: 64 bytes of the guest, such as a nonce.
    pub report_data: ReportData,
    /// MEASUREMENT: the launch digest.
    pub measurement: LaunchDigest,
    /// HOST_DATA: 32 bytes of the host, fixed at launch.
    pub host_data: HostData,
    /// ID_KEY_DIGEST; zero for a guest without an ID block.
    pub id_key_digest: IdKeyDigest,
    /// AUTHOR_KEY_DIGEST; none where AUTHOR_KEY_EN is 0.
    pub author_key_digest: Option<AuthorKeyDigest>,
    /// REPORT_ID: this running guest.
    pub report_id: ReportId,
    /// REPORT_ID_MA; all ones without a migration agent.
    pub report_id_ma: ReportId,
    /// REPORTED_TCB, for which the signing key was derived.
    pub reported_tcb: TcbVersion,
    /// CPUID_FAM_ID, CPUID_MOD_ID and CPUID_STEP; none in version 2.
    pub processor: Option<Processor>,
    /// CHIP_ID: the processor; zero where the host masks it.
    pub chip_id: ChipId,
    /// COMMITTED_TCB: what the processor can't be rolled back behind.
    pub committed_tcb: TcbVersion,
    /// CURRENT_MAJOR, CURRENT_MINOR, CURRENT_BUILD.
    pub current_version: FirmwareVersion,
    /// COMMITTED_MAJOR, COMMITTED_MINOR, COMMITTED_BUILD.
    pub committed_version: FirmwareVersion,
    /// LAUNCH_TCB: CURRENT_TCB when the guest was launched or imported.
    pub launch_tcb: TcbVersion,
    /// LAUNCH_MIT_VECTOR; none before version 5.
    pub launch_mit_vector: Option<u64>,
    /// CURRENT_MIT_VECTOR; none before version 5.
    pub current_mit_vector: Option<u64>,
}

impl Report {
    /// Reads a report. TCB versions of version 2, which names no processor, are read as those of
    /// Milan and Genoa.
    ///
    /// # Errors
    /// [`Error::Length`] or [`Error::Version`].
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let raw = Raw::ref_from_bytes(bytes).map_err(|_| Error::Length { found: bytes.len() })?;
        let version = raw.version.get();
        if !(2..=5).contains(&version) {
            return Err(Error::Version { found: version });
        }
        Ok(Self::of(raw, version))
    }

    fn of(raw: &Raw, version: u32) -> Self {
        let processor = (version >= 3).then_some(Processor {
            family: raw.cpuid_family,
            model: raw.cpuid_model,
            stepping: raw.cpuid_stepping,
        });
        let tcb = |bytes| TcbVersion::new(bytes, processor.map(|processor| processor.family));
        let keys = raw.keys.get();
        let author = AuthorKeyDigest(Sha384(raw.author_key_digest));
        let mitigations = |vector: U64| (version >= 5).then_some(vector.get());
        Self {
            version,
            guest_svn: raw.guest_svn.get(),
            policy: GuestPolicy(raw.policy.get()),
            family_id: FamilyId(raw.family_id),
            image_id: ImageId(raw.image_id),
            vmpl: raw.vmpl.get(),
            signature_algo: raw.signature_algo.get(),
            current_tcb: tcb(raw.current_tcb),
            platform_info: PlatformInfo(raw.platform_info.get()),
            signing_key: match keys >> 2 & 7 {
                0 => SigningKey::Vcek,
                1 => SigningKey::Vlek,
                7 => SigningKey::None,
                _ => SigningKey::Reserved,
            },
            mask_chip_key: keys & 2 != 0,
            report_data: ReportData(raw.report_data),
            measurement: LaunchDigest(Sha384(raw.measurement)),
            host_data: HostData(raw.host_data),
            id_key_digest: IdKeyDigest(Sha384(raw.id_key_digest)),
            author_key_digest: (keys & 1 != 0).then_some(author),
            report_id: ReportId(raw.report_id),
            report_id_ma: ReportId(raw.report_id_ma),
            reported_tcb: tcb(raw.reported_tcb),
            processor,
            chip_id: ChipId(raw.chip_id),
            committed_tcb: tcb(raw.committed_tcb),
            current_version: FirmwareVersion::new(raw.current_version),
            committed_version: FirmwareVersion::new(raw.committed_version),
            launch_tcb: tcb(raw.launch_tcb),
            launch_mit_vector: mitigations(raw.launch_mit_vector),
            current_mit_vector: mitigations(raw.current_mit_vector),
        }
    }

    /// What the signature covers: the first 0x2a0 bytes.
    ///
    /// # Errors
    /// [`Error::Length`] for bytes that are no report.
    pub fn signed_bytes(bytes: &[u8]) -> Result<&[u8], Error> {
        Self::parts(bytes).map(|(signed, _)| signed)
    }

    /// SIGNATURE: R and S in 72 bytes each, little-endian, then zeros (chapter 10, table 141).
    ///
    /// # Errors
    /// [`Error::Length`] for bytes that are no report.
    pub fn signature(bytes: &[u8]) -> Result<&[u8], Error> {
        Self::parts(bytes).map(|(_, signature)| signature)
    }

    fn parts(bytes: &[u8]) -> Result<(&[u8], &[u8]), Error> {
        let parts = bytes.split_at_checked(SIGNED_LEN).filter(|_| bytes.len() == REPORT_LEN);
        parts.ok_or(Error::Length { found: bytes.len() })
    }

    /// Refuses a guest that the host may debug, and one of which nothing was measured.
    ///
    /// # Errors
    /// Any of [`Refusal`].
    pub fn check(&self) -> Result<(), Refusal> {
        self.policy.check()?;
        if self.measurement == LaunchDigest(Sha384::ZERO) {
            return Err(Refusal::ZeroMeasurement);
        }
        Ok(())
    }
}
