//! Q1 by hand: `account_window`.

use hashbrown::HashMap;

use super::View;
use super::tally::{CountsOfCounts, Few};
use crate::feed::Play;
use crate::views::{AccountRow, CLOCK_HOUR_MS, Digest, Totals, entropy_micronats, weight};

#[derive(Default)]
struct Account {
    totals: Totals,
    artists: u32,
    tracks: CountsOfCounts,
    countries: Few<u16>,
    devices: Few<u32>,
    hours: Few<i64>,
    touched: bool,
    /// What the digest holds of this account.
    shown: AccountRow,
}

impl Account {
    fn row(&self) -> AccountRow {
        AccountRow {
            totals: self.totals,
            tracks: self.tracks.distinct,
            artists: self.artists,
            countries: self.countries.distinct(),
            devices: self.devices.distinct(),
            active_hours: self.hours.distinct(),
            top_track_plays: self.tracks.top(),
            track_sum_squares: self.tracks.sum_squares,
            track_entropy_micronats: entropy_micronats(self.totals.plays, self.tracks.count_times_ln()),
        }
    }
}

/// All accounts of the window.
#[derive(Default)]
pub struct Accounts {
    accounts: HashMap<u32, Account>,
    /// Plays by (account, track).
    by_track: HashMap<(u32, u32), u32>,
    /// Plays by (account, artist).
    by_artist: HashMap<(u32, u32), u32>,
    touched: Vec<u32>,
    digest: Digest,
}

/// Moves the count of a key by one; returns the count before and after.
pub fn bump<K: std::hash::Hash + Eq>(counts: &mut HashMap<K, u32>, key: K, diff: isize) -> (u32, u32) {
    match counts.entry(key) {
        hashbrown::hash_map::Entry::Occupied(mut occupied) => {
            let before = *occupied.get();
            let after = before.wrapping_add_signed(diff as i32);
            if after == 0 {
                occupied.remove();
            } else {
                *occupied.get_mut() = after;
            }
            (before, after)
        }
        hashbrown::hash_map::Entry::Vacant(vacant) => {
            vacant.insert(diff as u32);
            (0, diff as u32)
        }
    }
}

impl View for Accounts {
    fn change(&mut self, play: &Play, diff: isize) {
        let account = self.accounts.entry(play.account).or_default();
        if !account.touched {
            account.touched = true;
            self.touched.push(play.account);
        }
        account.totals.add(play.played_ms, diff as i64);
        let (before, after) = bump(&mut self.by_track, (play.account, play.track), diff);
        account.tracks.shift(before, after);
        let (before, after) = bump(&mut self.by_artist, (play.account, play.artist), diff);
        account.artists = account.artists + u32::from(before == 0) - u32::from(after == 0);
        account.countries.change(play.country, diff);
        account.devices.change(play.device, diff);
        account.hours.change(play.ended_at.div_euclid(CLOCK_HOUR_MS), diff);
    }

    fn refresh(&mut self) -> Digest {
        for id in self.touched.drain(..) {
            let account = self.accounts.get_mut(&id).expect("a touched account is there until its refresh");
            account.touched = false;
            let weight = weight(u64::from(id));
            if account.shown.totals.plays > 0 {
                self.digest.add(weight, &account.shown, -1);
            }
            if account.totals.plays > 0 {
                account.shown = account.row();
                self.digest.add(weight, &account.shown, 1);
            } else {
                self.accounts.remove(&id);
            }
        }
        self.digest.clone()
    }
}
