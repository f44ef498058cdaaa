//! Java's `GregorianCalendar`: Julian before 1582-10-15, with weeks as in the United States, which
//! begin on Sunday and of which the first has January 1st.

/// The first day of the Gregorian calendar, in days since 1970.
const CUTOVER: i64 = -141_427;
/// Days are kept within some millions of years, so that nothing overflows.
const DAYS_MAX: i64 = 1 << 40;

/// A day.
#[derive(Debug, Clone, Copy)]
pub(super) struct Date {
    days: i64,
    /// Zero is the year before the first.
    pub(super) year: i64,
    /// From one.
    pub(super) month: i64,
    /// From one.
    pub(super) day: i64,
}

impl Date {
    /// Of the days since 1970-01-01.
    pub(super) fn of_days(days: i64) -> Self {
        let days = days.clamp(-DAYS_MAX, DAYS_MAX);
        // Days since March 1st of a year 0 in which nothing is negative, years beginning in March.
        let (year, of_year) = if days >= CUTOVER {
            let shifted = days + 719_468;
            let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
            let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
            (era * 400 + year, of_era - (365 * year + year / 4 - year / 100))
        } else {
            let shifted = days + 719_470;
            let (era, of_era) = (shifted.div_euclid(1_461), shifted.rem_euclid(1_461));
            let year = (of_era - of_era / 1_460) / 365;
            (era * 4 + year, of_era - 365 * year)
        };
        let march = (5 * of_year + 2) / 153;
        let day = of_year - (153 * march + 2) / 5 + 1;
        let month = if march < 10 { march + 3 } else { march - 9 };
        Self { days, year: year + i64::from(month <= 2), month, day }
    }

    /// The days since 1970 of a date whose month and day may be beyond their ends.
    pub(super) fn days((year, month, day): (i64, i64, i64)) -> i64 {
        let limit = |number: i64| number.clamp(-DAYS_MAX / 1_000, DAYS_MAX / 1_000);
        let (year, month, day) = (limit(year), limit(month) - 1, limit(day));
        let (year, month) = (year + month.div_euclid(12), month.rem_euclid(12) + 1);
        let march_year = if month <= 2 { year - 1 } else { year };
        let of_year = (153 * ((month + 9) % 12) + 2) / 5;
        let julian = march_year * 365 + march_year.div_euclid(4) + of_year;
        let gregorian = julian - march_year.div_euclid(100) + march_year.div_euclid(400) - 719_468;
        let days = gregorian + day - 1;
        if days >= CUTOVER { days } else { julian - 719_470 + day - 1 }
    }

    /// From zero, Sunday.
    pub(super) fn weekday(&self) -> i64 {
        (self.days + 4).rem_euclid(7)
    }

    /// From one.
    pub(super) fn day_of_year(&self) -> i64 {
        self.days - Self::days((self.year, 1, 1)) + 1
    }

    /// From one.
    pub(super) fn week_of_month(&self) -> i64 {
        let first = (self.weekday() - (self.day - 1)).rem_euclid(7);
        (self.day - 1 + first) / 7 + 1
    }

    /// The year that the week belongs to, and which of its weeks it is.
    pub(super) fn week(&self) -> (i64, i64) {
        let next = Self::days((self.year + 1, 1, 1));
        let saturday = self.days + 6 - self.weekday();
        if saturday >= next {
            return (self.year + 1, 1);
        }
        let first = Self::days((self.year, 1, 1));
        let weekday = (first + 4).rem_euclid(7);
        (self.year, (self.days - first + weekday) / 7 + 1)
    }
}
