//! A machine in words: the one wording of every command, of reference values and of exports.
//!
//! `PROFILE (qemu 10.1, direct boot, 2 vCPUs EPYC-v4, 2G, OVMF.fd)`, or the same without a profile's
//! name and its brackets. What is not known or does not count is left out.

use std::fmt;

use crate::profile::{Memory, Vmm};

/// The words, in the order in which they are added.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MachineName {
    profile: Option<String>,
    facts: Vec<String>,
}

impl MachineName {
    /// A machine of this profile or platform.
    #[must_use]
    pub fn of(profile: impl fmt::Display) -> Self {
        Self { profile: Some(profile.to_string()), ..Self::default() }
    }

    /// One more thing to know of it, in words that no other command has.
    #[must_use]
    pub fn with(mut self, fact: impl fmt::Display) -> Self {
        self.facts.push(fact.to_string());
        self
    }

    /// The same, if there is anything to know.
    #[must_use]
    pub fn with_any(self, fact: Option<impl fmt::Display>) -> Self {
        match fact {
            Some(fact) => self.with(fact),
            None => self,
        }
    }

    /// Adds who starts it, with a version where that counts: `QEMU 10.1`.
    #[must_use]
    pub fn vmm(self, vmm: Vmm, version: Option<impl fmt::Display>) -> Self {
        match version {
            Some(version) => self.with(format_args!("{vmm} {version}")),
            None => self.with(vmm),
        }
    }

    /// Adds how it boots: `direct boot`.
    #[must_use]
    pub fn boot(self, kind: impl fmt::Display) -> Self {
        self.with(format_args!("{kind} boot"))
    }

    /// Adds its vCPUs: `4 vCPUs EPYC-v4`.
    #[must_use]
    pub fn vcpus(self, count: Option<u32>, vcpu_type: Option<impl fmt::Display>) -> Self {
        let count = count.map(|count| match count {
            1 => "1 vCPU".to_owned(),
            count => format!("{count} vCPUs"),
        });
        match (count, vcpu_type) {
            (Some(count), Some(name)) => self.with(format_args!("{count} {name}")),
            (Some(count), None) => self.with(count),
            (None, name) => self.with_any(name),
        }
    }

    /// Bytes of its memory.
    #[must_use]
    pub fn memory(self, bytes: Option<u64>) -> Self {
        self.with_any(bytes.map(Memory))
    }

    /// SEV features of its VMSAs.
    #[must_use]
    pub fn features(self, features: Option<impl fmt::Display>) -> Self {
        self.with_any(features.map(|features| format!("features {features}")))
    }

    /// The file of its firmware, and how it measures.
    #[must_use]
    pub fn firmware(
        self,
        file: Option<impl fmt::Display>,
        behaviour: Option<impl fmt::Display>,
    ) -> Self {
        match (file, behaviour) {
            (Some(file), Some(behaviour)) => self.with(format_args!("{file} as {behaviour}")),
            (Some(file), None) => self.with(file),
            (None, behaviour) => {
                self.with_any(behaviour.map(|behaviour| format!("firmware as {behaviour}")))
            }
        }
    }

    /// Whether it can write to its disk; a writable one is the usual one, and is said if it was assumed.
    #[must_use]
    pub fn disk(self, is_read_only: bool, bus: Option<impl fmt::Display>) -> Self {
        let disk = if is_read_only { "read-only disk" } else { "writable disk" };
        match bus {
            Some(bus) => self.with(format_args!("{disk} on {bus}")),
            None => self.with(disk),
        }
    }
}

impl fmt::Display for MachineName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let facts = self.facts.join(", ");
        match &self.profile {
            Some(profile) if facts.is_empty() => f.write_str(profile),
            Some(profile) => write!(f, "{profile} ({facts})"),
            None => f.write_str(&facts),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: Option<&str> = None;

    #[test]
    fn what_is_not_known_is_left_out() {
        let name = |name: MachineName| name.to_string();
        let base = || MachineName::of("mine");
        for (found, expected) in [
            (name(base()), "mine"),
            (name(MachineName::default()), ""),
            (
                name(base().vmm(Vmm::Qemu, Some("10.1")).boot("direct")),
                "mine (qemu 10.1, direct boot)",
            ),
            (name(base().vmm(Vmm::Gce, NONE)), "mine (gce)"),
            (name(base().vcpus(Some(1), Some("EPYC-v4"))), "mine (1 vCPU EPYC-v4)"),
            (name(base().vcpus(Some(2), NONE)), "mine (2 vCPUs)"),
            (name(base().vcpus(None, Some("EPYC-v4"))), "mine (EPYC-v4)"),
            (name(base().vcpus(None, NONE).memory(None).features(NONE)), "mine"),
            (name(base().memory(Some(3 << 30)).features(Some("0x1"))), "mine (3G, features 0x1)"),
            (name(base().firmware(Some("a.fd"), NONE)), "mine (a.fd)"),
            (name(base().firmware(Some("a.fd"), Some("b"))), "mine (a.fd as b)"),
            (name(base().firmware(NONE, Some("b"))), "mine (firmware as b)"),
            (name(base().firmware(NONE, NONE)), "mine"),
            (name(base().disk(true, NONE)), "mine (read-only disk)"),
            (name(base().disk(false, Some("nvme"))), "mine (writable disk on nvme)"),
            (name(MachineName::default().with("a").with_any(NONE).with("b")), "a, b"),
        ] {
            assert_eq!(found, expected);
        }
    }
}
