//! What a replay was made of, told by what is in the files: who reads them again beside its tables can ask whether they are the same.
//!
//! ```text
//! files of each table ──size, BLAKE3──▶ run.json ──▶ royalties, explain: the same │ which is another
//! ```

use std::collections::BTreeMap;
use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use datasets::tables::Inputs;
use datasets::tables::rows::count_rows;
use serde::{Deserialize, Serialize};

use crate::exit::Failure;
use crate::scan::files::hashed;

/// A file that went in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ingredient {
    /// What it was called.
    pub file: String,
    /// Its length.
    pub bytes: u64,
    /// BLAKE3 of its bytes, hexadecimal.
    pub hash: String,
    /// Its rows; 0 in what earlier versions wrote.
    #[serde(default)]
    pub rows: u64,
}

impl Ingredient {
    /// Of the file as it is now.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn of(path: &Path) -> Result<Ingredient, Failure> {
        let (_, content) = hashed(path).map_err(|error| unread(path, &error))?;
        Ok(Ingredient { file: path.display().to_string(), bytes: content.bytes, hash: content.hash, rows: 0 })
    }

    /// What is other about the file; `None` where it has the same bytes. Of another length no byte is read.
    fn other(&self, path: &Path) -> Result<Option<String>, Failure> {
        let (bytes, _) = seen(path)?;
        if bytes != self.bytes {
            return Ok(Some(format!("found {bytes} bytes, expected {}", self.bytes)));
        }
        let hash = Ingredient::of(path)?.hash;
        Ok((hash != self.hash).then(|| format!("found other bytes, BLAKE3 {hash}, expected {}", self.hash)))
    }
}

/// The files of each table that went into a replay, in the order in which they were read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ingredients(BTreeMap<String, Vec<Ingredient>>);

impl Ingredients {
    /// Of the files as they are now.
    ///
    /// # Errors
    /// When one cannot be read.
    pub fn of(inputs: &Inputs) -> Result<Ingredients, Failure> {
        let table = |(name, files): (&str, &[PathBuf])| {
            let all: Result<_, Failure> =
                files.iter().map(|path| Ok(Ingredient { rows: rows(path)?, ..Ingredient::of(path)? })).collect();
            Ok((name.to_owned(), all?))
        };
        inputs.by_table().into_iter().map(table).collect::<Result<_, _>>().map(Ingredients)
    }

    /// Those that the tables in the folder were made of.
    ///
    /// # Errors
    /// When `run.json` is not there, or does not tell.
    pub fn read(tables: &Path) -> Result<Ingredients, Failure> {
        let path = tables.join("run.json");
        let wrong = |why: &dyn std::fmt::Display| Failure::Input(format!("{}: {why}", path.display()));
        let text = std::fs::read_to_string(&path).map_err(|error| wrong(&error))?;
        let mut run: serde_json::Value = serde_json::from_str(&text).map_err(|error| wrong(&error))?;
        serde_json::from_value(run["inputs"].take()).map_err(|_| {
            wrong(&"found inputs without their sizes and hashes, as earlier versions wrote them: nobody can tell whether files are the same; replay again")
        })
    }

    /// The files of a table.
    pub fn table(&self, name: &str) -> &[Ingredient] {
        self.0.get(name).map_or(&[], Vec::as_slice)
    }

    /// What is other about the files of a table, whatever they are called; `None` where they have the same bytes, in the same order.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn other(&self, name: &str, files: &[PathBuf]) -> Result<Option<String>, Failure> {
        let then = self.table(name);
        if then.len() != files.len() {
            let names: Vec<&str> = then.iter().map(|one| one.file.as_str()).collect();
            let expected = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            return Ok(Some(format!("{name}: found {} files, expected {expected}", files.len())));
        }
        for (one, path) in then.iter().zip(files) {
            if let Some(other) = one.other(path)? {
                return Ok(Some(format!("{name}: {}: {other}", path.display())));
            }
        }
        Ok(None)
    }

    /// What is missing where a table that only grows has fewer rows than it had; `None` where it has as many.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn forgotten(&self, name: &str, files: &[PathBuf]) -> Result<Option<String>, Failure> {
        let then = self.table(name);
        let had: u64 = then.iter().map(|one| one.rows).sum();
        let found: u64 = files.iter().map(|path| rows(path)).sum::<Result<_, _>>()?;
        let is_gone = files.is_empty() && !then.is_empty();
        Ok((is_gone || found < had).then(|| {
            let names: Vec<&str> = then.iter().map(|one| one.file.as_str()).collect();
            let (count, names) = (files.len(), names.join(", "));
            format!("{name}: found {count} files with {found} rows, expected at least the {had} rows of {names} and what came since")
        }))
    }

    /// The first file of a table that none of these is, in any order and under any name.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn lacking(&self, name: &str, files: &[PathBuf]) -> Result<Option<&Ingredient>, Failure> {
        for one in self.table(name) {
            let mut is_there = false;
            for path in files {
                is_there |= one.other(path)?.is_none();
            }
            if !is_there {
                return Ok(Some(one));
            }
        }
        Ok(None)
    }
}

/// Lengths of files, and when each was changed last, before they are read.
pub struct Before(Vec<(PathBuf, (u64, Option<SystemTime>))>);

impl Before {
    /// Of the files as they are now.
    ///
    /// # Errors
    /// When one is not there.
    pub fn of(inputs: &Inputs) -> Result<Before, Failure> {
        let all = inputs.by_table().into_iter().flat_map(|(_, files)| files);
        all.map(|path| Ok((path.clone(), seen(path)?))).collect::<Result<_, _>>().map(Before)
    }

    /// Nothing, where nobody has written to them since: then what was read is what is there now.
    ///
    /// # Errors
    /// Names the file that was written to.
    pub fn or_changed(&self) -> Result<(), Failure> {
        for (path, before) in &self.0 {
            if seen(path)? != *before {
                let path = path.display();
                return Err(Failure::Input(format!(
                    "{path}: it was written to while it was read, so the tables are of no file that there is; replay again once it is whole"
                )));
            }
        }
        Ok(())
    }
}

fn seen(path: &Path) -> Result<(u64, Option<SystemTime>), Failure> {
    let of = |about: Metadata| (about.len(), about.modified().ok());
    std::fs::metadata(path).map(of).map_err(|error| unread(path, &error))
}

fn rows(path: &Path) -> Result<u64, Failure> {
    count_rows(path).map_err(|error| Failure::Input(error.to_string()))
}

fn unread(path: &Path, error: &std::io::Error) -> Failure {
    Failure::Input(format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_the_same_whatever_they_are_called_and_another_is_told_by_what_is_in_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = |name: &str, content: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, content).expect("written");
            path
        };
        let (one, two) = (file("one", "first"), file("two", "second"));
        let inputs = Inputs { plays: vec![one.clone(), two.clone()], ..Inputs::default() };
        let plays = inputs.plays.iter().map(|path| Ingredient::of(path).expect("read")).collect();
        let all = Ingredients(BTreeMap::from([("plays".to_owned(), plays)]));
        let other = |files: &[PathBuf]| all.other("plays", files).expect("read");
        assert_eq!(other(&inputs.plays), None);
        let moved = [file("moved", "first"), file("again", "second")];
        assert_eq!(other(&moved), None);
        for (files, says) in [
            (vec![one.clone()], "found 1 files, expected "),
            (vec![two.clone(), one.clone()], "two: found 6 bytes, expected 5"),
            (vec![one.clone(), file("third", "strong")], "third: found other bytes, BLAKE3 "),
        ] {
            assert!(other(&files).is_some_and(|why| why.contains(says)), "{says}");
        }
        assert_eq!(all.lacking("plays", &[file("more", "more"), two.clone(), one.clone()]).expect("read"), None);
        assert!(all.lacking("plays", &[two]).expect("read").is_some_and(|one| one.file.ends_with("one")));
        assert_eq!(all.other("tracks", &[]).expect("read"), None);

        let written = serde_json::json!({ "inputs": &all });
        std::fs::write(folder.path().join("run.json"), written.to_string()).expect("written");
        assert_eq!(Ingredients::read(folder.path()).expect("read"), all);
        let before = Before::of(&inputs).expect("there");
        assert!(before.or_changed().is_ok());
        std::fs::write(&one, "more than that").expect("written");
        assert!(before.or_changed().is_err_and(|why| why.to_string().contains("one: it was written to")));
        std::fs::write(folder.path().join("run.json"), r#"{"inputs": {"plays": ["one"]}}"#).expect("written");
        assert!(Ingredients::read(folder.path()).is_err_and(|why| why.to_string().contains("replay again")));
    }
}
