//! `cvmkit measure snp` against sev-snp-measure.

use std::path::Path;

use crate::ovmf_image::{OvmfImage, whole};
use crate::program::{Folder, Said};

/// The last pages of two published OVMF builds, behind the start of a firmware volume: one for
/// measured direct boot, one without.
const FIXTURES: [(&str, &str); 2] =
    [("amdsev.fd", "ovmf_AmdSev_suffix.bin"), ("x64.fd", "ovmf_OvmfX64_suffix.bin")];

/// A folder with firmware, a kernel and an initrd.
fn inputs() -> Folder {
    let folder = Folder::new();
    for (name, fixture) in FIXTURES {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../measure/tests/fixtures");
        let source = path.join(fixture);
        folder.put(name, &whole(&cvmkit_host::files::read(&source).unwrap()));
    }
    folder.put("kernel", &[0xc3; 70_000]);
    folder.put("initrd", b"an initrd of an odd length");
    folder.put("empty", b"");
    folder
}

/// Arguments of which both programs print the same; `@` stands for a command line with blanks.
const SAME: [&str; 20] = [
    "--mode snp --vcpus 1 --vcpu-type EPYC-v4 --ovmf x64.fd",
    "--mode snp --vcpus=4 --vcpu-type=EPYC-Milan --ovmf=amdsev.fd --kernel=kernel --append @",
    "--mode snp --vcpus 2 --vcpu-sig 0x800f12 --ovmf amdsev.fd --kernel kernel --initrd initrd",
    "--mode snp --vcpus 2 --vcpu-sig 8392466 --ovmf amdsev.fd --output-format base64",
    "--mode snp --vcpus 3 --vcpu-family 25 --vcpu-model 17 --vcpu-stepping 0 --ovmf amdsev.fd",
    "--mode snp --vcpus 1 --vcpu-type EPYC-Genoa --ovmf amdsev.fd --guest-features 0x21",
    "--mode snp --vcpus 1 --vcpu-type EPYC-Genoa --ovmf amdsev.fd --guest-features 33",
    "--mode snp --vcpus 8 --vmm-type ec2 --ovmf amdsev.fd --kernel kernel --initrd empty",
    "--mode snp --vcpus 2 --vmm-type gce --vcpu-type EPYC-Turin --ovmf amdsev.fd",
    "--mode snp --vcpus 1 --vcpu-type EPYC-v4 --ovmf amdsev.fd --kernel empty --append=",
    "--mode snp --vcpus 1 --vcpu-type EPYC-v4 --ovmf amdsev.fd --append=",
    "--mode seves --vcpus 2 --vcpu-type EPYC-Rome --ovmf amdsev.fd",
    "--mode seves --vcpus 1 --vcpu-type EPYC --ovmf amdsev.fd --kernel kernel --append @ -v",
    "--mode sev --ovmf amdsev.fd --kernel kernel --initrd initrd --append @",
    "--mode sev --ovmf x64.fd --output-format base64",
    "--mode snp:ovmf-hash --ovmf amdsev.fd",
    "--mode snp:ovmf-hash --ovmf amdsev.fd --output-format base64 --verbose",
    "--mode snp --vcpus 2 --vcpu-type EPYC-v4 --ovmf amdsev.fd --snp-ovmf-hash HASH --verbose",
    "--verbose --mode snp --vcpus 512 --vcpu-type EPYC-v4 --ovmf amdsev.fd",
    "--mode sev --verbose --vcpus 3 --ovmf amdsev.fd --kernel kernel --output-format base64",
];

/// A digest of other firmware.
const HASH: &str = "086e2e9149ebf45abdc3445fba5b2da8270bdbb04094d7a2c37faaa4b24af3aa\
                    16aff8c374c2a55c467a50da6d466b74";

fn arguments(line: &str) -> Vec<&str> {
    let word = |word| match word {
        "@" => "console=ttyS0 loglevel=7",
        "HASH" => HASH,
        other => other,
    };
    line.split_whitespace().map(word).collect()
}

fn measure(folder: &Folder, line: &str) -> Said {
    folder.cvmkit_with(&[&["measure", "snp"], arguments(line).as_slice()].concat())
}

#[test]
fn the_digest_is_that_of_sev_snp_measure() {
    let folder = inputs();
    for line in SAME {
        let Some(oracle) = folder.oracle("sev-snp-measure", &arguments(line)) else { return };
        let expected = oracle.answer();
        assert!(expected.len() > 40, "{expected}");
        assert_eq!(measure(&folder, line).answer(), expected, "{line}");
        assert_eq!(measure(&folder, &format!("--quiet {line}")).answer(), expected, "{line}");
    }
}

#[test]
fn vmsas_are_those_of_sev_snp_measure() {
    for mode in ["snp", "seves"] {
        let line =
            format!("--mode {mode} --vcpus 2 --vcpu-type EPYC-v4 --ovmf amdsev.fd --dump-vmsa");
        let (ours, theirs) = (inputs(), inputs());
        let Some(oracle) = theirs.oracle("sev-snp-measure", &arguments(&line)) else { return };
        assert_eq!(measure(&ours, &line).answer(), oracle.answer());
        assert_eq!(ours.names(), theirs.names());
        for name in ["vmsa0.bin", "vmsa1.bin"] {
            assert!(ours.get(name) == theirs.get(name) && ours.get(name).len() == 4096, "{name}");
        }
    }
}

/// Made-up images: no SVSM is small enough to keep.
#[test]
fn an_svsm_has_the_digest_of_sev_snp_measure() {
    let folder = inputs();
    let sections = vec![[0, 0x9e000, 1], [0x9e000, 0x1000, 2], [0x9f000, 0x1000, 3]];
    let svsm = OvmfImage { pages: 3, svsm_entry: Some(0x123), ..OvmfImage::default() };
    let svsm = OvmfImage { sections: Some(sections), ..svsm };
    folder.put("ovmf.fd", &OvmfImage::default().bytes());
    folder.put("svsm.bin", &svsm.bytes());
    folder.put("vars.fd", &[0xff; 540_672]);
    let svsm = "--mode snp:svsm --ovmf ovmf.fd --svsm svsm.bin --vcpus 3 --vcpu-type EPYC-v4";
    for vars in ["--vars-size 4096", "--vars-file vars.fd", "--vars-size 540672 --dump-vmsa -v"] {
        let line = format!("{svsm} {vars}");
        let Some(oracle) = folder.oracle("sev-snp-measure", &arguments(&line)) else { return };
        assert_eq!(measure(&folder, &line).answer(), oracle.answer(), "{vars}");
    }
}

/// What both refuse. The tool's own code is 1 or 2; ours says whose fault it is.
#[test]
fn what_sev_snp_measure_refuses_is_refused() {
    let folder = inputs();
    let snp = "--mode snp --vcpus 1 --vcpu-type EPYC-v4";
    let lines = [
        format!("{snp} --ovmf x64.fd --kernel kernel"),
        format!("{snp} --ovmf amdsev.fd --initrd initrd"),
        format!("{snp} --ovmf amdsev.fd --append @"),
        format!("{snp} --ovmf kernel"),
        format!("{snp} --ovmf missing"),
        format!("{snp} --ovmf amdsev.fd --kernel missing"),
        format!("{snp} --ovmf amdsev.fd --vmm-type hyperv"),
        format!("{snp} --ovmf amdsev.fd --output-format base32"),
        format!("{snp} --ovmf amdsev.fd --guest-features 0xg"),
        format!("{snp} --ovmf amdsev.fd --snp-ovmf-hash abcd"),
        format!("{snp} --ovmf amdsev.fd --vars-size 1 --vars-file kernel"),
        "--mode snp --vcpus 1 --ovmf amdsev.fd".to_owned(),
        "--mode snp --vcpu-type EPYC-v4 --ovmf amdsev.fd".to_owned(),
        "--mode snp --vcpus 1 --vcpu-type epyc --ovmf amdsev.fd".to_owned(),
        "--mode snp --vcpus 1 --vcpu-family 25 --ovmf amdsev.fd".to_owned(),
        "--mode snp --vcpus x --vcpu-type EPYC --ovmf amdsev.fd".to_owned(),
        "--mode sev --dump-vmsa --ovmf amdsev.fd".to_owned(),
        "--mode sev --ovmf x64.fd --kernel kernel".to_owned(),
        "--mode snp:svsm --vcpus 1 --vcpu-type EPYC --ovmf amdsev.fd --svsm x64.fd".to_owned(),
        "--mode snp:svsm --vcpus 1 --vcpu-type EPYC --ovmf amdsev.fd --vars-size 4096".to_owned(),
        "--mode seves --vcpus 1 --vcpu-type EPYC --ovmf amdsev.fd --snp-ovmf-hash HASH".to_owned(),
        "--mode tdx --ovmf amdsev.fd".to_owned(),
        "--mode snp --vcpus 1 --vcpu-type EPYC".to_owned(),
    ];
    for line in lines {
        let ours = measure(&folder, &line);
        assert_eq!((ours.code, ours.stdout.as_str()), (Some(2), ""), "{line}: {ours:?}");
        let Some(oracle) = folder.oracle("sev-snp-measure", &arguments(&line)) else { continue };
        assert_ne!(oracle.code, Some(0), "{line}: {oracle:?}");
    }
}

/// What the tool measures although nothing would hold, or of which it ignores a part.
#[test]
fn what_would_degrade_silently_is_refused() {
    let folder = inputs();
    let snp = "--vcpus 1 --vcpu-type EPYC-v4 --ovmf amdsev.fd";
    let lines = [
        format!("{snp} --kernel="),
        format!("{snp} --vcpu-sig 0xa00f11"),
        format!("{snp} --vcpu-model 17"),
        format!("{snp} --mode snp:svsm --svsm x64.fd --vars-size 4096 --kernel kernel"),
        "--vcpus 0 --vcpu-type EPYC-v4 --ovmf amdsev.fd".to_owned(),
    ];
    for line in lines {
        let ours = measure(&folder, &line);
        assert_eq!((ours.code, ours.stdout.as_str()), (Some(2), ""), "{line}: {ours:?}");
    }
    // A processor may have any signature, and versions of a model have the model's.
    let of = |vcpu: &str| measure(&folder, &format!("--vcpus 2 --ovmf amdsev.fd {vcpu}")).answer();
    assert_ne!(of("--vcpu-sig 0"), of("--vcpu-sig 1"));
    for (version, model) in [
        ("EPYC-Rome-v4", "EPYC-Rome"),
        ("EPYC-v5", "EPYC"),
        ("EPYC-Genoa-v2", "EPYC-Genoa"),
        ("EPYC-Turin-v1", "EPYC-Turin"),
    ] {
        let [version, model] = [version, model].map(|name| of(&format!("--vcpu-type {name}")));
        assert_eq!(version, model);
    }
    let turin = of("--vcpu-family 26 --vcpu-model 0 --vcpu-stepping 0");
    assert_eq!(of("--vcpu-type EPYC-Turin"), turin);
    let agreeing = "--vcpu-sig 0x800f12 --vcpu-family 23 --vcpu-model 1 --vcpu-stepping 2";
    let all = measure(&folder, &format!("{snp} {agreeing}")).answer();
    assert_eq!(all, measure(&folder, snp).answer());
}

#[test]
fn refusals_say_what_and_what_next() {
    let folder = inputs();
    let snp = "--vcpus 1 --vcpu-type EPYC-v4";
    let said = measure(&folder, &format!("{snp} --ovmf x64.fd --kernel kernel"));
    insta::assert_snapshot!(said.refusal(), @r#"
    exit 2
    error: cannot measure `x64.fd` in guest mode 'snp'
      caused by: the firmware can't check kernel hashes: its SEV metadata has no SNP_KERNEL_HASHES section, so the kernel, initrd and command line would not be measured
    hint: use firmware that checks kernel hashes, such as Debian's ovmf-amdsev, or boot from a disk and leave out --kernel, --initrd and --append
    "#);
    let said = measure(&folder, &format!("{snp} --ovmf kernel"));
    insta::assert_snapshot!(said.refusal(), @r#"
    exit 2
    error: cannot measure `kernel`
      caused by: no firmware volume at 0x0: expected `_FVH` at 0x28, found `\xc3\xc3\xc3\xc3`; the file is a part of a firmware image, or not firmware
    hint: name the whole firmware image, as the VMM maps it, such as Debian's OVMF.fd
    "#);
    let said = measure(&folder, &format!("{snp} --ovmf missing"));
    insta::assert_snapshot!(said.refusal(), @r#"
    exit 2
    error: cannot open `missing`
      caused by: No such file or directory (os error 2)
    "#);
    let said = measure(&folder, "--vcpus 1 --vcpu-type EPYC-Mlan --ovmf amdsev.fd");
    insta::assert_snapshot!(said.refusal(), @r#"
    exit 2
    error: invalid value 'EPYC-Mlan' for '--vcpu-type <CPUTYPE>': unknown vCPU type `EPYC-Mlan`, expected something like EPYC-Milan (known: EPYC, EPYC-v1, EPYC-v2, EPYC-IBPB, EPYC-v3, EPYC-v4, EPYC-v5, EPYC-Rome, EPYC-Rome-v1, EPYC-Rome-v2, EPYC-Rome-v3, EPYC-Rome-v4, EPYC-Rome-v5, EPYC-Milan, EPYC-Milan-v1, EPYC-Milan-v2, EPYC-Milan-v3, EPYC-Genoa, EPYC-Genoa-v1, EPYC-Genoa-v2, EPYC-Turin, EPYC-Turin-v1); for any other, give its signature with --vcpu-sig

    For more information, try '--help'.
    "#);
    let said = measure(&folder, &format!("{snp} --ovmf amdsev.fd --vcpu-sig 0xa00f11"));
    insta::assert_snapshot!(said.refusal(), @r#"
    exit 2
    error: --vcpu-sig means vCPU signature 0x00a00f11, but --vcpu-type means 0x00800f12
    "#);
}

#[test]
fn the_explanation_ends_in_the_digest() {
    let folder = inputs();
    for line in [
        "--vcpus 2 --vcpu-type EPYC-v4 --ovmf amdsev.fd --kernel kernel",
        "--vcpus 2 --vcpu-type EPYC-v4 --ovmf amdsev.fd --mode seves",
    ] {
        let digest = measure(&folder, line).answer();
        let explained = measure(&folder, &format!("{line} --explain")).answer();
        let lines: Vec<_> = explained.lines().collect();
        assert_eq!(lines.last().copied(), Some(digest.trim()));
        assert!(lines[lines.len() - 2].ends_with(digest.trim()), "the last operation");
        for part in ["firmware", "VMSA of vCPU 0", "VMSA of vCPU 1"] {
            assert!(explained.contains(part), "{part}: {explained}");
        }
        let json = measure(&folder, &format!("{line} --explain --format json")).answer();
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(json["digest"], digest.trim());
        let operations = json["operations"].as_array().unwrap();
        assert_eq!(operations.len(), lines.len() - 2, "all but the head and the digest");
        assert_eq!(operations.last().unwrap()["digest"], digest.trim());
    }
}

#[test]
fn json_has_what_was_measured() {
    let folder = inputs();
    let line = "--vcpus 1 --vcpu-type EPYC-v4 --ovmf amdsev.fd --kernel empty --append @";
    let json = measure(&folder, &format!("{line} --format json")).answer();
    insta::assert_snapshot!(json, @r#"
    {
      "mode": "snp",
      "vmm-type": "QEMU",
      "vcpus": 1,
      "vcpu-signature": "0x00800f12",
      "guest-features": "0x1",
      "kernel-hashes": {
        "kernel": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "initrd": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "cmdline": "321c8eec6a77bad179511397f913a083067ad8cb737bb260aacbfe8df70fc50a"
      },
      "output-format": "hex",
      "digest": "5ed9c48be5731526f49382c0e1d24100581be21846b89a36a50ff6b04ba9bfd757bed61786b0549b45775c7567f0dd5d"
    }
    "#);
}
