//! Laws of the booster, on small random rows.

use proptest::prelude::*;

use super::*;

/// A random table: few distinct values, some missing.
fn random_table(seed: u64, rows: usize, features: usize) -> Table {
    let mut chance = Chance::of(seed, 77);
    let mut value = || match chance.below(12) {
        0 | 1 => f32::NAN,
        value => value as f32 - 5.0,
    };
    let columns = (0..features).map(|_| (0..rows).map(|_| value()).collect()).collect();
    Table::new((0..features).map(|feature| format!("f{feature}")).collect(), columns).expect("columns fit")
}

/// Labels that depend on the first features, with noise.
fn random_labels(seed: u64, table: &Table) -> Vec<f32> {
    let mut chance = Chance::of(seed, 78);
    let fraud = |row: &[f32], noise: usize| {
        let first = if row[0].is_nan() { 3.0 } else { row[0] };
        first + row.get(1).copied().filter(|value| !value.is_nan()).unwrap_or(0.0) / 2.0 + noise as f32 / 2.0 > 2.0
    };
    (0..table.rows()).map(|row| f32::from(u8::from(fraud(&table.row(row), chance.below(8))))).collect()
}

pub(crate) fn random_row(seed: u64, features: usize) -> Vec<f32> {
    random_table(seed, 1, features).row(0)
}

pub(crate) fn random_booster(seed: u64, features: usize) -> Booster {
    let table = random_table(seed, 300, features);
    let labels = random_labels(seed, &table);
    let settings = Settings { trees_max: 5, leaves_max: 12, leaf_rows_min: 3, ..Settings::default() };
    trained(&table, &labels, &settings)
}

/// Trees of more than 64 questions.
pub(crate) fn large_booster() -> Booster {
    let table = random_table(8, 3_000, 4);
    let labels = random_labels(8, &table);
    let settings = Settings {
        trees_max: 2,
        leaves_max: 100,
        depth_max: 12,
        leaf_rows_min: 1,
        leaf_hessian_min: 0.0,
        ..Settings::default()
    };
    trained(&table, &labels, &settings)
}

fn trained(table: &Table, labels: &[f32], settings: &Settings) -> Booster {
    let weights = vec![1.0; labels.len()];
    fit(Examples { table, labels, weights: &weights }, None, None, settings, |_, _| ()).expect("rows are sound")
}

/// The best first question, from the definition: every feature, every threshold, both ways for missing values.
fn best_gain(table: &Table, labels: &[f32], settings: &Settings) -> f64 {
    let mean = labels.iter().map(|label| f64::from(*label)).sum::<f64>() / labels.len() as f64;
    let score = |rows: &[usize]| {
        let gradient: f64 = rows.iter().map(|row| mean - f64::from(labels[*row])).sum();
        gradient * gradient / (rows.len() as f64 * mean * (1.0 - mean) + settings.l2) / 2.0
    };
    let all: Vec<usize> = (0..table.rows()).collect();
    let mut best = 0.0f64;
    for column in table.columns() {
        for threshold in column.iter().copied().filter(|value| !value.is_nan()) {
            for missing_left in [false, true] {
                let is_left =
                    |row: &usize| if column[*row].is_nan() { missing_left } else { column[*row] <= threshold };
                let (left, right): (Vec<usize>, Vec<usize>) = all.iter().partition(|row| is_left(row));
                if left.len().min(right.len()) >= settings.leaf_rows_min as usize {
                    best = best.max(score(&left) + score(&right) - score(&all));
                }
            }
        }
    }
    best
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_first_question_is_the_best_there_is(seed in any::<u64>(), features in 1usize..5) {
        let table = random_table(seed, 80, features);
        let labels = random_labels(seed, &table);
        prop_assume!(labels.contains(&0.0) && labels.contains(&1.0));
        let settings = Settings { trees_max: 1, leaves_max: 2, leaf_rows_min: 5, leaf_hessian_min: 0.0, ..Settings::default() };
        let booster = trained(&table, &labels, &settings);
        let got = booster.trees[0].splits.first().map_or(0.0, |split| split.gain);
        let expected = best_gain(&table, &labels, &settings);
        prop_assert!((got - expected).abs() < 2e-6 * (1.0 + expected), "{got} for {expected}");
    }

    #[test]
    fn slopes_are_the_derivatives_of_the_loss(score in -5.0f64..5.0, fraud in any::<bool>()) {
        let label = f32::from(u8::from(fraud));
        let loss = |score: f64| crate::measures::log_loss(&[score], &[label], &[1.0]);
        let slopes = Slopes::logistic(&[score], &[label], &[0.5], 0.5);
        let (gradient, hessian) = (f64::from(slopes.rows[0].gradient) * slopes.unit, f64::from(slopes.rows[0].hessian) * slopes.unit);
        let step = 1e-4;
        let first = (loss(score + step) - loss(score - step)) / (2.0 * step);
        let second = (loss(score + step) - 2.0 * loss(score) + loss(score - step)) / (step * step);
        prop_assert!((gradient / 0.5 - first).abs() < 1e-6 && (hessian / 0.5 - second).abs() < 1e-5);
    }

    #[test]
    fn a_score_never_moves_against_its_promise(seed in any::<u64>()) {
        let table = random_table(seed, 300, 3);
        let labels = random_labels(seed, &table);
        let monotone = BTreeMap::from([("f0".to_owned(), Monotone::Falling), ("f1".to_owned(), Monotone::Rising)]);
        let settings = Settings { trees_max: 20, leaf_rows_min: 2, monotone, ..Settings::default() };
        let booster = trained(&table, &labels, &settings);
        for number in 0..20 {
            let mut row = random_row(seed ^ (1 << number), 3);
            for (feature, sign) in [(0, -1.0), (1, 1.0)] {
                let scores = (-60..60).map(|value| {
                    row[feature] = value as f32 / 10.0;
                    sign * booster.score(&row)
                });
                let scores: Vec<f64> = scores.collect();
                prop_assert!(scores.windows(2).all(|pair| pair[0] <= pair[1] + 1e-12));
            }
        }
    }

    #[test]
    fn threads_order_of_trees_and_scores_agree(seed in any::<u64>()) {
        let table = random_table(seed, 500, 4);
        let labels = random_labels(seed, &table);
        let settings = Settings { trees_max: 8, row_share: 0.7, feature_share: 0.5, seed, ..Settings::default() };
        let alone = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("one thread");
        let booster = trained(&table, &labels, &settings);
        prop_assert!(booster == alone.install(|| trained(&table, &labels, &settings)));
        prop_assert_eq!(booster.check(), Ok(()));
        let one_by_one: Vec<f64> = (0..table.rows()).map(|row| booster.score(&table.row(row))).collect();
        prop_assert!(one_by_one == booster.scores(&table).expect("the same features"));
        let text = serde_json::to_string(&booster).expect("numbers are finite");
        prop_assert!(booster == serde_json::from_str::<Booster>(&text).expect("what was written"));
    }
}

#[test]
fn training_goes_on_where_it_ended() {
    let table = random_table(5, 400, 4);
    let labels = random_labels(5, &table);
    let settings = |trees_max| Settings { trees_max, ..Settings::default() };
    let weights = vec![1.0; labels.len()];
    let examples = Examples { table: &table, labels: &labels, weights: &weights };
    let half = trained(&table, &labels, &settings(5));
    let resumed = fit(examples, None, Some(&half), &settings(5), |_, _| ()).expect("rows are sound");
    let whole = trained(&table, &labels, &settings(10));
    let losses = [&half, &resumed, &whole].map(|booster| {
        crate::measures::log_loss(&booster.scores(&table).expect("the same features"), &labels, &weights)
    });
    assert_eq!(resumed.trees.len(), 10);
    assert!((losses[1] - losses[2]).abs() < 1e-9 && losses[1] < losses[0], "{losses:?}");
}

#[test]
fn patience_ends_at_the_best_tree() {
    let [table, held] = [6, 7].map(|seed| random_table(seed, 200, 4));
    let [labels, held_labels] = [(6, &table), (7, &held)].map(|(seed, table)| random_labels(seed, table));
    let weights = vec![1.0; 200];
    let settings = Settings { trees_max: 400, patience: 10, leaf_rows_min: 2, ..Settings::default() };
    let mut losses = Vec::new();
    let held_back = Examples { table: &held, labels: &held_labels, weights: &weights };
    let examples = Examples { table: &table, labels: &labels, weights: &weights };
    let booster =
        fit(examples, Some(held_back), None, &settings, |_, loss| losses.extend(loss)).expect("rows are sound");
    let best = losses.iter().copied().fold(f64::INFINITY, f64::min);
    assert_eq!(losses[booster.trees.len() - 1], best);
    assert!(losses.len() < 400 && losses.len() == booster.trees.len() + 10);
}

#[test]
fn what_cannot_be_learned_from_is_refused_with_what_was_seen() {
    let table = random_table(1, 4, 2);
    let weights = [1.0; 4];
    let attempt = |labels: &[f32], weights: &[f32], settings: &Settings| {
        let examples = Examples { table: &table, labels, weights };
        fit(examples, None, None, settings, |_, _| ()).expect_err("refused").to_string()
    };
    let settings = Settings::default();
    assert_eq!(
        attempt(&[1.0; 4], &weights, &settings),
        "all rows that count have label 1; there is nothing to tell apart"
    );
    assert!(attempt(&[0.0, 1.0, f32::NAN, 0.0], &weights, &settings).starts_with("row 2: the label is NaN"));
    assert!(attempt(&[0.0, 1.0, 1.0, 0.0], &[1.0, -1.0, 1.0, 1.0], &settings).starts_with("row 1: the weight is -1"));
    assert!(attempt(&[0.0; 3], &weights, &settings).starts_with("3 labels"));
    let settings = Settings { learning_rate: 0.0, ..Settings::default() };
    assert_eq!(attempt(&[0.0, 1.0, 1.0, 0.0], &weights, &settings), "learning_rate is 0; it must be over 0, up to 1");
}
