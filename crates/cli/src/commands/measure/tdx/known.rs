//! Firmware of Debian of which is known how it measures, by SHA-256.
//!
//! Only images of releases that boots were compared of are here: `crates/cli/tests/tdx.rs` boots one
//! of each, and `crates/measure/tests/tdx_launch.rs` has the MRTDs of all. What is built in another
//! way (for one technology, with keys enrolled) may measure other boot options, so it is not here.

use cvmkit_measure::digest::Sha256;
use cvmkit_measure::tdx::layout::Layout;

use super::SecureBootBuild;

/// How one image measures.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    sha256: &'static str,
    layout: &'static str,
    pub(super) secure_boot: SecureBootBuild,
}

const KNOWN: &[Known] = &[
    // ovmf 2022.11-6+deb12u2, OVMF.fd
    Known {
        sha256: "7b456907dd0786d415999e801a1ac4637b8ed4d7cf5378cfc6edbe5e574dd773",
        layout: "edk2-stable202205",
        secure_boot: SecureBootBuild::BuiltIn,
    },
    // ovmf 2025.02-8, OVMF.fd
    Known {
        sha256: "4226e006ccff0ec70cb9909c75314b7c46ea90fe15ca9dca757a608d30576310",
        layout: "edk2-stable202502",
        secure_boot: SecureBootBuild::Absent,
    },
    // ovmf 2025.02-8+deb13u1, OVMF.fd
    Known {
        sha256: "14954040cc754ade0c625ac3470ea46d4c14318b5b1396de4ef77090203d76db",
        layout: "edk2-stable202502",
        secure_boot: SecureBootBuild::Absent,
    },
    // ovmf-generic 2026.08+ds-2, OVMF.fd
    Known {
        sha256: "6a3e8f438ad7269f5dfd884647587b88391fb23965bb3aa7902b519438dba129",
        layout: "edk2-stable202508",
        secure_boot: SecureBootBuild::Absent,
    },
];

/// What is known of an image.
pub(super) fn firmware(digest: Sha256) -> Option<&'static Known> {
    let digest = digest.to_string();
    KNOWN.iter().find(|known| known.sha256 == digest)
}

impl Known {
    pub(super) fn layout(&self) -> Option<Layout> {
        self.layout.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_names_a_layout_and_a_digest() {
        for known in KNOWN {
            let digest: Sha256 = known.sha256.parse().unwrap();
            assert_eq!(firmware(digest).unwrap().layout, known.layout);
            assert!(known.layout().is_some(), "{known:?}");
        }
        assert!(firmware(Sha256::ZERO).is_none());
    }
}
