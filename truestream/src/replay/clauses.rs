//! Rules that people wrote as conditions: read, tested by their own rows, and laid over the windows of a run.
//!
//! ```text
//! conditions.toml, decisions.csv ──▶ typed conditions ──their test rows──▶ rules of a policy
//! rules of policies that take turns ──each once──▶ when each is in force ──windows of the run──▶ what the dataflow asks
//! ```

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use dataflows::clock::{Clock, Tick};
use dataflows::risk::{Asked, Place};
use datasets::policy::{self, TestedClause};
use features::condition::{Condition, Seen, Table};
use records::clause::Clause;
use records::{Millis, Territory};

use super::args::{USUAL_WINDOWS, millis};
use super::laws::Law;
use crate::exit::Failure;

/// A rule as it is written, and what it asks.
pub type Rule = (Clause, Condition);

/// The rules of the policy in the folder with their conditions; none are built in.
///
/// # Errors
/// When a rule cannot be, or does not match the rows that it says it matches.
pub fn read(folder: Option<&Path>) -> Result<Vec<Rule>, Failure> {
    let tested = policy::clauses(folder).map_err(|error| Failure::Input(error.to_string()))?;
    match faults(&tested).first() {
        Some(fault) => Err(Failure::Input(fault.clone())),
        None => Ok(tested.into_iter().filter_map(|TestedClause { clause, .. }| conditioned(clause).ok()).collect()),
    }
}

/// What is wrong with the rules, one by one.
pub fn faults(rules: &[TestedClause]) -> Vec<String> {
    let fault = |rule: &TestedClause| match tested(rule) {
        Ok(rows) => Some(fault_of(rule, &rows.into_iter().find_map(|(_, wrong)| wrong)?)),
        Err(fault) => Some(fault_of(rule, &fault)),
    };
    rules.iter().filter_map(fault).collect()
}

/// A row that a rule is tested by, in words, and what is other than the rule says.
pub type TestRow = (String, Option<String>);

/// The rows that the rules are tested by, decided.
///
/// # Errors
/// The first rule that cannot be.
pub fn rows(rules: &[TestedClause]) -> Result<Vec<TestRow>, String> {
    let all: Result<Vec<_>, _> =
        rules.iter().map(|rule| tested(rule).map_err(|fault| fault_of(rule, &fault))).collect();
    Ok(all?.concat())
}

fn fault_of(rule: &TestedClause, fault: &str) -> String {
    let file = if rule.tests.is_empty() { "decisions.csv" } else { "conditions.toml" };
    format!("{file}: rule {:?}: {fault}", rule.clause.id)
}

/// Columns of the table of rules that no subject of its rules has. Over empty cells they test nothing, so they hurt no replay of what was
/// activated; but a misspelt column must not look like one that lets everything pass.
pub fn strange_columns(rules: &[TestedClause]) -> Vec<String> {
    let columns: BTreeSet<&String> = rules.iter().flat_map(|rule| &rule.columns).collect();
    let table = || rules.iter().filter(|rule| !rule.columns.is_empty());
    let is_known = |column: &str| {
        table().any(|rule| table_of(&rule.clause).is_ok_and(|table| table.column(&column.to_lowercase()).is_some()))
    };
    let subjects: BTreeSet<&str> = table().map(|rule| rule.clause.subject.name()).collect();
    let windows: Vec<String> = subjects.into_iter().map(|subject| format!("{subject}_window")).collect();
    let fault = |column: &String| {
        let windows = windows.join(" or ");
        format!(
            "decisions.csv: found the column {column:?}, expected a column of {windows}, or of another table as a condition names it"
        )
    };
    columns.into_iter().filter(|column| !is_known(column)).map(fault).collect()
}

/// Columns of the table of rules that are one for all of its rules that know both: what the one tests the other would test again, and whoever
/// reads the table takes them for two.
pub fn twin_columns(rules: &[TestedClause]) -> Vec<String> {
    let columns: BTreeSet<&String> = rules.iter().flat_map(|rule| &rule.columns).collect();
    let mut tables: Vec<Table> =
        rules.iter().filter(|rule| !rule.columns.is_empty()).filter_map(|rule| table_of(&rule.clause).ok()).collect();
    tables.dedup();
    let is_one = |one: &str, other: &str| {
        let known = |table: &Table| table.column(&one.to_lowercase()).zip(table.column(&other.to_lowercase()));
        let mut known = tables.iter().filter_map(known).map(|(one, other)| one.is_same(&other)).peekable();
        known.peek().is_some() && known.all(|same| same)
    };
    let pairs =
        columns.iter().enumerate().flat_map(|(at, one)| columns.iter().skip(at + 1).map(move |other| (one, other)));
    pairs
        .filter(|(one, other)| is_one(one, other))
        .map(|(one, other)| {
            format!("decisions.csv: found the columns {one:?} and {other:?}, which are one; expected each once")
        })
        .collect()
}

/// Rules about windows that a replay or a service has only if it is asked for them.
pub fn unusual_windows(rules: &[TestedClause]) -> Vec<String> {
    let usual: Vec<Millis> = USUAL_WINDOWS.split(',').filter_map(|label| millis(label).ok()).collect();
    let told = |TestedClause { clause, .. }: &TestedClause| {
        let unusual = windows_ms(&conditioned(clause.clone()).ok()?).find(|length| !usual.contains(length))?;
        let (id, window) = (&clause.id, length(unusual));
        Some(format!(
            "rule {id:?} reads the window {window}: replays and services have {USUAL_WINDOWS}, and refuse the policy unless --windows names {window}"
        ))
    };
    rules.iter().filter_map(told).collect()
}

/// Asks the rule about the rows that it is tested by.
fn tested(rule: &TestedClause) -> Result<Vec<TestRow>, String> {
    let (clause, condition) = conditioned(rule.clause.clone())?;
    let mut rows = Vec::new();
    for test in &rule.tests {
        let row: Vec<String> = test.row.iter().map(|(name, given)| format!("{name} = {given}")).collect();
        let row = row.join(", ");
        let does = condition.holds_of(&test.row).map_err(|error| format!("tests: {error}"))?;
        let (found, expected) = if test.matches { ("does not match", "does") } else { ("matches", "does not") };
        let wrong = (does != test.matches)
            .then(|| format!("found that it {found} the row {{ {row} }}, expected that it {expected}"));
        let means = if test.matches { "matches" } else { "does not match" };
        rows.push((format!("rule {:?} {means} {{ {row} }}", clause.id), wrong));
    }
    Ok(rows)
}

/// Rules that compare a country with what is none: they match only rows that say just that.
pub fn strange_countries(rules: &[TestedClause]) -> Vec<String> {
    let told = |TestedClause { clause, .. }: &TestedClause| {
        let (_, condition) = conditioned(clause.clone()).ok()?;
        let mut countries = condition.compared().into_iter().filter(|(column, _)| *column == "country");
        let fault = countries.find_map(|(_, word)| Territory::try_from(word.to_owned()).err())?;
        Some(format!("rule {:?}: country: {fault}: it is compared letter by letter", clause.id))
    };
    rules.iter().filter_map(told).collect()
}

fn conditioned(clause: Clause) -> Result<Rule, String> {
    let condition = Condition::read(&clause.when, table_of(&clause)?).map_err(|error| format!("when: {error}"))?;
    Ok((clause, condition))
}

/// What the rule is asked of.
fn table_of(clause: &Clause) -> Result<Table, String> {
    let window_ms = millis(&clause.window).map_err(|error| format!("window: {error}"))?;
    Ok(Table { axis: clause.subject.into(), window_ms })
}

/// The windows whose rows a rule reads, its own first.
pub fn windows_ms((clause, condition): &Rule) -> impl Iterator<Item = Millis> {
    millis(&clause.window).into_iter().chain(condition.columns().iter().filter_map(Seen::window_ms))
}

/// A rule of policies that take turns, and the ticks at which it is in force, in order; none where it expired before.
pub struct Standing<'a> {
    /// The rule.
    pub rule: &'a Rule,
    /// While a policy has it, and it says so itself.
    pub in_force: Vec<Range<Tick>>,
}

/// The rules of all policies, each once however many have it and whatever waves tighten them, in the order of every policy. Only a rule that
/// another policy asks earlier than its neighbours stands a second time.
pub fn standing(laws: &[Law], clock: Clock) -> Vec<Standing<'_>> {
    let first_as_of = |instant: Millis| clock.first_after(instant - 1);
    let mut all: Vec<Standing> = Vec::new();
    // Numbers of rules: of all so far in their common order, and of this policy.
    let (mut order, mut own): (Vec<usize>, Vec<usize>) = (Vec::new(), Vec::new());
    for (place, law) in laws.iter().enumerate() {
        if place == 0 || !Arc::ptr_eq(&laws[place - 1].rules, &law.rules) {
            own = numbers(&law.rules, &order, &mut all);
            order = merged(&order, &own);
        }
        let ends = laws.get(place + 1).map_or(Tick::MAX, |next| next.from);
        for number in &own {
            let Standing { rule: (clause, _), in_force } = &mut all[*number];
            let begins = clause.from.map_or(0, first_as_of).max(law.from);
            let ticks = begins..first_as_of(clause.expires).min(ends);
            match in_force.last_mut() {
                _ if ticks.is_empty() => {}
                Some(before) if before.end == ticks.start => before.end = ticks.end,
                _ => in_force.push(ticks),
            }
        }
    }
    let mut all: Vec<Option<Standing>> = all.into_iter().map(Some).collect();
    order.into_iter().filter_map(|number| all[number].take()).collect()
}

/// The numbers of a policy's rules: of those that are known, as far as they stand in its order, and new ones.
fn numbers<'a>(rules: &'a [Rule], order: &[usize], all: &mut Vec<Standing<'a>>) -> Vec<usize> {
    let mut known: HashMap<&Clause, Vec<usize>> = HashMap::new();
    for (at, number) in order.iter().enumerate() {
        known.entry(&all[*number].rule.0).or_default().push(at);
    }
    let mut next = 0;
    let number = |rule: &'a Rule| {
        let at = known.get(&rule.0).and_then(|places| places.iter().copied().find(|at| *at >= next));
        if let Some(at) = at {
            next = at + 1;
            return order[at];
        }
        all.push(Standing { rule, in_force: Vec::new() });
        all.len() - 1
    };
    rules.iter().map(number).collect()
}

/// Both orders in one, what only the second has where that has it.
fn merged(order: &[usize], own: &[usize]) -> Vec<usize> {
    let mut merged = Vec::with_capacity(order.len() + own.len());
    let mut rest = order.iter();
    for number in own {
        // Those that are known are numbered first.
        if *number < order.len() {
            merged.extend(rest.by_ref().take_while(|known| *known != number));
        }
        merged.push(*number);
    }
    merged.extend(rest);
    merged
}

/// What the dataflow asks of rows for all who decide: what several of them have, once.
#[derive(Default)]
pub struct Asking {
    asked: Vec<Asked>,
    places: HashMap<(Clause, Vec<Range<Tick>>), Place>,
}

impl Asking {
    /// Asks these rules, too; `read` are the lengths of those windows that somebody reads. Tells the place of each among all that are asked.
    ///
    /// # Errors
    /// When a rule reads a window that the run does not have.
    pub fn add(
        &mut self,
        rules: &[Standing],
        windows: &[(Millis, Arc<str>)],
        read: &[Millis],
    ) -> Result<Vec<Place>, Failure> {
        rules.iter().map(|standing| self.place(standing, windows, read)).collect()
    }

    fn place(
        &mut self,
        Standing { rule, in_force }: &Standing,
        windows: &[(Millis, Arc<str>)],
        read: &[Millis],
    ) -> Result<Place, Failure> {
        let (clause, condition) = *rule;
        let window_of = |length: Millis| read.iter().position(|known| *known == length);
        if let Some(missing) = windows_ms(rule).find(|length| window_of(*length).is_none()) {
            let labels: Vec<&str> = windows.iter().map(|(_, label)| &**label).collect();
            let found = format!("rule {:?} of the policy reads the window {}", clause.id, length(missing));
            return Err(Failure::Usage(format!("{found}, expected one of --windows {}", labels.join(","))));
        }
        let key = (clause.clone(), in_force.clone());
        if let Some(place) = self.places.get(&key) {
            return Ok(*place);
        }
        let place = Place::try_from(self.asked.len()).map_err(|_| {
            Failure::Input(format!("found more than {} rules in the policies of a run, expected fewer", Place::MAX))
        })?;
        let window = windows_ms(rule).next().and_then(window_of).unwrap_or_default();
        self.asked.push(Asked {
            axis: clause.subject.into(),
            window: window as u8,
            condition: condition.clone(),
            in_force: in_force.clone(),
        });
        self.places.insert(key, place);
        Ok(place)
    }

    /// All that is asked.
    pub fn done(self) -> Arc<[Asked]> {
        self.asked.into()
    }
}

/// A length as `--windows` names it.
fn length(ms: Millis) -> String {
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "min")];
    // A day is called 24h.
    let unit = units.into_iter().find(|(unit, _)| ms % unit == 0 && (ms > *unit || *unit < 86_400_000));
    unit.map_or_else(|| format!("{}s", ms / 1_000), |(unit, name)| format!("{}{name}", ms / unit))
}

#[cfg(test)]
mod tests {
    use datasets::policy::{built_in, declaring, gate};
    use records::policy::Percent;
    use records::{Subject, Verdict};

    use super::*;

    const HOUR_MS: Millis = 3_600_000;

    fn rule(number: u64, from: Option<Tick>, expires: Tick) -> Rule {
        let clause = Clause {
            id: format!("r{number}"),
            version: 1,
            subject: Subject::Account,
            window: "24h".to_owned(),
            when: format!("plays > {number}"),
            action: Verdict::Hold,
            code: "R".to_owned(),
            reason: "why".to_owned(),
            ground: String::new(),
            shadow: false,
            rollout_percent: Percent::whole(),
            owner: "ann".to_owned(),
            from: from.map(|tick| tick as Millis * HOUR_MS),
            expires: expires as Millis * HOUR_MS,
        };
        conditioned(clause).expect("a rule")
    }

    fn law(from: Tick, rules: Arc<[Rule]>) -> Law {
        let (declaring, gate) = (declaring(None).expect("built in"), gate(None).expect("built in"));
        let (policy, surges, betas) = (Arc::new(built_in()), Vec::new(), Vec::new());
        Law { from, policy, rules, declaring, gate, surges, betas }
    }

    /// Numbers from a seed (splitmix64, Steele and others 2014).
    fn below(seed: &mut u64, end: u64) -> u64 {
        *seed = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (*seed ^ (*seed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % end
    }

    #[test]
    fn at_every_tick_those_rules_stand_that_the_policy_of_the_tick_has_in_its_order() {
        const UNTIL: Tick = 40;
        let clock = Clock::new(HOUR_MS);
        let (mut written, mut stood) = (0, 0);
        for seed in 0..200 {
            let drawn = &mut seed.clone();
            // Few rules, so that policies have many in common: some begin late, some expire, some of them both at once.
            let known: Vec<Rule> = (0..8)
                .map(|number| {
                    let from = (below(drawn, 2) == 0).then(|| below(drawn, UNTIL));
                    rule(number, from, from.unwrap_or_default() + below(drawn, 2 * UNTIL))
                })
                .collect();
            let mut laws: Vec<Law> = Vec::new();
            while laws.len() < 2 + below(drawn, 4) as usize {
                let from = laws.last().map_or(0, |law| law.from + 1 + below(drawn, 9));
                let rules = match laws.last().filter(|_| below(drawn, 3) == 0) {
                    // As under a wave.
                    Some(law) => law.rules.clone(),
                    None => {
                        let mut rules: Vec<Rule> = known.iter().filter(|_| below(drawn, 3) > 0).cloned().collect();
                        if below(drawn, 3) == 0 {
                            rules.reverse();
                        }
                        rules.into()
                    }
                };
                laws.push(law(from, rules));
            }
            let standing = standing(&laws, clock);
            for tick in 0..UNTIL {
                let law = laws.iter().rfind(|law| law.from <= tick).expect("the first is from the beginning");
                let as_of = clock.instant(tick);
                let ids = |rules: Vec<&Rule>| rules.iter().map(|(clause, _)| clause.id.clone()).collect::<Vec<_>>();
                let expected = ids(law.rules.iter().filter(|(clause, _)| clause.is_in_force(as_of)).collect());
                let is_in_force = |standing: &&Standing| standing.in_force.iter().any(|ticks| ticks.contains(&tick));
                let found = ids(standing.iter().filter(is_in_force).map(|standing| standing.rule).collect());
                assert_eq!(found, expected, "seed {seed}, tick {tick}");
            }
            for Standing { in_force, .. } in &standing {
                let apart = in_force.windows(2).all(|ticks| ticks[0].end < ticks[1].start);
                assert!(apart && in_force.iter().all(|ticks| !ticks.is_empty()), "seed {seed}: {in_force:?}");
            }
            written += laws.iter().map(|law| law.rules.len()).sum::<usize>();
            stood += standing.len();
        }
        // Every third policy has them the other way round.
        assert!(stood * 3 < written * 2, "{stood} of {written}");
    }

    #[test]
    fn waves_and_activations_ask_no_rule_twice() {
        let clock = Clock::new(HOUR_MS);
        let rules: Arc<[Rule]> = (0..700).map(|number| rule(number, None, 10_000)).collect();
        // A wave turns the policy a hundred times; then another one comes that has a rule less and one more in the midst.
        let mut laws: Vec<Law> = (0..100).map(|turn| law(turn, rules.clone())).collect();
        let mut other = rules.to_vec();
        other.remove(5);
        other.insert(300, rule(900, None, 10_000));
        laws.push(law(100, other.into()));
        let standing = standing(&laws, clock);
        assert_eq!(standing.len(), 701);
        let spans: Vec<_> = standing.iter().map(|standing| standing.in_force.clone()).collect();
        let of = |in_force: Range<Tick>| spans.iter().filter(|spans| **spans == [in_force.clone()]).count();
        assert_eq!((of(0..10_000), of(0..100), of(100..10_000)), (699, 1, 1));

        // What two who decide have, is asked once; what stands at other ticks is another.
        let (windows, mut asking) = ([(24 * HOUR_MS, Arc::from("24h"))], Asking::default());
        let mut add = |rules: &[Standing]| asking.add(rules, &windows, &[24 * HOUR_MS]).expect("windows that are read");
        let first = add(&standing);
        assert_eq!(first, (0..701).collect::<Vec<_>>());
        let alone = super::standing(&laws[..1], clock);
        let again = add(&alone);
        assert_eq!(again.iter().filter(|place| **place >= 701).count(), 1, "only the one that was taken out");
        assert_eq!(asking.done().len(), 702);
    }
}
