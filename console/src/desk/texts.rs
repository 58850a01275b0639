//! Texts from outside, as people may see them: what is invisible, or turns the line around, is shown by its number.

use super::CaseLine;

/// So many marks in a row stand on one letter in some language; more of them climb over the lines above.
const MARKS_MAX: usize = 4;

/// The text with every control, direction mark and invisible character written out, and without towers of marks.
pub(crate) fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut marks = 0;
    for letter in text.chars() {
        marks = if is_mark(letter) { marks + 1 } else { 0 };
        match hides(letter) || marks > MARKS_MAX {
            true => shown.push_str(&number(letter)),
            false => shown.push(letter),
        }
    }
    shown
}

/// Whether nobody sees it, or it looks like a space and is none, or it breaks or turns the line: default ignorable code points, controls, separators, fillers
/// and tags of Unicode.
fn hides(letter: char) -> bool {
    letter.is_control()
        || (letter.is_whitespace() && letter != ' ')
        || matches!(letter,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// Whether it stands on the letter before it: the blocks of combining marks that belong to no script.
fn is_mark(letter: char) -> bool {
    matches!(letter, '\u{300}'..='\u{36f}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}' | '\u{20d0}'..='\u{20ff}' | '\u{fe20}'..='\u{fe2f}')
}

fn number(letter: char) -> String {
    format!("⟨U+{:04X}⟩", u32::from(letter))
}

/// Bytes of a part of a path, percent-encoded where RFC 3986 asks for it.
pub fn path_part(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().map(|byte| if is_plain(byte) { (byte as char).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// Cases as CSV.
pub(super) fn csv(cases: &[CaseLine]) -> String {
    let mut lines = "subject,id,verdict,r,payable,about_usd,waits_hours,reason,claimed_by\r\n".to_owned();
    for case in cases {
        let CaseLine { subject, id, verdict, reason, claimed_by, .. } = case;
        let [subject, id, verdict, reason] = [subject, id, verdict, reason].map(|word| cell(word));
        let claimed = cell(claimed_by.as_deref().unwrap_or_default());
        let CaseLine { risk, payable, stake_usd, waits_hours, .. } = case;
        let numbers = format!("{risk:.4},{payable},{stake_usd:.2},{waits_hours:.1}");
        lines += &format!("{subject},{id},{verdict},{numbers},{reason},{claimed}\r\n");
    }
    lines
}

/// A line of texts and a number.
pub(super) fn csv_line(texts: &[&str], number: &str) -> String {
    let cells: Vec<String> = texts.iter().map(|text| cell(text)).collect();
    format!("{},{number}\r\n", cells.join(","))
}

/// A cell of CSV (RFC 4180). A spreadsheet takes what begins with `=`, `+`, `-` or `@` for a formula: an apostrophe makes it a text again
/// (OWASP, CSV injection).
fn cell(text: &str) -> String {
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    format!("\"{}{}\"", if is_formula { "'" } else { "" }, text.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula_and_none_ends_early() {
        let case = |id: &str, reason: &str| CaseLine {
            subject: "track".to_owned(),
            id: id.to_owned(),
            verdict: "hold".to_owned(),
            reason: reason.to_owned(),
            risk: 0.5,
            ..CaseLine::default()
        };
        let told = csv(&[case("=HYPERLINK(\"x\")", "a, \"b\"\r\nc"), case("@1", "-2+3")]);
        let expected = "subject,id,verdict,r,payable,about_usd,waits_hours,reason,claimed_by\r\n\
            \"track\",\"'=HYPERLINK(\"\"x\"\")\",\"hold\",0.5000,0,0.00,0.0,\"a, \"\"b\"\"\r\nc\",\"\"\r\n\
            \"track\",\"'@1\",\"hold\",0.5000,0,0.00,0.0,\"'-2+3\",\"\"\r\n";
        assert_eq!(told, expected);
    }

    #[test]
    fn what_hides_is_shown() {
        assert_eq!(visible("a\u{202e}gpj.exe\u{200b}\n"), "a⟨U+202E⟩gpj.exe⟨U+200B⟩⟨U+000A⟩");
        assert_eq!(visible("Æon, 東京 – café"), "Æon, 東京 – café");
        assert_eq!(visible("a\u{a0}b\u{2028}\u{3164}c\u{34f}"), "a⟨U+00A0⟩b⟨U+2028⟩⟨U+3164⟩c⟨U+034F⟩");
        let tower = format!("o{}", "\u{301}".repeat(5));
        assert_eq!(visible(&tower), format!("o{}⟨U+0301⟩", "\u{301}".repeat(4)));
        assert_eq!(path_part("a/b c\u{e4}?"), "a%2Fb%20c%C3%A4%3F");
    }
}
