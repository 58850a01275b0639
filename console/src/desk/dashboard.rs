//! How things stand: what waits, who decides, how often verdicts are wrong, and how they went in the last days.

use maud::{Markup, html};

use super::charts::{bars, lines};
use super::pages::{as_of, hours, link, page, stands, verdict, when};
use super::sessions::Session;
use super::texts::visible;
use super::{AreaOfPeople, Audited, Cut, Detected, Drift, Moved, Overview, Turn, Wanted, Wave};

/// What a stability index means: below the one nothing moved, from the other on it is another population (Siddiqi, "Credit Risk Scorecards", 2006).
const INDEX_MODERATE: f64 = 0.1;
const INDEX_OTHER: f64 = 0.25;
/// The verdicts of a column each.
const WORDS: [&str; 3] = ["hold", "escalate", "block"];

/// The page.
pub(super) fn overview(session: &Session, overview: &Overview) -> String {
    let Overview { waiting, late, half_hours, oldest_hours, .. } = *overview;
    let body = html! {
        div.head { h1 { "Overview" } (as_of(overview.as_of.as_deref())) (stands(overview.stands)) }
        p.facts { "Stated up to " strong { (hours(overview.lags_hours)) } " ago. " strong { (waiting) } " cases wait, "
            span.late[late > 0] { (late) } " of them too long; half for " (hours(half_hours)) " and less, the oldest for " (hours(oldest_hours)) "." }
        div.columns {
            section {
                h2 { "Verdicts as of now" }
                table {
                    thead { tr { th scope="col" { "Kind" } @for word in WORDS { th.number scope="col" { (verdict(word)) } } } }
                    tbody { @for (kind, counts) in &overview.verdicts { tr { th scope="row" { (kind) } @for (count, word) in counts.iter().zip(WORDS) { td.number { (narrowed(kind, word, None, *count)) } } } } }
                }
                @if overview.verdicts_by_hour.len() > 1 { (lines("Verdicts of the last days", &WORDS, &overview.verdicts_by_hour)) }
            }
            section {
                h2 { "How long cases wait" }
                table {
                    thead { tr { th scope="col" { "Waits for" } th.number scope="col" { "Cases" } th.number scope="col" { "Too long" } } }
                    tbody { @for (age, cases, late) in &overview.ages { tr {
                        th scope="row" { (age) } td.number { (cases) } td.number.late[*late > 0] { (late) }
                    } } }
                }
                p.note { "To be looked at within 72 h is what is held, within 24 h what is escalated or blocked." }
                (bars("Decisions of the last 48 hours", "decisions", &overview.decisions))
            }
            section {
                h2 { "Were the verdicts right?" }
                (audited(&overview.audited, overview.drawn))
                (confirmed(overview))
            }
            section {
                h2 { "Who decided" }
                @if overview.people.is_empty() { p { "Nobody yet." } } @else {
                    table {
                        thead { tr { th scope="col" { "Who" } th.number scope="col" { "24 h" } th.number scope="col" { "In all" } th.number scope="col" { "Against the rules" } } }
                        tbody { @for person in &overview.people { tr {
                            th scope="row" { (visible(&person.name)) } td.number { (person.decisions[0]) } td.number { (person.decisions[1]) }
                            td.number { (person.overrides.0) " of " (person.overrides.1) }
                        } } }
                    }
                }
            }
            @if !overview.areas.is_empty() { section { h2 { "Who takes what" } (areas(overview)) } }
            section { h2 { "Waves" } (waves(&overview.waves)) }
            section { h2 { "By genre, country and source" } (cuts(&overview.cuts)) }
            section { h2 { "How long until there is a verdict?" } (detected(&overview.detected)) }
            section { h2 { "Do risks move?" } (drift(&overview.drift)) }
            section { h2 { "What other policies and models decided" } (turns(&overview.turns)) }
        }
    };
    page("Overview", Some(session), &body)
}

/// Areas with people of their own.
fn areas(overview: &Overview) -> Markup {
    html! {
        table {
            thead { tr { th scope="col" { "Area" } th scope="col" { "People" } th scope="col" { "Named, and decide nothing" } } }
            tbody { @for AreaOfPeople { area, people, absent } in &overview.areas { tr {
                th scope="row" { a href=(link("/desk", &Wanted { area: Some(area.clone()), ..Wanted::default() }, 0)) { (area) } }
                td { @if people.is_empty() { strong { "Nobody is left: everybody takes it" } } @else { (visible(&people.join(", "))) } }
                td { @if absent.is_empty() { "–" } @else { (visible(&absent.join(", "))) } }
            } } }
        }
        @if overview.for_all > 0 { p { strong { (overview.for_all) } " wait for a second person or on appeal, and nobody of their area is left who has not had a say: everybody takes them." } }
        p.note { "Areas that are not told are everybody's." }
    }
}

/// Surges that last.
fn waves(all: &[Wave]) -> Markup {
    html! {
        @if all.is_empty() { p { "No surge changes any threshold as of now." } } @else {
            table {
                caption { "Surges that last, and what follows" }
                thead { tr { th scope="col" { "Of" } th scope="col" { "For" } th.number scope="col" { "Seen" } th.number scope="col" { "Expected" } th scope="col" { "From" } th scope="col" { "Until" } th scope="col" { "Effect" } } }
                tbody { @for wave in all { tr {
                    th scope="row" { (wave.measure) } td { (visible(&wave.segment)) } td.number { (wave.seen) } td.number { (format!("{:.1}", wave.expected)) }
                    td { (when(&wave.from)) } td { (when(&wave.until)) } td { (visible(&wave.effect)) }
                } } }
            }
        }
    }
}

/// What the audit queue says of all.
fn audited(all: &[Audited], drawn: usize) -> Markup {
    html! {
        @if all.is_empty() { p { "Of those drawn by lot nobody has been looked at yet." } } @else {
            table {
                caption { "By lot: the share of fraud among all of a verdict about whom no person had ruled. Of allow it is what is missed, of the others what is right." }
                thead { tr { th scope="col" { "Verdict" } th.number scope="col" { "Fraud" } th.number scope="col" { "Share" } th.number scope="col" { "95 % interval" } } }
                tbody { @for Audited { verdict: word, looked_at, fraud, share: [share, low, high] } in all { tr {
                    th scope="row" { (verdict(word)) } td.number { (fraud) " of " (looked_at) }
                    td.number { (format!("{share:.2}")) } td.number { (format!("{low:.2} to {high:.2}")) }
                } } }
            }
        }
        p.note { a href="/desk?queue=audit" { (drawn) " that are drawn" } " wait. The shares hold as far as all that were drawn are looked at." }
    }
}

/// What people said of the cases they chose, and of each other's.
fn confirmed(overview: &Overview) -> Markup {
    let (agreed, twice, kappa) = overview.agreement;
    html! {
        @if overview.confirmed.is_empty() { p { "Nothing final was decided yet." } } @else {
            table {
                caption { "Confirmed of those decided. Reviewers chose by urgency, so this is not the share of all verdicts that are right." }
                thead { tr { th scope="col" { "Verdict" } th.number scope="col" { "Confirmed" } th.number scope="col" { "Share" } th.number scope="col" { "95 % interval" } } }
                tbody { @for (word, confirmed, all) in &overview.confirmed { tr {
                    th scope="row" { (verdict(word)) } td.number { (confirmed) " of " (all) } (share(*confirmed, *all))
                } } }
            }
        }
        p { @if twice == 0 { "No case was decided by two people yet." } @else {
            (agreed) " of " (twice) " cases that two people decided got the same answer"
            @if let Some(kappa) = kappa { "; Cohen's kappa " (format!("{kappa:.2}")) }
            "."
        } }
    }
}

/// A count of verdicts, and the way to their cases.
fn narrowed(kind: &str, word: &str, origin: Option<&str>, count: u64) -> Markup {
    let text = |text: &str| Some(text.to_owned());
    let wanted =
        Wanted { subject: text(kind), verdict: text(word), origin: origin.map(str::to_owned), ..Wanted::default() };
    html! { @if count == 0 { "0" } @else { a href=(link("/desk", &wanted, 0)) { (count) } } }
}

/// A share and its interval (Wilson, 1927), as two cells.
fn share(part: u64, all: u64) -> Markup {
    let (p, n, z) = (part as f64 / all.max(1) as f64, all.max(1) as f64, 1.96);
    let (middle, spread) = (p + z * z / (2.0 * n), z * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt());
    let [low, high] = [middle - spread, middle + spread].map(|bound| (bound / (1.0 + z * z / n)).clamp(0.0, 1.0));
    html! { td.number { (format!("{p:.2}")) } td.number { (format!("{low:.2} to {high:.2}")) } }
}

/// By what is cut: the word, whom it is about, and how groups are told that nobody tells.
const AXES: [(&str, &str); 3] = [
    ("genre", "Tracks by genre"),
    ("country", "Accounts by country"),
    ("source", "Accounts by where most of their plays begin"),
];
/// So many groups of an axis have a line of their own.
const GROUPS_MAX: usize = 8;

/// The group in words.
fn group(name: &str) -> Markup {
    html! { @if name.is_empty() { "not told" } @else { bdi { (visible(name)) } } }
}

fn cuts(all: &[Cut]) -> Markup {
    let of_axis = |axis: &str| -> Vec<&Cut> { all.iter().filter(|cut| cut.axis == axis).collect() };
    let sum = |cuts: &[&Cut]| {
        let mut sum = Cut { group: format!("{} others", cuts.len()), ..Cut::default() };
        for cut in cuts {
            sum.verdicts.iter_mut().zip(cut.verdicts).for_each(|(sum, count)| *sum += count);
            sum.found.iter_mut().zip(cut.found).for_each(|(sum, count)| *sum += count);
        }
        sum
    };
    html! {
        @if all.is_empty() { p { "There are no verdicts and no decisions on tracks or accounts." } }
        @for (axis, words) in AXES {
            @let cuts = of_axis(axis);
            @if !cuts.is_empty() {
                @let (own, rest) = cuts.split_at(cuts.len().min(GROUPS_MAX));
                @let others = (!rest.is_empty()).then(|| sum(rest));
                table {
                    caption { (words) }
                    thead { tr {
                        th scope="col" { "Group" } @for word in WORDS { th.number scope="col" { (verdict(word)) } }
                        th.number scope="col" { "Decided" } th.number scope="col" { "Fraud" } th.number scope="col" { "95 % interval" }
                    } }
                    tbody { @for cut in own.iter().copied().chain(others.as_ref()) { tr {
                        @let origin = (axis != "source" && !cut.group.is_empty() && !cut.axis.is_empty()).then_some(cut.group.as_str());
                        th scope="row" { (group(&cut.group)) }
                        @for (count, word) in cut.verdicts.into_iter().zip(WORDS) { td.number { @match origin {
                            Some(_) => (narrowed(if axis == "genre" { "track" } else { "account" }, word, origin, count)),
                            None => (count),
                        } } }
                        @let decided = cut.found.iter().sum::<u64>();
                        td.number { (decided) }
                        @if decided > 0 { (share(cut.found[0], decided)) } @else { td.number { "–" } td.number { "–" } }
                    } } }
                }
            }
        }
        p.note { "Verdicts as of now; of the closed cases the share that people found to be fraud. Whether groups are treated alike is asked by truestream assess." }
    }
}

fn detected(all: &[Detected]) -> Markup {
    html! {
        @if all.is_empty() { p { "Since the service began to look nobody got a verdict against whom nothing had spoken before." } } @else {
            table {
                caption { "From the first instant at which anything spoke against somebody to the first at which there was a verdict, last 28 days" }
                thead { tr { th scope="col" { "Kind" } th.number scope="col" { "Found" } th.number scope="col" { "Half within" } th.number scope="col" { "Nine of ten within" } } }
                tbody { @for Detected { kind, found, half_hours, most_hours } in all { tr {
                    th scope="row" { (kind) } td.number { (found) } td.number { (hours(*half_hours)) } td.number { (hours(*most_hours)) }
                } } }
            }
        }
    }
}

/// The groups whose verdicts another policy or model changed.
fn moved(all: &[Moved]) -> Markup {
    html! {
        @if !all.is_empty() {
            table {
                caption { "The groups that it changed most" }
                thead { tr { th scope="col" { "Group" } @for word in WORDS { th.number scope="col" { (verdict(word)) } } } }
                tbody { @for Moved { axis, group: name, counts: [before, after] } in all { tr {
                    th scope="row" { (axis) " " (group(name)) }
                    @for (before, after) in before.iter().zip(after) { td.number.high[before != after] { (before) " → " (after) } }
                } } }
            }
        }
    }
}

fn drift(all: &[Drift]) -> Markup {
    let means = |index: f64| match index {
        index if index >= INDEX_OTHER => "another population",
        index if index >= INDEX_MODERATE => "some of it moved",
        _ => "stable",
    };
    html! {
        @if all.is_empty() { p { "No risks are known yet." } } @else {
            table {
                caption { "R of the last day beside the week before, in tenths: population stability index" }
                thead { tr { th scope="col" { "Kind" } th.number scope="col" { "The day" } th.number scope="col" { "The week" } th.number scope="col" { "Index" } th scope="col" { "Means" } } }
                tbody { @for Drift { kind, index, subjects: [day, week] } in all { tr {
                    th scope="row" { (kind) } td.number { (format!("{day:.0}")) } td.number { (format!("{week:.0}")) }
                    @match index {
                        Some(index) => { td.number.high[*index >= INDEX_OTHER] { (format!("{index:.3}")) } td { (means(*index)) } },
                        None => { td.number { "–" } td { "too few to say" } },
                    }
                } } }
            }
            p.note { "From 0.1 on some of it moved, from 0.25 on it is another population. Subjects with a risk, in the mean of the hours; fewer than 200 say nothing." }
        }
    }
}

fn turns(all: &[Turn]) -> Markup {
    html! {
        @if all.is_empty() { p { "No other policy or model has come into force while the service ran." } }
        @for Turn { at, in_force: [before, after], verdicts, moves, confirmed, moved: groups } in all {
            table {
                caption { (when(at)) ": " bdi { (visible(before)) } " → " bdi { (visible(after)) } ", at the last instant before and the first after" }
                thead { tr { th scope="col" { "Kind" } @for word in WORDS { th.number scope="col" { (verdict(word)) } } th.number scope="col" { "Index of R" } } }
                tbody { @for (kind, [before, after]) in verdicts.iter().filter(|(_, counts)| *counts != [[0; 3]; 2]) { tr {
                    th scope="row" { (kind) }
                    @for (before, after) in before.iter().zip(after) { td.number.high[before != after] { (before) " → " (after) } }
                    @match moves.iter().find(|(known, _)| known == kind).and_then(|(_, index)| *index) {
                        Some(index) => { td.number.high[index >= INDEX_OTHER] { (format!("{index:.3}")) } },
                        None => { td.number { "–" } },
                    }
                } } }
            }
            @if confirmed.iter().any(|(_, all)| *all > 0) {
                table {
                    caption { "Confirmed of the verdicts that people closed last under each. Reviewers chose by urgency, so this is not the share of all verdicts that are right." }
                    thead { tr { th scope="col" { "Under" } th.number scope="col" { "Confirmed" } th.number scope="col" { "Share" } th.number scope="col" { "95 % interval" } } }
                    tbody { @for (name, (part, all)) in [before, after].into_iter().zip(confirmed).filter(|(_, (_, all))| *all > 0) { tr {
                        th scope="row" { bdi { (visible(name)) } } td.number { (part) " of " (all) } (share(*part, *all))
                    } } }
                }
            }
            (moved(groups))
        }
    }
}
