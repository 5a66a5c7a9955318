//! Modules as object files (elf(5)), small: a `.modinfo` section and a symbol table.

/// How a symbol stands in the table.
#[derive(Clone, Copy)]
pub(super) enum Symbol<'a> {
    /// Global and undefined: the module needs it.
    Needed(&'a str),
    /// Weak and undefined: the module can do without it.
    Weak(&'a str),
    /// Local and undefined.
    Local(&'a str),
    /// Global, in the first section.
    Defined(&'a str),
}

/// A module that says this of itself, exports and needs these symbols.
pub(super) fn module(info: &[&str], exports: &[&str], imports: &[&str]) -> Vec<u8> {
    let exported: Vec<String> = exports.iter().map(|name| format!("__ksymtab_{name}")).collect();
    let exported = exported.iter().map(|name| Symbol::Defined(name));
    let symbols: Vec<Symbol<'_>> =
        exported.chain(imports.iter().map(|name| Symbol::Needed(name))).collect();
    object(Some(info), &symbols)
}

/// A relocatable ELF file of x86-64: the null section, `.modinfo`, `.symtab`, `.strtab`, `.shstrtab`.
pub(super) fn object(info: Option<&[&str]>, symbols: &[Symbol<'_>]) -> Vec<u8> {
    const NAMES: &[u8] = b"\0.modinfo\0.symtab\0.strtab\0.shstrtab\0.other\0";
    let (modinfo, symtab, strtab, shstrtab, other) = (1, 10, 18, 26, 36);
    let info_bytes: Vec<u8> = info
        .unwrap_or_default()
        .iter()
        .flat_map(|text| [text.as_bytes(), b"\0"].concat())
        .collect();
    let mut strings = vec![0];
    let mut table = vec![0; 24];
    for symbol in symbols {
        let (name, binding, section) = match symbol {
            Symbol::Needed(name) => (name, 1, 0_u16),
            Symbol::Weak(name) => (name, 2, 0),
            Symbol::Local(name) => (name, 0, 0),
            Symbol::Defined(name) => (name, 1, 1),
        };
        table.extend(u32::try_from(strings.len()).unwrap().to_le_bytes());
        table.extend([binding << 4, 0]);
        table.extend(section.to_le_bytes());
        table.extend([0; 16]);
        strings.extend([name.as_bytes(), b"\0"].concat());
    }
    let mut file = b"\x7fELF\x02\x01\x01".to_vec();
    file.resize(16, 0);
    // ET_REL, EM_X86_64, EV_CURRENT; the section headers follow the file header at once.
    file.extend([1, 0, 62, 0, 1, 0, 0, 0]);
    file.extend([0; 16]);
    file.extend(64_u64.to_le_bytes());
    file.extend([0; 4]);
    for half in [64_u16, 0, 0, 64, 5, 4] {
        file.extend(half.to_le_bytes());
    }
    let mut at = 64 + 5 * 64;
    let name = if info.is_some() { modinfo } else { other };
    let mut bodies = Vec::new();
    file.extend([0; 64]);
    // SHT_PROGBITS, SHT_SYMTAB with its strings in section 3, SHT_STRTAB.
    for (name, kind, link, entry, body) in [
        (name, 1_u32, 0_u32, 0_u64, info_bytes),
        (symtab, 2, 3, 24, table),
        (strtab, 3, 0, 0, strings),
        (shstrtab, 3, 0, 0, NAMES.to_vec()),
    ] {
        let len = body.len() as u64;
        file.extend(u32::to_le_bytes(name));
        file.extend(kind.to_le_bytes());
        file.extend([0; 16]);
        for word in [at, len] {
            file.extend(word.to_le_bytes());
        }
        file.extend(link.to_le_bytes());
        file.extend(1_u32.to_le_bytes());
        file.extend(1_u64.to_le_bytes());
        file.extend(entry.to_le_bytes());
        at += len;
        bodies.extend(body);
    }
    file.extend(bodies);
    file
}
