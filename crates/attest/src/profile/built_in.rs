//! The profiles that are part of the program (`crates/attest/profiles`).

macro_rules! built_in {
    ($($name:literal),+ $(,)?) => {
        [$(($name, include_str!(concat!("../../profiles/", $name, ".toml")))),+]
    };
}

/// The profiles that come with the program: name and text, in the order of the documentation.
pub const BUILT_IN: [(&str, &str); 11] = built_in![
    "qemu-snp",
    "ec2-snp",
    "gce-snp",
    "qemu-tdx-direct",
    "qemu-tdx-uki",
    "gce-tdx",
    "qemu-vtpm",
    "azure-vtpm",
    "gce-vtpm",
    "nitro-tpm",
    "se",
];
