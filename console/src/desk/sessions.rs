//! Who is at the desk: a random number in a cookie, of which only the hash is kept.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom, SystemRandom};

use crate::Guest;

/// Who does nothing for so long has to log in again.
const IDLE: Duration = Duration::from_secs(60 * 60);
/// Nobody stays longer.
const LONGEST: Duration = Duration::from_secs(12 * 60 * 60);
/// So many sessions at once; then the one that was idle longest ends.
const SESSIONS: usize = 10_000;

/// Somebody at the desk.
#[derive(Clone, Debug)]
pub(super) struct Session {
    /// Who.
    pub guest: Guest,
    /// What every form must bring: another site cannot know it.
    pub form_key: String,
    began: Instant,
    seen: Instant,
}

/// All of them. They end with the process.
#[derive(Default)]
pub(super) struct Sessions(Mutex<HashMap<[u8; 32], Session>>);

impl Sessions {
    /// Begins a session; the number for the cookie.
    pub(super) fn begin(&self, guest: Guest) -> String {
        let (number, now) = (random(), Instant::now());
        let mut sessions = self.0.lock().expect("nobody panics with it");
        if sessions.len() >= SESSIONS {
            let idlest = sessions.iter().min_by_key(|(_, session)| session.seen).map(|(key, _)| *key);
            idlest.map(|key| sessions.remove(&key));
        }
        sessions.insert(hash(&number), Session { guest, form_key: random(), began: now, seen: now });
        number
    }

    /// Who has this number.
    pub(super) fn get(&self, number: &str) -> Option<Session> {
        let now = Instant::now();
        let mut sessions = self.0.lock().expect("nobody panics with it");
        let session = sessions.get_mut(&hash(number))?;
        if now - session.seen > IDLE || now - session.began > LONGEST {
            sessions.remove(&hash(number));
            return None;
        }
        session.seen = now;
        Some(session.clone())
    }

    /// Ends a session.
    pub(super) fn end(&self, number: &str) {
        self.0.lock().expect("nobody panics with it").remove(&hash(number));
    }
}

fn random() -> String {
    let mut bytes = [0; 32];
    SystemRandom::new().fill(&mut bytes).expect("the system has random numbers");
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn hash(number: &str) -> [u8; 32] {
    digest(&SHA256, number.as_bytes()).as_ref().try_into().expect("SHA-256 has 32 bytes")
}
