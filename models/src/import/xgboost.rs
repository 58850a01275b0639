//! XGBoost's JSON, versions 1.6 to 3: nodes in arrays, leaves among them.

use serde_json::Value;

use super::ImportError;
use crate::boost::{Booster, Branch, Leaf, Split, Tree};
use crate::calibration::Calibration;

/// A place in the document, for messages.
struct Place<'a> {
    name: String,
    value: &'a Value,
}

impl<'a> Place<'a> {
    fn at(&self, name: &str) -> Result<Place<'a>, ImportError> {
        let value = self.value.get(name).ok_or_else(|| self.missing(name))?;
        Ok(Place { name: format!("{}.{name}", self.name), value })
    }

    fn missing(&self, name: &str) -> ImportError {
        ImportError::Missing { place: self.name.clone(), name: name.to_owned() }
    }

    fn unreadable(&self, expected: &'static str) -> ImportError {
        let found = self.value.to_string().chars().take(40).collect();
        ImportError::Unreadable { place: "model".to_owned(), name: self.name.clone(), found, expected }
    }

    fn text(&self) -> Result<&'a str, ImportError> {
        self.value.as_str().ok_or_else(|| self.unreadable("a text"))
    }

    fn numbers(&self) -> Result<Vec<f64>, ImportError> {
        let number = |value: &Value| value.as_f64().or_else(|| Some(f64::from(u8::from(value.as_bool()?))));
        let numbers = self.value.as_array().and_then(|values| values.iter().map(number).collect());
        numbers.ok_or_else(|| self.unreadable("numbers"))
    }
}

/// Reads the model.
pub(super) fn read(text: &str) -> Result<(Booster, Calibration), ImportError> {
    let document: Value = serde_json::from_str(text).map_err(|error| ImportError::Json(error.to_string()))?;
    let learner = Place { name: "model".to_owned(), value: &document }.at("learner")?;
    let objective = learner.at("objective")?.at("name")?.text()?;
    if objective != "binary:logistic" {
        return Err(ImportError::Unsupported { what: format!("objective {objective}") });
    }
    let booster = learner.at("gradient_booster")?;
    let name = booster.at("name")?.text()?;
    if name != "gbtree" {
        return Err(ImportError::Unsupported { what: format!("booster {name}") });
    }
    let params = learner.at("learner_model_param")?;
    let base = params.at("base_score")?;
    // Since 3.1 a list of one.
    let score = base.text()?.trim_matches(['[', ']']).parse().ok().filter(|score: &f64| *score > 0.0 && *score < 1.0);
    let score = score.ok_or_else(|| base.unreadable("a probability over 0 and under 1"))?;
    let trees = booster.at("model")?.at("trees")?;
    let trees = trees.value.as_array().ok_or_else(|| trees.unreadable("a list of trees"))?;
    let trees = trees.iter().enumerate().map(|(number, value)| tree(&Place { name: format!("tree {number}"), value }));
    let trees = trees.collect::<Result<_, _>>()?;
    let booster = Booster { features: features(&learner, &params)?, base: (score / (1.0 - score)).ln(), trees };
    Ok((booster, Calibration::Platt { slope: 1.0, offset: 0.0 }))
}

/// The names of the features; numbered where they have none, as XGBoost does.
fn features(learner: &Place, params: &Place) -> Result<Vec<String>, ImportError> {
    let names = learner.value.get("feature_names").and_then(Value::as_array).filter(|names| !names.is_empty());
    if let Some(names) = names {
        return Ok(names.iter().map(|name| name.as_str().unwrap_or_default().to_owned()).collect());
    }
    let count = params.at("num_feature")?;
    let count: usize = count.text()?.parse().map_err(|_| count.unreadable("a number of features"))?;
    Ok((0..count).map(|feature| format!("f{feature}")).collect())
}

/// A number that counts something.
fn whole(number: f64) -> Option<u32> {
    (number >= 0.0 && number <= f64::from(u32::MAX) && number.fract() == 0.0).then_some(number as u32)
}

fn tree(place: &Place) -> Result<Tree, ImportError> {
    let numbers = |name: &str| place.at(name)?.numbers();
    let [left, right] = [numbers("left_children")?, numbers("right_children")?];
    let [features, conditions] = [numbers("split_indices")?, numbers("split_conditions")?];
    let [defaults, covers] = [numbers("default_left")?, numbers("sum_hessian")?];
    let gains = numbers("loss_changes")?;
    let nodes = left.len();
    let columns = [&right, &features, &conditions, &defaults, &covers, &gains];
    if columns.iter().any(|column| column.len() != nodes) || nodes == 0 {
        return Err(place.at("left_children")?.unreadable("as many entries as every other list of the tree has"));
    }
    if place.value.get("split_type").and_then(Value::as_array).is_some_and(|kinds| kinds.iter().any(|kind| kind != 0)) {
        return Err(ImportError::Unsupported { what: format!("{}: a split by categories", place.name) });
    }
    let is_leaf = |node: usize| left[node] < 0.0;
    let asked: Option<Vec<u32>> = features.iter().map(|feature| whole(*feature)).collect();
    let asked = asked.ok_or_else(|| {
        place.at("split_indices").map_or_else(|error| error, |at| at.unreadable("features by number"))
    })?;
    // The number of a node among the leaves, or among the splits.
    let mut counts = [0u32; 2];
    let number_of: Vec<u32> = (0..nodes)
        .map(|node| {
            let count = &mut counts[usize::from(is_leaf(node))];
            *count += 1;
            *count - 1
        })
        .collect();
    let branch = |child: f64| {
        let child = whole(child).map_or(usize::MAX, |child| child as usize);
        match number_of.get(child) {
            Some(number) if is_leaf(child) => Branch::Leaf(*number),
            Some(number) => Branch::Split(*number),
            // No tree has so many leaves: the check refuses it.
            None => Branch::Leaf(u32::MAX),
        }
    };
    let splits = (0..nodes).filter(|node| !is_leaf(*node)).map(|node| Split {
        feature: asked[node],
        // Smaller than the condition goes left.
        threshold: (conditions[node] as f32).next_down(),
        missing_left: defaults[node] != 0.0,
        zero_is_missing: false,
        left: branch(left[node]),
        right: branch(right[node]),
        gain: gains[node],
    });
    // Of a leaf the condition is its value.
    let leaves =
        (0..nodes).filter(|node| is_leaf(*node)).map(|node| Leaf { value: conditions[node], cover: covers[node] });
    Ok(Tree { splits: splits.collect(), leaves: leaves.collect() })
}
