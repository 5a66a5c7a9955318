//! UEFI firmware to boot a disk with: a code image with its variable store, or one whole image.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use cvmkit_host::files::{self, cannot};

use super::error::BootError;
use super::qemu::option;

/// Where distributions put 64-bit UEFI code for QEMU, without Secure Boot keys. First found wins.
const KNOWN: [&str; 5] = [
    // Debian and Ubuntu, package ovmf.
    "/usr/share/OVMF/OVMF_CODE_4M.fd",
    "/usr/share/OVMF/OVMF_CODE.fd",
    // Fedora, package edk2-ovmf.
    "/usr/share/edk2/ovmf/OVMF_CODE.fd",
    // Arch, package edk2-ovmf.
    "/usr/share/edk2/x64/OVMF_CODE.4m.fd",
    // One whole image, the last resort.
    "/usr/share/ovmf/OVMF.fd",
];

/// What the machine starts with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Firmware {
    /// Read-only code and the pristine variable store it needs a copy of, each in its own flash.
    Flash { code: PathBuf, variables: PathBuf },
    /// Code and variables in one image, such as firmware built for SEV; variables are not kept.
    Whole(PathBuf),
}

impl Firmware {
    /// The firmware asked for, or the first known one.
    ///
    /// A file whose name says `CODE` is half of a pair and must have its `VARS` beside it.
    pub(super) fn find(requested: Option<&Path>) -> Result<Self, BootError> {
        let code = match requested {
            Some(path) => Some(path).filter(|path| path.is_file()),
            None => KNOWN.iter().map(Path::new).find(|path| path.is_file()),
        };
        let Some(code) = code else {
            let what = requested.map_or("UEFI firmware for QEMU".into(), |path| {
                format!("the firmware `{}`", path.display())
            });
            return Err(BootError::MissingTool { what, package: "ovmf" });
        };
        let name = code.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if !name.contains("CODE") {
            return Ok(Self::Whole(code.to_owned()));
        }
        let variables = variable_stores(&name)
            .into_iter()
            .map(|store| code.with_file_name(store))
            .find(|path| path.is_file())
            .ok_or_else(|| BootError::MissingTool {
                what: format!("the variable store that belongs to `{}`", code.display()),
                package: "ovmf",
            })?;
        Ok(Self::Flash { code: code.to_owned(), variables })
    }

    /// The file with the code.
    pub(super) fn code(&self) -> &Path {
        match self {
            Self::Flash { code, .. } | Self::Whole(code) => code,
        }
    }

    /// Arguments for QEMU; a variable store is copied into `scratch`, afresh for each start.
    pub(super) fn arguments(&self, scratch: &Path) -> Result<Vec<OsString>, BootError> {
        match self {
            Self::Whole(image) => Ok(vec!["-bios".into(), image.into()]),
            Self::Flash { code, variables } => {
                let copy = scratch.join("variables.fd");
                let mut from = files::open(variables)?;
                let mut to = files::create(&copy)?;
                std::io::copy(&mut from, &mut to).map_err(cannot("write", &copy))?;
                Ok(flash(code, option("if=pflash,unit=1,format=raw,file=", &copy, "")))
            }
        }
    }

    /// The same for a machine that somebody else starts: what it writes to its variables is dropped
    /// by QEMU.
    pub(super) fn arguments_to_type(&self) -> Vec<OsString> {
        match self {
            Self::Whole(image) => vec!["-bios".into(), image.into()],
            Self::Flash { code, variables } => {
                let store = "if=pflash,unit=1,format=raw,snapshot=on,file=";
                flash(code, option(store, variables, ""))
            }
        }
    }
}

fn flash(code: &Path, variables: OsString) -> Vec<OsString> {
    let code = option("if=pflash,unit=0,format=raw,readonly=on,file=", code, "");
    vec!["-drive".into(), code, "-drive".into(), variables]
}

/// Names of the variable store for a code image: of the same flavour (`OVMF_CODE_4M.ms.fd` ->
/// `OVMF_VARS_4M.ms.fd`), then without it (`OVMF_CODE_4M.secboot.fd` -> `OVMF_VARS_4M.fd`).
fn variable_stores(code: &str) -> Vec<String> {
    let same = code.replace("CODE", "VARS");
    let plain = match (same.split_once('.'), same.rsplit_once('.')) {
        (Some((stem, _)), Some((_, extension))) => format!("{stem}.{extension}"),
        _ => same.clone(),
    };
    vec![same, plain]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_needs_its_variables_and_a_whole_image_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| {
            let path = folder.path().join(name);
            files::replace(&path, name.as_bytes()).unwrap();
            path
        };
        let whole = file("OVMF.fd");
        assert_eq!(Firmware::find(Some(&whole)).unwrap(), Firmware::Whole(whole));
        let code = file("OVMF_CODE_4M.secboot.fd");
        let error = Firmware::find(Some(&code)).unwrap_err().to_string();
        assert!(error.contains("variable store that belongs to"), "{error}");
        let variables = file("OVMF_VARS_4M.fd");
        assert_eq!(Firmware::find(Some(&code)).unwrap(), Firmware::Flash { code, variables });
        let error = Firmware::find(Some(Path::new("/nonexistent/x.fd"))).unwrap_err();
        assert!(error.to_string().contains("/nonexistent/x.fd"), "{error}");
    }
}
