//! Times as data sets write them, read as instants in UTC.

use std::ops::RangeInclusive;

use chrono::{DateTime, NaiveDate};
use records::{Code, Millis};

use super::record::{Cell, Record, Refused};

/// 2002-01-01T00:00:00Z. Audioscrobbler, the oldest source of play-level data we read, began in 2002: an earlier
/// play is a device whose clock was never set (1970) or a unit mistaken.
pub const EARLIEST: Millis = 1_009_843_200_000;

/// How the times of a column are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Clock {
    /// `YYYY-MM-DD`, a `T` or a blank, `HH:MM`, optionally `:SS`, a fraction, and `Z` or an offset; no zone means UTC.
    #[default]
    Text,
    /// Seconds since the Unix epoch.
    EpochS,
    /// Milliseconds since the Unix epoch.
    EpochMs,
}

/// Reads a text such as `2021-02-16T19:38:59Z` or `2022-04-06 00:02`.
pub fn from_text(text: &str) -> Option<Millis> {
    let text = text.trim();
    let bytes = text.as_bytes();
    if bytes.len() < 10 || !text.is_ascii() {
        return None;
    }
    let date = NaiveDate::from_ymd_opt(digits(&bytes[..4])? as i32, digits(&bytes[5..7])?, digits(&bytes[8..10])?)?;
    if bytes[4] != b'-' || bytes[7] != b'-' {
        return None;
    }
    if bytes.len() == 10 {
        return Some(date.and_hms_opt(0, 0, 0)?.and_utc().timestamp_millis());
    }
    if bytes.len() < 16 || !matches!(bytes[10], b'T' | b' ') || bytes[13] != b':' {
        return None;
    }
    let (hour, minute) = (digits(&bytes[11..13])?, digits(&bytes[14..16])?);
    let (second, rest) = match bytes.get(16) {
        Some(b':') => (digits(bytes.get(17..19)?)?, &text[19..]),
        _ => (0, &text[16..]),
    };
    let (milli, zone) = fraction(rest)?;
    // ISO 8601 and XML Schema write the end of a day as 24:00, which is the beginning of the next.
    let (date, hour) = match (hour, minute, second, milli) {
        (24, 0, 0, 0) => (date.succ_opt()?, 0),
        _ => (date, hour),
    };
    let local = date.and_hms_milli_opt(hour, minute, second, milli)?.and_utc().timestamp_millis();
    Some(local - offset_ms(zone.trim())?)
}

/// Reads `Aug 13, 2006`.
pub fn from_american_date(text: &str) -> Option<Millis> {
    let date = NaiveDate::parse_from_str(text.trim(), "%b %d, %Y").ok()?;
    Some(date.and_hms_opt(0, 0, 0)?.and_utc().timestamp_millis())
}

/// The instant to the millisecond, for messages about data: `2021-02-16T19:38:59Z`.
pub fn to_text(instant: Millis) -> String {
    shown(instant, "%Y-%m-%dT%H:%M:%S%.fZ")
}

/// The instant to the minute, for people: `2021-02-16 19:38 UTC`.
pub fn to_minute(instant: Millis) -> String {
    shown(instant, "%Y-%m-%d %H:%M UTC")
}

fn shown(instant: Millis, form: &str) -> String {
    let utc: Option<DateTime<_>> = DateTime::from_timestamp_millis(instant);
    utc.map_or_else(|| format!("{instant} ms"), |utc| utc.naive_utc().format(form).to_string())
}

/// The required instant in the column.
///
/// # Errors
/// When it is missing, or no time as the clock writes it.
pub fn required(record: &Record, column: &str, clock: Clock) -> Result<Millis, Refused> {
    optional(record, column, clock)?.ok_or_else(|| Refused::missing(column))
}

/// The instant in the column, if there is one. A typed column needs no clock.
///
/// # Errors
/// When it is no time as the clock writes it.
pub fn optional(record: &Record, column: &str, clock: Clock) -> Result<Option<Millis>, Refused> {
    let bad = |seen: String| Refused::new(Code::BadTime, format!("`{column}` is {seen}; expected {}", name(clock)));
    let cell = record.cell(column);
    match (&cell, clock) {
        (Cell::Null, _) => Ok(None),
        (Cell::Instant(millis), _) => Ok(Some(*millis)),
        (Cell::Text(text), Clock::Text) => from_text(text).map(Some).ok_or_else(|| bad(format!("{text:?}"))),
        (_, Clock::Text) => Err(bad(format!("{cell:?}"))),
        (_, Clock::EpochS | Clock::EpochMs) => {
            let number = record.integer(column).map_err(|_| bad(format!("{cell:?}")))?.unwrap_or_default();
            let millis = if clock == Clock::EpochS { number.saturating_mul(1_000) } else { number };
            Millis::try_from(millis).map(Some).map_err(|_| bad(number.to_string()))
        }
    }
}

/// The instant itself where it lies within the bounds.
///
/// # Errors
/// When it does not.
pub fn within(instant: Millis, bounds: &RangeInclusive<Millis>) -> Result<Millis, Refused> {
    if bounds.contains(&instant) {
        return Ok(instant);
    }
    let (from, until) = (to_text(*bounds.start()), to_text(*bounds.end()));
    Err(Refused::new(Code::OutOfRange, format!("a play at {}; plays lie between {from} and {until}", to_text(instant))))
}

fn name(clock: Clock) -> &'static str {
    match clock {
        Clock::Text => "YYYY-MM-DD HH:MM[:SS]",
        Clock::EpochS => "seconds since 1970",
        Clock::EpochMs => "milliseconds since 1970",
    }
}

fn digits(bytes: &[u8]) -> Option<u32> {
    bytes.iter().try_fold(0, |number, byte| byte.is_ascii_digit().then(|| number * 10 + u32::from(byte - b'0')))
}

/// The milliseconds of `.123…`, and what follows.
fn fraction(rest: &str) -> Option<(u32, &str)> {
    let Some(tail) = rest.strip_prefix('.') else { return Some((0, rest)) };
    let end = tail.find(|c: char| !c.is_ascii_digit()).unwrap_or(tail.len());
    let padded = format!("{:0<3}", &tail[..end]);
    Some((digits(&padded.as_bytes()[..3])?, &tail[end..]))
}

fn offset_ms(zone: &str) -> Option<Millis> {
    let (sign, digits_of) = match zone.as_bytes() {
        [] | b"Z" | b"z" | b"UTC" => return Some(0),
        [b'+', rest @ ..] => (1, rest),
        [b'-', rest @ ..] => (-1, rest),
        _ => return None,
    };
    let (hours, minutes) = match digits_of {
        [h @ .., b':', m1, m2] if h.len() == 2 => (digits(h)?, digits(&[*m1, *m2])?),
        [h1, h2, m1, m2] => (digits(&[*h1, *h2])?, digits(&[*m1, *m2])?),
        _ => return None,
    };
    Some(sign * i64::from(hours * 60 + minutes) * 60_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_one_instant_is_that_instant() {
        let instant = Some(1_613_504_339_000);
        for text in [
            "2021-02-16T19:38:59Z",
            "2021-02-16 19:38:59",
            "2021-02-16T19:38:59.000+00:00",
            "2021-02-16T21:08:59+0130",
            " 2021-02-16 19:38:59 UTC",
        ] {
            assert_eq!(from_text(text), instant, "{text}");
        }
        assert_eq!(from_text("2021-02-16 19:38"), Some(1_613_504_280_000));
        assert_eq!(from_text("2021-02-16"), Some(1_613_433_600_000));
        assert_eq!(from_text("2021-02-16T19:38:59.25Z"), Some(1_613_504_339_250));
        assert_eq!(from_text("2021-02-28T24:00:00Z"), from_text("2021-03-01"));
        assert_eq!(from_american_date("Aug 13, 2006"), Some(1_155_427_200_000));
    }

    #[test]
    fn instants_are_shown_in_utc() {
        assert_eq!(to_minute(0), "1970-01-01 00:00 UTC");
        assert_eq!(to_minute(1_709_251_199_000), "2024-02-29 23:59 UTC");
        assert_eq!(to_text(951_782_400_000), "2000-02-29T00:00:00Z");
        assert_eq!(to_text(1_767_225_599_999), "2025-12-31T23:59:59.999Z");
        assert_eq!(to_text(i64::MAX), "9223372036854775807 ms");
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in [
            "",
            "yesterday",
            "2021-02-30 10:00",
            "2021-02-16T25:00:00Z",
            "2021-02-16T24:00:01Z",
            "2021-02-30T24:00:00Z",
            "2021/02/16 10:00",
            "2021-02-16 10",
            "2021-02-16T19:38:59 moon",
            "２０２１-02-16",
        ] {
            assert_eq!(from_text(text), None, "{text}");
        }
        assert_eq!(from_text("2002-01-01"), Some(EARLIEST));
    }
}
