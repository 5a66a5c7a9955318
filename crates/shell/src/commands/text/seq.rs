//! seq(1).

use super::super::call::Call;
use crate::stop::Stop;
use crate::world::World;

/// The most lines that are written.
const LINES_MAX: i64 = 100_000;

/// seq(1), of whole numbers, with `-w` and `-s`.
pub(in super::super) fn seq<W: World>(_: &mut W, call: &mut Call<'_>) -> Result<u8, Stop> {
    let (mut words, mut is_wide, mut separator) = (call.arguments(), false, b"\n".to_vec());
    loop {
        match words {
            [word, rest @ ..] if word == b"-w" || word == b"--equal-width" => {
                is_wide = true;
                words = rest;
            }
            [word, text, rest @ ..] if word == b"-s" => {
                separator.clone_from(text);
                words = rest;
            }
            [word, rest @ ..] if word.starts_with(b"-s") || word.starts_with(b"--separator=") => {
                let start = if word.starts_with(b"-s") { 2 } else { "--separator=".len() };
                separator = word[start..].to_vec();
                words = rest;
            }
            _ => break,
        }
    }
    let numbers: Option<Vec<i64>> =
        words.iter().map(|word| str::from_utf8(word).ok()?.parse().ok()).collect();
    let (first, step, last) = match numbers.as_deref() {
        Some([last]) => (1, 1, *last),
        Some([first, last]) => (*first, 1, *last),
        Some([first, step, last]) if *step != 0 => (*first, *step, *last),
        _ => return Err(call.unsupported("anything but whole numbers")),
    };
    let width = match is_wide {
        true => first.to_string().len().max(last.to_string().len()),
        false => 0,
    };
    let (mut now, mut written) = (first, 0);
    while if step > 0 { now <= last } else { now >= last } {
        if written > 0 {
            call.print(&separator);
        }
        written += 1;
        let next = now.checked_add(step).filter(|_| written <= LINES_MAX);
        call.print(format!("{now:0width$}").as_bytes());
        now = next.ok_or_else(|| call.unsupported("more than 100000 lines"))?;
    }
    if written > 0 {
        call.print(b"\n");
    }
    Ok(0)
}
