//! Countries with their clocks and networks. Autonomous systems are numbers of the private range (RFC 6996), so that no
//! real network is named.

use records::{Network, NetworkKind};

use crate::chance::Chance;

/// A country: code, share of accounts, hours ahead of UTC, language.
pub(super) struct Country {
    pub code: &'static str,
    pub share: f64,
    pub utc_hours: i64,
    pub language: &'static str,
}

const fn country(code: &'static str, share: f64, utc_hours: i64, language: &'static str) -> Country {
    Country { code, share, utc_hours, language }
}

/// Shares are round numbers in the order of recorded-music markets; offsets lie in -8..=12, which the order of output relies on.
pub(super) const COUNTRIES: [Country; 12] = [
    country("US", 0.28, -5, "en"),
    country("GB", 0.11, 0, "en"),
    country("DE", 0.10, 1, "de"),
    country("JP", 0.09, 9, "ja"),
    country("BR", 0.09, -3, "pt"),
    country("FR", 0.08, 1, "fr"),
    country("MX", 0.07, -6, "es"),
    country("IN", 0.06, 5, "hi"),
    country("ES", 0.04, 1, "es"),
    country("SE", 0.03, 1, "sv"),
    country("AU", 0.03, 10, "en"),
    country("BG", 0.02, 2, "bg"),
];

/// Networks of a country, in this order in the table.
const LOCAL: [NetworkKind; 5] = [
    NetworkKind::Residential,
    NetworkKind::Residential,
    NetworkKind::Mobile,
    NetworkKind::Mobile,
    NetworkKind::Education,
];
const HOSTING: u8 = (COUNTRIES.len() * LOCAL.len()) as u8;
const HOSTING_COUNT: u8 = 4;
const VPN: u8 = HOSTING + HOSTING_COUNT;
const VPN_COUNT: u8 = 4;
/// The first autonomous system number for private use (RFC 6996).
const FIRST_ASN: u32 = 4_200_000_000;
/// No network known.
pub(super) const NO_NETWORK: u8 = u8::MAX;

/// Where a session happens, seen from the platform.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub country: u8,
    /// Index of the network, or [`NO_NETWORK`].
    pub network: u8,
    /// 0 = unknown.
    pub ip_prefix: u32,
}

/// The autonomous system number of a network.
pub(super) fn asn(network: u8) -> Option<u32> {
    (network != NO_NETWORK).then(|| FIRST_ASN + u32::from(network))
}

/// The networks table.
pub(super) fn networks() -> Vec<Network> {
    let kind = |network: u8| match network {
        _ if network < HOSTING => LOCAL[usize::from(network) % LOCAL.len()],
        _ if network < VPN => NetworkKind::Hosting,
        _ => NetworkKind::Vpn,
    };
    (0..VPN + VPN_COUNT).map(|network| Network { asn: FIRST_ASN + u32::from(network), kind: kind(network) }).collect()
}

/// A home, mobile, campus, hosting or VPN address; `number` tells prefixes of one network apart.
fn place(country: u8, network: u8, number: u32) -> Place {
    Place { country, network, ip_prefix: 1 + (u32::from(network) << 24) + (number & 0xFF_FFFF) }
}

/// The home address of a household.
pub(super) fn home(country: u8, household: u32) -> Place {
    place(country, country * LOCAL.len() as u8 + (household % 2) as u8, household / 2)
}

/// A mobile address: carriers put many people behind few prefixes (`pool`).
pub(super) fn mobile(country: u8, account: u32, pool: u32, chance: &mut Chance) -> Place {
    place(country, country * LOCAL.len() as u8 + 2 + (account % 2) as u8, chance.below(pool as usize) as u32)
}

/// A campus or office address.
pub(super) fn campus(country: u8, account: u32) -> Place {
    place(country, country * LOCAL.len() as u8 + 4, account % 40)
}

/// A data centre.
pub(super) fn hosting(country: u8, number: u32) -> Place {
    place(country, HOSTING + (number % u32::from(HOSTING_COUNT)) as u8, number)
}

/// A VPN exit.
pub(super) fn vpn(country: u8, number: u32) -> Place {
    place(country, VPN + (number % u32::from(VPN_COUNT)) as u8, number)
}

/// A place that the client did not tell.
pub(super) fn untold(country: u8) -> Place {
    Place { country, network: NO_NETWORK, ip_prefix: 0 }
}

/// A country, by its share.
pub(super) fn draw(chance: &mut Chance) -> u8 {
    chance.pick(&COUNTRIES.each_ref().map(|country| country.share)) as u8
}
