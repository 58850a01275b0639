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

/// Refuses what stands after `--` where the command says it itself: an option that it sets besides would count for one thing and be told as another.
///
/// # Errors
/// [`Failure::Usage`] with the first of them.
pub(crate) fn refuse_own(more: &[String], own: &[&str]) -> Result<(), Failure> {
    let name = |word: &String| word.split_once('=').map_or(word.clone(), |(name, _)| name.to_owned());
    match more.iter().map(name).find(|name| own.contains(&name.as_str())) {
        Some(name) => Err(Failure::Usage(format!(
            "-- {name}: found an option that this command sets itself, expected others of `truestream replay`: say before -- which data, \
             policies and folder are meant; what is compared and how is not to be chosen"
        ))),
        None => Ok(()),
    }
}
