//! Variables as firmware measures them, and the Secure Boot policy that PCR 7 holds.
//!
//! Before anything is loaded EDK2 measures five variables, set or not, and a separator; later, per
//! database entry that verified an image, that entry, once. Deliberately absent: `dbt` and `dbr`,
//! which EDK2 measures where they exist, and the verification itself: the caller names the entry.
//!
//! Standards: the profile, section 3.3.4.8 and section 10.2.6 "UEFI_VARIABLE_DATA"; UEFI 2.11,
//! section 3.3 (names) and chapter 32 (databases).

use cvmkit_formats::digest::Digests;

use super::action::separator;
use super::variable_store::Variables;
use super::{PCR_SECURE_BOOT, event_of, utf16};
use crate::event::{Event, EventType, Source};
use crate::guid::Guid;

/// `EFI_GLOBAL_VARIABLE` (UEFI 2.11, section 3.3).
pub const GLOBAL_VARIABLE: Guid = Guid::new(0x8be4df61_93ca_11d2_aa0d_00e098032b8c);

/// `EFI_IMAGE_SECURITY_DATABASE_GUID` (UEFI 2.11, section 32.4.1).
pub const IMAGE_SECURITY_DATABASE: Guid = Guid::new(0xd719b2cb_3d3a_4596_a3bc_dad00e67656f);

/// A variable with its data; empty data stands for a variable that is not set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Variable<'a> {
    /// Vendor GUID, half of the variable's name.
    pub vendor: Guid,
    /// Name without a NUL; measured as UTF-16.
    pub name: &'a str,
    /// Contents; empty for a variable that is not set.
    pub data: &'a [u8],
}

impl Variable<'_> {
    /// UEFI_VARIABLE_DATA: vendor, characters of the name, bytes of data, name without a NUL, data.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let name = utf16(self.name);
        let mut bytes = self.vendor.0.to_vec();
        bytes.extend((name.len() as u64 / 2).to_le_bytes());
        bytes.extend((self.data.len() as u64).to_le_bytes());
        bytes.extend(name);
        bytes.extend_from_slice(self.data);
        bytes
    }

    /// The digests of [`Variable::to_bytes`].
    #[must_use]
    pub fn digests(&self) -> Digests {
        Digests::of(&self.to_bytes())
    }
}

/// The variables of Secure Boot.
///
/// [`SecureBoot::default`] is firmware that was built without it: nothing is set. Firmware with it
/// has `enabled`, false until a platform key is enrolled.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SecureBoot {
    /// `SecureBoot`; none in firmware that has no such variable.
    pub enabled: Option<bool>,
    /// `PK`, the platform key: an `EFI_SIGNATURE_LIST`.
    pub pk: Vec<u8>,
    /// `KEK`, the key exchange keys: lists.
    pub kek: Vec<u8>,
    /// `db`, what may run: lists.
    pub db: Vec<u8>,
    /// `dbx`, what may not: lists.
    pub dbx: Vec<u8>,
}

impl SecureBoot {
    /// What firmware built with Secure Boot finds in its variables: it turns Secure Boot on if a
    /// platform key is enrolled and nobody switched it off (`SecureBootEnable` of EDK2).
    #[must_use]
    pub fn of(variables: &Variables) -> Self {
        /// `gEfiSecureBootEnableDisableGuid` (EDK2, SecurityPkg).
        const ENABLE_DISABLE: Guid = Guid::new(0xf0a30bc7_af08_4556_99c4_001009c93a44);
        let global = |name| variables.get(GLOBAL_VARIABLE, name).unwrap_or_default().to_vec();
        let database =
            |name| variables.get(IMAGE_SECURITY_DATABASE, name).unwrap_or_default().to_vec();
        let pk = global("PK");
        let switched_off = variables.get(ENABLE_DISABLE, "SecureBootEnable") == Some(&[0]);
        Self {
            enabled: Some(!pk.is_empty() && !switched_off),
            pk,
            kek: global("KEK"),
            db: database("db"),
            dbx: database("dbx"),
        }
    }

    /// What is measured before anything is loaded: the five variables.
    #[must_use]
    pub fn variable_events(&self) -> Vec<Event> {
        let enabled = match self.enabled {
            None => &[][..],
            Some(false) => &[0],
            Some(true) => &[1],
        };
        let (global, database) = (GLOBAL_VARIABLE, IMAGE_SECURITY_DATABASE);
        let measured = [
            (global, "SecureBoot", enabled),
            (global, "PK", &self.pk),
            (global, "KEK", &self.kek),
            (database, "db", &self.db),
            (database, "dbx", &self.dbx),
        ];
        let event = |(vendor, name, data): (Guid, &'static str, &[u8])| {
            let state = if data.is_empty() { "not set".into() } else { bytes(data.len()) };
            let variable = Variable { vendor, name, data };
            let event_type = EventType::EV_EFI_VARIABLE_DRIVER_CONFIG;
            let meaning = format!("{name}, {state}");
            let source = Source::FirmwareVariables;
            event_of(PCR_SECURE_BOOT, event_type, meaning, source, &variable.to_bytes())
        };
        measured.into_iter().map(event).collect()
    }

    /// What PCR 7 holds before an image is loaded: the variables and the separator. This one register has
    /// its separator early, between the policy and the entries that verify images, since drivers may be
    /// verified before the system is ready to boot (`MeasureSecureBootPolicy` in
    /// `SecurityPkg/Tcg/Tcg2Dxe/Tcg2Dxe.c`).
    #[must_use]
    pub fn events(&self) -> Vec<Event> {
        let mut events = self.variable_events();
        events.push(separator(PCR_SECURE_BOOT));
        events
    }

    /// The event of loading an image with these signatures (its certificate table): the first
    /// certificate of `db` that they carry. None if they carry none of `db`, or Secure Boot is off
    /// and nothing is verified. EDK2 measures an entry the first time it verifies something, so
    /// the caller asks once per entry.
    #[must_use]
    pub fn authority(&self, signatures: &[u8]) -> Option<Event> {
        let carried = |entry: &SignatureEntry<'_>| {
            let certificate = entry.contents();
            entry.kind == X509
                && !certificate.is_empty()
                && signatures.windows(certificate.len()).any(|part| part == certificate)
        };
        let entry = signature_entries(&self.db).find(carried)?;
        (self.enabled == Some(true)).then(|| authority_event("db", entry.data))
    }
}

fn bytes(len: usize) -> String {
    if len == 1 { "1 byte".into() } else { format!("{len} bytes") }
}

/// The event of a database entry that verified an image: an `EFI_SIGNATURE_DATA`, owner and
/// contents.
#[must_use]
pub fn authority_event(database: &str, signature_data: &[u8]) -> Event {
    let vendor = IMAGE_SECURITY_DATABASE;
    let variable = Variable { vendor, name: database, data: signature_data };
    let event_type = EventType::EV_EFI_VARIABLE_AUTHORITY;
    let meaning = format!("entry of {database} that verified an image");
    let source = Source::FirmwareVariables;
    event_of(PCR_SECURE_BOOT, event_type, meaning, source, &variable.to_bytes())
}

/// `EFI_CERT_X509_GUID` (UEFI 2.11, section 32.4.1): contents are one DER certificate.
pub const X509: Guid = Guid::new(0xa5c059a1_94e4_4aa7_87b5_ab155c2bf072);

/// One entry of a signature database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignatureEntry<'a> {
    /// `SignatureType` of the list it is in.
    pub kind: Guid,
    /// The `EFI_SIGNATURE_DATA`: 16 bytes of owner, then the contents.
    pub data: &'a [u8],
}

impl<'a> SignatureEntry<'a> {
    /// What the entry holds, such as a certificate.
    #[must_use]
    pub fn contents(&self) -> &'a [u8] {
        self.data.get(16..).unwrap_or_default()
    }
}

/// The entries of a database, from its `EFI_SIGNATURE_LIST`s (UEFI 2.11, section 32.4.1); ends at
/// the first list that is none.
pub fn signature_entries(database: &[u8]) -> impl Iterator<Item = SignatureEntry<'_>> {
    let mut rest = database;
    let lists = std::iter::from_fn(move || {
        let (list, next) = SignatureList::split(rest)?;
        rest = next;
        Some(list)
    });
    lists.flat_map(|list| {
        let kind = list.kind;
        list.entries.chunks_exact(list.entry_len).map(move |data| SignatureEntry { kind, data })
    })
}

struct SignatureList<'a> {
    kind: Guid,
    entries: &'a [u8],
    /// Never zero.
    entry_len: usize,
}

impl<'a> SignatureList<'a> {
    /// Bytes before the list's own header: type, size of the list, of its header, of an entry.
    const HEAD: usize = 28;

    fn split(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let kind = Guid(*bytes.first_chunk()?);
        let size = |at: usize| {
            let field = bytes.get(at..)?.first_chunk()?;
            usize::try_from(u32::from_le_bytes(*field)).ok()
        };
        let (list_len, header_len, entry_len) = (size(16)?, size(20)?, size(24)?);
        let start = Self::HEAD.checked_add(header_len)?;
        let entries = bytes.get(..list_len)?.get(start..)?;
        let list = Self { kind, entries, entry_len };
        (entry_len > 16).then_some((list, bytes.get(list_len..)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Digests in the logs of Debian's OVMF 2025.02, built without Secure Boot.
    #[test]
    fn variables_that_are_not_set() {
        let events = SecureBoot::default().variable_events();
        let digests: Vec<String> =
            events.iter().map(|event| event.digests.sha256.to_string()).collect();
        assert_eq!(
            digests,
            [
                "ce9ce386b52e099f3019e512a0d6062d6b560efe4ff3e5661c7525e2f9c263df",
                "dea7b80ab53a3daaa24d5cc46c64e1fa9ffd03739f90aadbd8c0867c4a5b4890",
                "e670e121fcebd473b8bc41bb801301fc1d9afa33904f06f7149b74f12c47a68f",
                "baf89a3ccace52750c5f0128351e0422a41597a1adfd50822aa363b9d124ea7c",
                "9f75b6823bff6af1024a4e2036719cdd548d3cbc2bf1de8e7ef4d0ed01f94bf9",
            ]
        );
    }

    fn list(kind: Guid, entries: &[&[u8]]) -> Vec<u8> {
        let len = entries.first().map_or(0, |entry| entry.len());
        let total = 28 + len * entries.len();
        let mut bytes = kind.0.to_vec();
        for field in [total, 0, len] {
            bytes.extend(u32::try_from(field).unwrap().to_le_bytes());
        }
        bytes.extend(entries.concat());
        bytes
    }

    #[test]
    fn entries_of_all_lists_and_of_no_broken_one() {
        let (one, two) = ([b'1'; 20], [b'2'; 20]);
        let other = Guid::new(7);
        let whole = [list(other, &[&one, &two]), list(X509, &[&two])].concat();
        let kinds = |bytes: &[u8]| signature_entries(bytes).map(|e| e.kind).collect::<Vec<_>>();
        assert_eq!(kinds(&whole), [other, other, X509]);
        assert_eq!(kinds(&list(other, &[&[0; 16]])), [], "an owner and nothing");
        for cut in 0..whole.len() {
            assert!(kinds(&whole[..cut]).len() < 3);
        }
    }

    #[test]
    fn only_a_certificate_of_db_is_an_authority() {
        let entry = [&[0xaa; 16][..], b"certificate"].concat();
        let mut policy =
            SecureBoot { enabled: Some(true), db: list(X509, &[&entry]), ..SecureBoot::default() };
        assert!(policy.authority(b"signed with certificate.").is_some());
        assert_eq!(policy.authority(b"signed with certificat"), None);
        assert_eq!(policy.authority(b""), None);
        policy.enabled = Some(false);
        assert_eq!(policy.authority(b"signed with certificate."), None);
    }
}
