//! Q2 by hand: `track_window`.

use hashbrown::HashMap;

use super::View;
use super::accounts::bump;
use super::tally::{CountsOfCounts, Few};
use crate::feed::Play;
use crate::views::{Digest, Totals, TrackRow, weight};

#[derive(Default)]
struct Track {
    totals: Totals,
    accounts: CountsOfCounts,
    countries: Few<u16>,
    devices: u32,
    touched: bool,
    /// What the digest holds of this track.
    shown: TrackRow,
}

impl Track {
    fn row(&self) -> TrackRow {
        TrackRow {
            totals: self.totals,
            listeners: self.accounts.distinct,
            top_account_plays: self.accounts.top(),
            account_sum_squares: self.accounts.sum_squares,
            countries: self.countries.distinct(),
            devices: self.devices,
        }
    }
}

/// All tracks of the window.
#[derive(Default)]
pub struct Tracks {
    tracks: HashMap<u32, Track>,
    /// Plays by (track, account).
    by_account: HashMap<(u32, u32), u32>,
    /// Plays by (track, device).
    by_device: HashMap<(u32, u32), u32>,
    touched: Vec<u32>,
    digest: Digest,
}

impl View for Tracks {
    fn change(&mut self, play: &Play, diff: isize) {
        let track = self.tracks.entry(play.track).or_default();
        if !track.touched {
            track.touched = true;
            self.touched.push(play.track);
        }
        track.totals.add(play.played_ms, diff as i64);
        let (before, after) = bump(&mut self.by_account, (play.track, play.account), diff);
        track.accounts.shift(before, after);
        let (before, after) = bump(&mut self.by_device, (play.track, play.device), diff);
        track.devices = track.devices + u32::from(before == 0) - u32::from(after == 0);
        track.countries.change(play.country, diff);
    }

    fn refresh(&mut self) -> Digest {
        for id in self.touched.drain(..) {
            let track = self.tracks.get_mut(&id).expect("a touched track is there until its refresh");
            track.touched = false;
            let weight = weight(u64::from(id));
            if track.shown.totals.plays > 0 {
                self.digest.add(weight, &track.shown, -1);
            }
            if track.totals.plays > 0 {
                track.shown = track.row();
                self.digest.add(weight, &track.shown, 1);
            } else {
                self.tracks.remove(&id);
            }
        }
        self.digest.clone()
    }
}
