//! Free text folded into the words of the tables: platforms, countries, network prefixes, names as keys.

use std::net::IpAddr;

/// A readable, collision-free key of names: `name:<artist>/<title>`, where `%` and `/` inside a name are written
/// `%25` and `%2F`. Names are kept letter for letter otherwise.
pub fn name_key(names: &[&str]) -> String {
    let escaped: Vec<String> = names.iter().map(|name| name.replace('%', "%25").replace('/', "%2F")).collect();
    format!("name:{}", escaped.join("/"))
}

/// Names without control characters (a stray carriage return becomes a blank) and outer blanks; `None` if nothing is left.
pub fn clean_name(name: &str) -> Option<String> {
    let plain: String = name.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let trimmed = plain.trim();
    (!trimmed.is_empty()).then(|| trimmed.to_owned())
}

/// Words that tell a client kind, looked for in this order in the lower-cased text.
const PLATFORMS: &[(&str, &str)] = &[
    ("web_player", "web"),
    ("web player", "web"),
    ("webplayer", "web"),
    ("cast", "cast"),
    ("playstation", "console"),
    ("ps3", "console"),
    ("ps4", "console"),
    ("ps5", "console"),
    ("xbox", "console"),
    ("nintendo", "console"),
    ("sonos", "speaker"),
    ("speaker", "speaker"),
    ("echo", "speaker"),
    ("alexa", "speaker"),
    ("homepod", "speaker"),
    ("android_tv", "tv"),
    ("android tv", "tv"),
    ("androidtv", "tv"),
    ("tvos", "tv"),
    ("apple tv", "tv"),
    ("_tv", "tv"),
    ("roku", "tv"),
    ("tizen", "tv"),
    ("webos", "tv"),
    ("smarttv", "tv"),
    ("watch", "watch"),
    ("wear", "watch"),
    ("garmin", "watch"),
    ("fitbit", "watch"),
    ("tesla", "car"),
    ("carplay", "car"),
    ("automotive", "car"),
    ("iphone", "ios"),
    ("ipad", "ios"),
    ("ipod", "ios"),
    ("ios", "ios"),
    ("android", "android"),
    ("windows phone", "other"),
    ("windows", "desktop"),
    ("os x", "desktop"),
    ("osx", "desktop"),
    ("macos", "desktop"),
    ("mac os", "desktop"),
    ("linux", "desktop"),
    ("desktop", "desktop"),
    ("chrome", "web"),
    ("firefox", "web"),
    ("safari", "web"),
    ("browser", "web"),
];

/// The client kind behind a free text such as `iOS 14.7.1 (iPhone10,3)`: ios, android, desktop, web, cast, tv, console,
/// speaker, car, watch, or other for a word that is not in the table.
pub fn platform(text: &str) -> Option<&'static str> {
    let lower = text.trim().to_ascii_lowercase();
    if lower.is_empty() || lower == "unknown" || lower == "not_applicable" {
        return None;
    }
    match lower.as_str() {
        "web" => return Some("web"),
        "mac" => return Some("desktop"),
        "tv" => return Some("tv"),
        _ => {}
    }
    Some(PLATFORMS.iter().find(|(word, _)| lower.contains(word)).map_or("other", |(_, kind)| kind))
}

/// The country as ISO 3166-1 alpha-2 in capitals. `ZZ` and `XX` are how sources write "unknown": null, like anything
/// that is not two letters.
pub fn country(text: &str) -> Option<String> {
    let code = text.trim().to_ascii_uppercase();
    let known = code.len() == 2 && code.bytes().all(|b| b.is_ascii_uppercase()) && code != "ZZ" && code != "XX";
    known.then_some(code)
}

/// The /24 of an IPv4 address or the /48 of an IPv6 address, such as `10.1.2.0/24`. The last part may be masked
/// by the source (`203.0.113.x`).
pub fn ip_prefix(text: &str) -> Option<String> {
    let unmasked = text.trim().strip_suffix(".x").map_or_else(|| text.trim().to_owned(), |head| format!("{head}.0"));
    match unmasked.parse().ok()? {
        IpAddr::V4(address) => Some(ip_prefix_v4(address.octets())),
        IpAddr::V6(address) => match address.to_ipv4_mapped() {
            Some(mapped) => Some(ip_prefix_v4(mapped.octets())),
            None => {
                let [a, b, c, ..] = address.segments();
                Some(format!("{a:x}:{b:x}:{c:x}::/48"))
            }
        },
    }
}

fn ip_prefix_v4([a, b, c, _]: [u8; 4]) -> String {
    format!("{a}.{b}.{c}.0/24")
}

/// English country names as Last.fm profiles write them.
const COUNTRIES: &[(&str, &str)] = &[
    ("Algeria", "DZ"),
    ("Antarctica", "AQ"),
    ("Argentina", "AR"),
    ("Armenia", "AM"),
    ("Australia", "AU"),
    ("Austria", "AT"),
    ("Bangladesh", "BD"),
    ("Belarus", "BY"),
    ("Belgium", "BE"),
    ("Bolivia", "BO"),
    ("Bosnia and Herzegovina", "BA"),
    ("Brazil", "BR"),
    ("Bulgaria", "BG"),
    ("Cameroon", "CM"),
    ("Canada", "CA"),
    ("Chile", "CL"),
    ("China", "CN"),
    ("Colombia", "CO"),
    ("Congo, the Democratic Republic of the", "CD"),
    ("Costa Rica", "CR"),
    ("Cote D'Ivoire", "CI"),
    ("Croatia", "HR"),
    ("Cuba", "CU"),
    ("Cyprus", "CY"),
    ("Czech Republic", "CZ"),
    ("Denmark", "DK"),
    ("Ecuador", "EC"),
    ("Egypt", "EG"),
    ("Estonia", "EE"),
    ("Finland", "FI"),
    ("France", "FR"),
    ("Georgia", "GE"),
    ("Germany", "DE"),
    ("Greece", "GR"),
    ("Hong Kong", "HK"),
    ("Hungary", "HU"),
    ("Iceland", "IS"),
    ("India", "IN"),
    ("Indonesia", "ID"),
    ("Iran, Islamic Republic of", "IR"),
    ("Ireland", "IE"),
    ("Israel", "IL"),
    ("Italy", "IT"),
    ("Japan", "JP"),
    ("Korea, Republic of", "KR"),
    ("Latvia", "LV"),
    ("Lithuania", "LT"),
    ("Luxembourg", "LU"),
    ("Macedonia", "MK"),
    ("Malaysia", "MY"),
    ("Malta", "MT"),
    ("Mexico", "MX"),
    ("Morocco", "MA"),
    ("Netherlands", "NL"),
    ("Netherlands Antilles", "AN"),
    ("New Zealand", "NZ"),
    ("Nicaragua", "NI"),
    ("Norway", "NO"),
    ("Peru", "PE"),
    ("Philippines", "PH"),
    ("Poland", "PL"),
    ("Portugal", "PT"),
    ("Romania", "RO"),
    ("Russian Federation", "RU"),
    ("Serbia", "RS"),
    ("Singapore", "SG"),
    ("Slovakia", "SK"),
    ("Slovenia", "SI"),
    ("South Africa", "ZA"),
    ("Spain", "ES"),
    ("Sweden", "SE"),
    ("Switzerland", "CH"),
    ("Taiwan", "TW"),
    ("Thailand", "TH"),
    ("Trinidad and Tobago", "TT"),
    ("Tunisia", "TN"),
    ("Turkey", "TR"),
    ("Ukraine", "UA"),
    ("United Arab Emirates", "AE"),
    ("United Kingdom", "GB"),
    ("United States", "US"),
    ("Uruguay", "UY"),
    ("Venezuela", "VE"),
    ("Viet Nam", "VN"),
    ("Zimbabwe", "ZW"),
];

/// The ISO code of a country written as a code or as an English name; null if it is neither.
pub fn country_of_name(text: &str) -> Option<String> {
    let by_name = COUNTRIES.iter().find(|(name, _)| name.eq_ignore_ascii_case(text.trim()));
    by_name.map(|(_, code)| (*code).to_owned()).or_else(|| country(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_names_never_run_together() {
        assert_eq!(name_key(&["AC/DC", "100% Rock"]), "name:AC%2FDC/100%25 Rock");
        assert_ne!(name_key(&["a/b", "c"]), name_key(&["a", "b/c"]));
        assert_ne!(name_key(&["a%2Fb"]), name_key(&["a/b"]));
    }

    #[test]
    fn platforms_seen_in_exports_fold_into_few_words() {
        for (text, kind) in [
            ("iOS 14.7.1 (iPhone10,3)", Some("ios")),
            ("iOS 14.3 (iPad11,3)", Some("ios")),
            ("Android OS 12 API 31 (samsung, SM-G998B)", Some("android")),
            ("Windows 10 (10.0.18362; x64; AppX)", Some("desktop")),
            ("OS X 12.1.0 [x86 8]", Some("desktop")),
            ("osx", Some("desktop")),
            ("Linux [x86-64 0]", Some("desktop")),
            ("web_player windows 10;chrome 87.0", Some("web")),
            ("WebPlayer (websocket RFC6455)", Some("web")),
            ("Partner google cast_tv;Chromecast", Some("cast")),
            ("Partner sony_tv;bravia", Some("tv")),
            ("Partner scei playstation_4", Some("console")),
            ("Partner spotify web_player", Some("web")),
            ("not_applicable", None),
            ("", None),
            ("sailfish", Some("other")),
        ] {
            assert_eq!(platform(text), kind, "{text}");
        }
    }

    #[test]
    fn unknown_countries_are_null() {
        assert_eq!(country("us"), Some("US".to_owned()));
        assert_eq!(country("ZZ"), None);
        assert_eq!(country("USA"), None);
        assert_eq!(country_of_name("Korea, Republic of"), Some("KR".to_owned()));
        assert_eq!(country_of_name("Atlantis"), None);
    }

    #[test]
    fn addresses_become_prefixes() {
        assert_eq!(ip_prefix("10.142.142.86").as_deref(), Some("10.142.142.0/24"));
        assert_eq!(ip_prefix("203.0.113.x").as_deref(), Some("203.0.113.0/24"));
        assert_eq!(ip_prefix("fd00:1:2:3::9").as_deref(), Some("fd00:1:2::/48"));
        assert_eq!(ip_prefix("::ffff:1.2.3.4").as_deref(), Some("1.2.3.0/24"));
        assert_eq!(ip_prefix("home"), None);
    }

    #[test]
    fn names_lose_control_characters_and_nothing_else() {
        assert_eq!(clean_name(" \"Weird\"\rAl "), Some("\"Weird\" Al".to_owned()));
        assert_eq!(clean_name("\r"), None);
    }
}
