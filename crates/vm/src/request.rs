//! What to boot, in what machine, and what must happen.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::error::BootError;

/// What to boot, how, and what must happen.
#[derive(Clone, Debug)]
pub struct Request {
    /// A raw disk image. The guest may write to it; what it writes is dropped with the machine.
    pub disk: Option<PathBuf>,
    /// A kernel for QEMU to load itself, instead of firmware that boots the disk.
    pub direct: Option<LinuxBoot>,
    /// UEFI firmware: a code image with its variable store beside it, or one whole image. `None`
    /// takes the distribution's for a disk, and none for a direct kernel.
    pub firmware: Option<PathBuf>,
    /// The emulator. `None` takes `qemu-system-x86_64` from [`Request::search_path`].
    pub qemu: Option<PathBuf>,
    /// Where programs are looked for, in order.
    pub search_path: Vec<PathBuf>,
    /// A folder for the short-lived files of this boot; they are gone afterwards.
    pub scratch: PathBuf,
    /// Memory of the guest in MiB.
    pub memory_mib: u32,
    /// Processors of the guest.
    pub vcpus: u32,
    /// Texts that must all appear on the console, in any order. The kernel's echo of its own
    /// command line does not count.
    pub until: Vec<String>,
    /// The boot must end in a kernel panic; then the texts must be there by its end.
    pub expect_panic: bool,
    /// A server in the guest that must answer 200.
    pub http_get: Option<HttpGet>,
    /// The guest may say that units failed.
    pub allow_failed: bool,
    /// Give the guest a software TPM 2.0 with fresh state.
    pub tpm: bool,
    /// Read the TPM's event log from the guest's memory, once all has come.
    pub event_log: bool,
    /// When to give up, counted from the start of each attempt.
    pub timeout: Duration,
    /// Everything the guest printed, written while it runs; replaced if it is there.
    pub serial_log: PathBuf,
    /// May KVM be tried?
    pub kvm: Kvm,
}

impl Request {
    /// Nothing to boot yet: 1024 MiB, 2 processors, 5 minutes, no expectation.
    #[must_use]
    pub fn new(search_path: Vec<PathBuf>, scratch: PathBuf, serial_log: PathBuf) -> Self {
        Self {
            disk: None,
            direct: None,
            firmware: None,
            qemu: None,
            search_path,
            scratch,
            memory_mib: 1024,
            vcpus: 2,
            until: Vec::new(),
            expect_panic: false,
            http_get: None,
            allow_failed: false,
            tpm: false,
            event_log: false,
            timeout: Duration::from_secs(300),
            serial_log,
            kvm: Kvm::Auto,
        }
    }

    /// A request that can succeed, and can fail.
    pub(super) fn check(&self) -> Result<(), BootError> {
        let pointless = self.until.is_empty() && !self.expect_panic && self.http_get.is_none();
        if pointless {
            let problem = "nothing is expected of the boot: name a text, an HTTP answer or a panic";
            return Err(BootError::Invalid { problem });
        }
        self.check_machine()
    }

    /// A machine that can start.
    pub(super) fn check_machine(&self) -> Result<(), BootError> {
        let nothing = self.disk.is_none() && self.direct.is_none();
        let problem = if nothing {
            "there is neither a disk nor a kernel to boot"
        } else if self.expect_panic && self.http_get.is_some() {
            "a guest that must panic cannot be asked for an HTTP answer"
        } else if self.until.iter().any(|text| text.is_empty() || text.contains('\n')) {
            "a text to wait for must be part of one line, and not empty"
        } else if self.http_get.as_ref().is_some_and(|get| !get.is_valid()) {
            "the path of an HTTP request starts with `/` and has no spaces or control characters"
        } else if self.event_log && !self.tpm {
            "a guest without a TPM has no event log of one"
        } else if self.event_log && self.expect_panic {
            "the event log is read while the guest runs, and this one must panic"
        } else if self.event_log && self.direct.is_some() && self.firmware.is_none() {
            "only UEFI firmware hands its event log to Linux, and a direct boot without firmware has \
             none"
        } else if self.memory_mib == 0 || self.vcpus == 0 {
            "a machine needs memory and a processor"
        } else {
            return Ok(());
        };
        Err(BootError::Invalid { problem })
    }
}

/// A kernel that QEMU loads without firmware (its manual: "Direct Linux Boot").
#[derive(Clone, Debug)]
pub struct LinuxBoot {
    /// A kernel with the Linux/x86 boot header: a bzImage, or an EFI image that has one.
    pub kernel: PathBuf,
    /// The initial RAM file system.
    pub initrd: Option<PathBuf>,
    /// The kernel command line.
    pub cmdline: String,
}

/// A question to a server in the guest.
#[derive(Clone, Debug)]
pub struct HttpGet {
    /// The TCP port the guest listens on.
    pub port: u16,
    /// The path to ask for, such as `/health`.
    pub path: String,
}

impl fmt::Display for HttpGet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.port, self.path)
    }
}

impl HttpGet {
    fn is_valid(&self) -> bool {
        self.path.starts_with('/') && self.path.bytes().all(|byte| byte.is_ascii_graphic())
    }
}

/// May hardware virtualisation be tried?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kvm {
    /// Yes; a trial guest decides.
    Auto,
    /// No: emulate.
    Never,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> Request {
        let mut request = Request::new(Vec::new(), "scratch".into(), "serial.log".into());
        request.disk = Some("a.raw".into());
        request.until = vec!["ready".into()];
        request
    }

    fn kernel() -> LinuxBoot {
        LinuxBoot { kernel: "k".into(), initrd: None, cmdline: String::new() }
    }

    /// A request that contradicts itself starts nothing: the words name the contradiction.
    #[test]
    fn a_request_that_contradicts_itself_is_refused() {
        let get = |path: &str| Some(HttpGet { port: 80, path: path.into() });
        type Edit = Box<dyn Fn(&mut Request)>;
        let rows: [(Edit, &str); 11] = [
            (Box::new(|it| it.until.clear()), "nothing is expected"),
            (Box::new(|it| it.disk = None), "neither a disk nor a kernel"),
            (Box::new(|it| it.until.push(String::new())), "not empty"),
            (Box::new(|it| it.until.push("a\nb".into())), "part of one line"),
            (
                Box::new(move |it| (it.expect_panic, it.http_get) = (true, get("/"))),
                "must panic cannot be asked",
            ),
            (Box::new(move |it| it.http_get = get("health")), "starts with `/`"),
            (Box::new(move |it| it.http_get = get("/a\r\nHost: b")), "no spaces or control"),
            (Box::new(|it| it.event_log = true), "without a TPM"),
            (
                Box::new(|it| (it.event_log, it.tpm, it.expect_panic) = (true, true, true)),
                "this one must panic",
            ),
            (
                Box::new(|it| (it.event_log, it.tpm, it.direct) = (true, true, Some(kernel()))),
                "only UEFI firmware",
            ),
            (Box::new(|it| it.memory_mib = 0), "memory and a processor"),
        ];
        for (edit, words) in rows {
            let mut request = request();
            edit(&mut request);
            let error = request.check().unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
        assert!(request().check().is_ok());
        // A machine to start by hand needs no expectation.
        let idle = Request { until: Vec::new(), ..request() };
        assert!(idle.check_machine().is_ok() && idle.check().is_err());
    }
}
