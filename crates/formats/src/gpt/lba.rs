//! Sectors by their number.

use super::spec::SECTOR;

/// A sector number of a disk of 512-byte sectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lba(pub u64);

impl Lba {
    /// The sector's offset in bytes, or nothing beyond 2^64.
    #[must_use]
    pub fn to_bytes(self) -> Option<u64> {
        self.0.checked_mul(SECTOR)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sector_has_512_bytes() {
        let most = u64::MAX / 512;
        for (sector, expected) in
            [(0, Some(0)), (34, Some(17_408)), (most, Some(most * 512)), (most + 1, None)]
        {
            assert_eq!(Lba(sector).to_bytes(), expected, "{sector}");
        }
    }
}
