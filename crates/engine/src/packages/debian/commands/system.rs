//! A system of packages while it is configured: the tree, the packages, and what scripts ask for.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::io;

use cvmkit_formats::tree::{InodeId, Meta, Node};
use cvmkit_shell::Stop;
use cvmkit_shell::commands::Call;
use cvmkit_shell::evaluation::{Finished, Limits, Start, evaluate};
use cvmkit_shell::world::{FileError, Files as _};

use super::asked::{Asked, LeftOut};
use super::debconf;
use super::unmade::Unmade;
use crate::content::Content;
use crate::packages::debian::Package;
use crate::rootfs::assembly::Assembly;

/// How deep scripts of the tree may run one another.
const DEPTH_MAX: u32 = 8;

/// How deep functions and substitutions of a script may call one another that another script runs: levels of
/// all scripts lie on one stack.
const INNER_LEVELS_MAX: u32 = 50;

/// How many maintainer scripts may take all that one may: triggers have scripts run again and again.
const SCRIPTS_MAX: u64 = 20;

/// Where programs are that this module and `cvmkit_shell` stand in for: a script with such a name
/// elsewhere is what the package made of it.
const PROGRAM_FOLDERS: [&[u8]; 7] = [
    b"/usr/bin",
    b"/usr/lib/systemd",
    b"/usr/sbin",
    b"/usr/share/apt-cacher",
    b"/usr/share/firebird/4.0",
    b"/usr/share/postgresql-common",
    b"/usr/share/sendmail",
];

/// The last parts of folders below `/usr/lib` with programs that scripts call by their paths: of libraries, below a folder
/// of their architecture, and of Emacs.
const LIBRARY_FOLDERS: [&[u8]; 4] =
    [b"/emacsen-common", b"/gdk-pixbuf-2.0", b"/glib-2.0", b"/libgtk-3-0t64"];

/// A program: what it does to a system, and its exit status.
pub(super) type Program =
    for<'s, 'a, 'c> fn(&mut System<'s, 'a>, &mut Call<'c>) -> Result<u8, Stop>;

/// How far a package is, as `Status` in dpkg's database says it (dpkg(1), "Package states").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Its files are in the tree.
    Unpacked,
    /// Its `postinst` has run.
    Installed,
}

/// What was at a path when a script touched it first.
#[derive(Debug)]
pub(super) struct Before {
    /// The inode that was there.
    pub(super) id: Option<InodeId>,
    /// Nothing, or its attributes with the node; of a folder without its entries.
    pub(super) inode: Option<(Meta, Node<Content>)>,
}

/// A system of packages while it is configured.
#[derive(Debug)]
pub struct System<'s, 'a> {
    pub(crate) assembly: &'s mut Assembly<'a>,
    /// Every package of the image, by name.
    pub(super) packages: BTreeMap<&'s str, &'s Package>,
    /// How far each package is: those that are missing here are not unpacked yet.
    pub(super) states: BTreeMap<String, State>,
    /// Debian's name of the machine.
    pub(super) architecture: &'s str,
    /// What other steps carry out.
    pub(crate) asked: Asked,
    /// Links below `/etc/alternatives` that scripts have made.
    pub(super) generic_links: BTreeSet<String>,
    /// Links to `/dev/null` that deb-systemd-helper has made.
    pub(super) masked: BTreeSet<String>,
    /// Units whose state deb-systemd-helper keeps without having enabled them; of users where true.
    pub(super) helper_states: BTreeSet<(bool, String)>,
    /// The answers of debconf.
    pub(super) debconf: debconf::Database,
    /// What each maintainer script may take, with all that it runs.
    pub(super) limits: Limits,
    /// The work of the maintainer script that is evaluated, in steps of a shell.
    pub(super) done: Cell<u64>,
    /// The work of those before it.
    pub(super) done_before: u64,
    /// How many files scripts have made.
    pub(super) made: u64,
    /// How many bytes scripts have written that are of no package: they are held in memory.
    pub(super) held: u64,
    /// How many bytes scripts have written.
    pub(super) written: u64,
    /// The bound that scripts went beyond, if they did.
    pub(super) exceeded: Option<(u64, &'static str)>,
    /// Why a file of the store could not be read: no answer of a script's commands may hide it.
    pub(super) broken: RefCell<Option<io::Error>>,
    /// The files of keys that the script has asked for which is evaluated.
    pub(super) unmade: RefCell<Unmade>,
    /// What was where scripts have changed something, by path as the tree spells it.
    pub(super) touched: BTreeMap<Vec<u8>, Before>,
    /// What the inodes were that scripts have changed, whichever name they were changed by.
    pub(super) touched_inodes: BTreeMap<InodeId, (Meta, Node<Content>)>,
    /// The inodes that scripts have made since effects were last told: nothing was there before.
    pub(super) made_inodes: BTreeSet<InodeId>,
    /// What scripts have asked of other steps, as far as it has been told.
    pub(super) told: BTreeSet<String>,
    /// What scripts leave to the end since that was last told, when all packages are there.
    pub(super) deferred: BTreeSet<String>,
    /// The ids of accounts of scripts that nothing fixes.
    pub(crate) unfixed: BTreeMap<String, u32>,
    /// The calls of all scripts that have drawn at random, each with its package.
    pub(super) drawn: RefCell<Vec<LeftOut>>,
    /// Whether the kernel's source of random bytes was read since a program last ended.
    pub(super) reads_source: Cell<bool>,
    /// Whether a file with something random was read since a program last began.
    pub(super) saw_value: Cell<bool>,
    depth: u32,
}

impl<'s, 'a> System<'s, 'a> {
    /// A system in which nothing is installed yet.
    pub(crate) fn new(
        assembly: &'s mut Assembly<'a>,
        packages: &'s [Package],
        architecture: &'s str,
    ) -> Self {
        Self {
            assembly,
            packages: packages.iter().map(|package| (package.name.as_str(), package)).collect(),
            states: BTreeMap::new(),
            architecture,
            asked: Asked::default(),
            generic_links: BTreeSet::new(),
            masked: BTreeSet::new(),
            helper_states: BTreeSet::new(),
            debconf: debconf::Database::default(),
            limits: Limits::default(),
            done: Cell::new(0),
            done_before: 0,
            made: 0,
            held: 0,
            written: 0,
            exceeded: None,
            broken: RefCell::new(None),
            unmade: RefCell::default(),
            touched: BTreeMap::new(),
            touched_inodes: BTreeMap::new(),
            made_inodes: BTreeSet::new(),
            told: BTreeSet::new(),
            deferred: BTreeSet::new(),
            unfixed: BTreeMap::new(),
            drawn: RefCell::default(),
            reads_source: Cell::default(),
            saw_value: Cell::default(),
            depth: 0,
        }
    }

    /// As it is, with other bounds.
    pub(crate) fn within(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// Whether scripts went beyond what all of them may take together: whatever comes next does so too.
    pub(crate) fn is_full(&self) -> bool {
        self.exceeded.is_some()
    }

    /// What went wrong below the tree since the last call: whatever scripts came to since then is worth
    /// nothing.
    pub(crate) fn take_broken(&mut self) -> Option<io::Error> {
        self.broken.get_mut().take()
    }

    /// Begins a maintainer script, with work of its own.
    ///
    /// # Errors
    /// [`Stop::Limit`]: all of them together may do no more.
    pub(super) fn begin(&mut self, script: &str) -> Result<(), Stop> {
        self.done_before = self.done_before.saturating_add(self.done.take());
        let (limit, what) = (self.limits.steps.saturating_mul(SCRIPTS_MAX), "steps of all scripts");
        if self.done_before <= limit {
            return Ok(());
        }
        self.exceeded = Some((limit, what));
        Err(Stop::Limit { script: script.to_owned(), line: 1, limit, what })
    }

    /// Evaluates a text as a script of its own, one level down.
    pub(super) fn script(&mut self, text: &[u8], start: Start) -> Result<Finished, Stop> {
        if self.depth >= DEPTH_MAX {
            let what = "scripts that run one another";
            return Err(Stop::Limit { script: start.name, line: 1, limit: DEPTH_MAX.into(), what });
        }
        let depth = match self.depth {
            0 => self.limits.depth,
            _ => self.limits.depth.min(INNER_LEVELS_MAX),
        };
        // What the scripts hold that wait for this one stays in memory.
        let (output, words) = (self.limits.output >> self.depth, self.limits.words >> self.depth);
        let limits = Limits { depth, output, words, ..self.limits };
        self.depth += 1;
        let finished = evaluate(text, start, self, limits);
        self.depth -= 1;
        finished
    }

    /// Makes a folder with those above it, where nothing is yet.
    pub(super) fn make_folders(&mut self, path: &str) -> Result<(), FileError> {
        for (end, _) in path.match_indices('/').skip(1).chain([(path.len(), "")]) {
            let folder = &path.as_bytes()[..end];
            if self.status(folder, true).is_err() {
                self.make_directory(folder, 0o755)?;
            }
        }
        Ok(())
    }

    /// The path of a program that can be run.
    pub(super) fn executable(&self, path: &[u8]) -> Option<Vec<u8>> {
        let status = self.status(path, true).ok()?;
        let runs = status.file_type == cvmkit_shell::world::FileType::Regular;
        (runs && status.mode & 0o111 != 0).then(|| path.to_vec())
    }

    /// The name by which a program of the distribution is known, if the path is one of them.
    pub(super) fn known_as(&self, path: &[u8]) -> Option<Vec<u8>> {
        let at = path.iter().rposition(|byte| *byte == b'/')?;
        let folder = self.real_path(if at == 0 { b"/" } else { &path[..at] }).ok()?;
        let is_of_library = folder.starts_with(b"/usr/lib/")
            && LIBRARY_FOLDERS.iter().any(|last| folder.ends_with(last));
        let is_test = folder.starts_with(b"/usr/libexec/") && folder.ends_with(b"/isa-support");
        (is_of_library || is_test || PROGRAM_FOLDERS.contains(&folder.as_slice()))
            .then(|| path[at + 1..].to_vec())
    }
}
