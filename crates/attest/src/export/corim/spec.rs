//! The numbers of a CoRIM and of its profiles.

/// Media type of a CoRIM, signed or not (section 12.12).
pub(super) const MEDIA_TYPE: &str = "application/rim+cbor";

/// `tagged-unsigned-corim-map` and `tagged-concise-mid-tag` (sections 4.1 and 5.1).
pub(super) const TAG_CORIM: u64 = 501;
pub(super) const TAG_COMID: u64 = 506;
/// `uri` and `time` of CDDL's prelude (RFC 8610, appendix D).
pub(super) const TAG_URI: u64 = 32;
pub(super) const TAG_TIME: u64 = 1;
/// `tagged-oid-type` and `tagged-bytes` (sections 7.6 and 7.8).
pub(super) const TAG_OID: u64 = 111;
pub(super) const TAG_BYTES: u64 = 560;

/// `corim-map` (section 4.1): `id`, `tags`, `profile`, `rim-validity`.
pub(super) const CORIM_ID: u64 = 0;
pub(super) const CORIM_TAGS: u64 = 1;
pub(super) const CORIM_PROFILE: u64 = 3;
pub(super) const CORIM_VALIDITY: u64 = 4;
/// `validity-map` (section 7.3).
pub(super) const NOT_BEFORE: u64 = 0;
pub(super) const NOT_AFTER: u64 = 1;
/// `concise-mid-tag` (section 5.1): `tag-identity` with its `tag-id`, `triples` with its
/// `reference-triples`.
pub(super) const COMID_IDENTITY: u64 = 1;
pub(super) const TAG_ID: u64 = 0;
pub(super) const COMID_TRIPLES: u64 = 4;
pub(super) const REFERENCE_TRIPLES: u64 = 0;
/// `environment-map` and `class-map` (sections 5.1.4.1 and 5.1.4.2): `class`, its `class-id`,
/// `vendor` and `model`.
pub(super) const ENVIRONMENT_CLASS: u64 = 0;
pub(super) const CLASS_ID: u64 = 0;
pub(super) const CLASS_VENDOR: u64 = 1;
pub(super) const CLASS_MODEL: u64 = 2;
/// `measurement-map` (section 5.1.4.5): `mkey`, `mval`; its `measurement-values-map`: `digests`,
/// `raw-value`, `integrity-registers`.
pub(super) const MKEY: u64 = 0;
pub(super) const MVAL: u64 = 1;
pub(super) const DIGESTS: u64 = 2;
pub(super) const RAW_VALUE: u64 = 4;
pub(super) const INTEGRITY_REGISTERS: u64 = 14;

/// Profile of SEV-SNP (draft-deeglaze, section 3.1).
pub(super) const SNP_PROFILE: &str = "tag:amd.com,2025:snp-corim-profile";
/// Classes of SEV-SNP, by chip (VCEK) and by provider (VLEK): 1.3.6.1.4.1.3704.3.1 and .2, with the
/// DER header that the profile writes and RFC 9090 would not (draft-deeglaze, section 3.1.1).
pub(super) const SNP_CLASSES: [[u8; 11]; 2] = [
    [0x06, 0x09, 0x2b, 0x06, 0x01, 0x04, 0x01, 0x9c, 0x78, 0x03, 0x01],
    [0x06, 0x09, 0x2b, 0x06, 0x01, 0x04, 0x01, 0x9c, 0x78, 0x03, 0x02],
];
/// MEASUREMENT of a report (draft-deeglaze, section 3.1.2).
pub(super) const MKEY_MEASUREMENT: u64 = 641;

/// Intel's profile, 2.16.840.1.113741.1.16.1 (draft-cds-rats-intel, section 4.1).
pub(super) const INTEL_PROFILE: [u8; 10] =
    [0x60, 0x86, 0x48, 0x01, 0x86, 0xf8, 0x4d, 0x01, 0x10, 0x01];
/// `tee.mrtee` as an `mkey` (draft-cds-rats-intel, section 8.3.5).
pub(super) const MKEY_MRTEE: u64 = 83;

/// The last PCR of a TPM (TCG PC Client Platform TPM Profile 1.05, section 4.6.1).
pub(super) const LAST_REGISTER: u8 = 23;
