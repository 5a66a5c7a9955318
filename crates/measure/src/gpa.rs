//! Guest-physical addresses and the page, the unit every launch measurement counts in.

use std::fmt;

use serde::{Serialize, Serializer};

/// Bytes of a page (AMD64 Architecture Programmer's Manual volume 2, section 5.1).
pub const PAGE_SIZE: usize = 4096;

/// [`PAGE_SIZE`] where addresses are computed.
pub const PAGE_SIZE_U64: u64 = 4096;

/// Where the firmware image ends in guest-physical memory, so that the reset vector at `0xfffffff0`
/// is its last 16 bytes (AMD64 Architecture Programmer's Manual volume 2, section 14.1.5).
pub const FOUR_GIB: u64 = 1 << 32;

/// A guest-physical address; prints as `0x` and 12 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Gpa(pub u64);

impl Gpa {
    /// The byte offset inside the page.
    #[must_use]
    pub fn page_offset(self) -> u64 {
        self.0 % PAGE_SIZE_U64
    }

    /// The address of the page this address is in.
    #[must_use]
    pub fn page(self) -> Self {
        Self(self.0 - self.page_offset())
    }

    /// True for the first address of a page.
    #[must_use]
    pub fn is_page_aligned(self) -> bool {
        self.page_offset() == 0
    }
}

impl fmt::Display for Gpa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#014x}", self.0)
    }
}

impl Serialize for Gpa {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_of_a_page_and_print_in_full() {
        for (gpa, page, offset, shown) in [
            (0, 0, 0, "0x000000000000"),
            (0xfff, 0, 0xfff, "0x000000000fff"),
            (0x1000, 0x1000, 0, "0x000000001000"),
            (0xffff_ffff_f123, 0xffff_ffff_f000, 0x123, "0xfffffffff123"),
        ] {
            let address = Gpa(gpa);
            assert_eq!((address.page(), address.page_offset()), (Gpa(page), offset));
            assert_eq!(address.is_page_aligned(), offset == 0);
            assert_eq!(address.to_string(), shown);
            assert_eq!(serde_json::to_string(&address).unwrap(), format!("\"{shown}\""));
        }
    }
}
