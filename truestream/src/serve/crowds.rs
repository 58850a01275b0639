//! Cases for who may not see whose they are: in groups of which nobody can be told from at least nine others.
//!
//! ```text
//! kind, verdict, R in tenths, plays in powers of ten ──▶ groups of ten and more ──▶ told
//!        ▲                                                    └── the others, with one property less ──┐
//!        └─────────────────────────────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! k-anonymity (Sweeney 2002) by local recoding: a case is told once, at the finest level at which its group is large enough, or not at all.

use std::collections::BTreeMap;

use console::desk::Group;
use records::{Risk, Subject, Verdict};

/// Whoever is told of is one of so many at least: below ten, cells are usually suppressed in published statistics (Eurostat and national offices use 3 to
/// 10).
const ALIKE_MIN: usize = 10;

/// What is known of a case, the most telling last.
pub type Known = [String; 4];

/// What is told of a case, before it is known how many are like it.
pub fn known(subject: Subject, verdict: Verdict, risk: Risk, payable: u64) -> Known {
    let tenth = (risk.parts() / 1_000).min(9);
    let plays = match payable.checked_ilog10() {
        None => "0".to_owned(),
        Some(power) => format!("{} to {}", 10u64.pow(power), 10u64.saturating_pow(power + 1) - 1),
    };
    let risk = format!("0.{tenth} to {}", if tenth == 9 { "1.0".to_owned() } else { format!("0.{}", tenth + 1) });
    [subject.name().to_owned(), verdict.name().to_owned(), risk, plays]
}

/// The groups that are large enough, by what they have in common.
pub fn grouped(cases: impl IntoIterator<Item = Known>) -> Vec<Group> {
    let mut told = BTreeMap::new();
    let mut left: Vec<Known> = cases.into_iter().collect();
    for properties in (1..=4).rev() {
        let mut groups: BTreeMap<Known, usize> = BTreeMap::new();
        for case in &mut left {
            case[properties..].iter_mut().for_each(String::clear);
            *groups.entry(case.clone()).or_default() += 1;
        }
        left.retain(|case| groups[case] < ALIKE_MIN);
        told.extend(groups.into_iter().filter(|(_, cases)| *cases >= ALIKE_MIN));
    }
    told.into_iter().map(|(common, cases)| Group { common, cases }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The slow twin of a law: each case is told at most once, and no group is small.
    fn is_anonymous(cases: &[Known], told: &[Group]) {
        assert!(told.iter().all(|group| group.cases >= ALIKE_MIN), "{told:?}");
        assert!(told.iter().map(|group| group.cases).sum::<usize>() <= cases.len());
        for group in told {
            let fits =
                |case: &&Known| case.iter().zip(&group.common).all(|(own, common)| common.is_empty() || own == common);
            assert!(cases.iter().filter(fits).count() >= group.cases, "{group:?}");
        }
    }

    #[test]
    fn nobody_is_told_from_fewer_than_nine_others() {
        let case = |payable: u64, parts: u64| known(Subject::Account, Verdict::Hold, Risk::from_parts(parts), payable);
        // Twelve of a kind; nine and eight that only together are enough; one alone.
        let mut cases = vec![case(500, 4_500); 12];
        cases.extend(vec![case(5, 4_500); 9]);
        cases.extend(vec![case(50, 4_500); 8]);
        cases.push(known(Subject::Track, Verdict::Block, Risk::CERTAIN, 7));
        let told = grouped(cases.clone());
        let counts: Vec<_> = told.iter().map(|group| (group.common[3].as_str(), group.cases)).collect();
        assert_eq!(counts, [("", 17), ("100 to 999", 12)]);
        is_anonymous(&cases, &told);
        assert_eq!(grouped(vec![case(1, 1); 9]), []);
        let mut seed = 1u64;
        for size in 0..60 {
            let mut lot = |below: u64| {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (seed >> 33) % below
            };
            let cases: Vec<Known> = (0..size * 5).map(|_| case(10u64.pow(lot(4) as u32), lot(3) * 2_000)).collect();
            is_anonymous(&cases, &grouped(cases.clone()));
        }
    }
}
