//! TD quotes: what the hardware said about a TD, read and **not verified**.
//!
//! [`Quote::parse`] takes the bytes of versions 4 and 5 and gives every field its type. Nothing
//! here checks a signature, a certificate or a TCB: [`Quote::signed_bytes`] and
//! [`Quote::signature_data`] are for whoever does, and until then the fields are what somebody
//! says. [`Quote::check`] refuses what no signature makes good: a TD the host may debug, or one
//! that was never measured.
//!
//! Deliberately absent: quotes of SGX enclaves, the contents of the signature data. Standard: Intel
//! TDX DCAP Quote Generation Library and Quote Verification Library, appendix A.3 "Version 4 Quote
//! Format" and A.4 "Version 5 Quote Format". Oracle: a real quote with its event log.

use std::fmt;

use cvmkit_formats::digest::Sha384;
use serde::{Serialize, Serializer};
use thiserror::Error;
use zerocopy::byteorder::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

use super::mrtd::Mrtd;
use crate::digest::role;
use crate::event::{Rtmr, RtmrIndex};

role! {
    /// MRSEAM: the measurement of the TDX module.
    MrSeam(Sha384)
}

role! {
    /// MRSIGNERSEAM: who signed the TDX module; zero for Intel.
    MrSignerSeam(Sha384)
}

role! {
    /// MRCONFIGID: 48 bytes that the host gave at launch, by which it binds a configuration.
    MrConfigId(Sha384)
}

role! {
    /// MROWNER: 48 bytes that the host gave at launch for the TD's owner.
    MrOwner(Sha384)
}

role! {
    /// MROWNERCONFIG: 48 bytes that the host gave at launch for the owner's configuration.
    MrOwnerConfig(Sha384)
}

role! {
    /// MRSERVICETD: a hash of the service TDs bound to this one; zero without.
    MrServiceTd(Sha384)
}

/// Declares a value that prints and serializes in one form, whatever its meaning.
macro_rules! value {
    ($(#[$doc:meta])* $name:ident($inner:ty), |$value:ident| $text:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let $value = self.0;
                f.pad(&$text)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
    };
}

value! {
    /// REPORTDATA: 64 bytes that the TD gave when it asked for the quote.
    ReportData([u8; 64]), |bytes| hex::encode(bytes)
}

value! {
    /// TEE_TCB_SVN: security versions of the TDX module; byte 0 is its minor SVN, byte 1 its major.
    TeeTcbSvn([u8; 16]), |bytes| hex::encode(bytes)
}

value! {
    /// QE Vendor ID: whose quoting enclave made the quote; prints in the order of its bytes.
    QeVendorId([u8; 16]), |bytes| hex::encode(bytes)
}

value! {
    /// User data of the header: what the quoting enclave says of the platform.
    QeUserData([u8; 20]), |bytes| hex::encode(bytes)
}

value! {
    /// XFAM: the processor states the TD may use, as in XCR0; prints as 16 hexadecimal digits.
    Xfam(u64), |bits| format!("{bits:#018x}")
}

value! {
    /// TDATTRIBUTES (TDX Module ABI Specification, 348551, "ATTRIBUTES"); prints as 16 hexadecimal
    /// digits.
    TdAttributes(u64), |bits| format!("{bits:#018x}")
}

impl TdAttributes {
    /// Bits 7:0, TUD: any of them and the TD is not to be trusted; bit 0 is DEBUG.
    pub const UNTRUSTED: u64 = 0xff;
    /// Bit 0, DEBUG: the host may read the TD's memory.
    pub const DEBUG: u64 = 1 << 0;
    /// Bit 28, SEPT_VE_DISABLE: no exception for a page that is not there.
    pub const SEPT_VE_DISABLE: u64 = 1 << 28;
    /// Bit 29, MIGRATABLE: a service TD may move the TD to another host.
    pub const MIGRATABLE: u64 = 1 << 29;
    /// Bit 30, PKS: supervisor protection keys.
    pub const PKS: u64 = 1 << 30;
    /// Bit 31, KL: key locker.
    pub const KL: u64 = 1 << 31;
    /// Bit 63, PERFMON: performance counters.
    pub const PERFMON: u64 = 1 << 63;
}

/// Why bytes are no TD quote.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The bytes end inside a part.
    #[error("the TD quote ends after {found} bytes, expected {expected} for its {part}")]
    Truncated {
        /// The part of the quote, in words.
        part: &'static str,
        /// Bytes up to its end.
        expected: u64,
        /// Bytes of the input.
        found: usize,
    },
    /// A field with a value of another format.
    #[error("the quote's {what} at {at:#x} is {found:#x}, expected {expected}")]
    Field {
        /// Byte offset of the field in the quote.
        at: usize,
        /// The field, in words.
        what: &'static str,
        /// The values that the field may have.
        expected: &'static str,
        /// The field's value.
        found: u32,
    },
    /// Something follows that no field accounts for.
    #[error("{found} bytes follow the TD quote at {at:#x}, expected its end, or zeros")]
    Trailing {
        /// Byte offset behind the quote.
        at: usize,
        /// Bytes behind the quote.
        found: usize,
    },
}

/// Why a quote is of no TD to trust, whoever signed it.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// The TD is debuggable, or something else that makes it untrusted.
    #[error(
        "the quote's TD is not protected: its TDATTRIBUTES are {0}, expected bits 0 to 7 to be 0 \
         (bit 0 is DEBUG)"
    )]
    Untrusted(TdAttributes),
    /// An MRTD no TD has.
    #[error("the quote's MRTD is all zero, expected a measurement")]
    ZeroMrtd,
}

/// Quote header.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct RawHeader {
    version: U16,
    attestation_key_type: U16,
    tee_type: U32,
    reserved: [u8; 4],
    qe_vendor_id: [u8; 16],
    user_data: [u8; 20],
}
const _: () = assert!(size_of::<RawHeader>() == 48);

/// TD Quote Body of TDX 1.0.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct RawBody {
    tee_tcb_svn: [u8; 16],
    mr_seam: [u8; 48],
    mr_signer_seam: [u8; 48],
    seam_attributes: U64,
    td_attributes: U64,
    xfam: U64,
    mr_td: [u8; 48],
    mr_config_id: [u8; 48],
    mr_owner: [u8; 48],
    mr_owner_config: [u8; 48],
    rtmr: [[u8; 48]; RtmrIndex::COUNT as usize],
    report_data: [u8; 64],
}
const _: () = assert!(size_of::<RawBody>() == 584);

/// What TDX 1.5 adds to the body.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct RawBody15 {
    tee_tcb_svn_2: [u8; 16],
    mr_service_td: [u8; 48],
}
const _: () = assert!(size_of::<RawBody15>() == 64);

/// `TEE Type` of TDX.
const TEE_TYPE_TDX: u32 = 0x81;

/// `TD Quote Body Type` of version 5: TDX 1.0.
const BODY_TDX_10: u16 = 2;
/// As above, TDX 1.5.
const BODY_TDX_15: u16 = 3;

/// Who signed, by `Attestation Key Type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum KeyType {
    /// 2: ECDSA-256-with-P-256.
    #[serde(rename = "ECDSA-P256")]
    EcdsaP256,
    /// 3: ECDSA-384-with-P-384.
    #[serde(rename = "ECDSA-P384")]
    EcdsaP384,
}

/// What TDX 1.5 adds to a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Body15 {
    /// TEE_TCB_SVN_2: as TEE_TCB_SVN, of the TDX module that runs now.
    pub tee_tcb_svn_2: TeeTcbSvn,
    /// MRSERVICETD: the service TDs bound to the TD; zero without.
    pub mr_service_td: MrServiceTd,
}

/// A TD quote: every field, read and not verified.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Quote<'a> {
    /// Version of the quote's format: 4 or 5.
    pub version: u16,
    /// Kind of the key that signed.
    pub key_type: KeyType,
    /// QE Vendor ID: whose quoting enclave signed.
    pub qe_vendor_id: QeVendorId,
    /// User data of the header.
    pub user_data: QeUserData,
    /// TEE_TCB_SVN: the TDX module when the TD was created.
    pub tee_tcb_svn: TeeTcbSvn,
    /// MRSEAM: which TDX module runs.
    pub mr_seam: MrSeam,
    /// MRSIGNERSEAM: who signed that module; zero for Intel.
    pub mr_signer_seam: MrSignerSeam,
    /// SEAMATTRIBUTES, 0 for every module so far.
    pub seam_attributes: u64,
    /// TDATTRIBUTES: whether the TD may be debugged, and what it may use.
    pub td_attributes: TdAttributes,
    /// XFAM: the processor states the TD may use.
    pub xfam: Xfam,
    /// MRTD: what was in the TD's memory at its start.
    pub mr_td: Mrtd,
    /// MRCONFIGID: 48 bytes of the host, fixed at launch.
    pub mr_config_id: MrConfigId,
    /// MROWNER: 48 bytes of the host for the owner.
    pub mr_owner: MrOwner,
    /// MROWNERCONFIG: 48 bytes of the host for the owner's configuration.
    pub mr_owner_config: MrOwnerConfig,
    /// RTMR 0 to 3.
    pub rtmrs: [Rtmr; RtmrIndex::COUNT as usize],
    /// REPORTDATA: 64 bytes of the TD, such as a nonce.
    pub report_data: ReportData,
    /// The fields of TDX 1.5; none in version 4 and for TDX 1.0.
    pub body_15: Option<Body15>,
    /// What the signature covers: everything before the length of the signature data.
    #[serde(skip)]
    pub signed_bytes: &'a [u8],
    /// Signature, key, and the certificates that lead to it, not looked at.
    #[serde(skip)]
    pub signature_data: &'a [u8],
}

impl<'a> Quote<'a> {
    /// Reads a quote. Zeros may follow it, as in buffers of fixed size.
    ///
    /// # Errors
    /// Any of [`enum@Error`]: fewer bytes than its lengths say, or another format.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        let mut cursor = Cursor { bytes, at: 0 };
        let header: RawHeader = cursor.structure("header")?;
        let version = header.version.get();
        let field = |at, what, expected, found| Error::Field { at, what, expected, found };
        if !matches!(version, 4 | 5) {
            return Err(field(0, "version", "4 or 5", version.into()));
        }
        let key_type = match header.attestation_key_type.get() {
            2 => KeyType::EcdsaP256,
            3 => KeyType::EcdsaP384,
            other => return Err(field(2, "attestation key type", "2 or 3", other.into())),
        };
        let tee_type = header.tee_type.get();
        if tee_type != TEE_TYPE_TDX {
            return Err(field(4, "TEE type", "0x81, a TD", tee_type));
        }
        let has_15 = version == 5 && cursor.body_type()?;
        let body: RawBody = cursor.structure("report")?;
        let body_15 = if has_15 { Some(cursor.structure("report")?) } else { None };
        let signed_bytes = bytes.get(..cursor.at).unwrap_or_default();
        let len: U32 = cursor.structure("length of the signature data")?;
        let signature_data = cursor.take(len.get().into(), "signature data")?;
        let trailing = bytes.get(cursor.at..).unwrap_or_default();
        if trailing.iter().any(|&byte| byte != 0) {
            return Err(Error::Trailing { at: cursor.at, found: trailing.len() });
        }
        Ok(Self {
            version,
            key_type,
            qe_vendor_id: QeVendorId(header.qe_vendor_id),
            user_data: QeUserData(header.user_data),
            tee_tcb_svn: TeeTcbSvn(body.tee_tcb_svn),
            mr_seam: MrSeam(Sha384(body.mr_seam)),
            mr_signer_seam: MrSignerSeam(Sha384(body.mr_signer_seam)),
            seam_attributes: body.seam_attributes.get(),
            td_attributes: TdAttributes(body.td_attributes.get()),
            xfam: Xfam(body.xfam.get()),
            mr_td: Mrtd(Sha384(body.mr_td)),
            mr_config_id: MrConfigId(Sha384(body.mr_config_id)),
            mr_owner: MrOwner(Sha384(body.mr_owner)),
            mr_owner_config: MrOwnerConfig(Sha384(body.mr_owner_config)),
            rtmrs: body.rtmr.map(|value| Rtmr(Sha384(value))),
            report_data: ReportData(body.report_data),
            body_15: body_15.map(|raw: RawBody15| Body15 {
                tee_tcb_svn_2: TeeTcbSvn(raw.tee_tcb_svn_2),
                mr_service_td: MrServiceTd(Sha384(raw.mr_service_td)),
            }),
            signed_bytes,
            signature_data,
        })
    }

    /// Whether the TD could be trusted at all, were the quote verified.
    ///
    /// # Errors
    /// Any of [`Refusal`].
    pub fn check(&self) -> Result<(), Refusal> {
        if self.td_attributes.0 & TdAttributes::UNTRUSTED != 0 {
            return Err(Refusal::Untrusted(self.td_attributes));
        }
        if self.mr_td.0 == Sha384::ZERO {
            return Err(Refusal::ZeroMrtd);
        }
        Ok(())
    }
}

/// Takes parts off the front of a quote, never past its end.
struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn take(&mut self, len: u64, part: &'static str) -> Result<&'a [u8], Error> {
        let end = self.at as u64 + len;
        let taken = usize::try_from(end).ok().and_then(|end| self.bytes.get(self.at..end));
        let found = self.bytes.len();
        let taken = taken.ok_or(Error::Truncated { part, expected: end, found })?;
        self.at += taken.len();
        Ok(taken)
    }

    fn structure<T: FromBytes>(&mut self, part: &'static str) -> Result<T, Error> {
        let at = self.at;
        let bytes = self.take(size_of::<T>() as u64, part)?;
        // `take` gave exactly as many bytes as there must be.
        let (expected, found) = (at as u64, self.bytes.len());
        T::read_from_bytes(bytes).map_err(|_| Error::Truncated { part, expected, found })
    }

    /// Type and size of a version-5 body; true for one of TDX 1.5.
    fn body_type(&mut self) -> Result<bool, Error> {
        let at = self.at;
        let field = |at, what, expected, found| Error::Field { at, what, expected, found };
        let body_type: U16 = self.structure("type of the body")?;
        let size: U32 = self.structure("size of the body")?;
        let (has_15, len, expected) = match body_type.get() {
            BODY_TDX_10 => (false, size_of::<RawBody>(), "584 for TDX 1.0"),
            BODY_TDX_15 => (true, size_of::<RawBody>() + size_of::<RawBody15>(), "648 for TDX 1.5"),
            other => return Err(field(at, "body type", "2 or 3, a TD", other.into())),
        };
        if u64::from(size.get()) != len as u64 {
            return Err(field(at + 2, "body size", expected, size.get()));
        }
        Ok(has_15)
    }
}
