//! A network that ONNX's own program made scores here as in onnxruntime, and our export of it is what onnxruntime ran:
//! `fixtures/make_network.py` made and checked both.

use models::temporal::{Network, NetworkError};
use serde_json::Value;

const THEIRS: &[u8] = include_bytes!("fixtures/network_theirs.onnx");
const OURS: &[u8] = include_bytes!("fixtures/network_ours.onnx");

fn numbers(value: &Value) -> Vec<f32> {
    value.as_array().expect("a list").iter().map(|value| value.as_f64().expect("a number") as f32).collect()
}

#[test]
fn scores_are_those_of_onnxruntime() {
    let known: Value = serde_json::from_str(include_str!("fixtures/network.json")).expect("our own fixture");
    let network = Network::from_onnx(THEIRS).expect("of our graph");
    assert_eq!(network.version, "test-1");
    let examples = |series: &str| known[series].as_array().expect("examples").iter().map(numbers).collect::<Vec<_>>();
    let (hours, plays) = (examples("hours"), examples("plays"));
    for (at, expected) in numbers(&known["scores"]).into_iter().enumerate() {
        let got = network.score([&hours[at], &plays[at]]).expect("of its forms");
        assert!((got - expected).abs() < 1e-6, "example {at}: {got} for {expected}");
    }
    assert!(network.to_onnx() == OURS, "run make_network.py again: onnxruntime must run what is exported");
    assert_eq!(Network::from_onnx(OURS).as_ref(), Ok(&network));
    assert_eq!(Network::from_bytes(&network.to_bytes()), Ok(network));
}

#[test]
fn what_is_no_network_of_ours_is_refused() {
    let replaced = |from: &[u8], to: &[u8]| {
        let at = THEIRS.windows(from.len()).position(|part| part == from).expect("it is there");
        let mut bytes = THEIRS.to_vec();
        bytes[at..at + to.len()].copy_from_slice(to);
        Network::from_onnx(&bytes).expect_err("refused")
    };
    let foreign = replaced(b"ReduceMax", b"ReduceMin");
    assert!(matches!(&foreign, NetworkError::Operator(name, _) if name == "ReduceMin"), "{foreign}");
    let weights = THEIRS.windows(12).position(|part| part == b"hours_stem_w").expect("its first weights");
    assert!(weights < THEIRS.len());
    assert!(matches!(Network::from_onnx(&THEIRS[..THEIRS.len() / 2]), Err(NetworkError::File(_))));
    assert!(matches!(Network::from_onnx(OURS.get(..0).expect("nothing")), Err(NetworkError::File(_))));
}
