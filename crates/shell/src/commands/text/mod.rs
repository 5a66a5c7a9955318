//! Programs that read text and write it (GNU coreutils 9.7, grep 3.11, sed 4.9).

pub(super) mod cat;
pub(super) mod compare;
pub(super) mod cut;
pub(super) mod digests;
pub(super) mod ends;
pub(super) mod expr;
pub(super) mod grep;
mod lines;
pub(super) mod merge;
pub(super) mod names;
mod regex;
pub(super) mod reverse;
pub(super) mod sed;
pub(super) mod seq;
pub(super) mod sort;
pub(super) mod tr;
pub(super) mod wc;
