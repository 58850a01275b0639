//! A report as one HTML file that anybody can open, print or send: no script, nothing from elsewhere.
//!
//! ```text
//! sections (words, bars, tables) ──▶ HTML with its style and its pictures in it
//! ```

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::desk::texts::visible;

/// A report.
#[derive(Clone, Debug, Default)]
pub struct Paper {
    /// Its title.
    pub title: String,
    /// What it comes to, in a word, and whether that is good.
    pub outcome: (String, bool),
    /// What it is about: term and text.
    pub about: Vec<(String, String)>,
    /// Its parts.
    pub sections: Vec<Section>,
}

/// A part of a report.
#[derive(Clone, Debug, Default)]
pub struct Section {
    /// What it is about.
    pub heading: String,
    /// What one should know to read it.
    pub note: String,
    /// A picture, if there is one.
    pub bars: Option<Bars>,
    /// A table: its head, and its rows.
    pub table: (Vec<String>, Vec<Vec<String>>),
}

/// Shares beside each other: two per line, the second with its interval.
#[derive(Clone, Debug, Default)]
pub struct Bars {
    /// What the first and the second bar of each line are.
    pub names: [String; 2],
    /// The lines.
    pub lines: Vec<Bar>,
}

/// One line of a picture.
#[derive(Clone, Debug, Default)]
pub struct Bar {
    /// What it is about.
    pub label: String,
    /// The shares, from 0 to 1.
    pub shares: [f64; 2],
    /// The interval of the second one.
    pub interval: [f64; 2],
    /// Whether it is beyond what is tolerated.
    pub is_beyond: bool,
}

const LABEL: f64 = 190.0;
const WIDTH: f64 = 420.0;
const LINE: f64 = 26.0;
const NUMBER: f64 = 150.0;

/// The report as HTML.
pub fn paper(paper: &Paper) -> String {
    let (outcome, is_good) = &paper.outcome;
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (visible(&paper.title)) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                main {
                    h1 { (visible(&paper.title)) }
                    p.outcome.good[*is_good].bad[!*is_good] { (visible(outcome)) }
                    dl { @for (term, text) in &paper.about { dt { (visible(term)) } dd { (visible(text)) } } }
                    @for part in &paper.sections { (section(part)) }
                }
            }
        }
    }
    .into_string()
}

fn section(part: &Section) -> Markup {
    let (head, rows) = &part.table;
    html! {
        section {
            h2 { (visible(&part.heading)) }
            @if !part.note.is_empty() { p.note { (visible(&part.note)) } }
            @if let Some(bars) = &part.bars { (picture(bars, &part.heading)) }
            @if !rows.is_empty() {
                table {
                    thead { tr { @for name in head { th scope="col" { (visible(name)) } } } }
                    tbody {
                        @for row in rows {
                            tr { @for (at, cell) in row.iter().enumerate() {
                                @if at == 0 { th scope="row" { (visible(cell)) } } @else { td { (visible(cell)) } }
                            } }
                        }
                    }
                }
            }
        }
    }
}

/// Bars to a common scale, which ends at the largest of them (not of the intervals, which may be as wide as they like).
fn picture(bars: &Bars, heading: &str) -> Markup {
    let largest = bars.lines.iter().flat_map(|bar| bar.shares).fold(0.0, f64::max).max(0.01);
    let end = (largest * 1.25).min(1.0);
    let at = |share: f64| WIDTH * (share / end).clamp(0.0, 1.0);
    let height = LINE * bars.lines.len() as f64 + 20.0;
    let percent = |share: f64| format!("{:.1} %", 100.0 * share);
    html! {
        svg role="img" aria-label=(format!("{heading}: the numbers are in the table")) viewBox=(format!("0 0 {} {height}", LABEL + WIDTH + NUMBER)) {
            @for (number, bar) in bars.lines.iter().enumerate() {
                @let top = LINE * number as f64;
                text.label x=(LABEL - 8.0) y=(top + 15.0) { (visible(&bar.label)) }
                rect.now x=(LABEL) y=(top + 4.0) width=(at(bar.shares[0])) height="7" {}
                rect.then.beyond[bar.is_beyond] x=(LABEL) y=(top + 12.0) width=(at(bar.shares[1])) height="8" {}
                line x1=(LABEL + at(bar.interval[0])) x2=(LABEL + at(bar.interval[1])) y1=(top + 16.0) y2=(top + 16.0) {}
                text x=(LABEL + WIDTH + 8.0) y=(top + 16.0) { (percent(bar.shares[0])) " → " (percent(bar.shares[1])) @if bar.is_beyond { " ✗" } }
            }
            text x=(LABEL) y=(height - 3.0) { "upper bar: " (visible(&bars.names[0])) "; lower bar, with its 95 % interval: " (visible(&bars.names[1])) "; the scale ends at " (percent(end)) }
        }
    }
}

const STYLE: &str = "\
:root { color-scheme: light dark; --text: light-dark(#1b1f23, #e6e8ea); --faint: light-dark(#57606a, #9aa4ae); --line: light-dark(#d0d7de, #363c43);
  --now: light-dark(#a8b3bd, #59636d); --then: light-dark(#0a53be, #79b0ff); --bad: light-dark(#a40e26, #ff8f8f); --good: light-dark(#116329, #7ee2a0); }
body { margin: 0; color: var(--text); background: light-dark(#ffffff, #14171a); font: 15px/1.45 system-ui, sans-serif; }
main { max-width: 62rem; margin: 0 auto; padding: 1rem 1.25rem 3rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin: 2rem 0 .25rem; }
.outcome { font-size: 1.15rem; font-weight: 700; } .good { color: var(--good); } .bad { color: var(--bad); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1rem; } dt { color: var(--faint); } dd { margin: 0; overflow-wrap: anywhere; }
.note { color: var(--faint); font-size: .9rem; margin: .25rem 0; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; font-variant-numeric: tabular-nums; }
th, td { text-align: left; font-weight: 400; padding: .2rem .75rem .2rem 0; border-bottom: 1px solid var(--line); vertical-align: top; } thead th { color: var(--faint); }
svg { width: 100%; max-width: 48rem; display: block; } svg text { font-size: 12px; fill: var(--text); } svg .label { text-anchor: end; }
svg .now { fill: var(--now); } svg .then { fill: var(--then); } svg .beyond { fill: var(--bad); } svg line { stroke: var(--text); stroke-width: 1.5; }
@media print { section { break-inside: avoid; } }";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_stay_texts_and_bars_keep_to_the_scale() {
        let bar =
            Bar { label: "<b>rock\u{202e}".to_owned(), shares: [0.1, 0.2], interval: [0.15, 0.9], is_beyond: true };
        let bars = Bars { names: ["now".to_owned(), "then".to_owned()], lines: vec![bar] };
        let section = Section { heading: "<h>".to_owned(), bars: Some(bars), ..Section::default() };
        let told = paper(&Paper { title: "<script>".to_owned(), sections: vec![section], ..Paper::default() });
        assert!(!told.contains("<script") && !told.contains("<b>") && !told.contains('\u{202e}'), "{told}");
        // The scale ends at a quarter; the interval is cut there.
        assert!(
            told.contains("width=\"168\"") && told.contains("width=\"336\"") && told.contains("x2=\"610\""),
            "{told}"
        );
    }
}
