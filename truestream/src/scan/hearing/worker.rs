//! `truestream decode-worker`: the process that decodes. `truestream scan` starts it; nobody else has a use for it.

use std::fs::File;
use std::io::{self, IoSliceMut, Write};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use clap::Args;
use datasets::audio::{Cause, Facts, Limits, Undecodable, decode_into};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use rustix::process::{Signal, set_parent_process_death_signal};
use rustix::stdio::{stdin, stdout};
use rustix::time::{ClockId, clock_gettime};

use super::confine::{close_inherited, confine};
use super::wire::{Answer, Teller};
use crate::exit::Failure;

/// Decodes the files that come through standard input, for `truestream scan`.
#[derive(Args, Clone, Debug)]
pub struct WorkerArgs {
    /// The limits, as JSON.
    #[arg(long)]
    limits: String,
}

/// Decodes until no more files come.
///
/// # Errors
/// When the other end is gone, or is no scan.
pub fn run(args: &WorkerArgs) -> Result<(), Failure> {
    let limits = serde_json::from_str(&args.limits);
    let limits: Limits = limits.map_err(|error| Failure::Usage(format!("--limits: {error}")))?;
    let inherited = close_inherited();
    // Whoever asked is gone: so is the question.
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(|error| Failure::Output(error.to_string()))?;
    // The first look at a clock asks the kernel where clocks are; later looks need not.
    let _ = cpu_used();
    let guards = [vec![inherited], confine()].concat();
    let mut teller = Teller::new(Pipe);
    let told = teller.hello(&guards).and_then(|()| work(&limits, &mut teller));
    told.map_err(|error| Failure::Output(format!("the pipe of the scan: {error}")))
}

fn work(limits: &Limits, teller: &mut Teller<Pipe>) -> io::Result<()> {
    while let Some(file) = next_file()? {
        let heard = catch_unwind(AssertUnwindSafe(|| hear(file, limits, teller)));
        let heard = heard.unwrap_or_else(|panic| Err(Undecodable::new(Cause::DecoderPanicked, words_of(&*panic))));
        teller.answer(&Answer { heard, cpu: cpu_used() })?;
    }
    Ok(())
}

fn hear(file: OwnedFd, limits: &Limits, teller: &mut Teller<Pipe>) -> Result<Facts, Undecodable> {
    decode_into(File::from(file), limits, &mut |samples| teller.samples(samples))
}

/// What a panic said.
pub fn words_of(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic without words".to_owned())
}

/// The next file, open; `None` once the other end is closed.
fn next_file() -> io::Result<Option<OwnedFd>> {
    let mut byte = [0];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut into = [IoSliceMut::new(&mut byte)];
    let received = loop {
        match recvmsg(stdin(), &mut into, &mut ancillary, RecvFlags::CMSG_CLOEXEC) {
            Err(rustix::io::Errno::INTR) => (),
            received => break received?,
        }
    };
    if received.bytes == 0 {
        return Ok(None);
    }
    let files = ancillary.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut files) => files.next(),
        _ => None,
    });
    files.map(Some).ok_or_else(|| io::Error::other("a message without a file"))
}

fn cpu_used() -> Duration {
    let used = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(used.tv_sec.unsigned_abs(), u32::try_from(used.tv_nsec).unwrap_or(0))
}

/// Standard output without the lock and the lines of the standard library.
struct Pipe;

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(rustix::io::write(stdout(), bytes)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
