//! The pages of an image, and the digests over them.

use cvmkit_formats::digest::Sha512;
use serde::Serialize;
use sha2::{Digest as _, Sha512 as Hasher};
use thiserror::Error;

use super::{AddressDigest, PageDigest, TweakDigest};
use crate::gpa::{PAGE_SIZE, PAGE_SIZE_U64};

/// A part of an image that the ultravisor decrypts: kernel, initrd, parameters, stage 3b.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Component<'a> {
    /// Where the machine puts the first page.
    pub address: u64,
    /// AES-256-XTS tweak of the first page; that of the next is 4096 more, as a big-endian number.
    pub tweak: [u8; 16],
    /// The encrypted pages.
    pub pages: &'a [u8],
}

/// Why components are of no image.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ComponentError {
    /// Not whole pages.
    #[error("the component at {address:#x} has {found} bytes, expected one or more pages of 4096")]
    Length {
        /// Where the machine puts the component.
        address: u64,
        /// Bytes of the component.
        found: usize,
    },
    /// Not at the start of a page, before the end of the previous, or beyond all addresses.
    #[error(
        "the component at {address:#x} is out of place, expected the start of a page from \
         {next:#x} on and an end below 2^64"
    )]
    Address {
        /// Where the machine puts the component.
        address: u64,
        /// Where the previous one ends.
        next: u64,
    },
    /// A tweak that overflows before the last page.
    #[error("the tweak {} of the component at {address:#x} overflows", hex::encode(tweak))]
    Tweak {
        /// Where the machine puts the component.
        address: u64,
        /// Tweak of the component's first page.
        tweak: [u8; 16],
    },
    /// A part of an image that the image does not have.
    #[error("the component at {address:#x} has {len:#x} bytes, but the image has {image:#x}")]
    Outside {
        /// Where the machine puts the component.
        address: u64,
        /// Bytes of the component.
        len: u64,
        /// Bytes of the image.
        image: usize,
    },
}

/// A digest of an image that is not the header's.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("the {what} of the image is {found}, but its Secure Execution header says {expected}")]
pub struct Mismatch {
    /// The digest or number, in words.
    pub what: &'static str,
    /// What the header says.
    pub expected: String,
    /// What the image's pages give.
    pub found: String,
}

impl<'a> Component<'a> {
    /// The component of an image file: the file is memory from address 0 on.
    ///
    /// # Errors
    /// [`ComponentError::Outside`].
    pub fn of_image(
        image: &'a [u8],
        address: u64,
        len: u64,
        tweak: [u8; 16],
    ) -> Result<Self, ComponentError> {
        let start = usize::try_from(address).ok();
        let end = address.checked_add(len).and_then(|end| usize::try_from(end).ok());
        let pages = start.zip(end).and_then(|(start, end)| image.get(start..end));
        let outside = ComponentError::Outside { address, len, image: image.len() };
        pages.map(|pages| Self { address, tweak, pages }).ok_or(outside)
    }
}

/// What a header says of an image's pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct ImageDigests {
    /// NEP: number of encrypted pages.
    pub pages: u64,
    /// PLD: over the contents of the pages.
    pub page_digest: PageDigest,
    /// ALD: over the addresses of the pages.
    pub address_digest: AddressDigest,
    /// TLD: over the tweaks of the pages.
    pub tweak_digest: TweakDigest,
}

impl ImageDigests {
    /// The digests over `components`, in the order of their addresses.
    ///
    /// # Errors
    /// Any of [`ComponentError`].
    pub fn of(components: &[Component<'_>]) -> Result<Self, ComponentError> {
        let [mut contents, mut addresses, mut tweaks] = [(); 3].map(|()| Hasher::new());
        let (mut pages, mut next) = (0, 0);
        for component in components {
            let end = end(component, next)?;
            contents.update(component.pages);
            for address in (component.address..end).step_by(PAGE_SIZE) {
                addresses.update(address.to_be_bytes());
                tweaks.update(tweak(component, address - component.address)?);
                pages += 1;
            }
            next = end;
        }
        let [page_digest, address_digest, tweak_digest] =
            [contents, addresses, tweaks].map(|hasher| Sha512(hasher.finalize().into()));
        Ok(Self {
            pages,
            page_digest: PageDigest(page_digest),
            address_digest: AddressDigest(address_digest),
            tweak_digest: TweakDigest(tweak_digest),
        })
    }
}

/// Where a component ends, if it may lie where it does.
fn end(component: &Component<'_>, next: u64) -> Result<u64, ComponentError> {
    let Component { address, pages, .. } = *component;
    if pages.is_empty() || !pages.len().is_multiple_of(PAGE_SIZE) {
        return Err(ComponentError::Length { address, found: pages.len() });
    }
    let end = address.checked_add(pages.len() as u64);
    let in_place = address >= next && address.is_multiple_of(PAGE_SIZE_U64);
    end.filter(|_| in_place).ok_or(ComponentError::Address { address, next })
}

fn tweak(component: &Component<'_>, offset: u64) -> Result<[u8; 16], ComponentError> {
    let Component { address, tweak, .. } = *component;
    let number = u128::from_be_bytes(tweak).checked_add(offset.into());
    number.map(u128::to_be_bytes).ok_or(ComponentError::Tweak { address, tweak })
}
