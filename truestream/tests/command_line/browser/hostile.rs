//! Texts that want to be markup, scripts or another line: two hundred of them as ids, titles, names, notes and addresses. None does anything,
//! and all are seen as what they are.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use serde_json::Value;
use tempfile::TempDir;

use super::{Browser, House, Scripts, is_there};
use crate::data::{copy, rewrite, world};

/// What opens a way out of a text: of an attribute, of an element, of a comment.
const OUT: [&str; 8] = ["", "\">", "'>", "</title>", "</textarea>", "</script>", "-->", "\" autofocus tabindex=1 "];
/// What would do something there.
const DEEDS: [&str; 20] = [
    "<script>alert(1)</script>",
    "<ScRiPt src=//x.invalid/x.js></sCrIpT>",
    "<img src=x onerror=alert(1)>",
    "<svg onload=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    "<body onload=alert(1)>",
    "<iframe src=javascript:alert(1)></iframe>",
    "<iframe srcdoc='<script>parent.alert(1)</script>'></iframe>",
    "<object data=javascript:alert(1)></object>",
    "<a href=javascript:alert(1)>here</a>",
    "<form action=//x.invalid><button>Log in</button></form>",
    "<input onfocus=alert(1) autofocus>",
    "<details open ontoggle=alert(1)>",
    "<style>body{display:none}</style>",
    "<link rel=stylesheet href=//x.invalid/x.css>",
    "<base href=//x.invalid/>",
    "<meta http-equiv=refresh content='0;url=//x.invalid'>",
    "onmouseover=alert(1) style=position:fixed;inset:0 ",
    "&lt;script&gt;alert(1)&lt;/script&gt;&#60;img src=x onerror=alert(1)&#62;",
    "{{constructor.constructor('alert(1)')()}}${alert(1)}",
];
/// Letters that nobody sees, or that turn others around.
const HIDDEN: [char; 20] = [
    '\u{202e}',
    '\u{202d}',
    '\u{202a}',
    '\u{202b}',
    '\u{202c}',
    '\u{2066}',
    '\u{2067}',
    '\u{2068}',
    '\u{2069}',
    '\u{200e}',
    '\u{200f}',
    '\u{200b}',
    '\u{200d}',
    '\u{2060}',
    '\u{feff}',
    '\u{ad}',
    '\u{2028}',
    '\u{34f}',
    '\u{3164}',
    '\u{e0041}',
];

/// Two hundred texts, all different.
fn texts() -> Vec<String> {
    let markup = OUT.iter().flat_map(|out| DEEDS.iter().map(move |deed| format!("{out}{deed}")));
    let hidden =
        HIDDEN.iter().flat_map(|hidden| [format!("a{hidden}gpj.exe"), format!("{hidden}{hidden}\u{5d0}\u{5d1} 12")]);
    let texts: Vec<String> = markup.chain(hidden).collect();
    assert_eq!(texts.iter().collect::<BTreeSet<_>>().len(), 200);
    texts
}

/// As it is shown: each letter that hides by its number. Written down here once more, so that the desk is not its own witness.
fn shown(text: &str) -> String {
    let letter = |letter: char| match HIDDEN.contains(&letter) {
        true => format!("⟨U+{:04X}⟩", u32::from(letter)),
        false => letter.to_string(),
    };
    text.chars().map(letter).collect()
}

/// A world in which whatever has a name has one of these.
fn hostile_world(folder: &std::path::Path) {
    let texts = texts();
    copy(world(), folder);
    // The same number becomes the same text in every table, and two numbers never do.
    let named = |column: &ArrayRef| -> ArrayRef {
        let numbers = cast(column, &DataType::Utf8).expect("ids have texts");
        let numbers = numbers.as_any().downcast_ref::<StringArray>().expect("texts");
        let name = |id: &str| {
            let place = id.bytes().fold(0, |sum: usize, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
            format!("{} {id}", texts[place % texts.len()])
        };
        Arc::new(numbers.iter().map(|id| id.map(name)).collect::<StringArray>())
    };
    for table in ["plays", "corrections", "tracks", "accounts", "distributors", "playlists", "labels"] {
        rewrite(folder, table, 500, |rows| {
            let schema = rows.schema();
            let columns = schema.fields().iter().zip(rows.columns()).map(|(field, column)| {
                let is_named = field.name().ends_with("_id")
                    || ["ip_prefix", "title", "artist_name", "label", "genre"].contains(&field.name().as_str());
                // The word of a label is ours.
                let is_named = is_named && !(table == "labels" && field.name() == "label");
                (field.name().clone(), if is_named { named(column) } else { column.clone() }, true)
            });
            RecordBatch::try_from_iter_with_nullable(columns.collect::<Vec<_>>()).expect("columns of one length")
        });
    }
}

/// Asserts that nothing of a text became part of the page: no element that we do not make, no handler, no address that is not ours.
fn is_harmless(page: &Browser) {
    let look = "
        const ours = new Set(['HTML', 'HEAD', 'META', 'TITLE', 'LINK', 'SCRIPT', 'BODY', 'A', 'HEADER', 'NAV', 'FORM', 'INPUT', 'BUTTON', 'MAIN', 'DIV',
            'SPAN', 'P', 'H1', 'H2', 'H3', 'H4', 'TABLE', 'CAPTION', 'THEAD', 'TBODY', 'TR', 'TH', 'TD', 'UL', 'OL', 'LI', 'DL', 'DT', 'DD', 'TIME', 'STRONG', 'EM',
            'SMALL', 'KBD', 'CODE', 'Q', 'BDI', 'DEL', 'INS', 'MARK', 'LABEL', 'SELECT', 'OPTION', 'FIELDSET', 'LEGEND', 'TEXTAREA', 'BLOCKQUOTE', 'SECTION', 'ARTICLE', 'ASIDE',
            'METER', 'OUTPUT', 'DETAILS', 'SUMMARY', 'FIGURE', 'FIGCAPTION', 'IMG', 'CANVAS', 'AUDIO', 'svg', 'g', 'path', 'rect', 'line', 'polyline', 'polygon', 'circle', 'text', 'title', 'TEMPLATE']);
        const wrong = [];
        for (const element of document.querySelectorAll('*')) {
            const told = element.outerHTML.slice(0, 200);
            if (!ours.has(element.nodeName)) wrong.push(`an element: ${told}`);
            for (const { name, value } of element.attributes) {
                if (/^on/i.test(name)) wrong.push(`a handler: ${told}`);
                if (['href', 'src', 'action', 'formaction', 'data'].includes(name) && !/^(\\/|#|\\?)(?!\\/)/.test(value)) wrong.push(`an address: ${told}`);
                if (['style', 'srcdoc', 'http-equiv'].includes(name)) wrong.push(`an attribute: ${told}`);
            }
        }
        for (const script of document.scripts) if (script.textContent) wrong.push('a script within the page');
        return wrong;";
    let wrong = page.run(look, &[]);
    assert_eq!(wrong, Value::Array(Vec::new()), "at {}", page.place());
}

/// How bytes stand in an address.
fn escaped(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

#[test]
fn two_hundred_hostile_texts_do_nothing_and_are_seen() {
    if !is_there() {
        return;
    }
    let folder = TempDir::new().expect("a folder");
    hostile_world(folder.path());
    let house = House::of(folder.path());
    let rita = Browser::open(&house, Scripts::On);
    rita.log_in("rita", &house.password("rita", "reviewer"));
    let texts = texts();

    // As names of whom cases are about, on the pages of lists and on their own.
    let mut cases: Vec<String> = Vec::new();
    for list in ["account", "track", "artist", "uploader", "playlist"] {
        rita.goto(&format!("/desk?subject={list}"));
        is_harmless(&rita);
        let found = rita
            .run("return [...document.querySelectorAll('.cases th a')].map((one) => one.getAttribute('href'))", &[]);
        cases.extend(
            found.as_array().into_iter().flatten().take(12).filter_map(|case| case.as_str().map(str::to_owned)),
        );
    }
    assert!(cases.len() >= 15, "{cases:?}");
    let mut hidden = 0;
    for case in &cases {
        rita.goto(case);
        is_harmless(&rita);
        let id = rita.run("return document.querySelector('#decide [name=id]').value", &[]);
        let id = shown(id.as_str().expect("an id"));
        let title = rita.text("h1");
        // Runs of spaces are one on the screen.
        assert!(
            title.split_whitespace().eq(format!("{} {id}", title.split(' ').next().unwrap_or("")).split_whitespace()),
            "{id} is {title}"
        );
        hidden += usize::from(id.contains("⟨U+"));
    }
    assert!(hidden > 0, "none of {} names hides anything", cases.len());
    rita.look("hostile-case");
    rita.goto("/desk?subject=track");
    rita.look("hostile-cases");

    // In the address of a page, and as notes on one case, which shows them all.
    for part in texts.chunks(20) {
        let said = escaped(&part.concat());
        rita.goto(&format!("/desk?done=1&what={said}&subject={said}&verdict={said}&page={said}"));
        is_harmless(&rita);
        rita.goto(&format!("/desk/bulk?queue={said}&words={said}&subject={said}"));
        is_harmless(&rita);
        rita.goto(&format!("/desk/case/{said}/{said}"));
        is_harmless(&rita);
    }
    let case = &cases[0];
    for part in texts.chunks(10) {
        rita.goto(case);
        let note = part.join(" | ");
        assert!(note.chars().count() <= 1_000, "{note}");
        rita.run("document.querySelector('#note').value = arguments[0]", &[note.into()]);
        rita.leads_on(|page| page.click("#decide [value=more]"));
    }
    rita.goto(case);
    is_harmless(&rita);
    let told = rita.text("body");
    let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let told = squeezed(&told);
    for text in &texts {
        assert!(told.contains(&squeezed(&shown(text))), "{text} is not seen");
    }

    // From somebody who has no login, and is read by one who has.
    let track = cases.iter().find(|case| case.starts_with("/desk/case/track/")).expect("a track");
    rita.goto(track);
    rita.leads_on(|page| page.click("a[href^='/appeal/']"));
    is_harmless(&rita);
    let appeal = texts.iter().step_by(3).cloned().collect::<Vec<_>>().join("\n");
    rita.run("document.querySelector('#text').value = arguments[0]", &[appeal.into()]);
    rita.leads_on(|page| page.click("form button"));
    is_harmless(&rita);
    rita.goto(track);
    is_harmless(&rita);
    for place in ["/desk/overview", "/desk?queue=audit", "/desk?queue=uncertain", "/desk/bulk?subject=track"] {
        rita.goto(place);
        is_harmless(&rita);
    }
    rita.was_quiet();
}
