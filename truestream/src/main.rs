//! `truestream`: reads the command line and hands over to the command.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use truestream::replay::{self, ReplayArgs};

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
    Replay(Box<ReplayArgs>),
}

fn main() -> ExitCode {
    let done = match Line::parse().command {
        Command::Replay(args) => replay::run(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("truestream: {failure}");
            ExitCode::from(failure.code())
        }
    }
}
