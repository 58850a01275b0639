//! Messages that a small writer makes come back as they were: all versions, all states of disclosure.

use std::fmt::Write;

use datasets::ddex::{Kind, Parts, ResourceKind, check};
use proptest::prelude::*;
use records::Disclosure;

use super::read;

/// The versions and whether people are named where they appear.
const VERSIONS: [(&str, &str, bool); 10] = [
    ("38", "3.8", true),
    ("381", "3.8.1", true),
    ("382", "3.8.2", true),
    ("383", "3.8.3", true),
    ("41", "4.1", false),
    ("411", "4.1.1", false),
    ("42", "4.2", false),
    ("43", "4.3", false),
    ("431", "4.3.1", false),
    ("432", "4.3.2", false),
];

#[derive(Clone, Debug)]
struct Somebody {
    name: String,
    role: &'static str,
    ai: Option<Disclosure>,
    is_generative: bool,
}

#[derive(Clone, Debug)]
struct Song {
    isrc: String,
    title: String,
    artist: String,
    seconds: u64,
    contains_ai: Option<Disclosure>,
    people: Vec<Somebody>,
}

#[derive(Clone, Debug)]
struct Sent {
    version: usize,
    id: String,
    minute: u32,
    is_update: bool,
    icpn: String,
    title: String,
    songs: Vec<Song>,
    release_ai: Option<Disclosure>,
    is_takedown: bool,
}

fn disclosure() -> impl Strategy<Value = Option<Disclosure>> {
    prop_oneof![Just(None), Just(Some(Disclosure::All)), Just(Some(Disclosure::Partly)), Just(Some(Disclosure::None))]
}

/// What people call things: letters of all kinds and what XML treats as its own, without outer blanks.
fn name() -> impl Strategy<Value = String> {
    "[a-zA-ZäßØ日本&<>\"']{1,4}( [a-z;#]{1,3}){0,2}"
}

fn somebody() -> impl Strategy<Value = Somebody> {
    let role = prop::sample::select(vec![
        "Vocalist",
        "Rapper",
        "Musician",
        "Mixer",
        "MasteringEngineer",
        "Composer",
        "Yodeller",
    ]);
    (name(), role, disclosure(), any::<bool>()).prop_map(|(name, role, ai, is_generative)| Somebody {
        name,
        role,
        ai,
        is_generative,
    })
}

fn song() -> impl Strategy<Value = Song> {
    let people = prop::collection::vec(somebody(), 0..4);
    ("[A-Z]{2}[A-Z0-9]{3}[0-9]{7}", name(), name(), 0..100_000_u64, disclosure(), people).prop_map(
        |(isrc, title, artist, seconds, contains_ai, people)| Song {
            isrc,
            title,
            artist,
            seconds,
            contains_ai,
            people,
        },
    )
}

fn sent() -> impl Strategy<Value = Sent> {
    let songs = prop::collection::vec(song(), 1..4);
    let about = (any::<bool>(), "[0-9]{13}", name(), songs, disclosure(), any::<bool>());
    (0..VERSIONS.len(), "[A-Za-z0-9_-]{1,12}", 0..60_u32, about).prop_map(
        |(version, id, minute, (is_update, icpn, title, songs, release_ai, is_takedown))| Sent {
            version,
            id,
            minute,
            is_update,
            icpn,
            title,
            songs,
            release_ai,
            is_takedown,
        },
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// The word of the standard.
fn word(said: Disclosure) -> &'static str {
    match said {
        Disclosure::All => "All",
        Disclosure::Partly => "Partly",
        Disclosure::None => "None",
    }
}

fn contains_ai(said: Option<Disclosure>) -> String {
    said.map(|said| format!("<ContainsAI>{}</ContainsAI>", word(said))).unwrap_or_default()
}

impl Sent {
    fn number(&self) -> &'static str {
        VERSIONS[self.version].0
    }

    fn is_three(&self) -> bool {
        VERSIONS[self.version].2
    }

    fn declares(&self) -> bool {
        matches!(self.number(), "431" | "432")
    }

    /// The message; what the version has no element for is left out.
    fn xml(&self) -> String {
        let mut xml = format!("<ern:NewReleaseMessage xmlns:ern=\"http://ddex.net/xml/ern/{}\">\n", self.number());
        let update = if self.is_update { "<UpdateIndicator>UpdateMessage</UpdateIndicator>" } else { "" };
        let _ = write!(
            xml,
            "<MessageHeader><MessageId>{}</MessageId><MessageSender><PartyId>PADPIDA1</PartyId></MessageSender>\
             <MessageCreatedDateTime>2026-03-01T10:{:02}:00Z</MessageCreatedDateTime></MessageHeader>\n{update}",
            self.id, self.minute
        );
        if !self.is_three() {
            self.parties(&mut xml);
        }
        xml.push_str("<ResourceList>");
        for (place, song) in self.songs.iter().enumerate() {
            self.song(place, song, &mut xml);
        }
        xml.push_str("</ResourceList>\n<ReleaseList>");
        self.release(&mut xml);
        xml.push_str("</ReleaseList>\n<DealList>");
        self.deal(&mut xml);
        xml.push_str("</DealList>\n</ern:NewReleaseMessage>\n");
        xml
    }

    fn parties(&self, xml: &mut String) {
        xml.push_str("<PartyList>");
        for (place, song) in self.songs.iter().enumerate() {
            let mut party = |reference: String, name: &str| {
                let _ = write!(
                    xml,
                    "<Party><PartyReference>{reference}</PartyReference><PartyName><FullName>{}</FullName></PartyName></Party>",
                    escaped(name)
                );
            };
            party(format!("PA{place}"), &song.artist);
            for (number, somebody) in song.people.iter().enumerate() {
                party(format!("P{place}x{number}"), &somebody.name);
            }
        }
        xml.push_str("</PartyList>\n");
    }

    fn song(&self, place: usize, song: &Song, xml: &mut String) {
        let isrc = format!("<ISRC>{}</ISRC>", song.isrc);
        let title = escaped(&song.title);
        let _ = write!(
            xml,
            "<SoundRecording><ResourceReference>A{place}</ResourceReference><Duration>PT{}S</Duration>",
            song.seconds
        );
        if self.is_three() {
            let _ = write!(
                xml,
                "<SoundRecordingId>{isrc}</SoundRecordingId><ReferenceTitle><TitleText>{title}</TitleText></ReferenceTitle>\
                 <SoundRecordingDetailsByTerritory><TerritoryCode>Worldwide</TerritoryCode><DisplayArtist><PartyName><FullName>{}\
                 </FullName></PartyName><ArtistRole>MainArtist</ArtistRole></DisplayArtist>",
                escaped(&song.artist)
            );
            for somebody in &song.people {
                let _ = write!(
                    xml,
                    "<ResourceContributor><PartyName><FullName>{}</FullName></PartyName><ResourceContributorRole>{}\
                     </ResourceContributorRole></ResourceContributor>",
                    escaped(&somebody.name),
                    somebody.role
                );
            }
            xml.push_str("</SoundRecordingDetailsByTerritory></SoundRecording>");
            return;
        }
        match self.number() {
            "43" | "431" | "432" => {
                let _ = write!(xml, "<SoundRecordingEdition><ResourceId>{isrc}</ResourceId></SoundRecordingEdition>");
            }
            _ => {
                let _ = write!(xml, "<ResourceId>{isrc}</ResourceId>");
            }
        }
        let _ = write!(
            xml,
            "<DisplayTitle><TitleText>{title}</TitleText></DisplayTitle><DisplayArtist><ArtistPartyReference>PA{place}\
             </ArtistPartyReference><DisplayArtistRole>MainArtist</DisplayArtistRole></DisplayArtist>"
        );
        for (number, somebody) in song.people.iter().enumerate() {
            let role = match self.number() {
                "41" | "411" | "42" => format!("<Role>{}</Role>", somebody.role),
                _ => format!("<Role><Value>{}</Value></Role>", somebody.role),
            };
            let (mut ai, mut special) = (String::new(), "");
            if self.declares() {
                ai = somebody.ai.map(|ai| format!("<AiContribution>{}</AiContribution>", word(ai))).unwrap_or_default();
                special =
                    if somebody.is_generative { "<SpecialContributor>GenerativeAI</SpecialContributor>" } else { "" };
            }
            let _ = write!(
                xml,
                "<Contributor><ContributorPartyReference>P{place}x{number}</ContributorPartyReference>{role}{ai}{special}</Contributor>"
            );
        }
        let said = if self.declares() { contains_ai(song.contains_ai) } else { String::new() };
        let _ = write!(xml, "{said}</SoundRecording>");
    }

    fn release(&self, xml: &mut String) {
        let title = escaped(&self.title);
        let held: String = (0..self.songs.len())
            .map(|place| format!("<ReleaseResourceReference>A{place}</ReleaseResourceReference>"))
            .collect();
        let said = if self.declares() { contains_ai(self.release_ai) } else { String::new() };
        let (title, held) = match self.is_three() {
            true => (
                format!("<ReferenceTitle><TitleText>{title}</TitleText></ReferenceTitle>"),
                format!("<ReleaseResourceReferenceList>{held}</ReleaseResourceReferenceList>"),
            ),
            false => (
                format!("<DisplayTitle><TitleText>{title}</TitleText></DisplayTitle>"),
                format!("<ResourceGroup><ResourceGroupContentItem>{held}</ResourceGroupContentItem></ResourceGroup>"),
            ),
        };
        let _ = write!(
            xml,
            "<Release IsMainRelease=\"true\"><ReleaseId><ICPN>{}</ICPN></ReleaseId><ReleaseReference>R0</ReleaseReference>\
             {title}{said}{held}</Release>",
            self.icpn
        );
    }

    fn deal(&self, xml: &mut String) {
        let takedown = if self.is_takedown { "<TakeDown>true</TakeDown>" } else { "" };
        let used = match self.is_three() {
            true => "<Usage><UseType>OnDemandStream</UseType></Usage>",
            false => "<UseType>OnDemandStream</UseType>",
        };
        let _ = write!(
            xml,
            "<ReleaseDeal><DealReleaseReference>R0</DealReleaseReference><Deal><DealTerms>{takedown}<TerritoryCode>Worldwide</TerritoryCode>\
             {used}<ValidityPeriod><StartDate>2026-03-01</StartDate><EndDate>2026-03-31</EndDate></ValidityPeriod></DealTerms></Deal></ReleaseDeal>"
        );
    }
}

/// What all say together, said once more in another way.
fn of_part(song: &Song, roles: &[&str]) -> Option<Disclosure> {
    let said = |somebody: &&Somebody| somebody.ai.or(somebody.is_generative.then_some(Disclosure::All));
    let is_of = |somebody: &&Somebody| {
        // What a machine did in a role that nobody knows may be the voice.
        let may_sing = somebody.role == "Yodeller" && said(somebody).is_some_and(Disclosure::is_machine);
        roles.contains(&somebody.role) || (may_sing && roles.contains(&"Vocalist"))
    };
    let who: Vec<&Somebody> = song.people.iter().filter(is_of).collect();
    let (all, none, silent) = who.iter().fold((0, 0, 0), |(all, none, silent), somebody| match said(somebody) {
        Some(Disclosure::All) => (all + 1, none, silent),
        Some(Disclosure::None) => (all, none + 1, silent),
        Some(Disclosure::Partly) => (all, none, silent),
        None => (all, none, silent + 1),
    });
    // A part is a machine's, and nobody says which: it may be the voice.
    let tells =
        |somebody: &Somebody| said(&somebody).is_some_and(Disclosure::is_machine) && somebody.role != "Composer";
    let is_untold = song.contains_ai == Some(Disclosure::Partly) && !song.people.iter().any(tells);
    let nothing = (is_untold && roles.contains(&"Vocalist")).then_some(Disclosure::Partly);
    match who.len() {
        0 => nothing,
        many if all == many => Some(Disclosure::All),
        // All is a machine's, and a singer says that the voice is none: the graver counts.
        many if none == many && song.contains_ai == Some(Disclosure::All) && roles.contains(&"Vocalist") => {
            Some(Disclosure::Partly)
        }
        many if none == many => Some(Disclosure::None),
        many if none + silent == many => nothing,
        _ => Some(Disclosure::Partly),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn what_was_written_comes_back(sent in sent()) {
        let message = read(sent.xml()).expect("a message");
        prop_assert_eq!(message.kind, Kind::NewRelease);
        prop_assert_eq!(message.version.name(), VERSIONS[sent.version].1);
        prop_assert_eq!(message.header.message_id.as_ref(), Some(&sent.id));
        prop_assert_eq!(message.header.created, Some(1_772_359_200_000 + i64::from(sent.minute) * 60_000));
        prop_assert_eq!(message.update.is_some(), sent.is_update);
        prop_assert_eq!(message.resources.len(), sent.songs.len());
        for (resource, song) in message.resources.iter().zip(&sent.songs) {
            prop_assert_eq!(resource.kind, ResourceKind::SoundRecording);
            prop_assert_eq!(resource.isrc.as_ref(), Some(&song.isrc));
            prop_assert_eq!(resource.title.as_ref(), Some(&song.title));
            prop_assert_eq!(resource.artist().and_then(|artist| artist.name.as_ref()), Some(&song.artist));
            prop_assert_eq!(resource.duration_ms, Some(song.seconds * 1_000));
            let people: Vec<_> = resource.contributors.iter().map(|one| (one.party.name.clone(), one.roles.clone())).collect();
            let expected: Vec<_> = song.people.iter().map(|one| (Some(one.name.clone()), vec![one.role.to_owned()])).collect();
            prop_assert_eq!(people, expected);
            let said = resource.contains_ai.as_ref().and_then(|said| said.disclosure());
            let parts = Parts::of(resource);
            if sent.declares() {
                prop_assert_eq!(said, song.contains_ai);
                prop_assert_eq!(resource.contains_ai.is_some(), song.contains_ai.is_some());
                prop_assert_eq!(parts, Parts {
                    vocals: of_part(song, &["Vocalist", "Rapper"]),
                    instruments: of_part(song, &["Musician"]),
                    postproduction: of_part(song, &["Mixer", "MasteringEngineer"]),
                });
            } else {
                prop_assert_eq!((said, parts), (None, Parts::default()));
            }
        }
        let main = message.main_release().expect("a release");
        prop_assert_eq!((main.id(), main.title.as_ref()), (Some(sent.icpn.as_str()), Some(&sent.title)));
        prop_assert_eq!(main.holds.len(), sent.songs.len());
        let deal = &message.deals[0].deals[0];
        prop_assert_eq!(deal.is_takedown, sent.is_takedown);
        prop_assert_eq!((deal.from, deal.until), (Some(1_772_323_200_000), Some(1_775_001_600_000)));
        prop_assert_eq!(&deal.uses, &["OnDemandStream"]);
        // Contradictions are found exactly where they are.
        let contradicts = sent.declares() && sent.songs.iter().any(|song| song.people.iter().any(|one| {
            let said = one.ai.or(one.is_generative.then_some(Disclosure::All));
            match song.contains_ai {
                Some(Disclosure::All) => !one.is_generative,
                Some(Disclosure::None) => matches!(said, Some(Disclosure::All | Disclosure::Partly)),
                _ => false,
            }
        }));
        let found = check(&message, None).told;
        let codes = ["all_with_people", "none_with_ai"];
        prop_assert_eq!(found.iter().any(|finding| codes.contains(&finding.code)), contradicts);
    }
}
