//! Numbers over time as pictures: drawn here, in words and as a table beside, so that nobody needs to see them.
//!
//! ```text
//! (when, numbers) ──▶ bars, or a line for each of a few ──▶ svg ──┐
//!                └──▶ table ──────────────────────────────────────┴──▶ figure
//! plays by the hour of the week ──▶ a field for each hour, the darker the more, beside those of its like
//! plays by length, day, source, country ──▶ a bar for each, and a stroke where it usually ends
//! accounts and what they used ──▶ rings around one of them, a line for each reason ──▶ table
//! ```

use std::fmt::Write as _;

use maud::{Markup, html};

use super::pages::{address, verdict, when};
use super::texts::visible;
use super::{Class, Divided, Edge, Graph, Habit, Hour, Node};

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

/// The days of a week, from that of [`Habit::week`] on.
const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
/// A field of an hour, and where the fields begin.
const FIELD: f64 = 10.0;
const FIELD_HIGH: f64 = 14.0;
const FIELDS_X: f64 = 30.0;
const FIELDS_Y: f64 = 14.0;

/// When and how somebody is played, beside those who are played as much: small pictures on one scale each, and their numbers as tables.
pub(super) fn habit(about: &str, of: &Habit) -> Markup {
    let own = shares(&of.week, of.plays);
    let usual: Option<Vec<f64>> = of.week.iter().map(|hour| hour.usual).collect();
    let usual = usual.filter(|_| of.others > 0);
    html! {
        figure.chart.week {
            figcaption { "By hour and weekday, UTC: " (of.plays) " plays of the last " (of.window) }
            div.fields {
                (fields(&format!("This {about}"), &own))
                @if let Some(usual) = &usual { (fields(&format!("{} {about}s with as many plays", of.others), usual)) }
            }
            @if usual.is_none() { p.note { "Too few " (about) "s have about as many plays to compare it with." } }
            details {
                summary { "As a table" }
                table {
                    caption { "Plays" @if usual.is_some() { "; small: the share of plays that is usual in that hour" } }
                    thead { tr { th scope="col" { "Hour" } @for day in DAYS { th.number scope="col" { (day) } } } }
                    tbody { @for hour in 0..24 { tr {
                        th scope="row" { (format!("{hour:02}:00")) }
                        @for day in 0..DAYS.len() { td.number { @if let Some(class) = of.week.get(24 * day + hour) { (class.plays) (usually(class)) } } }
                    } } }
                }
            }
        }
        div.fields { @for divided in &of.divided { (bars_of(about, of, divided)) } }
    }
}

fn shares(classes: &[Class], plays: u64) -> Vec<f64> {
    classes.iter().map(|class| f64::from(class.plays) / plays.max(1) as f64).collect()
}

fn usually(class: &Class) -> Markup {
    html! { @if let Some(usual) = class.usual { " " small { (format!("{:.1} %", 100.0 * usual)) } } }
}

/// A small picture of classes, in its own units.
const SMALL_WIDE: f64 = 280.0;
const SMALL_HIGH: f64 = 96.0;

/// A bar for the share of each class, and a stroke across it where it usually ends.
fn bars_of(about: &str, of: &Habit, divided: &Divided) -> Markup {
    let own = shares(&divided.classes, of.plays);
    let usual = || divided.classes.iter().filter_map(|class| class.usual);
    let most = own.iter().copied().chain(usual()).fold(0.0, f64::max).max(1e-9);
    let greatest =
        own.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).map_or("", |(at, _)| &divided.classes[at].name);
    let (step, foot) = (SMALL_WIDE / own.len().max(1) as f64, SMALL_HIGH - FOOT);
    let high = |share: f64| share / most * (foot - HEAD);
    let end = |class: Option<&Class>| class.map_or("", |class| class.name.as_str()).to_owned();
    let told = format!(
        "Plays of this {about} by {}: most in {}; the numbers are in the table below",
        divided.by,
        visible(greatest)
    );
    html! {
        figure.chart.small {
            figcaption { "By " (divided.by) }
            svg viewBox=(format!("0 0 {SMALL_WIDE} {SMALL_HIGH}")) role="img" aria-label=(told) {
                line.mark x1="0" x2=(SMALL_WIDE) y1=(foot) y2=(foot) {}
                @for (place, (class, share)) in divided.classes.iter().zip(&own).enumerate() {
                    rect.bar x=(short(place as f64 * step + step * 0.1)) y=(short(foot - high(*share))) width=(short(step * 0.8)) height=(short(high(*share))) { title { (visible(&class.name)) ": " (class.plays) } }
                    @if let Some(usual) = class.usual {
                        line.usual x1=(short(place as f64 * step)) x2=(short((place + 1) as f64 * step)) y1=(short(foot - high(usual))) y2=(short(foot - high(usual))) {}
                    }
                }
                text.mark x="0" y="12" { (format!("{:.1} %", 100.0 * most)) }
                text.mark x="0" y=(SMALL_HIGH - 4.0) { (visible(&end(divided.classes.first()))) }
                text.mark.end x=(SMALL_WIDE) y=(SMALL_HIGH - 4.0) { (visible(&end(divided.classes.last()))) }
            }
            details {
                summary { "As a table" }
                table {
                    caption { "Plays by " (divided.by) }
                    thead { tr { th scope="col" { (divided.by) } th.number scope="col" { "Plays" } th.number scope="col" { "Share" } th.number scope="col" { "Usual" } } }
                    tbody { @for (class, share) in divided.classes.iter().zip(&own) { tr {
                        th scope="row" { bdi { (visible(&class.name)) } }
                        td.number { (class.plays) }
                        td.number { (format!("{:.1} %", 100.0 * share)) }
                        td.number { @match class.usual { Some(usual) => (format!("{:.1} %", 100.0 * usual)), None => "–" } }
                    } } }
                }
            }
        }
    }
}

/// Seven rows of 24 fields, as dark as the share of each hour beside the greatest.
fn fields(about: &str, shares: &[f64]) -> Markup {
    let most = shares.iter().copied().fold(0.0, f64::max);
    let place = shares.iter().position(|share| *share == most).unwrap_or(0);
    let told = format!(
        "{about}: most on {} at {:02}:00, {:.1} %; the numbers are in the table below",
        DAYS[place / 24 % DAYS.len()],
        place % 24,
        100.0 * most
    );
    let (wide, high) = (FIELDS_X + 24.0 * FIELD, FIELDS_Y + 7.0 * FIELD_HIGH);
    html! {
        div {
            p.note { (about) ", at most " (format!("{:.1} %", 100.0 * most)) }
            svg viewBox=(format!("0 0 {wide} {high}")) role="img" aria-label=(told) {
                @for hour in [0, 6, 12, 18] { text.mark x=(FIELDS_X + f64::from(hour) * FIELD) y=(FIELDS_Y - 4.0) { (hour) } }
                @for (row, day) in (0_u8..).zip(DAYS) { text.mark x="0" y=(FIELDS_Y + f64::from(row) * FIELD_HIGH + 11.0) { (day) } }
                rect.frame x=(FIELDS_X) y=(FIELDS_Y) width=(24.0 * FIELD) height=(7.0 * FIELD_HIGH) {}
                @for (hour, share) in (0_u8..).zip(shares).filter(|(_, share)| **share > 0.0) {
                    rect.bar x=(FIELDS_X + f64::from(hour % 24) * FIELD) y=(FIELDS_Y + f64::from(hour / 24) * FIELD_HIGH) width=(FIELD) height=(FIELD_HIGH) fill-opacity=(format!("{:.2}", shade(*share / most))) {}
                }
            }
        }
    }
}

/// More names would lie over each other; all stand in the table.
const NAMED_MAX: usize = 24;
/// The picture of links, in its own units.
const ROUND: f64 = 480.0;

/// Accounts and what they used: the one that was asked about in the middle, and who was found by it around it, step by step; then all lines as a table.
pub(super) fn graph(about: &str, graph: &Graph) -> Markup {
    let Graph { nodes, edges, left_out } = graph;
    let accounts = nodes.iter().filter(|node| is_account(node)).count();
    let in_step = edges.iter().filter(|edge| edge.in_step).count();
    let some = |count: usize, one: &str| format!("{count} {one}{}", if count == 1 { "" } else { "s" });
    let (things, uses) = (some(nodes.len() - accounts, "thing"), some(edges.len() - in_step, "line"));
    let counted =
        format!("{} and {things} in use; {uses} by use, {in_step} by playing in step", some(accounts, "account"));
    let places = places(nodes);
    html! {
        @if accounts > 1 {
            figure.chart.links {
                figcaption { (about) ": a dotted line where an account (round) used a thing (square), a whole one where two play in step" }
                svg viewBox=(format!("0 0 {ROUND} {ROUND}")) role="img" aria-label=(format!("{about}: {counted}; the table below names them")) {
                    @for Edge { ends: [one, other], why, in_step } in edges {
                        @let ((x1, y1), (x2, y2)) = (places[*one], places[*other]);
                        line.link.used[!in_step] x1=(short(x1)) y1=(short(y1)) x2=(short(x2)) y2=(short(y2)) { title { (visible(why)) } }
                    }
                    @for (place, node) in nodes.iter().enumerate() { (mark(node, places[place], place == 0, nodes.len())) }
                }
            }
        }
        @if !edges.is_empty() {
            table.links {
                caption { (counted) }
                thead { tr { th scope="col" { "Who or what" } th scope="col" { "Verdict" } th scope="col" { "Linked to" } th scope="col" { "Why" } } }
                tbody { @for Edge { ends: [one, other], why, .. } in edges { tr {
                    th scope="row" { (called(&nodes[*other])) }
                    td { @if is_account(&nodes[*other]) { (verdict(&nodes[*other].verdict)) } @else if nodes[*other].is_hub { "too many use it: links nobody" } @else { "–" } }
                    td { (called(&nodes[*one])) }
                    td { (visible(why)) }
                } } }
            }
        }
        @if *left_out > 0 { p.note { (left_out) " more that are next to these are left out." } }
    }
}

fn is_account(node: &Node) -> bool {
    node.subject == "account"
}

fn called(node: &Node) -> Markup {
    html! {
        @if is_account(node) { a href=(address(&node.subject, &node.id)) { "account " bdi { (visible(&node.id)) } } }
        @else { (visible(&node.subject)) " " bdi { (visible(&node.id)) } }
    }
}

/// Round for an account, square for a thing.
fn mark(node: &Node, (x, y): (f64, f64), is_first: bool, of: usize) -> Markup {
    let size = if is_first {
        11.0
    } else if of > NAMED_MAX {
        4.0
    } else {
        7.0
    };
    let told = visible(&format!("{} {}", node.subject, node.id));
    let center = ROUND / 2.0;
    html! {
        @if is_account(node) {
            circle class=(format!("node {}", node.verdict)) cx=(short(x)) cy=(short(y)) r=(size) { title { (told) ": " (node.verdict) } }
        } @else {
            rect.node.hub[node.is_hub] x=(short(x - size)) y=(short(y - size)) width=(2.0 * size) height=(2.0 * size) { title { (told) } }
        }
        @if of <= NAMED_MAX && !is_first {
            text.mark.end[x < center] x=(short(x + if x < center { -11.0 } else { 11.0 })) y=(short(y + 4.0)) { (visible(&shortened(&node.id))) }
        }
    }
}

/// Where each is drawn: on a ring for each step from the first one, in the middle of those that were found by it.
fn places(nodes: &[Node]) -> Vec<(f64, f64)> {
    let mut steps = vec![0_u32; nodes.len()];
    let mut found: Vec<Vec<usize>> = vec![Vec::new(); nodes.len()];
    for (place, node) in nodes.iter().enumerate().skip(1) {
        steps[place] = steps[node.found_by] + 1;
        found[node.found_by].push(place);
    }
    // Who found nobody has a share of the circle, in the order of a walk through all; those who did lie between theirs.
    let mut walk = Vec::new();
    let mut next = if nodes.is_empty() { Vec::new() } else { vec![0] };
    while let Some(place) = next.pop() {
        walk.push(place);
        next.extend(found[place].iter().rev());
    }
    let ends = found.iter().filter(|found| found.is_empty()).count().max(1) as f64;
    let mut turns = vec![0.0; nodes.len()];
    let mut passed = 0.0;
    for place in walk.iter().filter(|place| found[**place].is_empty()) {
        turns[*place] = passed / ends;
        passed += 1.0;
    }
    for place in walk.iter().rev() {
        if let [first, .., last] | [first @ last] = found[*place][..] {
            turns[*place] = (turns[first] + turns[last]) / 2.0;
        }
    }
    let most = steps.iter().copied().max().unwrap_or(0).max(1);
    let center = ROUND / 2.0;
    let at = |(turn, step): (&f64, &u32)| {
        let (angle, far) = (std::f64::consts::TAU * turn, 0.76 * center * f64::from(*step) / f64::from(most));
        (center + far * angle.sin(), center - far * angle.cos())
    };
    turns.iter().zip(&steps).map(at).collect()
}

/// As much of a name as has a place.
fn shortened(name: &str) -> String {
    const LETTERS: usize = 10;
    if name.chars().count() > LETTERS {
        name.chars().take(LETTERS - 1).chain(['…']).collect()
    } else {
        name.to_owned()
    }
}

/// How dark a field of that share of the greatest is: what there is at all is seen, and twice as much is darker.
fn shade(share: f64) -> f64 {
    0.1 + 0.9 * share
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
        let class = |name: &str, plays: u32, usual: f64| Class { name: name.to_owned(), plays, usual: Some(usual) };
        let hour = |hour: u32| if hour == 24 * 6 + 23 { 30 } else { u32::from(hour == 0) * 10 };
        let lengths = vec![class("under 30 s", 10, 0.5), class("from 30 s on", 30, 0.5)];
        let habit = Habit {
            window: "28d".to_owned(),
            plays: 40,
            others: 9,
            week: (0..168).map(|at| class("", hour(at), 1.0 / 168.0)).collect(),
            divided: vec![Divided { by: "length", classes: lengths }],
        };
        let drawn = super::habit("account", &habit).into_string();
        // Monday at midnight is the first field, and a third as dark as Sunday's last one.
        assert!(drawn.contains("x=\"30\" y=\"14\" width=\"10\" height=\"14\" fill-opacity=\"0.40\""), "{drawn}");
        assert!(drawn.contains("x=\"260\" y=\"98\" width=\"10\" height=\"14\" fill-opacity=\"1.00\""), "{drawn}");
        assert!(drawn.contains("most on Sun at 23:00, 75.0 %") && drawn.contains("9 accounts with as many plays"));
        // Three quarters reach the top, and half two thirds of it.
        assert!(drawn.contains("height=\"62.0\"") && drawn.matches("y1=\"36.7\" y2=\"36.7\"").count() == 2, "{drawn}");
        assert_eq!(drawn.matches("<td class=\"number\">").count(), 168 + 6);
        let alone = super::habit("account", &Habit { others: 0, divided: Vec::new(), ..habit }).into_string();
        assert!(alone.contains("Too few accounts") && alone.matches("<svg").count() == 1);
        let node = |subject: &str, found_by: usize| Node { subject: subject.to_owned(), found_by, ..Node::default() };
        let nodes =
            vec![node("account", 0), node("device", 0), node("device", 0), node("account", 1), node("account", 1)];
        let drawn = places(&nodes);
        // The first device lies between the two accounts that it led to; who is a step further is twice as far from the middle.
        let far = |place: usize| (drawn[place].0 - 240.0).hypot(drawn[place].1 - 240.0).round();
        assert_eq!([0, 1, 2, 3, 4].map(far), [0.0, 91.0, 91.0, 182.0, 182.0]);
        let turn = |place: usize| {
            let (x, y) = drawn[place];
            (x - 240.0).atan2(240.0 - y).rem_euclid(std::f64::consts::TAU)
        };
        assert!((turn(1) - (turn(3) + turn(4)) / 2.0).abs() < 1e-9 && turn(4) < turn(2), "{drawn:?}");
        for nothing in [
            graph("Linked", &Graph::default()),
            bars("Decisions", "decisions", &[]),
            lines("Verdicts", &["hold"], &[]),
            super::habit("track", &Habit { divided: vec![Divided::default()], ..Habit::default() }),
        ] {
            assert!(!nothing.into_string().contains("NaN"));
        }
    }
}
