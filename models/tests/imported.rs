//! Foreign models score and explain here as in the programs that trained them; `fixtures/make.py` made them.

use models::boost::{Explainer, sigmoid};
use models::import::import;
use serde_json::Value;

const LIGHTGBM: [(&str, &str); 3] = [
    ("lightgbm_nan.txt", include_str!("fixtures/lightgbm_nan.txt")),
    ("lightgbm_zero.txt", include_str!("fixtures/lightgbm_zero.txt")),
    ("lightgbm_none.txt", include_str!("fixtures/lightgbm_none.txt")),
];
const XGBOOST: (&str, &str) = ("xgboost.json", include_str!("fixtures/xgboost.json"));

fn known() -> Value {
    serde_json::from_str(include_str!("fixtures/scores.json")).expect("our own fixture")
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().expect("a list").iter().map(|value| value.as_f64().unwrap_or(f64::NAN)).collect()
}

#[test]
fn probabilities_are_the_originals() {
    let known = known();
    for (name, text) in LIGHTGBM.into_iter().chain([XGBOOST]) {
        let (booster, calibration) = import(text).expect(name);
        let rows = known["rows"].as_array().expect("rows");
        for (row, expected) in rows.iter().zip(numbers(&known[name])) {
            let row: Vec<f32> = numbers(row).into_iter().map(|value| value as f32).collect();
            let got = calibration.probability(booster.score(&row));
            // XGBoost adds and squashes in single precision.
            assert!((got - expected).abs() < 1e-6, "{name}, {row:?}: {got} for {expected}");
        }
    }
}

#[test]
fn contributions_are_the_originals() {
    let known = known();
    // LightGBM, too, averages over the rows that came to a leaf; XGBoost over their second derivatives.
    for (name, text) in LIGHTGBM.into_iter().chain([XGBOOST]) {
        let (booster, _) = import(text).expect(name);
        let explainer = Explainer::new(&booster).expect("trees with rows");
        let rows = known["rows"].as_array().expect("rows");
        for (row, expected) in rows.iter().zip(known[format!("{name} contributions")].as_array().expect("a list")) {
            let row: Vec<f32> = numbers(row).into_iter().map(|value| value as f32).collect();
            let expected = numbers(expected);
            let mut got = explainer.contributions(&row);
            got.push(explainer.expected());
            for (got, expected) in got.iter().zip(&expected) {
                assert!((got - expected).abs() < 2e-5, "{name}, {row:?}: {got} for {expected}");
            }
            let probability = sigmoid(got.iter().sum());
            assert!((probability - sigmoid(booster.score(&row))).abs() < 1e-9);
        }
    }
}

#[test]
fn what_cannot_be_read_is_named() {
    let told = |text: String| import(&text).expect_err("refused").to_string();
    let text = LIGHTGBM[0].1;
    assert!(told(text.replace("num_cat=0", "num_cat=2")).contains("num_cat=2"));
    assert!(told(text.replace("objective=binary", "objective=regression")).contains("objective=regression"));
    assert!(told(text.replace("leaf_value=", "leaf_worth=")).starts_with("tree 0: `leaf_value` is missing"));
    assert!(told(text.replacen("left_child=", "left_child=0 ", 1)).contains("left_child"));
    let text = XGBOOST.1;
    assert!(told(text.replace("binary:logistic", "reg:squarederror")).contains("reg:squarederror"));
    assert!(told(text.replace("\"gbtree\"", "\"dart\"")).contains("booster dart"));
    assert!(told(text.replace("sum_hessian", "sum")).contains("`sum_hessian` is missing"));
}

#[test]
fn what_is_cut_or_cannot_be_scored_is_no_version() {
    let told = |text: &str| import(text).expect_err("refused").to_string();
    // Cut anywhere before the end of the trees, the smallest cut behind a number too.
    let text = LIGHTGBM[0].1;
    let end = text.find("end of trees").expect("our own fixture");
    for cut in (0..end).step_by(7).chain(text.match_indices("Tree=").map(|(at, _)| at)).chain([end]) {
        assert!(import(&text[..cut]).is_err(), "cut at {cut}");
    }
    assert!(told(&text[..end]).contains("`end of trees` is missing"));
    let third = text.find("Tree=3").expect("a tree");
    assert!(told(&[&text[..third], &text[end..]].concat()).starts_with("it has 3 trees and says that it has 6"));
    let (first, sizes) = (text.find("Tree=0").expect("a tree"), text.find("tree_sizes=").expect("a line"));
    assert!(told(&[&text[..sizes], "tree_sizes=\n\n", &text[end..]].concat()).starts_with("it has no trees"));
    assert!(told(&[&text[..sizes], &text[first..]].concat()).starts_with("header: `tree_sizes` is missing"));

    let text = XGBOOST.1;
    let known: Value = serde_json::from_str(text).expect("our own fixture");
    for score in ["1", "[1.5]", "0", "-0.1", "[NaN]", "1e400", "[]"] {
        let mut model = known.clone();
        model["learner"]["learner_model_param"]["base_score"] = score.into();
        assert!(told(&model.to_string()).contains("a probability over 0 and under 1"), "{score}");
    }
    let tree = |change: &dyn Fn(&mut Value)| {
        let mut model = known.clone();
        change(&mut model["learner"]["gradient_booster"]["model"]["trees"][0]);
        told(&model.to_string())
    };
    for feature in [-5.0, 0.5, 1e10] {
        let said = tree(&|tree| tree["split_indices"][0] = feature.into());
        assert!(said.contains("features by number"), "{said}");
    }
    for child in [1.5, -7.0, 1e12] {
        let said = tree(&|tree| tree["right_children"][0] = child.into());
        assert!(said.contains("is reached twice or is none"), "{said}");
    }
    let mut model = known.clone();
    model["learner"]["gradient_booster"]["model"]["trees"] = Value::Array(Vec::new());
    assert_eq!(told(&model.to_string()), "it has no trees: it was never trained");
}
