//! Trained weights as a safetensors file holds them: the length of a header, the header (JSON: type, shape and place of each tensor), the numbers.
//!
//! The crate of that name would do; it brings a dozen others for what is a page here, and reads types that no network of ours has.

use std::collections::BTreeMap;

use serde::Deserialize;

/// The tensors of a file.
pub(super) struct Weights<'a> {
    header: BTreeMap<String, Tensor>,
    numbers: &'a [u8],
}

#[derive(Deserialize)]
struct Tensor {
    dtype: String,
    shape: Vec<usize>,
    data_offsets: [usize; 2],
}

impl<'a> Weights<'a> {
    /// Reads the header.
    ///
    /// # Errors
    /// Where it is none.
    pub(super) fn read(bytes: &'a [u8]) -> Result<Weights<'a>, String> {
        let cut = || "the file is cut short".to_owned();
        let (length, rest) = bytes.split_first_chunk::<8>().ok_or_else(cut)?;
        let length = usize::try_from(u64::from_le_bytes(*length)).map_err(|error| error.to_string())?;
        let (header, numbers) = rest.split_at_checked(length).ok_or_else(cut)?;
        Ok(Weights { header: serde_json::from_slice(header).map_err(|error| error.to_string())?, numbers })
    }

    /// The numbers of a tensor and how many rows it has; the rest of its shape is as expected.
    ///
    /// # Errors
    /// Where it is missing, of another type or shape, cut short, or a number is none.
    pub(super) fn tensor(&self, name: &str, row: &[usize]) -> Result<(Vec<f32>, usize), String> {
        let tensor = self.header.get(name).ok_or_else(|| format!("{name} is missing"))?;
        let (rows, rest) = match tensor.shape.split_first() {
            Some((rows, rest)) if tensor.dtype == "F32" && rest == row => (*rows, rest),
            _ => {
                return Err(format!(
                    "{name}: found {} of {:?}; expected F32 of rows of {row:?}",
                    tensor.dtype, tensor.shape
                ));
            }
        };
        let [from, to] = tensor.data_offsets;
        let bytes = self.numbers.get(from..to).ok_or_else(|| format!("{name}: the file is cut short"))?;
        let values: Vec<f32> = bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
        let expected = rest.iter().try_fold(rows, |product, size| product.checked_mul(*size));
        if expected != Some(values.len()) || values.iter().any(|value| !value.is_finite()) {
            return Err(format!("{name}: {} numbers, or one that is none, for {:?}", values.len(), tensor.shape));
        }
        Ok((values, rows))
    }
}
