//! Large files of which a few pages count: they are changed as if there were no others.

const PAGE: usize = 4096;

/// Which pages of a file count; the others stay as they are.
pub(crate) struct Sparse {
    whole: Vec<u8>,
    pages: Vec<usize>,
}

impl Sparse {
    /// The file, and the pages of it that are changed, one behind the other.
    pub(crate) fn new(whole: Vec<u8>, counts: impl Fn(usize, &[u8]) -> bool) -> (Self, Vec<u8>) {
        let pages = whole.chunks(PAGE).enumerate().filter(|(at, page)| counts(*at, page));
        let (pages, packed): (Vec<_>, Vec<_>) = pages.unzip();
        let packed = packed.concat();
        (Self { whole, pages }, packed)
    }

    /// Of a file that is mostly zeros.
    pub(crate) fn of_zeros(whole: Vec<u8>) -> (Self, Vec<u8>) {
        Self::new(whole, |_, page| page.iter().any(|byte| *byte != 0))
    }

    /// The file with these pages; what is behind them is behind its end.
    pub(crate) fn unpack(&self, packed: &[u8]) -> Vec<u8> {
        let mut file = self.whole.clone();
        for (page, bytes) in self.pages.iter().zip(packed.chunks(PAGE)) {
            let to = file.iter_mut().skip(page * PAGE);
            to.zip(bytes).for_each(|(to, from)| *to = *from);
        }
        file.extend_from_slice(packed.get(self.pages.len() * PAGE..).unwrap_or_default());
        file
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_what_was_packed() {
        let mut file = vec![0; 10 * PAGE + 512];
        file[3 * PAGE + 5] = 7;
        file[10 * PAGE + 1] = 8;
        let (sparse, mut packed) = Sparse::of_zeros(file.clone());
        assert_eq!(packed.len(), PAGE + 512);
        assert!(sparse.unpack(&packed) == file);
        packed[5] = 9;
        file[3 * PAGE + 5] = 9;
        assert!(sparse.unpack(&packed) == file);
    }
}
