//! Who may come in: people with passwords and programs with tokens, each with one role, in one file of the service's folder.
//!
//! ```text
//! truestream user, token ──▶ people, a line each ──▶ a service that runs reads it anew when it changed
//! ```
//!
//! Nothing in the file is as good as what it was made of: verifiers of passwords (RFC 5802) and hashes of tokens.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use console::Guest;
use datasets::formats::instant;
use records::{Millis, Role};
use sql::{Problem, Users, Verifier};

use super::audit::Clerk;
use super::pace::Pace;
use super::state::{now, secret, write_whole};
use crate::exit::Failure;

/// A line per person and token.
pub const PEOPLE: &str = "people";
/// Held by who changes the file.
const LOCK: &str = "people.lock";
/// What an earlier version kept: the hash of its one token. It was allowed everything.
pub const FORMER_TOKEN: &str = "token.blake3";
/// What an earlier version kept: a verifier per user. All of them were allowed everything.
pub const FORMER_USERS: &str = "users.scram";
/// The user and the token that there are at the start.
pub const FIRST: &str = "truestream";

/// So many wrong passwords may be given for a name at once, and one more each so many seconds: a person who mistypes never notices.
const WRONG_BURST: f64 = 10.0;
/// See [`WRONG_BURST`].
const WRONG_EVERY_SECS: f64 = 6.0;

/// How somebody proves who it is.
#[derive(Clone, PartialEq)]
enum Proof {
    /// A password, of a user.
    Password(Verifier),
    /// A token, in force before the instant.
    Token(blake3::Hash, Option<Millis>),
}

/// Somebody who may come in.
#[derive(Clone, PartialEq)]
struct Person {
    name: String,
    role: Role,
    proof: Proof,
}

/// What is told of somebody who may come in.
pub struct Known {
    /// The name.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// Of a token with an end: before when it is in force.
    pub until: Option<Millis>,
}

/// What is told when the first ones come about.
pub struct First {
    /// The token; it is the password, too.
    pub secret: String,
}

/// The file.
pub struct PeopleFile(PathBuf);

impl PeopleFile {
    /// That of a service's folder.
    pub fn of(state: &Path) -> PeopleFile {
        PeopleFile(state.to_owned())
    }

    /// Sees to it that somebody may come in; what is new is told once.
    ///
    /// # Errors
    /// When the file is damaged or cannot be written.
    pub fn begin(&self) -> Result<Option<First>, Failure> {
        self.change(|people| {
            if !people.is_empty() {
                return Ok(None);
            }
            let secret = secret()?;
            people.push(Person::with_password(FIRST, Role::Admin, &secret));
            people.push(Person::with_token(FIRST, Role::Admin, &secret, None));
            Ok(Some(First { secret }))
        })
    }

    /// Makes a user with the password, or with one that is made up and returned.
    ///
    /// # Errors
    /// When there is a user of that name, the name cannot be one, or the file cannot be changed.
    pub fn add_user(&self, name: &str, role: Role, password: Option<&str>) -> Result<Option<String>, Failure> {
        let made_up = if password.is_none() { Some(secret()?) } else { None };
        let password = password.or(made_up.as_deref()).unwrap_or_default();
        self.add(Person::with_password(name, role, password))?;
        Ok(made_up)
    }

    /// Makes a token and returns it.
    ///
    /// # Errors
    /// When there is a token of that name, the name cannot be one, or the file cannot be changed.
    pub fn issue(&self, name: &str, role: Role, until: Option<Millis>) -> Result<String, Failure> {
        let token = secret()?;
        self.add(Person::with_token(name, role, &token, until))?;
        Ok(token)
    }

    fn add(&self, person: Person) -> Result<(), Failure> {
        let name = &person.name;
        let is_word = |byte: u8| byte.is_ascii_alphanumeric() || b"._@-".contains(&byte);
        if name.is_empty() || name.len() > 64 || !name.bytes().all(is_word) {
            return Err(Failure::Usage(format!(
                "{name:?}: expected 1 to 64 letters of ASCII, digits, dots, hyphens, underscores or @"
            )));
        }
        self.change(|people| {
            if people.iter().any(|known| known.name == person.name && known.is_user() == person.is_user()) {
                return Err(Failure::Usage(format!("{}: is there already; remove it first", person.name)));
            }
            people.push(person);
            Ok(())
        })
    }

    /// Removes a user or a token; from then on it opens nothing.
    ///
    /// # Errors
    /// When there is none, or the file cannot be changed.
    pub fn remove(&self, name: &str, is_user: bool) -> Result<(), Failure> {
        self.change(|people| {
            let before = people.len();
            people.retain(|known| known.name != name || known.is_user() != is_user);
            match people.len() < before {
                true => Ok(()),
                false => Err(Failure::Usage(format!("{name}: there is none of that name; `ls` lists them"))),
            }
        })
    }

    /// All users, or all tokens.
    ///
    /// # Errors
    /// When the file is damaged.
    pub fn known(&self, users: bool) -> Result<Vec<Known>, Failure> {
        let known = |person: Person| Known {
            until: match person.proof {
                Proof::Token(_, until) => until,
                Proof::Password(_) => None,
            },
            name: person.name,
            role: person.role,
        };
        Ok(self.read()?.into_iter().filter(|person| person.is_user() == users).map(known).collect())
    }

    fn change<T>(&self, how: impl FnOnce(&mut Vec<Person>) -> Result<T, Failure>) -> Result<T, Failure> {
        let failed = |error: std::io::Error| Failure::Output(format!("{}: {error}", self.0.join(LOCK).display()));
        fs::create_dir_all(&self.0).map_err(failed)?;
        let lock = File::create(self.0.join(LOCK)).map_err(failed)?;
        lock.lock().map_err(failed)?;
        let before = self.read()?;
        let mut people = before.clone();
        let done = how(&mut people)?;
        let is_former = !self.0.join(PEOPLE).exists();
        if people != before || is_former {
            let mut text = String::new();
            people.iter().for_each(|person| person.line(&mut text));
            write_whole(&self.0.join(PEOPLE), text.as_bytes())?;
            // From now on only the new file counts.
            [FORMER_TOKEN, FORMER_USERS].iter().for_each(|name| drop(fs::remove_file(self.0.join(name))));
        }
        Ok(done)
    }

    fn text(&self, name: &str) -> Result<Option<String>, Failure> {
        let path = self.0.join(name);
        match fs::read_to_string(&path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Failure::Input(format!("{}: {error}", path.display()))),
        }
    }

    fn read(&self) -> Result<Vec<Person>, Failure> {
        let damaged = |name: &str, line: usize| {
            let path = self.0.join(name);
            Failure::Input(format!(
                "{}: line {} is damaged: expected what `truestream user` and `token` write; take it away",
                path.display(),
                line + 1
            ))
        };
        if let Some(text) = self.text(PEOPLE)? {
            let person = |(line, text)| Person::of_line(text).ok_or_else(|| damaged(PEOPLE, line));
            return text.lines().enumerate().map(person).collect();
        }
        let mut people = Vec::new();
        for (line, text) in self.text(FORMER_USERS)?.unwrap_or_default().lines().enumerate() {
            let user = text.split_once(' ').map(|(name, verifier)| format!("user {name} admin {verifier}"));
            let person = user.as_deref().and_then(Person::of_line);
            people.push(person.ok_or_else(|| damaged(FORMER_USERS, line))?);
        }
        if let Some(hash) = self.text(FORMER_TOKEN)? {
            let person = Person::of_line(&format!("token {FIRST} admin - {}", hash.trim()));
            people.push(person.ok_or_else(|| damaged(FORMER_TOKEN, 0))?);
        }
        Ok(people)
    }
}

impl Person {
    fn with_password(name: &str, role: Role, password: &str) -> Person {
        Person { name: name.to_owned(), role, proof: Proof::Password(Verifier::of(password)) }
    }

    fn with_token(name: &str, role: Role, token: &str, until: Option<Millis>) -> Person {
        Person { name: name.to_owned(), role, proof: Proof::Token(blake3::hash(token.as_bytes()), until) }
    }

    fn is_user(&self) -> bool {
        matches!(self.proof, Proof::Password(_))
    }

    fn line(&self, text: &mut String) {
        let (name, role) = (&self.name, self.role.name());
        let _ = match &self.proof {
            Proof::Password(verifier) => writeln!(text, "user {name} {role} {verifier}"),
            Proof::Token(hash, until) => {
                let until = until.map_or("-".to_owned(), instant::to_text);
                writeln!(text, "token {name} {role} {until} {}", hash.to_hex())
            }
        };
    }

    fn of_line(line: &str) -> Option<Person> {
        let parts: Vec<&str> = line.split(' ').collect();
        let (name, role, proof) = match parts[..] {
            ["user", name, role, verifier] => (name, role, Proof::Password(verifier.parse().ok()?)),
            ["token", name, role, until, hash] => {
                let until = if until == "-" { None } else { Some(instant::from_text(until)?) };
                (name, role, Proof::Token(blake3::Hash::from_hex(hash).ok()?, until))
            }
            _ => return None,
        };
        Some(Person { name: name.to_owned(), role: Role::named(role)?, proof })
    }
}

/// The file as a service sees it while it runs: what is changed in it counts at once.
pub struct People {
    file: PeopleFile,
    clerk: Clerk,
    nobody: Verifier,
    seen: Mutex<Seen>,
    /// Wrong passwords, by the name they were given for.
    wrong: Pace,
    /// Statements, by who asks.
    asking: Pace,
    wrong_passwords: AtomicU64,
    too_fast: AtomicU64,
}

#[derive(Default)]
struct Seen {
    /// When the file was changed, and its length.
    stamp: Option<(SystemTime, u64)>,
    people: Arc<Vec<Person>>,
}

impl People {
    /// The people of that file; the clerk is told what they do. Each may ask so many statements a second, without a limit where that is 0.
    pub fn new(file: PeopleFile, clerk: Clerk, query_rate: u32) -> People {
        let nobody = Verifier::of("a password that nobody has");
        let wrong = Pace::new(WRONG_BURST, 1.0 / WRONG_EVERY_SECS);
        let asking = Pace::new(2.0 * f64::from(query_rate), f64::from(query_rate));
        let (wrong_passwords, too_fast) = Default::default();
        People { file, clerk, nobody, seen: Mutex::default(), wrong, asking, wrong_passwords, too_fast }
    }

    /// Lets somebody ask a statement.
    ///
    /// # Errors
    /// When it asks too fast: how long it has to wait.
    pub fn may_ask(&self, name: &str) -> Result<(), Duration> {
        let may = self.asking.take(name, Instant::now());
        self.too_fast.fetch_add(u64::from(may.is_err()), Ordering::Relaxed);
        may
    }

    /// How many wrong passwords were given, and how many statements asked too fast.
    pub fn turned_away(&self) -> (u64, u64) {
        (self.wrong_passwords.load(Ordering::Relaxed), self.too_fast.load(Ordering::Relaxed))
    }

    /// Notes that somebody gave the right password at that door, or a wrong one.
    pub fn gave(&self, name: &str, is_right: bool, door: &str) {
        if !is_right {
            self.wrong_passwords.fetch_add(1, Ordering::Relaxed);
            let _ = self.wrong.take(name, Instant::now());
        }
        self.clerk.note(name, if is_right { "login" } else { "wrong password" }, door);
    }

    /// Who has this token now.
    pub fn with_token(&self, token: &str) -> Option<Guest> {
        let (given, now) = (blake3::hash(token.as_bytes()), now());
        let has = |person: &&Person| match &person.proof {
            // Hashes are compared in constant time.
            Proof::Token(hash, until) => *hash == given && until.is_none_or(|until| now < until),
            Proof::Password(_) => false,
        };
        let people = self.now();
        people.iter().find(has).map(|person| Guest { name: person.name.clone(), role: person.role })
    }

    /// A verifier to try the passwords of users with that there are not: it takes as long.
    pub fn nobody(&self) -> Verifier {
        self.nobody.clone()
    }

    fn now(&self) -> Arc<Vec<Person>> {
        let stamp = fs::metadata(self.file.0.join(PEOPLE)).and_then(|file| Ok((file.modified()?, file.len()))).ok();
        let mut seen = self.seen.lock().expect("nobody panics with it");
        if stamp.is_none() || seen.stamp != stamp {
            // Where the file is damaged or gone nobody comes in.
            let people = self.file.read().unwrap_or_else(|failure| {
                eprintln!("{failure}; nobody comes in");
                Vec::new()
            });
            *seen = Seen { stamp, people: Arc::new(people) };
        }
        seen.people.clone()
    }
}

impl Users for People {
    fn user(&self, name: &str) -> Option<(Verifier, Role)> {
        let people = self.now();
        people.iter().find_map(|person| match &person.proof {
            Proof::Password(verifier) if person.name == name => Some((verifier.clone(), person.role)),
            _ => None,
        })
    }

    fn waits(&self, name: &str) -> Option<Duration> {
        self.wrong.waits(name, Instant::now())
    }

    fn knocked(&self, name: &str, comes_in: bool) {
        self.gave(name, comes_in, "PostgreSQL");
    }

    fn asked(&self, name: &str, statement: &str) -> Result<(), Problem> {
        self.may_ask(name).map_err(|wait| Problem::too_fast(name, wait))?;
        self.clerk.note(name, "query", statement);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::audit::{Audit, DEEDS};

    fn people(file: PeopleFile) -> People {
        let audit = Audit::open(&file.0, DEEDS).expect("a folder to write to");
        People::new(file, Arc::new(audit).clerk().0, 0)
    }

    #[test]
    fn who_is_added_comes_in_until_removed() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = || PeopleFile::of(folder.path());
        let first = file().begin().expect("a folder to write to").expect("nobody was there");
        assert!(file().begin().expect("it can be read").is_none());
        let people = people(file());
        assert_eq!(people.with_token(&first.secret).map(|guest| guest.role), Some(Role::Admin));
        assert!(people.user(FIRST).is_some_and(|(verifier, _)| verifier.is_of(&first.secret)));

        let password = file().add_user("ana", Role::Analyst, None).expect("a new name").expect("it is made up");
        let token = file().issue("ana", Role::Service, Some(now() + 3_600_000)).expect("a token beside the user");
        let late = file().issue("late", Role::Service, Some(now() - 1)).expect("a token");
        assert!(people.user("ana").is_some_and(|(verifier, role)| verifier.is_of(&password) && role == Role::Analyst));
        let guest = Guest { name: "ana".to_owned(), role: Role::Service };
        assert_eq!((people.with_token(&token), people.with_token(&late)), (Some(guest), None));
        for name in ["ana", "", "a b", "ä", "a\nuser b admin x"] {
            assert!(file().add_user(name, Role::Admin, Some("x")).is_err(), "{name:?}");
        }

        file().remove("ana", false).expect("the token is there");
        assert!(people.with_token(&token).is_none() && people.user("ana").is_some());
        assert!(file().remove("ana", false).is_err());
        let text = fs::read_to_string(folder.path().join(PEOPLE)).expect("a file");
        assert!([first.secret, password, late].iter().all(|secret| !text.contains(secret)));
        fs::write(folder.path().join(PEOPLE), "user truestream admin open\n").expect("a file");
        assert!(people.user(FIRST).is_none());
    }

    #[test]
    fn who_gives_wrong_passwords_waits_and_nobody_else() {
        let folder = tempfile::tempdir().expect("a folder");
        let people = people(PeopleFile::of(folder.path()));
        for _ in 0..10 {
            assert_eq!(people.waits("ana"), None);
            people.knocked("ana", false);
            people.knocked("bob", true);
        }
        assert!(people.waits("ana").is_some_and(|wait| wait <= Duration::from_secs(6)));
        assert_eq!((people.waits("bob"), people.turned_away()), (None, (10, 0)));
    }

    #[test]
    fn what_an_earlier_version_kept_still_opens() {
        let folder = tempfile::tempdir().expect("a folder");
        let hash = blake3::hash(b"a token");
        fs::write(folder.path().join(FORMER_TOKEN), hash.to_hex().as_bytes()).expect("a file");
        fs::write(folder.path().join(FORMER_USERS), format!("ana {}\n", Verifier::of("a password"))).expect("a file");
        let file = PeopleFile::of(folder.path());
        assert!(file.begin().expect("it can be read").is_none());
        let people = people(file);
        assert_eq!(people.with_token("a token").map(|guest| guest.role), Some(Role::Admin));
        assert!(people.user("ana").is_some_and(|(verifier, role)| verifier.is_of("a password") && role == Role::Admin));
        assert!(!folder.path().join(FORMER_TOKEN).exists());
    }
}
