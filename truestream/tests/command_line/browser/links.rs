//! Who hangs together: a picture for who sees it, and a table with the same lines for who goes by keys or without scripts.

use datasets::formats::instant;
use tempfile::TempDir;

use super::{Browser, House, Scripts, TAB, is_there};
use crate::alive::Service;
use crate::data::MONDAY;
use crate::desk::tell;

/// Eighteen accounts, each with the telephone of its dozen and one of its own; the last of the first six uses that of the second six, too.
/// Nine tracks an hour apart, which the first three play at once.
fn linked() -> House {
    let folder = TempDir::new().expect("a folder");
    let service = Service::start(&folder.path().join("state"), &["--time", "told"]);
    let mut plays = String::new();
    let mut number = 0;
    let mut play = |account: u32, device: &str, hour: i64| {
        number += 1;
        let at = instant::to_text(MONDAY + hour * 3_600_000);
        let track = if account < 3 { hour } else { 100 + i64::from(account) };
        plays += &format!(
            "{{\"play_id\":\"p{number}\",\"ended_at\":\"{at}\",\"account_id\":\"a{account:02}\",\"track_id\":\"t{track}\",\"played_ms\":40000,\"device_id\":\"{device}\"}}\n"
        );
    };
    for account in 0..18 {
        for hour in 1..=9 {
            play(account, &format!("telephone {}", account / 6), hour);
        }
        play(account, &format!("own {account}"), 12);
    }
    play(5, "telephone 1", 13);
    let headers = "Content-Type: application/x-ndjson\r\n";
    assert_eq!(service.ask("POST /v1/plays", headers, plays.as_bytes()).expect("taken").0, 200);
    tell(&service, MONDAY + 24 * 3_600_000);
    House { service, folder }
}

#[test]
fn devices_and_accounts_are_seen_and_each_account_is_reached_by_keys() {
    if !is_there() {
        return;
    }
    let house = linked();
    let page = Browser::open(&house, Scripts::On);
    page.log_in("rita", &house.password("rita", "reviewer"));
    page.goto("/desk/case/account/a00");
    page.look("case-linked");
    // Two telephones, one of one's own, and twelve accounts; the six others are no part of it.
    let shown = |page: &Browser| ["circle.node", "rect.node"].map(|mark| page.count(&format!(".chart.links {mark}")));
    assert_eq!(shown(&page), [12, 3]);
    // Twelve use a telephone each and one of them a second one, one has another by itself, and three play in step.
    assert_eq!([page.count(".chart.links line.used"), page.count(".chart.links line:not(.used)")], [14, 3]);
    assert_eq!(page.count("table.links tbody tr"), 17);
    page.says("9 plays on 2026-01-05");
    // A key leads to each account of the table, and on to its page.
    page.run("document.querySelector('table.links a').focus()", &[]);
    let before = page.run("return document.activeElement.textContent", &[]);
    page.press([TAB]);
    let after =
        page.run("return [document.activeElement.textContent, !!document.activeElement.closest('table.links')]", &[]);
    assert!(after[1] == true && after[0] != before, "{before} {after}");
    page.goto("/desk/group/a00");
    page.look("group-linked");
    assert_eq!(shown(&page), [12, 3]);
    page.was_quiet();

    let plain = Browser::open(&house, Scripts::Off);
    plain.log_in("rick", &house.password("rick", "reviewer"));
    plain.goto("/desk/case/account/a00");
    assert_eq!((shown(&plain), plain.count("table.links tbody tr")), ([12, 3], 17));
}
