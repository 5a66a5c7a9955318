//! Names of files in an output folder, and how long a description is at most.

/// Name of the file that holds the reference values, in every output folder.
pub const REFERENCE_FILE: &str = "reference-values.json";

/// Most bytes of a manifest or of reference values that are read, and therefore written: a package of a manifest has some 200 bytes, a
/// reference value some 3 kB, and to read one takes up to 40 times its length.
pub const DESCRIPTION_MAX: u64 = 8 << 20;

/// Whether a name is one of a file in the same folder: not empty, without `/`, not `.` or `..`.
#[must_use]
pub fn is_file_name(name: &str) -> bool {
    !name.is_empty() && !name.contains('/') && !matches!(name, "." | "..")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_in_its_folder() {
        for (name, is_one) in [
            ("a.raw", true),
            ("..a", true),
            (".hidden", true),
            ("", false),
            (".", false),
            ("..", false),
            ("/a", false),
            ("a/b", false),
            ("../a", false),
            ("a/", false),
        ] {
            assert_eq!(is_file_name(name), is_one, "{name:?}");
        }
    }
}
