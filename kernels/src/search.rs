//! Databases as slices and the rows nearest to a query.

use crate::KernelError;

/// Bit codes, row-major: code i is `words[i * words_per_code..][..words_per_code]`.
#[derive(Clone, Copy, Debug)]
pub struct Codes<'a> {
    words: &'a [u64],
    words_per_code: usize,
}

/// Vectors, row-major: vector i is `values[i * dimensions..][..dimensions]`.
#[derive(Clone, Copy, Debug)]
pub struct Vectors<'a> {
    values: &'a [f32],
    dimensions: usize,
}

/// A code and how many bits it differs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HammingNeighbour {
    /// Which code.
    pub index: u32,
    /// Differing bits.
    pub distance: u32,
}

/// A vector and its dot product with the query.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DotNeighbour {
    /// Which vector.
    pub index: u32,
    /// The product.
    pub score: f32,
}

impl<'a> Codes<'a> {
    /// Codes of `words_per_code` words, 1 to 256 of them.
    pub fn new(words: &'a [u64], words_per_code: usize) -> Result<Codes<'a>, KernelError> {
        check_rows(words.len(), words_per_code, 256, "words per code")?;
        Ok(Codes { words, words_per_code })
    }

    /// All words.
    pub fn words(&self) -> &'a [u64] {
        self.words
    }

    /// Words per code.
    pub fn words_per_code(&self) -> usize {
        self.words_per_code
    }

    /// How many codes.
    pub fn len(&self) -> usize {
        self.words.len() / self.words_per_code
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }
}

impl<'a> Vectors<'a> {
    /// Vectors of 1 to 4096 dimensions.
    pub fn new(values: &'a [f32], dimensions: usize) -> Result<Vectors<'a>, KernelError> {
        check_rows(values.len(), dimensions, 4096, "dimensions")?;
        Ok(Vectors { values, dimensions })
    }

    /// All values.
    pub fn values(&self) -> &'a [f32] {
        self.values
    }

    /// Values per vector.
    pub fn dimensions(&self) -> usize {
        self.dimensions
    }

    /// How many vectors.
    pub fn len(&self) -> usize {
        self.values.len() / self.dimensions
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }
}

/// Rows of a width from 1 to `most`, whole ones, and no more than 32 bits can number.
fn check_rows(len: usize, width: usize, most: usize, what: &'static str) -> Result<(), KernelError> {
    if !(1..=most).contains(&width) {
        return Err(KernelError::Shape { what, expected: most, got: width });
    }
    KernelError::expect("what is left over of whole rows", 0, len % width)?;
    if len / width > u32::MAX as usize {
        return Err(KernelError::Shape { what: "rows", expected: u32::MAX as usize, got: len / width });
    }
    Ok(())
}
