//! The law of the benchmark: engines that are compared give the same answers.

use crate::feed::Clock;
use crate::report::Answers;
use crate::{Question, Questions, floor, reduce, w1};

fn agree(floor: &Answers, reduce: &Answers) {
    assert_eq!(floor.view(), reduce.view());
    assert_eq!(floor.digests().len(), reduce.digests().len());
    for ((at, ours), (also_at, theirs)) in floor.digests().iter().zip(reduce.digests()) {
        assert_eq!(at, also_at);
        assert_eq!(ours.rows, theirs.rows, "{} at {at}", floor.view());
        for (ours, theirs) in ours.sums.iter().zip(&theirs.sums) {
            // Only the rounded entropy may differ, by one millionth of a nat in a row or two.
            assert!((ours - theirs).abs() <= ours.abs() / 1_000_000, "{} at {at}: {ours} {theirs}", floor.view());
        }
    }
}

#[test]
fn the_floor_and_the_textbook_agree_at_every_refresh() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (plays, corrections) = w1::write(w1::World { plays: 30_000, seed: 7 }, folder.path()).expect("a week");
    assert_eq!(plays, 30_000);
    assert!(corrections > 0);
    let asked = vec![Question::Accounts, Question::Tracks, Question::Groups, Question::Lockstep];
    let questions = Questions { asked, clock: Clock { every_ms: 3_600_000 }, window_ms: 24 * 3_600_000 };
    let (_, by_hand) = floor::run(folder.path(), &questions).expect("the floor answers");
    let (_, textbook) = reduce::run(folder.path(), &questions).expect("the textbook answers");
    assert_eq!((by_hand.len(), textbook.len()), (4, 4));
    for (floor, reduce) in by_hand.iter().zip(&textbook) {
        assert!(
            floor.digests().iter().any(|(_, digest)| digest.rows > 0),
            "{} is never empty throughout",
            floor.view()
        );
        agree(floor, reduce);
    }
}
