#![forbid(unsafe_code)]
//! What confidential-computing hardware will measure, computed from bytes before anything boots.
//!
//! Every technology has the same shape: `launch` turns the inputs into a list of operations, the
//! list prints (`explain`), and the digest is a fold over that list and nothing else, so that what
//! is explained is what is measured. Digests have roles: to compare an SEV-SNP launch digest with
//! an SEV one does not compile.
//!
//! Inputs are byte slices or hashes the caller computed. Nothing here names a path, opens a file,
//! reads a clock, starts a process or logs; a verifier service can link this crate alone.
//!
//! | module | technology | digest |
//! |---|---|---|
//! | [`snp`] | AMD SEV-SNP, also under an SVSM | [`snp::LaunchDigest`], SHA-384 |
//! | [`sev`] | AMD SEV and SEV-ES | [`sev::LaunchDigest`], SHA-256 |
//! | [`se`] | IBM Secure Execution | three of [`se::Header`], SHA-512 |
//! | [`stage0`] | Oak's stage0 firmware on SEV-SNP | [`stage0::Measurements`], SHA-256 |
//! | [`tdx`] | Intel TDX | [`tdx::mrtd::Mrtd`] and [`event::Rtmr`], SHA-384 |
//! | [`tpm`] | TPM 2.0, virtual ones too | [`event::PcrSha256`] and [`event::PcrSha384`] |
//!
//! ```
//! use cvmkit_measure::{firmware::Firmware, kernel_hashes::KernelHashes, snp};
//! # let image = include_bytes!(concat!(
//! #     env!("CARGO_MANIFEST_DIR"),
//! #     "/tests/fixtures/ovmf_AmdSev_suffix.bin"
//! # ));
//!
//! let firmware = Firmware::of_end(image)?;
//! let vcpu = "EPYC-v4".parse::<snp::VcpuType>()?.signature();
//! let kernel = KernelHashes::from_bytes(b"", None, b"console=ttyS0 loglevel=7")?;
//! let guest = snp::Guest { kernel: Some(kernel), ..snp::Guest::new(snp::Vmm::Qemu { vcpu }) };
//!
//! let launch = snp::launch(&firmware, &guest, 1)?;
//! for step in launch.explain() {
//!     println!("{step}");
//! }
//! assert!(launch.digest().to_string().starts_with("6d287813eb5222d7"));
//!
//! let by_vcpus = snp::digests(&firmware, &guest, &[1, 2, 4])?;
//! assert_eq!(by_vcpus[&1], launch.digest());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`firmware`] reads what an OVMF image says about its own launch; [`kernel_hashes`] is the table
//! through which that firmware checks kernel, initrd and command line.

pub mod claim;
pub mod compare;
pub mod digest;
pub mod event;
pub mod firmware;
pub mod gpa;
pub mod guid;
pub mod kernel_hashes;
pub mod linux;
pub mod names;
pub mod qemu;
pub mod se;
pub mod sev;
pub mod snp;
pub mod stage0;
pub mod tdx;
pub mod tpm;
pub mod uefi;
