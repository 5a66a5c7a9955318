//! Kernel modules, loaded in the order in which the build listed them.
//!
//! The build resolves dependencies and decompresses; the guest only follows the list. The list and
//! the modules lie in the measured initramfs, so they are trusted.

use std::fs::{self, File};

use crate::{Fatal, console, sys};

/// One absolute path per line; empty when the kernel has everything built in.
const LIST: &str = "/etc/stage1/modules";

/// The paths of all modules, in order.
pub(crate) fn list() -> Result<Vec<String>, Fatal> {
    parse(&fs::read_to_string(LIST).map_err(|e| format!("{LIST}: {e}"))?)
}

/// Loads every module; one that is loaded already is fine.
pub(crate) fn load(paths: &[String]) -> Result<(), Fatal> {
    for path in paths {
        let file = File::open(path).map_err(|e| format!("kernel module {path}: {e}"))?;
        match sys::finit_module(&file) {
            Err(e) if e.raw_os_error() == Some(libc::EEXIST) => {}
            result => result.map_err(|e| format!("kernel module {path}: finit_module: {e}"))?,
        }
    }
    console::info(&format!("{} kernel modules", paths.len()));
    Ok(())
}

fn parse(text: &str) -> Result<Vec<String>, Fatal> {
    text.lines()
        .map(|line| match line.starts_with('/') {
            true => Ok(line.to_owned()),
            false => Err(format!("{LIST}: expected an absolute path, found `{line}`")),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_absolute_paths_in_order() {
        assert_eq!(parse("/b.ko\n/a.ko\n").unwrap(), ["/b.ko", "/a.ko"]);
        assert!(parse("").unwrap().is_empty());
        assert!(parse("/b.ko\na.ko\n").unwrap_err().contains("`a.ko`"));
    }
}
