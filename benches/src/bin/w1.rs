//! Writes workload W1 as canonical Parquet.

use std::path::PathBuf;

use benches::{Error, w1};
use clap::Parser;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Writes a week of plays: plays, corrections, tracks, accounts and networks.
#[derive(Parser)]
struct Options {
    /// Plays in the week.
    #[arg(long, default_value_t = 1_000_000)]
    plays: u64,
    /// The folder for the tables.
    #[arg(long)]
    out: PathBuf,
    /// The same seed gives the same bytes.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

fn main() -> Result<(), Error> {
    let options = Options::parse();
    let (plays, corrections) = w1::write(w1::World { plays: options.plays, seed: options.seed }, &options.out)?;
    println!("{plays} plays and {corrections} corrections in {}", options.out.display());
    Ok(())
}
