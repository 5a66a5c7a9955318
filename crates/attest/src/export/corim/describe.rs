//! What a CoRIM says of machines.

use std::collections::BTreeMap;

use cvmkit_formats::digest::Sha256;
use cvmkit_measure::event::{Bank, BankDigest};

use super::super::machine::ExpectedMachine;
use super::super::request::Validity;
use super::content::{
    Algorithm, Class, Comid, Corim, Digest, HeaderField, Measurement, ProfileId, Triple,
};
use crate::profile::{Technology, Vmm};

/// Whether all machines are of one platform, so that one profile fits them.
pub(super) fn are_of_one_platform(machines: &[&ExpectedMachine]) -> bool {
    machines.windows(2).all(|pair| pair[0].platform() == pair[1].platform())
}

impl Corim {
    /// What there is to say of `machines`, each of which has a value.
    pub(super) fn of(
        identity: Sha256,
        machines: &[&ExpectedMachine],
        validity: Option<Validity>,
    ) -> Self {
        let id = format!("cvmkit:sha256:{identity}");
        let comid = |machine: &&ExpectedMachine| Comid {
            id: format!("{id}/{machine}"),
            triples: classes(machine)
                .into_iter()
                .map(|class| Triple { class, measurements: measurements(machine) })
                .collect(),
        };
        let tags = machines.iter().map(comid).collect();
        Self { id, tags, profile: profile(machines), validity }
    }
}

/// The profile that all machines have; a CoRIM has place for one.
fn profile(machines: &[&ExpectedMachine]) -> Option<ProfileId> {
    let platform = machines.first()?.platform();
    match platform {
        _ if !are_of_one_platform(machines) => None,
        Technology::SevSnp => Some(ProfileId::Snp),
        Technology::Tdx => Some(ProfileId::Intel),
        Technology::Tpm | Technology::Se => None,
    }
}

/// The classes of the machine's environment.
fn classes(machine: &ExpectedMachine) -> Vec<Class> {
    let named = |vendor: &str, model: &str| {
        vec![Class::Named { vendor: vendor.to_owned(), model: model.to_owned() }]
    };
    match machine.platform() {
        Technology::SevSnp => vec![Class::SnpByChip, Class::SnpByProvider],
        Technology::Tdx => named("Intel Corporation", "TDX"),
        Technology::Tpm => named(tpm_vendor(machine.value.vmm), &machine.value.profile),
        Technology::Se => named("IBM", "Secure Execution"),
    }
}

/// Who gives a machine its TPM.
fn tpm_vendor(vmm: Vmm) -> &'static str {
    match vmm {
        Vmm::Qemu => "QEMU",
        Vmm::Azure => "Microsoft",
        Vmm::Gce => "Google",
        Vmm::Ec2 => "Amazon",
    }
}

/// The measurements of a machine; none if it has no values.
pub(super) fn measurements(machine: &ExpectedMachine) -> Vec<Measurement> {
    let mut measurements = Vec::new();
    if let Some(launch) = &machine.launch_digest {
        let digest = Digest::new(Algorithm::Sha384, &launch.0.0);
        measurements.push(Measurement::LaunchDigest(digest));
    }
    if let Some(mrtd) = machine.register(Bank::Sha384, "mrtd") {
        measurements.push(Measurement::Mrtd(Digest::new(Algorithm::Sha384, mrtd)));
    }
    for (name, value) in &machine.secure_execution {
        let field = HeaderField::ALL.into_iter().find(|field| field.name() == *name);
        measurements.push(match field {
            Some(field) => Measurement::Header(field, Digest::new(Algorithm::Sha512, value)),
            None => Measurement::Tag(value.clone()),
        });
    }
    let registers = machine.registers.iter().filter_map(|(name, values)| {
        let digest = |(bank, value): (&Bank, &BankDigest)| {
            Digest::new(Algorithm::of_bank(*bank), value.as_bytes())
        };
        Some((number(name)?, values.iter().map(digest).collect()))
    });
    let registers: BTreeMap<u8, Vec<Digest>> = registers.collect();
    if !registers.is_empty() {
        measurements.push(Measurement::Registers(registers));
    }
    measurements
}

/// The number of a PCR or RTMR; MRTD, the one register without, is a measurement of its own.
fn number(name: &str) -> Option<u8> {
    let digits = name.strip_prefix("pcr").or_else(|| name.strip_prefix("rtmr"))?;
    digits.parse().ok()
}
