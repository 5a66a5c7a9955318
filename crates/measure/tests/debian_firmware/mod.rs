//! The firmware of Debian's packages that can start a confidential guest, whole images each.
//!
//! `CVMKIT_BOOKWORM`, `CVMKIT_TRIXIE` and `CVMKIT_FORKY` name folders where packages of these
//! releases are unpacked, the firmware in `firmware`.

use std::path::PathBuf;
use std::{env, fs};

/// A package, the release it is of, and its file in `/usr/share/ovmf`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Package {
    pub(crate) name: &'static str,
    release: &'static str,
    file: &'static str,
}

/// All of them.
pub(crate) const PACKAGES: [Package; 6] = [
    Package { name: "ovmf of bookworm", release: "CVMKIT_BOOKWORM", file: "OVMF.fd" },
    Package { name: "ovmf of trixie", release: "CVMKIT_TRIXIE", file: "OVMF.fd" },
    Package { name: "ovmf-generic", release: "CVMKIT_FORKY", file: "OVMF.fd" },
    Package { name: "ovmf-amdsev", release: "CVMKIT_FORKY", file: "OVMF.amdsev.fd" },
    Package { name: "ovmf-inteltdx", release: "CVMKIT_FORKY", file: "OVMF.inteltdx.ms.fd" },
    Package { name: "ovmf-legacy", release: "CVMKIT_FORKY", file: "OVMF.legacy.fd" },
];

/// A package's firmware on this machine.
#[derive(Clone, Debug)]
#[allow(dead_code, reason = "each test uses a part")]
pub(crate) struct Image {
    pub(crate) package: Package,
    pub(crate) path: PathBuf,
    pub(crate) bytes: Vec<u8>,
}

impl Package {
    fn path(&self) -> Option<PathBuf> {
        let folder = PathBuf::from(env::var_os(self.release)?);
        Some(folder.join("firmware/usr/share/ovmf").join(self.file))
    }
}

/// What is at hand, in the order of the table. One that is missing is a loud skip, and a failure
/// where all oracles are required.
pub(crate) fn images() -> Vec<Image> {
    let image = |package: &Package| {
        let path = package.path().filter(|path| path.is_file());
        let Some(path) = path else {
            let Package { name, release, file } = package;
            let message = format!("no firmware of {name}: no {file} where {release} points");
            assert!(env::var("CVMKIT_ORACLES").as_deref() != Ok("require"), "{message}");
            eprintln!("SKIPPED: {message}");
            return None;
        };
        let bytes = fs::read(&path).expect("the firmware can be read");
        Some(Image { package: *package, path, bytes })
    };
    PACKAGES.iter().filter_map(image).collect()
}
