//! Many cases at once: first all that would be decided, then one word about them, and one undo.

use maud::html;

use super::pages::{as_of, filters, form_key, list, page};
use super::sessions::Session;
use super::texts::csv_line;
use super::{AT_ONCE, AT_ONCE_MAX, Bulk, CHOICES, Group, REASONS, Wanted};

/// The page on which one sees what would be decided, and decides.
pub(super) fn bulk(session: &Session, wanted: &Wanted, bulk: &Bulk) -> String {
    let count = bulk.cases.len();
    let choices = CHOICES.into_iter().filter(|(word, ..)| AT_ONCE.contains(word));
    let body = html! {
        div.head { h1 { "At once " span.count { (count) } } (as_of(bulk.as_of.as_deref())) }
        form.filters method="get" action="/desk/bulk" {
            (filters(wanted))
            button type="submit" { "Show" }
        }
        @if bulk.cases.is_empty() { p { "No case fits, or somebody looks at those that do." } } @else {
            p { "These " strong { (count) } " would be decided alike, each as if it were decided alone: where much money hangs on it, and where what is blocked would be freed, a second person has to agree."
                @if bulk.more > 0 { " " (bulk.more) " more fit; at most " (AT_ONCE_MAX) " are decided at once." } }
            form #bulk method="post" action="/desk/bulk" aria-label="Decide at once" {
                (form_key(session))
                input type="hidden" name="seal" value=(bulk.seal);
                input type="hidden" name="queue" value=(wanted.queue.name());
                @for (name, value) in [("subject", &wanted.subject), ("verdict", &wanted.verdict), ("words", &wanted.words), ("area", &wanted.area), ("origin", &wanted.origin)] {
                    @if let Some(value) = value { input type="hidden" name=(name) value=(value); }
                }
                @if let Some(percent) = wanted.risk_min { input type="hidden" name="risk" value=(percent); }
                label for="reason" { "Reason" }
                select #reason name="reason" {
                    option value="" { "why they are overridden" }
                    @for (word, meaning) in REASONS { option value=(word) { (meaning) } }
                }
                label for="note" { "Note, why all of them" }
                input #note name="note" maxlength="1000" required autocomplete="off";
                div.choices { @for (word, _, meaning) in choices { button type="submit" name="choice" value=(word) title=(meaning) { (word) " all " (count) } } }
            }
            (list(&bulk.cases, wanted))
        }
    };
    page("At once", Some(session), &body)
}

/// Groups as CSV.
pub(super) fn groups_csv(groups: &[Group]) -> String {
    let mut lines = "subject,verdict,r,payable,cases\r\n".to_owned();
    for Group { common, cases } in groups {
        let known = common.each_ref().map(|text| if text.is_empty() { "any" } else { text });
        lines += &csv_line(&known, &cases.to_string());
    }
    lines
}
