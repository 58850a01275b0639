//! Instants become ticks: tick `n` is the instant `T = n · every` as of which results are stated.

use records::Millis;

/// The number of a refresh since the Unix epoch. A result at tick `n` is stated as of `n · every_ms`.
pub type Tick = u64;

/// Turns instants into ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    every_ms: Millis,
}

impl Clock {
    /// A clock that refreshes every so many milliseconds, at least one.
    pub fn new(every_ms: Millis) -> Clock {
        Clock { every_ms: every_ms.max(1) }
    }

    /// The first tick as of which something that happened at the instant is past: the smallest `n` with
    /// `n · every > instant`. Instants before the epoch are past at tick 0.
    pub fn first_after(self, instant: Millis) -> Tick {
        u64::try_from(instant.div_euclid(self.every_ms) + 1).unwrap_or(0)
    }

    /// The instant that the tick stands for.
    pub fn instant(self, tick: Tick) -> Millis {
        tick as Millis * self.every_ms
    }

    /// How many ticks a window of this length lasts; `None` unless it is a whole number of them.
    pub fn ticks_in(self, window_ms: Millis) -> Option<Tick> {
        (window_ms > 0 && window_ms % self.every_ms == 0).then(|| (window_ms / self.every_ms) as Tick)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_counts_from_the_first_tick_after_it() {
        let clock = Clock::new(3_600_000);
        assert_eq!(clock.first_after(0), 1);
        assert_eq!(clock.first_after(3_599_999), 1);
        assert_eq!(clock.first_after(3_600_000), 2);
        assert_eq!(clock.first_after(-1), 0);
        assert_eq!(clock.instant(clock.first_after(7_200_000)), 10_800_000);
        assert_eq!(clock.ticks_in(86_400_000), Some(24));
        assert_eq!(clock.ticks_in(5_400_000), None);
    }
}
