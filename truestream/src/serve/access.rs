//! `truestream user`, `token` and `audit`: who may come in to a service, and who did what. It may run meanwhile.

use std::io::Read;
use std::path::{Path, PathBuf};

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand};
use datasets::formats::instant;
use records::Role;

use super::audit::{Audit, DEEDS, RECORDS, verify_all};
use super::people::{Known, PeopleFile};
use super::signed;
use super::state::now;
use crate::exit::Failure;
use crate::replay::millis;

/// Who may ask a service with a password, from psql and in the browser.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Roles: analyst asks anything; reviewer also says what is true; policy-editor sees no listening of single accounts;
auditor reads everything, also who did what; service sends rows and reads counters; admin may do everything.

Examples:
  truestream user --state service add ana --role analyst
      tells a password, once
  truestream user --state service add ana --role analyst --password-stdin < secret
  truestream user --state service ls

What is changed counts at once, also in a service that runs. Exit codes: 0 done, 2 a name that cannot be, 4 the file is damaged, 5 it cannot be written.")]
pub struct UserArgs {
    /// The folder of the service
    #[arg(long, value_name = "DIR", global = true, required = false, default_value = "service")]
    pub state: PathBuf,
    /// What is done
    #[command(subcommand)]
    pub what: UserCommand,
}

/// What is done with users.
#[derive(Clone, Debug, Subcommand)]
pub enum UserCommand {
    /// Makes a user
    Add {
        /// Its name
        name: String,
        /// What it may do
        #[arg(long, value_parser = roles())]
        role: Role,
        /// Reads the password from standard input, to the end of the line
        #[arg(long)]
        password_stdin: bool,
    },
    /// Lists the users
    Ls,
    /// Removes a user
    Remove {
        /// Its name
        name: String,
    },
}

/// Which programs may come in to a service with a token.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  truestream token --state service issue feed --role service --expires 90d
      tells a token, once: Authorization: Bearer TOKEN
  truestream token --state service revoke feed

What is changed counts at once, also in a service that runs. Exit codes: 0 done, 2 a name that cannot be, 4 the file is damaged, 5 it cannot be written.")]
pub struct TokenArgs {
    /// The folder of the service
    #[arg(long, value_name = "DIR", global = true, required = false, default_value = "service")]
    pub state: PathBuf,
    /// What is done
    #[command(subcommand)]
    pub what: TokenCommand,
}

/// What is done with tokens.
#[derive(Clone, Debug, Subcommand)]
pub enum TokenCommand {
    /// Makes a token
    Issue {
        /// Its name
        name: String,
        /// What it may do
        #[arg(long, value_parser = roles())]
        role: Role,
        /// For how long it is in force, such as 90d; unless said, until it is revoked
        #[arg(long, value_name = "TIME")]
        expires: Option<String>,
    },
    /// Lists the tokens by name
    Ls,
    /// Takes a token out of force
    Revoke {
        /// Its name
        name: String,
    },
}

/// The roles, by name.
fn roles() -> impl TypedValueParser<Value = Role> {
    let names = Role::ALL.map(|(name, role)| PossibleValue::new(name).help(role.in_words()));
    PossibleValuesParser::new(names).map(|name| Role::named(&name).expect("only names of roles are taken"))
}

/// Makes, lists or removes users.
///
/// # Errors
/// When a name cannot be, or the file is damaged or cannot be written.
pub fn user(args: &UserArgs) -> Result<(), Failure> {
    let (file, audit) = opened(&args.state)?;
    if !matches!(args.what, UserCommand::Ls) {
        // Nobody is let in of whom nothing can be written down.
        audit.mend()?;
    }
    match &args.what {
        UserCommand::Add { name, role, password_stdin } => {
            let given = password_stdin.then(password).transpose()?;
            let made_up = file.add_user(name, *role, given.as_deref())?;
            audit.enter(COMMAND_LINE, "user added", &format!("{name}, {}", role.name()))?;
            if let Some(made_up) = made_up {
                println!("Password of {name}, told this once: {made_up}");
            }
        }
        UserCommand::Ls => file.known(true)?.iter().for_each(|user| println!("{}\t{}", user.name, user.role.name())),
        UserCommand::Remove { name } => {
            file.remove(name, true)?;
            audit.enter(COMMAND_LINE, "user removed", name)?;
        }
    }
    Ok(())
}

/// Makes, lists or revokes tokens.
///
/// # Errors
/// When a name cannot be, or the file is damaged or cannot be written.
pub fn token(args: &TokenArgs) -> Result<(), Failure> {
    let (file, audit) = opened(&args.state)?;
    if !matches!(args.what, TokenCommand::Ls) {
        audit.mend()?;
    }
    match &args.what {
        TokenCommand::Issue { name, role, expires } => {
            let until = expires.as_deref().map(millis).transpose()?.map(|ms| now().saturating_add(ms));
            let token = file.issue(name, *role, until)?;
            audit.enter(COMMAND_LINE, "token issued", &format!("{name}, {}", role.name()))?;
            println!("Token {name}, told this once: {token}");
        }
        TokenCommand::Ls => {
            let until = |known: &Known| match known.until {
                None => "until it is revoked".to_owned(),
                Some(until) if until <= now() => format!("was in force until {}", instant::to_text(until)),
                Some(until) => format!("until {}", instant::to_text(until)),
            };
            let line = |known: &Known| println!("{}\t{}\t{}", known.name, known.role.name(), until(known));
            file.known(false)?.iter().for_each(line);
        }
        TokenCommand::Revoke { name } => {
            file.remove(name, false)?;
            audit.enter(COMMAND_LINE, "token revoked", name)?;
        }
    }
    Ok(())
}

/// Reads who did what, and checks that nobody changed it.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  truestream audit --state service show
  truestream audit --state service verify
  truestream audit --state service verify --head 1204:5d1f…+71:9a0c…
      also finds a record that was made anew as a whole; `verify` prints the head to keep elsewhere

Exit codes: 0 nobody changed it, 3 somebody did: each place is named, 4 it cannot be read.")]
pub struct AuditArgs {
    /// The folder of the service
    #[arg(long, value_name = "DIR", global = true, required = false, default_value = "service")]
    pub state: PathBuf,
    /// What is done
    #[command(subcommand)]
    pub what: AuditCommand,
}

/// What is done with the record.
#[derive(Clone, Debug, Subcommand)]
pub enum AuditCommand {
    /// Prints it
    Show,
    /// Checks every line of it and of the decisions, the order, and that nothing is missing
    Verify {
        /// A head that was printed earlier: number and seal of the record, and of the decisions
        #[arg(long, value_name = "NUMBER:SEAL+NUMBER:SEAL")]
        head: Option<String>,
        /// Lines of audit.signed that were kept elsewhere: what they signed has to be there still
        #[arg(long, value_name = "FILE")]
        signed: Option<PathBuf>,
        /// The key that they are signed with, as they name it; the folder's own unless given
        #[arg(long, value_name = "HEX", requires = "signed")]
        public: Option<String>,
    },
    /// Signs how far both records are, as the service does once a day, and prints the line: keep it elsewhere
    Sign,
}

/// Reads or checks the record of who did what.
///
/// # Errors
/// When it cannot be read, or somebody changed it.
pub fn audit(args: &AuditArgs) -> Result<(), Failure> {
    let (_, audit) = opened(&args.state)?;
    if matches!(args.what, AuditCommand::Sign) {
        println!("{}", signed::sign(&args.state, &audit, COMMAND_LINE)?);
        return Ok(());
    }
    let AuditCommand::Verify { head, signed: kept, public } = &args.what else {
        return audit.each(|line, done| match done {
            Ok(done) => println!("{}\t{}\t{}\t{}\t{}", done.number, done.at, done.who, done.what, done.about),
            Err(why) => println!("{line}\tcannot be read: {why}"),
        });
    };
    let mut checked = verify_all(&args.state)?;
    for ((told, name), checked) in head.iter().flat_map(|head| head.split('+')).zip(RECORDS).zip(&mut checked) {
        let mut found = told == "0:";
        Audit::open(&args.state, name)?
            .each(|line, done| found |= done.is_ok_and(|done| format!("{line}:{}", done.seal) == told))?;
        if !found {
            checked.wrong.push(format!("no line is {told}"));
        }
    }
    for (name, checked) in RECORDS.into_iter().zip(&checked) {
        checked.wrong.iter().for_each(|wrong| println!("{name}: {wrong}"));
    }
    let (days, mut unsigned) = signed::verify(&args.state, None, None)?;
    if let Some(kept) = kept {
        let (lines, wrong) = signed::verify(&args.state, Some(kept), public.as_deref())?;
        unsigned.extend(wrong);
        if lines == 0 {
            return Err(Failure::Input(format!(
                "--signed {}: found no line, expected some of audit.signed",
                kept.display()
            )));
        }
    }
    unsigned.iter().for_each(|wrong| println!("{wrong}"));
    let [deeds, decisions] = &checked;
    match deeds.wrong.len() + decisions.wrong.len() + unsigned.len() {
        0 => {
            println!(
                "{} decisions and {} lines, nobody changed them, signed {days} times; the head is {}+{}",
                decisions.lines,
                deeds.lines,
                deeds.told(),
                decisions.told()
            );
            Ok(())
        }
        places => Err(Failure::Different(format!("{}: changed in {places} places", args.state.display()))),
    }
}

/// Who changes something by a command.
const COMMAND_LINE: &str = "command line";

fn opened(state: &Path) -> Result<(PeopleFile, Audit), Failure> {
    match state.is_dir() {
        true => Ok((PeopleFile::of(state), Audit::open(state, DEEDS)?)),
        false => Err(Failure::Usage(format!(
            "--state {}: no service has begun there; `truestream serve --state {0}` begins one",
            state.display()
        ))),
    }
}

fn password() -> Result<String, Failure> {
    let mut text = String::new();
    let read = std::io::stdin().take(4_096).read_to_string(&mut text);
    read.map_err(|error| Failure::Input(format!("standard input: {error}")))?;
    let password = text.lines().next().unwrap_or_default();
    match password.chars().count() >= 12 {
        true => Ok(password.to_owned()),
        false => Err(Failure::Usage("the password has fewer than 12 characters; choose a longer one".to_owned())),
    }
}
