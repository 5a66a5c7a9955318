//! Times in words, as `date -d` and `touch -d` take them (coreutils manual, "Date input formats"): the forms
//! that scripts use. Any other is no time here.

use super::calendar::{DAY, Time, days};
use super::format::{DAYS, MONTHS};

/// The seconds since 1970 that a text says, where it is `now`.
pub(in super::super) fn seconds(text: &[u8], now: i64) -> Option<i64> {
    let text = str::from_utf8(text).ok()?.trim().to_ascii_lowercase();
    if let Some(number) = text.strip_prefix('@') {
        return number.parse().ok();
    }
    let mut moment = Moment::default();
    let words = split(&text);
    let mut rest = words.as_slice();
    while let [word, behind @ ..] = rest {
        rest = moment.take(word, behind)?;
    }
    moment.seconds(now)
}

/// Words, of which numbers and the letters behind them are two.
fn split(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    for word in text.split(|c: char| c.is_whitespace() || c == ',').filter(|it| !it.is_empty()) {
        let sign = word.strip_prefix(['+', '-']).map_or(0, |_| 1);
        let digits = word[sign..].bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = word.split_at(sign + digits);
        let is_unit = !unit.is_empty() && unit.bytes().all(|byte| byte.is_ascii_lowercase());
        match digits > 0 && is_unit {
            true => words.extend([number.to_owned(), unit.to_owned()]),
            false => words.push(word.to_owned()),
        }
    }
    words
}

/// What a text says of a time so far.
#[derive(Debug, Default)]
struct Moment {
    date: Option<(i64, i64, i64)>,
    /// Seconds of the day.
    time: Option<i64>,
    /// How far the zone is ahead of UTC, in seconds.
    zone: Option<i64>,
    weekday: bool,
    /// `+1 day`: each number and what it counts, months and seconds.
    months: i64,
    days: i64,
    seconds: i64,
    says_something: bool,
}

impl Moment {
    /// Takes a word, and perhaps some behind it; answers what is left.
    fn take<'w>(&mut self, word: &str, behind: &'w [String]) -> Option<&'w [String]> {
        self.says_something = true;
        match word {
            "now" | "today" => return Some(behind),
            "yesterday" => return self.add(-1, "day").then_some(behind),
            "tomorrow" => return self.add(1, "day").then_some(behind),
            "utc" | "gmt" | "z" if self.time.is_some() || self.date.is_some() => {
                return self.zone.replace(0).is_none().then_some(behind);
            }
            "next" | "last" => {
                let number = if word == "next" { 1 } else { -1 };
                return self.relative(number, behind);
            }
            "+" | "-" => {
                let (digits, behind) = behind.split_first()?;
                let number = number(digits)?;
                return self.relative(if word == "-" { -number } else { number }, behind);
            }
            _ => {}
        }
        if self.is_weekday(word) {
            return (!std::mem::replace(&mut self.weekday, true)).then_some(behind);
        }
        if let Some(behind) = self.written_date(word, behind) {
            return Some(behind);
        }
        if let Some(date) = numeric_date(word) {
            return self.date.replace(date).is_none().then_some(behind);
        }
        if let Some((date, time)) = word.split_once('t')
            && let Some(date) = numeric_date(date)
        {
            return (self.date.replace(date).is_none() && self.clock(time)).then_some(behind);
        }
        if word.contains(':') {
            return self.clock(word).then_some(behind);
        }
        if let Some(offset) = offset(word).filter(|_| self.time.is_some()) {
            return self.zone.replace(offset).is_none().then_some(behind);
        }
        let signed = word.starts_with(['+', '-']);
        // It would be a zone.
        if signed && self.time.is_some() && self.zone.is_none() {
            return None;
        }
        let number = match word.strip_prefix('-') {
            Some(digits) => -number(digits)?,
            None => number(word.strip_prefix('+').unwrap_or(word))?,
        };
        self.relative(number, behind)
    }

    fn is_weekday(&self, word: &str) -> bool {
        DAYS.iter().any(|day| {
            let day = day.to_ascii_lowercase();
            word == day || word == &day[..3]
        })
    }

    /// `01 jan 1970` and `jan 1 ... 1970`, where the year may stand behind a time and a zone.
    fn written_date<'w>(&mut self, word: &str, behind: &'w [String]) -> Option<&'w [String]> {
        if let (Some(day), [name, year, rest @ ..]) = (number(word), behind)
            && let (Some(month), Some(year)) = (month(name), year_of(year))
        {
            return self.date.replace((year, month, day)).is_none().then_some(rest);
        }
        let month = month(word)?;
        let [day, rest @ ..] = behind else { return None };
        let day = number(day).filter(|day| (1..=31).contains(day))?;
        match rest {
            [year, rest @ ..] if year_of(year).is_some() => {
                self.date.replace((year_of(year)?, month, day)).is_none().then_some(rest)
            }
            [time, zone, year, rest @ ..] if zone == "utc" && time.contains(':') => {
                let is_new = self.date.replace((year_of(year)?, month, day)).is_none();
                self.zone = Some(0);
                (is_new && self.clock(time)).then_some(rest)
            }
            _ => None,
        }
    }

    /// `HH:MM`, `HH:MM:SS`, with a fraction, a zone.
    fn clock(&mut self, word: &str) -> bool {
        let end = word.find(['z', '+', '-']).unwrap_or(word.len());
        let (clock, zone) = word.split_at(end);
        if !zone.is_empty() {
            let Some(zone) = offset(zone) else { return false };
            self.zone = Some(zone);
        }
        let whole = clock.split_once('.').map_or(clock, |(whole, _)| whole);
        let parts: Option<Vec<i64>> = whole.split(':').map(number).collect();
        let seconds = match parts.as_deref() {
            Some([hour, minute]) => Some((*hour, *minute, 0)),
            Some([hour, minute, second]) => Some((*hour, *minute, *second)),
            _ => None,
        };
        match seconds {
            Some((hour @ 0..=23, minute @ 0..=59, second @ 0..=59)) => {
                self.time.replace(hour * 3600 + minute * 60 + second).is_none()
            }
            _ => false,
        }
    }

    /// A number, what it counts, and `ago` behind it.
    fn relative<'w>(&mut self, number: i64, behind: &'w [String]) -> Option<&'w [String]> {
        let (unit, behind) = behind.split_first()?;
        match behind {
            [ago, rest @ ..] if ago == "ago" => self.add(-number, unit).then_some(rest),
            // It is of all that stands before it.
            [_, _, ago, ..] if ago == "ago" => None,
            behind => self.add(number, unit).then_some(behind),
        }
    }

    fn add(&mut self, number: i64, unit: &str) -> bool {
        let (total, each) = match unit.strip_suffix('s').unwrap_or(unit) {
            "year" => (&mut self.months, 12),
            "month" => (&mut self.months, 1),
            "fortnight" => (&mut self.days, 14),
            "week" => (&mut self.days, 7),
            "day" => (&mut self.days, 1),
            "hour" => (&mut self.seconds, 3600),
            "minute" | "min" => (&mut self.seconds, 60),
            "second" | "sec" => (&mut self.seconds, 1),
            _ => return false,
        };
        match number.checked_mul(each).and_then(|more| total.checked_add(more)) {
            // Beyond it a year has more than four digits.
            Some(sum) if sum.abs() < 1 << 40 => {
                *total = sum;
                true
            }
            _ => false,
        }
    }

    fn seconds(&self, now: i64) -> Option<i64> {
        let here = Time::of(now)?;
        if (self.weekday && self.date.is_none()) || !self.says_something {
            return None;
        }
        let (year, month, day) = match self.date {
            Some(date) => date,
            None => (here.year, i64::try_from(here.month).ok()?, here.day),
        };
        let of_day = match (self.time, self.date) {
            (Some(time), _) => time,
            (None, Some(_)) => 0,
            (None, None) => now.rem_euclid(DAY),
        };
        let days = days(year, month + self.months, day + self.days);
        Some(days * DAY + of_day - self.zone.unwrap_or(0) + self.seconds)
    }
}

fn number(digits: &str) -> Option<i64> {
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse().ok())?
}

fn year_of(word: &str) -> Option<i64> {
    number(word).filter(|_| word.len() == 4)
}

fn month(name: &str) -> Option<i64> {
    let at = MONTHS.iter().position(|month| {
        let month = month.to_ascii_lowercase();
        name == month || name == &month[..3]
    });
    at.and_then(|at| i64::try_from(at + 1).ok())
}

/// `2024-01-31` and `20240131`, of a day that is there.
fn numeric_date(word: &str) -> Option<(i64, i64, i64)> {
    let parts: Vec<&str> = match word.len() {
        8 if number(word).is_some() => vec![&word[..4], &word[4..6], &word[6..]],
        _ => word.split('-').collect(),
    };
    let [year, month, day] = parts.as_slice() else { return None };
    let (year, month, day) = (year_of(year)?, number(month)?, number(day)?);
    let time = Time::of(days(year, month, day) * DAY)?;
    let is_there = (1..=12).contains(&month) && time.day == day && (1..=31).contains(&day);
    is_there.then_some((year, month, day))
}

/// `z`, `+0200`, `+02:00`.
fn offset(word: &str) -> Option<i64> {
    if word == "z" {
        return Some(0);
    }
    let (sign, digits) = match word.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, word.strip_prefix('+')?),
    };
    let digits = digits.replace(':', "");
    if digits.len() != 4 {
        return None;
    }
    let (hours, minutes) = (number(&digits[..2])?, number(&digits[2..])?);
    (hours < 24 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
}

#[cfg(test)]
mod tests {
    use super::seconds;

    /// What GNU date says of each, 11 days and a bit behind the start of 1970.
    #[test]
    fn times_in_words_are_those_of_gnu() {
        const NOW: i64 = 1_000_000;
        for (text, expected) in [
            ("now", NOW),
            ("today", NOW),
            ("yesterday", NOW - 86_400),
            ("tomorrow", NOW + 86_400),
            ("1 day ago", NOW - 86_400),
            ("+2 weeks", NOW + 14 * 86_400),
            ("now - 3 days", NOW - 3 * 86_400),
            ("-1day", NOW - 86_400),
            ("last month", NOW - 31 * 86_400),
            ("12:00", 950_400 + 43_200),
            ("tomorrow 10:00", 950_400 + 86_400 + 36_000),
        ] {
            assert_eq!(seconds(text.as_bytes(), NOW), Some(expected), "{text}");
        }
        for text in ["", "x", "2024-02-30", "2024-13-01", "25:00", "@", "@1 day", "mon", "1"] {
            assert_eq!(seconds(text.as_bytes(), NOW), None, "{text}");
        }
    }
}
