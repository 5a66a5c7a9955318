//! Capabilities of files: their text form and what the kernel reads of `security.capability`.
//!
//! The oracle is setcap(8). Deliberately absent: revision 3, which is for a user namespace.

/// The extended attribute (capabilities(7), "File capabilities").
pub const ATTRIBUTE: &str = "security.capability";

/// `VFS_CAP_REVISION_2` (`linux/capability.h`).
const REVISION_2: u32 = 0x0200_0000;
/// `VFS_CAP_FLAGS_EFFECTIVE`.
const EFFECTIVE: u32 = 1;

/// By number (`linux/capability.h`).
const NAMES: [&str; 41] = [
    "chown",
    "dac_override",
    "dac_read_search",
    "fowner",
    "fsetid",
    "kill",
    "setgid",
    "setuid",
    "setpcap",
    "linux_immutable",
    "net_bind_service",
    "net_broadcast",
    "net_admin",
    "net_raw",
    "ipc_lock",
    "ipc_owner",
    "sys_module",
    "sys_rawio",
    "sys_chroot",
    "sys_ptrace",
    "sys_pacct",
    "sys_admin",
    "sys_boot",
    "sys_nice",
    "sys_resource",
    "sys_time",
    "sys_tty_config",
    "mknod",
    "lease",
    "audit_write",
    "audit_control",
    "setfcap",
    "mac_override",
    "mac_admin",
    "syslog",
    "wake_alarm",
    "block_suspend",
    "audit_read",
    "perfmon",
    "bpf",
    "checkpoint_restore",
];

/// The attribute's value for `text`, as cap_from_text(3) reads it: clauses such as `cap_net_raw+ep`,
/// `cap_chown,cap_fowner=p`, `cap_kill=ep cap_kill-e`.
///
/// # Errors
/// What is wrong with the text.
pub fn attribute(text: &str) -> Result<Vec<u8>, String> {
    let mut sets = Sets::default();
    for clause in text.split_whitespace() {
        sets.clause(clause)?;
    }
    let Sets { effective, permitted, inheritable } = sets;
    if permitted | inheritable == 0 {
        return Err("no capability is permitted or inheritable".to_owned());
    }
    // A file has one effective bit: all that it permits or inherits, or nothing.
    if effective != 0 && effective != permitted | inheritable {
        let rule = "the effective set must be all that is permitted or inheritable, or empty";
        return Err(rule.to_owned());
    }
    let flags = if effective == 0 { 0 } else { EFFECTIVE };
    let head = (REVISION_2 | flags).to_le_bytes();
    let (permitted, inheritable) = (permitted.to_le_bytes(), inheritable.to_le_bytes());
    let (permitted_low, permitted_high) = permitted.split_at(4);
    let (inheritable_low, inheritable_high) = inheritable.split_at(4);
    let parts = [&head[..], permitted_low, inheritable_low, permitted_high, inheritable_high];
    Ok(parts.concat())
}

#[derive(Default)]
struct Sets {
    effective: u64,
    permitted: u64,
    inheritable: u64,
}

impl Sets {
    /// Names, then one or more of an operator with flags.
    fn clause(&mut self, clause: &str) -> Result<(), String> {
        let malformed =
            || format!("`{clause}`: expected capabilities, then `+`, `-` or `=` and `eip`");
        let at = clause.find(['+', '-', '=']).ok_or_else(malformed)?;
        let (names, mut rest) = clause.split_at(at);
        let chosen = chosen(names)?;
        while let Some(operator) = rest.chars().next() {
            let actions = rest.get(1..).unwrap_or_default();
            let end = actions.find(['+', '-', '=']).unwrap_or(actions.len());
            let (flags, left) = actions.split_at(end);
            if !flags.bytes().all(|flag| b"eip".contains(&flag))
                || (flags.is_empty() && operator != '=')
            {
                return Err(malformed());
            }
            for (set, flag) in [
                (&mut self.effective, 'e'),
                (&mut self.permitted, 'p'),
                (&mut self.inheritable, 'i'),
            ] {
                match (operator, flags.contains(flag)) {
                    ('+' | '=', true) => *set |= chosen,
                    ('-', true) | ('=', false) => *set &= !chosen,
                    _ => {}
                }
            }
            rest = left;
        }
        Ok(())
    }
}

fn chosen(names: &str) -> Result<u64, String> {
    if names.is_empty() || names.eq_ignore_ascii_case("all") {
        return Ok((1 << NAMES.len()) - 1);
    }
    let mut chosen = 0;
    for name in names.split(',') {
        let lower = name.to_ascii_lowercase();
        let bare = lower.strip_prefix("cap_").unwrap_or_default();
        let number = NAMES.iter().position(|known| *known == bare);
        chosen |= 1 << number.ok_or_else(|| format!("unknown capability `{name}`"))?;
    }
    Ok(chosen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_becomes_what_the_kernel_reads() {
        for (text, expected) in [
            ("cap_net_raw+ep", "0100000200200000000000000000000000000000"),
            ("CAP_NET_RAW=pe", "0100000200200000000000000000000000000000"),
            ("cap_net_raw=p cap_net_raw+e", "0100000200200000000000000000000000000000"),
            ("cap_chown,cap_bpf+p", "0000000201000000000000008000000000000000"),
            ("cap_kill+i", "0000000200000000200000000000000000000000"),
            ("cap_kill,cap_chown=ip-i cap_chown-p", "0000000220000000000000000000000000000000"),
        ] {
            assert_eq!(hex::encode(attribute(text).unwrap()), expected, "{text}");
        }
        for text in [
            "",
            "net_raw+ep",
            "cap_net_raw",
            "cap_net_raw+",
            "cap_net_raw+x",
            "cap_x+ep",
            "cap_kill+e",
            "cap_kill+ep cap_chown+p",
            "cap_kill-p",
        ] {
            assert!(attribute(text).is_err(), "{text}");
        }
    }
}
