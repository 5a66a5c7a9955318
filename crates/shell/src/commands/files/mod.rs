//! Programs that make, change and find files (GNU coreutils 9.7, findutils 4.10).

mod backup;
mod copy;
mod df;
mod directories;
mod find;
mod find_printf;
mod install;
mod links;
mod ls;
mod ls_long;
mod mktemp;
mod mode;
mod nodes;
mod occupied;
mod owner;
mod paths;
mod remove;
mod rename;
mod sizes;
mod stat;
mod touch;

use super::call::Program;
use crate::world::World;
pub use links::canonicalize_missing;

/// The program of a name.
pub(super) fn program<W: World>(name: &[u8]) -> Option<Program<W>> {
    Some(match name {
        b"chgrp" => owner::chgrp,
        b"chmod" => mode::chmod,
        b"chown" => owner::chown,
        b"cp" => copy::cp,
        b"dd" => sizes::dd,
        b"df" => df::df,
        b"find" => find::find,
        b"install" => install::install,
        b"ln" => links::ln,
        b"ls" => ls::ls,
        b"mkdir" => directories::mkdir,
        b"mkfifo" => nodes::mkfifo,
        b"mknod" => nodes::mknod,
        b"mktemp" => mktemp::mktemp,
        b"mv" => rename::mv,
        b"readlink" => links::readlink,
        b"realpath" => links::realpath,
        b"rm" => remove::rm,
        b"rmdir" => directories::rmdir,
        b"stat" => stat::stat,
        b"touch" => touch::touch,
        b"truncate" => sizes::truncate,
        _ => return None,
    })
}
