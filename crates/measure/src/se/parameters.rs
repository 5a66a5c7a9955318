//! The IPL parameters in an image: where its encrypted components lie, in the clear.
//!
//! The loader of an image hands this block to the hypervisor (DIAGNOSE 308, subcode 8), which has the
//! ultravisor unpack the components it lists. Nothing vouches for the block, and nothing has to: of
//! other places the digests are not those of the header.
//!
//! Layout: `IplParameterBlock` and `IPLBlockPV` in QEMU's include/hw/s390x/ipl/qipl.h, `struct
//! ipl_pb0_pv` in Linux' arch/s390/include/uapi/asm/ipl.h; numbers are big-endian.

use serde::{Serialize, Serializer};
use thiserror::Error;
use zerocopy::byteorder::big_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

use super::{Component, ComponentError, Header, ImageDigests};
use crate::gpa::{PAGE_SIZE, PAGE_SIZE_U64};

/// `IPL_PARM_BLOCK_VERSION` and `IPL_PARM_BLOCK_PV_VERSION`.
const VERSION: u8 = 1;
/// `IPL_PBT_PV`: parameters of a Secure Execution guest.
const PBT_PV: u8 = 5;

#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct RawParameters {
    len: U32,
    flags: u8,
    reserved_5: [u8; 2],
    version: u8,
    block_len: U32,
    block_type: u8,
    reserved_d: [u8; 3],
    loadparm: [u8; 8],
    reserved_18: [u8; 87],
    block_version: u8,
    reserved_70: U32,
    components: U32,
    header_address: U64,
    header_len: U64,
}
const _: () = assert!(size_of::<RawParameters>() == 0x88);

#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct RawPlace {
    tweak_prefix: U64,
    address: U64,
    len: U64,
}
const _: () = assert!(size_of::<RawPlace>() == 24);

/// Why it is not known where the components of an image lie.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ParametersError {
    /// No page of the image starts with a block that names the header.
    #[error(
        "the image has no IPL parameters: expected a page that starts with a block of version 1 and \
         type 5, for a header of {size} bytes at {header:#x}"
    )]
    NotFound {
        /// Byte offset of the header in the image.
        header: usize,
        /// Bytes of the header.
        size: usize,
    },
    /// Components that leave the image.
    #[error("the IPL parameters at {at:#x} list {found} components, but the image ends before")]
    Truncated {
        /// Byte offset of the block in the image.
        at: usize,
        /// Number of components that the block lists.
        found: u32,
    },
}

/// Where one component lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Place {
    /// Where the machine puts it, and where it is in the image.
    #[serde(serialize_with = "hexadecimal")]
    pub address: u64,
    /// Bytes; the rest of its last page belongs to it.
    #[serde(serialize_with = "hexadecimal")]
    pub len: u64,
    /// The first half of the AES-256-XTS tweak of its first page; the second is zero.
    #[serde(serialize_with = "hexadecimal")]
    pub tweak_prefix: u64,
}

fn hexadecimal<S: Serializer>(number: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{number:#x}"))
}

/// The IPL parameters of an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Parameters {
    /// Byte offset in the image.
    pub offset: usize,
    /// In the order of the list, which is that of the addresses.
    pub components: Vec<Place>,
}

impl Parameters {
    /// Finds the block that names the header at `header_at`: the first page that starts with one.
    ///
    /// # Errors
    /// Any of [`ParametersError`].
    pub fn find(image: &[u8], header_at: usize, header: &Header) -> Result<Self, ParametersError> {
        let names_header = |raw: &RawParameters| {
            [raw.version, raw.block_version] == [VERSION; 2]
                && raw.block_type == PBT_PV
                && raw.header_address.get() == header_at as u64
                && raw.header_len.get() == header.size as u64
        };
        let block = |at: usize| {
            let (raw, rest) = RawParameters::ref_from_prefix(image.get(at..)?).ok()?;
            names_header(raw).then_some((at, raw.components.get(), rest))
        };
        let not_found = ParametersError::NotFound { header: header_at, size: header.size };
        let mut pages = (0..image.len()).step_by(PAGE_SIZE);
        let (offset, found, rest) = pages.find_map(block).ok_or(not_found)?;
        let truncated = ParametersError::Truncated { at: offset, found };
        let len = usize::try_from(found).ok().and_then(|n| n.checked_mul(size_of::<RawPlace>()));
        let list = len.and_then(|len| rest.get(..len)).ok_or(truncated)?;
        let places = list.chunks_exact(size_of::<RawPlace>());
        let places = places.filter_map(|place| RawPlace::ref_from_bytes(place).ok());
        Ok(Self { offset, components: places.map(Place::of).collect() })
    }

    /// The digests of an image that has its components in these places.
    ///
    /// # Errors
    /// Any of [`ComponentError`].
    pub fn digests(&self, image: &[u8]) -> Result<ImageDigests, ComponentError> {
        let component = |place: &Place| place.component(image);
        ImageDigests::of(&self.components.iter().map(component).collect::<Result<Vec<_>, _>>()?)
    }
}

impl Place {
    fn of(raw: &RawPlace) -> Self {
        let (address, len) = (raw.address.get(), raw.len.get());
        Self { address, len, tweak_prefix: raw.tweak_prefix.get() }
    }

    /// The component there, with its last page filled up.
    fn component<'a>(&self, image: &'a [u8]) -> Result<Component<'a>, ComponentError> {
        let Self { address, len, tweak_prefix } = *self;
        let outside = ComponentError::Outside { address, len, image: image.len() };
        let len = len.checked_next_multiple_of(PAGE_SIZE_U64).ok_or(outside)?;
        let tweak = (u128::from(tweak_prefix) << 64).to_be_bytes();
        Component::of_image(image, address, len, tweak)
    }
}
