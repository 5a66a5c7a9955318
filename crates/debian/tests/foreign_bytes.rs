//! No decoder of foreign bytes panics, whatever the bytes.

use cvmkit_debian::openpgp::{Keyring, Policy, verify};
use cvmkit_debian::packages::{Index, RelationField};
use cvmkit_debian::release::Release;
use cvmkit_debian::{deb, deb822, relation};
use cvmkit_formats::archive::tar;
use cvmkit_formats::compression::{Compression, decompress};
use proptest::prelude::*;

const IN_RELEASE: &[u8] = include_bytes!("fixtures/openpgp/both.asc");

proptest! {
    #[test]
    fn paragraphs_cover_the_text(text in "([a-c:# \t\n]|X: )*") {
        let mut at = 0;
        for stanza in deb822::paragraphs(&text) {
            let Ok(stanza) = stanza else { break };
            let start = stanza.text().as_ptr() as usize - text.as_ptr() as usize;
            prop_assert!(start >= at);
            at = start + stanza.text().len();
            prop_assert!(!stanza.fields().is_empty());
        }
    }

    #[test]
    fn indices(text in "(Package: [a-z0-9]{2}\n|Version: [0-9.~:-]{1,4}\n|Depends: [a-z|,() >=.0-9:\\[\\]]{0,20}\n|[A-Z]: .\n|\n)*") {
        if let Ok(index) = Index::parse(text.as_bytes()) {
            for package in &index.packages {
                let _ = package.relations(RelationField::Depends);
            }
        }
        let _ = Release::parse(&text);
    }

    #[test]
    fn relations_print_as_they_read(text in "[ab]{1,2}(:any)?( \\((<<|<=|=|>=|>>) [0-9.]{1,3}\\))?( \\[!?[a-c]\\])?") {
        if let Ok(groups) = relation::parse(&text) {
            prop_assert_eq!(groups[0][0].to_string(), text);
        }
    }

    #[test]
    fn signed_messages(at in 0..IN_RELEASE.len(), byte: u8, cut in 0..IN_RELEASE.len()) {
        let keyring = Keyring::default();
        let mut message = IN_RELEASE.to_vec();
        message[at] = byte;
        prop_assert!(verify(&message, &keyring, &Policy::new(&[], 0)).is_err());
        prop_assert!(verify(&message[..cut], &keyring, &Policy::new(&[], 0)).is_err());
    }

    #[test]
    fn random_bytes(bytes: Vec<u8>) {
        let _ = Keyring::default().add(&bytes);
        let _ = Index::parse(&bytes);
        let _ = deb::Deb::parse(&bytes).map(|deb| deb.control());
        let _ = tar::entries(&bytes[..]);
        for compression in [Compression::Gzip, Compression::Xz, Compression::Zstd] {
            let _ = decompress(&bytes, compression, 1 << 20);
        }
    }
}
