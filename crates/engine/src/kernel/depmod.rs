//! What `depmod` makes of a directory of modules: the files by which libkmod finds them.
//!
//! Byte for byte the files of kmod 30, with two exceptions: `modules.symbols`, which no program
//! reads, is sorted by symbol where depmod leaves it in the order of its hash table, and modules
//! that `modules.order` does not list come by path where depmod takes them as the directory gives
//! them.
//!
//! Deliberately absent: depmod's configuration, `modules.weakdep` (kmod 33; libkmod does without).
//! Oracle: `depmod -b` on Debian's kernel packages.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use rayon::prelude::*;

use super::index::Index;
use super::modules::{Infos, ModuleInfo};
use super::{Kernel, KernelError, module_name};

/// Everything `depmod` writes, by file name; they belong in [`Kernel::folder`].
///
/// # Errors
/// What is wrong with a module or a list; [`KernelError::Cycle`].
pub fn files(kernel: &Kernel<'_>) -> Result<BTreeMap<&'static str, Vec<u8>>, KernelError> {
    let infos = kernel.infos()?;
    let modules = Modules::new(kernel, &infos)?;
    let dependencies = modules.dependencies()?;
    type Maker<'m> = &'m (dyn Fn() -> Result<Vec<u8>, KernelError> + Sync);
    let makers: [(&'static str, Maker<'_>); 10] = [
        ("modules.alias", &|| Ok(modules.alias().into_bytes())),
        ("modules.alias.bin", &|| modules.alias_index()?.encode()),
        ("modules.builtin.alias.bin", &|| builtin_alias_index(kernel)?.encode()),
        ("modules.builtin.bin", &|| builtin_index(kernel)?.encode()),
        ("modules.dep", &|| Ok(modules.dep(&dependencies).into_bytes())),
        ("modules.dep.bin", &|| modules.dep_index(&dependencies)?.encode()),
        ("modules.devname", &|| Ok(modules.devname().into_bytes())),
        ("modules.softdep", &|| Ok(modules.softdep().into_bytes())),
        ("modules.symbols", &|| Ok(modules.symbols_text().into_bytes())),
        ("modules.symbols.bin", &|| modules.symbols_index()?.encode()),
    ];
    makers.into_par_iter().map(|(name, make)| Ok((name, make()?))).collect()
}

/// One module of the list.
struct Listed<'a> {
    name: &'a str,
    /// Relative to the module directory, compressed as it is there.
    file: &'a str,
    info: &'a ModuleInfo,
}

/// All modules, in the order of their priority.
struct Modules<'a> {
    list: Vec<Listed<'a>>,
    /// The place in `list` of the module that exports a symbol; the last one of several.
    owners: BTreeMap<&'a str, usize>,
}

impl<'a> Modules<'a> {
    fn new(kernel: &'a Kernel<'_>, infos: &'a Infos) -> Result<Self, KernelError> {
        let order = kernel.list("modules.order")?;
        let places: BTreeMap<&str, usize> =
            order.lines().enumerate().map(|(place, file)| (file, place)).collect();
        let mut list: Vec<Listed<'_>> = kernel
            .files
            .iter()
            .zip(infos.values())
            .map(|((name, file), info)| Listed { name, file, info })
            .collect();
        list.sort_by_key(|module| {
            let place = places.get(uncompressed(module.file)).copied().unwrap_or(usize::MAX);
            (place, module.file)
        });
        let mut owners = BTreeMap::new();
        for (place, module) in list.iter().enumerate() {
            owners.extend(module.info.exports.iter().map(|symbol| (symbol.as_str(), place)));
        }
        Ok(Self { list, owners })
    }

    /// The places of all modules that each module needs, in the order of `modules.dep`: what needs
    /// others comes before them.
    fn dependencies(&self) -> Result<Vec<Vec<usize>>, KernelError> {
        let direct = self.direct();
        let rank = self.ranks(&direct)?;
        let all = |start: usize| {
            let mut found = BTreeSet::new();
            let mut pending = vec![start];
            while let Some(place) = pending.pop() {
                pending
                    .extend(direct[place].iter().filter(|&&next| found.insert((rank[next], next))));
            }
            found.into_iter().map(|(_, place)| place).collect()
        };
        Ok((0..self.list.len()).map(all).collect())
    }

    /// The modules that export what each module imports, in the order of the imports.
    fn direct(&self) -> Vec<Vec<usize>> {
        let needs = |module: &Listed<'_>| {
            let mut needs: Vec<usize> = Vec::new();
            for symbol in &module.info.imports {
                match self.owners.get(symbol.as_str()) {
                    Some(owner) if !needs.contains(owner) => needs.push(*owner),
                    _ => {}
                }
            }
            needs
        };
        self.list.iter().map(needs).collect()
    }

    /// The place of each module in depmod's topological order, in which users come first: of the
    /// modules that nobody left needs, it always takes the one that was met last.
    fn ranks(&self, direct: &[Vec<usize>]) -> Result<Vec<usize>, KernelError> {
        let mut users = vec![0usize; direct.len()];
        direct.iter().flatten().for_each(|&place| users[place] += 1);
        let mut free: Vec<usize> = (0..direct.len()).filter(|&place| users[place] == 0).collect();
        let mut ranks = vec![usize::MAX; direct.len()];
        let mut rank = 0;
        while let Some(place) = free.pop() {
            ranks[place] = rank;
            rank += 1;
            for &needed in &direct[place] {
                users[needed] -= 1;
                if users[needed] == 0 {
                    free.push(needed);
                }
            }
        }
        match users.iter().position(|&left| left > 0) {
            Some(place) => Err(KernelError::Cycle(self.list[place].name.to_owned())),
            None => Ok(ranks),
        }
    }

    fn dep_lines<'d>(&'d self, all: &'d [Vec<usize>]) -> impl Iterator<Item = String> + 'd {
        self.list.iter().zip(all).map(|(module, needs)| {
            needs.iter().fold(format!("{}:", module.file), |mut line, &place| {
                line.push(' ');
                line.push_str(self.list[place].file);
                line
            })
        })
    }

    fn dep(&self, all: &[Vec<usize>]) -> String {
        self.dep_lines(all).fold(String::new(), |text, line| text + &line + "\n")
    }

    fn dep_index(&self, all: &[Vec<usize>]) -> Result<Index, KernelError> {
        let mut index = Index::default();
        for ((place, module), line) in (0..).zip(&self.list).zip(self.dep_lines(all)) {
            index.insert(module.name, &line, place)?;
        }
        Ok(index)
    }

    /// Every module with every value of a key, in order.
    fn values<'s>(&'s self, key: &'s str) -> impl Iterator<Item = (&'s str, u32, &'s str)> {
        (0..).zip(&self.list).flat_map(move |(place, module)| {
            module.info.values(key).map(move |value| (module.name, place, value))
        })
    }

    fn alias(&self) -> String {
        let mut text = "# Aliases extracted from modules themselves.\n".to_owned();
        for (module, _, alias) in self.values("alias") {
            let _ = writeln!(text, "alias {alias} {module}");
        }
        text
    }

    fn alias_index(&self) -> Result<Index, KernelError> {
        let mut index = Index::default();
        for (module, place, alias) in self.values("alias") {
            index.insert(&underscores(alias)?, module, place)?;
        }
        Ok(index)
    }

    fn softdep(&self) -> String {
        let mut text = "# Soft dependencies extracted from modules themselves.\n".to_owned();
        for (module, _, softdep) in self.values("softdep") {
            let _ = writeln!(text, "softdep {module} {softdep}");
        }
        text
    }

    fn symbols_text(&self) -> String {
        let mut text = "# Aliases for symbols, used by symbol_request().\n".to_owned();
        for (symbol, &place) in &self.owners {
            let _ = writeln!(text, "alias symbol:{symbol} {}", self.list[place].name);
        }
        text
    }

    fn symbols_index(&self) -> Result<Index, KernelError> {
        let mut index = Index::default();
        for (symbol, &place) in &self.owners {
            let priority = u32::try_from(place).map_err(|_| KernelError::IndexTooLarge(place))?;
            index.insert(&format!("symbol:{symbol}"), self.list[place].name, priority)?;
        }
        Ok(index)
    }

    /// The device nodes that systemd-tmpfiles makes, so that opening one loads its module.
    fn devname(&self) -> String {
        let mut text = "# Device nodes to trigger on-demand module loading.\n".to_owned();
        for module in &self.list {
            if let Some((node, number)) = device_node(module.info) {
                let _ = writeln!(text, "{} {node} {number}", module.name);
            }
        }
        text
    }
}

/// The last `devname:` and the last number before both were seen: `cuse` and `c10:203`.
fn device_node(info: &ModuleInfo) -> Option<(&str, String)> {
    let (mut node, mut number) = (None, None);
    for alias in info.values("alias") {
        if let Some(name) = alias.strip_prefix("devname:") {
            node = Some(name);
        } else if let Some(found) = device_number(alias) {
            number = Some(found);
        }
        if let (Some(node), Some(number)) = (node, &number) {
            return Some((node, number.clone()));
        }
    }
    None
}

/// `char-major-10-203` is `c10:203`; a wildcard in it is no number.
fn device_number(alias: &str) -> Option<String> {
    let (kind, numbers) =
        match (alias.strip_prefix("char-major-"), alias.strip_prefix("block-major-")) {
            (Some(numbers), _) => ('c', numbers),
            (_, Some(numbers)) => ('b', numbers),
            _ => return None,
        };
    let (major, minor) = numbers.split_once('-')?;
    let (major, minor): (u32, u32) = (major.parse().ok()?, minor.parse().ok()?);
    Some(format!("{kind}{major}:{minor}"))
}

fn builtin_index(kernel: &Kernel<'_>) -> Result<Index, KernelError> {
    let mut index = Index::default();
    for path in kernel.list("modules.builtin")?.lines() {
        index.insert(&module_name(path), "", 0)?;
    }
    Ok(index)
}

fn builtin_alias_index(kernel: &Kernel<'_>) -> Result<Index, KernelError> {
    let mut index = Index::default();
    for (alias, module) in kernel.builtin_aliases()? {
        index.insert(&underscores(&alias)?, &module, 0)?;
    }
    Ok(index)
}

/// An alias as libkmod compares it: `-` is `_`, except in brackets, where it is a range.
fn underscores(alias: &str) -> Result<String, KernelError> {
    let mut in_brackets = false;
    let mut converted = String::with_capacity(alias.len());
    for character in alias.chars() {
        match character {
            '[' => in_brackets = true,
            ']' if in_brackets => in_brackets = false,
            ']' => return Err(unmatched(alias)),
            _ => {}
        }
        converted.push(if character == '-' && !in_brackets { '_' } else { character });
    }
    if in_brackets { Err(unmatched(alias)) } else { Ok(converted) }
}

fn unmatched(alias: &str) -> KernelError {
    let why = format!("unmatched bracket in alias `{alias}`");
    KernelError::Corrupt { path: "usr/lib/modules".into(), why }
}

fn uncompressed(file: &str) -> &str {
    file.strip_suffix(".xz").or(file.strip_suffix(".zst")).unwrap_or(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn device_numbers() {
        assert_eq!(device_number("char-major-10-203").unwrap(), "c10:203");
        assert_eq!(device_number("block-major-7-0").unwrap(), "b7:0");
        for other in ["char-major-10-*", "char-major-10", "devname:loop", "block-major-"] {
            assert_eq!(device_number(other), None, "{other}");
        }
    }

    #[test]
    fn dashes_in_brackets_are_ranges() {
        assert_eq!(underscores("usb:v[0-9]p-x").unwrap(), "usb:v[0-9]p_x");
        assert!(underscores("a]").is_err() && underscores("a[").is_err());
    }
}
