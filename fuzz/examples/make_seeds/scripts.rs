//! Maintainer scripts: the samples that tests of the engine change, too.

use cvmkit_shell::syntax::{Dialect, parse_as};

macro_rules! sample {
    ($name:literal) => {
        include_str!(concat!("../../../crates/engine/tests/scripts/", $name, ".sh"))
    };
}

pub(super) fn seeds() -> Vec<(&'static str, Vec<u8>)> {
    let before = |kind: u8, text: &str| [&[kind], text.as_bytes()].concat();
    vec![
        ("accounts", sample!("accounts").into()),
        ("alternatives", sample!("alternatives").into()),
        ("bash", sample!("bash").into()),
        ("configuration", sample!("configuration").into()),
        ("config", before(2, sample!("debconf"))),
        ("debconf", sample!("debconf").into()),
        ("preinst", before(1, sample!("helper"))),
    ]
}

pub(super) fn is_read(seed: &[u8]) -> bool {
    let text = seed.strip_prefix(&[1]).or_else(|| seed.strip_prefix(&[2])).unwrap_or(seed);
    let dialect = if text.starts_with(b"#!/bin/bash") { Dialect::Bash } else { Dialect::Posix };
    parse_as(dialect, text, Default::default()).is_ok()
}
