//! Where a subject is at home, as far as policies tell countries apart.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A country by its code of two letters, one that ISO 3166-1 alpha-2 has assigned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Territory([u8; 2]);

/// The 249 codes that are officially assigned (ISO 3166 Maintenance Agency); codes for private use, such as XK and ZZ, are not among them.
const CODES: &[u8] = b"AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS \
BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK \
FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM \
JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS \
MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW \
SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM \
US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW";

/// By the first letter, a bit for each second one: every account of a catalogue is looked up.
const ASSIGNED: [u32; 26] = assigned();

const fn assigned() -> [u32; 26] {
    let (mut table, mut at) = ([0; 26], 0);
    while at < CODES.len() {
        table[(CODES[at] - b'A') as usize] |= 1 << (CODES[at + 1] - b'A');
        at += 3;
    }
    table
}

impl Territory {
    /// The territory of a code in capitals or not; `None` where no country has it.
    pub fn of(text: &str) -> Option<Territory> {
        let &[first, second] = text.as_bytes().first_chunk::<2>().filter(|_| text.len() == 2)?;
        let code = [first, second].map(|letter| letter.to_ascii_uppercase());
        let is_assigned = code.iter().all(u8::is_ascii_uppercase)
            && ASSIGNED[usize::from(code[0] - b'A')] >> (code[1] - b'A') & 1 == 1;
        is_assigned.then_some(Territory(code))
    }

    /// Its code.
    pub fn code(&self) -> &str {
        std::str::from_utf8(&self.0).expect("capitals are ASCII")
    }
}

impl fmt::Display for Territory {
    fn fmt(&self, into: &mut fmt::Formatter) -> fmt::Result {
        into.write_str(self.code())
    }
}

impl TryFrom<String> for Territory {
    type Error = String;

    fn try_from(text: String) -> Result<Territory, String> {
        // Where people write it, it is written as the standard does: a name has one form.
        let found = Territory::of(&text).filter(|territory| territory.code() == text);
        found.ok_or_else(|| {
            format!("found {text:?}, expected a country as two capitals that ISO 3166-1 has assigned, such as \"DE\"")
        })
    }
}

impl From<Territory> for String {
    fn from(territory: Territory) -> String {
        territory.code().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_territory_is_a_code_that_is_assigned() {
        let codes: Vec<&str> = std::str::from_utf8(CODES).unwrap().split(' ').collect();
        assert_eq!((codes.len(), codes.is_sorted()), (249, true));
        let letters = || 'A'..='Z';
        let found = letters().flat_map(|first| letters().map(move |second| format!("{first}{second}")));
        let found: Vec<String> = found.filter(|code| Territory::of(code).is_some()).collect();
        assert_eq!(found, codes);
        assert_eq!(Territory::of("de").map(String::from), Some("DE".to_owned()));
        for none in ["", "D", "DEU", "UK", "XK", "ZZ", "D1", "é", " D", "D\0"] {
            assert_eq!(Territory::of(none), None, "{none:?}");
        }
        assert!(Territory::try_from("de".to_owned()).unwrap_err().contains("two capitals"));
    }
}
