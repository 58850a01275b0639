//! Who looks around: whoever has something in its id or name, and accounts that belong together.

use maud::html;

use super::charts::graph;
use super::pages::{address, as_of, list, page, verdict};
use super::sessions::Session;
use super::texts::visible;
use super::{Circle, Found, Wanted};

/// Whom somebody looked for.
pub(super) fn found(session: &Session, part: &str, found: Option<&Found>) -> String {
    let body = html! {
        div.head { h1 { "Found" } (as_of(found.and_then(|found| found.as_of.as_deref()))) }
        form.filters method="get" action="/desk/find" {
            input type="hidden" name="of" value="";
            label for="id" { "Part of an id or a name" }
            input #id name="id" value=(part) required maxlength="200";
            button type="submit" { "Find" }
        }
        @match found {
            None => p { "Give at least two letters." },
            Some(found) if found.subjects.is_empty() => p { "Nobody has " q { (visible(part)) } " in an id or a name, as far as your role sees them. Whoever has no play in the longest window is found by its whole id and kind." },
            Some(found) => {
                table.cases {
                    thead { tr { th scope="col" { "Who" } th scope="col" { "Called" } th scope="col" { "Verdict" } } }
                    tbody { @for one in &found.subjects { tr {
                        th scope="row" { a href=(address(&one.subject, &one.id)) { (one.subject) " " bdi { (visible(&one.id)) } } }
                        td { @if let Some(name) = &one.name { bdi { (visible(name)) } } @else { "–" } }
                        td { (verdict(&one.verdict)) }
                    } } }
                }
                @if found.more { p.note { "There are more: say more of it." } }
            }
        }
    };
    page("Found", Some(session), &body)
}

/// Accounts that use the same devices.
pub(super) fn circle(session: &Session, circle: &Circle) -> String {
    let sum = circle.members.iter().map(|one| one.payable).sum::<u64>();
    let stake: f64 = circle.members.iter().map(|one| one.stake_usd).sum();
    let body = html! {
        div.head { h1 { "Group " bdi { (visible(&circle.id)) } " " span.count { (circle.size) } } (as_of(circle.as_of.as_deref())) }
        p.facts { strong { (circle.size) } " accounts that use the same devices, one linked to the next. "
            @if circle.members.len() < circle.size { "The gravest " (circle.members.len()) " are shown. These have " } @else { "They have " }
            strong { (sum) } " payable plays, about " (format!("{stake:.2}")) " USD." }
        (list(&circle.members, &Wanted::default()))
        h2 { "What links them" }
        (graph("From the gravest of them on", &circle.graph))
        p.note { "A group is a name for accounts: each is decided by itself, on its own page." }
    };
    page("Group", Some(session), &body)
}
