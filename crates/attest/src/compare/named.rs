//! The TDs that an image's profiles name. Reference values answer for them; where values can't, they are
//! what is tried first, and no other firmware is guessed.

use cvmkit_measure::qemu::QemuVersion;

use super::known::KnownValue;
use crate::profile::{Boot, Technology, Vmm, word};

/// What is named of TDs.
#[derive(Debug, Default)]
pub(super) struct Named {
    /// Names of firmware, each once; none for a cloud's.
    firmware: Vec<Option<String>>,
    qemu: Vec<QemuVersion>,
    boots: Vec<Boot>,
}

impl Named {
    /// Of the machines of reference values.
    pub(super) fn of(known: &[KnownValue]) -> Self {
        let mut named = Self::default();
        for known in known.iter().filter(|known| known.value.platform == Technology::Tdx) {
            add(&mut named.firmware, file(known).map(str::to_owned));
            add(&mut named.boots, known.value.boot);
            let qemu = known.value.vmm_version.as_deref();
            if let Some(qemu) = qemu.and_then(|version| version.parse().ok()) {
                add(&mut named.qemu, qemu);
            }
        }
        named
    }

    /// The firmware, if any TD is named.
    pub(super) fn firmware(&self) -> Option<impl Iterator<Item = Option<&str>>> {
        let names = self.firmware.iter().map(Option::as_deref);
        (!self.firmware.is_empty()).then_some(names)
    }

    /// The versions of QEMU.
    pub(super) fn qemu(&self) -> impl Iterator<Item = QemuVersion> {
        self.qemu.iter().copied()
    }

    /// Whether a TD that is named boots so.
    pub(super) fn boots(&self, kind: &str) -> bool {
        self.boots.iter().any(|boot| word(boot) == kind)
    }
}

fn add<T: PartialEq>(list: &mut Vec<T>, item: T) {
    if !list.contains(&item) {
        list.push(item);
    }
}

/// The file of a machine's firmware; none for a cloud's.
pub(super) fn file(known: &KnownValue) -> Option<&str> {
    known.value.firmware.as_deref().filter(|_| known.value.vmm == Vmm::Qemu)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::tests::fixture::known;
    use super::*;
    use crate::tests::image::value;

    fn named(values: &[Value]) -> Named {
        Named::of(&known(values))
    }

    fn td(vmm: &str, boot: &str, firmware: &str, version: &str) -> Value {
        let more = json!({ "firmware": firmware, "vmm-version": version });
        value("td", ["tdx", vmm, boot], more)
    }

    #[test]
    fn each_firmware_version_and_boot_of_the_tds_is_named_once() {
        let named = named(&[
            td("qemu", "direct", "a.fd", "9.1"),
            td("qemu", "direct", "b.fd", "10.1"),
            td("qemu", "direct", "a.fd", "9.1"),
            // Google's own firmware: the file is for its MRTD alone.
            td("gce", "uki-disk", "google.fd", "x"),
            value("snp", ["sev-snp", "qemu", "direct"], json!({ "firmware": "snp.fd" })),
        ]);
        let firmware: Vec<_> = named.firmware().unwrap().collect();
        assert_eq!(firmware, [Some("a.fd"), Some("b.fd"), None]);
        let qemu: Vec<String> = named.qemu().map(|version| version.to_string()).collect();
        assert_eq!(qemu, ["9.1", "10.1"]);
        assert!(named.boots("direct") && named.boots("uki-disk"));
    }

    /// Where no TD is named, its firmware is guessed from the folder's.
    #[test]
    fn an_image_that_is_for_no_td_names_nothing() {
        let tpm = value("tpm", ["tpm", "qemu", "uki-disk"], json!({ "firmware": "x.fd" }));
        for named in [named(&[]), named(&[tpm])] {
            assert!(named.firmware().is_none());
            assert_eq!(named.qemu().count(), 0);
            assert!(!named.boots("direct") && !named.boots("uki-disk"));
        }
        let direct = named(&[value("td", ["tdx", "qemu", "direct"], json!({}))]);
        assert_eq!(direct.firmware().unwrap().collect::<Vec<_>>(), [None]);
        assert!(direct.boots("direct") && !direct.boots("uki-disk"));
    }
}
