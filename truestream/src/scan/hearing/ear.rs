//! The scan's side: keeps a decoder's process alive, within its allowance, and makes a [`Clip`] of what it says.

use std::fs::File;
use std::io::{self, IoSlice, Read, Seek, SeekFrom};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use datasets::audio::{Cause, Clip, Facts, Limits, Undecodable};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};

use super::confine::Guard;
use super::wire::{self, Answer, HEAD_BYTES, Message};

/// Files after which a decoder is replaced by a fresh one, so that what one file may have left behind is not for ever.
const FILES_PER_DECODER: u32 = 256;
/// No process takes so long to start, on however busy a machine.
const STARTED_WITHIN: Duration = Duration::from_secs(60);
/// A process that closed its pipe is about to end; one that does not is ended.
const DEAD_WITHIN: Duration = Duration::from_secs(5);
/// Bytes on the pipe: a second of sound, so that both sides work at once.
const PIPE_BYTES: usize = 256 << 10;
/// What a decoder may write to standard error, of which the last lines are read.
const LAST_WORDS: u64 = 1 << 10;
/// Samples for which room is kept from one file to the next: three minutes at 44.1 kHz. Fresh memory is cleared by the system before it is used.
const ROOM_KEPT: usize = 1 << 23;

/// What one file may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// Memory of the decoder, beyond what the program itself takes.
    pub memory_bytes: u64,
    /// CPU time for any file.
    pub cpu: Duration,
    /// CPU time for each MiB of the file on top.
    pub cpu_per_mib: Duration,
    /// How many times its CPU time a decoder may take by the clock.
    pub wall_factor: u32,
}

impl Default for Allowance {
    fn default() -> Allowance {
        Allowance {
            memory_bytes: 512 << 20,
            // Three hours of the slowest honest file that we know (Opus at 6 kbit/s, 8 MB) decode in under 40 s.
            cpu: Duration::from_secs(40),
            cpu_per_mib: Duration::from_secs(1),
            // Others use the machine too.
            wall_factor: 4,
        }
    }
}

impl Allowance {
    fn cpu_for(&self, bytes: u64) -> Duration {
        let mebibytes = u32::try_from(bytes >> 20).unwrap_or(u32::MAX);
        self.cpu.saturating_add(self.cpu_per_mib.saturating_mul(mebibytes))
    }
}

/// A recording, and what it cost to hear it.
#[derive(Debug)]
pub struct Heard {
    /// The recording, or why it is none.
    pub clip: Result<Clip, Undecodable>,
    /// CPU time of the decoder.
    pub cpu: Duration,
}

/// Hears one file after the other, through a process that is replaced when it dies.
pub struct Ear {
    program: Box<dyn Fn() -> Command + Send>,
    limits: Limits,
    allowance: Allowance,
    decoder: Option<Decoder>,
    guards: Vec<Guard>,
    /// Room for samples that somebody had and gave back.
    room: Vec<f32>,
}

impl Ear {
    /// An ear whose decoders are this program again.
    ///
    /// # Errors
    /// When the program does not know where it lies.
    pub fn new(limits: Limits, allowance: Allowance) -> io::Result<Ear> {
        let this = std::env::current_exe()?;
        let words = serde_json::to_string(&limits)?;
        let program = move || {
            let mut command = Command::new(&this);
            command.args(["decode-worker", "--limits", &words]);
            command
        };
        Ok(Ear::with_program(program, limits, allowance))
    }

    /// An ear with decoders of another kind.
    pub fn with_program(program: impl Fn() -> Command + Send + 'static, limits: Limits, allowance: Allowance) -> Ear {
        Ear { program: Box::new(program), limits, allowance, decoder: None, guards: Vec::new(), room: Vec::new() }
    }

    /// What protects us, as the latest decoder said.
    pub fn guards(&self) -> &[Guard] {
        &self.guards
    }

    /// Takes back the samples of a recording that is done with: the next one needs the room.
    pub fn take_back(&mut self, samples: Vec<f32>) {
        if samples.capacity() <= ROOM_KEPT {
            self.room = samples;
        }
    }

    /// Starts a decoder, to see whether that can be done at all.
    ///
    /// # Errors
    /// Why not.
    pub fn warm_up(&mut self) -> Result<(), String> {
        if self.decoder.is_none() {
            let decoder = Decoder::start((self.program)(), self.allowance.memory_bytes)?;
            self.guards = decoder.guards.clone();
            self.decoder = Some(decoder);
        }
        Ok(())
    }

    /// Hears a file of so many bytes.
    ///
    /// # Errors
    /// When no decoder can be started; whatever a file does is in [`Heard`].
    pub fn hear(&mut self, file: &File, bytes: u64) -> Result<Heard, String> {
        if bytes > self.limits.file_bytes_max {
            let reason = format!("{bytes} bytes; at most {} are read", self.limits.file_bytes_max);
            return Ok(Heard { clip: Err(Undecodable::new(Cause::TooBig, reason)), cpu: Duration::ZERO });
        }
        self.warm_up()?;
        let mut decoder = self.decoder.take().expect("it is warm");
        let cpu_before = decoder.cpu;
        let cpu_max = self.allowance.cpu_for(bytes);
        let room = std::mem::take(&mut self.room);
        match decoder.hear(file, &self.limits, room, cpu_max, self.allowance.wall_factor) {
            Ok(clip) => {
                let cpu = decoder.cpu.saturating_sub(cpu_before);
                decoder.files += 1;
                // One that panicked is in nobody knows which state.
                let is_sound = !matches!(&clip, Err(why) if why.cause == Cause::DecoderPanicked);
                if is_sound && decoder.files < FILES_PER_DECODER {
                    self.decoder = Some(decoder);
                }
                Ok(Heard { clip, cpu })
            }
            Err(fault) => Ok(Heard { clip: Err(decoder.end(fault, cpu_max)), cpu: Duration::ZERO }),
        }
    }
}

/// Why a decoder can no longer be used.
enum Fault {
    /// It is silent for too long.
    Late,
    /// It closed the pipe.
    Gone,
    /// What it says is no message.
    Garbled(String),
}

impl From<String> for Fault {
    fn from(what: String) -> Fault {
        Fault::Garbled(what)
    }
}

/// A process that decodes.
struct Decoder {
    child: Child,
    to: UnixStream,
    from: ChildStdout,
    errors: File,
    guards: Vec<Guard>,
    cpu: Duration,
    files: u32,
    message: Vec<u8>,
}

impl Decoder {
    fn start(mut command: Command, memory_bytes: u64) -> Result<Decoder, String> {
        let in_words = |error: io::Error| format!("no decoder can be started: {error}");
        let (to, stdin) = UnixStream::pair().map_err(in_words)?;
        let errors = tempfile::tempfile().map_err(in_words)?;
        command
            .env_clear()
            // Large areas that the allocator reserves ahead would count as memory; and it need not ask the system for nodes.
            .env("MIMALLOC_ARENA_RESERVE", "16MiB")
            .env("MIMALLOC_USE_NUMA_NODES", "1")
            .current_dir("/")
            .stdin(Stdio::from(OwnedFd::from(stdin)))
            .stdout(Stdio::piped())
            .stderr(Stdio::from(errors.try_clone().map_err(in_words)?));
        let mut child = command.spawn().map_err(in_words)?;
        let from = child.stdout.take().expect("it is piped");
        // A smaller pipe is slower and nothing else.
        let _ = rustix::pipe::fcntl_setpipe_size(&from, PIPE_BYTES);
        let (cpu, files) = (Duration::ZERO, 0);
        let mut decoder = Decoder { child, to, from, errors, guards: Vec::new(), cpu, files, message: Vec::new() };
        match decoder.listen(&mut Vec::new(), Instant::now() + STARTED_WITHIN) {
            Ok(Message::Hello(guards)) => decoder.guards = guards,
            Ok(_) => return Err(decoder.end(Fault::Garbled("no greeting".to_owned()), Duration::ZERO).to_string()),
            Err(fault) => return Err(decoder.end(fault, Duration::ZERO).to_string()),
        }
        decoder.limit_memory(memory_bytes)?;
        Ok(decoder)
    }

    /// Hands the file over and listens until the answer.
    fn hear(
        &mut self,
        file: &File,
        limits: &Limits,
        mut samples: Vec<f32>,
        cpu_max: Duration,
        wall_factor: u32,
    ) -> Result<Result<Clip, Undecodable>, Fault> {
        samples.clear();
        self.limit_cpu(self.cpu.saturating_add(cpu_max))?;
        self.send(file).map_err(|_| Fault::Gone)?;
        let until = Instant::now() + cpu_max.saturating_mul(wall_factor);
        loop {
            match self.listen(&mut samples, until)? {
                Message::Samples if samples.len() as u64 > limits.samples_kept_max => {
                    return Err(Fault::Garbled(format!("more than {} samples", limits.samples_kept_max)));
                }
                Message::Samples => (),
                Message::Hello(_) => return Err(Fault::Garbled("a second greeting".to_owned())),
                Message::Answer(answer) => {
                    let Answer { heard, cpu } = *answer;
                    self.cpu = cpu.max(self.cpu);
                    return match heard {
                        Ok(facts) => Ok(Ok(clip(samples, facts, limits)?)),
                        Err(why) => Ok(Err(shortened(why))),
                    };
                }
            }
        }
    }

    fn send(&self, file: &File) -> io::Result<()> {
        let files = [file.as_fd()];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        ancillary.push(SendAncillaryMessage::ScmRights(&files));
        sendmsg(&self.to, &[IoSlice::new(b"f")], &mut ancillary, SendFlags::NOSIGNAL)?;
        Ok(())
    }

    /// The next message; samples are appended.
    fn listen(&mut self, samples: &mut Vec<f32>, until: Instant) -> Result<Message, Fault> {
        let mut head = [0; HEAD_BYTES];
        read_exact(&mut self.from, &mut head, until)?;
        let length = wire::length_of(head)?;
        self.message.resize(length, 0);
        read_exact(&mut self.from, &mut self.message, until)?;
        Ok(wire::message(head[0], &self.message, samples)?)
    }

    /// Ends the process and says why it gave no answer.
    fn end(mut self, fault: Fault, cpu_max: Duration) -> Undecodable {
        if !matches!(fault, Fault::Gone) {
            let _ = self.child.kill();
        }
        let status = self.death();
        let last_words = self.last_words();
        match fault {
            Fault::Late => Undecodable::new(Cause::OutOfTime, "the decoder gave no answer in time and was ended"),
            Fault::Garbled(what) => Undecodable::new(Cause::Garbled, format!("the decoder's process sent {what}")),
            Fault::Gone => cause_of_death(status, &last_words, cpu_max),
        }
    }

    /// Waits for its death, which follows when it has closed the pipe, or is made to.
    fn death(&mut self) -> Option<ExitStatus> {
        let until = Instant::now() + DEAD_WITHIN;
        while Instant::now() < until {
            if let Some(status) = self.child.try_wait().ok()? {
                return Some(status);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        let _ = self.child.kill();
        self.child.wait().ok()
    }

    fn last_words(&mut self) -> String {
        let mut words = Vec::new();
        let end = self.errors.seek(SeekFrom::End(0)).unwrap_or(0);
        let _ = self.errors.seek(SeekFrom::Start(end.saturating_sub(LAST_WORDS)));
        let _ = (&self.errors).take(LAST_WORDS).read_to_end(&mut words);
        String::from_utf8_lossy(&words).trim().to_owned()
    }
}

impl Drop for Decoder {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn cause_of_death(status: Option<ExitStatus>, last_words: &str, cpu_max: Duration) -> Undecodable {
    let signal = status.and_then(|status| status.signal());
    let words = last_words.lines().last().unwrap_or("no words").chars().take(200).collect::<String>();
    if last_words.contains("memory allocation of") {
        return Undecodable::new(
            Cause::OutOfMemory,
            format!("the decoder wanted more memory than it may have: {words}"),
        );
    }
    match signal {
        Some(libc::SIGXCPU) => {
            let reason = format!("the decoder used more than {} s of CPU time", cpu_max.as_secs());
            Undecodable::new(Cause::OutOfCpuTime, reason)
        }
        Some(libc::SIGSYS) => {
            Undecodable::new(Cause::SandboxViolated, "the decoder made a system call that it may not make")
        }
        Some(signal) => {
            Undecodable::new(Cause::DecoderCrashed, format!("the decoder died of signal {signal}: {words}"))
        }
        None => {
            let code = status.and_then(|status| status.code()).map_or("no".to_owned(), |code| code.to_string());
            Undecodable::new(Cause::DecoderCrashed, format!("the decoder ended with exit code {code}: {words}"))
        }
    }
}

/// Believes nothing of what a decoder says: it may be in a stranger's hands.
fn clip(samples: Vec<f32>, facts: Facts, limits: &Limits) -> Result<Clip, Fault> {
    let kept = facts.frames.saturating_sub(limits.samples_passed).min(limits.samples_kept_max);
    let is_possible = samples.len() as u64 == kept
        && facts.frames > 0
        && (limits.rate_hz_min..=limits.rate_hz_max).contains(&facts.rate_hz)
        && (1..=limits.channels_max).contains(&facts.channels)
        && facts.levels.len() == usize::from(facts.channels)
        && facts.codec.len() + facts.container.len() < 100
        && samples.iter().all(|sample| sample.is_finite());
    if !is_possible {
        return Err(Fault::Garbled(format!("facts that cannot be: {} samples, {facts:?}", samples.len())));
    }
    Ok(Clip { samples, facts })
}

fn shortened(why: Undecodable) -> Undecodable {
    let reason = why.reason.chars().filter(|c| !c.is_control()).take(300).collect::<String>();
    Undecodable::new(why.cause, reason)
}

fn read_exact(from: &mut ChildStdout, mut into: &mut [u8], until: Instant) -> Result<(), Fault> {
    while !into.is_empty() {
        wait(from, until)?;
        match from.read(into) {
            Ok(0) => return Err(Fault::Gone),
            Ok(count) => into = &mut into[count..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => (),
            Err(error) => return Err(Fault::Garbled(format!("nothing that can be read: {error}"))),
        }
    }
    Ok(())
}

fn wait(from: &ChildStdout, until: Instant) -> Result<(), Fault> {
    loop {
        let left = until.checked_duration_since(Instant::now()).ok_or(Fault::Late)?;
        let left =
            Timespec { tv_sec: left.as_secs().min(1 << 30) as i64, tv_nsec: i64::from(left.subsec_nanos()) as _ };
        match poll(&mut [PollFd::new(from, PollFlags::IN)], Some(&left)) {
            Ok(0) => return Err(Fault::Late),
            Ok(_) => return Ok(()),
            Err(rustix::io::Errno::INTR) => (),
            Err(error) => return Err(Fault::Garbled(format!("nothing that can be waited for: {error}"))),
        }
    }
}

/// Limits put on the process from outside, where it cannot take them off.
#[cfg(target_os = "linux")]
impl Decoder {
    fn limit_memory(&mut self, bytes: u64) -> Result<(), String> {
        use rustix::process::Resource;
        // What the program itself has mapped when it begins is not the file's doing.
        let own = self.mapped_bytes().unwrap_or(bytes);
        let limits = [
            (Resource::As, own.saturating_add(bytes)),
            (Resource::Data, own.saturating_add(bytes)),
            (Resource::Fsize, 1 << 20),
            (Resource::Nofile, 16),
            (Resource::Core, 0),
        ];
        for (resource, most) in limits {
            self.limit(resource, most, most)
                .map_err(|error| format!("no limits can be put on the decoder: {error}"))?;
        }
        let says = format!("{} MiB of memory, CPU time by the size of the file, no new files", bytes >> 20);
        self.guards.push(Guard::holds("limits", says));
        Ok(())
    }

    fn limit_cpu(&self, until: Duration) -> Result<(), String> {
        // The limit is in whole seconds. The first step is a signal that says why; a second later comes the end.
        let most = until.as_secs() + 1;
        let limited = self.limit(rustix::process::Resource::Cpu, most, u64::MAX);
        limited.map_err(|error| format!("nothing, for no limits can be put on it: {error}"))
    }

    fn limit(&self, resource: rustix::process::Resource, current: u64, maximum: u64) -> io::Result<()> {
        use rustix::process::{Pid, Rlimit, getrlimit, prlimit};
        // Nobody but root may have more than was given to us.
        let given = getrlimit(resource).maximum.unwrap_or(u64::MAX);
        let most = |wanted: u64| Some(wanted.min(given)).filter(|&most| most != u64::MAX);
        let limit = Rlimit { current: most(current), maximum: most(maximum) };
        prlimit(Some(Pid::from_child(&self.child)), resource, limit)?;
        Ok(())
    }

    fn mapped_bytes(&self) -> Option<u64> {
        let statm = std::fs::read_to_string(format!("/proc/{}/statm", self.child.id())).ok()?;
        let pages: u64 = statm.split(' ').next()?.parse().ok()?;
        Some(pages * rustix::param::page_size() as u64)
    }
}

#[cfg(not(target_os = "linux"))]
impl Decoder {
    fn limit_memory(&mut self, _bytes: u64) -> Result<(), String> {
        self.guards.push(Guard::fails("limits", "only Linux puts limits on another process"));
        Ok(())
    }

    fn limit_cpu(&self, _until: Duration) -> Result<(), String> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An ear whose decoder greets and then does what the line of shell says.
    fn ear(then: &str, allowance: Allowance) -> Ear {
        let line = format!("printf 'H\\002\\000\\000\\000[]'; {then}");
        let program = move || {
            let mut command = Command::new("/bin/sh");
            command.args(["-c", &line]);
            command
        };
        Ear::with_program(program, Limits { samples_kept_max: 8, ..Limits::default() }, allowance)
    }

    fn cause(then: &str, allowance: Allowance) -> Undecodable {
        let mut ear = ear(then, allowance);
        let file = tempfile::tempfile().expect("a file");
        let heard = ear.hear(&file, 100).expect("a decoder starts");
        assert!(ear.decoder.is_none(), "a decoder that failed is not asked again");
        heard.clip.expect_err("no decoder")
    }

    fn answer(facts: &Facts) -> String {
        let answer = Answer { heard: Ok(facts.clone()), cpu: Duration::ZERO };
        let words = serde_json::to_string(&answer).expect("JSON");
        let length: String = (words.len() as u32).to_le_bytes().iter().map(|byte| format!("\\{byte:03o}")).collect();
        format!("printf 'A{length}'; printf '%s' '{words}'; sleep 60")
    }

    fn facts() -> Facts {
        Facts { rate_hz: 8_000, channels: 1, frames: 2, levels: vec![Default::default()], ..Facts::default() }
    }

    /// Two samples of silence.
    const TWO_SAMPLES: &str = "printf 'S\\010\\000\\000\\000\\000\\000\\000\\000\\000\\000\\000\\000'; ";

    #[test]
    fn an_honest_decoder_is_believed_and_asked_again() {
        let mut ear = ear(&format!("{TWO_SAMPLES}{}", answer(&facts())), Allowance::default());
        let file = tempfile::tempfile().expect("a file");
        let clip = ear.hear(&file, 100).expect("a decoder starts").clip.expect("a clip");
        assert_eq!(clip, Clip { samples: vec![0.0; 2], facts: facts() });
        assert!(ear.decoder.is_some());
    }

    #[test]
    fn garbage_is_no_answer() {
        let causes = [
            "printf 'once upon a time'; sleep 60".to_owned(),
            "printf 'A\\377\\377\\377\\177'; sleep 60".to_owned(),
            "printf 'A\\002\\000\\000\\000no'; sleep 60".to_owned(),
            "printf 'S\\003\\000\\000\\000abc'; sleep 60".to_owned(),
            "printf 'H\\002\\000\\000\\000[]'; sleep 60".to_owned(),
            format!("while :; do {TWO_SAMPLES} done"),
            answer(&facts()),
            format!("{TWO_SAMPLES}{}", answer(&Facts { rate_hz: 0, ..facts() })),
            format!("{TWO_SAMPLES}{}", answer(&Facts { levels: Vec::new(), ..facts() })),
            format!("printf 'S\\004\\000\\000\\000\\377\\377\\377\\377'; {}", answer(&Facts { frames: 1, ..facts() })),
        ];
        for then in causes {
            let why = cause(&then, Allowance::default());
            assert_eq!(why.cause, Cause::Garbled, "{then}: {why}");
        }
    }

    #[test]
    fn a_death_is_told_with_its_last_words() {
        let died = cause("echo some words >&2; kill -SEGV $$", Allowance::default());
        assert_eq!(
            (died.cause, died.reason.contains("signal 11: some words")),
            (Cause::DecoderCrashed, true),
            "{died}"
        );
        let ended = cause("exit 3", Allowance::default());
        assert!(ended.cause == Cause::DecoderCrashed && ended.reason.contains("code 3"), "{ended}");
        let stays = cause("exec >&-; sleep 600", Allowance::default());
        assert_eq!(stays.cause, Cause::DecoderCrashed, "{stays}");
        let starved =
            cause("echo memory allocation of 34359738368 bytes failed >&2; kill -ABRT $$", Allowance::default());
        assert_eq!(starved.cause, Cause::OutOfMemory);
    }

    #[test]
    fn time_runs_out_by_the_clock_and_by_the_processor() {
        let second = Allowance { cpu: Duration::from_secs(1), wall_factor: 1, ..Allowance::default() };
        assert_eq!(cause("sleep 60", second).cause, Cause::OutOfTime);
        let patient = Allowance { wall_factor: 100, ..second };
        assert_eq!(cause("while :; do :; done", patient).cause, Cause::OutOfCpuTime);
    }

    #[test]
    fn a_decoder_that_does_not_greet_is_none() {
        let program = || {
            let mut command = Command::new("/bin/sh");
            command.args(["-c", "echo no such option >&2; exit 2"]);
            command
        };
        let mut ear = Ear::with_program(program, Limits::default(), Allowance::default());
        let why = ear.warm_up().expect_err("no greeting");
        assert!(why.contains("no such option"), "{why}");
    }
}
