//! Every way through the desk: of two reviewers and of the artist whom a verdict is about, with and without scripts.

use std::time::Duration;

use serde_json::json;

use super::{Browser, ENTER, ESCAPE, House, Scripts, is_there, wait};
use crate::data::world;

/// All scripts of a page together have at most so many bytes.
const SCRIPTS_MAX: u64 = 250_000;

/// The case that is most urgent of those of a filter; its address.
fn first_case(page: &Browser, filter: &str) -> String {
    page.goto(&format!("/desk?{filter}"));
    let found = page.run("return document.querySelector('.cases a').getAttribute('href')", &[]);
    found.as_str().expect("an address").to_owned()
}

/// The id within the address of a case.
fn id_of(case: &str) -> &str {
    case.rsplit('/').next().expect("a path")
}

fn is_listed(page: &Browser, list: &str, case: &str) -> bool {
    page.goto(list);
    page.count(&format!(".cases a[href='{case}']")) > 0
}

#[test]
fn reviewers_and_an_artist_go_every_way_of_the_desk() {
    if !is_there() {
        return;
    }
    let house = House::of(world());
    let (rita, rick) = (Browser::open(&house, Scripts::On), Browser::open(&house, Scripts::On));

    // Who comes in.
    rita.goto("/desk");
    assert_eq!(rita.place(), "/desk/login");
    rita.look("login");
    rita.fill("#name", "rita");
    rita.fill("#password", "guess");
    rita.leads_on(|page| page.click(".login button"));
    rita.says("No such user with this password");
    rita.look("login-refused");
    rita.log_in("rita", &house.password("rita", "reviewer"));

    // What waits, and a part of it, at an address that can be sent to somebody.
    rita.look("cases");
    rita.click("#subject option[value=account]");
    rita.click("#verdict option[value=block]");
    rita.leads_on(|page| page.click(".filters button"));
    let place = rita.place();
    assert!(place.contains("subject=account") && place.contains("verdict=block"), "{place}");
    let words = [rita.texts(".cases th a"), rita.texts(".cases td .verdict")].concat();
    assert!(words.len() >= 6 && words.iter().all(|word| word.starts_with("account ") || word == "block"), "{words:?}");

    // By keys to a case; whoever opened it has it.
    rita.goto("/desk?subject=account");
    rita.leads_on(|page| page.press(['j', 'j', ENTER]));
    let case = rita.place();
    assert!(case.starts_with("/desk/case/account/"), "{case}");
    rita.look("case");
    let at_once = rita.run(
        "const bar = document.querySelector('#decide').getBoundingClientRect(); return bar.top >= 0 && bar.bottom <= innerHeight",
        &[],
    );
    assert_eq!(at_once, true, "the decision is not on the first screen");
    rick.log_in("rick", &house.password("rick", "reviewer"));
    rick.goto(&case);
    rick.says("rita looks at it");
    rick.look("case-of-somebody-else");
    rick.press(['c']);
    assert_eq!(rick.count("#decide button:enabled"), 0);
    assert_eq!(rick.place(), case);

    // Confirmed by one key, undone by another.
    rita.leads_on(|page| page.press(['c']));
    rita.says(&format!("account {}: confirm.", id_of(&case)));
    assert!(!is_listed(&rick, "/desk?subject=account", &case));
    rita.leads_on(|page| page.press(['u']));
    assert_eq!(rita.place(), case);
    assert!(is_listed(&rick, "/desk?subject=account", &case));

    // Overridden by two keys.
    rita.leads_on(|page| page.press(['o', '1']));
    rita.says(&format!("account {}: override.", id_of(&case)));
    // The offer to undo it runs out before one's eyes, and does not come back with the address.
    assert!(!rita.place().contains("done="), "{}", rita.place());
    wait(|| (rita.text(".done .left") != "30 s").then_some(())).expect("time goes on");
    rita.look("case-after-a-decision");
    assert!(is_listed(&rita, "/desk?decided=1", &case));
    rita.says("override by rita");
    rita.look("decided");

    // A note, and somebody else must decide. What is typed is no decision, not even with Enter.
    let next = first_case(&rita, "subject=account");
    rita.goto(&next);
    rita.press("nsee the café".chars().chain([ENTER]));
    assert_eq!(rita.place(), next);
    rita.press([ESCAPE]);
    rita.leads_on(|page| page.press(['e']));
    rita.goto(&next);
    rita.says("escalate");
    rita.says("see the café");
    assert!(!is_listed(&rita, "/desk", &next) && is_listed(&rick, "/desk?subject=account", &next));

    // More, and not now.
    for (key, word) in [('m', "more"), ('s', "skip")] {
        let case = first_case(&rita, "subject=track");
        rita.goto(&case);
        rita.leads_on(|page| page.press([key]));
        rita.says(&format!("track {}: {word}.", id_of(&case)));
    }

    // Somebody by id, whether there is a case or not.
    rita.goto("/desk");
    rita.fill("#id", "1");
    rita.leads_on(|page| page.click("form[action='/desk/find'] button"));
    rita.says("account 1");
    rita.look("found");
    rita.goto("/desk");
    rita.run("document.querySelector('#of').value = 'account'", &[]);
    rita.fill("#id", " 1 ");
    rita.leads_on(|page| page.click("form[action='/desk/find'] button"));
    assert_eq!(rita.place(), "/desk/case/account/1");
    rita.look("somebody-without-a-verdict");
    rita.goto("/desk/case/account/no-such");
    rita.says("No such case");
    rita.look("no-such-case");
    rita.goto("/desk/overview");
    rita.says("Verdicts as of now");
    rita.look("overview");
    rita.goto("/desk/sql?sql=SELECT%20subject%2C%20verdict%2C%20count(%2A)%20FROM%20verdict%20GROUP%20BY%20subject%2C%20verdict");
    rita.leads_on(|page| page.click("form.ask button"));
    rita.says(" rows.");
    rita.look("sql");

    // By lot, by doubt, and many at once.
    rita.goto("/desk?queue=audit");
    rita.says("Drawn by lot each week");
    rita.look("audit");
    rita.leads_on(|page| page.press(['j', ENTER]));
    assert!(rita.place().contains("queue=audit"), "{}", rita.place());
    rita.leads_on(|page| page.press(['s']));
    assert!(rita.place().contains("queue=audit"), "{}", rita.place());
    rita.goto("/desk?queue=audit&subject=account");
    let honest = rita.run(
        "return [...document.querySelectorAll('.cases tbody tr')].find((row) => row.querySelector('.verdict').textContent === 'allow').querySelector('a').getAttribute('href')",
        &[],
    );
    rita.goto(honest.as_str().expect("an account that nothing suspects"));
    rita.look("case-that-nothing-suspects");
    rita.leads_on(|page| page.press(['g']));
    rita.says("honest.");
    rita.goto("/desk?queue=uncertain");
    rita.says("nearest to a threshold");
    rita.look("uncertain");
    rita.goto("/desk?subject=track&verdict=escalate");
    rita.leads_on(|page| page.click("a[href^='/desk/bulk']"));
    rita.says("would be decided alike");
    rita.look("at-once");
    rita.fill("#note", "one farm");
    rita.leads_on(|page| page.click("#bulk [value=more]"));
    rita.says("cases: more.");
    rita.leads_on(|page| page.press(['u']));

    // All of it as a table.
    let folder = tempfile::TempDir::new().expect("a folder");
    let how = json!({"behavior": "allow", "downloadPath": folder.path()});
    rita.command("Browser.setDownloadBehavior", &how);
    rita.goto("/desk");
    rita.click("a[href^='/desk/cases.csv']");
    let table = wait(|| std::fs::read_to_string(folder.path().join("cases.csv")).ok()).expect("a file");
    assert!(table.starts_with("subject,id,verdict,"), "{table}");

    // The artist reads why, without a login, and appeals; somebody else decides; the page says so.
    let case = first_case(&rita, "verdict=escalate&subject=track");
    rita.goto(&case);
    let address = rita.run("return document.querySelector('a[href^=\"/appeal/\"]').getAttribute('href')", &[]);
    let address = address.as_str().expect("an address");
    rita.leads_on(|page| page.press(['c']));
    let artist = Browser::open(&house, Scripts::On);
    artist.goto(address);
    artist.says("Statement of reasons");
    artist.look("statement");
    artist.fill("#text", "It was our concert of the third: ask the club, it has all the tickets.");
    artist.leads_on(|page| page.click("form button"));
    artist.says("It is to be decided until");
    artist.look("statement-appealed");
    let tickets = folder.path().join("tickets.pdf");
    std::fs::write(&tickets, "%PDF-1.7 tickets").expect("a file");
    artist.fill("#file", tickets.to_str().expect("a path of letters"));
    artist.leads_on(|page| page.click("form button"));
    artist.says("tickets.pdf, 16 bytes");
    artist.look("statement-with-a-file");
    assert!(is_listed(&rick, "/desk?appealed=1", &case));
    rick.look("appeals");
    rick.leads_on(|page| page.press(['j', ENTER]));
    rick.says("ask the club");
    rick.says("tickets.pdf, PDF, 16 bytes");
    rick.look("case-with-an-appeal");
    rick.leads_on(|page| page.press(['v', '1']));
    artist.goto(address);
    artist.says("You were right.");
    artist.says("Nothing is held against it.");
    artist.look("statement-overturned");

    // What the pages weigh, and what they did.
    rita.goto(&case);
    let weigh = "return performance.getEntriesByType('resource').filter((one) => one.initiatorType === 'script').map((one) => one.decodedBodySize)";
    let weights = rita.run(weigh, &[]);
    let weights: Vec<u64> = weights.as_array().into_iter().flatten().filter_map(serde_json::Value::as_u64).collect();
    assert!(!weights.is_empty() && weights.iter().sum::<u64>() <= SCRIPTS_MAX, "{weights:?}");
    rita.leads_on(|page| page.click(".leave button"));
    rita.goto(&case);
    assert_eq!(rita.place(), "/desk/login");
    for browser in [&rita, &rick, &artist] {
        browser.was_quiet();
    }
}

#[test]
fn every_form_works_without_scripts() {
    if !is_there() {
        return;
    }
    let house = House::of(world());
    let rita = Browser::open(&house, Scripts::Off);
    rita.log_in("rita", &house.password("rita", "reviewer"));
    // There are none: a key moves nothing.
    rita.press(['j']);
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(rita.count("tr.at"), 0);
    rita.click("#subject option[value=track]");
    rita.leads_on(|page| page.click(".filters button"));
    assert!(rita.place().contains("subject=track"), "{}", rita.place());

    let case = first_case(&rita, "verdict=escalate&subject=track");
    rita.leads_on(|page| page.click(".cases a"));
    assert_eq!(rita.place(), case);
    rita.leads_on(|page| page.click("#decide [value=override]"));
    rita.says("choose a reason");
    rita.look("refused-without-scripts");
    rita.goto(&case);
    rita.click("#reason option[value=fans]");
    rita.fill("#note", "a concert");
    // Enter in the note decides nothing.
    rita.press([ENTER]);
    assert_eq!(rita.place(), case);
    rita.leads_on(|page| page.click("#decide [value=override]"));
    rita.says(&format!("track {}: override.", id_of(&case)));
    rita.leads_on(|page| page.click("#undo"));
    assert_eq!(rita.place(), case);
    rita.leads_on(|page| page.click("#decide [value=confirm]"));
    rita.goto(&case);
    rita.leads_on(|page| page.click("a[href^='/appeal/']"));
    rita.fill("#text", "It was our concert of the third: ask the club, it has all the tickets.");
    rita.leads_on(|page| page.click("form button"));
    rita.says("It is to be decided until");
    rita.goto("/desk");
    rita.leads_on(|page| page.click(".leave button"));
    rita.goto("/desk");
    assert_eq!(rita.place(), "/desk/login");
    rita.was_quiet();
}
