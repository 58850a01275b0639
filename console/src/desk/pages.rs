//! The pages: what is known, in HTML. Every text is escaped by the macro, and what hides in it is shown.

use maud::{DOCTYPE, Markup, html};

use super::charts::{graph, habit};
use super::differences::differences;
use super::sessions::Session;
use super::sound::{sound, works};
use super::texts::{path_part, visible};
use super::{
    AREAS, Appeal, CHOICES, Case, CaseLine, Cases, Decided, FRAUD, HONEST, InForce, MINE, OVERTURN, Part, Queue,
    REASONS, Reputation, Statement, UPHOLD, WITHDRAW, Wanted,
};
use crate::Role;

/// What was just decided, for the line that offers to undo it.
pub(super) struct Done {
    /// The number of the decision.
    pub number: u64,
    /// What was decided about whom, in words.
    pub what: String,
}

/// Where the pages' picture in the browser's tab is.
const ICON: &str = "/desk/static/desk.svg";
/// The lists, and what they are called.
const PLACES: [(&str, &str); 7] = [
    ("/desk", "Cases"),
    ("/desk?queue=audit", "Audit"),
    ("/desk?queue=uncertain", "Uncertain"),
    ("/desk?appealed=1", "Appeals"),
    ("/desk?decided=1", "Decided"),
    ("/desk/overview", "Overview"),
    ("/desk/sql", "SQL"),
];

pub(super) fn page(title: &str, session: Option<&Session>, body: &Markup) -> String {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (visible(title)) " – Truestream" }
                link rel="icon" href=(ICON);
                link rel="stylesheet" href="/desk/static/desk.css";
                script src="/desk/static/desk.js" defer {}
                script src="/desk/static/sound.js" defer {}
            }
            body {
                a.skip href="#main" { "To the page" }
                header {
                    a.brand href="/desk" { "Truestream" }
                    @if let Some(session) = session {
                        nav aria-label="Desk" {
                            @for (place, name) in PLACES { a href=(place) aria-current=[(name == title).then_some("page")] { (name) } }
                        }
                        form.leave method="post" action="/desk/logout" {
                            (form_key(session))
                            span { (visible(&session.guest.name)) ", " (session.guest.role.name()) }
                            button type="submit" { "Log out" }
                        }
                    }
                }
                main #main { (body) }
            }
        }
    }
    .into_string()
}

pub(super) fn form_key(session: &Session) -> Markup {
    html! { input type="hidden" name="form_key" value=(session.form_key); }
}

/// Where one says who one is; with what went wrong before.
pub(super) fn login(wrong: Option<&str>) -> String {
    let body = html! {
        h1 { "Review desk" }
        @if let Some(why) = wrong { p.wrong role="alert" { (why) } }
        form.login method="post" action="/desk/login" {
            label for="name" { "User" }
            input #name name="name" autocomplete="username" required autofocus;
            label for="password" { "Password" }
            input #password name="password" type="password" autocomplete="current-password" required;
            button type="submit" { "Log in" }
        }
    };
    page("Log in", None, &body)
}

/// A page that says one thing.
pub(super) fn message(session: Option<&Session>, title: &str, text: &str) -> String {
    page(title, session, &html! { h1 { (title) } p { (visible(text)) } p { a href="/desk" { "To the cases" } } })
}

/// What a case can be about.
const KINDS: [&str; 6] = ["account", "track", "artist", "uploader", "playlist", "distributor"];

/// The cases.
pub(super) fn cases(session: &Session, wanted: &Wanted, cases: &Cases, done: Option<&Done>) -> String {
    let title = title(wanted);
    let pages = cases.total.div_ceil(cases.per_page.max(1));
    let may_decide = matches!(session.guest.role, Role::Admin | Role::Reviewer);
    let is_queue = !wanted.decided && !wanted.appealed;
    let body = html! {
        (done_line(session, done))
        div.head {
            h1 { (title) " " span.count { (cases.total) } }
            (as_of(cases.as_of.as_deref())) (stands(cases.stands))
        }
        @if let Some(why) = why(wanted) { p.note { (why) } }
        div.asks {
            form.filters method="get" action="/desk" {
                @if wanted.decided { input type="hidden" name="decided" value="1"; }
                @if wanted.appealed { input type="hidden" name="appealed" value="1"; }
                (filters(wanted))
                button type="submit" { "Show" }
                @if !wanted.decided { a href=(link("/desk/cases.csv", wanted, 0)) { "as CSV" } }
                @if is_queue && wanted.queue == Queue::Urgent {
                    a href=(link("/desk/groups.csv", wanted, 0)) title="Without names: groups of ten and more" { "groups as CSV" }
                }
                @if is_queue && wanted.queue == Queue::Urgent && may_decide && !cases.cases.is_empty() { a href=(link("/desk/bulk", wanted, 0)) { "decide at once" } }
            }
            form.filters method="get" action="/desk/find" {
                label for="of" { "Find" }
                select #of name="of" { option value="" { "any, by part of id or name" } @for kind in KINDS { option value=(kind) { (kind) } } }
                label.unseen for="id" { "Id or name" }
                input #id name="id" placeholder="its id" required maxlength="200";
                button type="submit" { "Open" }
            }
        }
        @if cases.cases.is_empty() {
            p { @if wanted.decided { "Nothing was decided." } @else if wanted.appealed { "No appeal waits." } @else { "Nothing waits. New cases come with the next refresh." } }
        } @else {
            (list(&cases.cases, wanted))
            @if pages > 1 {
                nav.pages aria-label="Pages" {
                    @if wanted.page > 0 { a rel="prev" href=(link("/desk", wanted, wanted.page - 1)) { "Before" } }
                    span { "Page " (wanted.page + 1) " of " (pages) }
                    @if wanted.page + 1 < pages { a rel="next" href=(link("/desk", wanted, wanted.page + 1)) { "After" } }
                }
            }
        }
        p.keys { kbd { "j" } " " kbd { "k" } " move, " kbd { "Enter" } " opens, " kbd { "u" } " undoes" }
    };
    page(title, Some(session), &body)
}

fn title(wanted: &Wanted) -> &'static str {
    match (wanted.decided, wanted.appealed, wanted.queue) {
        (true, ..) => "Decided",
        (_, true, _) => "Appeals",
        (.., Queue::Audit) => "Audit",
        (.., Queue::Uncertain) => "Uncertain",
        (.., Queue::Urgent) => "Cases",
    }
}

/// Why these cases and no others.
fn why(wanted: &Wanted) -> Option<&'static str> {
    match (wanted.decided || wanted.appealed, wanted.queue) {
        (true, _) | (_, Queue::Urgent) => None,
        (_, Queue::Audit) => Some(
            "Drawn by lot each week, also of those whom nothing suspects: what people find here says how often verdicts are wrong. Decide all of them, the dull ones too.",
        ),
        (_, Queue::Uncertain) => Some(
            "Whose R lies nearest to a threshold of the policy in force, on either side: where rules and models know least, a word of yours teaches most.",
        ),
    }
}

/// What cases are asked for by.
pub(super) fn filters(wanted: &Wanted) -> Markup {
    // Who is drawn, or in doubt, may have no verdict.
    let verdicts = &["block", "escalate", "hold", "allow"][..if wanted.queue == Queue::Urgent { 3 } else { 4 }];
    html! {
        @if wanted.queue != Queue::Urgent { input type="hidden" name="queue" value=(wanted.queue.name()); }
        (choose("subject", "Kind", &KINDS, wanted.subject.as_deref()))
        (choose("verdict", "Verdict", verdicts, wanted.verdict.as_deref()))
        @if !wanted.decided && !wanted.appealed {
            label for="risk" { "R from" }
            input #risk.short name="risk" type="number" min="0" max="100" value=[wanted.risk_min] placeholder="%";
            label for="words" { "Reason or rule has" }
            input #words name="words" value=[wanted.words.as_deref()] maxlength="100";
            (choose("area", "Area", &[&[MINE], &AREAS[..]].concat(), wanted.area.as_deref()))
            @if let Some(origin) = &wanted.origin {
                label for="origin" { "Genre or country" }
                input #origin name="origin" value=(origin) maxlength="100";
            }
        }
    }
}

/// Cases, a line each.
pub(super) fn list(cases: &[CaseLine], wanted: &Wanted) -> Markup {
    html! {
        table.cases {
            thead { tr {
                th scope="col" { "Case" } th scope="col" { "Verdict" } th.number scope="col" { "R" }
                th.number scope="col" { "Payable" } th.number scope="col" { "About USD" } th.number scope="col" { "Waits" }
                @match wanted.queue { Queue::Audit => th.number scope="col" { "Drawn, one of" }, Queue::Uncertain => th.number scope="col" { "From a threshold" }, Queue::Urgent => "" }
                th scope="col" { @if wanted.decided { "Decided" } @else { "Strongest reason" } }
            } }
            tbody {
                @for case in cases { (line(case, wanted)) }
            }
        }
    }
}

fn choose(name: &str, label: &str, options: &[&str], chosen: Option<&str>) -> Markup {
    html! {
        label for=(name) { (label) }
        select id=(name) name=(name) {
            option value="" { "all" }
            @for option in options {
                option value=(option) selected[chosen == Some(*option)] { (option) }
            }
        }
    }
}

/// The address of a page of the same cases: it can be sent to somebody.
pub(super) fn link(place: &str, wanted: &Wanted, page: usize) -> String {
    let risk = wanted.risk_min.map(|percent| percent.to_string());
    let queue = (wanted.queue != Queue::Urgent).then(|| wanted.queue.name().to_owned());
    let mut parts = Vec::new();
    let asked = [
        ("subject", &wanted.subject),
        ("verdict", &wanted.verdict),
        ("risk", &risk),
        ("words", &wanted.words),
        ("area", &wanted.area),
        ("origin", &wanted.origin),
        ("queue", &queue),
    ];
    for (name, value) in asked {
        parts.extend(value.as_ref().map(|value| format!("{name}={}", path_part(value))));
    }
    parts.extend(wanted.decided.then(|| "decided=1".to_owned()));
    parts.extend(wanted.appealed.then(|| "appealed=1".to_owned()));
    parts.push(format!("page={page}"));
    format!("{place}?{}", parts.join("&"))
}

pub(super) fn address(subject: &str, id: &str) -> String {
    format!("/desk/case/{}/{}", path_part(subject), path_part(id))
}

/// The same by the way one came.
pub(super) fn address_in(queue: Queue, subject: &str, id: &str) -> String {
    let way = if queue == Queue::Urgent { String::new() } else { format!("?queue={}", queue.name()) };
    address(subject, id) + &way
}

fn line(case: &CaseLine, wanted: &Wanted) -> Markup {
    html! {
        tr {
            th scope="row" { a href=(address_in(wanted.queue, &case.subject, &case.id)) { (case.subject) " " bdi { (visible(&case.id)) } } }
            td { (verdict(&case.verdict)) }
            td.number { (format!("{:.2}", case.risk)) }
            td.number { (case.payable) }
            td.number { (money(case.stake_usd)) }
            td.number.late[case.clock >= 1.0] { (hours(case.waits_hours)) }
            @match (wanted.queue, case.sampled) {
                (Queue::Audit, Some(share)) => td.number { (format!("{:.0}", 1.0 / share)) },
                (Queue::Uncertain, Some(margin)) => td.number { (format!("{margin:.4}")) },
                (Queue::Urgent, _) => "",
                _ => td {},
            }
            td {
                @match (&case.decided, wanted.decided) {
                    (Some(last), true) => { (last.choice) " by " (visible(&last.by)) @if last.waits_for_second { ", waits for a second person" } }
                    _ => { @if let Some(who) = &case.claimed_by { em { (visible(who)) " looks at it. " } } (visible(sentence(&case.reason))) }
                }
            }
        }
    }
}

/// A reason without the share that it adds: in a list its words are enough.
fn sentence(reason: &str) -> &str {
    reason.rsplit_once(" [").filter(|(_, rest)| rest.ends_with(']')).map_or(reason, |(words, _)| words)
}

pub(super) fn verdict(word: &str) -> Markup {
    // The word carries the meaning; the colour only helps.
    html! { span class=(format!("verdict {word}")) { (word) } }
}

fn money(usd: f64) -> String {
    if usd < 10.0 { format!("{usd:.2}") } else { format!("{usd:.0}") }
}

pub(super) fn hours(hours: f64) -> String {
    if hours < 48.0 { format!("{hours:.0} h") } else { format!("{:.0} d", hours / 24.0) }
}

/// An instant as people read it, to the minute: nothing is stated or decided by the second.
pub(super) fn when(instant: &str) -> Markup {
    let minute =
        instant.get(..16).filter(|_| instant.ends_with('Z')).map(|minute| minute.replacen('T', " ", 1) + " UTC");
    html! { time datetime=(instant) { (visible(minute.as_deref().unwrap_or(instant))) } }
}

pub(super) fn as_of(instant: Option<&str>) -> Markup {
    html! {
        p.as_of {
            @match instant {
                Some(instant) => { "as of " (when(instant)) }
                None => { "nothing is stated yet" }
            }
        }
    }
}

/// What is said where time stands still.
pub(super) fn stands(stands: bool) -> Markup {
    html! {
        @if stands {
            p.note role="note" { "The folder that is followed has ended, and time stands still here: what is decided is kept, and changes verdicts only once a later instant is told." }
        }
    }
}

pub(super) fn done_line(session: &Session, done: Option<&Done>) -> Markup {
    html! {
        @if let Some(done) = done {
            form.done method="post" action="/desk/undo" aria-label="What was just decided" {
                (form_key(session))
                input type="hidden" name="number" value=(done.number);
                span role="status" { (visible(&done.what)) "." }
                button #undo type="submit" { "Undo " kbd { "u" } }
                span.note { "within " span.left { "30 s" } }
            }
        }
    }
}

/// A case.
pub(super) fn case(session: &Session, case: &Case, done: Option<&Done>) -> String {
    let CaseLine { subject, id, verdict: word, risk, payable, stake_usd, waits_hours, clock, .. } = &case.line;
    let may_decide = matches!(session.guest.role, Role::Admin | Role::Reviewer);
    let body = html! {
        (done_line(session, done))
        div.head {
            h1 { (subject) " " bdi { (visible(id)) } }
            (as_of(case.as_of.as_deref())) (stands(case.stands))
        }
        p.facts {
            (verdict(word)) " R " strong { (format!("{risk:.4}")) } ", " (payable) " payable plays, about " (money(*stake_usd)) " USD, waits "
            span.late[*clock >= 1.0] { (hours(*waits_hours)) }
            @if case.needs_second { ". A second person must agree" } @else if case.frees_with_second { ". Who overrides or withdraws needs a second person" }
            @if let Some(who) = &case.line.claimed_by { ". " strong { (visible(who)) " looks at it" } }
            @if let Some((area, people)) = &case.kept_for {
                ". The policy keeps " strong { (area) } " for " (visible(&people.join(", "))) @if session.guest.role == Role::Admin { "; an admin decides it all the same" }
            }
        }
        @if let Some(ruling) = &case.ruling { (in_force(ruling)) }
        @if let Some(appeal) = &case.appeal { (appealed(appeal)) }
        @if may_decide { (decision(session, case)) } @else { p { "The role " (session.guest.role.name()) " decides nothing." } }
        @if let Some(heard) = &case.sound { (sound(heard)) }
        @if let Some(heard) = &case.works { (works(heard)) }
        @if !case.differences.is_empty() { (differences(&case.differences)) }
        div.columns {
            section {
                h2 { "Why" }
                @if case.reasons.is_empty() { p { "Nothing speaks against it as of now." } }
                ul { @for reason in &case.reasons { li { (visible(reason)) } } }
                @if let Some(parts) = case.parts { (parts_of_risk(&parts)) }
                @if !case.contributions.is_empty() { (signals(case)) }
                (hangs_on(case))
                @if !case.rules.is_empty() { h3 { "Rules that fired" } ul { @for rule in &case.rules { li { code { (visible(rule)) } } } } }
                @if !case.hits.is_empty() {
                    h3 { "Rules that people wrote" }
                    ul { @for hit in &case.hits { li { code { (visible(&hit.rule)) } ", " (hit.action) " (" (hit.effect) "): " (visible(&hit.reason)) ", of " (visible(&hit.owner)) } } }
                }
            }
            section {
                h2 { "Plays, beside all of its kind" }
                (measures(case))
                p.note { "The small number is the share of all " (subject) "s with a row in that window that have less." }
                @if let Some(of) = &case.habit { (habit(subject, of)) }
                (alike(case))
            }
            section {
                h2 { "Linked" }
                @if case.graph.edges.iter().all(|edge| case.graph.nodes[edge.ends[1]].subject != "account") {
                    p { "Nobody is linked to it by devices, or plays in step with it." }
                }
                @if let Some((group, size)) = &case.group {
                    p { "One of " a href=(format!("/desk/group/{}", path_part(group))) { (size) " accounts that use the same devices" } "." }
                }
                (graph(&format!("Linked to this {subject}"), &case.graph))
                @if !case.graph.edges.is_empty() { p.note { "Plays of the last seven days; who looks while a tick is under way may see a part of its plays." } }
            }
            section {
                h2 { "History" }
                @if case.history.is_empty() { p { "Nobody has decided yet." } }
                ol { @for decided in &case.history { li { (past(decided)) } } }
                @if let Some(of) = &case.reputation { (reputation(of)) }
                p.note { @for version in &case.versions { (visible(version)) ". " } }
                @if let Some(place) = &case.statement { p.note { "For the one it is about: " a href=(place) { "statement of reasons and appeal" } ". Whoever has the address may read and appeal." } }
            }
        }
    };
    page(&format!("{subject} {id}"), Some(session), &body)
}

fn decision(session: &Session, case: &Case) -> Markup {
    html! {
        form #decide method="post" action="/desk/decide" aria-label="Decide" {
            // Enter in the note presses the first button: one that does nothing.
            button type="submit" disabled hidden {}
            (form_key(session))
            input type="hidden" name="subject" value=(case.line.subject);
            input type="hidden" name="id" value=(case.line.id);
            input type="hidden" name="verdict" value=(case.line.verdict);
            input type="hidden" name="queue" value=(case.queue.name());
            input type="hidden" name="seen" value=(case.history.first().map_or(0, |last| last.number));
            fieldset disabled[case.line.claimed_by.is_some() || case.kept_for.is_some() && session.guest.role != Role::Admin] {
                div.choices {
                    @for (word, key, meaning) in CHOICES.into_iter().filter(|(word, ..)| is_offered(word, case)) {
                        button type="submit" name="choice" value=(word) data-key=(key) title=(meaning) { (word) " " kbd { (key) } }
                    }
                }
                label for="reason" title="Whoever overrides or overturns says why: o or v, and the number of the reason" { "Reason" }
                select #reason name="reason" {
                    option value="" { "why it is overridden, or overturned" }
                    @for (at, (word, meaning)) in REASONS.iter().enumerate() { option value=(word) { (at + 1) " " (meaning) } }
                }
                label for="note" { "Note " kbd { "n" } @if !case.notes_for.is_empty() { " (needed for " (case.notes_for.join(", ")) ")" } }
                input #note name="note" maxlength="1000" autocomplete="off";
            }
        }
    }
}

/// Without a verdict there is nothing to decide but whether what was ruled is taken back, or whether that is right; an appeal is decided first.
fn is_offered(choice: &str, case: &Case) -> bool {
    let has_verdict = case.line.verdict != "allow";
    let is_appealed = case.appeal.as_ref().is_some_and(|appeal| appeal.outcome.is_none());
    match choice {
        WITHDRAW => case.ruling.is_some() && !is_appealed,
        OVERTURN => is_appealed,
        UPHOLD => is_appealed && has_verdict,
        "confirm" | "override" => has_verdict && !is_appealed,
        HONEST | FRAUD => !has_verdict && !is_appealed && case.ruling.is_none() && !case.measures.is_empty(),
        _ => has_verdict || !case.measures.is_empty(),
    }
}

fn in_force(ruling: &InForce) -> Markup {
    let InForce { ruling, verdict, known_at, until, by, reason } = ruling;
    html! {
        p.ruling role="status" {
            strong { "A person has the last word: " (visible(ruling)) }
            @if !verdict.is_empty() { ", at least " (visible(verdict)) }
            ", since " (when(known_at))
            @if let Some(until) = until { ", until " (when(until)) }
            @if !by.is_empty() { ", by " (visible(by)) }
            @if !reason.is_empty() { ": " q { (visible(reason)) } }
        }
    }
}

fn appealed(appeal: &Appeal) -> Markup {
    html! {
        section.appeal aria-label="Appeal" {
            h2 { "Appeal" }
            p { "Of " (when(&appeal.at)) ", to be decided until " span.late[appeal.is_late] { (when(&appeal.due)) } " by somebody who has not decided about it before." }
            blockquote { @for line in appeal.text.lines() { p { (visible(line)) } } }
            @if !appeal.files.is_empty() {
                ul { @for file in &appeal.files { li {
                    a href=(format!("/desk/file/{}", path_part(&file.hash))) download { bdi { (visible(&file.name)) } }
                    ", " (visible(&file.kind)) ", " (file.bytes) " bytes, BLAKE3 " code { (visible(&file.hash)) }
                } } }
                p.note { "Strangers sent these files: look at them where they can do no harm." }
            }
            @if let Some(outcome) = &appeal.outcome {
                p { (visible(&outcome.choice)) " on " (when(&outcome.at)) "." }
                @if outcome.choice == OVERTURN {
                    p { (outcome.payable) " plays of the weeks before, about " (money(outcome.stake_usd)) " USD, hang on it no more." }
                    @for of in &outcome.restored {
                        p { "The reputation of " (of.role) " " a href=(address(&of.role, &of.id)) { bdi { (visible(&of.id)) } } " was " (format!("{:.4}", of.before)) " when that was decided, and is " (format!("{:.4}", of.now)) " now." }
                    }
                }
            }
        }
    }
}

fn reputation(of: &Reputation) -> Markup {
    html! {
        h3 { "Reputation" }
        @match of.now {
            Some(now) => p { strong { (format!("{now:.4}")) } @for (what, count) in &of.counts { ", " (count) " " (what) } ". A newcomer stands at 0.8." },
            None => p { "Nothing of what it brought is stopped as of now, or ever was." },
        }
        @if !of.moves.is_empty() {
            p { "Verdicts and declarations moved it, the latest first:" }
            ul { @for (at, from, to) in &of.moves { li { (when(at)) ": from " (format!("{from:.4}")) " to " (format!("{to:.4}")) } } }
        }
    }
}

/// A page for who has no login: our style, no script, and nothing of the desk.
fn open_page(title: &str, body: &Markup) -> String {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="robots" content="noindex";
                title { (visible(title)) }
                link rel="icon" href=(ICON);
                link rel="stylesheet" href="/desk/static/desk.css";
            }
            body { main #main { (body) } }
        }
    }
    .into_string()
}

/// A page that says one thing to who has no login, with the way back where there is one.
pub(super) fn said(title: &str, text: &str, back: &str) -> String {
    open_page(
        title,
        &html! { h1 { (title) } p { (visible(text)) } @if !back.is_empty() { p { a href=(back) { "Back" } } } },
    )
}

/// What the one is told whom a verdict is about.
pub(super) fn statement(told: &Statement, place: &str) -> String {
    let Statement { subject, id, verdict: word, effect, .. } = told;
    let body = html! {
        h1 { "Statement of reasons: " (visible(subject)) " " bdi { (visible(id)) } }
        (as_of(told.as_of.as_deref()))
        p { strong { (visible(effect)) } @if let Some(since) = &told.since { " Since " (when(since)) "." } }
        @if word != "allow" {
            h2 { "Why" }
            ul { @for reason in &told.reasons { li { (visible(reason)) } } }
            @for ground in &told.grounds { p { "Ground: " (visible(ground)) } }
            p { @if let Some(at) = &told.person { "It was found by a program, and a person ruled on " (when(at)) "." } @else { "It was found and decided by a program. No person has decided yet." } }
            p { (told.payable) " plays of the last weeks hang on it, about " (money(told.stake_usd)) " USD." }
        }
        @if let Some(appeal) = &told.appeal { (answered(appeal, place)) }
        @if told.may_appeal {
            h2 { "Appeal" }
            p { "Say what is wrong, and what shows it: a campaign, a concert, a playlist, a mistake in the data. A person reads it who has not decided about this before." }
            form method="post" {
                label for="text" { "Your appeal, 20 to 5000 letters" }
                textarea #text name="text" rows="10" minlength="20" maxlength="5000" required {}
                button type="submit" { "Appeal" }
            }
        }
        p.note { a href="?format=json" { "The same for programs (JSON)" } ". Keep this address to yourself: whoever has it can read this and appeal." }
    };
    open_page("Statement of reasons", &body)
}

fn answered(appeal: &Appeal, place: &str) -> Markup {
    html! {
        h2 { "Your appeal" }
        p { "Of " (when(&appeal.at)) ":" }
        blockquote { @for line in appeal.text.lines() { p { (visible(line)) } } }
        @if !appeal.files.is_empty() { ul { @for file in &appeal.files { li { bdi { (visible(&file.name)) } ", " (file.bytes) " bytes" } } } }
        @if appeal.more_files {
            form.filters method="post" action=(format!("{place}/file")) enctype="multipart/form-data" {
                label for="file" { "A file that shows it: PDF, PNG, JPEG, ZIP, FLAC or WAV, at most 10 MB, five of them" }
                input #file name="file" type="file" required accept=".pdf,.png,.jpg,.jpeg,.zip,.flac,.wav";
                button type="submit" { "Send the file" }
            }
        }
        @match &appeal.outcome {
            None => p role="status" { "It is to be decided until " (when(&appeal.due)) "." },
            Some(outcome) if outcome.choice == OVERTURN => p role="status" {
                strong { "You were right. " } "The decision was taken back on " (when(&outcome.at)) ": "
                (outcome.payable) " plays of the weeks before, about " (money(outcome.stake_usd)) " USD, hang on it no more, and it is for earlier months as if it had never been."
                @for of in &outcome.restored {
                    " The reputation of its " (of.role) " was " (format!("{:.4}", of.before)) " when that was decided, and is " (format!("{:.4}", of.now)) " now."
                }
            },
            Some(outcome) => p role="status" { "A person looked at it on " (when(&outcome.at)) ". The decision stands." },
        }
    }
}

fn past(decided: &Decided) -> Markup {
    html! {
        (when(&decided.at)) " " (visible(&decided.by)) ": " strong { (decided.choice) }
        @if decided.undone { " (undone)" }
        @if decided.waits_for_second { " (waits for a second person)" }
        @if decided.together > 1 { ", at once with " (decided.together - 1) " others" }
        @if let Some(share) = decided.inclusion { ", drawn by lot, one of " (format!("{:.0}", 1.0 / share)) }
        @if decided.together > 1 || decided.inclusion.is_some() { "," }
        " of " (decided.verdict) " at R " (format!("{:.2}", decided.risk))
        @if !decided.reason.is_empty() { ", " (decided.reason) }
        @if !decided.note.is_empty() { ": " q { (visible(&decided.note)) } }
    }
}

/// R as a sum of its parts.
fn parts_of_risk(parts: &[Part; 3]) -> Markup {
    const NAMES: [&str; 3] =
        ["content: what the audio says", "behaviour: what the plays say", "provenance: what metadata and uploads say"];
    let added = |part: &Part| part.weight.map(|weight| format!("{:.4}", part.risk * f64::from(weight) / 100.0));
    html! {
        table.parts {
            caption { "R of three parts" }
            thead { tr { th scope="col" { "Part" } @for head in ["Risk", "Weight", "Adds"] { th.number scope="col" { (head) } } } }
            tbody {
                @for (name, part) in NAMES.iter().zip(parts) {
                    tr {
                        th scope="row" { (name) } td.number { (format!("{:.4}", part.risk)) }
                        td.number { @match part.weight { Some(weight) => (format!("{weight} %")), None => "–" } }
                        td.number { (added(part).as_deref().unwrap_or("–")) }
                    }
                }
            }
        }
    }
}

/// What each signal adds, and what would be said without it.
fn signals(case: &Case) -> Markup {
    html! {
        table {
            caption { "What each signal adds to R, and what R would be without it" }
            thead { tr {
                th scope="col" { "Signal" } @for head in ["Seen", "Adds", "Without it"] { th.number scope="col" { (head) } } th scope="col" { span.unseen { "Bar" } }
            } }
            tbody {
                @for part in &case.contributions {
                    tr {
                        th scope="row" { (part.name) } td.number { (short(part.value)) } td.number { (format!("{:.4}", part.share)) }
                        td.number { @if let Some((r, called)) = &part.without { (format!("{r:.2} ")) (verdict(called)) } @else { "–" } }
                        td { meter min="0" max=(case.line.risk.max(0.0001)) value=(part.share) {} }
                    }
                }
            }
        }
    }
}

/// What would change the verdict.
fn hangs_on(case: &Case) -> Markup {
    let Some(called) = &case.by_risk else { return Markup::default() };
    let sets: Vec<String> = case.hangs_on.iter().map(|names| names.join(" and ")).collect();
    html! {
        h3 { "What would change it" }
        p {
            "By itself R calls for " (verdict(called))
            @if *called != case.line.verdict { "; rules or people say " (verdict(&case.line.verdict)) }
            ". "
            @if called == "allow" { "Nothing would be held by it." }
            @else if sets.is_empty() { "Five signals or more would have to be silent for nothing to be held." }
            @else { "Nothing would be held without " (sets.join(", or without ")) "." }
        }
    }
}

/// Who is most like it and was left alone.
fn alike(case: &Case) -> Markup {
    if case.alike.is_empty() {
        return Markup::default();
    }
    let subject = &case.line.subject;
    html! {
        h3 { "Most like it, and nothing is held" }
        ul { @for other in &case.alike {
            li {
                a href=(address(subject, &other.id)) { (subject) " " bdi { (visible(&other.id)) } }
                @if other.is_found_honest { ", which a person found honest" }
                @if !other.differs.is_empty() { ": here " }
                @for (place, (name, own, theirs)) in other.differs.iter().enumerate() {
                    @if place > 0 { ", " } (name) " " (short(*own)) " (there " (short(*theirs)) ")"
                }
            }
        } }
        p.note { "Nearest in all measures of the longest window, each by its logarithm in standard deviations. Nobody says that they are honest unless it is told." }
    }
}

fn measures(case: &Case) -> Markup {
    html! {
        table.measures {
            thead { tr { th scope="col" { "Measure" } @for window in &case.windows { th.number scope="col" { (window) } } } }
            tbody {
                @for measure in &case.measures {
                    tr {
                        th scope="row" { (measure.name) }
                        @for cell in &measure.cells {
                            @match cell {
                                Some((value, below)) => td.number.high[*below >= 0.99] { (short(*value)) " " small { (format!("{:.0} %", below * 100.0)) } },
                                None => td.number { "–" },
                            }
                        }
                    }
                }
            }
        }
    }
}

fn short(value: f64) -> String {
    match value {
        value if value.fract() == 0.0 => grouped(&format!("{value:.0}")),
        value => format!("{value:.3}"),
    }
}

/// A whole number with its thousands apart.
fn grouped(digits: &str) -> String {
    let place = |at: usize| digits.len() - at;
    let apart = |(at, digit): (usize, char)| {
        let comma = at > 0 && place(at).is_multiple_of(3) && digits.as_bytes()[at - 1].is_ascii_digit();
        comma.then_some(',').into_iter().chain([digit])
    };
    digits.chars().enumerate().flat_map(apart).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Guest;
    use crate::desk::bulk::bulk;
    use crate::desk::sessions::Sessions;
    use crate::desk::{
        Alike, AreaOfPeople, Audited, Bulk, Circle, Class, Contribution, Cut, Difference, Divided, Edge, Field, Found,
        Graph, Habit, Heard, Hit, Match, Moved, Named, Node, Overview, Recording, Reviewer, SentFile, Sound, Turn,
        Wave, Work, Works, ask, dashboard, investigate,
    };

    /// Texts that become markup, scripts or another line where somebody forgets to escape them.
    const HOSTILE: [&str; 9] = [
        "<script>alert(1)</script>",
        "\"><img src=x onerror=alert(1)>",
        "' onmouseover='alert(1)",
        "</title><script>alert(1)</script>",
        "javascript:alert(1)",
        "<svg/onload=alert(1)>",
        "</textarea><iframe src=//x>",
        "{{constructor.constructor('alert(1)')()}}",
        "&lt;script&gt;<!--",
    ];

    fn session() -> Session {
        let sessions = Sessions::default();
        let number = sessions.begin(Guest { name: "<b>rita</b>".to_owned(), role: Role::Reviewer });
        sessions.get(&number).expect("it began")
    }

    /// What was heard, in hostile words.
    fn heard(text: &str) -> Sound {
        let words = || text.to_owned();
        let heard = Heard {
            detector: words(),
            version: words(),
            words: words(),
            threshold: words(),
            known_at: Some("2026-01-01T00:00:00Z".to_owned()),
            file: Some(words()),
            ..Heard::default()
        };
        let recording = |hash: &str| Recording {
            name: words(),
            hash: hash.repeat(64),
            seconds: 10.0,
            tiles: vec![10.0],
            silent: Some(words()),
            ..Recording::default()
        };
        Sound {
            evidence: vec![heard],
            own: Some(recording("0")),
            other: Some(recording("1")),
            matched: Some(Match { from: 1.0, length: 5.0, offset: 2.0, speed: 1.0, pitch: 1.0 }),
            missing: vec![words()],
        }
    }

    /// What was heard of tracks, in hostile words.
    fn worked(text: &str) -> Works {
        let Sound { evidence, own, .. } = heard(text);
        let (track, title, heard) = (text.to_owned(), Some(text.to_owned()), evidence.into_iter().next());
        Works { tracks: vec![Work { track, title, heard, recording: own }], heard: 1 }
    }

    /// How it is played, in hostile words.
    fn habited(text: &str) -> Habit {
        let class = Class { name: text.to_owned(), plays: 1, usual: Some(1.0) };
        let divided = vec![Divided { by: "country", classes: vec![class.clone(), class] }];
        Habit { plays: 1, others: 5, divided, ..Habit::default() }
    }

    /// What the catalogue says otherwise, in hostile words.
    fn differing(text: &str) -> Difference {
        let field = |before: &str, after: &str| Field {
            name: "title".to_owned(),
            before: Some(before.to_owned()),
            after: Some(after.to_owned()),
        };
        let fields = vec![field(text, "plain"), field("plain", text), field(text, text)];
        Difference { track: text.to_owned(), why: text.to_owned(), fields }
    }

    /// All pages of a case whose texts are `text`, and whose words of ours are `word`.
    fn pages_of(text: &str, word: &str) -> [String; 10] {
        let [text, word] = [text, word].map(str::to_owned);
        let decided = Decided {
            by: text.clone(),
            choice: word.clone(),
            note: text.clone(),
            reason: word.clone(),
            verdict: word.clone(),
            ..Decided::default()
        };
        let line = CaseLine {
            subject: word.clone(),
            id: text.clone(),
            verdict: word.clone(),
            reason: text.clone(),
            claimed_by: Some(text.clone()),
            decided: Some(decided.clone()),
            ..CaseLine::default()
        };
        let hit = Hit {
            rule: text.clone(),
            action: word.clone(),
            effect: word.clone(),
            reason: text.clone(),
            ground: text.clone(),
            owner: text.clone(),
        };
        let ruling = InForce {
            ruling: word.clone(),
            verdict: word.clone(),
            known_at: word.clone(),
            until: Some(word.clone()),
            by: text.clone(),
            reason: text.clone(),
        };
        let file = SentFile { name: text.clone(), kind: word.clone(), bytes: 1, hash: text.clone() };
        let (at, due) = (word.clone(), word.clone());
        let appeal = Appeal { at, due, text: text.clone(), files: vec![file], more_files: true, ..Appeal::default() };
        let told = Statement {
            subject: word.clone(),
            id: text.clone(),
            verdict: word.clone(),
            effect: text.clone(),
            since: Some(word.clone()),
            reasons: vec![text.clone()],
            grounds: vec![text.clone()],
            person: Some(word.clone()),
            appeal: Some(appeal.clone()),
            may_appeal: true,
            ..Statement::default()
        };
        let (account, thing) = ("account".to_owned(), text.clone());
        let nodes = [account.clone(), thing, account].map(|subject| {
            let (id, verdict) = (text.clone(), word.clone());
            Node { subject, id, verdict, ..Node::default() }
        });
        let edge = |ends| Edge { ends, why: text.clone(), in_step: ends == [0, 2] };
        let edges = [[0, 1], [0, 2], [1, 2]].map(edge).to_vec();
        let graph = Graph { nodes: nodes.to_vec(), edges, left_out: 1 };
        let case = Case {
            line: line.clone(),
            reasons: vec![text.clone()],
            rules: vec![text.clone()],
            hits: vec![hit],
            contributions: vec![Contribution { name: word.clone(), ..Contribution::default() }],
            windows: vec![word.clone()],
            graph: graph.clone(),
            group: Some((text.clone(), 2)),
            kept_for: Some((word.clone(), vec![text.clone()])),
            notes_for: vec![word.clone()],
            hangs_on: vec![vec![word.clone()]],
            by_risk: Some(word.clone()),
            alike: vec![Alike { id: text.clone(), ..Alike::default() }],
            habit: Some(habited(&text)),
            ruling: Some(ruling),
            appeal: Some(appeal.clone()),
            sound: Some(heard(&text)),
            works: Some(worked(&text)),
            differences: vec![differing(&text)],
            history: vec![decided],
            versions: vec![text.clone()],
            ..Case::default()
        };
        let (asked, select) = (Some(text.clone()), word.clone());
        let wanted = Wanted { subject: asked.clone(), verdict: asked.clone(), words: asked, ..Wanted::default() };
        let at_once = Bulk { as_of: Some(word.clone()), cases: vec![line.clone()], more: 1, seal: text.clone() };
        let person = Reviewer { name: text.clone(), ..Reviewer::default() };
        let audited = Audited { verdict: word.clone(), ..Audited::default() };
        let (axis, group) = ("genre".to_owned(), text.clone());
        let moved = vec![Moved { axis: axis.clone(), group: group.clone(), counts: [[0; 3], [1; 3]] }];
        let in_force = [text.clone(), text.clone()];
        let turn = Turn { at: word.clone(), in_force, moved, confirmed: [(1, 2); 2], ..Turn::default() };
        let cut = Cut { axis, group, verdicts: [1; 3], found: [1, 2] };
        let wave = Wave { segment: text.clone(), effect: text.clone(), ..Wave::default() };
        let named = Named { subject: word.clone(), id: text.clone(), name: Some(text.clone()), verdict: word.clone() };
        let found = Found { subjects: vec![named], ..Found::default() };
        let circle = Circle { id: text.clone(), size: 2, members: vec![line.clone()], graph, ..Circle::default() };
        let overview = Overview {
            people: vec![person],
            areas: vec![AreaOfPeople { area: word.clone(), people: vec![text.clone()], absent: vec![text.clone()] }],
            for_all: 1,
            audited: vec![audited],
            turns: vec![turn],
            cuts: vec![cut],
            waves: vec![wave],
            ..Overview::default()
        };
        let all = Cases { as_of: Some(word), stands: true, total: 200, per_page: 1, cases: vec![line] };
        let done = Done { number: 1, what: text.clone() };
        [
            super::case(&session(), &case, Some(&done)),
            cases(&session(), &wanted, &all, Some(&done)),
            message(Some(&session()), "Not taken", &text),
            statement(&told, "/appeal/track/1/0"),
            bulk(&session(), &wanted, &at_once),
            dashboard::overview(&session(), &overview),
            said("Not taken", &text, ""),
            investigate::found(&session(), &text, Some(&found)),
            investigate::circle(&session(), &circle),
            ask::sql(&session(), &select, Some(&Err(text.clone()))),
        ]
    }

    #[test]
    fn no_text_from_outside_becomes_markup() {
        for text in HOSTILE {
            for page in pages_of(text, text) {
                let lower = page.to_lowercase();
                // Those that are ours end once.
                let [begins, ends] = ["<textarea", "</textarea"].map(|mark| lower.matches(mark).count());
                assert_eq!(begins, ends, "{text} in {page}");
                for mark in ["<script>", "<img", "<svg/", "<iframe", "<!--", "\" on", "<b>", "href=\"javascript"] {
                    assert!(!lower.contains(mark), "{mark} of {text} in {page}");
                }
            }
        }
    }

    #[test]
    fn what_hides_in_a_text_is_shown() {
        for page in pages_of("\u{202e}tpircs\u{2066}\u{200b}", "hold") {
            // What a form sends back is the id itself, and nobody sees it.
            let seen: String =
                page.split("<input").map(|part| part.split_once('>').map_or(part, |(_, rest)| rest)).collect();
            assert!(!seen.contains(['\u{202e}', '\u{2066}', '\u{200b}']) && seen.contains("⟨U+202E⟩"), "{seen}");
        }
    }
}
