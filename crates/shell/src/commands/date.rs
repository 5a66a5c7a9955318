//! date(1) of a time that is given: there is no clock.

use super::call::{Call, shown};
use super::options::Options;
use crate::stop::Stop;
use crate::world::World;

const DAYS: [&str; 7] =
    ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

const MONTHS: [&str; 12] = [
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

/// date(1), with `-d @SECONDS` or `-r FILE`.
pub(super) fn date<W: World>(world: &mut W, call: &mut Call<'_>) -> Result<u8, Stop> {
    let long = [
        ("utc", b'u'),
        ("universal", b'u'),
        ("date", b'd'),
        ("reference", b'r'),
        ("rfc-email", b'R'),
    ];
    let options = Options::of(call, "ud:r:R", &long)?;
    let seconds = match (options.last(b'd'), options.last(b'r')) {
        (Some(text), None) => {
            let number = text.strip_prefix(b"@").and_then(|text| str::from_utf8(text).ok());
            let number = number.and_then(|text| text.parse::<i64>().ok());
            number.ok_or_else(|| call.unsupported(format!("the time `{}`", shown(text))))?
        }
        (None, Some(word)) => match world.status(&call.path(word), true) {
            Ok(at) => at.mtime,
            Err(error) => return Ok(call.fail("", word, error)),
        },
        (None, None) => return Err(call.unsupported("there is no clock")),
        (Some(_), Some(_)) => return Err(call.unsupported("more than one time")),
    };
    let format = match (options.operands.as_slice(), options.has(b'R')) {
        ([], true) => b"%a, %d %b %Y %T %z",
        ([], false) => &b"%a %b %e %T %Z %Y"[..],
        ([format], false) if format.starts_with(b"+") => &format[1..],
        _ => return Err(call.unsupported("these operands")),
    };
    let zone = call.invocation.environment.get("TZ").map(Vec::as_slice);
    let is_utc = options.has(b'u') || matches!(zone, Some(b"" | b"UTC" | b"UTC0"));
    let Some(time) = Time::of(seconds) else {
        return Err(call.unsupported("a year of more than four digits"));
    };
    let text = formatted(call, format, &time, is_utc)?;
    call.print(&text);
    call.print(b"\n");
    Ok(0)
}

/// A time of UTC, in the Gregorian calendar.
#[derive(Debug, PartialEq, Eq)]
struct Time {
    seconds: i64,
    year: i64,
    /// From 1.
    month: usize,
    /// From 1.
    day: i64,
    /// From 1.
    day_of_year: i64,
    /// From Sunday, which is 0.
    day_of_week: usize,
    hour: i64,
    minute: i64,
    second: i64,
}

impl Time {
    /// Nothing before the year 0 and behind 9999.
    fn of(seconds: i64) -> Option<Self> {
        /// Of the years 0 to 9999, all.
        const RANGE: std::ops::RangeInclusive<i64> = -62_167_219_200..=253_402_300_799;
        if !RANGE.contains(&seconds) {
            return None;
        }
        let (days, of_day) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
        let length = |year: i64| {
            let is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
            if is_leap { 366 } else { 365 }
        };
        // 400 years have 146 097 days, and 1970 is 719 528 days behind the start of the year 0.
        let from_zero = days + 719_528;
        let (mut year, mut rest) = (from_zero / 146_097 * 400, from_zero % 146_097);
        while rest >= length(year) {
            rest -= length(year);
            year += 1;
        }
        let day_of_year = rest + 1;
        let mut month = 0;
        let february = length(year) - 337;
        let lengths = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
        while rest >= lengths[month] {
            rest -= lengths[month];
            month += 1;
        }
        Some(Self {
            seconds,
            year,
            month: month + 1,
            day: rest + 1,
            day_of_year,
            // 1970 began on a Thursday.
            day_of_week: usize::try_from((days + 4).rem_euclid(7)).ok()?,
            hour: of_day / 3600,
            minute: of_day / 60 % 60,
            second: of_day % 60,
        })
    }
}

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

fn formatted(call: &Call<'_>, format: &[u8], time: &Time, is_utc: bool) -> Result<Vec<u8>, Stop> {
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
        if !is_utc && !b"snt%".contains(letter) {
            return Err(call.unsupported("a time of the machine's zone (-u has none)"));
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
                text.extend(formatted(call, inner.as_bytes(), time, is_utc)?);
            }
            (_, Some(_)) => return Err(unknown()),
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::Time;

    /// Days of each month of a leap year of a century, and the ends of what is answered.
    #[test]
    fn the_calendar_is_that_of_gregory() {
        let date = |seconds| Time::of(seconds).map(|it| (it.year, it.month, it.day));
        assert_eq!(date(-62_167_219_200), Some((0, 1, 1)));
        assert_eq!(date(-62_167_219_201), None);
        assert_eq!(date(253_402_300_799), Some((9999, 12, 31)));
        assert_eq!(date(253_402_300_800), None);
        // 2000-02-28 and the days behind it.
        let days = (0..3).map(|day| date(951_696_000 + day * 86_400));
        assert_eq!(
            days.collect::<Vec<_>>(),
            [Some((2000, 2, 28)), Some((2000, 2, 29)), Some((2000, 3, 1))]
        );
        // 1900 was no leap year.
        assert_eq!(date(-2_203_891_200), Some((1900, 3, 1)));
        assert_eq!(date(-2_203_891_201), Some((1900, 2, 28)));
    }
}
