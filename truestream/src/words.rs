//! A command that calls another one says so in the words that a person would type: one meaning of each option, one place that refuses.

use clap::{Args, Parser};

use crate::exit::Failure;

/// The options of a command, out of the words of its command line, of which the first is its name.
///
/// # Errors
/// [`Failure::Usage`] when they are none.
pub(crate) fn parsed<'a, T: Args>(words: impl IntoIterator<Item = &'a str>) -> Result<T, Failure> {
    #[derive(Parser)]
    struct Line<T: Args> {
        #[command(flatten)]
        args: T,
    }
    let line = Line::<T>::try_parse_from(words.into_iter().map(ToOwned::to_owned));
    Ok(line.map_err(|error| Failure::Usage(error.to_string()))?.args)
}
