use super::super::tests::within;
use super::*;

/// A marking of an archive in which nothing is marked yet.
fn marking<T>(lines: &str, check: impl FnOnce(&mut Marking<'_, '_>) -> T) -> T {
    within(lines, |universe| check(&mut Marking::new(universe)))
}

impl<'a> Marking<'_, 'a> {
    fn id(&self, name: &str) -> usize {
        self.universe.find(name).unwrap()
    }

    fn state(&mut self, name: &str) -> &mut State<'a> {
        let id = self.id(name);
        &mut self.states[id]
    }

    fn mark(&mut self, names: &[&str]) {
        for name in names {
            self.state(name).installed = true;
        }
    }

    fn marked(&self) -> Vec<&'a str> {
        let marked = (0..self.states.len()).filter(|&id| self.states[id].installed);
        marked.map(|id| self.universe.name(id)).collect()
    }

    /// The solutions of the first dependency of `a`, in the order in which they are tried.
    fn solutions_of_a(&self) -> Vec<&'a str> {
        let groups = &self.universe.dependencies(self.id("a")).unwrap().groups;
        self.solutions(&groups[0]).into_iter().map(|id| self.universe.name(id)).collect()
    }
}

const DEPENDENCY: By = By::Dependency { depth: 1 };

/// Every rule against those behind it (apt: `CompareProviders`).
#[test]
fn providers_have_an_order() {
    let cases: [(&str, &[&str]); 6] = [
        // The package of the name, even against an essential provider.
        ("p 1; Provides: v; Essential: yes\nv 1; Priority: extra", &["v", "p"]),
        (
            "p 1; Provides: v; Essential: yes; Priority: extra\nq 1; Provides: v; Protected: yes",
            &["p", "q"],
        ),
        (
            "p 1; Provides: v; Protected: yes; Priority: extra\nq 1; Provides: v; Priority: required",
            &["p", "q"],
        ),
        (
            "u 1; Provides: v\nr 1; Provides: v; Priority: required\n\
             i 1; Provides: v; Priority: important\ns 1; Provides: v; Priority: standard\n\
             o 1; Provides: v; Priority: optional\ne 1; Provides: v; Priority: extra",
            &["u", "r", "i", "s", "o", "e"],
        ),
        // What apt met last.
        ("p 1; Provides: v\nq 1; Provides: v", &["q", "p"]),
        ("b 1; Suggests: q\np 1; Provides: v\nq 1; Provides: v", &["p", "q"]),
    ];
    for (lines, expected) in cases {
        marking(&format!("a 1; Depends: v\n{lines}"), |marking| {
            assert_eq!(marking.solutions_of_a(), expected, "{lines}");
        });
    }
    marking("a 1; Depends: v\nv 1\np 1; Provides: v", |marking| {
        marking.mark(&["p"]);
        assert_eq!(marking.solutions_of_a(), ["v", "p"]);
        marking.state("p").protected = true;
        assert_eq!(marking.solutions_of_a(), ["p", "v"], "a settled package comes first");
    });
}

#[test]
fn solutions_are_what_may_still_be_marked() {
    let lines = "a 1; Depends: p | q | r | s | p\np 1\nq 1\nr 1\ns 1";
    marking(lines, |marking| {
        assert_eq!(marking.solutions_of_a(), ["p", "q", "r", "s", "p"]);
        marking.state("q").refused = Some("why".into());
        marking.state("r").protected = true;
        marking.mark(&["s"]);
        marking.state("s").protected = true;
        assert_eq!(marking.solutions_of_a(), ["p", "s", "p"]);
    });
    marking("a 1; Depends: p | v\np 1; Provides: v", |marking| {
        assert_eq!(marking.solutions_of_a(), ["p"]);
    });
}

#[test]
fn a_settled_package_sees_to_everything_another_to_what_is_open() {
    marking("a 1; Depends: b, c; Conflicts: d, e\nb 1\nc 1\nd 1\ne 1", |marking| {
        marking.mark(&["b", "d"]);
        let work = |protected| {
            let work = marking.work(marking.id("a"), protected).unwrap();
            let groups: Vec<_> = work.groups.iter().map(|group| group.text()).collect();
            let negative: Vec<_> = work.negative.iter().map(|(_, one)| one.name).collect();
            (groups.join(" "), negative.join(" "))
        };
        assert_eq!(work(false), ("c".to_owned(), "d".to_owned()));
        assert_eq!(work(true), ("b c".to_owned(), "d e".to_owned()));
    });
}

/// What a settled package conflicts with is out for good; another only takes it back.
#[test]
fn conflicts_take_packages_back() {
    let lines = "a 1; Conflicts: b; Breaks: c\nb 1\nc 1";
    marking(lines, |marking| {
        marking.mark(&["b"]);
        let (a, work) = (marking.id("a"), marking.work(marking.id("a"), false).unwrap());
        assert!(marking.rule_out(a, &work, false, false));
        assert_eq!(marking.state("b").given_up.as_deref(), Some("`a` Conflicts `b`"));
        let b = marking.state("b");
        assert!(!b.installed && !b.protected && b.is_candidate());
        assert!(marking.state("c").given_up.is_none());
    });
    marking(lines, |marking| {
        marking.mark(&["b"]);
        let (a, work) = (marking.id("a"), marking.work(marking.id("a"), true).unwrap());
        assert!(marking.rule_out(a, &work, true, true));
        for (name, why) in [("b", "`a` Conflicts `b`"), ("c", "`a` Breaks `c`")] {
            let state = marking.state(name);
            assert!(!state.installed && state.protected, "{name}");
            assert_eq!(state.refused.as_deref(), Some(why));
        }
    });
}

#[test]
fn a_settled_rival_stays() {
    for (settled, rest) in [(true, false), (false, true)] {
        marking("a 1; Conflicts: b, c\nb 1\nc 1", |marking| {
            marking.mark(&["b", "c"]);
            marking.state("b").protected = true;
            let (a, work) = (marking.id("a"), marking.work(marking.id("a"), false).unwrap());
            assert!(!marking.rule_out(a, &work, false, settled));
            assert!(marking.state("b").installed);
            assert_eq!(marking.state("a").given_up.as_deref(), Some("`a` Conflicts `b`"));
            // A settled package goes on with the next conflict, another gives up at once.
            assert_eq!(marking.state("c").installed, rest, "settled: {settled}");
        });
    }
}

/// Debian Policy 7.6.2: a package that provides what it conflicts with is the only one of its kind.
#[test]
fn no_package_is_its_own_rival() {
    marking("a 1; Provides: v; Conflicts: v\nb 1; Provides: v", |marking| {
        let a = marking.id("a");
        let (_, relation) = &marking.universe.dependencies(a).unwrap().negative[0];
        assert_eq!(marking.rivals(a, relation).collect::<Vec<_>>(), [marking.id("b")]);
    });
}

#[test]
fn dependencies_nest_only_so_deep() {
    marking("a 1", |marking| {
        let a = marking.id("a");
        let deepest = By::Dependency { depth: DEPTH_MAX };
        assert_eq!(marking.install(a, deepest), Ok(true));
        let deeper = By::Dependency { depth: DEPTH_MAX + 1 };
        assert_eq!(marking.install(a, deeper), Err(ResolveError::TooDeep("a".to_owned())));
    });
}

#[test]
fn what_is_ruled_out_is_not_marked_again() {
    marking("a 1\nb 1", |marking| {
        let (a, b) = (marking.id("a"), marking.id("b"));
        marking.state("a").protected = true;
        marking.state("b").refused = Some("why".into());
        assert_eq!(marking.install(a, DEPENDENCY), Ok(false));
        assert_eq!(marking.install(b, DEPENDENCY), Ok(false));
        assert_eq!(marking.install(b, By::Request), Ok(false));
        assert!(marking.marked().is_empty());
        marking.state("a").protected = false;
        assert_eq!(marking.install(a, DEPENDENCY), Ok(true));
        assert!(!marking.state("a").protected, "marking settles nothing");
        assert_eq!(marking.marked(), ["a"]);
    });
}

#[test]
fn a_mark_that_fails_is_taken_back_and_says_why() {
    let lines = "b 1; Depends: x, y\nx 1\ny 1; Depends: missing";
    marking(lines, |marking| {
        let b = marking.id("b");
        assert_eq!(marking.install(b, DEPENDENCY), Ok(false));
        // What it pulled in stays until the sweep.
        assert_eq!(marking.marked(), ["x"]);
        let y = "`y` Depends on `missing`, but no suite has `missing`";
        assert_eq!(marking.state("y").refused.as_deref(), Some(y));
        let b = format!("`b` Depends on `y`, but `y` can't be installed: {y}");
        assert_eq!(marking.state("b").refused, Some(b));
    });
    // A request stays, and what it alone can be satisfied with: the error names what is missing.
    marking(lines, |marking| {
        let b = marking.id("b");
        (marking.state("b").installed, marking.state("b").protected) = (true, true);
        assert_eq!(marking.install(b, By::Request), Ok(false));
        assert_eq!(marking.marked(), ["b", "x", "y"]);
        assert!(marking.state("b").refused.is_none());
        assert!(matches!(marking.check(), Err(ResolveError::Unsatisfied { .. })));
    });
}

/// Protection spreads from a settled package to what nothing else can replace.
#[test]
fn the_only_solution_is_settled() {
    for (relation, installed, expected) in
        [("b", false, true), ("b", true, true), ("b | c", false, false), ("b | c", true, false)]
    {
        let lines = format!("a 1; Depends: {relation}\nb 1\nc 1");
        marking(&lines, |marking| {
            marking.state("b").installed = installed;
            (marking.state("a").installed, marking.state("a").protected) = (true, true);
            let a = marking.id("a");
            assert_eq!(marking.install(a, By::Request), Ok(true));
            assert_eq!(marking.marked(), ["a", "b"]);
            assert_eq!(marking.state("b").protected, expected, "{relation} {installed}");
        });
    }
}

/// The consequence: what a settled package needs is not given up for an alternative of another.
#[test]
fn a_settled_dependency_survives_a_conflict() {
    let select = |depends: &str| {
        let lines = format!(
            "a 1; Depends: {depends}\nb 1\nc 1; Depends: d | e\nd 1; Conflicts: b\ne 1\nx 1"
        );
        within(&lines, |universe| {
            let wanted = ["a", "c"].map(|name| (universe.find(name).unwrap(), Reason::Requested));
            let selection = Marking::new(universe).select(&wanted)?;
            let names = selection.packages.iter().map(|one| one.package.name.to_owned());
            Ok::<_, ResolveError>(names.collect::<Vec<_>>())
        })
    };
    assert_eq!(select("b").unwrap(), ["a", "b", "c", "e"]);
    // With a choice `b` is given up, and apt's problem resolver would have to look for `x`.
    assert!(
        matches!(select("b | x"), Err(ResolveError::Unsatisfied { package, .. }) if package == "a")
    );
}

#[test]
fn the_sweep_keeps_what_is_reached() {
    let lines = "a 1; Recommends: r; Suggests: s; Enhances: n\nr 1\ns 1; Depends: t\nt 1\nn 1\n\
                 e 1; Essential: yes; Depends: f\nf 1\np 1; Protected: yes\nx 1; Essential: yes\n\
                 l 1; Depends: a";
    marking(lines, |marking| {
        marking.mark(&["a", "r", "s", "t", "n", "e", "f", "p", "l"]);
        marking.sweep(&[(marking.id("a"), Reason::Requested)]).unwrap();
        assert_eq!(marking.marked(), ["a", "r", "s", "t", "e", "f", "p"]);
    });
}

/// A conflict comes before what is missing, whatever the order of the packages.
#[test]
fn a_broken_selection_is_refused() {
    marking("a 1; Depends: missing\nb 1; Breaks: c (<< 2)\nc 1\nd 1; Depends: c", |marking| {
        assert_eq!(marking.check(), Ok(()));
        marking.mark(&["c", "d"]);
        assert_eq!(marking.check(), Ok(()));
        marking.mark(&["a"]);
        let error = marking.check().unwrap_err();
        assert!(matches!(error, ResolveError::Unsatisfied { package, .. } if package == "a"));
        marking.mark(&["b"]);
        assert_eq!(
            marking.check(),
            Err(ResolveError::Conflict {
                package: "b".into(),
                field: "Breaks",
                relation: "c (<< 2)".into(),
                with: "c 1".into(),
            })
        );
    });
}

#[test]
fn every_alternative_has_an_obstacle() {
    marking("b 1\nc 2\nd 1\np 1; Provides: v", |marking| {
        marking.state("c").given_up = Some("why".into());
        marking.state("d").refused = Some("that".into());
        marking.state("d").given_up = Some("not this".into());
        let cases = [
            ("b", "`b` was not tried: request it by name"),
            ("b (>> 1)", "`b` is version 1"),
            ("c", "`c` was rejected: why"),
            ("d", "`d` can't be installed: that"),
            ("v", "`p` was not tried: request it by name"),
            ("x (= 1)", "no suite has `x`"),
        ];
        for (relation, expected) in cases {
            let groups = crate::relation::parse(relation).unwrap();
            assert_eq!(marking.obstacle(&groups[0][0]), expected, "{relation}");
        }
    });
}

#[test]
fn the_first_refusal_is_kept_and_what_is_marked_has_none() {
    marking("a 1\nb 1", |marking| {
        let (a, b) = (marking.id("a"), marking.id("b"));
        marking.refuse(a, "first".into());
        marking.refuse(a, "second".into());
        assert_eq!(marking.state("a").refused.as_deref(), Some("first"));
        marking.mark(&["b"]);
        marking.refuse(b, "why".into());
        assert!(marking.state("b").refused.is_none());
    });
}
