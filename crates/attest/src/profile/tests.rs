//! Every profile of the program parses, and what does not fit together is refused.

use cvmkit_host::fault::Diagnosis as _;

use super::*;

#[test]
fn every_built_in_profile_is_what_its_name_says() {
    for (name, _) in BUILT_IN {
        let profile = Profile::built_in(name).unwrap();
        assert_eq!((profile.name.as_str(), profile.version), (name, 1));
        let technology = match profile.technology {
            Technology::SevSnp => "snp",
            Technology::Tdx => "tdx",
            Technology::Tpm => "tpm",
            Technology::Se => "se",
        };
        assert!(name.contains(technology), "{name}: {technology}");
        let is_qemu = name.starts_with("qemu") || name == "se";
        assert_eq!(profile.vmm == Vmm::Qemu, is_qemu, "{name}");
    }
}

#[test]
fn a_profile_survives_json() {
    for (name, _) in BUILT_IN {
        let profile = Profile::built_in(name).unwrap();
        let json = serde_json::to_string(&profile).unwrap();
        assert_eq!(serde_json::from_str::<Profile>(&json).unwrap(), profile, "{json}");
    }
}

#[test]
fn what_does_not_fit_together_is_refused() {
    let (_, snp) = BUILT_IN[0];
    let edits = [
        ("boot = \"direct\"", "boot = \"uki-disk\"", "`boot` can't be `uki-disk`"),
        ("vmm = \"qemu\"", "vmm = \"azure\"", "`vmm` can't be `azure`"),
        ("vcpus = [1]", "vcpus = [0]", "`vcpus` can't be `[0]`"),
        ("vcpus = [1]", "vcpus = []", "`vcpus` can't be `[]`"),
        ("[\"EPYC-v4\"]", "[\"EPYC-v9\"]", "`vcpu-types` can't be `EPYC-v9`"),
        ("[\"EPYC-v4\"]", "[]", "`vcpu-types` can't be `[]`"),
        (
            "vcpu-types = [\"EPYC-v4\"]",
            "vcpu-types = [\"EPYC-Turin\"]\nvmm-version = \"10.0\"",
            "QEMU 10.1 or later for `EPYC-Turin`",
        ),
        ("\"0x1\"", "\"1\"", "a number in hex"),
        ("\"0x1\"", "\"0x20\"", "SEV-SNP is active"),
        ("vcpus = [1]", "vcpus = [1, 1]", "each once"),
        ("version = 1", "version = 1\nmemory = [\"2G\"]", "`memory` can't be `given`"),
        ("version = 1", "version = 1\nfirmware = \"x.fd\"", "no files"),
        ("version = 1", "version = 1\nfeatures = 1", "unknown field `features`"),
    ];
    for (from, to, expected) in edits {
        let error = Profile::parse(&snp.replacen(from, to, 1), "mine").unwrap_err().to_string();
        assert!(error.contains(expected), "{to}: {error}");
    }
    let (_, tdx) = BUILT_IN[3];
    let many: Vec<u32> = (1..=500).collect();
    let sizes: Vec<String> = (1..=9).map(|size| format!("{size}G")).collect();
    let machines = tdx.replace("vcpus = [1]", &format!("vcpus = {many:?}"));
    let machines = machines.replace("memory = [\"2G\"]", &format!("memory = {sizes:?}"));
    let error = Profile::parse(&machines, "mine").unwrap_err().to_string();
    assert!(error.contains("`4500`") && error.contains("at most 4096"), "{error}");
    let error = Profile::parse(&tdx.replace("\"10.1\"", "\"10.x\""), "mine").unwrap_err();
    assert!(error.to_string().contains("a version of QEMU"), "{error}");
    let error = Profile::parse(&tdx.replace("vmm-version", "# "), "mine").unwrap_err();
    assert!(error.to_string().contains("a version of QEMU"), "{error}");
    let hint = Profile::built_in("qemu-sn").unwrap_err().hint().unwrap();
    assert_eq!(hint, "did you mean `qemu-snp`?");
}
