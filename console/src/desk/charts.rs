//! Numbers over time as pictures: drawn here, in words and as a table beside, so that nobody needs to see them.
//!
//! ```text
//! (when, numbers) ──▶ bars, or a line for each of a few ──▶ svg ──┐
//!                └──▶ table ──────────────────────────────────────┴──▶ figure
//! ```

use std::fmt::Write as _;

use maud::{Markup, html};

use super::Hour;
use super::pages::when;

/// The picture in its own units; it is scaled to the page.
const WIDE: f64 = 600.0;
const HIGH: f64 = 120.0;
/// What is below and above the numbers.
const FOOT: f64 = 18.0;
const HEAD: f64 = 16.0;

/// What the greatest number reaches.
fn most(hours: &[Hour]) -> u64 {
    hours.iter().flat_map(|hour| &hour.counts).copied().max().unwrap_or(0).max(1)
}

fn high(count: u64, most: u64) -> f64 {
    count as f64 / most as f64 * (HIGH - HEAD - FOOT)
}

/// One bar an hour.
pub(super) fn bars(about: &str, name: &str, hours: &[Hour]) -> Markup {
    let (most, step) = (most(hours), WIDE / hours.len().max(1) as f64);
    let bar = |hour: &Hour| high(hour.counts.first().copied().unwrap_or(0), most);
    let picture = html! {
        @for (place, hour) in hours.iter().enumerate() {
            rect.bar x=(short(place as f64 * step)) y=(short(HIGH - FOOT - bar(hour))) width=(short(step * 0.8)) height=(short(bar(hour))) {}
        }
    };
    figure(about, &[name], hours, most, &picture)
}

/// One line for each of a few numbers, told apart by their strokes, too.
pub(super) fn lines(about: &str, names: &[&str], hours: &[Hour]) -> Markup {
    let (most, step) = (most(hours), WIDE / hours.len().saturating_sub(1).max(1) as f64);
    let path = |line: usize| {
        let mut points = String::new();
        for (place, hour) in hours.iter().enumerate() {
            let count = hour.counts.get(line).copied().unwrap_or(0);
            let _ = write!(points, "{},{} ", short(place as f64 * step), short(HIGH - FOOT - high(count, most)));
        }
        points
    };
    let picture = html! {
        @for (line, name) in names.iter().enumerate() { polyline class=(format!("line {name}")) points=(path(line)) {} }
    };
    figure(about, names, hours, most, &picture)
}

fn figure(about: &str, names: &[&str], hours: &[Hour], most: u64, picture: &Markup) -> Markup {
    let end =
        |hour: Option<&Hour>| hour.map_or(String::new(), |hour| hour.at.get(5..16).unwrap_or("").replace('T', " "));
    html! {
        figure.chart {
            figcaption {
                (about)
                @if names.len() > 1 { @for name in names { " " span class=(format!("verdict {name}")) { (name) } } }
            }
            svg viewBox=(format!("0 0 {WIDE} {HIGH}")) role="img" aria-label=(format!("{about}: at most {most}; the numbers are in the table below")) {
                line.mark x1="0" x2=(WIDE) y1=(HIGH - FOOT) y2=(HIGH - FOOT) {}
                (picture)
                text.mark x="0" y="12" { (most) }
                text.mark x="0" y=(HIGH - 4.0) { (end(hours.first())) }
                text.mark.end x=(WIDE) y=(HIGH - 4.0) { (end(hours.last())) }
            }
            details {
                summary { "As a table" }
                table {
                    thead { tr { th scope="col" { "Hour" } @for name in names { th.number scope="col" { (name) } } } }
                    tbody { @for hour in hours { tr { th scope="row" { (when(&hour.at)) } @for count in &hour.counts { td.number { (count) } } } } }
                }
            }
        }
    }
}

/// A place to the tenth.
fn short(place: f64) -> String {
    format!("{place:.1}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_greatest_number_reaches_the_top_and_nothing_leaves_the_picture() {
        let hour = |count: u64| Hour { at: "2026-01-05T00:00:00Z".to_owned(), counts: vec![count, 2 * count] };
        let hours: Vec<Hour> = [0, 3, 50].map(hour).to_vec();
        let drawn = bars("Decisions", "decisions", &hours[..]).into_string();
        // 50 of 100 is half of the 86 units between head and foot.
        assert!(drawn.contains("y=\"59.0\"") && drawn.contains("height=\"43.0\""), "{drawn}");
        let drawn = lines("Verdicts", &["hold", "block"], &hours).into_string();
        assert!(drawn.contains("600.0,16.0") && drawn.contains("0.0,102.0"), "{drawn}");
        for nothing in [bars("Decisions", "decisions", &[]), lines("Verdicts", &["hold"], &[])] {
            assert!(!nothing.into_string().contains("NaN"));
        }
    }
}
