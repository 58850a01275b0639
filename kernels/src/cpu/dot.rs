//! Two rows of floats become the sum of their products.

/// Σ a\[i\]·b\[i\] of two rows of one length, by eight partial sums and one of what is left over: an order that a processor can do at
/// once, and the same on every processor.
///
/// Written so that it becomes vector code wherever it is inlined: more sums, sums joined in pairs, or the rest added to them made
/// rows of 128 two to three times slower (rustc 1.95).
#[inline(always)]
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0f32; 8];
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    for (a, b) in a.iter().zip(b) {
        for lane in 0..8 {
            sums[lane] += a[lane] * b[lane];
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f32>() + rest
}
