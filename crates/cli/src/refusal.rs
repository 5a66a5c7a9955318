//! What to do next, in options of the command line.
//!
//! A library knows no options: its error has codes and values, and a hint in words of the domain that serves
//! any user of the library. The option that mends it is named here: [`hint`] goes before the error's own hint.
//! Which command met the error follows from its type: a [`TdError`] is of `measure tdx`, and one of `compare`
//! comes inside of a [`CompareError`].

use std::error::Error;

use cvmkit_attest::compare::CompareError;
use cvmkit_attest::export::ExportError;
use cvmkit_attest::output::{MissingFile, Role};
use cvmkit_attest::predict::{PredictionError, TdError, layouts};
use cvmkit_host::fault::Diagnosis as _;
use cvmkit_measure::tdx::prediction::Unknown;
use cvmkit_measure::tdx::rtmr;
use cvmkit_measure::tpm;
use cvmkit_vm::AcpiError;

/// The next step in options of the command that failed; none where the error's own hint says all.
pub(crate) fn hint(error: &(dyn Error + 'static)) -> Option<String> {
    let prediction = error.downcast_ref().and_then(of_prediction);
    let td = || error.downcast_ref().and_then(of_td);
    let compare = || error.downcast_ref().and_then(of_compare);
    let export = || error.downcast_ref().and_then(of_export).map(str::to_owned);
    let acpi = || error.downcast_ref().and_then(of_acpi);
    prediction.map(str::to_owned).or_else(td).or_else(compare).or_else(export).or_else(acpi)
}

/// Of `measure tpm`, and of `compare`.
fn of_prediction(error: &PredictionError) -> Option<&'static str> {
    match error {
        PredictionError::NoFile(MissingFile { role: Role::Uki, .. }) => {
            Some("this image boots directly only: predict it with `--direct`")
        }
        PredictionError::Image { source, .. }
            if matches!(**source, tpm::Error::BootSecret { .. }) =>
        {
            Some("add `--read-only-disk` if the machine can't write to the disk")
        }
        _ => None,
    }
}

/// Of `measure tdx`.
fn of_td(error: &TdError) -> Option<String> {
    match error {
        TdError::NoLayout { .. } | TdError::NoFirmware => Some(of_layout()),
        TdError::NoSecureBoot { .. } => Some(
            "use `--secure-boot built-in` if its event log has data for the variable SecureBoot, \
             otherwise `--secure-boot absent`"
                .to_owned(),
        ),
        TdError::OtherLayout { .. } => {
            Some("leave out `--layout`: the file's SHA-256 decides it".to_owned())
        }
        TdError::OtherSecureBoot { .. } => {
            Some("leave out `--secure-boot`: the file's SHA-256 decides it".to_owned())
        }
        TdError::Boot(rtmr::Error::Unknown(Unknown::SmbiosTables { .. })) => {
            Some(SMBIOS.to_owned())
        }
        TdError::Image(error) => of_prediction(error).map(str::to_owned),
        _ => None,
    }
}

fn of_layout() -> String {
    format!("name with `--layout` the latest that is not younger than its edk2: {}", layouts())
}

const SMBIOS: &str = "give `--smbios` the digest of the event EV_EFI_HANDOFF_TABLES in the event log \
                      of such a TD";

fn of_compare(error: &CompareError) -> Option<String> {
    match error {
        CompareError::NoMachine { .. } => {
            Some("`cvmkit measure image` lists the machines it has values of".to_owned())
        }
        CompareError::NeedsFiles { given, .. } => Some(format!(
            "name the image's folder with `--with`: values for such a machine are computed from its \
             files; or leave out `{given}`"
        )),
        CompareError::Prediction(error) => of_prediction(error).map(str::to_owned),
        // `compare` has these two options of `measure tdx`, and tries both builds of Secure Boot.
        CompareError::Td(
            error @ (TdError::NoLayout { .. }
            | TdError::NoFirmware
            | TdError::OtherLayout { .. }
            | TdError::Image(_)
            | TdError::Boot(_)),
        ) => of_td(error),
        _ => None,
    }
}

fn of_export(error: &ExportError) -> Option<&'static str> {
    match error {
        ExportError::Debug { .. } => Some("accept it explicitly with `--allow-debug`"),
        ExportError::Missing { what, .. } if what == "rtmr0" => Some(
            "record the ACPI tables: `cvmkit measure tdx --acpi-from-qemu` prints their digests for \
             `[[acpi]]` in a profile of your own (`cvmkit profile qemu-tdx-direct` prints one to \
             start from), which `platforms` then names",
        ),
        ExportError::NoMachine { .. } | ExportError::SeveralMachines { .. } => {
            Some("choose with `--profile`, `--vcpus`, `--vcpu-type` and `--memory`")
        }
        ExportError::SeveralPlatforms { .. } => Some("choose with `--profile`"),
        _ => None,
    }
}

/// Of `measure tdx --acpi-from-qemu`.
fn of_acpi(error: &AcpiError) -> Option<String> {
    match error {
        AcpiError::NoWindow { .. } => Some(format!("with `--pci-window` {}", error.hint()?)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use cvmkit_attest::export::Shape;

    use super::*;

    /// Each option stands where the command has it: `compare` knows no `--secure-boot`, `export` no `--direct`.
    #[test]
    fn a_hint_names_options_of_the_command_that_failed() {
        let path = || PathBuf::from("out");
        let no_uki = || PredictionError::NoFile(MissingFile { folder: path(), role: Role::Uki });
        let no_secure_boot = || TdError::NoSecureBoot { path: path() };
        let smbios = || Unknown::SmbiosTables { layout: "edk2-stable202505" }.into();
        let errors: [(Box<dyn Error>, Option<&str>); 12] = [
            (Box::new(no_uki()), Some("`--direct`")),
            (Box::new(CompareError::Prediction(no_uki())), Some("`--direct`")),
            (Box::new(ExportError::Prediction(no_uki())), None),
            (Box::new(TdError::NoFirmware), Some("`--layout`")),
            (Box::new(CompareError::Td(TdError::NoFirmware)), Some("`--layout`")),
            (Box::new(no_secure_boot()), Some("`--secure-boot built-in`")),
            (Box::new(CompareError::Td(no_secure_boot())), None),
            (Box::new(CompareError::Td(smbios())), Some("`--smbios`")),
            (Box::new(CompareError::NoMachine { path: path() }), Some("`cvmkit measure image`")),
            (
                Box::new(CompareError::NeedsFiles { path: path(), given: "--vars" }),
                Some("leave out `--vars`"),
            ),
            (Box::new(ExportError::Debug { path: path() }), Some("`--allow-debug`")),
            (Box::new(ExportError::Unsigned { shape: Shape::Rvps }), None),
        ];
        for (error, expected) in errors {
            let found = hint(&*error);
            match expected {
                Some(option) => assert!(found.is_some_and(|hint| hint.contains(option)), "{error}"),
                None => assert_eq!(found, None, "{error}"),
            }
        }
    }
}
