//! What the attacks of the world would have earned, and what verdicts leave of it.
//!
//! ```text
//! streams of false accounts ──verdicts over time──▶ those still paid ──stream rate, price of plans──▶ profit before and after
//! ```

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::path::Path;

use datasets::policy;
use datasets::tables::Inputs;
use datasets::tables::read::{id_kinds, read_table};
use features::royalty::Standing;
use records::royalty::Micros;
use records::{Account, Id, LabelKind, Millis};
use serde_json::{Value, json};

use crate::exit::Failure;
use crate::royalties::streams::{Known, catalogue, each_stream};
use crate::verify::Settings;

/// The plan that costs nothing.
const FREE: &str = "free";
/// Days of a month, for which a plan's fee is paid.
const MONTH_DAYS: u64 = 30;

/// The money of each attack.
pub(super) struct Money {
    families: BTreeMap<String, Sum>,
    currency: String,
    /// What a stream earns.
    rate: Micros,
}

#[derive(Default)]
struct Sum {
    accounts: u64,
    streams: u64,
    paid: u64,
    /// The fees of its accounts' plans, for the days of the world.
    cost: Micros,
}

impl Money {
    /// Counts the streams of the accounts that are labelled fraud: all of them, and those for which verdicts let money through.
    pub(super) fn read(
        data: &Path,
        tables: &Path,
        labels: &BTreeMap<String, (String, LabelKind)>,
        days: u32,
    ) -> Result<Money, Failure> {
        let input = |error: datasets::Error| Failure::Input(error.to_string());
        let terms = policy::terms(None).map_err(input)?;
        let inputs = Inputs::in_folder(data).map_err(input)?;
        let kinds = id_kinds(inputs.by_table()).map_err(input)?;
        let mut families: BTreeMap<String, Sum> = BTreeMap::new();
        let mut family_of: HashMap<Id, String> = HashMap::new();
        let keep = |account: Account| {
            let label = labels.get(&account.account_id.to_string());
            let Some((family, _)) = label.filter(|(_, kind)| *kind == LabelKind::Fraud) else { return };
            let plan = account.plan.as_deref().filter(|plan| *plan != FREE);
            let fee = plan.and_then(|plan| terms.fees.get(plan)).copied().unwrap_or_default();
            let sum = families.entry(family.clone()).or_default();
            sum.accounts += 1;
            sum.cost += fee * u64::from(days) / MONTH_DAYS;
            family_of.insert(account.account_id, family.clone());
        };
        read_table(&inputs.accounts, &kinds, keep, &mut Vec::new()).map_err(input)?;
        let catalogue = catalogue(&inputs, &kinds, Millis::MAX, Millis::MAX)?;
        let known = Known::read((tables, &Settings::read(tables)?), (&inputs, &kinds), &catalogue, Millis::MAX)?;
        each_stream(&inputs, tables, &kinds, Millis::MIN..Millis::MAX, Millis::MAX, |stream| {
            let Some(sum) = family_of.get(&stream.account).and_then(|family| families.get_mut(family)) else { return };
            let account = known.of_account(&stream.account);
            // What waits for a declaration waits for honest people, too.
            let judged = known.judged(&stream.track).by_verdicts_alone();
            let standing = known.standing(stream.ended_at, account, &judged);
            sum.streams += 1;
            sum.paid += u64::from(standing == Standing::Payable);
        })?;
        let rate = policy::attacks(None).map_err(input)?.stream_rate;
        Ok(Money { families, currency: terms.currency, rate })
    }

    /// What the accounts cost, and the profit before and after verdicts, in units of the currency.
    fn balance(&self, sum: &Sum) -> [f64; 3] {
        let earned = |streams: u64| (streams * self.rate) as f64 / 1e6;
        let cost = sum.cost as f64 / 1e6;
        [cost, earned(sum.streams) - cost, earned(sum.paid) - cost]
    }

    pub(super) fn text(&self) -> String {
        let title = format!("Does it pay? ({} {} a stream)", self.rate as f64 / 1e6, self.currency);
        let mut text = format!("\n{title:<36}streams  still paid  accounts cost    profit  after verdicts\n");
        for (family, sum) in &self.families {
            let [cost, before, after] = self.balance(sum);
            let Sum { streams, paid, .. } = sum;
            let _ = writeln!(text, "  {family:<34}{streams:>7}{paid:>12}{cost:>15.2}{before:>+10.2}{after:>+16.2}");
        }
        text
    }

    pub(super) fn json(&self) -> Value {
        let row = |(family, sum): (&String, &Sum)| {
            let [cost, before, after] = self.balance(sum);
            json!({
                "family": family, "accounts": sum.accounts, "streams": sum.streams, "still_paid": sum.paid,
                "cost": cost, "profit": before, "profit_after_verdicts": after,
            })
        };
        json!(self.families.iter().map(row).collect::<Vec<_>>())
    }
}
