//! Attestation reports of real processors, with the certificates of the keys that signed them.

use cvmkit_formats::digest::Sha384;
use cvmkit_measure::snp::LaunchDigest;
use cvmkit_measure::snp::policy::{GuestPolicy, PolicyError};
use cvmkit_measure::snp::report::{
    Error, FirmwareVersion, Processor, REPORT_LEN, Refusal, Report, SigningKey, TcbVersion,
};
use proptest::prelude::*;

const MILAN: &[u8; REPORT_LEN] = include_bytes!("fixtures/snp_report_milan.bin");
const GENOA: &[u8; REPORT_LEN] = include_bytes!("fixtures/snp_report_genoa.bin");
const TURIN: &[u8; REPORT_LEN] = include_bytes!("fixtures/snp_report_turin.bin");

/// The values in dstack's description of the fixture.
#[test]
fn a_milan_report_says_what_its_owner_says() {
    let report = Report::parse(MILAN).unwrap();
    assert_eq!(report.version, 3);
    assert_eq!(&report.report_data.0[..24], b"attest-test-fixture-2026");
    assert!(
        report
            .measurement
            .to_string()
            .starts_with("7f51e17f72a04d5422cb2c00998166536019a217376f3aa45a630e59c805a599")
    );
    assert_eq!(
        report.host_data.to_string(),
        "783f0057820acb99249af56cc3b07b4e8d80f65183167cba9cf437bb680f742f"
    );
    assert_eq!(
        report.chip_id.to_string(),
        "38d174589d2dff97a6d40cb9f9d90b9507c027491219083cef3ce73e\
         d18f7289142d941ad61eabecd27d25f268c1095d665f6001358e98a4769c82734a6bb877"
    );
    assert_eq!(report.processor, Some(Processor { family: 25, model: 1, stepping: 1 }));
    assert_eq!(report.policy, GuestPolicy::default());
    let tcb = TcbVersion { fmc: None, boot_loader: 4, tee: 0, snp: 0x18, microcode: 0xd5 };
    assert_eq!([report.current_tcb, report.committed_tcb, report.launch_tcb], [tcb; 3]);
    assert_eq!(report.reported_tcb, TcbVersion { snp: 0x17, ..tcb });
    assert_eq!(report.current_version, FirmwareVersion { major: 1, minor: 55, build: 29 });
    assert_eq!((report.signing_key, report.mask_chip_key), (SigningKey::Vcek, false));
    assert_eq!((report.author_key_digest, report.launch_mit_vector), (None, None));
    assert_eq!(report.platform_info.names().collect::<Vec<_>>(), {
        ["SMT_EN", "ECC_EN", "ALIAS_CHECK_COMPLETE"]
    });
    assert_eq!(report.check(), Ok(()));
}

/// The values AMD's key server was asked with for the certificate (Oak's `turin_oc_endorsements`):
/// ucodeSPL=71, snpSPL=2, teeSPL=0, blSPL=1, fmcSPL=0, chip 3b42092f69c656d3.
#[test]
fn a_turin_report_has_the_later_layout() {
    let report = Report::parse(TURIN).unwrap();
    assert_eq!(report.version, 5);
    assert_eq!(report.processor, Some(Processor { family: 26, model: 2, stepping: 1 }));
    let tcb = TcbVersion { fmc: Some(0), boot_loader: 1, tee: 0, snp: 2, microcode: 71 };
    assert_eq!(report.reported_tcb, tcb);
    assert!(report.chip_id.to_string().starts_with("3b42092f69c656d300000000"));
    assert_eq!((report.launch_mit_vector, report.current_mit_vector), (Some(0), Some(0)));
}

#[test]
fn a_genoa_report_has_the_mitigations_and_the_early_layout() {
    let report = Report::parse(GENOA).unwrap();
    assert_eq!(report.version, 5);
    assert_eq!(report.processor, Some(Processor { family: 25, model: 17, stepping: 1 }));
    let tcb = TcbVersion { fmc: None, boot_loader: 10, tee: 0, snp: 25, microcode: 84 };
    assert_eq!(report.reported_tcb, tcb);
    assert_eq!((report.launch_mit_vector, report.current_mit_vector), (Some(1), Some(1)));
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["policy"], "0x30000");
    assert_eq!(json["measurement"], report.measurement.to_string());
}

/// The public keys of the VCEK certificates that came with the reports.
#[cfg(feature = "id-block")]
#[test]
fn the_processors_signed_what_is_called_signed() {
    use cvmkit_measure::snp::id_block::PublicKey;

    let keys = [
        (
            MILAN,
            "0448c9f1dc2ba407cf9a2b5a5de454e85dd1e7dff4214e3eee4be3912999f7bd\
             2f7b650256875649c5ad2f8acc4f836f1ff1bfeb60a884701236ee721828eb19\
             529e9e9524d1dbc282c21d6ee125eaee689c19beb4320172b69191180389353cf0",
        ),
        (
            GENOA,
            "044b1b94dd8d38f851abaa5d64c79ec1f9657887396eafe6ef79ba5d71d04ece\
             02fcaaa0560d1bc8ac1dfaac216dfc9dc8ff937df02965ea110dc8b98088bebc\
             641c28f36547e78584d6e9dcdeda98e0eaf23c27938626cabfcdfbc33f29d48dc8",
        ),
        (
            TURIN,
            "04156d336880cd1031a732a3ad66c4e3927de675d6ec38d798d1ab3892fa0a35\
             06e5f97fa5a9747ab6a6e87703ea20fbf1fa624acdbf03addd16bd1657fabe46\
             6956559499113c6468794a13eddd0a69e0a1214282c2fa5bba233f38172e511a26",
        ),
    ];
    for (report, key) in keys {
        let key = PublicKey::from_sec1(&hex::decode(key).unwrap()).unwrap();
        let (signed, signature) =
            (Report::signed_bytes(report).unwrap(), Report::signature(report).unwrap());
        assert_eq!(key.verify(signed, signature), Ok(()));
        let mut tampered = signed.to_vec();
        tampered[0x90] ^= 1;
        assert!(key.verify(&tampered, signature).is_err());
    }
}

#[test]
fn what_no_signature_makes_good_is_refused() {
    let mut bytes = *MILAN;
    bytes[8 + 2] |= 1 << 3;
    let debug = GuestPolicy(0xb_0000);
    let refusal = Report::parse(&bytes).unwrap().check();
    assert_eq!(refusal, Err(Refusal::Policy(PolicyError::Debug { found: debug })));

    let mut bytes = *MILAN;
    bytes[0x90..0xc0].fill(0);
    let report = Report::parse(&bytes).unwrap();
    assert_eq!(report.measurement, LaunchDigest(Sha384::ZERO));
    assert_eq!(report.check(), Err(Refusal::ZeroMeasurement));
}

#[test]
fn a_version_shows_the_fields_it_has() {
    let with_version = |version: u32| {
        let mut bytes = *GENOA;
        bytes[..4].copy_from_slice(&version.to_le_bytes());
        Report::parse(&bytes)
    };
    for version in [0, 1, 6, u32::MAX] {
        assert_eq!(with_version(version), Err(Error::Version { found: version }));
    }
    let fields = |version| {
        let report = with_version(version).unwrap();
        (report.processor.is_some(), report.current_mit_vector.is_some())
    };
    assert_eq!([2, 3, 4, 5].map(fields), {
        [(false, false), (true, false), (true, false), (true, true)]
    });
    for len in [0, REPORT_LEN - 1] {
        assert_eq!(Report::parse(&MILAN[..len]), Err(Error::Length { found: len }));
    }
}

proptest! {
    #[test]
    fn any_1184_bytes_are_read(mut bytes in proptest::collection::vec(any::<u8>(), REPORT_LEN)) {
        let version = 2 + u32::from(bytes[0]) % 4;
        bytes[..4].copy_from_slice(&version.to_le_bytes());
        let report = Report::parse(&bytes).unwrap();
        prop_assert_eq!(&report.measurement.0.0[..], &bytes[0x90..0xc0]);
        let _ = report.check();
    }
}
