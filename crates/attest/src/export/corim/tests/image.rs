//! A CoRIM beside an image: whatever it says otherwise is a difference, and what it does not say is listed.

use serde_json::{Value, json};

use super::super::super::source::ExportSource;
use super::super::super::tests::fixture::Values;
use super::super::{Class, Corim, Difference, Measurement, OfImage, ProfileId};
use crate::tests::image::value;

/// Two guests of SEV-SNP, and a machine without a value.
fn values() -> Vec<Value> {
    let of = |profile: &str, more| value(profile, ["sev-snp", "qemu", "direct"], more);
    let digest = |byte: &str| json!({ "launch-digest": byte.repeat(48) });
    vec![of("a", digest("0a")), of("b", digest("0b")), of("open", json!({}))]
}

/// The CoRIM of the first machines of an image.
fn corim(image: &ExportSource, machines: usize) -> Corim {
    let machines: Vec<_> = image.machines.iter().take(machines).collect();
    Corim::of(image.sha256, &machines, None)
}

const A: &str = "a (qemu, direct boot)";
const B: &str = "b (qemu, direct boot)";

fn difference(what: &str, expected: impl ToString, found: impl ToString) -> Difference {
    Difference { what: what.to_owned(), expected: expected.to_string(), found: found.to_string() }
}

#[test]
fn a_corim_of_the_image_does_not_differ_and_names_what_it_leaves_out() {
    let file = Values::of(&values());
    let image = file.source();
    for (machines, silent) in [(2, &[][..]), (1, &[B])] {
        let found = corim(&image, machines).of_image(&image);
        let silent = silent.iter().map(ToString::to_string).collect();
        assert_eq!(found, OfImage { machines, differences: Vec::new(), silent });
    }
}

#[test]
fn each_difference_is_named_with_both_sides() {
    let file = Values::of(&values());
    let image = file.source();
    let whole = || corim(&image, 2);
    let differences = |corim: &Corim| corim.of_image(&image).differences;
    let digest = |byte: &str| byte.repeat(48);
    let classes = [
        "1.3.6.1.4.1.3704.3.1 (SEV-SNP, signed by the chip)",
        "1.3.6.1.4.1.3704.3.2 (SEV-SNP, signed by a provider's key)",
    ];
    let of_b = |class: &str| format!("launch digest, sha384 ({class}) of {B}");

    let mut id = whole();
    let prefix = id.id.clone();
    id.id = "cvmkit:sha256:00".to_owned();
    id.tags.iter_mut().for_each(|comid| comid.id = comid.id.replace(&prefix, &id.id));
    assert_eq!(differences(&id), [difference("the id", &prefix, &id.id)]);

    let mut other = whole();
    let Measurement::LaunchDigest(launch) = &mut other.tags[1].triples[0].measurements[0] else {
        panic!("a launch digest")
    };
    launch.value = vec![0x0c; 48];
    let expected = difference(&of_b(classes[0]), digest("0b"), digest("0c"));
    assert_eq!(differences(&other), [expected]);

    let mut less = whole();
    less.tags[1].triples.pop();
    let expected = difference(&of_b(classes[1]), digest("0b"), "nothing");
    assert_eq!(differences(&less), [expected]);

    let mut more = whole();
    let Measurement::LaunchDigest(launch) = more.tags[0].triples[0].measurements[0].clone() else {
        panic!("a launch digest")
    };
    more.tags[0].triples[0].measurements.push(Measurement::Mrtd(launch));
    let what = format!("MRTD, sha384 ({}) of {A}", classes[0]);
    assert_eq!(differences(&more), [difference(&what, "nothing", digest("0a"))]);

    let mut class = whole();
    class.tags[0].triples[0].class = Class::Named { vendor: "V".to_owned(), model: "M".to_owned() };
    let own = format!("launch digest, sha384 ({}) of {A}", classes[0]);
    let of_v = format!("launch digest, sha384 (V, M) of {A}");
    let expected =
        [difference(&own, digest("0a"), "nothing"), difference(&of_v, "nothing", digest("0a"))];
    assert_eq!(differences(&class), expected);
}

/// A machine that the image does not have, and one of which it has no value.
#[test]
fn a_machine_of_no_reference_value_differs() {
    let file = Values::of(&values());
    let image = file.source();
    for name in ["another (qemu, direct boot)", "open (qemu, direct boot)"] {
        let mut corim = corim(&image, 2);
        corim.tags[0].id = format!("{}/{name}", corim.id);
        let found = corim.of_image(&image);
        let among = format!("one of `{A}`, `{B}`, `open (qemu, direct boot)`");
        let expected = difference("a machine", among, format!("`{name}`"));
        assert_eq!(found.differences, [expected], "{name}");
        assert_eq!((found.machines, found.silent), (1, vec![A.to_owned()]));
    }
}

/// Where every value is the same, profile, ids and order can still be others.
#[test]
fn the_form_is_held_against_that_of_the_image_last() {
    let file = Values::of(&values());
    let image = file.source();
    let differences = |corim: &Corim| corim.of_image(&image).differences;
    let snp = "tag:amd.com,2025:snp-corim-profile (SEV-SNP)";
    for (profile, found) in
        [(None, "none"), (Some(ProfileId::Intel), "2.16.840.1.113741.1.16.1 (Intel)")]
    {
        let corim = Corim { profile, ..corim(&image, 2) };
        assert_eq!(differences(&corim), [difference("the profile", snp, found)]);
    }
    let form = difference(
        "the tags",
        "the ids and the order that cvmkit writes",
        "the same values with other ids or in another order",
    );
    let mut order = corim(&image, 2);
    order.tags.reverse();
    assert_eq!(differences(&order), std::slice::from_ref(&form));
    let mut ids = corim(&image, 2);
    ids.tags[0].id = A.to_owned();
    assert_eq!(differences(&ids), [form]);
}

/// The name of a machine is what stands behind the CoRIM's own id.
#[test]
fn a_comid_without_the_id_of_its_corim_is_called_by_its_own() {
    let file = Values::of(&values());
    let image = file.source();
    let mut corim = corim(&image, 1);
    assert_eq!(corim.machine(&corim.tags[0]), A);
    let id = corim.id.clone();
    for other in [format!("{id}{A}"), format!("x{id}/{A}"), A.to_owned()] {
        corim.tags[0].id = other.clone();
        assert_eq!(corim.machine(&corim.tags[0]), other);
    }
}
