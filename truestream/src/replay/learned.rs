//! The models that score accounts in a run: versions of a registry, each from an instant on.

use std::sync::Arc;

use dataflows::clock::{Clock, Tick};
use dataflows::risk::{Learned, Looked};
use datasets::formats::instant::from_text;
use features::{profile, sequence};
use models::Model;
use models::temporal::Network;

use super::args::ReplayArgs;
use crate::exit::Failure;
use crate::learn::{FORMS, NETWORK, Registry, SUBJECT};

/// Models with their names, in the order in which they come into force.
#[derive(Clone, Default)]
pub struct Scorers {
    /// From which tick on.
    pub models: Vec<(Tick, Arc<Model>)>,
    /// `account/3`, by the place of the model.
    pub names: Vec<String>,
}

impl Scorers {
    /// The models that the options name.
    ///
    /// # Errors
    /// When there is no such version, or it was made for other features.
    pub fn read(args: &ReplayArgs, clock: Clock, first: Tick) -> Result<Scorers, Failure> {
        let Some(root) = &args.models else { return Ok(Scorers::default()) };
        let registry = Registry::at(root);
        let champion = ["champion".to_owned()];
        let wanted = if args.model.is_empty() { champion.as_slice() } else { &args.model };
        let mut found = Vec::new();
        for text in wanted {
            let (name, from) = version(text, clock)?;
            let (model, name) = model(&registry, name)?;
            found.push((from.max(first), model, name));
        }
        found.sort_by_key(|(from, ..)| *from);
        let names = found.iter().map(|(.., name)| name.clone()).collect();
        Ok(Scorers { models: found.into_iter().map(|(from, model, _)| (from, model)).collect(), names })
    }

    /// The version that scores beside them, if the options name one.
    ///
    /// # Errors
    /// As [`Scorers::read`].
    pub fn challenger(args: &ReplayArgs, first: Tick) -> Result<Option<Scorers>, Failure> {
        let Some((root, name)) = args.models.as_ref().zip(args.challenger.as_ref()) else { return Ok(None) };
        let (model, name) = model(&Registry::at(root), name)?;
        Ok(Some(Scorers { models: vec![(first, model)], names: vec![name] }))
    }
}

/// The model of a version, and its name.
fn model(registry: &Registry, name: &str) -> Result<(Arc<Model>, String), Failure> {
    let version = registry.version(name)?;
    let scorer = registry.scorer(&version)?;
    if let Some(network) = &scorer.network {
        check(network, &format!("the network of version {}", version.number))?;
    }
    if scorer.features_version != profile::VERSION || scorer.booster.features != profile::names() {
        return Err(Failure::Input(format!(
            "version {} was made for features {}, this program has {}: train again",
            version.number,
            scorer.features_version,
            profile::VERSION
        )));
    }
    let model = Model::new(scorer).map_err(|error| Failure::Input(format!("version {name}: {error}")))?;
    Ok((Arc::new(model), format!("{SUBJECT}/{}", version.number)))
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
fn version(text: &str, clock: Clock) -> Result<(&str, Tick), Failure> {
    let Some((name, instant)) = text.split_once('@') else { return Ok((text, 0)) };
    let instant = from_text(instant).ok_or_else(|| {
        Failure::Usage(format!("--model {text}: `{instant}` is no date and no instant such as 2026-02-01T06:00:00Z"))
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
