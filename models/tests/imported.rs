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
