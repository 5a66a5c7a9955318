use super::*;
use crate::packages::{Index, RelationField};
use crate::release::PinPriority;

/// `name version; Field: value; ...`, one package a line, as the text of an index. Without a field
/// `Architecture` a package is for all of them.
pub(super) fn index_text(lines: &str) -> String {
    let paragraph = |line: &str| {
        let mut parts = line.split(';').map(str::trim);
        let (name, version) = parts.next().unwrap().split_once(' ').unwrap();
        let mut fields: String = parts.map(|field| format!("{field}\n")).collect();
        if !fields.contains("Architecture:") {
            fields += "Architecture: all\n";
        }
        format!(
            "Package: {name}\nVersion: {version}\n{fields}Filename: pool/{name}.deb\nSize: 1\n\
             SHA256: {}\n\n",
            "00".repeat(32)
        )
    };
    lines.lines().map(str::trim).filter(|line| !line.is_empty()).map(paragraph).collect()
}

/// What could be installed of one suite of packages.
pub(super) fn within<T>(lines: &str, check: impl FnOnce(&Universe<'_>) -> T) -> T {
    let text = index_text(lines);
    let index = Index::parse(text.as_bytes()).unwrap();
    let suite = Suite { id: "s", priority: PinPriority::Default, index: &index };
    check(&Universe::new(&[suite], &[], "amd64").unwrap())
}

pub(super) fn with<T>(lines: &str, check: impl FnOnce(&[Suite<'_>]) -> T) -> T {
    let text = index_text(lines);
    let index = Index::parse(text.as_bytes()).unwrap();
    check(&[Suite { id: "s", priority: PinPriority::Default, index: &index }])
}

const AMD64: Options<'_> = Options { architecture: "amd64", essential: false };

#[test]
fn a_request_is_a_name_with_or_without_a_version() {
    assert_eq!(split("a"), ("a", None));
    assert_eq!(split("a=1:2-3"), ("a", Some(("a", "1:2-3"))));
    assert_eq!(split("a=1=2"), ("a", Some(("a", "1=2"))));
}

#[test]
fn a_selection_is_sorted_and_found_by_name() {
    with("b 1; Depends: c\nc 1\na 1", |suites| {
        let selection = resolve(suites, &["b", "a"], &AMD64).unwrap();
        let names: Vec<_> = selection.packages.iter().map(|one| one.package.name).collect();
        assert_eq!(names, ["a", "b", "c"]);
        for name in names {
            assert_eq!(selection.get(name).unwrap().package.name, name);
        }
        assert!(selection.get("d").is_none());
    });
}

/// Debian Policy 3.8: nothing has to depend on an essential package. Other packages of the archive
/// stay out, and a request gives a better reason than being essential.
#[test]
fn essential_packages_come_first_if_asked_for() {
    let lines = "z 1; Essential: yes\ny 1; Essential: yes\nx 1; Essential: no\na 1";
    with(lines, |suites| {
        let reasons = |options: &Options<'_>| -> Vec<String> {
            let selection = resolve(suites, &["a", "z"], options).unwrap();
            let each = selection.packages.iter();
            each.map(|one| format!("{} {}", one.package.name, one.reason)).collect()
        };
        assert_eq!(reasons(&AMD64), ["a requested", "z requested"]);
        let all = Options { essential: true, ..AMD64 };
        assert_eq!(reasons(&all), ["a requested", "y essential", "z requested"]);
    });
}

/// The reason is the one of the request or of the package that was marked first.
#[test]
fn reasons_name_package_field_and_relation() {
    let lines = "a 1; Depends: b | c, d\nb 1; Pre-Depends: d (>= 1)\nc 1\nd 1";
    with(lines, |suites| {
        let selection = resolve(suites, &["a"], &AMD64).unwrap();
        let reason = |name: &str| selection.get(name).unwrap().reason.clone();
        let (of, relation) = ("a", "b | c".to_owned());
        let field = RelationField::Depends;
        assert_eq!(reason("b"), Reason::Dependency { of, field, relation });
        assert_eq!(reason("d").to_string(), "Pre-Depends of b: d (>= 1)");
        let chain: Vec<_> = selection.explain("d").iter().map(|one| one.package.name).collect();
        assert_eq!(chain, ["d", "b", "a"]);
    });
}

#[test]
fn an_explanation_of_a_circle_ends() {
    with("a 1; Depends: b\nb 1; Depends: a", |suites| {
        let mut selection = resolve(suites, &["a"], &AMD64).unwrap();
        let (of, field, relation) = ("b", RelationField::Depends, "a".to_owned());
        selection.packages[0].reason = Reason::Dependency { of, field, relation };
        let len = selection.explain("a").len();
        assert!((2..=4).contains(&len), "{len}");
    });
}
