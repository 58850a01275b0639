//! `truestream`: reads the command line and hands over to the command.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use truestream::ddex::{self, DdexArgs};
use truestream::demo::{self, DemoArgs};
use truestream::import::{self, ImportArgs};
use truestream::index::{self, IndexArgs};
use truestream::inject::{self, InjectArgs};
use truestream::learn::{self, DriftArgs, EvaluateArgs, ModelsArgs, PromoteArgs, QueueArgs, RollbackArgs, TrainArgs};
use truestream::matching::{self, MatchArgs};
use truestream::policy::{self, PolicyArgs};
use truestream::replay::{self, ReplayArgs};
use truestream::scan::hearing::{WorkerArgs, run_worker};
use truestream::scan::{self, ScanArgs};
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
    Policy(PolicyArgs),
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

fn main() -> ExitCode {
    let done = match Line::parse().command {
        Command::Demo(args) => demo::run(&args),
        Command::Import(args) => import::run(&args),
        Command::Ddex(args) => ddex::run(&args),
        Command::World(args) => world::run(&args),
        Command::Inject(args) => inject::run(&args),
        Command::Replay(args) => replay::run(&args),
        Command::Policy(args) => policy::run(&args),
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
            eprintln!("truestream: {failure}");
            ExitCode::from(failure.code())
        }
    }
}
