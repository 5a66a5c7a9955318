//! GUIDs as firmware stores them.

use std::fmt;

/// Bytes of a GUID (UEFI 2.10, appendix A).
pub const GUID_LEN: usize = 16;

/// A GUID in its stored form: the first three fields are little-endian, the rest is in the order of
/// the text (UEFI Specification 2.10, appendix A).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Guid(pub [u8; GUID_LEN]);

impl Guid {
    /// The GUID whose text is the hexadecimal digits of `text`:
    /// `0x96b582de_1fb2_45f7_baea_a366c55a082d` is `96b582de-1fb2-45f7-baea-a366c55a082d`.
    #[must_use]
    pub const fn new(text: u128) -> Self {
        let [a0, a1, a2, a3, b0, b1, c0, c1, d @ ..] = text.to_be_bytes();
        let [d0, d1, d2, d3, d4, d5, d6, d7] = d;
        Self([a3, a2, a1, a0, b1, b0, c1, c0, d0, d1, d2, d3, d4, d5, d6, d7])
    }
}

impl fmt::Display for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a3, a2, a1, a0, b1, b0, c1, c0, d0, d1, node @ ..] = self.0;
        let first = hex::encode([a0, a1, a2, a3]);
        let [second, third] = [hex::encode([b0, b1]), hex::encode([c0, c1])];
        write!(f, "{first}-{second}-{third}-{}-{}", hex::encode([d0, d1]), hex::encode(node))
    }
}

impl fmt::Debug for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Guid({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The type of an EFI system partition (UEFI 2.10, table 5.7) as disks store it.
    #[test]
    fn stored_form_is_mixed_endian() {
        let esp = Guid::new(0xc12a7328_f81f_11d2_ba4b_00a0c93ec93b);
        assert_eq!(hex::encode(esp.0), "28732ac11ff8d211ba4b00a0c93ec93b");
        assert_eq!(esp.to_string(), "c12a7328-f81f-11d2-ba4b-00a0c93ec93b");
    }
}
