//! The company an account keeps: who else plays the rare tracks that it plays.
//!
//! ```text
//! listeners of a track, before and after ──▶ [`Shift`] of each of them ──▶ [`Circle`] of an account ──▶ [`Company`]
//! ```
//!
//! Millions play a hit, and two of them have nothing in common. Two accounts that share forty tracks which hardly
//! anybody else plays have: they are a couple, friends of one label, or one machine. So tracks of more than
//! [`RARE_LISTENERS_MAX`] accounts say nothing here (a link weighs less the more popular it is: Adamic and Adar 2003), and the
//! number asked for is how many rare tracks an account shares with the same others: the sum over the others of the
//! squares of what is shared, over its sum.
//!
//! Squares need every pair, and pairs are many. A sketch needs none (Alon, Matias and Szegedy 1996): give each account 64 random
//! signs, sum the signs of all others on all rare tracks, and the mean square of the 64 sums is the sum of squares, give or
//! take a fifth. Sums can be taken back exactly, so the sketch of what is left is the same whatever came and went.

use serde::{Deserialize, Serialize};

/// A track of more listeners is no company. Measured on injected mimicry (docs/MODELS.md): with 32, the share of it above one in
/// a thousand honest accounts is .90, with 16 .37.
pub const RARE_LISTENERS_MAX: usize = 32;
/// Signs of an account; the spread of an estimated sum of squares is a factor of about √(2 / 64).
const SIGNS: usize = 64;

/// What is known of an account's company as of now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Company {
    /// Tracks that it and 1 to 31 others played.
    pub rare_tracks: u32,
    /// Its plays of them.
    pub rare_plays: u32,
    /// Tracks that nobody else played.
    pub lone_tracks: u32,
    /// Its plays of them.
    pub lone_plays: u32,
    /// The others on its rare tracks, each as often as it shares one.
    pub others: u64,
    /// The sum of the squares of how many rare tracks each other shares, estimated, times 64.
    pub squares: u64,
}

impl Company {
    /// How many rare tracks are shared with whom one is shared: 1 by chance, all of them with a double. NaN without company.
    pub fn shared(&self) -> f64 {
        self.squares as f64 / SIGNS as f64 / self.others as f64
    }
}

/// The sums of signs of the others, one per sign: two halves, because serde knows arrays up to 32.
type Sums = [[i8; SIGNS / 2]; 2];

/// How a track changes the company of one of its listeners.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shift {
    rare_tracks: i8,
    lone_tracks: i8,
    others: i8,
    rare_plays: i32,
    lone_plays: i32,
    sums: Sums,
}

impl Shift {
    const NONE: Shift =
        Shift { rare_tracks: 0, lone_tracks: 0, others: 0, rare_plays: 0, lone_plays: 0, sums: [[0; SIGNS / 2]; 2] };
}

/// The listeners of a track as far as they are few: each with its plays; `None` where they are too many.
pub type Listeners = Option<Vec<(u64, u32)>>;

/// What changes for each listener when these become the listeners of a track. `signs` are 64 random bits of an account,
/// always the same.
pub fn shifts(before: &Listeners, now: &Listeners, signs: impl Fn(u64) -> u64, mut tell: impl FnMut(u64, Shift)) {
    let sides = [before, now].map(|side| side.as_deref().unwrap_or_default());
    let crowds = sides.map(|side| crowd(side, &signs));
    let of = |side: usize, account: u64| {
        let plays = sides[side].iter().find(|(listener, _)| *listener == account).map(|(_, plays)| *plays);
        plays.map_or(Shift::NONE, |plays| part(&crowds[side], sides[side].len(), signs(account), plays))
    };
    let is_new = |account: &u64| sides[0].iter().all(|(listener, _)| listener != account);
    let [old, new] = sides.map(|side| side.iter().map(|(account, _)| *account));
    for account in old.chain(new.filter(is_new)) {
        let shift = less(&of(1, account), &of(0, account));
        if shift != Shift::NONE {
            tell(account, shift);
        }
    }
}

/// The sums of the signs of all listeners.
fn crowd(listeners: &[(u64, u32)], signs: impl Fn(u64) -> u64) -> Sums {
    let mut sums = Sums::default();
    for (account, _) in listeners {
        add_signs(&mut sums, signs(*account), 1);
    }
    sums
}

fn add_signs(sums: &mut Sums, signs: u64, times: i8) {
    for (place, sum) in sums.iter_mut().flatten().enumerate() {
        *sum += times * sign(signs, place);
    }
}

fn sign(signs: u64, place: usize) -> i8 {
    ((signs >> place) & 1) as i8 * 2 - 1
}

/// What a track of so many listeners is to one of them.
fn part(crowd: &Sums, listeners: usize, signs: u64, plays: u32) -> Shift {
    let plays = plays as i32;
    if listeners == 1 {
        return Shift { lone_tracks: 1, lone_plays: plays, ..Shift::NONE };
    }
    let mut sums = *crowd;
    add_signs(&mut sums, signs, -1);
    Shift { rare_tracks: 1, rare_plays: plays, others: listeners as i8 - 1, sums, ..Shift::NONE }
}

fn less(a: &Shift, b: &Shift) -> Shift {
    let mut sums = a.sums;
    sums.iter_mut().flatten().zip(b.sums.iter().flatten()).for_each(|(sum, taken)| *sum -= taken);
    Shift {
        rare_tracks: a.rare_tracks - b.rare_tracks,
        lone_tracks: a.lone_tracks - b.lone_tracks,
        others: a.others - b.others,
        rare_plays: a.rare_plays - b.rare_plays,
        lone_plays: a.lone_plays - b.lone_plays,
        sums,
    }
}

/// The shifts of one account, added up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Circle {
    rare_tracks: u32,
    lone_tracks: u32,
    rare_plays: u32,
    lone_plays: u32,
    others: u64,
    sums: [i32; SIGNS],
}

impl Default for Circle {
    fn default() -> Circle {
        Circle { rare_tracks: 0, lone_tracks: 0, rare_plays: 0, lone_plays: 0, others: 0, sums: [0; SIGNS] }
    }
}

impl Circle {
    /// Adds what a track changed.
    pub fn add(&mut self, shift: &Shift) {
        self.rare_tracks = self.rare_tracks.wrapping_add_signed(shift.rare_tracks.into());
        self.lone_tracks = self.lone_tracks.wrapping_add_signed(shift.lone_tracks.into());
        self.rare_plays = self.rare_plays.wrapping_add_signed(shift.rare_plays);
        self.lone_plays = self.lone_plays.wrapping_add_signed(shift.lone_plays);
        self.others = self.others.wrapping_add_signed(shift.others.into());
        self.sums.iter_mut().zip(shift.sums.iter().flatten()).for_each(|(sum, more)| *sum += i32::from(*more));
    }

    /// Whether nothing is left of it.
    pub fn is_empty(&self) -> bool {
        self.rare_tracks == 0 && self.lone_tracks == 0
    }

    /// What it comes to.
    pub fn company(&self) -> Company {
        let Circle { rare_tracks, lone_tracks, rare_plays, lone_plays, others, ref sums } = *self;
        let squares = sums.iter().map(|sum| u64::from(sum.unsigned_abs()).pow(2)).sum();
        Company { rare_tracks, rare_plays, lone_tracks, lone_plays, others, squares }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// A well-mixed hash: the finalizer of MurmurHash3.
    fn signs(account: u64) -> u64 {
        let h = (account ^ (account >> 33)).wrapping_mul(0xFF51_AFD7_ED55_8CCD);
        let h = (h ^ (h >> 33)).wrapping_mul(0xC4CE_B9FE_1A85_EC53);
        h ^ (h >> 33)
    }

    /// Plays by track and account.
    type Plays = BTreeMap<u64, BTreeMap<u64, u32>>;

    fn listeners(plays: Option<&BTreeMap<u64, u32>>) -> Listeners {
        let listeners = plays.into_iter().flatten().map(|(account, plays)| (*account, *plays)).collect::<Vec<_>>();
        (listeners.len() <= RARE_LISTENERS_MAX).then_some(listeners)
    }

    /// By definition: every pair is counted.
    fn recounted(plays: &Plays, account: u64) -> (Company, u64) {
        let (mut company, mut shared) = (Company::default(), BTreeMap::<u64, u64>::new());
        for track in plays.values().filter(|track| track.contains_key(&account) && track.len() <= RARE_LISTENERS_MAX) {
            let (tracks, of) = match track.len() {
                1 => (&mut company.lone_tracks, &mut company.lone_plays),
                _ => (&mut company.rare_tracks, &mut company.rare_plays),
            };
            *tracks += 1;
            *of += track[&account];
            company.others += track.len() as u64 - 1;
            track.keys().filter(|other| **other != account).for_each(|other| *shared.entry(*other).or_default() += 1);
        }
        (company, shared.values().map(|tracks| tracks * tracks).sum())
    }

    proptest! {
        #[test]
        fn what_came_and_went_leaves_what_a_recount_finds(
            steps in prop::collection::vec((0u64..12, 0u64..60, any::<bool>()), 0..1_500),
        ) {
            let (mut plays, mut circles) = (Plays::new(), BTreeMap::<u64, Circle>::new());
            for (track, account, enters) in steps {
                let before = listeners(plays.get(&track));
                let count = plays.entry(track).or_default().entry(account).or_default();
                *count = if enters { *count + 1 } else { count.saturating_sub(1) };
                if *count == 0 {
                    plays.get_mut(&track).unwrap().remove(&account);
                }
                let add = |account: u64, shift: Shift| circles.entry(account).or_default().add(&shift);
                shifts(&before, &listeners(plays.get(&track)), signs, add);
            }
            for account in 0..60 {
                let found = circles.remove(&account).unwrap_or_default();
                let (expected, _) = recounted(&plays, account);
                prop_assert_eq!(Company { squares: 0, ..found.company() }, expected);
                // The sketch of what is left, made at once.
                let mut at_once = Circle::default();
                for track in plays.values() {
                    let mine = |one: u64, shift: Shift| if one == account { at_once.add(&shift) };
                    shifts(&Some(Vec::new()), &listeners(Some(track)), signs, mine);
                }
                prop_assert_eq!(&found, &at_once);
                prop_assert_eq!(found.is_empty(), expected == Company::default());
            }
        }
    }

    #[test]
    fn the_sketch_is_near_the_sum_over_pairs_and_a_double_stands_out() {
        // 300 accounts play 60 tracks each of 3,000; two play the same 40 beside.
        let mut plays = Plays::new();
        for account in 0..300 {
            for n in 0..60 {
                *plays.entry(signs(account * 1_000 + n) % 3_000).or_default().entry(account).or_default() += 1;
            }
        }
        for track in 5_000..5_040 {
            plays.insert(track, BTreeMap::from([(7, 1), (11, 1)]));
        }
        let mut circles = BTreeMap::<u64, Circle>::new();
        for track in plays.values() {
            shifts(&None, &listeners(Some(track)), signs, |account, shift| {
                circles.entry(account).or_default().add(&shift);
            });
        }
        let mut ratios = Vec::new();
        for (account, circle) in &circles {
            let (expected, squares) = recounted(&plays, *account);
            let shared = circle.company().shared();
            ratios.push(shared / (squares as f64 / expected.others as f64));
            assert_eq!(shared > 3.0, [7, 11].contains(account), "account {account} shares {shared}");
        }
        let mean = ratios.iter().sum::<f64>() / ratios.len() as f64;
        // All estimates share the signs of the same others: together they are hardly better than one.
        assert!((mean - 1.0).abs() < 0.36, "{mean}");
        assert!(ratios.iter().all(|ratio| (0.4..2.0).contains(ratio)), "{ratios:?}");
    }
}
