//! People decide at the desk: who may, what they see, and what becomes of it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use arrow::array::AsArray;
use datasets::formats::instant;
use tempfile::TempDir;

use crate::alive::{EVERY_MS, HOW, Service, VIEWS, requests, stream};
use crate::data::{MONDAY, copy, rows, text, world};
use crate::learn::town;
use crate::process::truestream;
use crate::registry::{ANYHOW, import};
use crate::rulings::{alone, rulings};

/// Somebody who goes through the pages.
pub struct Visitor<'a> {
    /// Where they are.
    pub service: &'a Service,
    /// What tells who they are.
    pub cookie: String,
}

/// What came back.
pub struct Page {
    /// The status of HTTP.
    pub status: u16,
    head: String,
    /// The page itself.
    pub body: String,
}

impl Page {
    /// A header of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    /// The value of a hidden field.
    fn field(&self, name: &str) -> &str {
        let from = self.body.split(&format!("name=\"{name}\" value=\"")).nth(1);
        from.and_then(|rest| rest.split('"').next()).unwrap_or_else(|| panic!("no {name} in {}", self.body))
    }

    /// How many cases its list has on all pages.
    fn count(&self) -> usize {
        let count = self.body.split("class=\"count\">").nth(1).and_then(|rest| rest.split('<').next());
        count.and_then(|count| count.parse().ok()).unwrap_or_else(|| panic!("no count in {}", self.body))
    }

    /// All cases on it, as their addresses name them.
    pub fn cases(&self) -> Vec<&str> {
        self.body.split("href=\"/desk/case/").skip(1).filter_map(|rest| rest.split('"').next()).collect()
    }
}

impl Visitor<'_> {
    fn ask(&self, line: &str, body: &str) -> Page {
        let (page, body) = self.bytes(line, "", body);
        Page { body: String::from_utf8(body).expect("text"), ..page }
    }

    /// What a form of this type is answered with.
    fn send(&self, line: &str, media_type: &str, body: &str) -> Page {
        let (page, body) = self.sent(line, &format!("Content-Type: {media_type}\r\n"), body);
        Page { body: String::from_utf8(body).expect("text"), ..page }
    }

    /// What is answered with these headers, as it comes: a page without its body, and that.
    pub fn bytes(&self, line: &str, headers: &str, body: &str) -> (Page, Vec<u8>) {
        self.sent(line, &format!("{headers}Content-Type: application/x-www-form-urlencoded\r\n"), body)
    }

    fn sent(&self, line: &str, headers: &str, body: &str) -> (Page, Vec<u8>) {
        let mut stream = TcpStream::connect(&self.service.address).expect("it listens");
        let head = format!(
            "{line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nCookie: other=1; {}\r\n{headers}Content-Length: {}\r\n\r\n{body}",
            self.cookie,
            body.len()
        );
        stream.write_all(head.as_bytes()).expect("it is read");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("an answer");
        let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").expect("a head");
        let body = answer.split_off(end + 4);
        let head = String::from_utf8(answer).expect("text");
        (Page { status: head[9..12].parse().expect("a status"), head, body: String::new() }, body)
    }

    /// A page.
    pub fn get(&self, place: &str) -> Page {
        self.ask(&format!("GET {place}"), "")
    }

    /// Logs in.
    fn is(&mut self, name: &str, password: &str) -> Page {
        let page = self.ask("POST /desk/login", &format!("name={name}&password={password}"));
        if let Some(cookie) = page.header("set-cookie") {
            assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
            self.cookie = cookie.split(';').next().expect("a pair").to_owned();
        }
        page
    }

    /// Decides a case as its page offers it.
    pub fn decide(&self, case: &str, choice: &str, reason: &str) -> Page {
        let page = self.get(&format!("/desk/case/{case}"));
        assert_eq!(page.status, 200, "{case}: {}", page.body);
        let fields = ["form_key", "subject", "id", "verdict", "queue", "seen"]
            .map(|name| format!("{name}={}", page.field(name)));
        self.ask("POST /desk/decide", &format!("{}&choice={choice}&reason={reason}&note=seen", fields.join("&")))
    }
}

/// Tells the service that all has arrived before the instant, and waits until that is stated.
pub fn tell(service: &Service, until: i64) {
    let header = format!("Truestream-Until: {until}\r\n");
    assert_eq!(service.ask("POST /v1/plays", &header, b"").expect("an answer").0, 200);
    service.wait_as_of(until);
}

fn texts(service: &Service, statement: &str) -> Vec<Vec<String>> {
    let told = service.sql(statement);
    let columns: Vec<_> = told.columns().iter().map(|column| column.as_string::<i32>()).collect();
    (0..told.num_rows()).map(|row| columns.iter().map(|column| column.value(row).to_owned()).collect()).collect()
}

/// Somebody new, logged in.
pub fn visitor<'a>(service: &'a Service, state: &Path, name: &str, role: &str) -> Visitor<'a> {
    let added = truestream(&["user", "--state", &text(state), "add", name, "--role", role]).good();
    let password = added.out.split_whitespace().last().expect("a password").to_owned();
    let mut visitor = Visitor { service, cookie: String::new() };
    assert_eq!(visitor.is(name, "wrong").status, 401);
    let page = visitor.is(name, &password);
    assert_eq!((page.status, page.header("location")), (303, Some("/desk")), "{}", page.head);
    visitor
}

#[test]
fn people_decide_undo_and_agree_and_every_decision_is_told() {
    let folder = TempDir::new().expect("a folder");
    let state = folder.path().join("state");
    let service = Service::following(&state, world());

    let nobody = Visitor { service: &service, cookie: "truestream_desk=0".to_owned() };
    for place in ["/desk", "/desk/case/account/1"] {
        assert_eq!(nobody.get(place).header("location"), Some("/desk/login"), "{place}");
    }
    let rita = visitor(&service, &state, "rita", "reviewer");
    let paul = visitor(&service, &state, "paul", "policy-editor");
    let queue = rita.get("/desk");
    let policy = queue.header("content-security-policy").expect("a policy");
    assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    let cases = queue.cases();
    let accounts: Vec<&str> = cases.iter().copied().filter(|case| case.starts_with("account/")).collect();
    assert!(accounts.len() >= 3, "{}", queue.body);

    // Who may not see listening sees no accounts, and who does not review decides nothing.
    let seen = paul.get("/desk");
    assert!(!seen.cases().is_empty() && seen.cases().iter().all(|case| !case.starts_with("account/")), "{}", seen.body);
    assert_eq!(paul.get(&format!("/desk/case/{}", accounts[0])).status, 404);
    let form = format!("form_key={}&subject=track&id=1&verdict=hold&choice=confirm", seen.field("form_key"));
    assert_eq!(paul.ask("POST /desk/decide", &form).status, 409);

    // Whoever knows an id finds its page, and the cases can be taken along: those that one may see, and it is in the record.
    let found = "/desk/find?of=account&id=%201%20";
    assert_eq!(rita.get(found).header("location"), Some("/desk/case/account/1"));
    assert_eq!(nobody.get(found).header("location"), Some("/desk/login"));
    assert_eq!(nobody.get("/desk/cases.csv").header("location"), Some("/desk/login"));
    let lines = |page: Page| page.body.lines().skip(1).map(str::to_owned).collect::<Vec<_>>();
    let all = lines(rita.get("/desk/cases.csv"));
    assert_eq!(rita.get("/desk").count(), all.len());
    assert!(all.iter().any(|line| line.starts_with("\"account\",")), "{all:?}");
    let seen = lines(paul.get("/desk/cases.csv"));
    assert!(!seen.is_empty() && seen.iter().all(|line| !line.starts_with("\"account\",")), "{seen:?}");

    // The form of another session decides nothing.
    let other = "form_key=0&subject=account&id=1&verdict=hold&choice=confirm";
    assert_eq!(rita.ask("POST /desk/decide", other).status, 403);
    // Who overrides says why, of what can be said.
    for (choice, reason) in [("override", ""), ("confirm", "because"), ("block", "")] {
        assert_eq!(rita.decide(accounts[0], choice, reason).status, 409, "{choice} {reason}");
    }
    let done = rita.decide(accounts[0], "override", "fans");
    let next = done.header("location").expect("the next case").to_owned();
    assert!(
        done.status == 303 && next.starts_with("/desk/case/") && !next.contains(&format!("{}?", accounts[0])),
        "{next}"
    );
    // What somebody is sent to is theirs, until they leave it; nobody decides on a page that is older than the last decision.
    let sent_to = next.split('?').next().expect("a place");
    let rory = visitor(&service, &state, "rory", "reviewer");
    assert!(rory.get(sent_to).body.contains("rita looks at it"));
    let stale = rita.get(sent_to);
    let cases = rita.get("/desk");
    assert!(cases.body.contains("time stands still"), "{}", cases.body);
    assert!(!rory.get(sent_to).body.contains("rita looks at it"));
    let form = |page: &Page, visitor: &Page| {
        let told = ["subject", "id", "verdict", "queue", "seen"].map(|name| format!("{name}={}", page.field(name)));
        format!("form_key={}&{}&choice=skip", visitor.field("form_key"), told.join("&"))
    };
    assert_eq!(rita.ask("POST /desk/decide", &form(&stale, &stale)).status, 409);
    let rorys = rory.get(sent_to);
    assert_eq!(rory.ask("POST /desk/decide", &form(&rorys, &rorys)).status, 303);
    let refused = rita.ask("POST /desk/decide", &form(&stale, &stale));
    assert!(refused.status == 409 && refused.body.contains("look again"), "{}", refused.body);
    rory.get("/desk");

    assert!(!rita.get("/desk").cases().contains(&accounts[0]));

    let overview = rita.get("/desk/overview");
    assert!(
        overview.status == 200 && overview.body.contains("0 of 1</td>") | overview.body.contains("Nothing final"),
        "{}",
        overview.body
    );

    // Two never look at one case.
    let rick = visitor(&service, &state, "rick", "reviewer");
    assert_eq!(rita.get(&format!("/desk/case/{}", accounts[1])).status, 200);
    let page = rick.get(&format!("/desk/case/{}", accounts[1]));
    assert!(page.body.contains("rita looks at it"), "{}", page.body);
    assert_eq!(rick.decide(accounts[1], "confirm", "").status, 409);

    // Undone, it waits again.
    let done = rita.decide(accounts[1], "confirm", "");
    let number =
        done.header("location").and_then(|next| next.split("done=").nth(1)).and_then(|rest| rest.split('&').next());
    let form = format!("form_key={}&number={}", rita.get("/desk").field("form_key"), number.expect("a number"));
    assert_eq!(rick.ask("POST /desk/undo", &form).status, 403);
    assert_eq!(rita.ask("POST /desk/undo", &form).status, 303);
    assert_eq!(rita.ask("POST /desk/undo", &form).status, 409);
    assert!(rita.get("/desk").cases().contains(&accounts[1]));

    let told = service.sql("SELECT who, choice, standing FROM decision ORDER BY number");
    let column = |at: usize| told.column(at).as_string::<i32>().iter().flatten().map(str::to_owned).collect::<Vec<_>>();
    let (who, choice, standing) = (column(0), column(1), column(2));
    assert_eq!(
        (who.as_slice(), choice.as_slice()),
        (&["rita", "rory", "rita"].map(str::to_owned)[..], &["override", "skip", "confirm"].map(str::to_owned)[..])
    );
    assert!(["final", "waits"].contains(&standing[0].as_str()) && standing[2] == "undone", "{standing:?}");

    // Whoever is removed is out at once.
    truestream(&["user", "--state", &text(&state), "remove", "rita"]).good();
    assert_eq!(rita.get("/desk").header("location"), Some("/desk/login"));
    service.running.ask_to_end();
    service.running.end().good();

    // Nothing of it is lost with the process, and the label is made once 30 s have passed.
    let service = Service::start(&state, &["--follow", &text(world())]);
    let again = service.sql("SELECT who, choice, standing FROM decision ORDER BY number");
    assert_eq!(again, told);
    truestream(&["audit", "--state", &text(&state), "verify"]).good();
}

#[test]
fn a_final_decision_is_a_ruling_at_the_next_tick_and_one_that_is_undone_never_is() {
    let folder = TempDir::new().expect("a folder");
    let state = folder.path().join("state");
    let service = Service::following(&state, world());
    let rita = visitor(&service, &state, "rita", "reviewer");
    let page = rita.get("/desk?verdict=escalate&subject=track");
    let cases = page.cases();
    assert!(cases.len() >= 2, "{}", page.body);
    let durable = |service: &Service| service.json("GET /health").1["entries_durable"].as_u64().expect("a number");
    let before = durable(&service);

    let undone = rita.decide(cases[1], "confirm", "");
    let number = undone.header("location").and_then(|next| next.split("done=").nth(1)).expect("a number");
    let number = number.split('&').next().expect("a number");
    let form = format!("form_key={}&number={number}", rita.get("/desk").field("form_key"));
    assert_eq!(rita.ask("POST /desk/undo", &form).status, 303);
    // Nothing is ruled yet that could be taken back.
    assert_eq!(rita.decide(cases[0], "withdraw", "").status, 409);
    let done = rita.decide(cases[0], "override", "fans");
    assert_eq!(done.status, 303, "{}", done.body);
    let id = cases[0].split('/').nth(1).expect("an id");
    let verdicts = format!("SELECT verdict FROM verdict WHERE subject = 'track' AND subject_id = '{id}'");
    let parts = format!("SELECT parts FROM risk WHERE subject = 'track' AND subject_id = '{id}'");
    let ruled = "SELECT subject, subject_id, ruling, ruled_by, reason FROM ruling";

    // The ruling and the label of the one, and nothing of the other.
    let until = Instant::now() + Duration::from_secs(120);
    while durable(&service) < before + 2 {
        assert!(Instant::now() < until, "never: {}", service.running.err());
        sleep(Duration::from_millis(200));
    }
    assert!(texts(&service, ruled).is_empty() && texts(&service, &verdicts) == [["escalate"]]);
    let as_of = service.json("GET /health").1["as_of"].as_i64().expect("an instant");
    // The label is known from the instant on that was stated, and goes where models are trained.
    let labels = folder.path().join("labels-desk.parquet");
    truestream(&["labels", "--state", &text(&state), "--out", &text(&labels)]).good();
    let labels = rows(&labels, &["labelled_by", "subject", "subject_id", "label", "labelled_at"]);
    let decided: Vec<_> = labels.iter().filter(|label| label[0] == "reviewer").collect();
    assert_eq!(decided, [&["reviewer", "track", id, "honest", &as_of.to_string()].map(str::to_owned).to_vec()]);
    tell(&service, as_of + EVERY_MS);
    let expected =
        [["track", id, "cleared", "rita", "Genuine listeners: fans, an event, a campaign"].map(str::to_owned)];
    assert_eq!(texts(&service, ruled), expected);
    assert!(texts(&service, &verdicts).is_empty());
    assert!(texts(&service, &parts)[0][0].contains("ruling.cleared"));
    let page = rita.get(&format!("/desk/case/{}", cases[0]));
    assert!(page.body.contains("A person has the last word: cleared"), "{}", page.body);
    // There is no verdict any more that could be confirmed, but the ruling can be taken back.
    assert_eq!(rita.decide(cases[0], "confirm", "").status, 409);
    assert_eq!(rita.decide(cases[0], "withdraw", "").status, 303);
    let standing = texts(&service, "SELECT choice, standing FROM decision ORDER BY number");
    assert_eq!(standing, [["confirm", "undone"], ["override", "final"], ["withdraw", "final"]]);
    // Nobody else sends under the desk's numbers.
    let sent = service.ask("POST /v1/labels", "Truestream-Source: desk\r\nTruestream-Offset: 99\r\n", b"");
    assert_eq!(sent.expect("an answer").0, 400);
    service.running.kill();

    // Where decisions are lost of which the log has what became of them, others do not get their numbers.
    let kept = folder.path().join("kept");
    std::fs::create_dir(&kept).expect("a folder");
    for name in ["audit.key", "audit.jsonl", "audit.head", "decisions.jsonl", "decisions.head"] {
        std::fs::rename(state.join(name), kept.join(name)).expect("a file");
    }
    let again = ["serve", "--state", &text(&state), "--listen", "127.0.0.1:0", "--sql-listen", "127.0.0.1:0"];
    truestream(&[&again[..], &HOW, &["--plain-ids", "--time", "told"]].concat()).failed(4, &["are lost", "backup"]);
    for name in ["audit.key", "audit.jsonl", "audit.head", "decisions.jsonl", "decisions.head"] {
        std::fs::rename(kept.join(name), state.join(name)).expect("a file");
    }

    let service = Service::start(&state, &["--time", "told"]);
    service.wait_as_of(as_of + EVERY_MS);
    assert_eq!(texts(&service, ruled), expected);
    assert!(texts(&service, &verdicts).is_empty());
}

#[test]
fn who_a_verdict_is_about_reads_why_appeals_and_somebody_else_decides() {
    let folder = TempDir::new().expect("a folder");
    let state = folder.path().join("state");
    let service = Service::following(&state, world());
    let rita = visitor(&service, &state, "rita", "reviewer");
    let rick = visitor(&service, &state, "rick", "reviewer");
    let case = rita.get("/desk?verdict=escalate&subject=track").cases()[0].to_owned();
    let page = rita.get(&format!("/desk/case/{case}"));
    let address =
        page.body.split("href=\"/appeal/").nth(1).and_then(|rest| rest.split('"').next()).expect("an address");
    let address = format!("/appeal/{address}");
    assert_eq!(rita.decide(&case, "confirm", "").status, 303);

    // Without a login, with the code of the case and no other.
    let artist = Visitor { service: &service, cookie: String::new() };
    let told = artist.get(&address);
    let policy = told.header("content-security-policy").expect("a policy");
    assert!(
        told.status == 200 && policy.contains("default-src 'none'") && !told.body.contains("<script"),
        "{}",
        told.head
    );
    let why = told.body.split("<h2>Why</h2>").nth(1).and_then(|rest| rest.split("</ul>").next()).expect("reasons");
    assert!(why.contains("<li>") && !why.contains(|letter: char| letter.is_ascii_digit() && letter != '2'), "{why}");
    let wrong = address.replace(&address[address.len() - 64..], &"0".repeat(64));
    let other = address.replace(case.split('/').nth(1).expect("an id"), "1");
    for (place, body) in [(&wrong, ""), (&other, ""), (&wrong, "text=it+is+honest,+all+of+it+is"), (&other, "text=x")] {
        let way = if body.is_empty() { "GET" } else { "POST" };
        let answer = artist.ask(&format!("{way} {place}"), body);
        assert!(answer.status == 404 && answer.body.contains("No such case"), "{}", answer.body);
    }
    // Whoever guesses waits, and nobody with a right code waits for that.
    let is_free = || {
        let guess = || {
            let mut guess = TcpStream::connect(&service.address).expect("it listens");
            let line = format!("GET {wrong} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
            guess.write_all(line.as_bytes()).expect("it is read");
            guess
        };
        let guesses: Vec<TcpStream> = (0..24).map(|_| guess()).collect();
        // All of them are looked at before this one comes, and wait for half a second.
        sleep(Duration::from_millis(150));
        let is_free = artist.get(&address).status == 200;
        guesses.into_iter().for_each(|mut guess| drop(guess.read_to_end(&mut Vec::new())));
        is_free
    };
    assert!((0..5).any(|_| is_free()), "whoever guesses keeps all others out");
    let json: serde_json::Value =
        serde_json::from_str(&artist.get(&format!("{address}?format=json")).body).expect("JSON");
    assert_eq!((&json["decision"], &json["automated_detection"]), (&"escalate".into(), &"Yes".into()), "{json}");
    assert!(json["decision_facts"].as_array().is_some_and(|facts| !facts.is_empty()), "{json}");
    for thing in ["application_date", "decision_ground", "redress", "at_stake"] {
        assert!(!json[thing].is_null(), "{thing}: {json}");
    }

    // One appeal at a time, of a fitting length.
    assert_eq!(artist.ask(&format!("POST {address}"), "text=no").status, 409);
    let said = "text=It+was+our+concert+of+the+third,+%3Cb%3Eask%3C/b%3E+the+club";
    assert_eq!(artist.ask(&format!("POST {address}"), said).header("location"), Some(address.as_str()));
    assert_eq!(artist.ask(&format!("POST {address}"), said).status, 409);
    assert!(artist.get(&address).body.contains("It is to be decided until"));

    // What shows it goes with it: of a kind that is taken, by whoever has the code, and is given out to nobody but who decides, never to be shown.
    let send = |address: &str, name: &str, bytes: &str| {
        let body = format!(
            "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\r\n{bytes}\r\n--x--\r\n"
        );
        artist.send(&format!("POST {address}/file"), "multipart/form-data; boundary=x", &body)
    };
    for (address, bytes, status) in [
        (&wrong, "%PDF-1.7 tickets", 404),
        (&address, "<script>alert(1)</script>", 409),
        (&address, "", 409),
        (&address, &format!("%PDF-1.7{}", "x".repeat(10 << 20)), 409),
        (&address, "%PDF-1.7 tickets", 303),
    ] {
        assert_eq!(send(address, "../<b>tickets.pdf", bytes).status, status, "{}", &bytes[..bytes.len().min(20)]);
    }
    assert_eq!(artist.ask(&format!("POST {address}/file"), "file=1").status, 409);
    assert!(artist.get(&address).body.contains("&lt;b&gt;tickets.pdf"));
    let page = rick.get(&format!("/desk/case/{case}"));
    let file = page.body.split("href=\"/desk/file/").nth(1).and_then(|rest| rest.split('"').next()).expect("a file");
    let file = format!("/desk/file/{file}");
    let (head, bytes) = rick.bytes(&format!("GET {file}"), "", "");
    assert_eq!((head.status, bytes.as_slice()), (200, &b"%PDF-1.7 tickets"[..]));
    assert_eq!(head.header("content-disposition"), Some("attachment"));
    assert_eq!(head.header("content-type"), Some("application/octet-stream"));
    assert_eq!(artist.get(&file).header("location"), Some("/desk/login"));
    assert_eq!(visitor(&service, &state, "ann", "analyst").get(&file).status, 404);
    assert_eq!(rick.get("/desk/file/..%2Faudit.key").status, 404);

    // It waits at the desk, for somebody who has not decided before.
    assert!(rick.get("/desk?appealed=1").cases().contains(&case.as_str()));
    let page = rick.get(&format!("/desk/case/{case}"));
    assert!(page.body.contains("&lt;b&gt;ask&lt;/b&gt; the club"), "{}", page.body);
    // Whoever opened it has it for a time, and decides about the appeal and nothing else.
    for (choice, reason) in [("confirm", ""), ("overturn", ""), ("overturn", "because")] {
        assert_eq!(rick.decide(&case, choice, reason).status, 409, "{choice} {reason}");
    }
    assert_eq!(rick.decide(&case, "overturn", "victim").status, 303);
    assert!(!rick.get("/desk?appealed=1").cases().contains(&case.as_str()));
    let told = artist.get(&address);
    assert!(told.body.contains("You were right") && told.body.contains("as if it had never been"), "{}", told.body);
    let standing = texts(&service, "SELECT who, choice, standing FROM decision ORDER BY number");
    assert_eq!(standing, [["rita", "confirm", "final"], ["rick", "overturn", "final"]]);

    // Who decided before has no say in an appeal.
    let again = "text=And+the+other+one+was+our+concert+too";
    assert_eq!(artist.ask(&format!("POST {address}"), again).status, 303);
    let refused = rita.decide(&case, "uphold", "");
    assert!(refused.status == 409 && refused.body.contains("an appeal is for somebody else"), "{}", refused.body);
    service.running.ask_to_end();
    service.running.end().good();
    truestream(&["audit", "--state", &text(&state), "verify"]).good();
    // Who came with a code, and who with a wrong one, is in the record; the code is not.
    let shown = truestream(&["audit", "--state", &text(&state), "show"]).good().out;
    for said in ["who it is about\tstatement\ttrack ", "somebody\twrong code\ttrack "] {
        assert!(shown.contains(said), "{said}: {shown}");
    }
    let codes = [&address, &wrong].map(|place| place.rsplit('/').next().expect("a code"));
    assert!(codes.iter().all(|code| !shown.contains(code)), "{shown}");
    // A copy has the files, too.
    let copy = folder.path().join("copy");
    truestream(&["backup", "--state", &text(&state), "--out", &text(&copy)]).good();
    assert_eq!(std::fs::read_dir(copy.join("appeals")).expect("a folder").count(), 1);
    let service = Service::start(&state, &["--time", "told"]);
    service.wait_until_stated();
    let artist = Visitor { service: &service, cookie: String::new() };
    assert!(artist.get(&address).body.contains("It is to be decided until"));
}

/// The rows of `reputation` without what only counts how often it was otherwise.
fn reputations(service: &Service) -> Vec<serde_json::Value> {
    let (_, mut told) = service.json("GET /v1/view/reputation?limit=100000");
    let rows = told["rows"].as_array_mut().expect("rows");
    rows.iter_mut().for_each(|row| _ = row.as_object_mut().expect("a row").remove("overturned"));
    std::mem::take(rows)
}

#[test]
fn an_overturned_appeal_leaves_counts_money_and_reputation_as_if_the_verdict_had_never_been() {
    let (folder, policy) = (TempDir::new().expect("a folder"), alone());
    let (state, law) = (folder.path().join("state"), text(policy.path()));
    let mut service = Service::following_with(&state, world(), &["--policy", &law]);
    let brought = rows(&world().join("tracks.parquet"), &["track_id", "uploader_id"]);
    let uploader_of =
        |id: &str| brought.iter().find(|row| row[0] == id && !row[1].is_empty()).map(|row| row[1].clone());
    let (id, uploader) = {
        let rita = visitor(&service, &state, "rita", "reviewer");
        let page = rita.get("/desk?subject=track");
        let cases = page.cases();
        let ids = cases.iter().map(|case| case.split('/').nth(1).expect("an id"));
        ids.filter_map(|id| Some((id.to_owned(), uploader_of(id)?))).next().expect("a track that somebody brought")
    };
    let case = format!("track/{id}");
    let of_uploader = |service: &Service| {
        let mut rows = reputations(service).into_iter();
        rows.find(|row| row["subject"] == "uploader" && row["subject_id"] == uploader.as_str())
    };
    let before = of_uploader(&service).expect("a track of it is stopped");

    // The one it is about appeals, and it is overturned: by one, or by two where it is blocked.
    let address = {
        let artist = Visitor { service: &service, cookie: String::new() };
        let anna = visitor(&service, &state, "anna", "reviewer");
        let page = anna.get(&format!("/desk/case/{case}"));
        let address = page.body.split("href=\"/appeal/").nth(1).and_then(|rest| rest.split('"').next());
        let address = format!("/appeal/{}", address.expect("an address"));
        let said = "text=It+was+our+concert+of+the+third,+ask+the+club";
        assert_eq!(artist.ask(&format!("POST {address}"), said).status, 303);
        // Whoever goes back to the list leaves the case to others.
        anna.get("/desk");
        let durable = |service: &Service| service.json("GET /health").1["entries_durable"].as_u64().expect("a number");
        let entries = durable(&service);
        for name in ["rick", "rob"] {
            let judge = visitor(&service, &state, name, "reviewer");
            let is_final = texts(&service, "SELECT standing FROM decision WHERE choice = 'overturn'");
            if is_final.iter().all(|row| row[0] == "waits") {
                assert_eq!(judge.decide(&case, "overturn", "fans").status, 303);
            }
        }
        let until = Instant::now() + Duration::from_secs(120);
        while durable(&service) < entries + 2 {
            assert!(Instant::now() < until, "never: {}", service.running.err());
            sleep(Duration::from_millis(200));
        }
        address
    };
    let as_of = service.json("GET /health").1["as_of"].as_i64().expect("an instant");
    tell(&service, as_of + EVERY_MS);

    // A world where somebody cleared it before there was anything to say.
    let data = folder.path().join("data");
    copy(world(), &data);
    rulings(&data.join("rulings.parquet"), &[("track", &id, "cleared", None, 0)]);
    let never = Service::following_with(&folder.path().join("never"), &data, &["--policy", &law]);
    tell(&never, as_of + EVERY_MS);
    let is_so = |service: &Service| {
        for view in VIEWS.into_iter().filter(|view| *view != "reputation") {
            let [overturned, never] = [service, &never].map(|service| {
                service.ask(&format!("GET /v1/view/{view}?format=parquet"), "", b"").expect("an answer")
            });
            assert!(overturned.0 == 200 && overturned == never, "{view}");
        }
        let [overturned, never] = [service, &never].map(reputations);
        assert!(!never.is_empty() && never.iter().all(|row| overturned.contains(row)));
        // Of whom nothing else was stopped it is told that something was, and it costs nothing.
        for row in overturned.iter().filter(|row| !never.contains(row)) {
            assert!(["held", "escalated", "blocked", "contradicted"].iter().all(|count| row[*count] == 0), "{row}");
            let subjects = row["subjects"].as_f64().expect("a number");
            let expected = (4.0 + subjects) / (5.0 + subjects);
            assert!((row["reputation"].as_f64().expect("a number") - expected).abs() < 0.000_051, "{row}");
        }
    };
    is_so(&service);
    let after = of_uploader(&service).expect("it is told that something was overturned");
    let [was, is] = [&before, &after].map(|row| row["reputation"].as_f64().expect("a number"));
    assert!(was < is, "{before} {after}");

    // The pages say what it changed, also after a start.
    let pages = |service: &Service| {
        let moved = format!("from {was:.4} to {is:.4}");
        let told = format!("was {was:.4} when that was decided, and is {is:.4} now");
        let artist = Visitor { service, cookie: String::new() };
        let body = artist.get(&address).body;
        assert!(body.contains("The reputation of its uploader ") && body.contains(&told), "{told}: {body}");
        let json: serde_json::Value =
            serde_json::from_str(&artist.get(&format!("{address}?format=json")).body).expect("JSON");
        let reputation = &json["redress"]["last_appeal"]["decision"]["reputations"][0];
        assert_eq!((reputation["when_decided"].as_f64(), reputation["now"].as_f64()), (Some(was), Some(is)), "{json}");
        let name = format!("looks{}", service.address.replace([':', '.'], "x"));
        let desk = visitor(service, &state, &name, "reviewer");
        let body = desk.get(&format!("/desk/case/{case}")).body;
        assert!(body.contains(&told) && body.contains("hang on it no more"), "{told}: {body}");
        let body = desk.get(&format!("/desk/case/uploader/{uploader}")).body;
        assert!(body.contains("<h3>Reputation</h3>") && body.contains(&moved), "{moved}: {body}");
    };
    pages(&service);
    for is_killed in [true, false] {
        match is_killed {
            true => service.running.kill(),
            false => {
                service.running.ask_to_end();
                service.running.end().good();
            }
        }
        service = Service::start(&state, &["--time", "told", "--policy", &law]);
        service.wait_as_of(as_of + EVERY_MS);
        is_so(&service);
        pages(&service);
    }
}

#[test]
fn whoever_is_drawn_by_lot_or_in_doubt_is_decided_and_it_is_told_how() {
    let folder = TempDir::new().expect("a folder");
    let state = folder.path().join("state");
    let service = Service::following(&state, world());
    let rita = visitor(&service, &state, "rita", "reviewer");
    let rick = visitor(&service, &state, "rick", "reviewer");

    // The same are drawn whoever asks, of whom nothing suspects, too; an address leads to each page of them.
    let drawn = |visitor: &Visitor, filter: &str| {
        let first = visitor.get(&format!("/desk?queue=audit{filter}"));
        assert_eq!(first.status, 200, "{}", first.body);
        let page = |page: usize| visitor.get(&format!("/desk?queue=audit{filter}&page={page}"));
        let pages = (0..first.count().div_ceil(50)).map(page);
        pages.flat_map(|page| page.cases().into_iter().map(str::to_owned).collect::<Vec<_>>()).collect::<Vec<_>>()
    };
    let all = drawn(&rita, "");
    assert_eq!(all, drawn(&rick, ""));
    assert!(all.iter().all(|case| case.ends_with("?queue=audit")), "{all:?}");
    let allowed = |case: &&String| {
        let (kind, id) = case.trim_end_matches("?queue=audit").split_once('/').expect("a kind and an id");
        let found = format!("SELECT verdict FROM verdict WHERE subject = '{kind}' AND subject_id = '{id}'");
        kind == "account" && texts(&service, &found).is_empty()
    };
    let honest: Vec<String> = all.iter().filter(allowed).take(3).cloned().collect();
    assert!(honest.len() == 3 && drawn(&rita, "&verdict=block").len() < all.len(), "{all:?}");

    // There is no verdict to confirm; who looks says what is true, and comes to the next one that was drawn.
    assert_eq!(rita.decide(&honest[0], "confirm", "").status, 409);
    let done = rita.decide(&honest[0], "honest", "");
    let next = done.header("location").expect("the next case");
    assert!(done.status == 303 && next.contains("queue=audit"), "{next}");
    assert!(!drawn(&rick, "").contains(&honest[0]));
    // Whoever is accused against whom nothing speaks has two against him.
    assert_eq!(rita.decide(&honest[1], "fraud", "").status, 303);
    let standing = || texts(&service, "SELECT choice, standing, queue FROM decision ORDER BY number");
    assert_eq!(standing(), [["honest", "final", "audit"], ["fraud", "waits", "audit"]]);
    assert_eq!(rick.decide(&honest[1], "fraud", "").status, 303);
    rick.get("/desk");
    // Where a verdict is there is one to confirm.
    let held = rita.get("/desk?verdict=escalate&subject=track").cases()[0].to_owned();
    assert_eq!(rita.decide(&held, "honest", "").status, 409);

    // Of all that are near a threshold the nearest comes first.
    let near = rita.get("/desk?queue=uncertain");
    let margin =
        |row: &str| row.rsplit("<td class=\"number\">").next().and_then(|rest| rest.split('<').next()?.parse().ok());
    let margins: Vec<f64> =
        near.body.split("</tr>").filter(|row| row.contains("queue=uncertain")).filter_map(margin).collect();
    assert!(margins.len() > 3 && margins.is_sorted(), "{margins:?} in {}", near.body);
    // About some a person has spoken already, whoever was drawn; nobody has to look at them again.
    let id = |case: &String| case.trim_start_matches("account/").trim_end_matches("?queue=audit").to_owned();
    let decided = honest[..2].iter().map(id).collect::<Vec<_>>().join("', '");
    let of_policy = format!(
        "SELECT CAST(min(least(abs(r - 0.4), abs(r - 0.6), abs(r - 0.85))) AS VARCHAR) FROM risk
         WHERE NOT (subject = 'account' AND subject_id IN ('{decided}'))"
    );
    let least: f64 = texts(&service, &of_policy)[0][0].parse().expect("a number");
    assert!((least - margins[0]).abs() < 1e-4, "{least} and {margins:?}");
    let doubtful = near.cases().into_iter().find(|case| case.starts_with("track/")).expect("a track").to_owned();
    assert_eq!(rita.decide(&doubtful, "more", "").status, 303);
    assert_eq!(standing().last().map(|last| last[2].as_str()), Some("uncertain"));

    // Each label says by which way it came, and those drawn how probable that was.
    let until = Instant::now() + Duration::from_secs(120);
    let (labels, by_lot) = (folder.path().join("labels.parquet"), folder.path().join("drawn.parquet"));
    let decided = loop {
        let line = ["labels", "--state", &text(&state), "--out", &text(&labels), "--drawn", &text(&by_lot)];
        truestream(&line).good();
        let labels = rows(&labels, &["labelled_by", "subject", "label"]);
        let decided: Vec<_> = labels.into_iter().filter(|label| label[0] == "audit").collect();
        if decided.len() == 2 {
            break decided;
        }
        assert!(Instant::now() < until, "{decided:?}: {}", service.running.err());
        sleep(Duration::from_millis(500));
    };
    // Of two who have to agree the later one makes the label.
    assert_eq!(decided, [["audit", "account", "honest"], ["audit", "account", "fraud"]]);
    let by_lot = rows(&by_lot, &["account_id", "inclusion"]);
    assert_eq!(by_lot.len(), 3, "{by_lot:?}");
    let told = service.sql("SELECT DISTINCT inclusion FROM decision WHERE queue = 'audit'");
    let told = arrow::compute::cast(told.column(0), &arrow::datatypes::DataType::Utf8).expect("texts");
    // Accounts against whom nothing speaks have one probability.
    assert_eq!((told.len(), told.as_string::<i32>().value(0)), (1, by_lot[0][1].as_str()));
    let overview = rita.get("/desk/overview").body;
    assert!(overview.contains("1 of 2</td>") && overview.contains("95 % interval"), "{overview}");

    // What a person ruled nobody draws again, and the lots are the same after a start.
    service.running.ask_to_end();
    service.running.end().good();
    let service = Service::start(&state, &["--follow", &text(world())]);
    service.wait_until_stated();
    let rick = visitor(&service, &state, "rory", "reviewer");
    let again = drawn(&rick, "");
    let gone = [&honest[0], &honest[1]];
    assert!(again.iter().all(|case| !gone.contains(&case)), "{again:?}");
    assert_eq!(again, all.into_iter().filter(|case| !gone.contains(&case)).collect::<Vec<_>>());
}

#[test]
fn many_are_decided_at_once_as_they_were_seen_and_undone_together() {
    let folder = TempDir::new().expect("a folder");
    let state = folder.path().join("state");
    let service = Service::following(&state, world());
    let rita = visitor(&service, &state, "rita", "reviewer");
    let rick = visitor(&service, &state, "rick", "reviewer");
    let paul = visitor(&service, &state, "paul", "policy-editor");
    let place = "/desk/bulk?subject=track&verdict=escalate";
    assert_eq!(paul.get(place).status, 403);
    let all = rita.get("/desk?subject=track&verdict=escalate").count();
    let seen = rita.get(place);
    assert!(all >= 2 && seen.count() == all && seen.cases().len() == all, "{}", seen.body);
    // A rule, a word of a reason and a risk narrow the list.
    assert!(rita.get(&format!("{place}&risk=100")).body.contains("No case fits"));
    let words = rita.get(&format!("{place}&words=no+such+reason"));
    assert!(words.body.contains("No case fits"), "{}", words.body);
    let form = |page: &Page, more: &str| {
        let fields = ["form_key", "seal"].map(|name| format!("{name}={}", page.field(name)));
        format!("{}&subject=track&verdict=escalate&{more}", fields.join("&"))
    };
    let told = "choice=confirm&note=one+farm";
    for (body, status) in [
        (form(&seen, "choice=confirm&note="), 409),
        (form(&seen, "choice=override&note=fans"), 409),
        (form(&seen, "choice=withdraw&note=all"), 409),
        (form(&seen, told).replace("subject=track", "subject=account"), 409),
        (form(&seen, told).replace("form_key=", "form_key=0"), 403),
    ] {
        assert_eq!(rita.ask("POST /desk/bulk", &body).status, status, "{body}");
    }
    // What somebody looks at is not among them, and then it is another list.
    let taken = seen.cases()[0].to_owned();
    assert_eq!(rick.get(&format!("/desk/case/{taken}")).status, 200);
    assert_eq!(rita.ask("POST /desk/bulk", &form(&seen, told)).status, 409);
    let seen = rita.get(place);
    assert_eq!(seen.count(), all - 1);
    let done = rita.ask("POST /desk/bulk", &form(&seen, told));
    let next = done.header("location").expect("the list").to_owned();
    assert!(done.status == 303 && next.contains("cases%3A%20confirm"), "{next}");
    let together =
        "SELECT CAST(count(*) AS VARCHAR), CAST(max(together) AS VARCHAR) FROM decision WHERE choice = 'confirm'";
    let count = (all - 1).to_string();
    assert_eq!(texts(&service, together), [[count.clone(), count.clone()]]);
    assert_eq!(rita.get(place).count(), 0);
    assert!(rick.get(&format!("/desk/case/{}", seen.cases()[0])).body.contains("at once with"));
    // One undo for all of them.
    let number = next.split("done=").nth(1).and_then(|rest| rest.split('&').next()).expect("a number");
    let undo = format!("form_key={}&number={number}", seen.field("form_key"));
    assert_eq!(rita.ask("POST /desk/undo", &undo).status, 303);
    let undone = "SELECT CAST(count(*) AS VARCHAR) FROM decision WHERE standing = 'undone'";
    assert_eq!(texts(&service, undone), [[count]]);
    // Rick has looked at one of them meanwhile.
    assert_eq!(rita.get(place).count(), all - 2);

    // Who may see no accounts is told of them in groups of ten and more, and of nobody alone.
    let groups = paul.get("/desk/groups.csv");
    let lines: Vec<&str> = groups.body.lines().collect();
    assert_eq!(lines[0], "subject,verdict,r,payable,cases");
    assert!(lines.len() > 1, "{}", groups.body);
    let sizes = lines[1..].iter().map(|line| line.rsplit(',').next().and_then(|size| size.parse().ok()).unwrap_or(0));
    assert!(sizes.clone().all(|size: usize| size >= 10) && sizes.sum::<usize>() <= rick.get("/desk").count() + 1);
    service.running.ask_to_end();
    service.running.end().good();
    let record = std::fs::read_to_string(state.join("audit.jsonl")).expect("a file");
    assert!(record.contains("bulk decision") && record.contains("groups of cases"), "{record}");
    truestream(&["audit", "--state", &text(&state), "verify"]).good();
}

/// The plays of each hour of the week that a page tells, Monday from 0:00 on.
fn week(page: &str) -> Vec<u64> {
    let told = page.split("class=\"chart week\"").nth(1).and_then(|rest| rest.split("</figure>").next());
    let told = told.unwrap_or_else(|| panic!("no week in {page}"));
    let cell = |cell: &str| cell.split([' ', '<']).next().and_then(|plays| plays.parse().ok()).expect("a number");
    let row = |row: &str| row.split("<td class=\"number\">").skip(1).map(cell).collect();
    let hours: Vec<Vec<u64>> = told.split("<tr>").filter(|row| row.contains(":00</th>")).map(row).collect();
    (0..168).map(|hour| hours[hour % 24][hour / 24]).collect()
}

#[test]
fn a_page_tells_when_and_how_somebody_is_played_and_so_does_one_after_a_start() {
    let folder = TempDir::new().expect("a folder");
    let state = folder.path().join("state");
    let service = Service::following(&state, world());
    let rita = visitor(&service, &state, "rita", "reviewer");
    let mut told = Vec::new();
    for kind in ["account", "track", "artist", "uploader", "playlist", "distributor"] {
        let most = format!(
            "SELECT CAST({kind}_id AS VARCHAR) AS id, CAST(plays AS VARCHAR) AS told FROM {kind}_window WHERE \"window\" = '28d'
             ORDER BY plays DESC, {kind}_id LIMIT 3"
        );
        for row in texts(&service, &most) {
            let place = format!("/desk/case/{kind}/{}", row[0]);
            let plays: u64 = row[1].parse().expect("a number");
            let page = rita.get(&place).body;
            let week = week(&page);
            assert_eq!(week.iter().sum::<u64>(), plays, "{place}");
            let divided = ["length", "source", "country", "day"].map(|by| divided(&page, by));
            for divided in &divided {
                assert_eq!(divided.values().sum::<u64>(), plays, "{place} {divided:?}");
            }
            told.push((place, week, divided));
        }
    }
    assert!(told.len() > 12, "{told:?}");

    // Hour by hour it is what the files say of those of whom nothing was told twice or taken back.
    let plays = rows(&world().join("plays.parquet"), &["account_id", "ended_at", "played_ms", "source", "country"]);
    let mut compared = 0;
    for (place, week, divided) in told.iter().filter(|(place, ..)| place.contains("/account/")) {
        let (mut expected, mut by) = (vec![0; 168], [const { BTreeMap::<String, u64>::new() }; 4]);
        for play in plays.iter().filter(|play| place.ends_with(&format!("/{}", play[0]))) {
            let ended_at = play[1].parse::<i64>().expect("an instant");
            expected[(ended_at - MONDAY).div_euclid(3_600_000).rem_euclid(168) as usize] += 1;
            let or_not_told = |text: &str| if text.is_empty() { "not told".to_owned() } else { text.to_owned() };
            let named = ["search", "library", "algorithmic", "editorial", "playlist"].contains(&play[3].as_str());
            let source = if named { play[3].clone() } else { "other".to_owned() };
            let day = instant::to_text(ended_at).chars().take(10).collect();
            for (by, class) in by.iter_mut().zip([length(&play[2]), source, or_not_told(&play[4]), day]) {
                *by.entry(class).or_default() += 1;
            }
        }
        if expected.iter().sum::<u64>() == week.iter().sum::<u64>() {
            assert_eq!(*week, expected, "{place}");
            for (shown, expected) in divided.iter().zip(&by) {
                let shown: BTreeMap<_, _> = shown.clone().into_iter().filter(|(_, plays)| *plays > 0).collect();
                assert!(shown == *expected || shown.contains_key("all others"), "{place}: {shown:?} {expected:?}");
            }
            compared += 1;
        }
    }
    let page = rita.get(&told[0].0).body;
    assert!(page.contains("accounts with as many plays") || page.contains("Too few accounts"), "{page}");
    service.running.ask_to_end();
    service.running.end().good();
    let service = Service::start(&state, &["--time", "told"]);
    service.wait_until_stated();
    let rick = visitor(&service, &state, "rick", "reviewer");
    for (place, before, before_by) in &told {
        let page = rick.get(place).body;
        assert_eq!(week(&page), *before, "{place}");
        assert_eq!(["length", "source", "country", "day"].map(|by| divided(&page, by)), *before_by, "{place}");
    }
    assert!(compared > 0, "of each of these accounts something was told twice: {told:?}");
}

#[test]
fn somebody_is_found_by_a_part_of_a_name_groups_have_pages_and_statements_are_answered() {
    let folder = TempDir::new().expect("a folder");
    let state = folder.path().join("state");
    let policy = folder.path().join("strict");
    std::fs::create_dir(&policy).expect("a folder");
    std::fs::write(policy.join("policy.toml"), "version = \"strict\"").expect("written");
    std::fs::write(policy.join("review.toml"), "notes_for = [\"confirm\"]").expect("written");
    let service = Service::following_with(&state, world(), &["--policy", &text(&policy)]);
    let rita = visitor(&service, &state, "rita", "reviewer");
    let paul = visitor(&service, &state, "paul", "policy-editor");

    // Of the tracks whose title has it, those are shown that there are; and accounts only to who may see them.
    let titles = rows(&world().join("tracks.parquet"), &["track_id", "title"]);
    let title = titles.iter().map(|row| &row[1]).find(|title| title.contains(' ')).expect("a title of two words");
    let part = &title.to_lowercase().chars().skip(1).collect::<String>();
    let is_called = |row: &&Vec<String>| row[1].to_lowercase().contains(part);
    let known: BTreeSet<String> = titles.iter().filter(is_called).map(|row| row[0].clone()).collect();
    let place = format!("/desk/find?of=&id={}", console::desk::path_part(&part.to_uppercase()));
    let page = paul.get(&place);
    let found: Vec<&str> = page.cases();
    assert!(!found.is_empty() && page.body.contains("<td><bdi>"), "{}", page.body);
    // Artists may be called so, too.
    let mut tracks = found.iter().filter_map(|case| case.strip_prefix("track/")).peekable();
    assert!(tracks.peek().is_some() && tracks.all(|track| known.contains(track)), "{found:?} {known:?}");
    let by_id = |who: &Visitor| who.get("/desk/find?of=&id=1").cases().contains(&"account/1");
    assert_eq!((by_id(&rita), by_id(&paul)), (true, false));
    assert!(rita.get("/desk/find?of=&id=%C3%BC").body.contains("at least two letters"));

    // Cases by area and by origin are those that have it, and all areas together are all.
    let count = |filter: &str| rita.get(&format!("/desk?{filter}")).count();
    let areas = ["content", "behaviour", "provenance", "rules"].map(|area| count(&format!("area={area}")));
    assert_eq!(areas.iter().sum::<usize>(), count(""), "{areas:?}");
    let countries: BTreeMap<String, String> = rows(&world().join("accounts.parquet"), &["account_id", "country"])
        .into_iter()
        .map(|mut row| (row.remove(0), row.remove(0)))
        .collect();
    let cases = rita.get("/desk?subject=account");
    let of = |case: &&str| countries[case.trim_start_matches("account/")].clone();
    let country = cases.cases().iter().map(of).find(|country| !country.is_empty()).expect("a country");
    let expected = cases.cases().iter().filter(|case| of(case) == country).count();
    assert_eq!(count(&format!("subject=account&origin={country}")), expected);

    // A statement is answered as far as the role sees, a wrong one is told, and only who has the page can ask.
    let ask = |who: &Visitor, statement: &str| {
        let key = who.get("/desk/sql").field("form_key").to_owned();
        who.ask("POST /desk/sql", &format!("form_key={key}&sql={}", console::desk::path_part(statement)))
    };
    let told = ask(&rita, "SELECT verdict, count(*) AS cases FROM verdict GROUP BY verdict");
    assert!(told.status == 200 && told.body.contains("<th scope=\"col\">cases</th>"), "{}", told.body);
    assert!(ask(&rita, "SELECT * FROM account_window").body.contains(" rows."));
    assert!(ask(&paul, "SELECT * FROM account_window").body.contains("role=\"alert\""));
    assert!(ask(&rita, "DROP TABLE verdict").body.contains("role=\"alert\""));
    assert_eq!(rita.ask("POST /desk/sql", "form_key=0&sql=SELECT+1").status, 403);

    // The policy asks for a note with what is confirmed.
    let case = cases.cases()[0].to_owned();
    let page = rita.get(&format!("/desk/case/{case}"));
    assert!(page.body.contains("needed for confirm"), "{}", page.body);
    let fields = ["form_key", "subject", "id", "verdict", "queue", "seen"];
    let fields = fields.map(|name| format!("{name}={}", page.field(name))).join("&");
    let without = rita.ask("POST /desk/decide", &format!("{fields}&choice=confirm&reason=&note=+"));
    assert!(without.status == 409 && without.body.contains("asks for a note"), "{}", without.body);
    assert_eq!(rita.decide(&case, "confirm", "").status, 303);
    service.running.ask_to_end();
    service.running.end().good();
    let record = std::fs::read_to_string(state.join("audit.jsonl")).expect("a file");
    assert!(["search", "query"].iter().all(|what| record.contains(&format!("\"what\":\"{what}\""))));
    assert!(!record.contains(part), "what somebody looked for may be a name of somebody");
    // How far it is was signed that day, and whoever keeps a line finds it there.
    let told = truestream(&["audit", "--state", &text(&state), "verify"]).good();
    assert!(told.out.contains("signed 1 times"), "{told:?}");
    let kept = folder.path().join("kept");
    std::fs::write(&kept, truestream(&["audit", "--state", &text(&state), "sign"]).good().out).expect("a file");
    truestream(&["audit", "--state", &text(&state), "verify", "--signed", &text(&kept)]).good();
    let other = folder.path().join("other");
    std::fs::write(&other, std::fs::read_to_string(&kept).expect("a file").replace("2026", "2027")).expect("a file");
    truestream(&["audit", "--state", &text(&state), "verify", "--signed", &text(&other)])
        .failed(3, &["changed in 1 places"]);
}

#[test]
fn a_group_has_a_page_with_those_whom_the_view_puts_in_it_and_who_plays_in_step() {
    let folder = TempDir::new().expect("a folder");
    let state = folder.path().join("state");
    let service = Service::start(&state, &["--time", "told"]);
    let rita = visitor(&service, &state, "rita", "reviewer");
    let paul = visitor(&service, &state, "paul", "policy-editor");
    // Three use one telephone, two of them play the same at the same time; one is alone.
    let play = |account: &str, device: &str, hour: i64| {
        let at = instant::to_text(MONDAY + hour * 3_600_000);
        format!(
            "{{\"play_id\":\"{account}{hour}\",\"ended_at\":\"{at}\",\"account_id\":\"{account}\",\"track_id\":\"t{hour}\",\"played_ms\":40000,\"device_id\":\"{device}\"}}\n"
        )
    };
    let mut body = play("c", "telephone", 20);
    for hour in 1..=8 {
        body += &["a", "b"].map(|account| play(account, "telephone", hour)).concat();
        body += &play("d", "other", hour + 8);
    }
    assert_eq!(
        service.ask("POST /v1/plays", "Content-Type: application/x-ndjson\r\n", body.as_bytes()).expect("taken").0,
        200
    );
    tell(&service, MONDAY + 24 * 3_600_000);
    let page = rita.get("/desk/group/a");
    // The table of the picture has them once more.
    let shown: BTreeSet<&str> = page.cases().into_iter().collect();
    let shown: Vec<&str> = shown.into_iter().collect();
    assert_eq!(shown, ["account/a", "account/b", "account/c"], "{}", page.body);
    let linked = "3 accounts and 1 thing in use; 3 lines by use, 1 by playing in step";
    assert!(page.body.contains(linked) && page.body.contains("played the same track"), "{}", page.body);
    assert_eq!((paul.get("/desk/group/a").status, rita.get("/desk/group/d").status), (404, 404));
    let member = rita.get("/desk/case/account/b").body;
    assert!(member.contains("href=\"/desk/group/a\"") && member.contains("chart links"), "{member}");
    assert!(member.contains(linked), "{member}");
    let used = ["<th scope=\"row\">device <bdi>telephone</bdi>", "8 plays on 2026-01-05", "1 play on 2026-01-05"];
    assert!(used.iter().all(|told| member.contains(told)), "{member}");
    // What nobody else uses is told, and links nobody.
    let alone = rita.get("/desk/case/account/d").body;
    assert!(!alone.contains("chart links") && alone.contains("Nobody is linked to it"), "{alone}");
    assert!(alone.contains("1 account and 1 thing in use; 1 line by use"), "{alone}");
    // Plays that are over for seven days link nobody any more.
    tell(&service, MONDAY + 9 * 24 * 3_600_000);
    assert!(!rita.get("/desk/case/account/b").body.contains("table class=\"links\""));
}

/// The plays of each class that a page tells.
fn divided(page: &str, by: &str) -> BTreeMap<String, u64> {
    let plays = |row: Vec<String>| (row[0].clone(), row[1].parse().expect("a number"));
    table(page, &format!("Plays by {by}<")).into_iter().map(plays).collect()
}

/// The class of a length, by the bounds that the documentation tells.
fn length(played_ms: &str) -> String {
    let bounds = [0, 5, 10, 20, 25, 28, 30, 31, 32, 35, 40, 60, 120, 240];
    let played_ms: u64 = played_ms.parse().expect("a number");
    let from = bounds.iter().rposition(|from| from * 1_000 <= played_ms).expect("from 0 on");
    match bounds.get(from + 1) {
        Some(to) => format!("{} to {to} s", bounds[from]),
        None => format!("{} s and more", bounds[from]),
    }
}

#[test]
fn a_page_tells_what_a_verdict_hangs_on_and_who_is_like_it_and_left_alone() {
    let folder = TempDir::new().expect("a folder");
    let state = folder.path().join("state");
    let service = Service::following(&state, world());
    let rita = visitor(&service, &state, "rita", "reviewer");
    let verdicts = texts(
        &service,
        "SELECT subject || '/' || subject_id, verdict, CAST(r AS VARCHAR) AS told FROM verdict ORDER BY told, 1",
    );
    let known: BTreeSet<&str> = verdicts.iter().map(|row| row[0].as_str()).collect();
    let (mut hanging, mut alike) = (0, 0);
    for row in verdicts.iter().step_by(verdicts.len() / 12 + 1) {
        let page = rita.get(&format!("/desk/case/{}", row[0])).body;
        let number = |text: &String| text.trim().parse::<f64>().unwrap_or_else(|_| panic!("{text} in {page}"));
        let parts = table(&page, "R of three parts");
        let added: f64 = parts.iter().map(|part| number(&part[3])).sum();
        assert!((added - row[2].parse::<f64>().expect("a number")).abs() < 0.00025, "{parts:?} {row:?}");

        let without: Vec<(String, bool)> = table(&page, "What each signal adds")
            .into_iter()
            .map(|signal| (signal[0].clone(), signal[3].ends_with("allow")))
            .collect();
        let hangs = page.split("Nothing would be held without ").nth(1).and_then(|rest| rest.split(".<").next());
        let hangs: Vec<&str> = hangs.map_or(Vec::new(), |sets| sets.split(", or without ").collect());
        hanging += usize::from(!hangs.is_empty());
        let by_one = |(name, frees): &(String, bool)| *frees && hangs.contains(&name.as_str());
        match hangs.iter().all(|set| !set.contains(" and ")) {
            true => assert!(hangs.is_empty() || without.iter().any(by_one), "{hangs:?} {without:?}"),
            false => assert!(without.iter().all(|(_, frees)| !frees), "{hangs:?} {without:?}"),
        }

        let others = page.split("Most like it, and nothing is held").nth(1).and_then(|rest| rest.split("</ul>").next());
        for other in others.unwrap_or("").split("href=\"/desk/case/").skip(1).filter_map(|rest| rest.split('"').next())
        {
            assert!(other != row[0] && !known.contains(other), "{other} is like {}", row[0]);
            alike += 1;
        }
    }
    assert!(hanging > 0 && alike > 0, "{hanging} {alike} of {verdicts:?}");
}

/// The rows of a table of a page, by its caption: the texts of the cells.
fn table(page: &str, caption: &str) -> Vec<Vec<String>> {
    let rest = page.split(&format!("<caption>{caption}")).nth(1).unwrap_or_else(|| panic!("no {caption} in {page}"));
    let body = rest.split("<tbody>").nth(1).and_then(|rest| rest.split("</tbody>").next()).expect("a table");
    let plain = |cell: &str| {
        let cell = cell.split_once('>').map_or("", |(_, rest)| rest);
        cell.split('<').map(|part| part.split_once('>').map_or(part, |(_, text)| text)).collect::<String>()
    };
    let cells = |row: &str| row.split("<t").skip(1).filter(|cell| !cell.starts_with('r')).map(plain).collect();
    body.split("<tr>").skip(1).map(cells).collect()
}

#[test]
fn the_overview_tells_verdicts_and_decisions_by_genre_country_and_source() {
    let folder = TempDir::new().expect("a folder");
    let state = folder.path().join("state");
    let service = Service::following(&state, world());
    let rita = visitor(&service, &state, "rita", "reviewer");
    let verdicts = texts(&service, "SELECT subject, subject_id, verdict FROM verdict");
    let told = |kind: &str, table: &str, column: &str| -> BTreeMap<String, String> {
        let rows = rows(&world().join(format!("{table}.parquet")), &[&format!("{kind}_id"), column]);
        rows.into_iter().map(|mut row| (row.remove(0), row.remove(0))).collect()
    };
    let expected = |kind: &str, of: &BTreeMap<String, String>| {
        let mut counts: BTreeMap<String, [u64; 3]> = BTreeMap::new();
        for row in verdicts.iter().filter(|row| row[0] == kind) {
            let group = of.get(&row[1]).filter(|group| !group.is_empty()).map_or("not told", |group| group);
            let place = ["hold", "escalate", "block"].iter().position(|word| *word == row[2]).expect("a verdict");
            counts.entry(group.to_owned()).or_default()[place] += 1;
        }
        counts
    };
    let genres = told("track", "tracks", "genre");
    let overview = rita.get("/desk/overview").body;
    for (caption, expected) in [
        ("Tracks by genre", expected("track", &genres)),
        ("Accounts by country", expected("account", &told("account", "accounts", "country"))),
    ] {
        assert!(!expected.is_empty());
        let shown = table(&overview, caption);
        let counts = |row: &[String]| [1, 2, 3].map(|at| row[at].parse::<u64>().expect("a number"));
        for row in shown.iter().filter(|row| !row[0].ends_with(" others")) {
            assert_eq!(Some(&counts(row)), expected.get(&row[0]), "{caption}: {row:?}");
        }
        let sum = |all: &[[u64; 3]]| all.iter().flatten().sum::<u64>();
        let shown: Vec<[u64; 3]> = shown.iter().map(|row| counts(row)).collect();
        assert_eq!(sum(&shown), sum(&expected.into_values().collect::<Vec<_>>()), "{caption}");
    }
    let accounts = verdicts.iter().filter(|row| row[0] == "account").count();
    let sources = table(&overview, "Accounts by where most of their plays begin");
    let words = ["search", "library", "algorithmic", "editorial", "playlist", "other", "not told"];
    assert!(sources.iter().all(|row| words.contains(&row[0].as_str())), "{sources:?}");
    let shown: usize =
        sources.iter().flat_map(|row| &row[1..4]).map(|count| count.parse::<usize>().expect("a number")).sum();
    assert_eq!(shown, accounts);

    // What people find is told beside it; nobody sees accounts there who may not see them elsewhere.
    let case = rita.get("/desk?subject=track&verdict=escalate").cases()[0].to_owned();
    assert_eq!(rita.decide(&case, "override", "fans").status, 303);
    let genre = genres.get(case.trim_start_matches("track/")).filter(|genre| !genre.is_empty());
    let genre = genre.map_or("not told", |genre| genre);
    let shown = table(&rita.get("/desk/overview").body, "Tracks by genre");
    let row = shown.iter().find(|row| row[0] == genre).unwrap_or_else(|| panic!("no {genre} in {shown:?}"));
    assert_eq!(row[4..6], ["1", "0.00"], "{row:?}");
    let paul = visitor(&service, &state, "paul", "policy-editor").get("/desk/overview").body;
    assert!(paul.contains("Tracks by genre") && !paul.contains("Accounts by"), "{paul}");
}

#[test]
fn whom_the_audit_drew_says_how_often_a_model_misses_when_it_is_evaluated_and_assessed() {
    let folder = TempDir::new().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    let (state, data, by_lot) = (at("state"), at("data"), at("drawn.parquet"));
    town(&data, "fraud", false);
    let service = Service::following(&state, &data);
    let [rita, rick] = ["rita", "rick"].map(|name| visitor(&service, &state, name, "reviewer"));
    let page = rita.get("/desk?queue=audit&subject=account&verdict=allow");
    let drawn: Vec<String> = page.cases().into_iter().take(8).map(str::to_owned).collect();
    assert_eq!(drawn.len(), 8, "{}", page.body);
    for (number, case) in drawn.iter().enumerate() {
        let choice = if number % 4 == 0 { "fraud" } else { "honest" };
        assert_eq!(rita.decide(case, choice, "").status, 303, "{case}");
        // Who is accused against whom nothing speaks has two against them.
        assert!(choice == "honest" || rick.decide(case, choice, "").status == 303, "{case}");
        rick.get("/desk");
    }
    let labels = data.join("labels-desk.parquet");
    let until = Instant::now() + Duration::from_secs(180);
    let line = ["labels", "--state", &text(&state), "--out", &text(&labels), "--drawn", &text(&by_lot)];
    let came = || {
        truestream(&line).good();
        let labels = rows(&labels, &["labelled_by", "subject_id"]).into_iter();
        labels.filter(|label| label[0] == "audit").collect::<BTreeSet<_>>().len()
    };
    while came() < drawn.len() {
        assert!(Instant::now() < until, "the labels never came: {}", service.running.err());
        sleep(Duration::from_millis(500));
    }
    service.running.ask_to_end();
    service.running.end().good();
    let inclusion: f64 = rows(&by_lot, &["inclusion"])[0][0].parse().expect("a number");

    // The model is asked beside what people found, not beside the labels that it learned from.
    let registry = at("registry");
    import(&registry, 1).good();
    let (registry, by_lot) = (text(&registry), text(&by_lot));
    let asked = ["evaluate", "--data", &text(&data), "--registry", &registry, "--version", "1", "--audit", &by_lot];
    let told = truestream(&[&asked[..], &["--json"], &ANYHOW].concat()).good().json();
    let said = |audit: &serde_json::Value| {
        let count = |name: &str| audit[name].as_f64().unwrap_or_else(|| panic!("no {name}: {audit}"));
        assert!((count("stand_for") - 8.0 / inclusion).abs() < 1e-3, "{audit}");
        assert!(count("missed_low") < 0.25 && count("missed_high") > 0.25, "{audit}");
        ["drawn", "labelled", "fraud", "missed"].map(count)
    };
    assert_eq!(said(&told["audit"]), [8.0, 8.0, 2.0, 0.25]);
    let (data, out) = (text(&data), text(&at("report")));
    let line = ["assess", "--data", &data, "--candidate", &registry, "--out", &out, "--audit", &by_lot, "--json"];
    let told = truestream(&[&line[..], &["--", "--every", "24h", "--windows", "24h,7d,28d"]].concat());
    assert!(matches!(told.code, Some(0 | 3)), "{told:?}");
    assert_eq!(said(&told.json()["audit"]), [8.0, 8.0, 2.0, 0.25]);
}

#[test]
fn how_long_it_took_is_counted_from_what_spoke_first_to_the_verdict() {
    let folder = TempDir::new().expect("a folder");
    let state = folder.path().join("state");
    let service = Service::start(&state, &["--ids", "number", "--time", "told"]);
    let set = |view: &str| -> BTreeSet<Vec<String>> {
        texts(&service, &format!("SELECT subject, subject_id FROM {view}")).into_iter().collect()
    };
    // Every instant is looked at here.
    let looked = |until: i64| {
        let (file, deadline) = (state.join("trends.json"), Instant::now() + Duration::from_secs(60));
        let words = format!("\"as_of\":{until}");
        while !std::fs::read_to_string(&file).is_ok_and(|text| text.contains(&words)) {
            assert!(Instant::now() < deadline, "nobody looks: {}", service.running.err());
            sleep(Duration::from_millis(20));
        }
    };
    // At first nothing speaks against anybody: of those against whom it does then nobody knows since when.
    let requests = requests();
    let first = requests.iter().find_map(|(.., until)| *until).expect("an instant") - EVERY_MS;
    tell(&service, first);
    looked(first);
    let mut speaks: BTreeMap<Vec<String>, i64> = BTreeMap::new();
    let mut judged = BTreeSet::new();
    let mut hours: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for (table, rows, until) in requests {
        let header = until.map_or(String::new(), |until| format!("Truestream-Until: {until}\r\n"));
        let headers = format!("Content-Type: application/vnd.apache.arrow.stream\r\n{header}");
        assert_eq!(service.ask(&format!("POST /v1/{table}"), &headers, &stream(&rows)).expect("an answer").0, 200);
        let Some(until) = until else { continue };
        service.wait_as_of(until);
        looked(until);
        let (risks, verdicts) = (set("risk"), set("verdict"));
        speaks.retain(|who, _| risks.contains(who));
        risks.into_iter().for_each(|who| _ = speaks.entry(who).or_insert(until));
        for who in verdicts.difference(&judged) {
            let found = speaks.get(who).map(|from| (until - from) as f64 / 3_600_000.0);
            hours.entry(who[0].clone()).or_default().extend(found);
        }
        judged = verdicts;
    }
    let rita = visitor(&service, &state, "rita", "reviewer");
    let told = |hours: f64| if hours < 48.0 { format!("{hours:.0} h") } else { format!("{:.0} d", hours / 24.0) };
    let expected = hours.into_iter().map(|(kind, mut hours)| {
        hours.sort_by(f64::total_cmp);
        let within = |tenths: usize| told(hours[(hours.len() * tenths).div_ceil(10) - 1]);
        vec![kind, hours.len().to_string(), within(5), within(9)]
    });
    let expected: Vec<_> = expected.collect();
    assert!(expected.iter().any(|row| row[3] != "0 h"), "{expected:?}");
    assert_eq!(table(&rita.get("/desk/overview").body, "From the first instant"), expected);
}

#[test]
fn an_area_has_people_of_its_own_until_none_of_them_is_left() {
    let folder = TempDir::new().expect("a folder");
    let state = folder.path().join("state");
    let policy = folder.path().join("kept");
    std::fs::create_dir(&policy).expect("a folder");
    std::fs::write(policy.join("policy.toml"), "version = \"kept\"").expect("written");
    let review = "[areas.behaviour]\npeople = [\"rita\", \"rick\", \"gone\"]\n[areas.rules]\npeople = [\"gone\"]\n";
    std::fs::write(policy.join("review.toml"), review).expect("written");
    let service = Service::following_with(&state, world(), &["--policy", &text(&policy)]);
    let [rita, rick, carl] = ["rita", "rick", "carl"].map(|name| visitor(&service, &state, name, "reviewer"));
    let anna = visitor(&service, &state, "anna", "admin");
    let count = |who: &Visitor, filter: &str| who.get(&format!("/desk?{filter}")).count();
    let [all, behaviour, mine] = ["", "area=behaviour", "area=mine"].map(|filter| count(&carl, filter));
    assert!(behaviour > 0 && mine == all - behaviour && count(&rita, "area=mine") == all, "{all} {behaviour} {mine}");

    // Whoever is not named looks, keeps nobody from it, and decides nothing; an admin does.
    let cases = rita.get("/desk?subject=account&verdict=block&area=behaviour");
    let [case, other] = [0, 1].map(|place| cases.cases()[place].to_owned());
    let page = carl.get(&format!("/desk/case/{case}")).body;
    assert!(page.contains("The policy keeps <strong>behaviour</strong> for rick, rita"), "{page}");
    assert!(page.contains("<fieldset disabled>"), "{page}");
    let refused = carl.decide(&case, "override", "fans");
    assert!(refused.status == 409 && refused.body.contains("keeps behaviour for rick, rita"), "{}", refused.body);
    assert!(!rita.get(&format!("/desk/case/{case}")).body.contains("looks at it"));
    assert_eq!(anna.decide(&other, "confirm", "").status, 303);

    // Two of them agree; while the one is left, it is the other's. Whom nobody is left of the named for, anybody takes.
    assert_eq!(rita.decide(&case, "override", "fans").status, 303);
    assert_eq!(carl.decide(&case, "override", "fans").status, 409);
    assert!(!anna.get("/desk/overview").body.contains("nobody of their area is left"));
    truestream(&["user", "--state", &text(&state), "remove", "rick"]).good();
    let told = anna.get("/desk/overview").body;
    for said in ["<strong>1</strong> wait for a second person", "Nobody is left: everybody takes it", "gone, rick"] {
        assert!(told.contains(said), "{said} is not in {told}");
    }
    assert_eq!(carl.decide(&case, "override", "fans").status, 303);
    assert!(anna.get("/desk?decided=1").cases().contains(&case.as_str()));
    // What comes next is of no area that has people of its own.
    let first = carl.get("/desk?area=mine").cases().first().map(|case| format!("/desk/case/{case}"));
    if let Some(first) = first {
        let next = carl.decide(first.trim_start_matches("/desk/case/"), "skip", "");
        let place = next.header("location").expect("a way on").to_owned();
        let page = carl.get(place.split('?').next().expect("a path")).body;
        assert!(!page.contains("The policy keeps"), "{page}");
    }
    drop(rick);
}
