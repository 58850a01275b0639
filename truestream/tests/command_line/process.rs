//! Runs the binary and waits for it, but not for ever.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use tempfile::NamedTempFile;

/// No run of a small world takes so long.
const END_WITHIN: Duration = Duration::from_secs(300);

/// What a process left when it ended.
#[derive(Debug)]
pub struct Ran {
    /// Its exit code; `None` when it was killed.
    pub code: Option<i32>,
    /// What it wrote to standard output.
    pub out: String,
    /// What it wrote to standard error.
    pub err: String,
}

/// A process that runs; it is killed with the test.
pub struct Running {
    child: Child,
    out: NamedTempFile,
    err: NamedTempFile,
}

/// Runs `truestream` to its end.
pub fn truestream(line: &[&str]) -> Ran {
    start(line).end()
}

/// Starts `truestream`.
pub fn start(line: &[&str]) -> Running {
    let mut command = Command::new(env!("CARGO_BIN_EXE_truestream"));
    command.args(line);
    start_command(command)
}

/// Starts `truestream` behind a line of shell, which ends in `exec "$@"`.
pub fn start_behind(shell: &str, line: &[&str]) -> Running {
    let mut command = Command::new("sh");
    command.args(["-c", shell, "sh", env!("CARGO_BIN_EXE_truestream")]).args(line);
    start_command(command)
}

/// Starts a command whose streams and code are to be looked at.
pub fn start_command(mut command: Command) -> Running {
    let stream = || NamedTempFile::new().expect("a temporary file");
    let (out, err) = (stream(), stream());
    let to = |file: &NamedTempFile| Stdio::from(file.reopen().expect("a second handle"));
    // A panic is looked for in what it prints first; its backtrace takes time and says nothing more.
    command.stdin(Stdio::null()).stdout(to(&out)).stderr(to(&err)).env("RUST_BACKTRACE", "0");
    Running { child: command.spawn().expect("the binary starts"), out, err }
}

impl Running {
    /// Waits until it ends by itself.
    pub fn end(mut self) -> Ran {
        let until = Instant::now() + END_WITHIN;
        loop {
            if let Some(status) = self.child.try_wait().expect("it is our child") {
                let ran = Ran { code: status.code(), out: self.out(), err: self.err() };
                assert!(!ran.err.contains("panicked"), "a panic: {ran:?}");
                return ran;
            }
            assert!(Instant::now() < until, "still running after {END_WITHIN:?}: {} {}", self.out(), self.err());
            sleep(Duration::from_millis(5));
        }
    }

    /// Whether it runs still.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("it is our child").is_none()
    }

    /// Waits until something is so.
    pub fn wait_until(&mut self, what: &str, is_so: impl Fn(&Running) -> bool) {
        let until = Instant::now() + END_WITHIN;
        while !is_so(self) {
            assert!(Instant::now() < until && self.is_running(), "never {what}: {} {}", self.out(), self.err());
            sleep(Duration::from_millis(5));
        }
    }

    /// The processes that it started and that run.
    pub fn children(&self) -> Vec<u32> {
        let own = self.child.id();
        let told = std::fs::read_to_string(format!("/proc/{own}/task/{own}/children")).unwrap_or_default();
        told.split_whitespace().filter_map(|id| id.parse().ok()).collect()
    }

    /// Ends it without asking while others look at it: SIGKILL.
    pub fn kill_now(&self) {
        let process = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(process, rustix::process::Signal::KILL).expect("it is our child");
    }

    /// Ends it without asking: SIGKILL.
    pub fn kill(mut self) {
        self.child.kill().expect("it is our child");
        self.child.wait().expect("it is our child");
    }

    /// Asks it to end: SIGTERM.
    pub fn ask_to_end(&self) {
        let process = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(process, rustix::process::Signal::TERM).expect("it is our child");
    }

    /// What it has written to standard output.
    pub fn out(&self) -> String {
        whole(&self.out)
    }

    /// What it has written to standard error.
    pub fn err(&self) -> String {
        whole(&self.err)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn whole(stream: &NamedTempFile) -> String {
    String::from_utf8_lossy(&std::fs::read(stream.path()).expect("a temporary file")).into_owned()
}

impl Ran {
    /// Asserts that it ended well.
    #[track_caller]
    pub fn good(self) -> Ran {
        assert_eq!(self.code, Some(0), "{self:?}");
        self
    }

    /// Asserts that it failed with the code and said all of this.
    #[track_caller]
    pub fn failed(self, code: i32, says: &[&str]) -> Ran {
        assert_eq!(self.code, Some(code), "{self:?}");
        for word in says {
            assert!(self.err.contains(word), "nothing of `{word}` in {self:?}");
        }
        self
    }

    /// Standard output as JSON.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// The files of a folder by name.
pub fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let Ok(entries) = std::fs::read_dir(folder) else { return BTreeMap::new() };
    let entries = entries.map(|entry| entry.expect("an entry"));
    entries.map(|entry| (name_of(&entry.path()), std::fs::read(entry.path()).expect("a file"))).collect()
}

/// The names of the files of a folder.
pub fn names(folder: &Path) -> Vec<String> {
    files(folder).into_keys().collect()
}

/// Asserts that two folders hold the same bytes.
#[track_caller]
pub fn assert_same(what: &str, one: &BTreeMap<String, Vec<u8>>, other: &BTreeMap<String, Vec<u8>>) {
    assert!(!one.is_empty(), "{what}: nothing to compare");
    assert_eq!(one.keys().collect::<Vec<_>>(), other.keys().collect::<Vec<_>>(), "{what}: other files");
    for (name, bytes) in one {
        assert!(*bytes == other[name], "{what}: {name} differs");
    }
}

fn name_of(path: &Path) -> String {
    path.file_name().expect("an entry has a name").to_string_lossy().into_owned()
}
