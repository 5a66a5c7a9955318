//! Words of calls, as messages have them.

/// Words as messages have them.
pub(super) fn shown(words: &[Vec<u8>]) -> String {
    String::from_utf8_lossy(&words.join(&b' ')).into_owned()
}
