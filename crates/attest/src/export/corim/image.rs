//! Whether a CoRIM says of an image what its reference values say.

use super::super::machine::ExpectedMachine;
use super::super::source::ExportSource;
use super::content::{Corim, Triple};
use super::describe::measurements;
use super::dump::Named;

/// Something that a CoRIM does not say as the reference values do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The value with its environment and machine, or the part of the CoRIM.
    pub what: String,
    /// What the reference values have: hexadecimal digits, words, or `nothing`.
    pub expected: String,
    /// What the CoRIM has, in the same form.
    pub found: String,
}

/// A CoRIM beside the reference values of an image: of it if nothing differs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OfImage {
    /// Number of machines of the image that the CoRIM speaks of.
    pub machines: usize,
    /// What differs; nothing if it is of this image.
    pub differences: Vec<Difference>,
    /// Machines of the image that the CoRIM says nothing of, in words.
    pub silent: Vec<String>,
}

impl OfImage {
    fn differs(&mut self, what: &str, expected: impl ToString, found: impl ToString) {
        let (expected, found) = (expected.to_string(), found.to_string());
        if expected != found {
            self.differences.push(Difference { what: what.to_owned(), expected, found });
        }
    }
}

impl Corim {
    /// Holds the CoRIM against the reference values of an image: against the document that
    /// `cvmkit export` would write of the machines it speaks of, and of its own validity.
    #[must_use]
    pub fn of_image(&self, image: &ExportSource) -> OfImage {
        let mut result = OfImage::default();
        let named = |machine: &ExpectedMachine| {
            let name = machine.to_string();
            self.tags.iter().any(|comid| self.machine(comid) == name)
        };
        let machines = || image.machines.iter().filter(|it| !measurements(it).is_empty());
        let spoken: Vec<&ExpectedMachine> = machines().filter(|machine| named(machine)).collect();
        result.silent = machines().filter(|it| !named(it)).map(ToString::to_string).collect();
        result.machines = spoken.len();
        let expected = Self::of(image.sha256, &spoken, self.validity);
        result.differs("the id", &expected.id, &self.id);
        for comid in &self.tags {
            let machine = self.machine(comid);
            let mut tags = expected.tags.iter();
            match tags.find(|tag| expected.machine(tag) == machine) {
                Some(tag) => values(&mut result, machine, &tag.triples, &comid.triples),
                None => {
                    let among = format!("one of {}", listed(image));
                    result.differs("a machine", among, format!("`{machine}`"));
                }
            }
        }
        // What is left is the form: profile, ids and order.
        if result.differences.is_empty() && expected != *self {
            let profile = |corim: &Self| match corim.profile {
                Some(profile) => profile.to_string(),
                None => "none".to_owned(),
            };
            result.differs("the profile", profile(&expected), profile(self));
        }
        if result.differences.is_empty() && expected != *self {
            let expected = "the ids and the order that cvmkit writes";
            let found = "the same values with other ids or in another order";
            result.differs("the tags", expected, found);
        }
        result
    }
}

/// Each value of a machine beside the one that is expected.
fn values(result: &mut OfImage, machine: &str, expected: &[Triple], found: &[Triple]) {
    let (expected, found) = (named(expected), named(found));
    let value = |of: &[Named], name: &str| {
        let mut values = of.iter().filter(|it| it.name == name).map(|it| it.value.clone());
        values.next().unwrap_or_else(|| "nothing".to_owned())
    };
    let more = found.iter().filter(|it| !expected.iter().any(|other| other.name == it.name));
    for Named { name, .. } in expected.iter().chain(more) {
        let what = format!("{name} of {machine}");
        result.differs(&what, value(&expected, name), value(&found, name));
    }
}

/// Values by environment and name.
fn named(triples: &[Triple]) -> Vec<Named> {
    let of = |triple: &Triple| {
        let class = triple.class.to_string();
        let named = move |Named { name, value }| Named { name: format!("{name} ({class})"), value };
        triple.values().into_iter().map(named).collect::<Vec<_>>()
    };
    triples.iter().flat_map(of).collect()
}

fn listed(image: &ExportSource) -> String {
    let names: Vec<String> = image.machines.iter().map(|it| format!("`{it}`")).collect();
    names.join(", ")
}
