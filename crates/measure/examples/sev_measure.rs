//! The launch digest of an SEV-SNP guest under QEMU as crate `sev` computes it, to race with
//! `cvmkit measure snp`: it takes the options of that command that `cargo xtask bench` gives.
#![expect(clippy::print_stdout, reason = "a command-line tool")]

use std::error::Error;
use std::path::PathBuf;

use sev::measurement::snp::{SnpMeasurementArgs, snp_calc_launch_digest};
use sev::measurement::vcpu_types::CpuType;
use sev::measurement::vmsa::{GuestFeatures, VMMType};
use sev::parser::ByteParser as _;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let options: &[[String; 2]] = arguments.as_chunks().0;
    let option = |name: &str| {
        let value = options.iter().find(|[option, _]| option == name);
        value.map(|[_, value]| value.as_str())
    };
    let required = |name: &str| option(name).ok_or_else(|| format!("missing {name}"));
    let features = required("--guest-features")?.trim_start_matches("0x");
    let features = u64::from_str_radix(features, 16)?;
    let digest = snp_calc_launch_digest(SnpMeasurementArgs {
        vcpus: required("--vcpus")?.parse()?,
        vcpu_type: CpuType::try_from(required("--vcpu-type")?)?,
        ovmf_file: PathBuf::from(required("--ovmf")?),
        guest_features: GuestFeatures::from_bytes(&features.to_le_bytes())?,
        kernel_file: option("--kernel").map(PathBuf::from),
        initrd_file: option("--initrd").map(PathBuf::from),
        append: option("--append"),
        ovmf_hash_str: None,
        vmm_type: Some(VMMType::QEMU),
    })?;
    println!("{}", digest.get_hex_ld());
    Ok(())
}
