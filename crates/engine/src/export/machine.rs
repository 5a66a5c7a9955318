//! The machines of a file of reference values.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use serde::Deserialize;

use super::{ExportError, Selection, Shape};

/// The schema that is read.
const SCHEMA: u32 = 2;

/// A hash function of registers.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "lowercase")]
pub(super) enum Hash {
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl Hash {
    /// Bytes of a digest.
    const fn len(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }
}

/// What measures a machine.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Platform {
    /// AMD SEV-SNP.
    SevSnp,
    /// Intel TDX.
    Tdx,
    /// A virtual TPM.
    Tpm,
    /// IBM Secure Execution.
    Se,
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SevSnp => "sev-snp",
            Self::Tdx => "tdx",
            Self::Tpm => "tpm",
            Self::Se => "se",
        })
    }
}

/// A file of reference values, as far as documents are made of it.
#[derive(Deserialize)]
struct RawValues {
    values: Vec<RawValue>,
}

/// The schema alone, which is looked at before anything that depends on it.
#[derive(Deserialize)]
struct RawSchema {
    schema: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct RawValue {
    profile: String,
    platform: Platform,
    vmm: String,
    boot: String,
    vcpus: Option<u32>,
    vcpu_type: Option<String>,
    guest_features: Option<String>,
    memory: Option<u64>,
    firmware: Option<String>,
    launch_digest: Option<String>,
    #[serde(default)]
    registers: BTreeMap<Hash, BTreeMap<String, String>>,
    #[serde(default)]
    not_predicted: BTreeMap<String, String>,
}

/// What to expect of one machine.
#[derive(Clone, Debug)]
pub(super) struct Machine {
    pub(super) profile: String,
    pub(super) platform: Platform,
    pub(super) vmm: String,
    pub(super) boot: String,
    pub(super) vcpus: Option<u32>,
    pub(super) vcpu_type: Option<String>,
    pub(super) guest_features: Option<String>,
    pub(super) memory: Option<u64>,
    pub(super) firmware: Option<String>,
    pub(super) launch_digest: Option<Vec<u8>>,
    /// By name, such as `pcr4`; a TPM has several banks.
    pub(super) registers: BTreeMap<String, BTreeMap<Hash, Vec<u8>>>,
    /// Registers without a value, each with the reason.
    pub(super) not_predicted: BTreeMap<String, String>,
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}, {} boot", self.profile, self.vmm, self.boot)?;
        match self.vcpus {
            Some(1) => f.write_str(", 1 vCPU")?,
            Some(count) => write!(f, ", {count} vCPUs")?,
            None => {}
        }
        self.vcpu_type.iter().try_for_each(|name| write!(f, " {name}"))?;
        self.memory.iter().try_for_each(|bytes| write!(f, ", {} MiB", bytes >> 20))?;
        self.guest_features.iter().try_for_each(|bits| write!(f, ", features {bits}"))?;
        self.firmware.iter().try_for_each(|name| write!(f, ", {name}"))?;
        f.write_str(")")
    }
}

impl Machine {
    /// Whether it is one of those that were asked for.
    pub(super) fn fits(&self, selection: &Selection) -> bool {
        fn holds<T: PartialEq>(wanted: &Option<T>, found: &Option<T>) -> bool {
            wanted.is_none() || wanted == found
        }
        selection.profile.as_ref().is_none_or(|profile| *profile == self.profile)
            && holds(&selection.vcpus, &self.vcpus)
            && holds(&selection.vcpu_type, &self.vcpu_type)
            && holds(&selection.memory, &self.memory)
    }

    /// The value of a register.
    pub(super) fn register(&self, hash: Hash, name: &str) -> Option<&[u8]> {
        self.registers.get(name)?.get(&hash).map(Vec::as_slice)
    }

    /// The value of a register that `shape` can't do without.
    pub(super) fn needed(
        &self,
        shape: Shape,
        hash: Hash,
        name: &str,
    ) -> Result<&[u8], ExportError> {
        self.register(hash, name).ok_or_else(|| self.missing(shape, name))
    }

    /// The launch digest, which `shape` can't do without.
    pub(super) fn needed_launch_digest(&self, shape: Shape) -> Result<&[u8], ExportError> {
        let digest = self.launch_digest.as_deref();
        digest.ok_or_else(|| self.missing(shape, "launch-digest"))
    }

    fn missing(&self, shape: Shape, name: &str) -> ExportError {
        let why = self.not_predicted.get(name);
        ExportError::Missing {
            shape,
            machine: self.to_string(),
            what: name.to_owned(),
            why: why.map_or("the reference values do not have it", String::as_str).to_owned(),
        }
    }

    /// A sentence for each value that was not predicted.
    pub(super) fn reasons(&self) -> impl Iterator<Item = String> + '_ {
        let words = move |(name, why): (&String, &String)| format!("{self}: no {name}: {why}");
        self.not_predicted.iter().map(words)
    }
}

/// Reads a file of reference values.
pub(super) fn read(path: &Path, bytes: &[u8]) -> Result<Vec<Machine>, ExportError> {
    let malformed =
        |source| ExportError::Malformed { path: path.to_owned(), expected: SCHEMA, source };
    let RawSchema { schema } = serde_json::from_slice(bytes).map_err(malformed)?;
    if schema != SCHEMA {
        let (path, expected, found) = (path.to_owned(), SCHEMA, schema);
        return Err(ExportError::Schema { path, expected, found });
    }
    let RawValues { values } = serde_json::from_slice(bytes).map_err(malformed)?;
    values.into_iter().map(|value| machine(path, value)).collect()
}

fn machine(path: &Path, raw: RawValue) -> Result<Machine, ExportError> {
    let mut machine = Machine {
        profile: raw.profile,
        platform: raw.platform,
        vmm: raw.vmm,
        boot: raw.boot,
        vcpus: raw.vcpus,
        vcpu_type: raw.vcpu_type,
        guest_features: raw.guest_features,
        memory: raw.memory,
        firmware: raw.firmware,
        launch_digest: None,
        registers: BTreeMap::new(),
        not_predicted: raw.not_predicted,
    };
    let name = machine.to_string();
    let digest = |what: &str, hash: Hash, text: String| {
        let bytes = hex::decode(&text).ok().filter(|bytes| bytes.len() == hash.len());
        bytes.ok_or_else(|| ExportError::Digest {
            path: path.to_owned(),
            machine: name.clone(),
            what: what.to_owned(),
            expected: 2 * hash.len(),
            found: text,
        })
    };
    let launch = raw.launch_digest.map(|text| digest("launch-digest", Hash::Sha384, text));
    machine.launch_digest = launch.transpose()?;
    for (hash, values) in raw.registers {
        for (register, text) in values {
            let value = digest(&register, hash, text)?;
            machine.registers.entry(register).or_default().insert(hash, value);
        }
    }
    Ok(machine)
}
