//! A direction in a space of few dimensions, one byte a number.

use serde::{Deserialize, Serialize};

/// A direction of `N` dimensions. Its numbers are whole, the greatest of them 127 or -127: so vectors can be written down and compared exactly, and rounding
/// turns a direction of 64 numbers by about half a degree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Vector<const N: usize>([i8; N]);

impl<const N: usize> Vector<N> {
    /// The direction of these numbers; `None` of zeros, and where one is no number.
    pub fn of(numbers: &[f64; N]) -> Option<Vector<N>> {
        let greatest = numbers.iter().map(|number| number.abs()).fold(0.0, f64::max);
        let is_direction = numbers.iter().all(|number| number.is_finite()) && greatest > 0.0;
        is_direction.then(|| Vector(numbers.map(|number| (127.0 * number / greatest).round() as i8)))
    }

    /// The bytes, if they are a vector's.
    pub fn from_bytes(bytes: [u8; N]) -> Option<Vector<N>> {
        let numbers = bytes.map(|byte| byte as i8);
        let greatest = numbers.iter().map(|number| number.unsigned_abs()).max();
        (greatest == Some(127)).then_some(Vector(numbers))
    }

    /// One byte a number.
    pub fn bytes(&self) -> [u8; N] {
        self.0.map(|number| number as u8)
    }

    /// The numbers, so that their squares sum up to 1.
    pub fn unit(&self) -> [f32; N] {
        let length = self.0.iter().map(|number| f64::from(*number).powi(2)).sum::<f64>().sqrt();
        self.0.map(|number| (f64::from(number) / length) as f32)
    }

    /// How close two directions lie: the cosine of their angle, 1 of one direction, 0 where they have nothing in common.
    pub fn likeness(&self, other: &Vector<N>) -> f64 {
        let product =
            |a: &[i8; N], b: &[i8; N]| a.iter().zip(b).map(|(a, b)| i64::from(*a) * i64::from(*b)).sum::<i64>() as f64;
        product(&self.0, &other.0) / (product(&self.0, &self.0) * product(&other.0, &other.0)).sqrt()
    }
}

impl<const N: usize> From<Vector<N>> for String {
    fn from(vector: Vector<N>) -> String {
        vector.bytes().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl<const N: usize> TryFrom<String> for Vector<N> {
    type Error = String;

    fn try_from(text: String) -> Result<Vector<N>, String> {
        let wrong = || format!("{} letters that are no vector of {N} numbers", text.len());
        let digits: Option<Vec<u8>> = text.chars().map(|digit| digit.to_digit(16).map(|digit| digit as u8)).collect();
        let digits = digits.filter(|digits| digits.len() == 2 * N).ok_or_else(wrong)?;
        Vector::from_bytes(std::array::from_fn(|at| 16 * digits[2 * at] + digits[2 * at + 1])).ok_or_else(wrong)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vector_is_written_down_and_read_as_it_was() {
        let vector = Vector::of(&[0.5, -1.0, 0.25, 0.0]).expect("a direction");
        assert_eq!(vector.bytes(), [64, 129, 32, 0]);
        assert_eq!(Vector::from_bytes(vector.bytes()), Some(vector));
        let text = serde_json::to_string(&vector).expect("JSON");
        assert_eq!(text, "\"40812000\"");
        assert_eq!(serde_json::from_str::<Vector<4>>(&text).expect("a vector"), vector);
        for bad in ["\"\"", "\"408120\"", "\"4081200g\"", "\"00000000\"", "\"80812000\"", "\"éé\"", "7"] {
            assert!(serde_json::from_str::<Vector<4>>(bad).is_err(), "{bad}");
        }
        assert_eq!(Vector::of(&[0.0, 0.0]), None);
        assert_eq!(Vector::of(&[1.0, f64::NAN]), None);
    }

    #[test]
    fn rounding_hardly_turns_a_direction() {
        let wave = |phase: f64| -> [f64; 64] { std::array::from_fn(|at| (at as f64 * 0.7 + phase).sin()) };
        let length = |numbers: &[f64]| numbers.iter().map(|number| number * number).sum::<f64>().sqrt();
        for phase in [0.3, 0.9, 2.0] {
            let (one, other) = (wave(0.0), wave(phase));
            let exact = one.iter().zip(&other).map(|(a, b)| a * b).sum::<f64>() / (length(&one) * length(&other));
            let (one, other) = (Vector::of(&one).expect("a direction"), Vector::of(&other).expect("a direction"));
            assert!((one.likeness(&other) - exact).abs() < 0.005);
            let by_units: f32 = one.unit().iter().zip(other.unit()).map(|(a, b)| a * b).sum();
            assert!((f64::from(by_units) - one.likeness(&other)).abs() < 1e-5);
        }
    }
}
