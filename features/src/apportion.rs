//! Divides a whole number in proportion, without a remainder.

/// Divides `whole` in proportion to `claims`; what rounding leaves goes to the greatest remainders, of equals first come first
/// (the method of Hamilton). Without claims nobody gets anything.
pub fn divide(whole: u64, claims: &[u64]) -> Vec<u64> {
    let total = claims.iter().map(|claim| u128::from(*claim)).sum::<u128>();
    if total == 0 {
        return vec![0; claims.len()];
    }
    let of = |claim: u64| u128::from(whole) * u128::from(claim);
    let mut shares: Vec<u64> = claims.iter().map(|claim| (of(*claim) / total) as u64).collect();
    let left = whole - shares.iter().sum::<u64>();
    if left > 0 {
        let mut hungry: Vec<usize> = (0..claims.len()).filter(|&at| claims[at] > 0).collect();
        hungry.sort_by_key(|&at| std::cmp::Reverse(of(claims[at]) % total));
        hungry.into_iter().take(left as usize).for_each(|at| shares[at] += 1);
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_left_and_nobody_is_more_than_one_off() {
        assert_eq!(divide(100, &[1, 1, 1]), [34, 33, 33]);
        assert_eq!(divide(5, &[0, 3, 0, 1]), [0, 4, 0, 1]);
        assert_eq!((divide(7, &[0, 0]), divide(0, &[3])), (vec![0, 0], vec![0]));
        let claims = [u64::MAX, u64::MAX - 1, 3, 0];
        let shares = divide(u64::MAX, &claims);
        assert_eq!(shares.iter().map(|share| u128::from(*share)).sum::<u128>(), u128::from(u64::MAX));
        assert_eq!(shares[3], 0);
    }
}
