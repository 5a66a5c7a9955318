//! Virtual processors: what CPUID says they are.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};
use thiserror::Error;

use crate::names::UnknownName;

/// A family, model or stepping CPUID can't express.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("vCPU {what} is {found}, expected 0 to {most}")]
pub struct VcpuModelError {
    /// `family`, `model` or `stepping`.
    pub what: &'static str,
    /// The number that was given.
    pub found: u32,
    /// The largest number that CPUID can express.
    pub most: u32,
}

/// CPUID Fn0000_0001_EAX (AMD64 Architecture Programmer's Manual volume 3, appendix E.3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VcpuSignature(pub u32);

impl VcpuSignature {
    /// The signature of a family (extended family included), model and stepping.
    ///
    /// # Errors
    /// [`VcpuModelError`] for a family above 270, a model above 255 or a stepping above 15.
    pub fn new(family: u32, model: u32, stepping: u32) -> Result<Self, VcpuModelError> {
        let check = |what, found, most| match found <= most {
            true => Ok(()),
            false => Err(VcpuModelError { what, found, most }),
        };
        check("family", family, 0xf + 0xff)?;
        check("model", model, 0xff)?;
        check("stepping", stepping, 0xf)?;
        Ok(Self::encode(family, model, stepping))
    }

    const fn encode(family: u32, model: u32, stepping: u32) -> Self {
        let (base, extended) = if family > 0xf { (0xf, family - 0xf) } else { (family, 0) };
        Self(extended << 20 | (model >> 4) << 16 | base << 8 | (model & 0xf) << 4 | stepping)
    }
}

impl fmt::Display for VcpuSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#010x}", self.0)
    }
}

impl Serialize for VcpuSignature {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A processor of QEMU's `-cpu` (`builtin_x86_defs` in `target/i386/cpu.c`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VcpuType {
    /// QEMU's name.
    pub name: &'static str,
    /// CPUID family, extended family included.
    pub family: u32,
    /// CPUID model, extended model included.
    pub model: u32,
    /// CPUID stepping.
    pub stepping: u32,
    /// The release of QEMU that it came with, major and minor.
    pub since: (u32, u32),
}

impl VcpuType {
    const fn new(
        name: &'static str,
        [family, model, stepping]: [u32; 3],
        since: (u32, u32),
    ) -> Self {
        Self { name, family, model, stepping, since }
    }

    /// Fn0000_0001_EAX of this processor.
    #[must_use]
    pub const fn signature(&self) -> VcpuSignature {
        VcpuSignature::encode(self.family, self.model, self.stepping)
    }
}

/// Family, model and stepping of the first EPYC and of each generation after it.
const NAPLES: [u32; 3] = [23, 1, 2];
const ROME: [u32; 3] = [23, 49, 0];
const MILAN: [u32; 3] = [25, 1, 1];
const GENOA: [u32; 3] = [25, 17, 0];
const TURIN: [u32; 3] = [26, 0, 0];

/// Every EPYC of QEMU 11.0, as `-cpu help` lists them, with the release it came with: a name is an
/// alias of one of its versions, and no version of a model has another signature than the first.
/// Those that sev-snp-measure 0.0.13 knows are among them.
pub const VCPU_TYPES: [VcpuType; 22] = [
    VcpuType::new("EPYC", NAPLES, (2, 12)),
    VcpuType::new("EPYC-v1", NAPLES, (4, 1)),
    VcpuType::new("EPYC-v2", NAPLES, (4, 1)),
    VcpuType::new("EPYC-IBPB", NAPLES, (2, 12)),
    VcpuType::new("EPYC-v3", NAPLES, (5, 0)),
    VcpuType::new("EPYC-v4", NAPLES, (7, 0)),
    VcpuType::new("EPYC-v5", NAPLES, (10, 1)),
    VcpuType::new("EPYC-Rome", ROME, (5, 0)),
    VcpuType::new("EPYC-Rome-v1", ROME, (5, 0)),
    VcpuType::new("EPYC-Rome-v2", ROME, (6, 0)),
    VcpuType::new("EPYC-Rome-v3", ROME, (7, 0)),
    VcpuType::new("EPYC-Rome-v4", ROME, (8, 1)),
    VcpuType::new("EPYC-Rome-v5", ROME, (10, 1)),
    VcpuType::new("EPYC-Milan", MILAN, (6, 0)),
    VcpuType::new("EPYC-Milan-v1", MILAN, (6, 0)),
    VcpuType::new("EPYC-Milan-v2", MILAN, (7, 0)),
    VcpuType::new("EPYC-Milan-v3", MILAN, (10, 1)),
    VcpuType::new("EPYC-Genoa", GENOA, (8, 1)),
    VcpuType::new("EPYC-Genoa-v1", GENOA, (8, 1)),
    VcpuType::new("EPYC-Genoa-v2", GENOA, (10, 1)),
    VcpuType::new("EPYC-Turin", TURIN, (10, 1)),
    VcpuType::new("EPYC-Turin-v1", TURIN, (10, 1)),
];

impl FromStr for VcpuType {
    type Err = UnknownName;

    /// Finds a type by QEMU's name, case included.
    fn from_str(name: &str) -> Result<Self, UnknownName> {
        let known = VCPU_TYPES.into_iter().find(|vcpu_type| vcpu_type.name == name);
        let names = || VCPU_TYPES.into_iter().map(|vcpu_type| vcpu_type.name);
        known.ok_or_else(|| UnknownName::new("vCPU type", name, names()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// AMD64 Architecture Programmer's Manual volume 3, appendix E.3.2: stepping 3:0, base model 7:4,
    /// base family 11:8, extended model 19:16, extended family 27:20.
    #[test]
    fn signatures_are_packed_as_cpuid_packs_them() {
        for (family, model, stepping, expected) in [
            (0, 0, 0, 0),
            (0xf, 0, 0, 0xf00),
            (0x10, 0, 0, 0x0010_0f00),
            (23, 1, 2, 0x0080_0f12),
            (25, 17, 0, 0x00a1_0f10),
            (270, 255, 15, 0x0fff_0fff),
        ] {
            assert_eq!(VcpuSignature::new(family, model, stepping), Ok(VcpuSignature(expected)));
        }
        for (family, model, stepping, expected) in [
            (271, 0, 0, "vCPU family is 271, expected 0 to 270"),
            (0, 256, 0, "vCPU model is 256, expected 0 to 255"),
            (0, 0, 16, "vCPU stepping is 16, expected 0 to 15"),
        ] {
            let error = VcpuSignature::new(family, model, stepping).unwrap_err();
            assert_eq!(error.to_string(), expected);
        }
    }

    #[test]
    fn types_have_one_name_and_the_signature_of_their_generation() {
        let signature = |name: &str| name.parse::<VcpuType>().unwrap().signature().to_string();
        for (name, expected) in [
            ("EPYC", "0x00800f12"),
            ("EPYC-Rome-v3", "0x00830f10"),
            ("EPYC-Milan", "0x00a00f11"),
            ("EPYC-Genoa-v2", "0x00a10f10"),
            ("EPYC-Turin", "0x00b00f00"),
        ] {
            assert_eq!(signature(name), expected, "{name}");
        }
        let names: std::collections::BTreeSet<_> = VCPU_TYPES.iter().map(|t| t.name).collect();
        assert_eq!(names.len(), VCPU_TYPES.len());
        // A version comes no earlier than the model, and with its signature.
        for versioned in VCPU_TYPES.iter().filter(|t| t.name.contains("-v")) {
            let (model, _) = versioned.name.rsplit_once("-v").unwrap();
            let model: VcpuType = model.parse().unwrap();
            assert_eq!(versioned.signature(), model.signature(), "{}", versioned.name);
            assert!(versioned.since >= model.since, "{}", versioned.name);
        }
        assert!("epyc-v4".parse::<VcpuType>().is_err());
    }
}
