//! Points in time as people read them, and as archives write them.
//!
//! The contract: [`Date`] is shown as RFC 3339 in UTC, whole seconds, whatever the year; what
//! archives write is RFC 5322 in UTC. Nothing here reads a clock. The oracle is `date`.

use std::fmt;

const SECONDS_PER_DAY: i64 = 86_400;

/// Seconds since 1970-01-01 UTC; shown as `2026-09-12T07:55:41Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Date(pub i64);

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = civil(self.0.div_euclid(SECONDS_PER_DAY));
        let second = self.0.rem_euclid(SECONDS_PER_DAY);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }
}

impl Date {
    /// `Sat, 12 Sep 2026 07:55:41 UTC`: RFC 5322 3.3 with the zone spelled `UTC`, `GMT`, `Z` or
    /// `+0000`, as the repository format demands.
    #[must_use]
    pub fn of_rfc5322(text: &str) -> Option<Self> {
        let words: Vec<&str> = text.split_ascii_whitespace().collect();
        let &[weekday, day, month, year, clock, zone] = words.as_slice() else { return None };
        if !matches!(zone, "UTC" | "GMT" | "Z" | "+0000") {
            return None;
        }
        let (day, year) = (number(day, 1..=2)?, number(year, 4..=4)?);
        let month = 1 + i64::try_from(MONTHS.iter().position(|name| *name == month)?).ok()?;
        let mut parts = clock.split(':').map(|part| number(part, 1..=2));
        let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next()??);
        let in_range = hour < 24 && minute < 60 && second <= 60 && parts.next().is_none();
        let days = days_from_civil(year, month, day);
        // Converting back shows days that the month does not have.
        if !in_range || year < 1970 || civil(days) != (year, month, day) {
            return None;
        }
        // 1970-01-01 was a Thursday.
        let expected = WEEKDAYS.get(usize::try_from(days % 7).ok()?)?;
        let matches = weekday.strip_suffix(',') == Some(expected);
        matches.then_some(Self(days * SECONDS_PER_DAY + hour * 3600 + minute * 60 + second))
    }

    /// Midnight of a day in the proleptic Gregorian calendar; a day that the month does not have is
    /// one of the next month.
    #[must_use]
    pub fn of_day(year: i64, month: i64, day: i64) -> Self {
        Self(days_from_civil(year, month, day) * SECONDS_PER_DAY)
    }
}

const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

fn number(text: &str, len: std::ops::RangeInclusive<usize>) -> Option<i64> {
    let digits = len.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok())?
}

/// Year, month and day of a day counted from 1970-01-01 in the proleptic Gregorian calendar.
///
/// Years are taken to begin in March, so that the leap day is the last of the year; an era is the
/// 400 years after which the calendar repeats.
fn civil(days: i64) -> (i64, i64, i64) {
    const DAYS_PER_ERA: i64 = 146_097;
    /// From 0000-03-01 to 1970-01-01.
    const EPOCH: i64 = 719_468;
    let shifted = days + EPOCH;
    let era = shifted.div_euclid(DAYS_PER_ERA);
    let day_of_era = shifted.rem_euclid(DAYS_PER_ERA);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

/// The inverse of [`civil`].
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let march_month = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * march_month + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_date() {
        // Each from `date -u -d TEXT +%s`, and `date -u -d @N +%FT%TZ`.
        let known = [
            ("Thu, 01 Jan 1970 00:00:00 UTC", 0, "1970-01-01T00:00:00Z"),
            ("Tue, 29 Feb 2000 23:59:59 UTC", 951_868_799, "2000-02-29T23:59:59Z"),
            ("Thu, 31 Dec 2026 12:00:00 GMT", 1_798_718_400, "2026-12-31T12:00:00Z"),
            ("Wed,  1 Mar 2028 00:00:00 UTC", 1_835_481_600, "2028-03-01T00:00:00Z"),
            ("Tue, 01 Mar 2101 00:00:00 UTC", 4_139_078_400, "2101-03-01T00:00:00Z"),
        ];
        for (text, seconds, shown) in known {
            assert_eq!(Date::of_rfc5322(text), Some(Date(seconds)), "{text}");
            assert_eq!(Date(seconds).to_string(), shown);
        }
        for text in [
            "Fri, 12 Sep 2026 07:55:41 UTC",
            "Sat, 12 Sep 2026 07:55:41 CET",
            "Sat, 12 Sep 2026 07:55 UTC",
            "Thu, 31 Sep 2026 07:55:41 UTC",
            "Sat, 31 Sep 2026 07:55:41 UTC",
            "Sun, 00 Sep 2026 07:55:41 UTC",
            "Sun, 29 Feb 2026 00:00:00 UTC",
            "Sat, 12 Sep 2026 24:00:00 UTC",
            "Sat, 12 Sep 2026 23:60:00 UTC",
            "Sat, 12 Sep 2026 23:59:61 UTC",
            "Sat, 12 Sep 2026 23:59:59:00 UTC",
            "Wed, 31 Dec 1969 23:59:59 UTC",
            "12 Sep 2026 07:55:41 UTC",
            "",
        ] {
            assert_eq!(Date::of_rfc5322(text), None, "{text}");
        }
        // RFC 5322 3.3 has a leap second, which counts as the second after it.
        assert_eq!(Date::of_rfc5322("Sat, 31 Dec 2016 23:59:60 UTC"), Some(Date(1_483_228_800)));
        assert_eq!(Date(-1).to_string(), "1969-12-31T23:59:59Z");
        // No number of seconds is without a date.
        assert!(
            Date(i64::MAX).to_string().ends_with('Z') && Date(i64::MIN).to_string().ends_with('Z')
        );
    }
}
