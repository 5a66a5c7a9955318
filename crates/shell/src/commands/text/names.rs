//! basename(1) and dirname(1).

use super::super::call::{Call, shown};
use super::super::options::Options;
use crate::stop::Stop;
use crate::world::World;

fn trimmed(word: &[u8]) -> &[u8] {
    let end = word.iter().rposition(|byte| *byte != b'/').map_or(0, |at| at + 1);
    if end == 0 && !word.is_empty() { b"/" } else { &word[..end] }
}

/// basename(1).
pub(in super::super) fn basename<W: World>(_: &mut W, call: &mut Call<'_>) -> Result<u8, Stop> {
    let long = [("multiple", b'a'), ("suffix", b's')];
    let options = Options::of(call, "+as:", &long)?;
    let is_multiple = options.has(b'a') || options.has(b's');
    let (words, suffix) = match (options.operands.as_slice(), is_multiple) {
        ([], _) => return Ok(call.usage("missing operand", 1)),
        (words, true) => (words, options.last(b's')),
        ([word, suffix], false) => (std::slice::from_ref(word), Some(*suffix)),
        ([_], false) => (options.operands.as_slice(), None),
        ([_, _, extra, ..], false) => {
            let extra = shown(extra);
            return Ok(call.usage(&format!("extra operand '{extra}'"), 1));
        }
    };
    for word in words {
        let word = trimmed(word);
        let name = if word == b"/" { word } else { super::super::call::base(word) };
        let cut = suffix.and_then(|suffix| name.strip_suffix(suffix)).filter(|cut| !cut.is_empty());
        call.print(cut.unwrap_or(name));
        call.print(b"\n");
    }
    Ok(0)
}

/// dirname(1).
pub(in super::super) fn dirname<W: World>(_: &mut W, call: &mut Call<'_>) -> Result<u8, Stop> {
    let options = Options::of(call, "", &[])?;
    if options.operands.is_empty() {
        return Ok(call.usage("missing operand", 1));
    }
    for word in &options.operands {
        let word = trimmed(word);
        let parent = match word.iter().rposition(|byte| *byte == b'/') {
            Some(at) => trimmed(&word[..at.max(1)]),
            None => b".",
        };
        call.print(parent);
        call.print(b"\n");
    }
    Ok(0)
}
