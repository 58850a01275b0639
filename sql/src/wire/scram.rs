//! Who is it: SCRAM-SHA-256 (RFC 5802 and 7677) against verifiers, from which no password can be had.
//!
//! ```text
//! client-first ──▶ server-first (nonce, salt, rounds) ──▶ client-final (proof) ──▶ server-final (our own proof)
//! ```

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use crate::problem::Problem;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use records::Role;
use ring::rand::{SecureRandom, SystemRandom};
use ring::{digest, hmac, pbkdf2};

/// Rounds of new verifiers: what PostgreSQL uses, and RFC 7677 asks for at least.
const ROUNDS: NonZeroU32 = NonZeroU32::new(4_096).expect("it is not zero");

type Key = [u8; 32];

/// What is kept of a password.
#[derive(Clone, PartialEq, Eq)]
pub struct Verifier {
    rounds: NonZeroU32,
    salt: Vec<u8>,
    stored_key: Key,
    server_key: Key,
}

impl Verifier {
    /// The verifier of a new password.
    pub fn of(password: &str) -> Verifier {
        let mut salt = vec![0; 16];
        SystemRandom::new().fill(&mut salt).expect("the system has random numbers");
        Verifier::salted(password, salt, ROUNDS)
    }

    /// Whether it is of this password; takes the time of its rounds.
    pub fn is_of(&self, password: &str) -> bool {
        let found = Verifier::salted(password, self.salt.clone(), self.rounds);
        // Of hashes of hashes the time of a comparison tells nothing.
        hash(&found.stored_key) == hash(&self.stored_key)
    }

    fn salted(password: &str, salt: Vec<u8>, rounds: NonZeroU32) -> Verifier {
        let mut salted: Key = [0; 32];
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, rounds, &salt, password.as_bytes(), &mut salted);
        let stored_key = hash(&sign(&salted, b"Client Key"));
        Verifier { rounds, salt, stored_key, server_key: sign(&salted, b"Server Key") }
    }
}

/// As PostgreSQL writes it in `pg_authid`.
impl fmt::Display for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [salt, stored, server] =
            [&self.salt[..], &self.stored_key, &self.server_key].map(|bytes| BASE64.encode(bytes));
        write!(f, "SCRAM-SHA-256${}:{salt}${stored}:{server}", self.rounds)
    }
}

impl FromStr for Verifier {
    type Err = ();

    fn from_str(text: &str) -> Result<Verifier, ()> {
        let parts: Vec<&str> = text.trim().split(['$', ':']).collect();
        let ["SCRAM-SHA-256", rounds, salt, stored, server] = parts[..] else { return Err(()) };
        let bytes = |text: &str| BASE64.decode(text).map_err(drop);
        let key = |text: &str| bytes(text)?.try_into().map_err(drop);
        Ok(Verifier {
            rounds: rounds.parse().map_err(drop)?,
            salt: bytes(salt)?,
            stored_key: key(stored)?,
            server_key: key(server)?,
        })
    }
}

/// Who may come in.
pub trait Users: Send + Sync + 'static {
    /// What is kept of the user's password, and the user's role; `None` where there is no such user now.
    fn user(&self, name: &str) -> Option<(Verifier, Role)>;

    /// Is told that a user came in, or gave a wrong proof.
    fn knocked(&self, name: &str, comes_in: bool);

    /// How long nobody comes in under that name, because too many wrong proofs were given.
    fn waits(&self, _name: &str) -> Option<Duration> {
        None
    }

    /// Is told what a user asks.
    ///
    /// # Errors
    /// When the user asks too fast.
    fn asked(&self, name: &str, statement: &str) -> Result<(), Problem>;
}

/// The users, and what is answered for those that there are not.
pub(crate) struct Guests {
    users: Arc<dyn Users>,
    /// Makes the salts of users that there are not: who asks learns nothing from the answer.
    secret: Key,
}

impl Guests {
    /// These users.
    pub(crate) fn new(users: Arc<dyn Users>) -> Guests {
        let mut secret = [0; 32];
        SystemRandom::new().fill(&mut secret).expect("the system has random numbers");
        Guests { users, secret }
    }

    /// Those who are told what happens.
    pub(crate) fn users(&self) -> &dyn Users {
        &*self.users
    }

    fn verifier(&self, user: &str) -> (Verifier, Option<Role>) {
        match self.users.user(user) {
            Some((verifier, role)) => (verifier, Some(role)),
            None => (self.nobody(user), None),
        }
    }

    fn nobody(&self, user: &str) -> Verifier {
        Verifier {
            rounds: ROUNDS,
            salt: sign(&self.secret, user.as_bytes())[..16].to_vec(),
            // No proof hashes to this: it is a hash of what nobody knows.
            stored_key: hash(&sign(&self.secret, b"nobody")),
            server_key: self.secret,
        }
    }
}

/// An exchange that waits for the client's proof.
pub(crate) struct Exchange {
    verifier: Verifier,
    role: Option<Role>,
    binding: String,
    client_first: String,
    server_first: String,
    nonce: String,
}

impl Exchange {
    /// Begins with the client's first message; returns our answer. `None` when it cannot be read or asks for what is
    /// not offered.
    pub(crate) fn begin(users: &Guests, user: &str, message: &[u8]) -> Option<(Exchange, String)> {
        let mut random = [0; 18];
        SystemRandom::new().fill(&mut random).ok()?;
        Exchange::begin_with(users, user, message, &BASE64.encode(random))
    }

    fn begin_with(users: &Guests, user: &str, message: &[u8], ours: &str) -> Option<(Exchange, String)> {
        let text = std::str::from_utf8(message).ok()?;
        // No channel is bound: `n` does not ask for it, `y` knows that it is not offered.
        let (header, bare) = ["n,,", "y,,"].iter().find_map(|header| Some((*header, text.strip_prefix(header)?)))?;
        let theirs = bare.split(',').nth(1)?.strip_prefix("r=").filter(|nonce| !nonce.is_empty())?;
        let (verifier, role) = users.verifier(user);
        let nonce = format!("{theirs}{ours}");
        let server_first = format!("r={nonce},s={},i={}", BASE64.encode(&verifier.salt), verifier.rounds);
        let exchange = Exchange {
            verifier,
            role,
            binding: BASE64.encode(header),
            client_first: bare.to_owned(),
            server_first: server_first.clone(),
            nonce,
        };
        Some((exchange, server_first))
    }

    /// Ends with the client's proof; returns ours, and the user's role. `None` when the proof is wrong.
    pub(crate) fn end(self, message: &[u8]) -> Option<(String, Role)> {
        let text = std::str::from_utf8(message).ok()?;
        let (without_proof, proof) = text.rsplit_once(",p=")?;
        let mut parts = without_proof.split(',');
        let is_bound = parts.next()?.strip_prefix("c=")? == self.binding;
        let is_fresh = parts.next()?.strip_prefix("r=")? == self.nonce;
        let proof: Key = BASE64.decode(proof).ok()?.try_into().ok()?;
        let said = format!("{},{},{without_proof}", self.client_first, self.server_first);
        let signature = sign(&self.verifier.stored_key, said.as_bytes());
        let client_key: Key = std::array::from_fn(|at| proof[at] ^ signature[at]);
        let is_known = hash(&client_key) == self.verifier.stored_key;
        let role = self.role.filter(|_| is_bound && is_fresh && is_known)?;
        Some((format!("v={}", BASE64.encode(sign(&self.verifier.server_key, said.as_bytes()))), role))
    }
}

fn sign(key: &[u8], message: &[u8]) -> Key {
    let signed = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message);
    signed.as_ref().try_into().expect("SHA-256 has 32 bytes")
}

fn hash(bytes: &[u8]) -> Key {
    digest::digest(&digest::SHA256, bytes).as_ref().try_into().expect("SHA-256 has 32 bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    struct OneUser(Verifier);

    impl Users for OneUser {
        fn user(&self, name: &str) -> Option<(Verifier, Role)> {
            (name == "user").then(|| (self.0.clone(), Role::Analyst))
        }

        fn knocked(&self, _: &str, _: bool) {}

        fn asked(&self, _: &str, _: &str) -> Result<(), Problem> {
            Ok(())
        }
    }

    /// The exchange that RFC 7677 prints in section 3.
    fn printed() -> (Guests, &'static str, &'static str) {
        let salt = BASE64.decode("W22ZaJ0SNY7soEsUEjb6gQ==").expect("it is printed");
        let verifier = Verifier::salted("pencil", salt, ROUNDS);
        (Guests::new(Arc::new(OneUser(verifier))), "n,,n=user,r=rOprNGfwEbeRWgbNEkqO", "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0")
    }

    const FINAL: &str =
        "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";

    #[test]
    fn the_exchange_of_the_standard_comes_out() {
        let (users, first, ours) = printed();
        let (exchange, answer) = Exchange::begin_with(&users, "user", first.as_bytes(), ours).expect("it can be read");
        assert_eq!(answer, "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096");
        let proof = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=".to_owned();
        assert_eq!(exchange.end(FINAL.as_bytes()), Some((proof, Role::Analyst)));
    }

    #[test]
    fn nobody_else_comes_in() {
        let (users, first, ours) = printed();
        let wrong = [
            FINAL.replace("dHzb", "dHzc"),
            FINAL.replace("c=biws", "c=eSws"),
            FINAL.replace("FIlj)", "FIlj("),
            FINAL.replace(",p=", ",q="),
            String::new(),
        ];
        for message in &wrong {
            let (exchange, _) = Exchange::begin_with(&users, "user", first.as_bytes(), ours).expect("it can be read");
            assert_eq!(exchange.end(message.as_bytes()), None, "{message}");
        }
        let (exchange, answer) =
            Exchange::begin_with(&users, "nobody", first.as_bytes(), ours).expect("as for anybody");
        assert!(answer.ends_with(",i=4096"));
        assert_eq!(exchange.end(FINAL.as_bytes()), None);
        for first in ["p=tls-server-end-point,,n=user,r=x", "n,,n=user", "n,,n=user,r=", "", "\u{fffd}"] {
            assert!(Exchange::begin(&users, "user", first.as_bytes()).is_none(), "{first}");
        }
    }

    #[test]
    fn a_verifier_is_written_and_read() {
        let verifier = Verifier::of("a password");
        assert!(verifier.to_string().parse() == Ok(verifier.clone()));
        assert!(verifier.is_of("a password") && !verifier.is_of("another"));
        assert!(!verifier.to_string().contains("password"));
        assert!("SCRAM-SHA-256$0:AA==$AA==:AA==".parse::<Verifier>().is_err());
    }
}
