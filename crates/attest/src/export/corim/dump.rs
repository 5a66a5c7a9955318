//! An annotated listing of a CoRIM, and the names of its values.

use std::fmt::{self, Write as _};

use super::super::request::Validity;
use super::content::{
    Algorithm, Class, Comid, Corim, Digest, HeaderField, Measurement, ProfileId, Triple,
};
use super::file::CorimFile;

/// A value by its name, in the order of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// What it is, such as `PCR 4, sha256`.
    pub name: String,
    /// The bytes in lower-case hexadecimal digits.
    pub value: String,
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sha256 => "sha256",
            Self::Sha384 => "sha384",
            Self::Sha512 => "sha512",
        })
    }
}

impl fmt::Display for ProfileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Snp => "tag:amd.com,2025:snp-corim-profile (SEV-SNP)",
            Self::Intel => "2.16.840.1.113741.1.16.1 (Intel)",
        })
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SnpByChip => f.write_str("1.3.6.1.4.1.3704.3.1 (SEV-SNP, signed by the chip)"),
            Self::SnpByProvider => {
                f.write_str("1.3.6.1.4.1.3704.3.2 (SEV-SNP, signed by a provider's key)")
            }
            Self::Named { vendor, model } => write!(f, "{vendor}, {model}"),
        }
    }
}

impl fmt::Display for Validity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.not_before.iter().try_for_each(|from| write!(f, "from {from} "))?;
        write!(f, "until {}", self.not_after)
    }
}

impl Triple {
    /// Its values by their names, in the order of the file: one for each digest of each register.
    #[must_use]
    pub fn values(&self) -> Vec<Named> {
        self.measurements.iter().flat_map(|measurement| self.named(measurement)).collect()
    }

    fn named(&self, measurement: &Measurement) -> Vec<Named> {
        let named = |name: &str, digest: &Digest| Named {
            name: format!("{name}, {}", digest.algorithm),
            value: hex::encode(&digest.value),
        };
        match measurement {
            Measurement::LaunchDigest(digest) => vec![named("launch digest", digest)],
            Measurement::Mrtd(digest) => vec![named("MRTD", digest)],
            Measurement::Tag(tag) => {
                vec![Named { name: "tag".to_owned(), value: hex::encode(tag) }]
            }
            Measurement::Header(field, digest) => {
                let name = match field {
                    HeaderField::Pld => "PLD",
                    HeaderField::Ald => "ALD",
                    HeaderField::Tld => "TLD",
                };
                vec![named(name, digest)]
            }
            Measurement::Registers(registers) => {
                let kind = if self.is_of_a_td() { "RTMR" } else { "PCR" };
                let of = |(number, digests): (&u8, &Vec<Digest>)| {
                    let name = format!("{kind} {number}");
                    digests.iter().map(|digest| named(&name, digest)).collect::<Vec<_>>()
                };
                registers.iter().flat_map(of).collect()
            }
        }
    }

    fn is_of_a_td(&self) -> bool {
        matches!(&self.class, Class::Named { model, .. } if model == "TDX")
    }
}

impl CorimFile {
    /// The listing: signer, profile and validity, then each machine with its environments and values, one to
    /// a line.
    #[must_use]
    pub fn dump(&self) -> String {
        let mut text = String::new();
        // Writing to a String can't fail.
        let _ = writeln!(text, "CoRIM `{}`", self.corim.id);
        match &self.signed {
            None => text.push_str("  signature  none\n"),
            Some(signed) => {
                let header = &signed.header;
                let _ = writeln!(
                    text,
                    "  signature  ES384 by `{}`, not verified here\n  key        sha256 {}",
                    header.signer, header.key
                );
                if let Some(validity) = header.validity {
                    let _ = writeln!(text, "             {validity}");
                }
            }
        }
        self.corim.list(&mut text);
        text
    }
}

impl Corim {
    fn list(&self, text: &mut String) {
        let _ = match self.profile {
            Some(profile) => writeln!(text, "  profile    {profile}"),
            None => writeln!(text, "  profile    none"),
        };
        let _ = match self.validity {
            Some(validity) => writeln!(text, "  valid      {validity}"),
            None => writeln!(text, "  valid      without limit"),
        };
        self.tags.iter().enumerate().for_each(|(at, comid)| self.list_comid(at, comid, text));
    }

    fn list_comid(&self, at: usize, comid: &Comid, text: &mut String) {
        let _ = writeln!(text, "CoMID {} `{}`", at + 1, self.machine(comid));
        for triple in &comid.triples {
            let _ = writeln!(text, "  environment {}", triple.class);
            for Named { name, value } in triple.values() {
                let _ = writeln!(text, "    {name:<21} {value}");
            }
        }
    }

    /// The machine of a CoMID: its id without that of the CoRIM.
    #[must_use]
    pub fn machine<'a>(&self, comid: &'a Comid) -> &'a str {
        let below = comid.id.strip_prefix(&self.id).and_then(|rest| rest.strip_prefix('/'));
        below.unwrap_or(&comid.id)
    }
}
