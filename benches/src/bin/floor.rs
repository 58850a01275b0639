//! Answers the four questions of W1 with hash maps, by hand.

use benches::{Error, Options, floor};
use clap::Parser;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Result<(), Error> {
    let options = Options::parse();
    let (report, _) = floor::run(&options.data, &options.questions()?)?;
    println!("{report}");
    Ok(())
}
