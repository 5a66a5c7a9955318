//! What a module says about itself, and the modules that must be loaded before it.

use std::collections::BTreeMap;

use object::{Object as _, ObjectSection as _, ObjectSymbol as _};
use rayon::prelude::*;

use super::{Kernel, KernelError, module_name};

/// What a module says about itself: its `.modinfo` section and its symbol table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModuleInfo {
    /// `key=value` pairs, in the order of the section: `depends`, `softdep`, `alias`, `license`.
    pub fields: Vec<(String, String)>,
    /// The symbols it exports (`EXPORT_SYMBOL`), in the order of the symbol table.
    pub exports: Vec<String>,
    /// The symbols it needs, in the order of the symbol table.
    pub imports: Vec<String>,
}

/// A module, ready for `finit_module`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Module {
    /// Its name, with `_`: `dm_mod`.
    pub name: String,
    /// Where it goes: its absolute path in the root file system without the ending of a compressor.
    pub path: String,
    /// Its uncompressed bytes, with the signature behind them.
    pub contents: Vec<u8>,
}

impl ModuleInfo {
    /// Reads an uncompressed module.
    ///
    /// # Errors
    /// What is wrong with it, when it is no ELF file or has no `.modinfo`.
    pub fn parse(module: &[u8]) -> Result<Self, String> {
        let elf = object::File::parse(module).map_err(|e| e.to_string())?;
        let section = elf.section_by_name(".modinfo").ok_or("no .modinfo section")?;
        let section = section.data().map_err(|e| e.to_string())?;
        let mut info = Self { fields: fields(section), ..Self::default() };
        for symbol in elf.symbols() {
            let name = symbol.name().map_err(|e| e.to_string())?;
            // The kernel's own table of exports; the bare names are global, or local when stripped.
            if let Some(exported) = name.strip_prefix("__ksymtab_") {
                info.exports.push(exported.to_owned());
            } else if symbol.is_undefined() && symbol.is_global() && !name.is_empty() {
                info.imports.push(name.to_owned());
            }
        }
        Ok(info)
    }

    /// The values of one key, in order.
    pub fn values<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        self.fields.iter().filter(move |(found, _)| found == key).map(|(_, value)| value.as_str())
    }

    /// The modules it needs, as its `depends=` names them.
    pub fn depends(&self) -> impl Iterator<Item = &str> {
        self.values("depends").flat_map(|list| list.split(',')).filter(|name| !name.is_empty())
    }

    /// The modules or aliases to load before it, or after it, where they exist: `softdep=pre: a b
    /// post: c` (modprobe.d(5)).
    fn softdeps(&self, wanted: &str) -> Vec<String> {
        let mut found = Vec::new();
        for value in self.values("softdep") {
            let mut when = "";
            for word in value.split_ascii_whitespace() {
                match word {
                    "pre:" | "post:" => when = word,
                    word if when == wanted => found.push(word.to_owned()),
                    _ => {}
                }
            }
        }
        found
    }

    /// Bound to a processor's features: such a module refuses to load on any other.
    fn needs_cpu(&self) -> bool {
        self.values("alias").any(|alias| alias.starts_with("cpu:"))
    }
}

/// NUL-separated `key=value` texts (`MODULE_INFO`, `linux/moduleparam.h`).
fn fields(section: &[u8]) -> Vec<(String, String)> {
    section
        .split(|&byte| byte == 0)
        .filter(|text| !text.is_empty())
        .map(|text| {
            let text = String::from_utf8_lossy(text);
            let (key, value) = text.split_once('=').unwrap_or((&text, ""));
            (key.to_owned(), value.to_owned())
        })
        .collect()
}

/// What every module says about itself, by name.
pub(super) type Infos = BTreeMap<String, ModuleInfo>;

impl Kernel<'_> {
    /// The modules `names` and all that they need, in an order in which they load: what a module
    /// needs comes before it, otherwise the order of `names` stays. Built-in ones are left out.
    ///
    /// A soft dependency counts as met when the kernel has it built in, by name or alias. Of
    /// several modules with the alias, those bound to processor features are left out: stage 1 must
    /// load every module on every machine. What exists nowhere is skipped, as modprobe does.
    ///
    /// # Errors
    /// [`KernelError::UnknownModule`] for a name, or a hard dependency, that is nowhere;
    /// [`KernelError::Cycle`]; or what is wrong with a module.
    pub fn closure(&self, names: &[&str]) -> Result<Vec<Module>, KernelError> {
        let mut closure = Closure {
            kernel: self,
            builtin_aliases: self.builtin_aliases()?,
            infos: None,
            begun: BTreeMap::new(),
            order: Vec::new(),
        };
        for name in names {
            closure.need(name, None)?;
        }
        Ok(closure.order)
    }

    /// Everything that all modules say, read in parallel.
    ///
    /// # Errors
    /// What is wrong with a module.
    pub(super) fn infos(&self) -> Result<Infos, KernelError> {
        self.files
            .par_iter()
            .map(|(name, file)| Ok((name.clone(), self.info(file, &self.module(file)?)?)))
            .collect()
    }

    fn info(&self, file: &str, module: &[u8]) -> Result<ModuleInfo, KernelError> {
        let path = || format!("{}/{file}", self.folder);
        ModuleInfo::parse(module).map_err(|why| KernelError::Corrupt { path: path(), why })
    }

    /// Alias and module of everything built in, in the order of `modules.builtin.modinfo`, whose
    /// texts are `module.key=value`.
    ///
    /// # Errors
    /// [`KernelError::Missing`] or [`KernelError::Read`].
    pub(super) fn builtin_aliases(&self) -> Result<Vec<(String, String)>, KernelError> {
        let path = format!("{}/modules.builtin.modinfo", self.folder);
        let section = self.bytes(&path, super::LIST_MAX)?;
        let aliases = fields(&section).into_iter().filter_map(|(key, value)| {
            let (module, key) = key.split_once('.')?;
            (key == "alias").then(|| (value, module_name(module)))
        });
        Ok(aliases.collect())
    }
}

/// A depth-first walk.
struct Closure<'k, 'a> {
    kernel: &'k Kernel<'a>,
    builtin_aliases: Vec<(String, String)>,
    /// Read only when an alias must be searched for.
    infos: Option<Infos>,
    /// Modules that were met; true when they are in `order`.
    begun: BTreeMap<String, bool>,
    order: Vec<Module>,
}

impl Closure<'_, '_> {
    fn need(&mut self, name: &str, needed_by: Option<&str>) -> Result<(), KernelError> {
        let kernel = self.kernel;
        let known = name.replace('-', "_");
        if kernel.is_builtin(&known) {
            return Ok(());
        }
        let Some((known, file)) = kernel.files.get_key_value(&known) else {
            return Err(kernel.unknown(name, needed_by));
        };
        match self.begun.get(known) {
            Some(true) => Ok(()),
            Some(false) => Err(KernelError::Cycle(known.clone())),
            None => self.load(known, file),
        }
    }

    fn load(&mut self, name: &str, file: &str) -> Result<(), KernelError> {
        self.begun.insert(name.to_owned(), false);
        let contents = self.kernel.module(file)?;
        let info = self.kernel.info(file, &contents)?;
        for soft in info.softdeps("pre:") {
            self.want(&soft)?;
        }
        for hard in info.depends() {
            self.need(hard, Some(name))?;
        }
        let path = file.strip_suffix(".xz").or(file.strip_suffix(".zst")).unwrap_or(file);
        let path = format!("/{}/{path}", self.kernel.folder);
        self.order.push(Module { name: name.to_owned(), path, contents });
        self.begun.insert(name.to_owned(), true);
        for soft in info.softdeps("post:") {
            self.want(&soft)?;
        }
        Ok(())
    }

    /// A soft dependency: a module's name or an alias.
    fn want(&mut self, word: &str) -> Result<(), KernelError> {
        let same = |alias: &str| alias.replace('-', "_") == word.replace('-', "_");
        let builtin = self.builtin_aliases.iter().any(|(alias, _)| same(alias));
        if builtin || self.kernel.is_builtin(word) {
            return Ok(());
        }
        if self.kernel.files.contains_key(&word.replace('-', "_")) {
            return self.want_module(word);
        }
        if self.infos.is_none() {
            self.infos = Some(self.kernel.infos()?);
        }
        let providers: Vec<String> = self
            .infos
            .iter()
            .flatten()
            .filter(|(_, info)| !info.needs_cpu() && info.values("alias").any(same))
            .map(|(name, _)| name.clone())
            .collect();
        providers.iter().try_for_each(|provider| self.want_module(provider))
    }

    /// Soft dependencies may form a circle; the module that closes it is loaded already.
    fn want_module(&mut self, name: &str) -> Result<(), KernelError> {
        if self.begun.contains_key(&name.replace('-', "_")) {
            return Ok(());
        }
        self.need(name, None)
    }
}
