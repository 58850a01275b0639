//! `truestream`: reads the command line and hands over to the command.

use std::io::Write;
use std::panic;
use std::process::{self, ExitCode};

use clap::{Parser, Subcommand};
use truestream::assess::{self, AssessArgs};
use truestream::ddex::{self, DdexArgs};
use truestream::demo::{self, DemoArgs};
use truestream::economics::{self, EconomicsArgs};
use truestream::exchange::{self, ExchangeArgs};
use truestream::explain::{self, ExplainArgs};
use truestream::import::{self, ImportArgs};
use truestream::index::{self, IndexArgs};
use truestream::inject::{self, InjectArgs};
use truestream::learn::{self, DriftArgs, EvaluateArgs, ModelsArgs, PromoteArgs, QueueArgs, RollbackArgs, TrainArgs};
use truestream::load::{self, LoadArgs};
use truestream::matching::{self, MatchArgs};
use truestream::policy::{self, PolicyArgs};
use truestream::replay::{self, ReplayArgs};
use truestream::royalties::{self, RoyaltiesArgs};
use truestream::scan::hearing::{WorkerArgs, run_worker};
use truestream::scan::{self, ScanArgs};
use truestream::serve::access::{self, AuditArgs, TokenArgs, UserArgs};
use truestream::serve::ops::{self, BackupArgs, DlqArgs, FsckArgs, LabelsArgs, RestoreArgs};
use truestream::serve::pseudonym::{self, PseudonymArgs};
use truestream::serve::{self, ServeArgs};
use truestream::verify::{self, VerifyArgs};
use truestream::world::{self, WorldArgs};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Which streams are true? The integrity layer of a music-streaming platform.
#[derive(Parser)]
#[command(version, about, arg_required_else_help = true)]
struct Line {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Demo(DemoArgs),
    Import(Box<ImportArgs>),
    Ddex(DdexArgs),
    World(Box<WorldArgs>),
    Inject(Box<InjectArgs>),
    Replay(Box<ReplayArgs>),
    Serve(Box<ServeArgs>),
    User(UserArgs),
    Token(TokenArgs),
    Audit(AuditArgs),
    Pseudonym(PseudonymArgs),
    Load(LoadArgs),
    Fsck(FsckArgs),
    Backup(BackupArgs),
    Restore(RestoreArgs),
    Dlq(DlqArgs),
    Labels(LabelsArgs),
    Policy(PolicyArgs),
    Royalties(Box<RoyaltiesArgs>),
    Economics(EconomicsArgs),
    Exchange(ExchangeArgs),
    Explain(ExplainArgs),
    Assess(Box<AssessArgs>),
    Scan(Box<ScanArgs>),
    Index(IndexArgs),
    Match(MatchArgs),
    #[command(hide = true)]
    DecodeWorker(WorkerArgs),
    Verify(Box<VerifyArgs>),
    Train(Box<TrainArgs>),
    Evaluate(Box<EvaluateArgs>),
    Promote(PromoteArgs),
    Rollback(RollbackArgs),
    Models(ModelsArgs),
    Drift(Box<DriftArgs>),
    Queue(Box<QueueArgs>),
}

/// The exit code of a command that was not heard to its end: as a shell counts a program that a closed pipe ended.
const UNHEARD: i32 = 141;

fn main() -> ExitCode {
    end_when_unheard();
    let done = match Line::parse().command {
        Command::Demo(args) => demo::run(&args),
        Command::Import(args) => import::run(&args),
        Command::Ddex(args) => ddex::run(&args),
        Command::World(args) => world::run(&args),
        Command::Inject(args) => inject::run(&args),
        Command::Replay(args) => replay::run(&args),
        Command::Serve(args) => serve::run(&args),
        Command::User(args) => access::user(&args),
        Command::Token(args) => access::token(&args),
        Command::Audit(args) => access::audit(&args),
        Command::Pseudonym(args) => pseudonym::run(&args),
        Command::Load(args) => load::run(&args),
        Command::Fsck(args) => ops::fsck(&args),
        Command::Backup(args) => ops::backup(&args),
        Command::Restore(args) => ops::restore(&args),
        Command::Dlq(args) => ops::dlq(&args),
        Command::Labels(args) => ops::labels(&args),
        Command::Policy(args) => policy::run(&args),
        Command::Royalties(args) => royalties::run(&args),
        Command::Economics(args) => economics::run(&args),
        Command::Exchange(args) => exchange::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Assess(args) => assess::run(&args),
        Command::Scan(args) => scan::run(&args),
        Command::Index(args) => index::run(&args),
        Command::Match(args) => matching::run(&args),
        Command::DecodeWorker(args) => run_worker(&args),
        Command::Verify(args) => verify::run(&args),
        Command::Train(args) => learn::train(&args),
        Command::Evaluate(args) => learn::evaluate(&args),
        Command::Promote(args) => learn::promote(&args),
        Command::Rollback(args) => learn::rollback(&args),
        Command::Models(args) => learn::models(&args),
        Command::Drift(args) => learn::drift(&args),
        Command::Queue(args) => learn::queue(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // Who closed standard error still gets the code.
            let _ = writeln!(std::io::stderr(), "truestream: {failure}");
            ExitCode::from(failure.code())
        }
    }
}

/// Ends the process quietly where standard output or standard error is a pipe that nobody reads any more, as `| head` makes it: `println!`
/// panics there. The signal that would end it, SIGPIPE, stays ignored, because a scan must outlive the processes that it writes to.
fn end_when_unheard() {
    let usual = panic::take_hook();
    panic::set_hook(Box::new(move |panicked| {
        let words = panicked.payload_as_str().unwrap_or_default();
        // The words of the standard library; a test holds it to them.
        if words.starts_with("failed printing to std") && words.contains("Broken pipe") {
            process::exit(UNHEARD);
        }
        usual(panicked);
    }));
}
