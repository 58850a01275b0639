//! What strangers send to break a reader is refused at once, with the place and the next step, in little memory.

use std::io::{self, Read};
use std::path::Path;
use std::time::{Duration, Instant};

use datasets::ddex::{Limits, Place, Unread, check, read_from};

use super::{ERN_432, edited, read};

const HEAD: &str = r#"<ern:NewReleaseMessage xmlns:ern="http://ddex.net/xml/ern/432">"#;

fn refused(text: impl AsRef<[u8]>) -> Unread {
    let unread = read(text).expect_err("refused");
    assert!(!unread.found.is_empty() && !unread.expected.is_empty() && !unread.next.is_empty());
    let Place { line, column } = unread.at;
    assert!(unread.to_string().starts_with(&format!("message.xml:{line}:{column}: found ")), "{unread}");
    unread
}

/// Bytes that never end, or end after very many, made while they are read.
struct Endless {
    start: &'static [u8],
    again: &'static [u8],
    read: usize,
    end: usize,
}

impl Read for Endless {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let many = into.len().min(self.end - self.read);
        for byte in &mut into[..many] {
            *byte = match self.start.get(self.read) {
                Some(byte) => *byte,
                None => self.again[(self.read - self.start.len()) % self.again.len()],
            };
            self.read += 1;
        }
        Ok(many)
    }
}

/// How much of an endless source is read until it is refused.
fn refused_endless(start: &'static str, again: &'static str) -> (Unread, usize) {
    let mut source = Endless { start: start.as_bytes(), again: again.as_bytes(), read: 0, end: usize::MAX };
    let began = Instant::now();
    let unread = read_from(Path::new("message.xml"), &mut source, Limits::default()).expect_err("refused");
    assert!(began.elapsed() < Duration::from_secs(60), "{unread}: {:?}", began.elapsed());
    (unread, source.read)
}

#[test]
fn a_document_type_is_refused_before_anything_in_it_is_looked_at() {
    let laughs = r#"<?xml version="1.0"?>
<!DOCTYPE lolz [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;">]>
<lolz>&c;</lolz>"#;
    let fetches = "<!DOCTYPE x [<!ENTITY e SYSTEM \"file:///etc/passwd\">]><x>&e;</x>";
    let remote = "<!DOCTYPE x SYSTEM \"http://127.0.0.1/x.dtd\"><x/>";
    let parameters = "<!DOCTYPE x [<!ENTITY % p SYSTEM \"file:///dev/random\"> %p;]><x/>";
    for (text, line) in [(laughs, 2), (fetches, 1), (remote, 1), (parameters, 1)] {
        let unread = refused(text);
        assert!(unread.found.contains("DOCTYPE"), "{unread}");
        assert_eq!(unread.at, Place { line, column: 1 });
    }
}

#[test]
fn entities_that_xml_does_not_know_are_refused_where_they_stand() {
    let in_text = refused(edited(ERN_432, &[("Second", "S&ouml;cond")]));
    assert!(in_text.found.contains("&`ouml`;"), "{in_text}");
    assert_eq!(in_text.at, Place { line: 40, column: 33 });
    let in_attribute = refused(edited(ERN_432, &[("Namespace=\"DPID:", "Namespace=\"&xxe;:")]));
    assert_eq!(in_attribute.at.line, 48, "{in_attribute}");
    let known = read(edited(ERN_432, &[("<TitleText>Second", "<TitleText>&lt;&#83;&#x65;&quot;<![CDATA[<c>&amp;]]>")]))
        .expect("a message");
    assert_eq!(known.resources[1].title.as_deref(), Some("<Se\"<c>&amp;"));
}

#[test]
fn ten_million_elements_within_each_other_are_refused_at_the_sixty_fifth() {
    let mut deep = Endless { start: HEAD.as_bytes(), again: b"<a>", read: 0, end: HEAD.len() + 30_000_000 };
    let unread = read_from(Path::new("message.xml"), &mut deep, Limits::default()).expect_err("refused");
    assert!(unread.found.contains("depth 65"), "{unread}");
    assert!(deep.read < 1 << 20, "{} bytes were read", deep.read);
    let fits = format!("{HEAD}{}{}</ern:NewReleaseMessage>", "<a>".repeat(63), "</a>".repeat(63));
    read(fits).expect("as deep as may be");
}

#[test]
fn what_has_no_end_is_refused_after_its_limit() {
    let limits = Limits::default();
    for (start, again, bytes, found) in [
        ("<", "a", limits.token_bytes, "a tag"),
        ("", " ", limits.token_bytes, "a tag"),
        ("<a b='", "x", limits.token_bytes, "a tag"),
        ("<!--", "x", limits.token_bytes, "a tag"),
        ("<![CDATA[", "x", limits.token_bytes, "a tag"),
        ("<?x ", "x", limits.token_bytes, "a tag"),
        ("<!DOCTYPE x [", "<!ENTITY a 'a'>", limits.token_bytes, "a tag"),
        ("<ern:NewReleaseMessage xmlns:ern=\"http://ddex.net/xml/ern/432\">&", "x", limits.token_bytes, "a tag"),
        ("<!--x-->", "<!--x-->", limits.bytes, "a file"),
    ] {
        let (unread, read) = refused_endless(start, again);
        assert!(unread.found.contains(found), "{start}: {unread}");
        assert!((read as u64) < bytes + (1 << 20), "{start}: {read} bytes were read");
    }
    let text = "<ern:NewReleaseMessage xmlns:ern=\"http://ddex.net/xml/ern/432\"><a>";
    for again in ["&#65;", "x<!-- -->", "<![CDATA[x]]>"] {
        let (unread, read) = refused_endless(text, again);
        assert!(unread.found.contains("a text of more than"), "{unread}");
        assert!((read as u64) < 16 * limits.token_bytes, "{read} bytes were read");
    }
}

#[test]
fn more_of_anything_than_a_message_has_is_refused() {
    for (start, again, found) in [
        (HEAD, "<ResourceList/>", "elements in one part"),
        (
            "<ern:NewReleaseMessage xmlns:ern=\"http://ddex.net/xml/ern/432\"><ResourceList><Image>",
            "<a/>",
            "elements in one part",
        ),
        (
            "<ern:NewReleaseMessage xmlns:ern=\"http://ddex.net/xml/ern/432\"><ResourceList>",
            "<Image/>",
            "parties, resources",
        ),
        (HEAD, "<UpdateIndicator/>", "parties, resources"),
        (HEAD, "<MessageHeader/>", "a second <MessageHeader>"),
        (
            "<ern:NewReleaseMessage xmlns:ern=\"http://ddex.net/xml/ern/432\"><ResourceList>",
            "<SoundRecording><Contributor><AiContribution>x</AiContribution></Contributor><a/><a/><a/><a/><a/><a/><a/><a/></SoundRecording>",
            "elements",
        ),
    ] {
        let (unread, _) = refused_endless(start, again);
        assert!(unread.found.contains(found), "{unread}");
    }
    let attributes: String = (0..257).map(|n| format!(" a{n}='1'")).collect();
    assert!(refused(HEAD.replace('>', &format!("{attributes}>"))).found.contains("256 attributes"));
    let twice = refused(HEAD.replace('>', " a='1' a='2'>"));
    assert!(twice.found.contains("duplicated"), "{twice}");
}

#[test]
fn bytes_that_are_no_utf8_are_found_where_they_stand() {
    let mut bytes = ERN_432.as_bytes().to_vec();
    let at = ERN_432.find("Second").expect("a title");
    bytes[at + 2] = 0xC3;
    let unread = refused(&bytes);
    assert_eq!(unread.at, Place { line: 40, column: 34 }, "{unread}");
    assert!(unread.found.contains("UTF-8"), "{unread}");
    let in_a_tag = refused([HEAD.as_bytes(), b"<a\xff/>"].concat());
    assert_eq!(in_a_tag.at, Place { line: 1, column: HEAD.len() as u64 + 3 });
    assert!(refused(b"\xff\xfe<\0a\0/\0>\0").found.contains("UTF-8"));
    let named = refused(ERN_432.replace("encoding=\"UTF-8\"", "encoding=\"ISO-8859-1\""));
    assert!(named.found.contains("ISO-8859-1"), "{named}");
    read([b"\xef\xbb\xbf", ERN_432.as_bytes()].concat()).expect("a byte order mark is skipped");
}

#[test]
fn every_cut_of_a_message_is_refused_and_says_where() {
    let lines = ERN_432.lines().count() as u64;
    for cut in (0..ERN_432.trim_end().len()).filter(|cut| ERN_432.is_char_boundary(*cut)) {
        let unread = refused(&ERN_432.as_bytes()[..cut]);
        assert!(unread.at.line <= lines, "{cut}: {unread}");
    }
    let unread = refused(&ERN_432.as_bytes()[..ERN_432.find("</PartyList>").expect("a list")]);
    assert!(unread.found.contains("end of the file") && unread.expected.contains("</PartyList>"), "{unread}");
    assert!(unread.expected.contains("12:3"), "{unread}");
}

#[test]
fn what_is_no_message_of_a_version_we_know_is_refused() {
    for (text, found) in [
        ("", "no element"),
        ("  \n ", "no element"),
        ("play_id,account_id\n1,2\n", "play_id"),
        ("{\"a\": 1}", "the text"),
        ("<a/>", "`a`"),
        ("<NewReleaseMessage/>", "no namespace"),
        ("<NewReleaseMessage xmlns=\"http://ddex.net/xml/2010/ern-main/32\"/>", "ern-main/32"),
        ("<NewReleaseMessage xmlns=\"http://ddex.net/xml/ern/999\"/>", "ern/999"),
        ("<ern:CatalogListMessage xmlns:ern=\"http://ddex.net/xml/ern/383\"/>", "CatalogListMessage"),
    ] {
        let unread = refused(text);
        assert!(unread.found.contains(found), "{text}: {unread}");
    }
    let two = format!("{HEAD}</ern:NewReleaseMessage>{HEAD}</ern:NewReleaseMessage>");
    assert!(refused(two).found.contains("second root"));
    let crossed = refused(format!("{HEAD}<a><b></a></b></ern:NewReleaseMessage>"));
    assert_eq!(crossed.at, Place { line: 1, column: HEAD.len() as u64 + 7 }, "{crossed}");
}

#[test]
fn a_message_of_nothing_but_mistakes_is_told_in_little() {
    let one = "<Contributor><AiContribution>x</AiContribution><SpecialContributor>y</SpecialContributor></Contributor>";
    let recording = format!("<SoundRecording>{}</SoundRecording>", one.repeat(10_000));
    let text = format!("{HEAD}<ResourceList>{}</ResourceList></ern:NewReleaseMessage>", recording.repeat(20));
    let findings = check(&read(text).expect("a message"), None);
    assert_eq!(findings.told.len(), datasets::ddex::FINDINGS_MAX);
    assert!(findings.untold > 300_000, "{}", findings.untold);
    // Many deals about many releases are said once each, not each with each.
    let references = "<DealReleaseReference>R7</DealReleaseReference>".repeat(20_000);
    let terms = "<Deal><DealTerms/></Deal>".repeat(14_000);
    let text =
        format!("{HEAD}<DealList><ReleaseDeal>{references}{terms}</ReleaseDeal></DealList></ern:NewReleaseMessage>");
    let findings = check(&read(text).expect("a message"), None);
    assert_eq!(findings.errors, 20_000 + 4, "of the header three, and there is no release");
}

#[test]
fn a_strangers_words_reach_no_terminal() {
    let text = edited(ERN_432, &[("<ContainsAI>Partly", "<ContainsAI>\u{9b}31m&#27;[2J")]);
    let findings = check(&read(text).expect("a message"), None);
    let text: String = findings.told.iter().map(|finding| finding.wrong.clone()).collect();
    assert!(!text.contains(['\u{1b}', '\u{9b}']), "{text:?}");
}
