//! Texts from outside, as people may see them: what is invisible, or turns the line around, is shown by its number.

/// The text with every control, direction mark and invisible character written out.
pub(crate) fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{ad}'
            | '\u{61c}'
            | '\u{180e}'
            | '\u{e0000}'..='\u{e007f}' => shown.push_str(&number(letter)),
            letter if letter.is_control() => shown.push_str(&number(letter)),
            letter => shown.push(letter),
        }
    }
    shown
}

fn number(letter: char) -> String {
    format!("⟨U+{:04X}⟩", u32::from(letter))
}

/// Bytes of a part of a path, percent-encoded where RFC 3986 asks for it.
pub fn path_part(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().map(|byte| if is_plain(byte) { (byte as char).to_string() } else { format!("%{byte:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_hides_is_shown() {
        assert_eq!(visible("a\u{202e}gpj.exe\u{200b}\n"), "a⟨U+202E⟩gpj.exe⟨U+200B⟩⟨U+000A⟩");
        assert_eq!(visible("Æon, 東京 – café"), "Æon, 東京 – café");
        assert_eq!(path_part("a/b c\u{e4}?"), "a%2Fb%20c%C3%A4%3F");
    }
}
