//! Formats of date(1), in the locale `C`.

use super::super::call::{Call, shown};
use super::calendar::Time;
use crate::stop::Stop;

pub(super) const DAYS: [&str; 7] =
    ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

pub(super) const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// What a letter of a format stands for.
enum Field {
    /// A number, its width, and what fills it.
    Number(i64, usize, char),
    Text(String),
    /// Another format.
    Format(&'static str),
}

fn field(letter: u8, time: &Time) -> Option<Field> {
    let number = |number| Field::Number(number, 2, '0');
    let blank = |number| Field::Number(number, 2, ' ');
    let hour = match time.hour % 12 {
        0 => 12,
        hour => hour,
    };
    let (day, month) = (DAYS[time.day_of_week], MONTHS[time.month - 1]);
    Some(match letter {
        b'Y' => Field::Number(time.year, 4, '0'),
        b'C' => number(time.year / 100),
        b'y' => number(time.year % 100),
        b'm' => number(i64::try_from(time.month).ok()?),
        b'd' => number(time.day),
        b'e' => blank(time.day),
        b'j' => Field::Number(time.day_of_year, 3, '0'),
        b'H' => number(time.hour),
        b'k' => blank(time.hour),
        b'I' => number(hour),
        b'l' => blank(hour),
        b'M' => number(time.minute),
        b'S' => number(time.second),
        b's' => Field::Number(time.seconds, 1, '0'),
        b'w' => Field::Number(i64::try_from(time.day_of_week).ok()?, 1, '0'),
        b'u' => Field::Number(i64::try_from((time.day_of_week + 6) % 7 + 1).ok()?, 1, '0'),
        b'N' => Field::Number(0, 9, '0'),
        b'p' => Field::Text(if time.hour < 12 { "AM" } else { "PM" }.to_owned()),
        b'P' => Field::Text(if time.hour < 12 { "am" } else { "pm" }.to_owned()),
        b'q' => Field::Number(i64::try_from((time.month - 1) / 3 + 1).ok()?, 1, '0'),
        b'U' => number(time.week(0)),
        b'W' => number(time.week(1)),
        b'V' => number(time.iso_week().1),
        b'G' => Field::Number(time.iso_week().0, 4, '0'),
        b'g' => number(time.iso_week().0 % 100),
        b'a' => Field::Text(day[..3].to_owned()),
        b'A' => Field::Text(day.to_owned()),
        b'b' | b'h' => Field::Text(month[..3].to_owned()),
        b'B' => Field::Text(month.to_owned()),
        b'Z' => Field::Text("UTC".to_owned()),
        b'z' => Field::Text("+0000".to_owned()),
        b'n' => Field::Text("\n".to_owned()),
        b't' => Field::Text("\t".to_owned()),
        b'%' => Field::Text("%".to_owned()),
        b'F' => Field::Format("%Y-%m-%d"),
        b'T' | b'X' => Field::Format("%H:%M:%S"),
        b'R' => Field::Format("%H:%M"),
        b'D' | b'x' => Field::Format("%m/%d/%y"),
        b'c' => Field::Format("%a %b %e %H:%M:%S %Y"),
        b'r' => Field::Format("%I:%M:%S %p"),
        _ => return None,
    })
}

/// A time in the words of a format.
///
/// # Errors
/// [`Stop`]: a letter that is not implemented.
pub(in super::super) fn formatted(
    call: &Call<'_>,
    format: &[u8],
    time: &Time,
) -> Result<Vec<u8>, Stop> {
    let unknown = || call.unsupported(format!("the format `{}`", shown(format)));
    let mut text = Vec::new();
    let mut bytes = format.iter();
    while let Some(byte) = bytes.next() {
        if *byte != b'%' {
            text.push(*byte);
            continue;
        }
        let mut letter = bytes.next().ok_or_else(unknown)?;
        let fill = match letter {
            b'-' => Some(None),
            b'_' => Some(Some(' ')),
            b'0' => Some(Some('0')),
            _ => None,
        };
        if fill.is_some() {
            letter = bytes.next().ok_or_else(unknown)?;
        }
        if *letter == b':' && bytes.as_slice().starts_with(b"z") {
            bytes.next();
            text.extend_from_slice(b"+00:00");
            continue;
        }
        match (field(*letter, time).ok_or_else(unknown)?, fill) {
            (Field::Number(number, width, usual), fill) => {
                let digits = number.to_string();
                let missing = width.saturating_sub(digits.len());
                if let Some(fill) = fill.unwrap_or(Some(usual)) {
                    text.extend(fill.to_string().repeat(missing).into_bytes());
                }
                text.extend(digits.into_bytes());
            }
            (Field::Text(inner), None) => text.extend(inner.into_bytes()),
            (Field::Format(inner), None) => {
                text.extend(formatted(call, inner.as_bytes(), time)?);
            }
            (_, Some(_)) => return Err(unknown()),
        }
    }
    Ok(text)
}
