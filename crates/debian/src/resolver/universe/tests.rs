use super::super::tests::{index_text, within};
use super::*;
use crate::packages::Index;
use crate::release::PinPriority;

/// The names a relation is true of, in the order in which they are tried.
fn targets(universe: &Universe<'_>, relation: &'static str) -> Vec<String> {
    let groups = relation::parse(relation).unwrap();
    let ids = universe.targets(&groups[0][0]);
    ids.into_iter().map(|id| universe.name(id).to_owned()).collect()
}

/// Debian Policy 7.5: a relation with a version is satisfied by a package of the name, or by a
/// `Provides` with a version.
#[test]
fn relations_are_true_of_the_package_and_of_its_providers() {
    let lines = "q 1; Provides: v (= 2), w\np 9; Provides: v\nv 1\nr 3; Provides: v (= 1)";
    let cases: [(&str, &[&str]); 9] = [
        ("v", &["v", "q", "p", "r"]),
        ("v (= 1)", &["v", "r"]),
        ("v (>= 2)", &["q"]),
        ("v (<< 2)", &["v", "r"]),
        // The version of the package that provides does not count.
        ("v (= 9)", &[]),
        ("v (= 3)", &[]),
        ("w", &["q"]),
        ("w (>= 0)", &[]),
        ("x", &[]),
    ];
    within(lines, |universe| {
        for (relation, expected) in cases {
            assert_eq!(targets(universe, relation), expected, "{relation}");
        }
    });
}

/// deb-control(5): a `Depends: a:any` needs `Multi-Arch: allowed`.
#[test]
fn architecture_qualifiers() {
    let lines = "n 1\ns 1; Multi-Arch: same\nf 1; Multi-Arch: foreign\na 1; Multi-Arch: allowed";
    let cases: [(&str, bool); 10] = [
        ("n:native", true),
        ("n:amd64", true),
        ("n:i386", false),
        ("n:any", false),
        ("s:any", false),
        ("f:any", false),
        ("a:any", true),
        ("a:native", true),
        ("a:amd64", true),
        ("a:arm64", false),
    ];
    within(lines, |universe| {
        for (relation, expected) in cases {
            assert_eq!(!targets(universe, relation).is_empty(), expected, "{relation}");
        }
    });
}

/// A relation of other architectures is none, an alternative of others is left out of its group
/// (Debian Policy 7.1).
#[test]
fn dependencies_are_those_of_the_architecture_in_the_order_of_apt() {
    let lines = "a 1; Depends: d [amd64] | e [i386], f [i386]; Pre-Depends: g; \
                 Breaks: h [!amd64], i; Conflicts: j";
    within(lines, |universe| {
        let found = universe.dependencies(universe.find("a").unwrap()).unwrap();
        let groups: Vec<_> =
            found.groups.iter().map(|group| (group.field.name(), group.text())).collect();
        let expected = [("Pre-Depends", "g".to_owned()), ("Depends", "d [amd64]".to_owned())];
        assert_eq!(groups, expected);
        let negative: Vec<_> =
            found.negative.iter().map(|(field, one)| (field.name(), one.name)).collect();
        assert_eq!(negative, [("Conflicts", "j"), ("Breaks", "i")]);
    });
}

#[test]
fn a_relation_that_does_not_parse_names_package_and_field() {
    let text = index_text("a 1; Provides: b c");
    let index = Index::parse(text.as_bytes()).unwrap();
    let suite = Suite { id: "s", priority: PinPriority::Default, index: &index };
    let error = Universe::new(&[suite], &[], "amd64").err().unwrap();
    assert!(
        matches!(&error, ResolveError::Relation { package, field: "Provides", .. } if package == "a"),
        "{error}"
    );
    within("a 1; Breaks: (", |universe| {
        let error = universe.dependencies(0).err().unwrap();
        assert!(matches!(error, ResolveError::Relation { field: "Breaks", .. }), "{error}");
    });
}

/// apt_preferences(5): the priority decides before the version; between equals the suite that is
/// listed first.
#[test]
fn one_candidate_of_each_name() {
    let texts = [
        "a 1\nb 1; Architecture: amd64\nc 2\nd 1",
        "a 2\nb 3; Architecture: arm64\nc 1\nd 1",
        "a 9\nc 9\ne 1",
    ];
    let texts = texts.map(index_text);
    let indices = texts.each_ref().map(|text| Index::parse(text.as_bytes()).unwrap());
    let suite = |id, at: usize, priority| Suite { id, priority, index: &indices[at] };
    let suites = [
        suite("first", 0, PinPriority::Default),
        suite("second", 1, PinPriority::Default),
        suite("experimental", 2, PinPriority::NotAutomatic),
    ];
    let universe = Universe::new(&suites, &[], "amd64").unwrap();
    let candidates = universe.candidates.iter().map(|candidate| {
        let package = candidate.package;
        format!("{} {} {}", package.name, package.version, candidate.suite.id)
    });
    let expected = ["a 2 second", "b 1 first", "c 2 first", "d 1 first", "e 1 experimental"];
    assert_eq!(candidates.collect::<Vec<_>>(), expected);

    // A pin is a text: it neither compares nor takes another architecture.
    let pinned = Universe::new(&suites, &[("a", "9"), ("c", "1")], "amd64").unwrap();
    let version = |name| pinned.candidates[pinned.find(name).unwrap()].package.version.as_str();
    assert_eq!([version("a"), version("b"), version("c")], ["9", "1", "1"]);
    for (name, version, expected) in
        [("d", "1-0", &["1", "1"][..]), ("b", "3", &["1"][..]), ("a", "0", &["1", "2", "9"][..])]
    {
        let error = Universe::new(&suites, &[(name, version)], "amd64").err().unwrap();
        let ResolveError::UnknownVersion { known, .. } = error else {
            unreachable!("{error}");
        };
        assert_eq!(known, expected, "{name}={version}");
    }
}

#[test]
fn essential_packages_are_listed_by_name() {
    let lines = "z 1; Essential: yes\nb 1; Essential: no\na 1; Essential: yes\nc 1\n\
                 d 1; Essential: yes; Architecture: i386";
    within(lines, |universe| {
        let names: Vec<_> = universe.essential().map(|id| universe.name(id)).collect();
        assert_eq!(names, ["a", "z"]);
    });
}

#[test]
fn unknown_names_have_similar_ones() {
    let lines = "openssh-server 1\nopenssh-client 1\nopenssl 1\nnginx 1\nlibssl3 1; Provides: tls\n\
                 libssl2 1; Provides: tls, tls";
    let near = |universe: &Universe<'_>, name: &str| match universe.find(name) {
        Err(ResolveError::UnknownPackage { near, .. }) => near,
        other => unreachable!("{other:?}"),
    };
    within(lines, |universe| {
        assert_eq!(near(universe, "ngnix"), ["nginx"]);
        // One letter of six may be wrong besides one; more is another name.
        assert_eq!(near(universe, "nginy"), ["nginx"]);
        assert!(near(universe, "ngabc").is_empty());
        // The start of a name is as good.
        assert_eq!(near(universe, "openssh"), ["openssl", "openssh-client", "openssh-server"]);
        assert!(near(universe, "").is_empty());
        let Err(ResolveError::VirtualPackage { providers, .. }) = universe.find("tls") else {
            unreachable!("a virtual package is found");
        };
        assert_eq!(providers, ["libssl2", "libssl3"]);
    });
    let many: String = (0..9).map(|at| format!("abcdef{at} 1\n")).collect();
    within(&many, |universe| assert_eq!(near(universe, "abcdef").len(), NEAR_NAMES));
}

/// Names count as they are read: as packages and in any relation, a name once.
#[test]
fn mentions_are_counted_in_the_order_of_the_index() {
    let lines = "a 1; Enhances: d (>= 1); Depends: x | c:any, d\nb 1; Suggests: a\nc 1\nd 1";
    within(lines, |universe| {
        let mention = |name| universe.first_mention(universe.find(name).unwrap());
        // `x` is not a package, and `c:any` is a name of its own to apt.
        assert_eq!([mention("a"), mention("d"), mention("b"), mention("c")], [0, 1, 2, 3]);
    });
}

/// What keeps a package in the selection.
#[test]
fn mentioned_are_dependencies_recommendations_and_suggestions() {
    let lines = "a 1; Depends: b | c; Recommends: d; Suggests: e | v; Enhances: f; Conflicts: g\n\
                 b 1\nc 1\nd 1\ne 1\nf 1\ng 1\np 1; Provides: v";
    within(lines, |universe| {
        let found = universe.mentioned(universe.find("a").unwrap()).unwrap();
        let names: Vec<_> = found.into_iter().map(|id| universe.name(id)).collect();
        assert_eq!(names, ["b", "c", "d", "e", "p"]);
    });
}
