//! The network as a file: safetensors, which names each tensor, its shape and its numbers.

use std::collections::HashMap;

use safetensors::tensor::{Dtype, SafeTensors, TensorView, serialize};
use serde::{Deserialize, Serialize};

use super::net::{Network, PATCH, SERIES, tensors};
use super::{Form, NetworkError};

/// The one entry of the file's metadata.
const ENTRY: &str = "truestream";
/// Series longer than this are no series of accounts.
const NUMBERS_MAX: usize = 1 << 20;

/// What the metadata say.
#[derive(Serialize, Deserialize)]
struct About {
    version: String,
    forms: [Form; 2],
}

impl Network {
    /// The file. The same network gives the same bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let tensors = tensors(self.forms);
        let bytes: Vec<Vec<u8>> = tensors
            .iter()
            .map(|tensor| {
                self.weights[tensor.at..][..tensor.numbers()].iter().flat_map(|weight| weight.to_le_bytes()).collect()
            })
            .collect();
        let views = tensors.iter().zip(&bytes).map(|(tensor, bytes)| {
            let view = TensorView::new(Dtype::F32, tensor.shape.clone(), bytes);
            (tensor.name.as_str(), view.expect("four bytes a number"))
        });
        let about = About { version: self.version.clone(), forms: self.forms };
        let about = serde_json::to_string(&about).expect("plain data");
        serialize(views, Some(HashMap::from([(ENTRY.to_owned(), about)]))).expect("tensors of known sizes")
    }

    /// The network in a file.
    ///
    /// # Errors
    /// When it is none, tensors are missing or of other shapes, or a weight is not finite.
    pub fn from_bytes(bytes: &[u8]) -> Result<Network, NetworkError> {
        let wrong = |error: &dyn std::fmt::Display| NetworkError::File(error.to_string());
        let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(|error| wrong(&error))?;
        let entry = metadata.metadata().as_ref().and_then(|entries| entries.get(ENTRY));
        let about = entry.ok_or_else(|| wrong(&format!("its metadata have no entry `{ENTRY}`")))?;
        let About { version, forms } = serde_json::from_str(about).map_err(|error| wrong(&error))?;
        let read = SafeTensors::deserialize(bytes).map_err(|error| wrong(&error))?;
        let number = |bytes: &[u8]| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        Network::of_tensors(version, forms, |name| {
            let view = read.tensor(name).map_err(|error| wrong(&error))?;
            match view.dtype() {
                Dtype::F32 => Ok((view.shape().to_vec(), view.data().chunks_exact(4).map(number).collect())),
                other => Err(wrong(&format!("tensor {name} holds {other:?} instead of F32"))),
            }
        })
    }

    /// A network of tensors that came from elsewhere: `tensor` gives the shape and the numbers of each.
    pub(super) fn of_tensors(
        version: String,
        forms: [Form; 2],
        mut tensor: impl FnMut(&str) -> Result<(Vec<usize>, Vec<f32>), NetworkError>,
    ) -> Result<Network, NetworkError> {
        for (series, form) in SERIES.iter().zip(forms) {
            let within = |number: usize| (1..=NUMBERS_MAX).contains(&number);
            let sound = within(form.steps) && within(form.channels) && within(form.numbers());
            if !sound || !form.steps.is_multiple_of(PATCH) {
                let Form { steps, channels } = form;
                return Err(NetworkError::File(format!(
                    "the series {series} has {steps} steps of {channels} numbers; expected a multiple of {PATCH} steps, \
                     and {NUMBERS_MAX} numbers at most"
                )));
            }
        }
        let mut weights = Vec::new();
        for expected in tensors(forms) {
            let (got, numbers) = tensor(&expected.name)?;
            if got != expected.shape || numbers.len() != expected.numbers() {
                return Err(NetworkError::Shape { name: expected.name, expected: expected.shape, got });
            }
            if numbers.iter().any(|number| !number.is_finite()) {
                return Err(NetworkError::NotFinite { name: expected.name });
            }
            weights.extend(numbers);
        }
        Ok(Network { version, forms, weights })
    }
}

#[cfg(test)]
mod tests {
    use super::super::net::tests::{FORMS, random_series};
    use super::*;

    #[test]
    fn a_network_is_read_as_it_was_written_and_damage_is_told() {
        let network = Network::new("test-1", FORMS, 3);
        let bytes = network.to_bytes();
        assert!((0..5).all(|_| network.to_bytes() == bytes));
        let read = Network::from_bytes(&bytes).expect("it was just written");
        assert_eq!(read, network);
        let series = random_series(4, FORMS);
        let series = [series[0].as_slice(), series[1].as_slice()];
        assert_eq!(read.score(series), network.score(series));

        let told = |bytes: &[u8]| Network::from_bytes(bytes).expect_err("damaged").to_string();
        for cut in [0, 7, 8, 50, bytes.len() / 2, bytes.len() - 1] {
            assert!(told(&bytes[..cut]).starts_with("it is no network"), "cut at {cut}");
        }
        let replaced = |from: &str, to: &str| {
            let at = bytes.windows(from.len()).position(|part| part == from.as_bytes()).expect("it is there");
            let mut bytes = bytes.clone();
            bytes[at..at + from.len()].copy_from_slice(to.as_bytes());
            told(&bytes)
        };
        assert!(replaced("dense.weight", "tense.weight").contains("dense.weight"));
        assert!(replaced("[16,1]", "[1,16]").contains("tensor score.weight has the shape [1, 16]"));
        assert!(replaced("\\\"steps\\\":24", "\\\"steps\\\":23").contains("a multiple of 4 steps"));
        assert!(replaced("truestream", "somebodyes").contains("no entry"));
        let mut poisoned = network.clone();
        poisoned.weights[100] = f32::NAN;
        assert!(told(&poisoned.to_bytes()).contains("hours.stem.weight holds a number that is not finite"));
    }
}
