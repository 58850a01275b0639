//! The terms of payment of a policy: `royalties.toml`.

use std::collections::BTreeMap;
use std::path::Path;

use records::policy::Percent;
use records::royalty::{Boost, Micros, Noise, Pools, Sharing, Terms, Threshold};
use serde::{Deserialize, Deserializer};

use super::{ROYALTIES, parse, read, refuse_strangers};
use crate::Error;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TermsFile {
    sharing: Sharing,
    #[serde(default)]
    pools: Pools,
    currency: String,
    share: Percent,
    #[serde(deserialize_with = "amounts")]
    fees: BTreeMap<String, Micros>,
    close_days: u32,
    pay_days: u32,
    account_streams_max: u64,
    threshold: Threshold,
    noise: Noise,
    boost: Boost,
}

impl From<TermsFile> for Terms {
    fn from(file: TermsFile) -> Terms {
        let TermsFile { sharing, pools, currency, share, fees, close_days, pay_days, .. } = file;
        let TermsFile { account_streams_max, threshold, noise, boost, .. } = file;
        Terms {
            sharing,
            pools,
            currency,
            share,
            fees,
            close_days,
            pay_days,
            account_streams_max,
            threshold,
            noise,
            boost,
        }
    }
}

/// Reads an amount such as `11.99` into millionths; at most a billion, with at most six digits after the point.
pub fn amount(text: &str) -> Option<Micros> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let fits = (1..=9).contains(&whole.len()) && fraction.len() <= 6 && digits(whole) && digits(fraction);
    fits.then(|| format!("{whole}{fraction:0<6}").parse().ok()).flatten()
}

/// The amount as it is written: `11.990000`.
pub fn amount_text(micros: Micros) -> String {
    format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000)
}

fn amounts<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<String, Micros>, D::Error> {
    let texts = BTreeMap::<String, String>::deserialize(from)?;
    let read = |(plan, text): (String, String)| {
        let expected = || serde::de::Error::custom(format!("found {text:?}, expected an amount such as \"11.99\""));
        Ok((plan, amount(&text).ok_or_else(expected)?))
    };
    texts.into_iter().map(read).collect()
}

/// The terms of payment: `royalties.toml` of the policy in `folder`, or the built-in ones.
///
/// # Errors
/// When the folder or the file cannot be read, or says what cannot be.
pub fn terms(folder: Option<&Path>) -> Result<Terms, Error> {
    if let Some(folder) = folder {
        refuse_strangers(folder)?;
        if let Some(terms) = own_terms(folder)? {
            return Ok(terms);
        }
    }
    parse::<TermsFile>(&Path::new("built-in policy").join(ROYALTIES.0), ROYALTIES.1).map(Terms::from)
}

pub(super) fn own_terms(folder: &Path) -> Result<Option<Terms>, Error> {
    let terms = read::<TermsFile>(folder, ROYALTIES.0)?.map(Terms::from);
    match terms.as_ref().and_then(Terms::fault) {
        Some(fault) => Err(Error::Input(format!("{}: {fault}", folder.join(ROYALTIES.0).display()))),
        None => Ok(terms),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_to_the_millionth() {
        let read = ["11.99", "0.000001", "7", "0", "999999999.999999"].map(|text| amount(text).unwrap());
        assert_eq!(read, [11_990_000, 1, 7_000_000, 0, 999_999_999_999_999]);
        for text in ["", ".5", "1.0000001", "-1", "1e3", "1,5", "9999999999", "1.5.5", "٣"] {
            assert_eq!(amount(text), None, "{text}");
        }
        assert_eq!(amount_text(11_990_001), "11.990001");
    }

    #[test]
    fn terms_are_as_built_in_or_as_the_folder_says() {
        let built_in = terms(None).unwrap();
        assert_eq!((built_in.fees["premium"], built_in.sharing), (11_990_000, Sharing::ProRata));
        let folder = tempfile::tempdir().unwrap();
        let write = |text: &str| std::fs::write(folder.path().join("royalties.toml"), text).unwrap();
        write(&ROYALTIES.1.replace("\"pro_rata\"", "\"user_centric\""));
        assert_eq!(terms(Some(folder.path())).unwrap(), Terms { sharing: Sharing::UserCentric, ..built_in });
        for (right, wrong) in
            [("\"11.99\"", "\"a lot\""), ("= 55", "= 155"), ("pay_days", "paid_days"), ("\"pro_rata\"", "\"fair\"")]
        {
            let text: Vec<&str> = ROYALTIES.1.lines().filter(|line| !line.starts_with('#')).collect();
            write(&text.join("\n").replacen(right, wrong, 1));
            let error = terms(Some(folder.path())).unwrap_err().to_string();
            assert!(error.contains("royalties.toml") && error.contains("expected"), "{error}");
        }
    }
}
