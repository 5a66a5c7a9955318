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
