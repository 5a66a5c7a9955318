//! A maintainer script as dpkg calls it on a fresh system (Debian Policy 6.5 and 6.6).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use cvmkit_shell::Stop;
use cvmkit_shell::evaluation::{Finished, Start};

use super::debconf::{AnswerProblem, Answers, Database, Frontend};
use super::interpreter::{dialect, letters, shebang};
use super::perl;
use super::{State, System};
use crate::packages::debian::Package;
use crate::packages::debian::package::ADMIN_DIRECTORY;

/// The scripts that run when a package is installed for the first time, in their order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Script {
    /// `preinst install`, before the files are unpacked.
    Preinst,
    /// `config configure`, debconf's, before the package is configured.
    Config,
    /// `postinst configure`, when everything that the package depends on is configured.
    Postinst,
    /// `postinst triggered`, with the names of the triggers that were activated.
    Triggered(BTreeSet<String>),
}

impl fmt::Display for Script {
    /// As messages name it: `postinst`, or `postinst (triggered)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.file_name())?;
        if let Self::Triggered(_) = self { f.write_str(" (triggered)") } else { Ok(()) }
    }
}

impl Script {
    /// The member of the control archive.
    #[must_use]
    pub fn file_name(&self) -> &'static str {
        match self {
            Self::Preinst => "preinst",
            Self::Config => "config",
            Self::Postinst | Self::Triggered(_) => "postinst",
        }
    }

    /// Its arguments: there is no version from before.
    fn arguments(&self) -> Vec<Vec<u8>> {
        match self {
            Self::Preinst => vec![b"install".to_vec()],
            Self::Config | Self::Postinst => vec![b"configure".to_vec(), Vec::new()],
            Self::Triggered(names) => {
                let names = names.iter().map(String::as_str).collect::<Vec<_>>().join(" ");
                vec![b"triggered".to_vec(), names.into_bytes()]
            }
        }
    }
}

/// The variables that a script has: those of dpkg(1), and those of an installation that asks nobody
/// (debconf(7)).
fn environment(package: &Package, script: &Script, dpkg: &str) -> BTreeMap<String, Vec<u8>> {
    [
        ("DEBCONF_NONINTERACTIVE_SEEN", "true"),
        ("DEBIAN_FRONTEND", "noninteractive"),
        ("DPKG_ADMINDIR", ADMIN_DIRECTORY),
        ("DPKG_MAINTSCRIPT_ARCH", &package.architecture),
        ("DPKG_MAINTSCRIPT_DEBUG", "0"),
        ("DPKG_MAINTSCRIPT_NAME", script.file_name()),
        ("DPKG_MAINTSCRIPT_PACKAGE", &package.name),
        ("DPKG_MAINTSCRIPT_PACKAGE_REFCOUNT", "1"),
        ("DPKG_ROOT", ""),
        ("DPKG_RUNNING_VERSION", dpkg),
        ("HOME", "/root"),
        ("LC_ALL", "C.UTF-8"),
        ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()))
    .collect()
}

impl System<'_, '_> {
    /// Evaluates the text of a script of a package; what it came to. `in_frontend` says that debconf's frontend
    /// runs it.
    ///
    /// # Errors
    /// [`Stop`]: something in it that can't be evaluated.
    pub fn maintain(
        &mut self,
        package: &Package,
        script: &Script,
        text: &[u8],
        in_frontend: bool,
    ) -> Result<Finished, Stop> {
        let (interpreter, argument) = shebang(text).unwrap_or_default();
        let name = format!("{script} of {}", package.name);
        let shell = dialect(&interpreter).zip(letters(&argument));
        let native = match shell {
            Some(_) => None,
            None => {
                Some(perl::program(&package.name, script.file_name(), text).map_err(|why| {
                    let shown = [interpreter, argument].join(" ");
                    let what = format!("a script of `{}` can't be evaluated{why}", shown.trim());
                    Stop::Unsupported { script: name.clone(), line: 1, what }
                })?)
            }
        };
        let dpkg = self.packages.get("dpkg").map_or("", |dpkg| dpkg.version.as_str());
        let dpkg = dpkg.split('-').next().unwrap_or(dpkg);
        let mut environment = environment(package, script, dpkg);
        if in_frontend {
            environment.insert("DEBIAN_HAS_FRONTEND".to_owned(), b"1".to_vec());
        }
        let start = Start { environment, name, arguments: script.arguments(), ..Start::default() };
        self.debconf.frontend = match script {
            Script::Preinst if !in_frontend => Frontend::Waits(start.arguments.clone()),
            _ => Frontend::Runs,
        };
        // What a script asked of debconf before was for itself alone.
        self.debconf.escapes = false;
        self.begin(&start.name)?;
        let name = start.name.clone();
        let finished = match native {
            Some(native) => perl::run(self, native, script.file_name(), &start),
            None => {
                let (dialect, options) = shell.unwrap_or_default();
                self.script(text, Start { dialect, options, ..start })
            }
        };
        let finished = self.without_keys(&name, finished)?;
        self.leave_out_drawn(&name, &package.name)?;
        Ok(finished)
    }

    /// What a script came to. The files of keys that no build makes are taken out again; a script that used one can't
    /// be evaluated.
    fn without_keys(
        &mut self,
        script: &str,
        finished: Result<Finished, Stop>,
    ) -> Result<Finished, Stop> {
        match (finished, self.take_out_unmade()) {
            (Ok(_), Some(path)) => {
                let path = String::from_utf8_lossy(&path);
                let what = format!("{path} is a key that no build makes, and the script uses it");
                Err(Stop::Unsupported { script: script.to_owned(), line: 1, what })
            }
            (finished, _) => finished,
        }
    }

    /// Takes out the files of keys that no build makes. The path of one that a script used, if any was.
    fn take_out_unmade(&mut self) -> Option<Vec<u8>> {
        for path in self.unmade.get_mut().take_paths(&self.assembly.tree) {
            self.touch(&path);
            self.assembly.tree.remove(&path);
        }
        self.unmade.get_mut().take_used()
    }

    /// Whether the script that has just ended wants to run again below debconf's frontend.
    pub(crate) fn take_frontend(&mut self) -> bool {
        let frontend = std::mem::take(&mut self.debconf.frontend);
        matches!(frontend, Frontend::Wanted)
    }

    /// Says how far a package is from now on.
    pub fn set_state(&mut self, package: &str, state: State) {
        self.states.insert(package.to_owned(), state);
    }

    /// Takes the definition's answers to questions of debconf.
    pub(crate) fn answer(&mut self, answers: BTreeMap<String, String>) {
        self.debconf = Database::new(match self.packages.contains_key("debconf") {
            true => Answers::new(answers, self.assembly.request.debug),
            false => Answers::unasked(answers),
        });
    }

    /// What can't be used of those answers; `have_all_run` says that no script failed on the way.
    pub(crate) fn answer_problems(&self, have_all_run: bool) -> Vec<AnswerProblem> {
        self.debconf.problems(have_all_run)
    }

    /// Takes the templates of a package's questions, if it has some.
    ///
    /// # Errors
    /// Why they can't be read.
    pub fn load_templates(&mut self, package: &Package) -> Result<(), String> {
        match package.control.files.get("templates") {
            Some(templates) => {
                self.debconf.owner.clone_from(&package.name);
                self.debconf.load(templates)
            }
            None => Ok(()),
        }
    }
}
