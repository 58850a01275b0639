//! What was heard of the tracks of an owner, as one signal.

use std::ops::AddAssign;

use records::Risk;

use super::{Name, Seen, Signal, WHOLE, ratio};

/// What the audio of some tracks says, summed over those that were heard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hearing {
    /// Tracks that were heard.
    pub tracks: u32,
    /// Their risks by the audio, in ten-thousandths, summed.
    pub suspicion: u64,
}

impl Hearing {
    /// One track, whose audio says this.
    pub fn of(risk: Risk) -> Hearing {
        Hearing { tracks: 1, suspicion: u64::from(risk.parts()) }
    }

    /// What it says of an owner of so many tracks: nothing before half of them were heard. Who listens to the suspicious ones
    /// first would otherwise take them for all.
    pub fn of_owner(self, tracks: u32) -> Option<Hearing> {
        (self.tracks > 0 && u64::from(self.tracks) * 2 >= u64::from(tracks)).then_some(self)
    }

    /// The signal: as strong as the tracks are suspicious on average. One of thousands says next to nothing.
    pub(super) fn signal(self) -> Option<Signal> {
        let seen = Seen { window_ms: 0, count: self.suspicion, of: u64::from(self.tracks) * WHOLE };
        Signal::new(Name::Audio, ratio(seen.count, seen.of).min(WHOLE) as u16, seen)
    }
}

impl AddAssign for Hearing {
    fn add_assign(&mut self, more: Hearing) {
        self.tracks += more.tracks;
        self.suspicion += more.suspicion;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hearing(risks: &[u64]) -> Hearing {
        let mut all = Hearing::default();
        risks.iter().for_each(|parts| all += Hearing::of(Risk::from_parts(*parts)));
        all
    }

    #[test]
    fn an_owner_is_as_suspicious_as_its_tracks_on_average() {
        let signal = hearing(&[9_500, 0, 0]).signal().unwrap();
        assert_eq!((signal.strength, signal.value_milli()), (3_166, 316));
        assert_eq!(signal.words(), "the audio of its 3 tracks that were heard is 32 % suspicious on average");
        assert_eq!(hearing(&[0, 0]).signal(), None);
        assert_eq!(hearing(&[9_500]).signal().unwrap().words(), "the audio is 95 % suspicious");
    }

    #[test]
    fn an_owner_is_heard_once_half_of_its_tracks_are() {
        let two = hearing(&[9_500, 0]);
        assert_eq!([1, 3, 4, 5].map(|tracks| two.of_owner(tracks).is_some()), [true, true, true, false]);
        assert_eq!(Hearing::default().of_owner(0), None);
    }
}
