//! Answers the four questions of W1 with differential dataflow, as its textbook says.

use benches::{Error, Options, reduce};
use clap::Parser;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Result<(), Error> {
    let options = Options::parse();
    let (report, _) = reduce::run(&options.data, &options.questions()?)?;
    println!("{report}");
    Ok(())
}
