//! Finds tracks and artists by what they are called.
//!
//! ```text
//! rows of the catalogue ──▶ one text, a line a name ──part of a name──▶ lines ──▶ tracks and artists
//! ```
//!
//! An index of words would be as large as the names; a search through all of them reads a gigabyte a second, and a million names have twenty megabytes.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};

use records::{Key, Subject};

/// Names of fewer letters are in too many others to be looked for.
const LETTERS_MIN: usize = 2;

/// All names that rows of the catalogue ever told.
#[derive(Default)]
pub struct Titles {
    text: String,
    /// Where each line begins, and whose it is.
    lines: Vec<(usize, Subject, Key)>,
    /// Which names are there already, by their hash: a name is told with every row of a track.
    known: HashSet<u64>,
    hasher: RandomState,
}

/// In small letters, a space between words: so one line, and spaces are no reason not to be found.
fn folded(name: &str) -> String {
    name.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

impl Titles {
    /// A row tells that they are called so.
    pub fn learn(&mut self, subject: Subject, key: Key, name: &str) {
        let name = folded(name);
        if !name.is_empty() && self.known.insert(self.hasher.hash_one((subject, key, &name))) {
            self.lines.push((self.text.len(), subject, key));
            self.text.push_str(&name);
            self.text.push('\n');
        }
    }

    /// Those whose name has this in it, at most so many, in the order in which they came; with the name, in small letters.
    pub fn with(&self, part: &str, most: usize) -> Vec<(Subject, Key, &str)> {
        let part = folded(part);
        if part.chars().count() < LETTERS_MIN {
            return Vec::new();
        }
        let mut found: Vec<(Subject, Key, &str)> = Vec::new();
        let mut from = 0;
        while let Some(at) = self.text[from..].find(&part).filter(|_| found.len() < most) {
            let line = self.lines.partition_point(|(begins, ..)| *begins <= from + at) - 1;
            let (begins, subject, key) = self.lines[line];
            let ends = self.lines.get(line + 1).map_or(self.text.len(), |(next, ..)| *next);
            found.push((subject, key, self.text[begins..ends].trim_end_matches('\n')));
            from = ends;
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_by_any_part_of_it_once_a_line() {
        let mut titles = Titles::default();
        let told = [
            (1, "Blue  in\nGreen"),
            (2, "blue blue blue"),
            (1, "Blue in green"),
            (3, "Grün"),
            (4, ""),
            (5, "green in"),
        ];
        told.iter().for_each(|(key, name)| titles.learn(Subject::Track, Key(*key), name));
        titles.learn(Subject::Artist, Key(1), "Blue in Green");
        let keys = |part: &str, most| titles.with(part, most).iter().map(|(.., key, _)| key.0).collect::<Vec<_>>();
        assert_eq!(keys("BLUE", 9), [1, 2, 1]);
        assert_eq!(keys("n  gREEN", 9), [1, 1], "no part goes over the end of a line");
        assert_eq!(
            (keys("grÜn", 9), keys("blue", 2), keys("b", 9), keys("red", 9)),
            (vec![3], vec![1, 2], vec![], vec![])
        );
        assert_eq!(titles.with("in green", 1), [(Subject::Track, Key(1), "blue in green")]);
        assert_eq!(Titles::default().with("blue", 9), []);
    }
}
