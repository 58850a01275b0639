//! Who is confined can reach nothing: each thing that a decoder in a stranger's hands might try is tried, in a process of
//! its own, which is this test run again.

use std::fs::File;
use std::io::Read;
use std::net::TcpStream;
use std::os::unix::net::UnixDatagram;
use std::process::{Command, ExitStatus};

use truestream::scan::hearing::{close_inherited, confine};

/// Names what the process that is confined tries.
const TRIES: &str = "TRUESTREAM_TEST_TRIES";

/// Names the descriptor that a process is born with.
const BORN_WITH: &str = "TRUESTREAM_TEST_BORN_WITH";

/// Whether this process has the descriptor open.
fn has_open(descriptor: &str) -> bool {
    std::fs::symlink_metadata(format!("/proc/self/fd/{descriptor}")).is_ok()
}

/// Runs as the process that closes what it was born with when asked to, and is nothing otherwise.
#[test]
fn process_that_closes() {
    let Ok(descriptor) = std::env::var(BORN_WITH) else { return };
    if !has_open(&descriptor) {
        std::process::exit(42);
    }
    let guard = close_inherited();
    println!("{guard:?}");
    std::process::exit(if guard.in_force && !has_open(&descriptor) && has_open("0") { 0 } else { 41 });
}

#[test]
#[cfg(target_os = "linux")]
fn a_file_that_somebody_left_open_is_closed() {
    use std::os::fd::AsRawFd;
    let secret = tempfile::tempfile().expect("a file");
    rustix::io::fcntl_setfd(&secret, rustix::io::FdFlags::empty()).expect("it is passed on");
    let mut command = Command::new(std::env::current_exe().expect("this test has a path"));
    command.args(["--exact", "process_that_closes", "--nocapture", "--test-threads", "1"]);
    let ended = command.env(BORN_WITH, secret.as_raw_fd().to_string()).output().expect("this test runs again");
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
}

/// Runs as the confined process when asked to, and is nothing otherwise.
#[test]
fn confined_process() {
    let Ok(tries) = std::env::var(TRIES) else { return };
    let mut open = File::open("/proc/self/status").expect("files can be opened before");
    let guards = confine();
    let all_hold = guards.iter().all(|guard| guard.in_force);
    // What cannot be told by an exit code is told by none: exits are calls that may be made.
    if !all_hold && tries != "report" {
        std::process::exit(40);
    }
    let mut bytes = [0; 100];
    let done = match tries.as_str() {
        "report" => guards.iter().filter(|guard| !guard.in_force).map(|guard| println!("{guard:?}")).count() == 0,
        "read" => open.read(&mut bytes).is_ok_and(|count| count == bytes.len()),
        "memory" => vec![7_u8; 64 << 20].iter().map(|&byte| u64::from(byte)).sum::<u64>() == 7 << 26,
        "open" => File::open("/etc/passwd").is_ok(),
        "write" => File::create(std::env::temp_dir().join("truestream-was-not-confined")).is_ok(),
        "connect" => TcpStream::connect("127.0.0.1:9").is_ok(),
        "socket" => UnixDatagram::unbound().is_ok(),
        "exec" => Command::new("/bin/true").status().is_ok(),
        "signal" => {
            rustix::process::kill_process(rustix::process::getppid().expect("a parent"), rustix::process::Signal::USR1)
                .is_ok()
        }
        "thread" => std::thread::Builder::new().spawn(|| ()).is_ok(),
        other => panic!("nobody tries {other}"),
    };
    std::process::exit(if done { 0 } else { 41 });
}

fn tried(what: &str) -> ExitStatus {
    let this = std::env::current_exe().expect("this test has a path");
    let mut command = Command::new(this);
    command.args(["--exact", "confined_process", "--nocapture", "--test-threads", "1"]).env(TRIES, what);
    command.output().expect("this test runs again").status
}

#[test]
#[cfg(target_os = "linux")]
fn nothing_can_be_reached_and_work_can_be_done() {
    use std::os::unix::process::ExitStatusExt;
    if !tried("report").success() {
        println!("SKIPPED: this kernel has no Landlock or no seccomp");
        return;
    }
    for allowed in ["read", "memory"] {
        assert!(tried(allowed).success(), "{allowed}");
    }
    for forbidden in ["open", "write", "connect", "socket", "exec", "signal", "thread"] {
        let status = tried(forbidden);
        assert_eq!(status.signal(), Some(libc::SIGSYS), "{forbidden}: {status:?}");
    }
}
