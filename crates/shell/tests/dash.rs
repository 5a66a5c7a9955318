//! The evaluation against dash: output and status of scripts that use builtins alone.

mod memory;
mod oracle;

use oracle::{DASH, compare};

#[test]
fn expansion() {
    compare(&DASH, include_str!("cases/expansion.sh"));
}

#[test]
fn commands() {
    compare(&DASH, include_str!("cases/commands.sh"));
}

#[test]
fn builtins() {
    compare(&DASH, include_str!("cases/builtins.sh"));
}
