//! The machine of a request, as commands that a person can type.
//!
//! Two things differ from what [`super::boot`] starts: QEMU drops what the guest writes to its UEFI
//! variables, where a boot gives it a copy, and a software TPM is started by the shell, with its
//! state in a fresh folder. Oracle: a shell that runs them.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::attempt::Machine;
use super::error::BootError;
use super::request::Request;
use super::scratch::Scratch;
use super::{http, qemu, tpm};

/// How to start a machine by hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartCommand {
    /// QEMU and its arguments.
    pub qemu: Vec<OsString>,
    /// The lines for a POSIX shell: QEMU, behind the start of a software TPM if there is one.
    pub shell: String,
}

/// The folder of the TPM in the lines for a shell, and the variable that has it.
const TPM_FOLDER: &str = "/cvmkit-tpm";
const TPM_VARIABLE: &str = "\"$tpm\"";

/// The commands that start the machine of a request. Nothing is started but the trial guest that
/// tells whether KVM works.
///
/// # Errors
/// [`BootError`] when something is missing that the machine needs.
pub fn command(request: &Request) -> Result<StartCommand, BootError> {
    request.check_machine()?;
    let scratch = Scratch::new(&request.scratch)?;
    let machine = Machine::find(request, &scratch)?;
    let port = match &request.http_get {
        Some(_) => Some(http::free_port().map_err(BootError::Port)?),
        None => None,
    };
    let mut words = vec![machine.qemu.path.clone().into_os_string()];
    words.extend(qemu::arguments(request, &machine.accelerator, port)?);
    words.extend(machine.firmware.iter().flat_map(|firmware| firmware.arguments_to_type()));
    let mut shell = String::new();
    if request.tpm {
        let folder = Path::new(TPM_FOLDER);
        let socket = folder.join("tpm.sock");
        words.extend(tpm::qemu_arguments(&socket));
        let mut swtpm = vec![OsString::from("swtpm")];
        swtpm.extend(tpm::swtpm_arguments(folder, &socket));
        shell.push_str(&format!("tpm=$(mktemp -d)\n{} &\n", line(&swtpm)));
        // QEMU does not wait for a socket that is not there yet.
        shell.push_str("while [ ! -S \"$tpm\"/tpm.sock ]; do sleep 0.1; done\n");
    }
    shell.push_str(&line(&words));
    Ok(StartCommand { qemu: words, shell })
}

/// One line, each word quoted where a shell would take it apart.
fn line(words: &[OsString]) -> String {
    words.iter().map(quoted).collect::<Vec<_>>().join(" ")
}

fn quoted(word: &OsString) -> String {
    let text = String::from_utf8_lossy(word.as_bytes());
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
    let quoted = match !text.is_empty() && text.chars().all(plain) {
        true => text.into_owned(),
        false => format!("'{}'", text.replace('\'', "'\\''")),
    };
    quoted.replace(TPM_FOLDER, TPM_VARIABLE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_where_they_must_be() {
        let words = ["a", "b c", "it's", "", "dir=/cvmkit-tpm"].map(OsString::from);
        assert_eq!(line(&words), r#"a 'b c' 'it'\''s' '' dir="$tpm""#);
    }

    /// XCU 2.2: what a shell takes apart or expands is in quotes, and a quote in them is put outside.
    #[test]
    fn every_byte_that_a_shell_reads_is_quoted() {
        for byte in (0x20..0x7f_u8).map(char::from) {
            let plain = byte.is_ascii_alphanumeric() || "-_./=:,+@%".contains(byte);
            let expected = match byte {
                '\'' => r"'a'\''b'".to_owned(),
                byte if plain => format!("a{byte}b"),
                byte => format!("'a{byte}b'"),
            };
            assert_eq!(quoted(&OsString::from(format!("a{byte}b"))), expected);
        }
        for text in ["a\nb", "a\tb", "\u{e4}"] {
            assert_eq!(quoted(&text.into()), format!("'{text}'"));
        }
    }

    #[test]
    fn the_folder_of_the_tpm_is_a_variable() {
        let socket = Path::new(TPM_FOLDER).join("tpm.sock");
        let words = tpm::swtpm_arguments(Path::new(TPM_FOLDER), &socket);
        let expected = [
            "socket",
            "--tpm2",
            "--terminate",
            "--tpmstate",
            "dir=\"$tpm\"",
            "--ctrl",
            "type=unixio,path=\"$tpm\"/tpm.sock",
        ];
        assert_eq!(line(&words), expected.join(" "));
    }

    #[test]
    fn a_machine_that_contradicts_itself_has_no_command() {
        let folder = tempfile::tempdir().unwrap();
        let request = Request::new(Vec::new(), folder.path().into(), "log".into());
        let error = command(&request).unwrap_err().to_string();
        assert_eq!(error, "there is neither a disk nor a kernel to boot");
    }
}
