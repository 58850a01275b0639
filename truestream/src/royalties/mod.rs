//! `truestream royalties`: what each track gets for a month, and what of its streams is not paid and why.
//!
//! ```text
//! plays, catalogue, accounts ──┐                               ┌──▶ royalty, royalty_day
//! verdicts, holds, groups ─────┴──▶ month ──terms──▶ shared ───┼──▶ dsr/RECIPIENT.tsv
//! royalties of an earlier close ───────────────────────────────┴──▶ royalty_difference
//! ```

mod calendar;
mod difference;
mod month;
pub(crate) mod streams;
mod tables;

use std::fmt::Write as _;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use clap::Args;
use datasets::formats::instant;
use datasets::policy::{self, amount, amount_text};
use datasets::tables::Inputs;
use records::Millis;
use records::royalty::{Micros, Terms};
use serde_json::{Value, json};

use self::calendar::Month;
use self::month::{Close, Year};
pub(crate) use self::month::{Closed, Line};
use self::streams::other_inputs;
use crate::exit::Failure;
use crate::ingredients::Ingredients;
use crate::inputs::InputArgs;
use crate::replay;
use crate::replay::laws::in_force;
use crate::verify::{Emit, Settings};

/// Shares the money of a month: payable, held, withheld and ineligible streams of every track, and reports to who delivered them.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  truestream replay --data W --out R --every 6h --windows 28d --emit changes
  truestream royalties --data W --tables R --month 2026-01 --out january
      who gets what, under the terms of royalties.toml of the built-in policy
  truestream royalties --data W --tables R --month 2026-01 --policy strict --pool 250000 --out january
      other terms, and the money that there really was
  truestream royalties --data W --tables R2 --month 2026-01 --close 2026-03-01 --against january --out again
      opened again with what is known on the first of March: what that changes

The tables are those of `replay --emit changes`. Tables of --emit last, which is the default of replay, know the verdicts of their last instant
alone, and are taken for a close as of that instant only.

docs/ROYALTIES.md says what each number means.
Exit codes: 0 done, 2 options that cannot be, among them an --out that holds another close, 4 an input that cannot be read, 5 an output that
cannot be written.")]
pub struct RoyaltiesArgs {
    /// Where the tables come from: the files that the replay read, known by what is in them
    #[command(flatten)]
    pub input: InputArgs,
    /// What `truestream replay` made of them: verdict, payout_hold, account_group
    #[arg(long, value_name = "DIR")]
    pub tables: PathBuf,
    /// The month, such as 2026-01 (UTC)
    #[arg(long, value_name = "YYYY-MM")]
    pub month: String,
    /// A folder of policy files whose royalties.toml holds, instead of the built-in one
    #[arg(long, value_name = "DIR")]
    pub policy: Option<PathBuf>,
    /// All money of the month for recordings, in the currency, shared among accounts as their plans' fees are; without it the fees are the money
    #[arg(long, value_name = "AMOUNT")]
    pub pool: Option<String>,
    /// What is known when the month is closed; as many days after its end as the terms say, or the last instant of the tables if that is earlier.
    /// Later than the tables: verdicts as of their last instant, rulings and corrections as of this one
    #[arg(long, value_name = "TIME")]
    pub close: Option<String>,
    /// The royalties of an earlier close of this month: what differs is told, and written as royalty_difference
    #[arg(long, value_name = "DIR")]
    pub against: Option<PathBuf>,
    /// Where the tables go: a folder that holds no other close
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Print as JSON
    #[arg(long)]
    pub json: bool,
}

/// Runs the command.
///
/// # Errors
/// When the options cannot be, an input cannot be read, or the output cannot be written.
pub fn run(args: &RoyaltiesArgs) -> Result<(), Failure> {
    let told = royalties(args)?;
    let text = if args.json { format!("{:#}\n", told.json()) } else { told.text() };
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::Output(format!("standard output: {error}")))
        }
        _ => Ok(()),
    }
}

fn royalties(args: &RoyaltiesArgs) -> Result<Told, Failure> {
    let input = |error: datasets::Error| Failure::Input(error.to_string());
    let month = Month::read(&args.month)
        .ok_or_else(|| Failure::Usage(format!("--month {}: expected a month such as 2026-01", args.month)))?;
    let pool = args.pool.as_ref().map(|text| {
        amount(text).ok_or_else(|| Failure::Usage(format!("--pool {text}: expected an amount such as 250000.00")))
    });
    let pool = pool.transpose()?;
    let settings = Settings::read(&args.tables)?;
    refuse_half(&args.tables, &settings)?;
    // The terms of a month are those that were in force when it ended: what comes into force later changes nothing of it.
    let policy = in_force(args.policy.as_deref(), month.end_ms - 1)?;
    let terms = policy::terms(policy.as_deref()).map_err(input)?;
    let policy_version = replay::policy_of(policy.as_deref())?.version;
    let close = close(args, &terms, month, &settings)?;
    let inputs = args.input.inputs()?;
    let since = since_the_tables(&inputs, &args.tables, &settings, close)?;
    let closed = month::close(&inputs, &args.tables, &settings, &terms, month, close, pool)?;
    // Read before anything is written: it may be the folder that is replaced.
    let earlier = args.against.as_ref().map(|folder| difference::Earlier::read(folder, month)).transpose()?;
    let differences = earlier.map(|earlier| difference::between(&earlier, &closed));
    let pool_from = pool.map_or_else(|| "fees".to_owned(), amount_text);
    let is_last_alone = settings.emit == Emit::Last;
    let otherwise = Vec::new();
    let mut told =
        Told { month, close, is_last_alone, since, policy_version, terms, closed, pool_from, differences, otherwise };
    if let Some(folder) = &args.against {
        told.otherwise = difference::made_otherwise(folder, &told.json())?;
    }
    for part in told.last_alone().into_iter().chain(told.part_of_the_year()).chain(told.nobody_delivers()) {
        eprintln!("truestream: warning: {part}");
    }
    tables::write(&args.out, &told)?;
    Ok(told)
}

/// Refuses tables that do not tell of all that makes money wait, or whose listeners are one: what is not told would be paid.
fn refuse_half(tables: &Path, settings: &Settings) -> Result<(), Failure> {
    let asked = ["verdict", "payout_hold", "gate"].into_iter();
    let linked = (!settings.links.is_empty()).then_some("account_group");
    let lacking: Vec<&str> = asked.chain(linked).filter(|view| !settings.wrote(view)).collect();
    if lacking.is_empty() {
        return Ok(());
    }
    Err(Failure::Input(format!(
        "{}: found no {}, without which what waits would be paid; replay with --emit changes, or with --views verdict,payout_hold,gate,account_group",
        tables.display(),
        lacking.join(", ")
    )))
}

/// The tables that are others than those that were replayed: what people ruled, corrections and the catalogue, of which all counts that was known by a close
/// later than the tables.
///
/// # Errors
/// When others were replayed, and nothing says that they may have changed since.
fn since_the_tables(
    inputs: &Inputs,
    tables: &Path,
    settings: &Settings,
    close: Close,
) -> Result<Vec<&'static str>, Failure> {
    let replayed = Ingredients::read(tables)?;
    if let Some(other) = replayed.other("accounts", &inputs.accounts)? {
        return Err(other_inputs(tables, &other));
    }
    let last = settings.as_of_ms.map_or(close.at, |(_, last)| last);
    let mut since = Vec::new();
    for (table, files) in
        [("tracks", &inputs.tracks), ("corrections", &inputs.corrections), ("rulings", &inputs.rulings)]
    {
        match replayed.other(table, files)? {
            None => {}
            Some(_) if close.at > last => {
                // What was ruled, corrected or delivered stays so: it is taken back by another row.
                if let Some(forgotten) = replayed.forgotten(table, files)? {
                    return Err(other_inputs(tables, &forgotten));
                }
                since.push(table);
            }
            Some(other) => {
                let (refused, last) = (other_inputs(tables, &other), instant::to_minute(last));
                return Err(Failure::Input(format!(
                    "{refused}, or close later than {last}, the last instant of the tables (--close): what was known by then counts"
                )));
            }
        }
    }
    Ok(since)
}

/// The month in which the instant lies, closed with all that the tables know, out of the fees of its accounts.
///
/// # Errors
/// When an input cannot be read, or the tables were made of other files.
pub(crate) fn month_with(inputs: &Inputs, tables: &Path, terms: &Terms, at: Millis) -> Result<Closed, Failure> {
    let settings = Settings::read(tables)?;
    let last = settings.as_of_ms.map_or(at, |(_, last)| last);
    let month = instant::to_text(at).get(..7).and_then(Month::read);
    let month = month.ok_or_else(|| Failure::Input(format!("{}: found an instant in no month", tables.display())))?;
    let close = Close { at: last, listed_at: last.min(due(terms, month)), judged_at: last };
    month::close(inputs, tables, &settings, terms, month, close, None)
}

/// When the month is closed, unless somebody says otherwise.
fn due(terms: &Terms, month: Month) -> Millis {
    month.end_ms + Millis::from(terms.close_days) * calendar::DAY_MS
}

/// What is known when the month is closed: verdicts as of a multiple of the refresh interval, as the tables tell them.
fn close(args: &RoyaltiesArgs, terms: &Terms, month: Month, settings: &Settings) -> Result<Close, Failure> {
    let tables = args.tables.display();
    let (_, last) = settings.as_of_ms.ok_or_else(|| Failure::Input(format!("{tables}: nothing ever arrived")))?;
    let tick = |instant: Millis| instant.div_euclid(settings.every_ms) * settings.every_ms;
    let close = match &args.close {
        None => {
            let at = tick(due(terms, month).min(last));
            Close { at, listed_at: at, judged_at: at }
        }
        Some(text) => {
            let asked = instant::from_text(text);
            let asked = asked.ok_or_else(|| Failure::Usage(format!("--close {text}: expected a time")))?;
            Close { at: asked, listed_at: asked.min(due(terms, month)), judged_at: tick(asked.min(last)) }
        }
    };
    let last_text = instant::to_minute(last);
    // A verdict as of T speaks about the plays of its window: one that begins later says nothing of the days before.
    let spoken_of = last - settings.windows.last().map_or(0, |(_, length)| *length);
    if settings.emit == Emit::Last && (close.judged_at != tick(last) || spoken_of > month.start_ms) {
        return Err(Failure::Usage(format!(
            "--tables {tables}: found --emit last, which is the default of replay and tells verdicts as of {last_text} alone, which speak about plays from \
             {} on; the month begins {} and is closed as of {}: replay with --emit changes",
            instant::to_minute(spoken_of),
            instant::to_minute(month.start_ms),
            instant::to_minute(close.at)
        )));
    }
    if close.judged_at <= month.start_ms {
        return Err(Failure::Usage(format!(
            "--month {}: it begins later than the tables end, {last_text}",
            args.month
        )));
    }
    Ok(close)
}

/// A month that was closed.
struct Told {
    month: Month,
    close: Close,
    /// Whether the tables know the verdicts of no earlier instant.
    is_last_alone: bool,
    /// Tables that are others than those that were replayed.
    since: Vec<&'static str>,
    policy_version: String,
    terms: Terms,
    closed: Closed,
    /// The money that was given, or that it is the fees'.
    pool_from: String,
    differences: Option<Vec<difference::Difference>>,
    /// What the earlier close was made with that this one is not.
    otherwise: Vec<String>,
}

impl Told {
    fn sums(&self) -> Line {
        let mut sum = Line::default();
        self.closed.lines.iter().for_each(|line| sum.add(line));
        sum
    }

    /// Tracks that no distributor delivers.
    fn nobodys(&self) -> impl Iterator<Item = &Line> {
        self.closed.lines.iter().filter(|line| line.held_because.is_some() && line.held > 0)
    }

    /// That the data names nobody at all who could be paid.
    fn nobody_delivers(&self) -> Option<String> {
        let is_so = self.nobodys().next().is_some() && self.closed.lines.iter().all(|line| line.held_because.is_some());
        is_so.then(|| {
            "no track with streams names a distributor, so all money waits: fill distributor_id of the catalogue with who is paid (where that is the uploader, \
             with the uploader's id), replay and close again"
                .to_owned()
        })
    }

    /// The rules that go by twelve months, and how many tracks have no share by them that data of more days could give one.
    fn by_the_year(&self) -> (Vec<&'static str>, usize) {
        let threshold = &self.terms.threshold;
        let rules = [
            ("streams_min", threshold.streams_min),
            ("listeners_min", threshold.listeners_min),
            ("streams_per_listener", threshold.streams_per_listener),
        ];
        let is_part = self.closed.year.is_part();
        let judged = self.closed.lines.iter().filter(|line| is_part && line.is_judged_by_the_year()).count();
        (rules.into_iter().filter(|(_, asked)| *asked > 0).map(|(rule, _)| rule).collect(), judged)
    }

    /// By how much of the twelve months tracks were judged, where that is less than all.
    fn part_of_the_year(&self) -> Option<String> {
        let Year { days, known, .. } = self.closed.year;
        let (rules, judged) = self.by_the_year();
        (known < days && !rules.is_empty()).then(|| {
            format!(
                "of the twelve months that end with {} the data has streams on {known} of {days} days: {} went by these, and {judged} tracks \
                 have no share that data of the other days could give one",
                self.month.text(),
                rules.join(", ")
            )
        })
    }

    /// That verdicts are not known up to the close, which the tables do not tell of.
    fn later_than_the_tables(&self) -> Option<String> {
        let Close { at, judged_at, .. } = self.close;
        (at > judged_at).then(|| {
            format!(
                "verdicts, and streams, are those known at {}, the last instant that the tables tell of; rulings and corrections those known at the close",
                instant::to_minute(judged_at)
            )
        })
    }

    /// That the tables do not know all that counts.
    fn changed_since(&self) -> Option<String> {
        let names = self.since.join(", ");
        (!names.is_empty())
            .then(|| format!("{names}: others than were replayed; what they say was known by the close counts"))
    }

    /// That a verdict that did not last is not known.
    fn last_alone(&self) -> Option<String> {
        self.is_last_alone.then(|| {
            format!(
                "the tables know verdicts as of {} alone: streams of whoever was held or blocked before and no more are payable; tables of \
                 `replay --emit changes` know them",
                instant::to_minute(self.close.judged_at)
            )
        })
    }

    fn json(&self) -> Value {
        let sum = self.sums();
        let nobodys = self.nobodys().fold(Line::default(), |mut sum, line| {
            sum.add(line);
            sum
        });
        let Year { days, known, first_ms } = self.closed.year;
        let (rules, by_them) = self.by_the_year();
        let moved = self.differences.as_deref().map(difference::moved);
        let mut why = serde_json::Map::new();
        for line in &self.closed.lines {
            if let Some(reason) = line.ineligible_because {
                let tracks = why.entry(reason).or_insert(json!(0));
                *tracks = json!(tracks.as_u64().unwrap_or_default() + 1);
            }
        }
        json!({
            "month": self.month.text(),
            "close": instant::to_text(self.close.at),
            "verdicts_until": instant::to_text(self.close.judged_at),
            "earlier_verdicts_known": !self.is_last_alone,
            "changed_since": self.since,
            "is_over": self.close.judged_at >= self.month.end_ms,
            "policy_version": self.policy_version,
            "sharing": self.terms.sharing,
            "currency": self.terms.currency,
            "terms": blake3::hash(format!("{:?}", self.terms).as_bytes()).to_hex().to_string(),
            "pool": amount_text(self.closed.pool),
            "pool_from": self.pool_from,
            "payable": amount_text(sum.paid_micros),
            "held": amount_text(sum.held_micros),
            "held_without_distributor": amount_text(nobodys.held_micros),
            "held_without_distributor_streams": nobodys.held,
            "left": amount_text(self.closed.left),
            "year": {
                "from": instant::to_text(self.month.year_start_ms()),
                "days": days,
                "days_with_streams": known,
                "first_day": first_ms.map(instant::to_text),
                "rules": rules,
                "ineligible_tracks_by_them": by_them,
            },
            "lines_hash": self.closed.hash(),
            "streams": sum.streams(),
            "payable_streams": sum.payable,
            "held_streams": sum.held,
            "withheld_streams": sum.withheld,
            "ineligible_streams": sum.ineligible,
            "tracks": self.closed.lines.len(),
            "ineligible_tracks": why,
            "differences": self.differences.as_ref().map(|all| all.len()),
            "moved": moved.map(|moved| amount_text(moved.sum())),
            "payable_more": moved.map(|moved| amount_text(moved.payable[0])),
            "payable_less": moved.map(|moved| amount_text(moved.payable[1])),
            "held_more": moved.map(|moved| amount_text(moved.held[0])),
            "held_less": moved.map(|moved| amount_text(moved.held[1])),
            "earlier_otherwise": self.otherwise,
        })
    }

    fn text(&self) -> String {
        let sum = self.sums();
        let Terms { currency, sharing, .. } = &self.terms;
        let money = |micros: Micros| format!("{} {currency}", amount_text(micros));
        let mut text = String::new();
        let _ = writeln!(
            text,
            "{} as known at {}, {}, policy {}",
            self.month.text(),
            instant::to_minute(self.close.at),
            sharing.name(),
            self.policy_version
        );
        if self.close.judged_at < self.month.end_ms {
            let until = instant::to_minute(self.close.judged_at);
            let _ = writeln!(text, "Note      the month is not over: it is known until {until}");
        }
        let notes = [self.later_than_the_tables(), self.changed_since(), self.last_alone()];
        for note in notes.into_iter().flatten() {
            let _ = writeln!(text, "Note      {note}");
        }
        let _ = writeln!(text, "Pool      {}", money(self.closed.pool));
        let _ = writeln!(text, "Payable   {} for {} streams", money(sum.paid_micros), sum.payable);
        let _ = writeln!(text, "Held      {} for {} streams, until somebody decides", money(sum.held_micros), sum.held);
        let nobodys: Vec<&Line> = self.nobodys().collect();
        if !nobodys.is_empty() {
            let waits = nobodys.iter().map(|line| line.held_micros).sum();
            let streams: u64 = nobodys.iter().map(|line| line.held).sum();
            let _ = writeln!(
                text,
                "  of it   {} for {streams} streams of {} tracks without a distributor: there is nobody to pay",
                money(waits),
                nobodys.len()
            );
        }
        if let Some(nobody) = self.nobody_delivers() {
            let _ = writeln!(text, "Note      {nobody}");
        }
        let _ = writeln!(text, "Withheld  {} streams: nobody listened", sum.withheld);
        let _ = writeln!(text, "Ineligible {} streams of tracks that have no share under the terms", sum.ineligible);
        if let Some(part) = self.part_of_the_year() {
            let _ = writeln!(text, "Note      {part}");
        }
        if self.closed.left > 0 {
            let _ = writeln!(text, "Left      {}: no stream has a claim to it", money(self.closed.left));
        }
        if let Some(all) = &self.differences {
            let difference::Moved { payable, held } = difference::moved(all);
            let [more, less, held_more, held_less] = [payable[0], payable[1], held[0], held[1]].map(money);
            let _ = writeln!(
                text,
                "Changed   {} tracks: payable {more} more and {less} less, held {held_more} more and {held_less} less (see royalty_difference)",
                all.len()
            );
            for other in &self.otherwise {
                let _ = writeln!(text, "Note      the earlier close had {other}: not all of this is a correction");
            }
        }
        text
    }
}
