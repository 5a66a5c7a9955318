//! The Gregorian calendar, of UTC alone.

/// A time of UTC, in the Gregorian calendar.
#[derive(Debug, PartialEq, Eq)]
pub(in super::super) struct Time {
    pub(super) seconds: i64,
    pub(super) year: i64,
    /// From 1.
    pub(super) month: usize,
    /// From 1.
    pub(super) day: i64,
    /// From 1.
    pub(super) day_of_year: i64,
    /// From Sunday, which is 0.
    pub(super) day_of_week: usize,
    pub(super) hour: i64,
    pub(super) minute: i64,
    pub(super) second: i64,
}

impl Time {
    /// Nothing before the year 0 and behind 9999.
    pub(in super::super) fn of(seconds: i64) -> Option<Self> {
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

    /// How many full weeks of the year are over, where a week starts on such a day of the week.
    pub(super) fn week(&self, first: i64) -> i64 {
        let of_week = i64::try_from(self.day_of_week).unwrap_or_default();
        (self.day_of_year - 1 + 7 - (of_week - first).rem_euclid(7)) / 7
    }

    /// The year and the week of ISO 8601: a week belongs to the year that its Thursday is in.
    pub(super) fn iso_week(&self) -> (i64, i64) {
        let of_week = (i64::try_from(self.day_of_week).unwrap_or_default() + 6).rem_euclid(7);
        let thursday = self.seconds + (3 - of_week) * DAY;
        match Self::of(thursday) {
            Some(thursday) => (thursday.year, (thursday.day_of_year - 1) / 7 + 1),
            None => (self.year, 1),
        }
    }
}

/// The seconds of a day.
pub(super) const DAY: i64 = 86_400;

/// The days from 1970 to a day; months and days may be any number, and run over into others.
pub(super) fn days(year: i64, month: i64, day: i64) -> i64 {
    let months = year * 12 + month - 1;
    // A year that starts in March ends with the day that leap years have.
    let (year, month) = ((months - 2).div_euclid(12), (months - 2).rem_euclid(12));
    let before_month = (month * 153 + 2) / 5;
    year * 365 + year.div_euclid(4) - year.div_euclid(100)
        + year.div_euclid(400)
        + before_month
        + (day - 1)
        - 719_468
}

#[cfg(test)]
mod tests {
    use super::{DAY, Time, days};

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

    /// Each day of 500 years is the one that its date says, and dates run over.
    #[test]
    fn a_date_is_a_number_of_days() {
        for day in -90_000..90_000 {
            let time = Time::of(day * DAY).unwrap();
            let month = i64::try_from(time.month).unwrap();
            assert_eq!(days(time.year, month, time.day), day);
        }
        assert_eq!(days(2024, 14, 31), days(2025, 3, 3));
        assert_eq!(days(2024, -1, 0), days(2023, 10, 31));
    }
}
