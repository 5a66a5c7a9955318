//! The header of a Secure Execution image, which is itself the reference value.

use cvmkit_measure::se;

use super::error::ReferenceError;
use super::image_files::ImageFiles;
use super::schema::{ReferenceValue, SecureExecutionValue};
use crate::profile::Profile;

/// One value: what a verifier compares.
pub(super) fn values(
    profile: &Profile,
    subject: &ImageFiles,
) -> Result<Vec<ReferenceValue>, ReferenceError> {
    let name = profile.image.as_deref().unwrap_or_default();
    let image = subject.machine_file(name)?;
    let (_, header) = se::find(&image).map_err(|source| ReferenceError::SecureExecution {
        image: name.to_owned(),
        source: Box::new(source),
    })?;
    let value = SecureExecutionValue {
        tag: header.tag.to_string(),
        page_digest: header.page_digest.to_string(),
        address_digest: header.address_digest.to_string(),
        tweak_digest: header.tweak_digest.to_string(),
        host_keys: header.key_slots.iter().map(|slot| slot.host_key_hash.to_string()).collect(),
    };
    Ok(vec![ReferenceValue { secure_execution: Some(value), ..ReferenceValue::of(profile) }])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::Folder;
    use crate::tests::se_image::HEADER;

    fn values(image: &[u8]) -> Result<Vec<ReferenceValue>, ReferenceError> {
        let folder = Folder::new();
        folder.put("se.img", image);
        let mut profile = Profile::built_in("se").unwrap();
        profile.image = Some("se.img".to_owned());
        super::values(&profile, &ImageFiles::of_files(folder.root(), false, |_| None))
    }

    /// The digests that s390-tools reads from the same header (`EXP_HDR` in `rust/pv/src/brcb.rs`).
    #[test]
    fn the_header_is_the_reference_value() {
        let image = [&[0; 0x2000], &HEADER[..]].concat();
        let [value] = values(&image).unwrap().try_into().unwrap();
        assert_eq!((value.profile.as_str(), value.launch_digest), ("se", None));
        assert!(value.registers.is_empty());
        let expected = SecureExecutionValue {
            tag: "92309d4589b9a85b427f8753171d1520".to_owned(),
            page_digest: "be94b5eab3c1b118c757d7db7ea0f65d9b64823a8dc55bf8a8725b58072d9d42\
                          58c53e8a5da82dfb2192d91d07bc1c39b95d6321d3ba16a751a6e3e32f3e0161"
                .to_owned(),
            address_digest: "2858c3368b2a0af0c5ea0fde7905eb15af9cd1dd737165933cdaa2b850b6a8e2\
                             f0f42c7b36dd5381096288dc092daa8a6facec2534137bc94ca80bda4fcb9328"
                .to_owned(),
            tweak_digest: "4860ebcf7b9d24eb909a795356ad32c936b62165988a9ffcd66170dbc590c230\
                           10d7952fa882d1bb79558f9be0a549d8d7a94ae720e5c0760a825d479fe67af5"
                .to_owned(),
            host_keys: vec![hex::encode(&HEADER[0x1a0..0x1c0])],
        };
        assert_eq!(value.secure_execution, Some(expected));
    }

    #[test]
    fn an_image_without_a_header_is_refused_by_name() {
        match values(&[0; 0x2000]).unwrap_err() {
            ReferenceError::SecureExecution { image, source } => {
                assert_eq!((image.as_str(), *source), ("se.img", se::Error::NotFound));
            }
            error => panic!("{error}"),
        }
        // A profile that names no image has none to read.
        let folder = Folder::new();
        let files = ImageFiles::of_files(folder.root(), false, |_| None);
        let error = super::values(&Profile::built_in("se").unwrap(), &files).unwrap_err();
        assert!(matches!(error, ReferenceError::File(_)), "{error}");
    }
}
