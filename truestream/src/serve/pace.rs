//! Lets everybody go at a certain pace, and says how long who is faster has to wait.
//!
//! ```text
//! name, now ──▶ what is left of its burst ──▶ go on │ wait so long
//! ```

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Names are looked through for those that may be forgotten when there are more than so many.
const NAMES_MAX: usize = 10_000;

/// So many at once, and so many a second after that, of each name.
pub struct Pace {
    burst: f64,
    per_sec: f64,
    /// How many were left, and when.
    left: Mutex<HashMap<String, (f64, Instant)>>,
}

impl Pace {
    /// That pace; with a burst of 0 everybody may do as they like.
    pub fn new(burst: f64, per_sec: f64) -> Pace {
        Pace { burst, per_sec, left: Mutex::default() }
    }

    /// Takes one of what the name has left.
    ///
    /// # Errors
    /// When nothing is left: how long until there is.
    pub fn take(&self, name: &str, now: Instant) -> Result<(), Duration> {
        let waits = self.waits(name, now);
        if let (None, true) = (waits, self.burst > 0.0) {
            let mut left = self.left.lock().expect("nobody panics with it");
            if left.len() > NAMES_MAX {
                left.retain(|_, left| self.now(*left, now) < self.burst);
            }
            let (at, since) = left.entry(name.to_owned()).or_insert((self.burst, now));
            (*at, *since) = (self.now((*at, *since), now) - 1.0, now);
        }
        waits.map_or(Ok(()), Err)
    }

    /// How long the name has to wait before it may go on; takes nothing.
    pub fn waits(&self, name: &str, now: Instant) -> Option<Duration> {
        let left = self.left.lock().expect("nobody panics with it");
        let left = left.get(name).map_or(self.burst, |left| self.now(*left, now));
        (self.burst > 0.0 && left < 1.0).then(|| Duration::from_secs_f64((1.0 - left) / self.per_sec))
    }

    fn now(&self, (left, since): (f64, Instant), now: Instant) -> f64 {
        (left + now.saturating_duration_since(since).as_secs_f64() * self.per_sec).min(self.burst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_faster_than_the_pace_waits_and_nobody_else() {
        let pace = Pace::new(3.0, 2.0);
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        assert!((0..3).all(|_| pace.take("ada", at(0)).is_ok()));
        assert_eq!(pace.take("ada", at(0)), Err(Duration::from_millis(500)));
        assert_eq!((pace.waits("ada", at(250)), pace.waits("bob", at(250))), (Some(Duration::from_millis(250)), None));
        assert!(pace.take("ada", at(500)).is_ok() && pace.take("ada", at(500)).is_err());
        // However long somebody was away: a burst is all there is.
        assert_eq!((0..10).filter(|_| pace.take("ada", at(60_000)).is_ok()).count(), 3);
        // A clock that stands still, or comes from the past, gives nothing.
        assert!(pace.take("ada", at(0)).is_err());
        let free = Pace::new(0.0, 0.0);
        assert!((0..100).all(|_| free.take("ada", at(0)).is_ok()));
    }
}
