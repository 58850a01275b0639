//! People decide at the desk: who may, what they see, and what becomes of it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;

use arrow::array::AsArray;
use tempfile::TempDir;

use crate::alive::Service;
use crate::data::{text, world};
use crate::process::truestream;

/// Somebody with a browser.
struct Visitor<'a> {
    service: &'a Service,
    cookie: String,
}

/// What came back.
struct Page {
    status: u16,
    head: String,
    body: String,
}

impl Page {
    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    /// The value of a hidden field.
    fn field(&self, name: &str) -> &str {
        let from = self.body.split(&format!("name=\"{name}\" value=\"")).nth(1);
        from.and_then(|rest| rest.split('"').next()).unwrap_or_else(|| panic!("no {name} in {}", self.body))
    }

    /// The addresses of all cases on it.
    fn cases(&self) -> Vec<&str> {
        self.body.split("href=\"/desk/case/").skip(1).filter_map(|rest| rest.split('"').next()).collect()
    }
}

impl Visitor<'_> {
    fn ask(&self, line: &str, body: &str) -> Page {
        let mut stream = TcpStream::connect(&self.service.address).expect("it listens");
        let head = format!(
            "{line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nCookie: other=1; {}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
            self.cookie,
            body.len()
        );
        stream.write_all(head.as_bytes()).expect("it is read");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("text");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        Page { status: head[9..12].parse().expect("a status"), head: head.to_owned(), body: body.to_owned() }
    }

    fn get(&self, place: &str) -> Page {
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
    fn decide(&self, case: &str, choice: &str, reason: &str) -> Page {
        let page = self.get(&format!("/desk/case/{case}"));
        assert_eq!(page.status, 200, "{case}: {}", page.body);
        let fields = ["form_key", "subject", "id", "verdict"].map(|name| format!("{name}={}", page.field(name)));
        self.ask("POST /desk/decide", &format!("{}&choice={choice}&reason={reason}&note=seen", fields.join("&")))
    }
}

fn visitor<'a>(service: &'a Service, state: &Path, name: &str, role: &str) -> Visitor<'a> {
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
    let mut service = Service::start(&state, &["--follow", &text(world())]);
    service.running.wait_until("followed", |running| running.err().contains("Followed to the end"));
    service.wait_until_stated();

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
        (&["rita", "rita"].map(str::to_owned)[..], &["override", "confirm"].map(str::to_owned)[..])
    );
    assert!(["final", "waits"].contains(&standing[0].as_str()) && standing[1] == "undone", "{standing:?}");

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
