//! Listening at the desk: two players of one sound, by keys, and without scripts.

use std::io::Write;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Browser, House, Scripts, is_there, wait};
use crate::alive::Service;
use crate::data::text;
use crate::heard_alive::scanned_world;

/// A service that was told of a scan and of its files.
fn listening() -> House {
    let folder = TempDir::new().expect("a folder");
    scanned_world(folder.path());
    let at = |name: &str| text(&folder.path().join(name));
    let (data, heard, audio) = (at("data"), at("heard"), at("audio"));
    let more = ["--follow", &data, "--heard", &heard, "--audio", &audio];
    let mut service = Service::start(&folder.path().join("state"), &more);
    service.running.wait_until("followed", |running| running.err().contains("Followed to the end"));
    service.wait_until_stated();
    House { service, folder }
}

/// What is so of the player of a part.
fn of(page: &Browser, part: &str, what: &str) -> Value {
    page.run(&format!("return document.querySelector('audio[data-part=' + arguments[0] + ']').{what}"), &[json!(part)])
}

/// At which second of its recording the clip of a player begins.
fn begins(page: &Browser, part: &str) -> f64 {
    let told = |name: &str| of(page, part, &format!("dataset.{name}")).as_str().and_then(|number| number.parse().ok());
    let [from, rate]: [f64; 2] = ["from", "rate"].map(|name| told(name).expect("a number"));
    from / rate
}

/// At which second of its recording a player is.
fn second(page: &Browser, part: &str) -> f64 {
    begins(page, part) + of(page, part, "currentTime").as_f64().expect("a number")
}

fn becomes(page: &Browser, what: impl Fn(&Browser) -> bool) -> bool {
    wait(|| what(page).then_some(())).is_some()
}

#[test]
fn both_players_are_at_one_place_and_what_they_share_is_played_over_and_over() {
    if !is_there() {
        return;
    }
    let house = listening();
    let page = Browser::open(&house, Scripts::On);
    page.log_in("rita", &house.password("rita", "reviewer"));
    page.goto("/desk/case/track/2");
    page.look("case-heard");
    let is_loaded =
        |page: &Browser| ["suspect", "other"].iter().all(|part| of(page, part, "readyState").as_i64() >= Some(1));
    assert!(becomes(&page, is_loaded), "no sound: {}", page.text(".sound"));
    // Nothing plays by itself, the other one begins where the match does, and nobody is startled.
    for part in ["suspect", "other"] {
        assert_eq!(of(&page, part, "paused"), true);
        page.run("document.querySelector('audio[data-part=' + arguments[0] + ']').volume = 1", &[json!(part)]);
        assert!(becomes(&page, |page| of(page, part, "volume").as_f64() <= Some(0.5)));
    }
    let told = |name: &str| -> f64 {
        let told = page.run("return document.querySelector('#deck').dataset[arguments[0]]", &[json!(name)]);
        told.as_str().and_then(|number| number.parse().ok()).expect("a number")
    };
    let [from, length, offset, speed] = ["from", "length", "offset", "speed"].map(told);
    let first = |page: &Browser, part: &str| begins(page, part);
    let about = 0.001;
    assert!((first(&page, "suspect") - from).abs() < about && (first(&page, "other") - offset).abs() < about);

    // How long it takes from the key to the first sound is told; the aim is 300 ms.
    page.run(
        "const player = document.querySelector('audio[data-part=suspect]'); \
         player.addEventListener('playing', () => { player.dataset.after = String(performance.now() - window.pressed); }, {once: true}); \
         addEventListener('keydown', () => { window.pressed = performance.now(); }, {capture: true, once: true})",
        &[],
    );
    // One key plays, the next one goes over to the other recording, at the same place of it.
    page.press(['h']);
    assert!(becomes(&page, |page| of(page, "suspect", "paused") == false && second(page, "suspect") > from + 0.5));
    let after = of(&page, "suspect", "dataset.after");
    let _ = writeln!(std::io::stderr(), "first sound {} ms after the key", after.as_str().unwrap_or("?"));
    page.press(['a']);
    assert!(becomes(&page, |page| of(page, "other", "paused") == false && of(page, "suspect", "paused") == true));
    let (suspect, other) = (second(&page, "suspect"), second(&page, "other"));
    let expected = offset + (suspect - from) * speed;
    assert!(other >= expected - 0.1 && other < expected + 5.0, "{other} s, and {suspect} s are {expected} s");
    page.says("other, playing");
    page.press(['h']);
    assert!(becomes(&page, |page| of(page, "other", "paused") == true));

    // Looped, the end of what both have is followed by its beginning.
    page.press(['l', 'h']);
    assert!(becomes(&page, |page| of(page, "other", "paused") == false));
    let its_length = of(&page, "other", "duration").as_f64().expect("a number");
    assert!((its_length - length * speed).abs() < about, "{its_length} {}", length * speed);
    page.run(
        "const player = document.querySelector('audio[data-part=other]'); player.currentTime = player.duration - 0.3",
        &[],
    );
    assert!(becomes(&page, |page| second(page, "other") < offset + 5.0), "{}", second(&page, "other"));
    assert_eq!(of(&page, "other", "paused"), false);
    page.says("looping what both have");
    page.press(['h']);

    // Where somebody clicks in the picture it goes on.
    page.run(
        "const box = document.querySelector('svg.compared'); const at = box.getBoundingClientRect(); \
         box.dispatchEvent(new MouseEvent('click', {clientX: at.left + at.width / 2, clientY: at.top + 50}))",
        &[],
    );
    let seconds = page.run("return Number(document.querySelector('svg.compared').dataset.seconds)", &[]);
    page.says("other, still");
    assert_eq!(of(&page, "other", "loop"), false, "who looks elsewhere loops no more");
    let middle = offset + (seconds.as_f64().expect("a number") / 2.0 - from) * speed;
    assert!(becomes(&page, |page| (second(page, "other") - middle).abs() < 0.5), "{} {middle}", second(&page, "other"));
    // On the page of who brought it there is a player, too, no louder than the others.
    page.goto("/desk/case/uploader/501");
    page.look("uploader-heard");
    page.run("document.querySelector('#deck audio').volume = 1", &[]);
    let volume = |page: &Browser| page.run("return document.querySelector('#deck audio').volume", &[]).as_f64();
    assert!(becomes(&page, |page| volume(page) <= Some(0.5)));
    page.press(['h']);
    assert!(
        becomes(&page, |page| page.run("return document.querySelector('#deck audio').currentTime > 0.2", &[]) == true)
    );
    page.says("track 2, playing");
    page.press(['h']);

    // What cannot be decoded is told, and the way to its clip says why.
    page.run(
        "const player = document.querySelector('#deck audio'); player.src = player.src.replace('from=0', 'from=99999999')",
        &[],
    );
    page.press(['h']);
    let refused = "track 2, cannot be played: the way to its clip says why";
    assert!(becomes(&page, |page| page.text("#deck").contains(refused)), "{}", page.text("#deck"));
    page.was_quiet();

    let plain = Browser::open(&house, Scripts::Off);
    plain.log_in("rick", &house.password("rick", "reviewer"));
    plain.goto("/desk/case/track/2");
    assert_eq!([plain.count("audio[controls]"), plain.count("svg image"), plain.count("#deck button")], [2, 4, 0]);
}
