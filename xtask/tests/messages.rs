//! A catalogue of the texts that people read, one snapshot per crate, so that wording is reviewed as a whole.
//!
//! It parses the sources, tests left out, and lists each text below the item that holds it: what an error
//! displays, the words of hints, notes and warnings, and every other literal that reads like prose. Format
//! strings stand as written. The snapshots of `crates/cli/tests` have the rest: `--help` and results.
//!
//! After a change of wording run `INSTA_UPDATE=always cargo test -p xtask --test messages` and read the
//! diff as prose.

#![expect(clippy::disallowed_methods, reason = "the test reads the project's own files")]
#![expect(clippy::unwrap_used, reason = "a test ends where its premises do")]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use syn::buffer::{Cursor, TokenBuffer};
use syn::visit::{self, Visit};
use syn::{Attribute, Ident, Lit, LitStr};

/// Functions whose literals, or arguments when called, a person reads even if they are one word.
const SPEAKERS: [&str; 3] = ["hint", "note", "warning"];

/// Macros whose text only a programmer reads, after a bug.
const BUGS: [&str; 7] =
    ["assert", "assert_eq", "assert_ne", "debug_assert", "debug_assert_eq", "panic", "unreachable"];

/// The texts of one file.
#[derive(Default)]
struct Texts {
    /// In the order of the file, each with the path of its item, such as `ReleaseError::Expired`.
    found: Vec<(String, String)>,
    /// How many are the text of an `#[error]`.
    errors: usize,
    /// The items around the visited node.
    items: Vec<String>,
    /// Nonzero inside of a speaker.
    speaking: usize,
}

impl Texts {
    fn of(source: &str) -> Self {
        let mut texts = Self::default();
        texts.visit_file(&syn::parse_file(source).unwrap());
        texts
    }

    fn inside(&mut self, item: impl ToString, visit: impl FnOnce(&mut Self)) {
        self.items.push(item.to_string());
        visit(self);
        self.items.pop();
    }

    fn speaking(&mut self, visit: impl FnOnce(&mut Self)) {
        self.speaking += 1;
        visit(self);
        self.speaking -= 1;
    }

    /// A function's body, unless it is a test.
    fn function(&mut self, name: &Ident, attributes: &[Attribute], visit: impl FnOnce(&mut Self)) {
        if is_of_tests(attributes) {
            return;
        }
        self.inside(name, |texts| match SPEAKERS.iter().any(|speaker| name == speaker) {
            true => texts.speaking(visit),
            false => visit(texts),
        });
    }

    /// The text of `#[error("...", values)]`, then those among the values.
    fn error(&mut self, attributes: &[Attribute]) {
        let errors = attributes.iter().filter(|attribute| attribute.path().is_ident("error"));
        for list in errors.filter_map(|attribute| attribute.meta.require_list().ok()) {
            let tokens = TokenBuffer::new2(list.tokens.clone());
            let Some((text, values)) = tokens.begin().literal() else { continue };
            self.errors += 1;
            let Ok(Lit::Str(text)) = syn::parse_str(&text.to_string()) else { continue };
            self.keep(text.value());
            self.speaking(|texts| texts.literals(values));
        }
    }

    /// The texts among the tokens of a macro: few macros take expressions alone.
    fn literals(&mut self, mut at: Cursor<'_>) {
        while !at.eof() {
            if let Some((inner, _, _, next)) = at.any_group() {
                self.literals(inner);
                at = next;
            } else if let Some((literal, next)) = at.literal() {
                if let Ok(Lit::Str(text)) = syn::parse_str(&literal.to_string()) {
                    self.visit_lit_str(&text);
                }
                at = next;
            } else if let Some((_, next)) = at.token_tree() {
                at = next;
            }
        }
    }

    fn keep(&mut self, text: String) {
        let found = (self.items.join("::"), text);
        if !self.found.contains(&found) {
            self.found.push(found);
        }
    }
}

impl<'ast> Visit<'ast> for Texts {
    fn visit_attribute(&mut self, _: &'ast Attribute) {}

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if !is_of_tests(&item.attrs) {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_enum(&mut self, item: &'ast syn::ItemEnum) {
        self.inside(&item.ident, |texts| visit::visit_item_enum(texts, item));
    }

    fn visit_variant(&mut self, variant: &'ast syn::Variant) {
        self.inside(&variant.ident, |texts| texts.error(&variant.attrs));
    }

    fn visit_item_struct(&mut self, item: &'ast syn::ItemStruct) {
        self.inside(&item.ident, |texts| texts.error(&item.attrs));
    }

    fn visit_item_const(&mut self, item: &'ast syn::ItemConst) {
        self.inside(&item.ident, |texts| visit::visit_item_const(texts, item));
    }

    fn visit_item_static(&mut self, item: &'ast syn::ItemStatic) {
        self.inside(&item.ident, |texts| visit::visit_item_static(texts, item));
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        let of = match &*item.self_ty {
            syn::Type::Path(of) => of.path.segments.last().map(|segment| &segment.ident),
            _ => None,
        };
        let name = of.map_or_else(|| "impl".to_owned(), ToString::to_string);
        self.inside(name, |texts| visit::visit_item_impl(texts, item));
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.function(&item.sig.ident, &item.attrs, |texts| {
            visit::visit_impl_item_fn(texts, item);
        });
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.function(&item.sig.ident, &item.attrs, |texts| visit::visit_item_fn(texts, item));
    }

    fn visit_item_macro(&mut self, item: &'ast syn::ItemMacro) {
        let name = item.mac.path.segments.last().map(|segment| format!("{}!", segment.ident));
        self.inside(name.unwrap_or_default(), |texts| visit::visit_item_macro(texts, item));
    }

    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        if call.method == "expect" {
            self.visit_expr(&call.receiver);
        } else if SPEAKERS.iter().any(|speaker| call.method == speaker) {
            self.speaking(|texts| visit::visit_expr_method_call(texts, call));
        } else {
            visit::visit_expr_method_call(self, call);
        }
    }

    fn visit_macro(&mut self, of: &'ast syn::Macro) {
        if !BUGS.iter().any(|bug| of.path.is_ident(bug)) {
            self.literals(TokenBuffer::new2(of.tokens.clone()).begin());
        }
    }

    fn visit_lit_str(&mut self, literal: &'ast LitStr) {
        let text = literal.value();
        if is_prose(&text, if self.speaking > 0 { 1 } else { 2 }) {
            self.keep(text);
        }
    }
}

fn is_of_tests(attributes: &[Attribute]) -> bool {
    let is_cfg_test = |attribute: &Attribute| {
        attribute.path().is_ident("cfg")
            && attribute.parse_args::<Ident>().is_ok_and(|condition| condition == "test")
    };
    attributes.iter().any(|attribute| attribute.path().is_ident("test") || is_cfg_test(attribute))
}

/// True with so many words of two letters or more; a placeholder stands for one.
fn is_prose(text: &str, words: usize) -> bool {
    let is_word = |word: &str| {
        let word = word.trim_matches(|letter: char| ".,:;()'`".contains(letter));
        word.len() > 1 && word.bytes().all(|byte| byte.is_ascii_lowercase())
    };
    let (found, others): (Vec<_>, Vec<_>) = text.split_whitespace().partition(|word| is_word(word));
    let has_placeholder = others.iter().any(|word| word.contains('{'));
    !found.is_empty() && found.len() + usize::from(has_placeholder) >= words
}

#[test]
fn prose_is_told_from_names() {
    for text in ["no such file", "expected {}", "{found}, expected a number", "it is (almost) so"] {
        assert!(is_prose(text, 2), "{text}");
    }
    for text in ["signature", "usr/lib/os-release", "{}/{name}", "-netdev user", "PCR 11", ""] {
        assert!(!is_prose(text, 2), "{text}");
    }
}

#[test]
fn texts_of_all_kinds_are_found() {
    let source = r#"
        #[derive(Error)]
        enum Error {
            #[error("of `{}`, \
                     joined", path.display())]
            Named { path: PathBuf },
            #[error("dated {}", Date(*.at))]
            Dated { at: u64 },
            #[error(transparent)]
            Other(Cause),
        }
        impl Diagnosis for Error {
            fn hint(&self) -> Option<String> {
                Some("wait".into())
            }
        }
        fn act(console: &Console) {
            console.note("done");
            let key = "key";
            notes.push(format!("the {key} has no {}", ["second half", "x"][1]));
            assert!(true, "a bug of ours");
        }
        #[cfg(test)]
        mod tests {
            fn of_tests() { say("words of a test"); }
        }
    "#;
    let texts = Texts::of(source);
    let found: Vec<_> = texts.found.iter().map(|(at, text)| (at.as_str(), text.as_str())).collect();
    let expected = [
        ("Error::Named", "of `{}`, joined"),
        ("Error::Dated", "dated {}"),
        ("Error::hint", "wait"),
        ("act", "done"),
        ("act", "the {key} has no {}"),
        ("act", "second half"),
    ];
    assert_eq!(found, expected);
    assert_eq!(texts.errors, 2);
}

/// The files of a crate's `src` by their path below it, those of tests left out.
fn sources(folder: &Path, prefix: &str, files: &mut Vec<(String, PathBuf)>) {
    let mut entries: Vec<_> = fs::read_dir(folder).unwrap().map(Result::unwrap).collect();
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let (name, path) = (entry.file_name().into_string().unwrap(), entry.path());
        if path.is_dir() && name != "tests" {
            sources(&path, &format!("{prefix}{name}/"), files);
        } else if name.ends_with(".rs") && name != "tests.rs" {
            files.push((format!("{prefix}{name}"), path));
        }
    }
}

/// Compares a crate's texts with the reviewed ones. The least numbers keep a catalogue whole that the
/// parser would empty.
#[track_caller]
fn review(name: &str, least_errors: usize, least_texts: usize) {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("crates");
    let mut files = Vec::new();
    sources(&crates.join(name).join("src"), "", &mut files);
    let (mut catalogue, mut errors, mut count) = (String::new(), 0, 0);
    for (name, path) in files {
        let texts = Texts::of(&fs::read_to_string(path).unwrap());
        errors += texts.errors;
        count += texts.found.len();
        let mut item = None;
        for (at, text) in &texts.found {
            if item.is_none() {
                writeln!(catalogue, "\n{name}").unwrap();
            }
            if item.replace(at) != Some(at) {
                writeln!(catalogue, "  {at}").unwrap();
            }
            for line in text.lines() {
                let line = line.replace(char::is_control, "?");
                writeln!(catalogue, "{}", format!("    {line}").trim_end()).unwrap();
            }
        }
    }
    assert!(errors >= least_errors, "{name}: {errors} texts of errors");
    assert!(count >= least_texts, "{name}: {count} texts");
    insta::with_settings!({ omit_expression => true }, {
        insta::assert_snapshot!(name, catalogue.trim_start());
    });
}

#[test]
fn texts_of_attest() {
    review("attest", 50, 300);
}

#[test]
fn texts_of_cli() {
    review("cli", 45, 150);
}

#[test]
fn texts_of_debian() {
    review("debian", 60, 100);
}

#[test]
fn texts_of_engine() {
    review("engine", 80, 450);
}

#[test]
fn texts_of_formats() {
    review("formats", 30, 300);
}

#[test]
fn texts_of_host() {
    review("host", 10, 30);
}

#[test]
fn texts_of_measure() {
    review("measure", 90, 200);
}

#[test]
fn the_texts_of_the_shell_are_reviewed() {
    review("shell", 5, 30);
}

/// Stage 1 has no errors as types: its messages are strings.
#[test]
fn texts_of_stage1() {
    review("stage1", 0, 30);
}

#[test]
fn texts_of_vm() {
    review("vm", 15, 40);
}
