//! A browser at the desk: Chromium without a window, driven as the WebDriver standard of the W3C says, which is HTTP and JSON.
//!
//! ```text
//! test ──▶ chromedriver ──▶ chromium ──▶ service
//! ```
//!
//! Where there is none, tests say so and pass: `ops/browser.sh` installs one. `TRUESTREAM_SCREENSHOTS=DIR` keeps pictures of each page.

mod hostile;
mod keys;
mod links;
mod paths;
mod players;

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::OnceLock;
use std::thread::sleep;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;
use ureq::Agent;

use crate::alive::Service;
use crate::data::text;
use crate::process::truestream;

/// No page of a small world takes so long, not even on a machine that does ten other things.
const COMES_WITHIN: Duration = Duration::from_secs(60);
/// What people have before them: a small laptop and a larger one.
const SIZES: [(u32, u32); 2] = [(1280, 720), (1440, 900)];
/// The version that `ops/browser.sh` brings.
const AXE: &str = "axe-core-4.14.1";
/// How the standard names the reference to an element.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// Keys that have no letter, as the standard numbers them.
pub const TAB: char = '\u{e004}';
/// See [`TAB`].
pub const ENTER: char = '\u{e007}';
/// See [`TAB`].
pub const SHIFT: char = '\u{e008}';
/// See [`TAB`].
pub const ESCAPE: char = '\u{e00c}';

/// Whether pages may run scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scripts {
    /// As people have it.
    On,
    /// Somebody switched them off.
    Off,
}

/// A browser of its own, which knows nobody. It ends with the test.
pub struct Browser {
    driver: Child,
    // The driver ends when nobody listens to it.
    _says: BufReader<ChildStdout>,
    agent: Agent,
    /// The address of the session.
    session: String,
    /// Where the desk is.
    desk: String,
    scripts: Scripts,
}

/// A service with a world in it.
pub struct House {
    /// The service.
    pub service: Service,
    // It goes after the service.
    folder: TempDir,
}

impl House {
    /// Starts one that was told the whole world.
    pub fn of(world: &Path) -> House {
        let folder = TempDir::new().expect("a folder");
        let service = Service::following(&folder.path().join("state"), world);
        House { service, folder }
    }

    /// Somebody who may come in; the password.
    pub fn password(&self, name: &str, role: &str) -> String {
        let state = text(&self.folder.path().join("state"));
        let added = truestream(&["user", "--state", &state, "add", name, "--role", role]).good();
        added.out.split_whitespace().last().expect("a password").to_owned()
    }
}

/// Whether there is a browser that can be driven; says so once where there is none.
pub fn is_there() -> bool {
    static THERE: OnceLock<bool> = OnceLock::new();
    *THERE.get_or_init(|| {
        let runs =
            |program: &str| Command::new(program).arg("--version").output().is_ok_and(|ran| ran.status.success());
        let is_there = runs("chromium") && runs("chromedriver");
        if !is_there {
            // Past what the harness keeps of tests that pass.
            let _ = writeln!(std::io::stderr(), "skipped: no browser (ops/browser.sh installs one)");
        }
        is_there
    })
}

/// The program of axe-core; says so once where it is not there.
fn axe() -> Option<&'static str> {
    static AXE_IS: OnceLock<Option<String>> = OnceLock::new();
    let read = || {
        let folder = std::env::var_os("TRUESTREAM_AXE").map(PathBuf::from).or_else(|| {
            let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
            let cache = cache.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")))?;
            Some(cache.join("truestream").join(AXE))
        });
        let program = folder.and_then(|folder| std::fs::read_to_string(folder.join("axe.min.js")).ok());
        if program.is_none() {
            let _ = writeln!(std::io::stderr(), "skipped: no axe-core (ops/browser.sh brings it)");
        }
        program
    };
    AXE_IS.get_or_init(read).as_deref()
}

impl Browser {
    /// A new one before this service.
    pub fn open(house: &House, scripts: Scripts) -> Browser {
        let mut command = Command::new("chromedriver");
        command.arg("--port=0").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut driver = command.spawn().expect("it is there");
        let mut says = BufReader::new(driver.stdout.take().expect("a pipe"));
        let port = loop {
            let mut line = String::new();
            assert!(says.read_line(&mut line).expect("text") > 0, "chromedriver ended before it listened");
            if let Some((_, port)) = line.trim_end().trim_end_matches('.').split_once("successfully on port ") {
                break port.to_owned();
            }
        };
        let agent: Agent =
            Agent::config_builder().http_status_as_error(false).timeout_global(Some(2 * COMES_WITHIN)).build().into();
        let mut browser = Browser {
            driver,
            _says: says,
            agent,
            session: format!("http://127.0.0.1:{port}/session"),
            desk: format!("http://{}", house.service.address),
            scripts,
        };
        let javascript = if scripts == Scripts::On { 1 } else { 2 };
        let options = json!({
            // Who runs tests as root, or in a container, has no sandbox; the pages are ours.
            "args": ["--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--no-first-run", "--lang=en"],
            "prefs": {"profile.managed_default_content_settings.javascript": javascript},
        });
        let wanted = json!({
            "browserName": "chrome",
            "goog:chromeOptions": options,
            "goog:loggingPrefs": {"browser": "ALL"},
            // A page that says something in a window of its own is found at the next step, which fails.
            "unhandledPromptBehavior": "ignore",
        });
        let begun = browser.post("", &json!({"capabilities": {"alwaysMatch": wanted}})).expect("a session");
        browser.session = format!("{}/{}", browser.session, begun["sessionId"].as_str().expect("its name"));
        let limit = COMES_WITHIN.as_millis();
        browser.post("/timeouts", &json!({"script": limit, "pageLoad": limit})).expect("limits");
        browser.resize(SIZES[0]);
        browser
    }

    fn post(&self, place: &str, body: &Value) -> Result<Value, String> {
        let asked = self.agent.post(format!("{}{place}", self.session)).header("Content-Type", "application/json");
        told(asked.send(body.to_string()))
    }

    fn get(&self, place: &str) -> Result<Value, String> {
        told(self.agent.get(format!("{}{place}", self.session)).call())
    }

    /// A command of the protocol of Chromium's developer tools.
    fn command(&self, name: &str, parameters: &Value) -> Value {
        let said = self.post("/goog/cdp/execute", &json!({"cmd": name, "params": parameters}));
        said.unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    fn resize(&self, (width, height): (u32, u32)) {
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        self.command("Emulation.setDeviceMetricsOverride", &size);
    }

    /// Goes to a page of the service.
    pub fn goto(&self, place: &str) {
        self.post("/url", &json!({"url": format!("{}{place}", self.desk)})).expect("a page");
    }

    /// Where it is, as a path with its question.
    pub fn place(&self) -> String {
        let url = self.get("/url").expect("an address");
        let url = url.as_str().expect("a text");
        url.strip_prefix(&self.desk).unwrap_or_else(|| panic!("{url} is not of the service")).to_owned()
    }

    /// What a script says that runs on the page. It needs no leave of the page, and none to run scripts.
    pub fn run(&self, script: &str, arguments: &[Value]) -> Value {
        let said = self.post("/execute/sync", &json!({"script": script, "args": arguments}));
        said.unwrap_or_else(|error| panic!("{script}: {error}"))
    }

    /// The elements that a CSS selector finds.
    fn all(&self, selector: &str) -> Result<Vec<String>, String> {
        let found = self.post("/elements", &json!({"using": "css selector", "value": selector}))?;
        let found = found.as_array().into_iter().flatten();
        Ok(found.filter_map(|element| element[ELEMENT].as_str().map(str::to_owned)).collect())
    }

    /// How many elements there are.
    pub fn count(&self, selector: &str) -> usize {
        self.all(selector).expect("a page").len()
    }

    /// The first such element, as soon as it is there.
    fn find(&self, selector: &str) -> String {
        let found = || self.all(selector).ok()?.into_iter().next();
        wait(found).unwrap_or_else(|| panic!("no {selector} at {}: {}", self.place(), self.text("body")))
    }

    /// What people read of the first such element.
    pub fn text(&self, selector: &str) -> String {
        let told = self.get(&format!("/element/{}/text", self.find(selector))).expect("an element");
        told.as_str().expect("a text").to_owned()
    }

    /// What people read of each such element.
    pub fn texts(&self, selector: &str) -> Vec<String> {
        let text = |element: &String| self.get(&format!("/element/{element}/text")).expect("an element");
        self.all(selector)
            .expect("a page")
            .iter()
            .map(text)
            .map(|text| text.as_str().unwrap_or("").to_owned())
            .collect()
    }

    /// Asserts that the page says so.
    pub fn says(&self, words: &str) {
        let text = self.text("body");
        assert!(text.contains(words), "no {words:?} at {}: {text}", self.place());
    }

    /// Clicks on the first such element.
    pub fn click(&self, selector: &str) {
        let clicked = self.post(&format!("/element/{}/click", self.find(selector)), &json!({}));
        clicked.unwrap_or_else(|error| panic!("{selector}: {error}"));
    }

    /// Types into the first such element.
    pub fn fill(&self, selector: &str, text: &str) {
        let typed = self.post(&format!("/element/{}/value", self.find(selector)), &json!({"text": text}));
        typed.unwrap_or_else(|error| panic!("{selector}: {error}"));
    }

    /// Presses keys, one after the other, wherever the page has its focus.
    pub fn press(&self, keys: impl IntoIterator<Item = char>) {
        let stroke = |key: char| [json!({"type": "keyDown", "value": key}), json!({"type": "keyUp", "value": key})];
        self.strike(keys.into_iter().flat_map(stroke).collect());
    }

    /// Presses a key while Shift is down.
    pub fn press_with_shift(&self, key: char) {
        let (down, up) = ("keyDown", "keyUp");
        let strokes = [(down, SHIFT), (down, key), (up, key), (up, SHIFT)];
        self.strike(strokes.map(|(way, key)| json!({"type": way, "value": key})).to_vec());
    }

    fn strike(&self, strokes: Vec<Value>) {
        let keyboard = json!({"actions": [{"type": "key", "id": "keyboard", "actions": strokes}]});
        self.post("/actions", &keyboard).expect("a keyboard");
    }

    /// Does what leads to another page, and waits until that is there.
    pub fn leads_on(&self, act: impl FnOnce(&Browser)) {
        let before = self.find("html");
        act(self);
        let is_gone = || self.get(&format!("/element/{before}/name")).err();
        assert!(wait(is_gone).is_some(), "still at {}: {}", self.place(), self.text("body"));
        self.find("main");
    }

    /// Logs in on the page of the login.
    pub fn log_in(&self, name: &str, password: &str) {
        self.goto("/desk/login");
        self.fill("#name", name);
        self.fill("#password", password);
        self.leads_on(|page| page.click(".login button"));
        assert_eq!(self.place(), "/desk", "{}", self.text("body"));
    }

    /// Looks at the page in both themes and sizes: nothing runs out of it, axe-core finds nothing serious, and pictures are taken where
    /// somebody wants them.
    pub fn look(&self, name: &str) {
        let pictures = std::env::var_os("TRUESTREAM_SCREENSHOTS").map(PathBuf::from);
        for theme in ["light", "dark"] {
            let features = json!({"features": [{"name": "prefers-color-scheme", "value": theme}]});
            self.command("Emulation.setEmulatedMedia", &features);
            for (width, height) in SIZES {
                self.resize((width, height));
                let over = self.run("return document.documentElement.scrollWidth - innerWidth", &[]);
                assert!(over.as_i64() <= Some(0), "{name} is {over} px too wide at {width}x{height}");
                if let Some(folder) = &pictures {
                    std::fs::create_dir_all(folder).expect("a folder");
                    self.picture(false, &folder.join(format!("{name}-{theme}-{width}x{height}.png")));
                }
            }
            self.resize(SIZES[0]);
            if let Some(folder) = &pictures {
                self.picture(true, &folder.join(format!("{name}-{theme}-whole.png")));
            }
            let found = self.barriers();
            assert!(found.is_empty(), "{name}, {theme}: {found:#?}");
        }
    }

    fn picture(&self, is_whole: bool, file: &Path) {
        let how = json!({"format": "png", "captureBeyondViewport": is_whole});
        let taken = self.command("Page.captureScreenshot", &how);
        let bytes = BASE64_STANDARD.decode(taken["data"].as_str().expect("a picture")).expect("base64");
        std::fs::write(file, bytes).expect("a file");
    }

    /// What axe-core finds serious or critical.
    fn barriers(&self) -> Vec<String> {
        let Some(axe) = axe().filter(|_| self.scripts == Scripts::On) else { return Vec::new() };
        self.run(axe, &[]);
        let script = "
            const done = arguments[arguments.length - 1];
            const grave = (found) => ['serious', 'critical'].includes(found.impact);
            const told = (found) => `${found.id}: ${found.nodes.slice(0, 3).map((node) => `${node.html} ${node.failureSummary}`).join(' | ')}`;
            axe.run(document, { resultTypes: ['violations'] })
                .then((all) => done(all.violations.filter(grave).map(told)), (error) => done([String(error)]));";
        let found = self.post("/execute/async", &json!({"script": script, "args": []})).expect("an answer");
        found.as_array().into_iter().flatten().map(|found| found.as_str().unwrap_or("?").to_owned()).collect()
    }

    /// Asserts that nothing went wrong on the pages since the last time: no error of a script, nothing that the content security policy refused,
    /// nothing that is not there. Pages that refuse something say so with their status.
    pub fn was_quiet(&self) {
        let told = self.post("/se/log", &json!({"type": "browser"})).expect("a log");
        let is_refusal = |message: &str| {
            message.contains("the server responded with a status of 4")
                && !message.contains("/static/")
                && (message.contains("/desk") || message.contains("/appeal/"))
        };
        let told = told.as_array().cloned().unwrap_or_default();
        let messages = told.iter().map(|entry| entry["message"].as_str().unwrap_or_default());
        let wrong: Vec<&str> = messages.filter(|message| !is_refusal(message)).collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
    }
}

/// What the driver says.
fn told(answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Result<Value, String> {
    let text = answer.and_then(|mut answer| answer.body_mut().read_to_string()).map_err(|error| error.to_string())?;
    let mut told: Value = serde_json::from_str(&text).map_err(|error| format!("{error}: {text}"))?;
    let value = told["value"].take();
    match value["error"].as_str() {
        Some(error) => Err(format!("{error}: {}", value["message"].as_str().unwrap_or_default())),
        None => Ok(value),
    }
}

/// Asks until there is something.
fn wait<T>(mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let until = Instant::now() + COMES_WITHIN;
    loop {
        let found = ask();
        if found.is_some() || Instant::now() > until {
            return found;
        }
        sleep(Duration::from_millis(30));
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The browser goes with its session, the driver by itself.
        let _ = self.agent.delete(&self.session).call();
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}
