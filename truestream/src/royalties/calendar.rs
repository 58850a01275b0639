//! Months and days in UTC.

use datasets::formats::instant;
use records::Millis;

/// A day.
pub const DAY_MS: Millis = 86_400_000;

/// A month.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Month {
    year: i32,
    /// 1 to 12.
    number: i32,
    /// When it begins.
    pub start_ms: Millis,
    /// When the next one does.
    pub end_ms: Millis,
}

impl Month {
    /// Reads `2026-01`.
    pub fn read(text: &str) -> Option<Month> {
        let (year, number) = text.split_once('-')?;
        let is_written_so = year.len() == 4 && number.len() == 2;
        Month::of(year.parse().ok().filter(|_| is_written_so)?, number.parse().ok()?)
    }

    fn of(year: i32, number: i32) -> Option<Month> {
        if !(1970..2200).contains(&year) || !(1..=12).contains(&number) {
            return None;
        }
        let (next_year, next) = if number == 12 { (year + 1, 1) } else { (year, number + 1) };
        Some(Month { year, number, start_ms: begins(year, number)?, end_ms: begins(next_year, next)? })
    }

    /// When the twelve months begin that end with this one.
    pub fn year_start_ms(self) -> Millis {
        let (year, number) = if self.number == 12 { (self.year, 1) } else { (self.year - 1, self.number + 1) };
        begins(year, number).unwrap_or(0)
    }

    /// `2026-01`.
    pub fn text(self) -> String {
        format!("{:04}-{:02}", self.year, self.number)
    }

    /// The first and the last day.
    pub fn days(self) -> [String; 2] {
        [self.start_ms, self.end_ms - 1].map(|at| instant::to_text(at)[..10].to_owned())
    }
}

fn begins(year: i32, month: i32) -> Option<Millis> {
    instant::from_text(&format!("{year:04}-{month:02}-01T00:00:00Z"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_has_its_days_and_the_year_that_ends_with_it() {
        let month = |text: &str| Month::read(text).unwrap();
        assert_eq!(month("2024-02").end_ms - month("2024-02").start_ms, 29 * DAY_MS);
        assert_eq!(month("2025-12").days(), ["2025-12-01", "2025-12-31"]);
        assert_eq!(month("2026-03").year_start_ms(), month("2025-04").start_ms);
        assert_eq!(month("2025-12").year_start_ms(), month("2025-01").start_ms);
        for text in ["2026-13", "2026-1", "26-01", "2026", "2026-01-01", "1969-12", "x"] {
            assert_eq!(Month::read(text), None, "{text}");
        }
    }
}
