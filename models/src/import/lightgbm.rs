//! LightGBM's text format, versions 3 and 4: a header and trees as lines of `name=values`.

use std::collections::HashMap;

use super::{ImportError, f32_below};
use crate::boost::{Booster, Branch, Leaf, Split, Tree};
use crate::calibration::Calibration;

/// The lines of the header, or of one tree.
struct Lines<'a> {
    place: String,
    of: HashMap<&'a str, &'a str>,
}

impl<'a> Lines<'a> {
    fn of(place: String, text: &'a str) -> Lines<'a> {
        Lines { place, of: text.lines().filter_map(|line| line.split_once('=')).collect() }
    }

    fn text(&self, name: &str) -> Result<&'a str, ImportError> {
        self.of
            .get(name)
            .map(|text| text.trim())
            .ok_or_else(|| ImportError::Missing { place: self.place.clone(), name: name.to_owned() })
    }

    fn numbers<N: std::str::FromStr>(&self, name: &str, count: usize) -> Result<Vec<N>, ImportError> {
        let text = self.text(name)?;
        let numbers: Option<Vec<N>> = text.split_whitespace().map(|word| word.parse().ok()).collect();
        numbers.filter(|numbers| numbers.len() == count).ok_or_else(|| ImportError::Unreadable {
            place: self.place.clone(),
            name: name.to_owned(),
            found: text.chars().take(40).collect(),
            expected: "as many numbers as the tree has splits or leaves",
        })
    }

    fn number<N: std::str::FromStr>(&self, name: &str) -> Result<N, ImportError> {
        Ok(self.numbers(name, 1)?.remove(0))
    }

    /// Only one value of this line is read.
    fn must_be(&self, name: &str, value: &str) -> Result<(), ImportError> {
        match self.text(name)? {
            found if found == value => Ok(()),
            found => Err(ImportError::Unsupported { what: format!("{name}={found}") }),
        }
    }
}

/// Reads the model.
pub(super) fn read(text: &str) -> Result<(Booster, Calibration), ImportError> {
    let cut = || ImportError::Missing { place: "the end".to_owned(), name: "end of trees".to_owned() };
    let (body, _) = text.split_once("\nend of trees").ok_or_else(cut)?;
    let mut parts = body.split("\nTree=");
    let header = Lines::of("header".to_owned(), parts.next().unwrap_or_default());
    header.must_be("num_class", "1")?;
    let objective = header.text("objective")?;
    if !objective.starts_with("binary") {
        return Err(ImportError::Unsupported { what: format!("objective={objective}") });
    }
    if body.lines().any(|line| line == "average_output") {
        return Err(ImportError::Unsupported { what: "a random forest (average_output)".to_owned() });
    }
    let slope = objective.split_whitespace().find_map(|word| word.strip_prefix("sigmoid:"));
    let slope = slope.map_or(Some(1.0), |slope| slope.parse().ok()).unwrap_or(f64::NAN);
    let features = header.text("feature_names")?.split_whitespace().map(str::to_owned).collect();
    let trees = parts.enumerate().map(|(number, text)| tree(number, text)).collect::<Result<Vec<_>, _>>()?;
    let told = header.text("tree_sizes")?.split_whitespace().count();
    if trees.len() != told {
        return Err(ImportError::Trees { told, found: trees.len() });
    }
    let calibration = Calibration::Platt { slope, offset: 0.0 };
    match calibration.is_sound() {
        true => Ok((Booster { features, base: 0.0, trees }, calibration)),
        false => Err(ImportError::Unsupported { what: format!("objective={objective}") }),
    }
}

/// How a split treats missing values: bits of `decision_type`.
const CATEGORIES: u8 = 1;
const DEFAULT_LEFT: u8 = 2;

fn tree(number: usize, text: &str) -> Result<Tree, ImportError> {
    let lines = Lines::of(format!("tree {number}"), text);
    let leaves: usize = lines.number("num_leaves")?;
    lines.must_be("num_cat", "0")?;
    if lines.of.get("is_linear").is_some_and(|linear| linear.trim() != "0") {
        return Err(ImportError::Unsupported { what: format!("tree {number}: linear leaves") });
    }
    let values: Vec<f64> = lines.numbers("leaf_value", leaves)?;
    if leaves == 1 {
        return Ok(Tree { splits: Vec::new(), leaves: vec![Leaf { value: values[0], cover: 1.0 }] });
    }
    let covers: Vec<f64> = lines.numbers("leaf_count", leaves)?;
    let splits = leaves - 1;
    let features: Vec<u32> = lines.numbers("split_feature", splits)?;
    let thresholds: Vec<f64> = lines.numbers("threshold", splits)?;
    let decisions: Vec<u8> = lines.numbers("decision_type", splits)?;
    let gains: Vec<f64> = lines.numbers("split_gain", splits)?;
    let sides: [Vec<i64>; 2] = [lines.numbers("left_child", splits)?, lines.numbers("right_child", splits)?];
    // A leaf is written as its complement.
    let branch = |child: i64| match u32::try_from(child) {
        Ok(split) => Branch::Split(split),
        Err(_) => Branch::Leaf(u32::try_from(!child).unwrap_or(u32::MAX)),
    };
    let split = |at: usize| {
        let (threshold, decision) = (thresholds[at], decisions[at]);
        if decision & CATEGORIES != 0 {
            return Err(ImportError::Unsupported { what: format!("tree {number}: a split by categories") });
        }
        let default_left = decision & DEFAULT_LEFT != 0;
        let (missing_left, zero_is_missing) = match decision >> 2 & 3 {
            // No missing values in training: one is taken for zero.
            0 => (0.0 <= threshold, false),
            1 => (default_left, true),
            _ => (default_left, false),
        };
        Ok(Split {
            feature: features[at],
            threshold: f32_below(threshold),
            missing_left,
            zero_is_missing,
            left: branch(sides[0][at]),
            right: branch(sides[1][at]),
            gain: gains[at],
        })
    };
    let splits = (0..splits).map(split).collect::<Result<_, _>>()?;
    let leaves = values.into_iter().zip(covers).map(|(value, cover)| Leaf { value, cover }).collect();
    Ok(Tree { splits, leaves })
}
