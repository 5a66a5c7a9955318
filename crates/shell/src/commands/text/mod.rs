//! Programs that read text and write it (GNU coreutils 9.7, grep 3.11, sed 4.9, mawk 1.3.4).

mod awk;
mod base64;
mod cat;
mod compare;
mod cut;
mod digests;
mod ends;
mod expr;
mod fold;
mod grep;
mod iconv;
mod lines;
mod merge;
mod names;
mod perl;
mod regex;
mod reverse;
mod sed;
mod seq;
mod sort;
mod tr;
mod wc;

pub(super) use regex::{Dialect, Regex};

use super::call::Program;
use crate::world::World;

/// The program of a name.
pub(super) fn program<W: World>(name: &[u8]) -> Option<Program<W>> {
    Some(match name {
        b"awk" | b"mawk" => awk::awk,
        b"base64" => base64::base64,
        b"basename" => names::basename,
        b"cat" => cat::cat,
        b"cmp" => compare::cmp,
        b"comm" => merge::comm,
        b"cut" => cut::cut,
        b"diff" => compare::diff,
        b"dirname" => names::dirname,
        b"echo" => cat::echo,
        b"egrep" => grep::egrep,
        b"expr" => expr::expr,
        b"fgrep" => grep::fgrep,
        b"fold" => fold::fold,
        b"grep" => grep::grep,
        b"head" => ends::head,
        b"iconv" => iconv::iconv,
        b"md5sum" => digests::md5sum,
        b"paste" => merge::paste,
        b"perl" => perl::perl,
        b"rev" => reverse::rev,
        b"sed" => sed::sed,
        b"seq" => seq::seq,
        b"sha1sum" => digests::sha1sum,
        b"sha256sum" => digests::sha256sum,
        b"sha512sum" => digests::sha512sum,
        b"sort" => sort::sort,
        b"tac" => reverse::tac,
        b"tail" => ends::tail,
        b"tee" => cat::tee,
        b"tr" => tr::tr,
        b"uniq" => sort::uniq,
        b"wc" => wc::wc,
        _ => return None,
    })
}
