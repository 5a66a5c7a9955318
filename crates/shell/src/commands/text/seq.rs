//! seq(1).

use super::super::call::Call;
use crate::stop::Stop;
use crate::world::World;

/// The most lines that are written.
const LINES_MAX: i64 = 100_000;

/// seq(1), of whole numbers.
pub(in super::super) fn seq<W: World>(_: &mut W, call: &mut Call<'_>) -> Result<u8, Stop> {
    let numbers: Option<Vec<i64>> =
        call.arguments().iter().map(|word| str::from_utf8(word).ok()?.parse().ok()).collect();
    let (first, step, last) = match numbers.as_deref() {
        Some([last]) => (1, 1, *last),
        Some([first, last]) => (*first, 1, *last),
        Some([first, step, last]) if *step != 0 => (*first, *step, *last),
        _ => return Err(call.unsupported("anything but whole numbers")),
    };
    let (mut now, mut written) = (first, 0);
    while if step > 0 { now <= last } else { now >= last } {
        written += 1;
        let next = now.checked_add(step).filter(|_| written <= LINES_MAX);
        call.print(format!("{now}\n").as_bytes());
        now = next.ok_or_else(|| call.unsupported("more than 100000 lines"))?;
    }
    Ok(0)
}
