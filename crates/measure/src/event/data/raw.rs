//! Data of no known layout: text if it is some, otherwise its first bytes.

use super::text::text;

/// Bytes shown of data that is neither text nor of a known layout.
const BYTES_SHOWN: usize = 16;

/// The data in words; a text is quoted and cut ([`Text`](super::text::Text)).
pub(super) fn anything(data: &[u8]) -> String {
    if data.is_empty() {
        return "no data".to_owned();
    }
    if let Some(text) = text(data) {
        return text.to_string();
    }
    let (shown, rest) = data.split_at_checked(BYTES_SHOWN).unwrap_or((data, &[]));
    let ellipsis = if rest.is_empty() { "" } else { "..." };
    let unit = if data.len() == 1 { "byte" } else { "bytes" };
    format!("{} {unit} {}{ellipsis}", data.len(), hex::encode(shown))
}
