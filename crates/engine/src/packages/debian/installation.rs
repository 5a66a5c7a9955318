//! Installs packages as apt and dpkg would on a system made from nothing: their files unpacked, their scripts
//! evaluated, their triggers acted on.
//!
//! The essential packages are unpacked first, then each other one behind its `preinst`; then the definition's
//! files take their place, and every package is configured behind those that it depends on. What goes wrong
//! with one package does not keep the others from being looked at: all problems are told at once.

use std::collections::BTreeSet;

use cvmkit_attest::output::Notice;
use cvmkit_formats::digest::Sha256;
use cvmkit_shell::Stop;
use cvmkit_shell::evaluation::Finished;

use super::base;
use super::commands::{Asked, Effect, Repeats, Script, State, System};
use super::error::{AssembleError, ScriptProblem};
use super::order::{self, Order};
use super::package::Package;
use super::request::{Given, Request};
use super::runs::Runs;
use super::skip::{self, Decision, Skipping, generated, lost_capabilities};
use super::sysusers::{self, MASTERS};
use super::triggers::Triggers;
use super::unpack::Unpacker;
use crate::rootfs::assembly::{Assembly, bare};
use crate::rootfs::base::BaseAccounts;
use crate::rootfs::{
    Accounts, EvaluatedScript, Placed, RootfsError, ScriptDecision, accounts, layer, overlay,
};

/// How often packages may act on triggers, one after another: each may activate others.
const ROUNDS_MAX: usize = 1000;

/// Folders that every boot empties (file-hierarchy(7)): what scripts leave there is never seen.
const VOLATILE: [&str; 3] = ["run", "tmp", "var/tmp"];

/// What installing the packages came to, beside the tree.
pub(super) struct Outcome<'a> {
    /// Directories of overlays that packages have too.
    pub(super) kept: BTreeSet<&'a str>,
    /// What scripts asked for, of what other steps carry out.
    pub(super) asked: Asked,
    /// The accounts, those of scripts among them.
    pub(super) accounts: Accounts,
    /// What each script did, in the order in which they first ran.
    pub(super) scripts: Vec<EvaluatedScript>,
}

/// Installs the packages of a request.
///
/// # Errors
/// [`AssembleError`]; scripts that can't be evaluated are one error together.
pub(super) fn install<'a>(
    assembly: &mut Assembly<'a>,
    request: &'a Request<'a>,
) -> Result<Outcome<'a>, AssembleError> {
    let order = order::of(request.packages, request.architecture)?;
    let based = request.root.base.zip(Some(BaseAccounts::of(assembly)?));
    let accounts = accounts::collect(&mut sysusers::assembly(request, &order)?, MASTERS)?;
    base::prepare(assembly, request)?;
    let mut unpacker = Unpacker::new(assembly, request)?;
    let mut installation = Installation {
        skipping: Skipping::new(request),
        triggers: Triggers::of(&order.packages)?,
        system: System::new(assembly, request.packages, request.architecture)
            .within(request.limits),
        runs: Runs::default(),
        problems: Vec::new(),
        not_given: Vec::new(),
    };
    installation.system.answer(request.debconf.clone());
    installation.unpack(&order, &mut unpacker, &accounts)?;
    unpacker.finish(installation.system.assembly)?;
    layer::place(installation.system.assembly)?;
    let kept = overlay::place(installation.system.assembly)?;
    accounts::make_homes(installation.system.assembly, &accounts)?;
    installation.configure(&order);
    installation.act_on_triggers(&order);
    let outcome = installation.finish(&order, &accounts, kept)?;
    if let Some((base, own)) = based {
        own.check(base, &outcome.accounts)?;
    }
    Ok(outcome)
}

/// Packages while they are installed.
struct Installation<'s, 'a> {
    system: System<'s, 'a>,
    skipping: Skipping<'a>,
    triggers: Triggers<'a>,
    runs: Runs,
    problems: Vec<ScriptProblem>,
    /// What the definition gives instead of scripts, and can't be done.
    not_given: Vec<AssembleError>,
}

impl<'a> Installation<'_, 'a> {
    /// Unpacks every package, each but the essential ones behind its `preinst`.
    fn unpack(
        &mut self,
        order: &Order<'a>,
        unpacker: &mut Unpacker<'a>,
        accounts: &Accounts,
    ) -> Result<(), AssembleError> {
        let (essential, others) = order.packages.split_at(order.essential);
        for package in essential {
            self.unpack_one(package, unpacker)?;
        }
        accounts::write(self.system.assembly, accounts)?;
        for package in essential {
            self.run(package, &Script::Preinst);
        }
        for package in others {
            self.run(package, &Script::Preinst);
            self.unpack_one(package, unpacker)?;
        }
        Ok(())
    }

    fn unpack_one(
        &mut self,
        package: &'a Package,
        unpacker: &mut Unpacker<'a>,
    ) -> Result<(), AssembleError> {
        unpacker.unpack(self.system.assembly, package, &self.system.asked)?;
        self.system.set_state(&package.name, State::Unpacked);
        self.triggers.unpacked(package);
        self.incorporate();
        Ok(())
    }

    /// Configures every package.
    fn configure(&mut self, order: &Order<'a>) {
        let has_debconf = order.packages.iter().any(|package| package.name == "debconf");
        for package in &order.packages {
            if let Err(why) = self.system.load_templates(package) {
                self.problem(package, "templates", None, why);
            }
            if has_debconf {
                self.run(package, &Script::Config);
            }
            self.run(package, &Script::Postinst);
            self.system.set_state(&package.name, State::Installed);
            self.triggers.configured(package);
            self.incorporate();
        }
    }

    /// Has packages act on what others activated, until nothing is pending.
    fn act_on_triggers(&mut self, order: &Order<'a>) {
        for _ in 0..ROUNDS_MAX {
            let Some((name, triggers)) = self.triggers.next() else { return };
            let package = order.packages.iter().find(|package| package.name == name);
            if let Some(package) = package {
                self.run(package, &Script::Triggered(triggers));
                self.incorporate();
            }
        }
        if let Some((name, triggers)) = self.triggers.next() {
            let package = order.packages.iter().find(|package| package.name == name);
            if let Some(package) = package {
                let names = triggers.into_iter().collect::<Vec<_>>().join(", ");
                let why = format!("triggers activate one another without an end: {names}");
                let postinst = package.control.files.get("postinst");
                self.problem(package, "postinst", postinst.map(Vec::as_slice), why);
            }
        }
    }

    /// Counts what scripts have activated since the last time.
    fn incorporate(&mut self) {
        for name in std::mem::take(&mut self.system.asked.triggers) {
            self.triggers.activate(&name);
        }
    }

    /// Evaluates a script of a package, if it has it.
    fn run(&mut self, package: &Package, script: &Script) {
        let file = script.file_name();
        let Some(text) = package.control.files.get(file) else { return };
        if self.system.is_full() {
            // It would end where it begins, for what another one did.
            return;
        }
        let sha256 = Sha256::of(text);
        let decision = self.skipping.decide(&package.name, file, sha256);
        match decision {
            Decision::Skip => self.skipped(package, file, sha256, text),
            Decision::Give { given, before } => {
                let again =
                    file != "postinst" && package.control.files.get("postinst") == Some(text);
                self.give(package, file, sha256, given, Repeats { before, again });
            }
            Decision::Evaluate | Decision::GaveBefore => {}
        }
        let given = match decision {
            Decision::Give { given, .. } => given.files.as_slice(),
            _ => &[],
        };
        let (evaluated, decision) = match decision {
            Decision::Evaluate => (text.clone(), None),
            Decision::Skip => (generated(text), Some(ScriptDecision::Skip)),
            Decision::Give { .. } | Decision::GaveBefore => {
                (generated(text), Some(ScriptDecision::Give))
            }
        };
        let mut result = self.system.maintain(package, script, &evaluated, false);
        if self.system.take_frontend() {
            self.record(package, script, sha256, decision, given);
            if !self.start_frontend(package) {
                return;
            }
            result = self.system.maintain(package, script, &evaluated, true);
        }
        match result {
            Ok(Finished { status: 0, .. }) => {}
            Ok(finished) => {
                let why = failure(&format!("{script} of {}", package.name), &finished);
                self.problem(package, file, Some(text), why);
            }
            Err(stop) => self.problem(package, file, Some(text), stopped(&stop)),
        }
        self.record(package, script, sha256, decision, given);
    }

    /// What debconf's frontend does before a `preinst` that reads the confmodule: it loads the templates of the
    /// package and has its `config` ask. False where that fails, and the `preinst` with it.
    fn start_frontend(&mut self, package: &Package) -> bool {
        let before = self.problems.len();
        if let Err(why) = self.system.load_templates(package) {
            self.problem(package, "templates", None, why);
        }
        self.run(package, &Script::Config);
        self.problems.len() == before
    }

    /// Takes down what a script has changed since anything was taken down; `given` are files that the definition
    /// puts in the place of what it does.
    fn record(
        &mut self,
        package: &Package,
        script: &Script,
        sha256: Sha256,
        decision: Option<ScriptDecision>,
        given: &[Placed],
    ) {
        let effects = self.system.take_effects();
        for effect in effects.iter().filter(|effect| effect.is_shown()) {
            self.system.assembly.note(format!("{script} of {}: {effect}", package.name));
        }
        self.attribute(package, given, &effects);
        self.runs.add(&package.name, script, sha256, decision, &effects);
    }

    /// Notes what a package changed for which no distribution vouches: its script did, but for what the
    /// definition gives instead.
    fn attribute(&mut self, package: &Package, given: &[Placed], effects: &[Effect]) {
        let assembly = &mut *self.system.assembly;
        if !assembly.request.own_packages.contains(&package.name) {
            return;
        }
        let canonical = |file: &Placed| assembly.tree.canonical(bare(&file.path).as_bytes()).ok();
        let given: BTreeSet<Vec<u8>> = given.iter().filter_map(canonical).collect();
        for effect in effects {
            let Effect::Path(path, ..) = effect else { continue };
            let path = bare(path).as_bytes();
            if !given.contains(path) {
                assembly.attribution.changed(path, &package.name);
            }
        }
    }

    fn skipped(&mut self, package: &Package, script: &str, sha256: Sha256, text: &[u8]) {
        let notice = Notice::ScriptSkipped {
            package: package.name.clone(),
            script: script.to_owned(),
            sha256,
            lost_capabilities: lost_capabilities(text),
        };
        let notices = &mut self.system.assembly.notices;
        if !notices.contains(&notice) {
            notices.push(notice);
        }
    }

    /// Does what the definition gives instead of a script.
    fn give(
        &mut self,
        package: &Package,
        script: &str,
        sha256: Sha256,
        given: &Given,
        repeats: Repeats,
    ) {
        let of_user = |name: &str| given.users.iter().any(|user| user.name == name);
        let groups = given.groups.iter().filter(|group| !of_user(&group.name));
        self.system.assembly.notices.push(Notice::ScriptGiven {
            package: package.name.clone(),
            script: script.to_owned(),
            sha256,
            files: given.files.iter().map(|file| file.path.clone()).collect(),
            users: given.users.iter().map(|user| user.name.clone()).collect(),
            groups: groups.map(|group| group.name.clone()).collect(),
        });
        let errors = self.system.give(given, &skip::key(&package.name, "give"), repeats);
        self.not_given.extend(errors.into_iter().map(AssembleError::from));
    }

    fn problem(&mut self, package: &Package, script: &str, text: Option<&[u8]>, why: String) {
        self.problems.push(ScriptProblem {
            package: package.name.clone(),
            script: script.to_owned(),
            sha256: text.map(Sha256::of),
            skipped: self.skipping.of(&package.name),
            why,
        });
    }

    /// Tells all at once what went wrong with scripts, and what of the definition was for nothing.
    fn check(&mut self, order: &Order<'a>) -> Result<(), AssembleError> {
        let mut errors = Vec::new();
        let problems = std::mem::take(&mut self.problems);
        let answers = self.system.answer_problems(problems.is_empty());
        if !problems.is_empty() {
            errors.push(AssembleError::Scripts(problems));
        }
        if !answers.is_empty() {
            errors.push(AssembleError::Answers(answers));
        }
        let names = order.packages.iter().map(|package| package.name.as_str());
        errors.append(&mut self.not_given);
        // Scripts that a bound has kept from being looked at may be those.
        if !self.system.is_full() {
            errors.extend(self.skipping.check(&names.collect()).err().map(AssembleError::from));
        }
        AssembleError::of_all(errors)
    }

    fn finish(
        mut self,
        order: &Order<'a>,
        accounts: &Accounts,
        kept: BTreeSet<&'a str>,
    ) -> Result<Outcome<'a>, AssembleError> {
        if let Some(source) = self.system.take_broken() {
            let path = "(a file that a script reads)".to_owned();
            return Err(RootfsError::Read { path, source }.into());
        }
        self.check(order)?;
        let System { assembly, asked, unfixed, .. } = self.system;
        empty_volatile(assembly);
        let unfixed = accounts.unfixed().clone().into_iter().chain(unfixed).collect();
        let before = accounts;
        let accounts = accounts::read_back(assembly, unfixed)?;
        accounts.check_lock(&assembly.request.ids, before)?;
        Ok(Outcome { kept, asked, accounts, scripts: self.runs.finish() })
    }
}

/// Why an evaluation ended; what a script that does not parse has in its cause stands behind its name.
fn stopped(stop: &Stop) -> String {
    match stop {
        Stop::Syntax { script, source } => format!("{script}, {source}"),
        stop => stop.to_string(),
    }
}

/// Why a script failed, in the last words of what it called: a shell's start with the script and the line.
fn failure(name: &str, finished: &Finished) -> String {
    let errors = String::from_utf8_lossy(&finished.errors);
    let status = finished.status;
    let Some(last) = errors.lines().rfind(|line| !line.trim().is_empty()) else {
        return format!("{name}: ends with {status}, without a message");
    };
    let own = last.strip_prefix(name).and_then(|rest| rest.strip_prefix(": ")?.split_once(": "));
    match own {
        Some((line, words)) if line.bytes().all(|byte| byte.is_ascii_digit()) => {
            format!("{name}, line {line}: {words} (ends with {status})")
        }
        _ => format!("{name}: {last} (ends with {status})"),
    }
}

/// Takes away what scripts left in folders that every boot empties; what a package has there is its own.
fn empty_volatile(assembly: &mut Assembly<'_>) {
    let is_volatile = |path: &[u8]| {
        VOLATILE.iter().any(|folder| {
            path.strip_prefix(folder.as_bytes()).is_some_and(|rest| rest.starts_with(b"/"))
        })
    };
    let paths = assembly.tree.walk().into_iter().map(|(path, _)| path);
    let paths: Vec<Vec<u8>> = paths.filter(|path| is_volatile(path)).collect();
    // The deepest first.
    for path in paths.into_iter().rev() {
        let below = [path.as_slice(), b"/"].concat();
        let next = assembly.owners.range(below.clone()..).next();
        let holds_packaged = next.is_some_and(|(owned, _)| owned.starts_with(&below));
        if !holds_packaged && !assembly.owners.contains_key(&path) {
            assembly.tree.remove(&path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packages::debian::tests::{package, request, with_script};

    #[test]
    fn what_scripts_leave_where_every_boot_empties_is_not_of_the_image() {
        let script = "#!/bin/sh\nset -e\nmkdir -p /run/own/x /var/tmp/y /run/packaged/z\n\
                      echo a > /run/own/x/file\necho b > /tmp/file\nmkdir -p /srv/kept\n";
        let files = [("run/", ""), ("run/packaged/", ""), ("tmp/", ""), ("usr/bin/mkdir", "")];
        let mut one = with_script(package("a", "", &files), "postinst", script);
        one.entries[3].mode = 0o755;
        let packages = [one];
        let request = request(&packages);
        let mut assembly = Assembly::new(&request.root);
        install(&mut assembly, &request).unwrap();
        for (path, stays) in [
            ("run", true),
            ("run/packaged", true),
            ("run/packaged/z", false),
            ("run/own", false),
            ("tmp", true),
            ("tmp/file", false),
            ("var/tmp", true),
            ("var/tmp/y", false),
            ("srv/kept", true),
        ] {
            assert_eq!(assembly.find(path).is_some(), stays, "{path}");
        }
    }

    /// A key that is offered is one that helps: what is no script can't be skipped.
    #[test]
    fn templates_that_do_not_parse_offer_no_key() {
        use cvmkit_host::fault::Diagnosis as _;

        let packages = [with_script(package("a", "", &[]), "templates", "Template\n")];
        let request = request(&packages);
        let error = install(&mut Assembly::new(&request.root), &request).map(drop).unwrap_err();
        assert!(error.to_string().contains("templates of a: "), "{error}");
        assert_eq!(error.hint().as_deref(), Some("leave the packages out"));
    }

    #[test]
    fn triggers_that_activate_one_another_end() {
        let of = |name: &str, waits: &str, activates: &str| {
            let script = format!("#!/bin/sh\nset -e\ndpkg-trigger --no-await {activates}\n");
            let files = [("usr/bin/", ""), ("usr/bin/dpkg-trigger", "")];
            let files = if name == "a" { &files[..] } else { &files[..1] };
            let mut package = with_script(package(name, "", files), "postinst", &script);
            package.entries.iter_mut().for_each(|entry| entry.mode = 0o755);
            with_script(package, "triggers", &format!("interest-noawait {waits}\n"))
        };
        let packages = [of("a", "ping", "pong"), of("b", "pong", "ping")];
        let request = request(&packages);
        let error = install(&mut Assembly::new(&request.root), &request).map(drop).unwrap_err();
        assert!(error.to_string().contains("activate one another without an end"), "{error}");
    }

    /// Programs and debconf's functions, of a package that is unpacked before all others.
    fn programs() -> Package {
        let files = [("usr/bin/", ""), ("usr/bin/cat", ""), ("usr/share/debconf/confmodule", "")];
        let mut debconf = package("debconf", "Essential: yes\n", &files);
        debconf.entries[1].mode = 0o755;
        debconf
    }

    /// `/usr/share/debconf/frontend`: the templates are loaded and `config` has asked before a `preinst` goes on
    /// that reads the confmodule; what it did before that, it does twice.
    #[test]
    fn a_preinst_that_reads_the_confmodule_runs_below_the_frontend() {
        let templates = "Template: p/x\nType: string\nDefault: of the template\nDescription: d\n";
        let config = "#!/bin/sh\nset -e\n. /usr/share/debconf/confmodule\ndb_get p/x\n\
                      echo \"config $* $RET $DPKG_MAINTSCRIPT_NAME\" >> /etc/log\ndb_set p/x asked\n";
        let preinst = "#!/bin/sh\nset -e\necho \"before $* ${DEBIAN_HAS_FRONTEND:-none}\" >> /etc/log\n\
                       . /usr/share/debconf/confmodule\ndb_get p/x\necho \"preinst $* $RET\" >> /etc/log\n";
        let postinst = "#!/bin/sh\nset -e\n. /usr/share/debconf/confmodule\ndb_get p/x\n\
                        echo \"postinst $* $RET\" >> /etc/log\n";
        let asks = package("p", "", &[]);
        let asks = with_script(asks, "templates", templates);
        let asks = with_script(asks, "config", config);
        let asks = with_script(asks, "preinst", preinst);
        let packages = [programs(), package("base", "Essential: yes\n", &[("etc/", "")]), {
            with_script(asks, "postinst", postinst)
        }];
        let request = request(&packages);
        let mut assembly = Assembly::new(&request.root);
        let outcome = install(&mut assembly, &request).unwrap();
        let lines = "before install none\nconfig configure  of the template config\n\
                     before install 1\npreinst install asked\n\
                     config configure  asked config\npostinst configure  asked\n";
        assert_eq!(assembly.text("/etc/log").unwrap().as_deref(), Some(lines));
        let ran: Vec<&str> = outcome.scripts.iter().map(|one| one.script.as_str()).collect();
        assert_eq!(ran, ["preinst", "config", "postinst"]);
    }

    #[test]
    fn a_config_that_fails_keeps_the_frontend_from_the_preinst() {
        let asks = with_script(package("p", "", &[]), "config", "#!/bin/sh\nexit 3\n");
        let preinst = "#!/bin/sh\nset -e\n. /usr/share/debconf/confmodule\nexit 4\n";
        let packages = [programs(), with_script(asks, "preinst", preinst)];
        let request = request(&packages);
        let error = install(&mut Assembly::new(&request.root), &request).map(drop).unwrap_err();
        let said = error.to_string();
        assert!(said.contains("config of p: ends with 3"), "{said}");
        assert!(!said.contains("preinst"), "{said}");
    }

    /// Packages of kernels have one file for several scripts.
    #[test]
    fn what_is_given_for_a_text_is_given_for_each_script_that_has_it() {
        use crate::rootfs::{Changes, Placed, PlacedNode, UserRequest};

        let placed = |path: &str, user: &str, node| Placed {
            path: path.into(),
            mode: 0o755,
            user: user.into(),
            group: "root".into(),
            xattrs: std::collections::BTreeMap::new(),
            node,
        };
        let script = "#!/bin/sh\nfrobnicate\n";
        let both =
            with_script(package("a", "", &[("etc/", ""), ("etc/own", "x")]), "preinst", script);
        let packages = [with_script(both, "postinst", script)];
        let private = Changes { mode: Some(0o600), ..Changes::default() };
        let given = Given {
            users: vec![UserRequest { name: "web".into(), ..UserRequest::default() }],
            files: vec![
                placed("/etc/own", "root", PlacedNode::Existing(private)),
                placed("/srv/web", "web", PlacedNode::Directory),
            ],
            groups: Vec::new(),
        };
        let sha256 = Sha256::of(script.as_bytes());
        let give = [("a".to_owned(), [(sha256, given)].into())].into();
        let request = Request { give, ..request(&packages) };
        let mut assembly = Assembly::new(&request.root);
        let outcome = install(&mut assembly, &request).unwrap();
        let notices = assembly.notices.iter().map(ToString::to_string);
        let notices: Vec<String> = notices.collect();
        for (script, notice) in ["preinst of a", "postinst of a"].iter().zip(&notices) {
            assert!(notice.contains(script), "{notices:?}");
        }
        assert_eq!((notices.len(), outcome.scripts.len()), (2, 2));
        let id = assembly.find("/etc/own").unwrap();
        assert_eq!(assembly.tree.inode(id).meta.mode, 0o600);
        let effects = |at: usize| outcome.scripts[at].lines.join("\n");
        assert!(effects(0).contains("user web"), "{}", effects(0));
        assert!(effects(1).contains("/etc/own 0600"), "{}", effects(1));
    }

    /// Whether a digest is one of a script is not known while scripts were not looked at.
    #[test]
    fn nothing_is_for_nothing_where_a_bound_ended_the_evaluation() {
        let endless = "#!/bin/sh\nwhile :; do :; done\n";
        let of = |name: &str, script: &str| with_script(package(name, "", &[]), "postinst", script);
        let names: Vec<String> = (10..40).map(|number| format!("a{number}")).collect();
        let mut packages: Vec<Package> = names.iter().map(|name| of(name, endless)).collect();
        packages.push(of("z", "#!/bin/sh\nfrobnicate\n"));
        let sha256 = Sha256::of(b"#!/bin/sh\nfrobnicate\n");
        let skip = [("z".to_owned(), BTreeSet::from([sha256]))].into();
        let limits = cvmkit_shell::evaluation::Limits { steps: 1000, ..Default::default() };
        let request = Request { skip, limits, ..request(&packages) };
        let error = install(&mut Assembly::new(&request.root), &request).map(drop).unwrap_err();
        let said = error.to_string();
        assert!(said.contains("steps of all scripts"), "{said}");
        assert!(!said.contains("no effect") && !said.contains("matches none"), "{said}");
    }
}
