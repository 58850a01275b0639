//! What is found wrong with a message, with line and column: a snapshot per message, made of one in order and a few edits.

use std::fmt::Write;

use datasets::ddex::{Message, Severity, check};
use records::Disclosure;

use super::{ERN_41, ERN_383, ERN_432, PURGE, edited, is_as_in, read};

/// A name, the message in order, and what of it is changed.
pub type Case = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

pub const NONE_2: &str = "<ContainsAI>None</ContainsAI>";
const PARTLY_1: &str = "<ContainsAI>Partly</ContainsAI>\n      <HasVocal";
const SINGER: &str = "<Role><Value>Vocalist</Value></Role><AiContribution>None</AiContribution>";
const MACHINE: &str = "<SpecialContributor>GenerativeAI</SpecialContributor>";
const GUITAR: &str = "<Role><Value>Musician</Value><InstrumentType>Guitar</InstrumentType></Role>";
const INSTRUMENTAL: &str = "<IsInstrumental>true</IsInstrumental>";
const TIME_2: &str = "<MessageCreatedDateTime>2025-12-05T10:00:00Z</MessageCreatedDateTime><MessageCreatedDateTime>";
const RELEASE_PARTLY: &str = "<ContainsAI>Partly</ContainsAI>\n      <ResourceGroup>";

const TAKEN_DOWN: &str = "<TerritoryCode>Worldwide</TerritoryCode>\n        <Validity";
const LIVE: &str = "<MessageControlType>LiveMessage</MessageControlType>";
/// 130 letters.
const LONG: &str = concat!(
    "padpida2026010101a-padpida2026010101a-padpida2026010101a-padpida2",
    "026010101a-padpida2026010101a-padpida2026010101a-padpida20260101a"
);
const LONG_ID: &str = concat!(
    "<ProprietaryId Namespace=\"DPID:PADPIDA2026010101A\">",
    "padpida2026010101a-padpida2026010101a-padpida2026010101a-padpida2026010101a-padpida2026010101a-777",
    "</ProprietaryId>"
);

pub const CASES: &[Case] = &[
    ("in order, 4.3.2", ERN_432, &[]),
    ("in order, 4.3.1", ERN_432, &[("ern/432", "ern/431")]),
    ("in order, 3.8.3", ERN_383, &[]),
    ("in order, 3.8.2", ERN_383, &[("ern/383\" Mess", "ern/382\" Mess")]),
    ("in order, 3.8", ERN_383, &[("ern/383\" Mess", "ern/38\" Mess")]),
    ("in order, 4.1", ERN_41, &[]),
    ("in order, 4.1.1", ERN_41, &[("ern/41", "ern/411")]),
    ("in order, 4.2", ERN_41, &[("ern/41", "ern/42")]),
    ("in order, 4.3", ERN_41, &[("ern/41", "ern/43")]),
    ("in order, a purge", PURGE, &[]),
    ("a purge of nothing", PURGE, &[("<ReleaseId><ICPN>0724384960650</ICPN></ReleaseId>", "")]),
    ("a purge without PurgedRelease", PURGE, &[("PurgedRelease>", "Purged>"), ("</PurgedRelease>", "</Purged>")]),
    ("an update", ERN_432, &[("  <PartyList>", "  <UpdateIndicator>UpdateMessage</UpdateIndicator>\n  <PartyList>")]),
    (
        "a takedown by its deal",
        ERN_383,
        &[("<TerritoryCode>Worldwide</TerritoryCode>\n        <Validity", "<TakeDown>true</TakeDown><Validity")],
    ),
    (
        "a takedown by its end",
        ERN_432,
        &[("</StartDateTime>", "</StartDateTime><EndDateTime>2026-01-05T09:00:00Z</EndDateTime>")],
    ),
    (
        "a deal that ends before it begins",
        ERN_432,
        &[("</StartDateTime>", "</StartDateTime><EndDate>2026-01-01</EndDate>")],
    ),
    (
        "a deal until the last minute of a day",
        ERN_432,
        &[("</StartDateTime>", "</StartDateTime><EndDateTime>2026-01-31T24:00:00Z</EndDateTime>")],
    ),
    (
        "a deal until a day that is not",
        ERN_432,
        &[("</StartDateTime>", "</StartDateTime><EndDate>2026-02-30</EndDate>")],
    ),
    ("a deal until a day in other words", ERN_383, &[("</StartDate>", "</StartDate><EndDate>31.01.2026</EndDate>")]),
    ("a deal until nobody knows when", ERN_432, &[("</StartDateTime>", "</StartDateTime><EndDate/>")]),
    (
        "a deal with two ends, and not the same",
        ERN_432,
        &[("</StartDateTime>", "</StartDateTime><EndDate>2026-01-31</EndDate><EndDate>2099-01-31</EndDate>")],
    ),
    ("a deal from nobody knows when", ERN_432, &[("2026-01-09T00:00:00Z</StartDateTime>", "soon</StartDateTime>")]),
    ("a release day that is none", ERN_432, &[("<OriginalReleaseDate>2026-01-09", "<OriginalReleaseDate>9 January")]),
    ("a takedown in capitals", ERN_383, &[(TAKEN_DOWN, "<TakeDown>TRUE</TakeDown><Validity")]),
    ("a takedown in another word", ERN_383, &[(TAKEN_DOWN, "<TakeDown>yes</TakeDown><Validity")]),
    ("no takedown", ERN_383, &[(TAKEN_DOWN, "<TakeDown>false</TakeDown><Validity")]),
    ("a takedown, and none", ERN_383, &[(TAKEN_DOWN, "<TakeDown>false</TakeDown><TakeDown>true</TakeDown><Validity")]),
    ("a main release in another word", ERN_383, &[("IsMainRelease=\"true\"", "IsMainRelease=\"ja\"")]),
    ("a test in small letters", ERN_432, &[("LiveMessage", "testmessage")]),
    (
        "a test, and live",
        ERN_432,
        &[(
            LIVE,
            "<MessageControlType>LiveMessage</MessageControlType><MessageControlType>TestMessage</MessageControlType>",
        )],
    ),
    ("neither live nor a test", ERN_432, &[("LiveMessage", "Draft")]),
    ("a barcode of twelve digits", ERN_432, &[("<ICPN>0724384960650", "<ICPN>724384960650")]),
    ("a barcode of fourteen digits", ERN_432, &[("<ICPN>0724384960650", "<ICPN>00724384960650")]),
    ("a barcode of eleven digits", ERN_432, &[("<ICPN>0724384960650", "<ICPN>72438496065")]),
    (
        "one barcode written in two ways",
        ERN_432,
        &[("<ICPN>0724384960650", "<ICPN>724384960650</ICPN><ICPN>0724384960650")],
    ),
    ("an ISRC with hyphens that are none", ERN_432, &[("QZTS12600002", "QZ\u{2011}TS1\u{2011}26\u{2011}00002")]),
    ("an ISRC as it is printed", ERN_432, &[("QZTS12600002", "ISRC QZ-TS1-26-00002")]),
    ("an id of 98 letters in a namespace of 23", ERN_432, &[("<ISNI>0000000121032683</ISNI>", LONG_ID)]),
    ("a cover's number of 130 letters", ERN_432, &[("cover-1", LONG)]),
    (
        "a recording in another",
        ERN_432,
        &[(
            "<ContainsAI>None</ContainsAI>\n    </SoundRecording>",
            "<SoundRecording><ResourceReference>A4</ResourceReference><ResourceId><ISRC>QZTS12600004</ISRC></ResourceId><ContainsAI>All</ContainsAI></SoundRecording><ContainsAI>None</ContainsAI>\n    </SoundRecording>",
        )],
    ),
    (
        "recordings in an element of their own",
        ERN_432,
        &[("<ResourceList>", "<ResourceList><Resources>"), ("</ResourceList>", "</Resources></ResourceList>")],
    ),
    (
        "recordings in a list of their own",
        ERN_41,
        &[("<ResourceList>", "<SoundRecordingList>"), ("</ResourceList>", "</SoundRecordingList>")],
    ),
    ("recordings in no list", ERN_41, &[("<ResourceList>", "<Resources>"), ("</ResourceList>", "</Resources>")]),
    ("nothing that is played", ERN_41, &[("<SoundRecording>", "<x/>\n<Image>"), ("</SoundRecording>", "</Image>")]),
    (
        "details for the world but the United States, after theirs",
        ERN_383,
        &[
            ("<TerritoryCode>DE</TerritoryCode>", "<TerritoryCode>US</TerritoryCode>"),
            (
                "<TerritoryCode>Worldwide</TerritoryCode>\n        <Disp",
                "<ExcludedTerritoryCode>US</ExcludedTerritoryCode>\n        <Disp",
            ),
        ],
    ),
    (
        "details for two territories, after one",
        ERN_383,
        &[(
            "<TerritoryCode>Worldwide</TerritoryCode>\n        <Disp",
            "<TerritoryCode>AT</TerritoryCode><TerritoryCode>CH</TerritoryCode>\n        <Disp",
        )],
    ),
    ("absent is not None", ERN_432, &[(NONE_2, "")]),
    (
        "nothing said at all",
        ERN_432,
        &[(NONE_2, ""), (PARTLY_1, "<HasVocal"), (SINGER, ""), (MACHINE, ""), (RELEASE_PARTLY, "<ResourceGroup>")],
    ),
    ("an empty ContainsAI says nothing", ERN_432, &[(NONE_2, "<ContainsAI/>")]),
    ("contributors say it, the recording does not", ERN_432, &[(PARTLY_1, "<HasVocal")]),
    (
        "None, with a machine that says nothing else",
        ERN_432,
        &[(PARTLY_1, "<ContainsAI>None</ContainsAI>\n      <HasVocal")],
    ),
    (
        "None, with a singer who says Partly",
        ERN_432,
        &[
            (PARTLY_1, "<ContainsAI>None</ContainsAI>\n      <HasVocal"),
            (SINGER, "<Role><Value>Vocalist</Value></Role><AiContribution>Partly</AiContribution>"),
            (MACHINE, ""),
        ],
    ),
    (
        "None, and all say None",
        ERN_432,
        &[
            (PARTLY_1, "<ContainsAI>None</ContainsAI>\n      <HasVocal"),
            (MACHINE, "<AiContribution>None</AiContribution>"),
        ],
    ),
    (
        "All, with a singer",
        ERN_432,
        &[
            (PARTLY_1, "<ContainsAI>All</ContainsAI>\n      <HasVocal"),
            ("<HasVocalPerformance>true", "<HasVocalPerformance>false"),
        ],
    ),
    (
        "All, with machines only",
        ERN_432,
        &[
            (PARTLY_1, "<ContainsAI>All</ContainsAI>\n      <HasVocal"),
            ("<HasVocalPerformance>true", "<HasVocalPerformance>false"),
            (SINGER, "<Role><Value>Vocalist</Value></Role><SpecialContributor>GenerativeAI</SpecialContributor>"),
        ],
    ),
    ("All, with nobody named", ERN_432, &[(NONE_2, "<ContainsAI>All</ContainsAI>")]),
    (
        "All, and people sing",
        ERN_432,
        &[(NONE_2, "<ContainsAI>All</ContainsAI><HasForegroundVocalPerformance>true</HasForegroundVocalPerformance>")],
    ),
    ("a person whose work is all a machine's", ERN_432, &[("<AiContribution>None", "<AiContribution>All")]),
    (
        "a machine that did nothing",
        ERN_432,
        &[(MACHINE, "<SpecialContributor>GenerativeAI</SpecialContributor><AiContribution>None</AiContribution>")],
    ),
    (
        "a machine that did a part",
        ERN_432,
        &[(MACHINE, "<SpecialContributor>GenerativeAI</SpecialContributor><AiContribution>Partly</AiContribution>")],
    ),
    ("a special contributor of another kind", ERN_432, &[(MACHINE, "<SpecialContributor>Ghost</SpecialContributor>")]),
    ("Partly, and nobody says of what", ERN_432, &[(MACHINE, "")]),
    ("an unknown value of ContainsAI", ERN_432, &[(NONE_2, "<ContainsAI>Mostly</ContainsAI>")]),
    ("an unknown value of AiContribution", ERN_432, &[("<AiContribution>None", "<AiContribution>Some")]),
    ("a value in another case", ERN_432, &[(NONE_2, "<ContainsAI>none</ContainsAI>")]),
    (
        "a role we do not know is kept",
        ERN_432,
        &[("<Value>Vocalist</Value>", "<Value UserDefinedValue=\"Yodeller\">UserDefined</Value>")],
    ),
    (
        "an instrumental with a singer",
        ERN_432,
        &[("<HasVocalPerformance>true</HasVocalPerformance>", "<IsInstrumental>true</IsInstrumental>")],
    ),
    (
        "ContainsAI in ERN 4.1",
        ERN_41,
        &[("<Duration>PT3M31S</Duration>", "<Duration>PT3M31S</Duration><ContainsAI>None</ContainsAI>")],
    ),
    (
        "the release says None, a recording Partly",
        ERN_432,
        &[(RELEASE_PARTLY, "<ContainsAI>None</ContainsAI>\n      <ResourceGroup>")],
    ),
    (
        "the release says All, a recording None",
        ERN_432,
        &[(RELEASE_PARTLY, "<ContainsAI>All</ContainsAI>\n      <ResourceGroup>")],
    ),
    ("a contributor whom nobody lists", ERN_432, &[("<ContributorPartyReference>P2", "<ContributorPartyReference>P7")]),
    ("a resource that is not there", ERN_432, &[("<ReleaseResourceReference>A2", "<ReleaseResourceReference>A9")]),
    ("a release that is not there", ERN_432, &[("<DealReleaseReference>R0", "<DealReleaseReference>R8")]),
    ("two resources of one reference", ERN_432, &[("<ResourceReference>A2", "<ResourceReference>A1")]),
    ("a resource without reference", ERN_432, &[("<ResourceReference>A3</ResourceReference>", "")]),
    (
        "no ISRC",
        ERN_432,
        &[("<SoundRecordingEdition><ResourceId><ISRC>QZTS12600002</ISRC></ResourceId></SoundRecordingEdition>", "")],
    ),
    ("an ISRC that is none", ERN_432, &[("QZTS12600002", "12345")]),
    (
        "no title and no artist",
        ERN_432,
        &[
            ("<DisplayTitle><TitleText>Second</TitleText></DisplayTitle>", ""),
            (
                "<ArtistPartyReference>P1</ArtistPartyReference><DisplayArtistRole>MainArtist</DisplayArtistRole></DisplayArtist>\n      <Duration>PT0H2M0S",
                "</DisplayArtist>\n      <Duration>PT0H2M0S",
            ),
        ],
    ),
    ("a duration that is none", ERN_432, &[("PT0H2M0S", "2:00")]),
    ("no message id", ERN_432, &[("<MessageId>message-1</MessageId>", "")]),
    ("no sender", ERN_432, &[("<MessageSender><PartyId>PADPIDA2026010101A</PartyId>", "<MessageSender>")]),
    (
        "a sender who is no DPID",
        ERN_432,
        &[("PADPIDA2026010101A</PartyId><PartyName>", "label_7</PartyId><PartyName>")],
    ),
    (
        "a sender who looks like another",
        ERN_432,
        &[("PADPIDA2026010101A</PartyId><PartyName>", "PADPIDA2026010101A\u{200b}</PartyId><PartyName>")],
    ),
    ("an artist who looks like another", ERN_432, &[("<ISNI>0000000121032683", "<ISNI>0000\u{ff10}00121032683")]),
    ("ids with blanks and hyphens", ERN_432, &[("<ISNI>0000000121032683", "<ISNI>0000-0001 2103-2683")]),
    ("a deal until the end of a month", ERN_432, &[("</StartDateTime>", "</StartDateTime><EndDate>2026-12</EndDate>")]),
    ("no time", ERN_432, &[("<MessageCreatedDateTime>2026-01-05T10:00:00Z</MessageCreatedDateTime>", "")]),
    ("a time that is none", ERN_432, &[("2026-01-05T10:00:00Z", "yesterday")]),
    ("two times, and not the same", ERN_432, &[("<MessageCreatedDateTime>", TIME_2)]),
    (
        "two senders",
        ERN_432,
        &[("<MessageSender>", "<MessageSender><PartyId>PADPIDA2026010109X</PartyId></MessageSender><MessageSender>")],
    ),
    (
        "ContainsAI twice, and not the same",
        ERN_432,
        &[(NONE_2, "<ContainsAI>None</ContainsAI><ContainsAI>All</ContainsAI>")],
    ),
    (
        "ContainsAI twice, and the same",
        ERN_432,
        &[(NONE_2, "<ContainsAI>None</ContainsAI><ContainsAI>None</ContainsAI>")],
    ),
    (
        "ContainsAI of the recording and of its edition",
        ERN_432,
        &[(
            "<ISRC>QZTS12600002</ISRC></ResourceId>",
            "<ISRC>QZTS12600002</ISRC></ResourceId><ContainsAI>All</ContainsAI>",
        )],
    ),
    (
        "AiContribution twice, and not the same",
        ERN_432,
        &[("<AiContribution>None", "<AiContribution>Partly</AiContribution><AiContribution>None")],
    ),
    ("two ISRCs in one id", ERN_432, &[("<ISRC>QZTS12600002", "<ISRC>QZTS12600009</ISRC><ISRC>QZTS12600002")]),
    (
        "two ISRCs in two ids",
        ERN_432,
        &[(
            "<ResourceId><ISRC>QZTS12600002",
            "<ResourceId><ISRC>QZTS12600009</ISRC></ResourceId><ResourceId><ISRC>QZTS12600002",
        )],
    ),
    (
        "one ISRC written in two ways",
        ERN_432,
        &[(
            "<ResourceId><ISRC>QZTS12600002",
            "<ResourceId><ISRC>QZ-TS1-26-00002</ISRC></ResourceId><ResourceId><ISRC>QZTS12600002",
        )],
    ),
    ("two parties of one reference", ERN_432, &[("<PartyReference>P2", "<PartyReference>P1")]),
    ("two releases of one reference", ERN_432, &[("<ReleaseReference>R1", "<ReleaseReference>R0")]),
    (
        "two main releases",
        ERN_432,
        &[
            ("<Release>", "<Release IsMainRelease=\"true\">"),
            ("<TrackRelease>", "<TrackRelease IsMainRelease=\"true\">"),
        ],
    ),
    (
        "words of another namespace",
        ERN_432,
        &[(NONE_2, "<x:ContainsAI xmlns:x=\"http://example.org/x\">None</x:ContainsAI>")],
    ),
    (
        "a default namespace of its own",
        ERN_432,
        &[(NONE_2, "<ContainsAI xmlns=\"http://example.org/x\">None</ContainsAI>")],
    ),
    ("a prefix that nobody declares", ERN_432, &[(NONE_2, "<x:ContainsAI>None</x:ContainsAI>")]),
    (
        "a list of another namespace",
        ERN_432,
        &[
            ("<ReleaseList>", "<x:ReleaseList xmlns:x=\"http://example.org/x\">"),
            ("</ReleaseList>", "</x:ReleaseList>"),
        ],
    ),
    (
        "all in ERN's namespace by default",
        ERN_432,
        &[("xmlns:ern=", "xmlns=\"http://ddex.net/xml/ern/432\" xmlns:ern=")],
    ),
    (
        "vocals by a machine",
        ERN_432,
        &[(SINGER, "<Role><Value>Vocalist</Value></Role><AiContribution>Partly</AiContribution>")],
    ),
    (
        "vocals by a machine, in its own words",
        ERN_432,
        &[
            (GUITAR, "<Role><Value UserDefinedValue=\"Lead Vocals\">UserDefined</Value></Role>"),
            ("<HasVocalPerformance>true", "<HasVocalPerformance>false"),
        ],
    ),
    ("a machine in a role that nobody knows", ERN_432, &[(GUITAR, "<Role><Value>Grapefruit</Value></Role>")]),
    ("a machine without a role", ERN_432, &[(GUITAR, "")]),
    (
        "a machine without a role, and nobody sings",
        ERN_432,
        &[(GUITAR, ""), (SINGER, ""), ("<HasVocalPerformance>true</HasVocalPerformance>", INSTRUMENTAL)],
    ),
    (
        "All, with nobody named, and nobody sings",
        ERN_432,
        &[(NONE_2, "<ContainsAI>All</ContainsAI><IsInstrumental>true</IsInstrumental>")],
    ),
    ("Partly, and nobody is named", ERN_432, &[(NONE_2, "<ContainsAI>Partly</ContainsAI>")]),
    (
        "Partly, and nobody is named, and nobody sings",
        ERN_432,
        &[(NONE_2, "<ContainsAI>Partly</ContainsAI><IsInstrumental>true</IsInstrumental>")],
    ),
    (
        "Partly, of what was written",
        ERN_432,
        &[(GUITAR, "<Role><Value>Lyricist</Value></Role>"), (SINGER, "<Role><Value>Vocalist</Value></Role>")],
    ),
    (
        "Partly, by who led",
        ERN_432,
        &[(GUITAR, "<Role><Value>Producer</Value></Role>"), (SINGER, "<Role><Value>Composer</Value></Role>")],
    ),
    (
        "a machine in a role of two words run together",
        ERN_432,
        &[(GUITAR, "<Role><Value UserDefinedValue=\"AIVoiceAndGuitar\">UserDefined</Value></Role>")],
    ),
    ("two recordings of one ISRC", ERN_432, &[("QZTS12600002", "QZTS12600001")]),
    (
        "two recordings of one ISRC, and the second declares more",
        ERN_432,
        &[("QZTS12600002", "QZTS12600001"), (NONE_2, "<ContainsAI>All</ContainsAI>")],
    ),
    (
        "two editions, and the second declares more",
        ERN_432,
        &[(
            "<ISRC>QZTS12600002</ISRC></ResourceId></SoundRecordingEdition>",
            "<ISRC>QZTS12600002</ISRC></ResourceId></SoundRecordingEdition>\n      <SoundRecordingEdition><ResourceId><ISRC>QZTS12600009</ISRC></ResourceId><ContainsAI>All</ContainsAI></SoundRecordingEdition>",
        )],
    ),
    (
        "two editions, and the second declares less",
        ERN_432,
        &[
            (NONE_2, "<ContainsAI>Partly</ContainsAI>"),
            (
                "<ISRC>QZTS12600002</ISRC></ResourceId></SoundRecordingEdition>",
                "<ISRC>QZTS12600002</ISRC></ResourceId></SoundRecordingEdition><SoundRecordingEdition><ContainsAI>None</ContainsAI></SoundRecordingEdition>",
            ),
        ],
    ),
    (
        "two display artists, one of whom nobody lists",
        ERN_432,
        &[(
            "<DisplayArtist SequenceNumber=\"1\">",
            "<DisplayArtist SequenceNumber=\"2\"><ArtistPartyReference>P9</ArtistPartyReference><DisplayArtistRole>MainArtist</DisplayArtistRole></DisplayArtist>\n      <DisplayArtist SequenceNumber=\"1\">",
        )],
    ),
    ("no release id", ERN_432, &[("<ICPN>0724384960650</ICPN>", "")]),
    ("no release", ERN_432, &[("<ReleaseList>", "<Releases>"), ("</ReleaseList>", "</Releases>")]),
];

fn findings(message: &Message) -> String {
    let mut text = String::new();
    for finding in check(message, None).told {
        let (severity, subject) = (finding.severity.name(), finding.subject);
        let _ = writeln!(text, "  {} {severity} {} {subject}: {}", finding.at, finding.code, finding.wrong);
    }
    if text.is_empty() { "  nothing\n".to_owned() } else { text }
}

#[test]
fn what_is_wrong_with_fifty_messages() {
    let mut found = String::new();
    for (name, text, edits) in CASES {
        let message = read(edited(text, edits)).unwrap_or_else(|unread| panic!("{name}: {unread}"));
        let _ = write!(found, "{name}\n{}", findings(&message));
    }
    is_as_in("findings.txt", &found);
}

#[test]
fn the_four_states_are_kept_apart() {
    for (said, expected) in [
        ("<ContainsAI>All</ContainsAI>", Some(Disclosure::All)),
        ("<ContainsAI>Partly</ContainsAI>", Some(Disclosure::Partly)),
        ("<ContainsAI>None</ContainsAI>", Some(Disclosure::None)),
        ("", None),
    ] {
        let message = read(edited(ERN_432, &[(NONE_2, said)])).expect("a message");
        let found = message.resources[1].contains_ai.as_ref();
        assert_eq!(found.and_then(|said| said.disclosure()), expected);
        assert_eq!(found.is_some(), expected.is_some());
    }
    let message = read(edited(ERN_432, &[(NONE_2, "<ContainsAI>Mostly</ContainsAI>")])).expect("a message");
    let said = message.resources[1].contains_ai.as_ref().expect("what was said is kept");
    assert_eq!((said.word.as_str(), said.disclosure()), ("Mostly", None));
}

#[test]
fn findings_are_in_order_and_the_same_each_time() {
    let text = edited(
        ERN_432,
        &[("<ReleaseResourceReference>A2", "<ReleaseResourceReference>A9"), (MACHINE, ""), (NONE_2, "")],
    );
    let message = read(&text).expect("a message");
    let told = check(&message, None).told;
    assert!(told.is_sorted() && told.len() > 2);
    assert_eq!(check(&read(&text).expect("a message"), None), check(&message, None));
    assert_eq!(
        told.iter().filter(|finding| finding.severity == Severity::Error).count() as u64,
        check(&message, None).errors
    );
}

#[test]
fn a_time_that_cannot_be_is_found_where_the_platform_knows_when_a_message_came() {
    let message = read(ERN_432).expect("a message");
    let made = message.header.created.expect("a time");
    let day = 86_400_000;
    let codes = |received: Option<i64>| {
        let told = check(&message, received).told;
        told.iter().map(|finding| (finding.code, finding.at.line)).collect::<Vec<_>>()
    };
    for received in [None, Some(made - day), Some(made), Some(made + 30 * day)] {
        assert_eq!(codes(received), [], "{received:?}");
    }
    assert_eq!(codes(Some(made - day - 1)), [("time_ahead", 9)]);
    assert_eq!(codes(Some(made + 30 * day + 1)), [("time_long_past", 9)]);
}
