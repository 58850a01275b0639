//! The models that score accounts in a run: versions of a registry, each from an instant on.

use std::collections::BTreeSet;
use std::sync::Arc;

use dataflows::clock::{Clock, Tick};
use dataflows::links::LinkKind;
use dataflows::risk::{Learned, Looked};
use dataflows::scores::{Trial, Turns};
use datasets::formats::instant::from_text;
use datasets::names::NameTable;
use features::signals::standing;
use features::{profile, sequence};
use models::Model;
use models::temporal::Network;
use records::{IdSpace, Millis, Names, Subject};

use super::args::{HUB, ReplayArgs};
use super::laws::is_tried_on;
use crate::exit::Failure;
use crate::learn::{FORMS, NETWORK, Registry, SUBJECT, Version};

/// The windows that stand for these times in training, for the options that choose other ones.
const LEARNED_FROM: [(&str, &str, Millis); 4] = [
    ("day", "24h", DAY_MS),
    ("week", "7d", 7 * DAY_MS),
    ("month", "28d", 28 * DAY_MS),
    ("longest", "28d", 28 * DAY_MS),
];
const DAY_MS: Millis = 86_400_000;

/// Models with their names: those that take turns, in the order in which they come into force, and behind them those that are tried.
#[derive(Clone, Default)]
pub struct Scorers {
    /// From which tick on, and on whom.
    pub turns: Turns,
    /// `account/3`, by the place of the model.
    pub names: Vec<String>,
    /// The hashes of its files, by the place of the model.
    digests: Vec<String>,
    /// Of a hundred accounts those that a model is tried on, by its place among those that are.
    percents: Vec<u8>,
}

impl Scorers {
    /// The models that the options name.
    ///
    /// # Errors
    /// When there is no such version, or it was made for other features.
    pub fn read(args: &ReplayArgs, clock: Clock, first: Tick, names: &Arc<NameTable>) -> Result<Scorers, Failure> {
        let Some(root) = &args.models else { return Ok(Scorers::default()) };
        let registry = Registry::open(root)?;
        let (champion, mut betas) = (["champion".to_owned()], args.beta.clone());
        let wanted = if args.model.is_empty() { champion.as_slice() } else { &args.model };
        if args.model.is_empty() && betas.is_empty() {
            betas.extend(registry.beta()?.map(|beta| beta.as_option()));
        }
        let mut found = Vec::new();
        for text in wanted {
            let (name, from) = version("--model", text, clock)?;
            found.push((from.max(first), named(&registry, name)?));
        }
        found.sort_by_key(|(from, _)| *from);
        let mut scorers = Scorers::default();
        found.into_iter().for_each(|(from, one)| scorers.push(from, one));
        let mut tried = Vec::new();
        for text in &betas {
            let (what, from) = version("--beta", text, clock)?;
            tried.push((from.max(first), beta(&registry, text, what)?));
        }
        if !tried.is_empty() && args.hosts.is_some() {
            return Err(Failure::Usage(
                "--beta: one process of several does not know the ids of all accounts, by which is drawn; leave out --hosts".to_owned(),
            ));
        }
        tried.sort_by_key(|(from, _)| *from);
        let bounds: Vec<Tick> = tried.iter().map(|(from, _)| *from).collect();
        for (place, (from, one)) in tried.into_iter().enumerate() {
            let Some((percent, one)) = one else { continue };
            scorers.try_on(from, bounds.get(place + 1).copied(), percent, one, names)?;
        }
        Ok(scorers)
    }

    fn push(&mut self, from: Tick, Named { model, name, digest }: Named) {
        self.turns.models.push((from, model));
        self.names.push(name);
        self.digests.push(digest);
    }

    /// Tries a model on so many of a hundred accounts, until something else is tried or another model takes its turn.
    fn try_on(
        &mut self,
        from: Tick,
        next: Option<Tick>,
        percent: u8,
        Named { model, name, digest }: Named,
        names: &Arc<NameTable>,
    ) -> Result<(), Failure> {
        let models = &self.turns.models;
        let Some(beside) = models.iter().rposition(|(known, _)| *known <= from) else {
            return Err(Failure::Usage(format!("--beta: {name} would be tried before a model scores all others")));
        };
        let has_other_ears = self.digests[beside].split_once('+').map(|(_, network)| network)
            != digest.split_once('+').map(|(_, network)| network);
        if has_other_ears {
            return Err(Failure::Input(format!(
                "{name} has another network than {}, and of an account one network is asked: a model is tried beside one with the same, or where \
                 neither has one",
                self.names[beside]
            )));
        }
        let turn = models.get(beside + 1).map(|(turn, _)| *turn);
        let until = [turn, next].into_iter().flatten().min().unwrap_or(Tick::MAX);
        let (names, drawn) = (names.clone(), name.clone());
        let scores = move |account| {
            is_tried_on(&drawn, percent, Subject::Account, &names.id(IdSpace::Account, account).to_string())
        };
        self.turns.trials.push(Trial { from, until, model, is_tried_on: Arc::new(scores) });
        self.names.push(name);
        self.digests.push(digest);
        self.percents.push(percent);
        Ok(())
    }

    /// Who scores from each tick on at which that changes, as people read it.
    pub fn in_words(&self) -> Vec<(Tick, String)> {
        let Turns { models, trials } = &self.turns;
        let bounds = trials.iter().flat_map(|trial| [trial.from, trial.until]).filter(|bound| *bound < Tick::MAX);
        let turns: BTreeSet<Tick> = models.iter().map(|(from, _)| *from).chain(bounds).collect();
        let words = |tick: Tick| {
            let model = models.iter().rposition(|(from, _)| *from <= tick)?;
            let tried = trials.iter().rposition(|trial| (trial.from..trial.until).contains(&tick));
            let tried = tried.map(|place| {
                format!(" and {} on {} % of accounts", self.names[models.len() + place], self.percents[place])
            });
            Some((tick, self.names[model].clone() + tried.as_deref().unwrap_or_default()))
        };
        turns.into_iter().filter_map(words).collect()
    }

    /// What scores depend on, each from a tick on.
    pub fn outline(&self) -> impl Iterator<Item = (Tick, String)> + '_ {
        let froms = self.turns.models.iter().map(|(from, _)| *from);
        let froms = froms.chain(self.turns.trials.iter().map(|trial| trial.from));
        let percents = [100].into_iter().cycle().take(self.turns.models.len()).chain(self.percents.iter().copied());
        let named = self.names.iter().zip(&self.digests);
        let scorers = froms.zip(percents).zip(named);
        let scorers = scorers.map(|((from, percent), (name, digest))| (from, format!("{percent} % {name} {digest}")));
        scorers.chain(self.turns.trials.iter().map(|trial| (trial.until, "a model is tried no more".to_owned())))
    }

    /// The version that scores beside them, if the options name one.
    ///
    /// # Errors
    /// As [`Scorers::read`].
    pub fn challenger(args: &ReplayArgs, first: Tick) -> Result<Option<Scorers>, Failure> {
        let Some((root, name)) = args.models.as_ref().zip(args.challenger.as_ref()) else { return Ok(None) };
        let mut scorers = Scorers::default();
        scorers.push(first, named(&Registry::open(root)?, name)?);
        Ok(Some(scorers))
    }
}

/// The model of a version, and what it is known by.
struct Named {
    model: Arc<Model>,
    name: String,
    digest: String,
}

fn named(registry: &Registry, name: &str) -> Result<Named, Failure> {
    let version = registry.version(name)?;
    let model = Arc::new(able(registry, &version)?);
    Ok(Named { model, name: format!("{SUBJECT}/{}", version.number), digest: version.digest() })
}

/// The model of a version, if a run can score with it.
///
/// # Errors
/// When its files are not what they were, or it was made for other features or sequences than this program has.
pub fn able(registry: &Registry, version: &Version) -> Result<Model, Failure> {
    let scorer = registry.scorer(version)?;
    let number = version.number;
    if let Some(network) = &scorer.network {
        check(network, &format!("the network of version {number}"))?;
    }
    if scorer.features_version != profile::VERSION {
        return Err(Failure::Input(format!(
            "version {number} was made for features {}, this program has {}: train again",
            scorer.features_version,
            profile::VERSION
        )));
    }
    if scorer.booster.features != profile::names() {
        return Err(Failure::Input(format!(
            "version {number} knows {} features and a replay has {}: one that was trained with --only is there to compare with; \
             train without",
            scorer.booster.features.len(),
            profile::names().len()
        )));
    }
    Model::new(scorer).map_err(|error| Failure::Input(format!("version {number}: {error}")))
}

/// What `--beta` tries: on so many of a hundred accounts a model, or nothing any more.
fn beta(registry: &Registry, text: &str, what: &str) -> Result<Option<(u8, Named)>, Failure> {
    if what == "none" {
        return Ok(None);
    }
    let read = what.split_once(':').and_then(|(name, percent)| Some((name, percent.parse().ok()?)));
    let (name, percent) = read.filter(|(_, percent)| (1..=99).contains(percent)).ok_or_else(|| {
        Failure::Usage(format!(
            "--beta {text}: expected VERSION:PERCENT, such as 3:10, of 1 to 99 of a hundred accounts, or none@INSTANT"
        ))
    })?;
    Ok(Some((percent, named(registry, name)?)))
}

/// Refuses windows of which a model would be told something else than it learned from.
///
/// # Errors
/// [`Failure::Usage`], with the windows that lack or differ.
pub fn refuse_windows(args: &ReplayArgs, windows: &[(Millis, Arc<str>)]) -> Result<(), Failure> {
    let lengths: Vec<Millis> = windows.iter().map(|(ms, _)| *ms).collect();
    let label = |ms: Millis| windows.iter().find(|(known, _)| *known == ms).map_or("", |(_, label)| &**label);
    let wrong =
        LEARNED_FROM.into_iter().zip(standing(&lengths)).filter_map(|((name, learned, ms), found)| match found {
            Some(found) if found == ms => None,
            Some(found) => Some(format!("{name} would be {} instead of {learned}", label(found))),
            None => Some(format!("{name} ({learned}) is missing")),
        });
    let wrong: Vec<String> = wrong.collect();
    match wrong.is_empty() || args.models.is_none() {
        true => Ok(()),
        false => Err(Failure::Usage(format!(
            "--windows {}: models learn from 24h, 7d and 28d, and would score something else: {}; use --windows 24h,7d,28d",
            args.windows.join(","),
            wrong.join(", ")
        ))),
    }
}

/// What a model is told that it did not learn so, and yet may be meant.
pub fn warnings(args: &ReplayArgs, links: &[LinkKind]) -> Vec<String> {
    let mut warnings = Vec::new();
    if args.models.is_some() && (links != [LinkKind::Device] || args.hub != HUB) {
        warnings.push(format!(
            "models learn from groups of accounts that share devices of at most {HUB} accounts; with --links {} --hub {} groups are \
             others, and so are the scores of accounts in them",
            args.links.join(","),
            args.hub
        ));
    }
    warnings
}

/// The network that the options name.
///
/// # Errors
/// When its file is none, or it was made for other sequences.
pub fn network(args: &ReplayArgs) -> Result<Option<Arc<Network>>, Failure> {
    let Some(path) = &args.network else { return Ok(None) };
    let input = |error: &dyn std::fmt::Display| Failure::Input(format!("{}: {error}", path.display()));
    let bytes = std::fs::read(path).map_err(|error| input(&error))?;
    let network = Network::from_bytes(&bytes).map_err(|error| input(&error))?;
    check(&network, &path.display().to_string())?;
    Ok(Some(Arc::new(network)))
}

/// Refuses a network that was made for other sequences.
fn check(network: &Network, named: &str) -> Result<(), Failure> {
    match network.version == sequence::VERSION && network.forms() == FORMS {
        true => Ok(()),
        false => Err(Failure::Input(format!(
            "{named} was made for sequences {}, this program has {}: train again",
            network.version,
            sequence::VERSION
        ))),
    }
}

/// `3` or `3@2026-02-01`.
fn version<'a>(option: &str, text: &'a str, clock: Clock) -> Result<(&'a str, Tick), Failure> {
    let Some((name, instant)) = text.split_once('@') else { return Ok((text, 0)) };
    let instant = from_text(instant).ok_or_else(|| {
        Failure::Usage(format!("{option} {text}: `{instant}` is no date and no instant such as 2026-02-01T06:00:00Z"))
    })?;
    // What happens at an instant holds from the next tick on, as everywhere.
    Ok((name, clock.first_after(instant)))
}

/// What a model looked at, as a person reads it.
pub fn words(learned: &Learned, names: &[String]) -> String {
    let looked = learned.because.iter().map(|Looked { feature, value_bits }| {
        let Some(name) = profile::names().get(usize::from(*feature)) else { return NETWORK.to_owned() };
        match f32::from_bits(*value_bits) {
            value if value.is_nan() => format!("no {}", name.replace('_', " ")),
            value => format!("{} {}", name.replace('_', " "), rounded(value)),
        }
    });
    let looked: Vec<String> = looked.collect();
    let model = names.get(usize::from(learned.model)).map_or("a model", String::as_str);
    match looked.is_empty() {
        true => model.to_owned(),
        false => format!("{model}, mostly because of {}", looked.join(", ")),
    }
}

/// Three digits that count.
fn rounded(value: f32) -> String {
    let digits = (2.0 - value.abs().max(1e-9).log10().floor()).clamp(0.0, 6.0) as usize;
    let text = format!("{value:.digits$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::parsed;

    #[test]
    fn windows_that_a_model_did_not_learn_from_are_named() {
        let told = |windows: &str| {
            let words = ["replay", "--data", "-", "--out", "out", "--models", "models", "--windows", windows];
            let args: ReplayArgs = parsed(words).expect("a line");
            let lengths =
                args.windows.iter().map(|label| (super::super::millis(label).expect("a length"), Arc::from(&**label)));
            let mut lengths: Vec<(Millis, Arc<str>)> = lengths.collect();
            lengths.sort();
            refuse_windows(&args, &lengths).map_err(|failure| (failure.code(), failure.to_string())).err()
        };
        for windows in ["24h,7d,28d", "1h,1d,2d,1w,4w", "28d,7d,24h"] {
            assert_eq!(told(windows), None);
        }
        for (windows, says) in [
            ("24h,7d", "month (28d) is missing, longest would be 7d instead of 28d"),
            ("7d,28d", ": day (24h) is missing;"),
            ("24h,28d", ": week (7d) is missing;"),
            ("24h,5d,7d,28d", ": week would be 5d instead of 7d;"),
            ("24h,7d,14d,28d", ": month would be 14d instead of 28d;"),
            ("24h,7d,28d,90d", ": longest would be 90d instead of 28d;"),
        ] {
            let (code, text) = told(windows).expect("refused");
            assert!(code == 2 && text.contains(says), "{windows}: {text}");
        }
    }

    #[test]
    fn what_a_model_looked_at_reads_like_a_sentence() {
        let at = |name: &str| profile::names().iter().position(|known| *known == name).expect("a feature") as u16;
        let looked = |name: &str, value: f32| Looked { feature: at(name), value_bits: value.to_bits() };
        let because =
            vec![looked("week_edge_share", 0.934_51), looked("group_size", 412.0), looked("day_top_share", f32::NAN)];
        let told = words(&Learned { model: 0, because }, &["account/3".to_owned()]);
        assert_eq!(told, "account/3, mostly because of week edge share 0.935, group size 412, no day top share");
        assert_eq!(words(&Learned { model: 0, because: Vec::new() }, &["account/3".to_owned()]), "account/3");
        let network = Looked { feature: profile::names().len() as u16, value_bits: 3f32.to_bits() };
        let told = words(&Learned { model: 0, because: vec![network] }, &["account/3".to_owned()]);
        assert_eq!(told, "account/3, mostly because of the sequence of its plays");
    }
}
