//! What two rows of the catalogue say differently, word by word.
//!
//! ```text
//! words of the one, words of the other ──▶ the longest run of words that both have in one order ──▶ same, gone, come
//! ```

use maud::{Markup, html};

use super::pages::address;
use super::texts::visible;
use super::{Difference, Field};

/// Longer texts are compared as a whole.
const WORDS_MAX: usize = 200;

/// Some words, and who has them.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Both(String),
    OnlyBefore(String),
    OnlyAfter(String),
}

/// The words of both, in an order that fits either.
fn between(before: &str, after: &str) -> Vec<Piece> {
    let [old, new]: [Vec<&str>; 2] = [before, after].map(|text| text.split_whitespace().collect());
    if old.len().max(new.len()) > WORDS_MAX {
        return match before == after {
            true => vec![Piece::Both(before.to_owned())],
            false => vec![Piece::OnlyBefore(before.to_owned()), Piece::OnlyAfter(after.to_owned())],
        };
    }
    // How many words both have in one order from there on.
    let mut common = vec![vec![0u32; new.len() + 1]; old.len() + 1];
    for (i, word) in old.iter().enumerate().rev() {
        for (j, other) in new.iter().enumerate().rev() {
            common[i][j] = match word == other {
                true => common[i + 1][j + 1] + 1,
                false => common[i + 1][j].max(common[i][j + 1]),
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    let mut pieces: Vec<Piece> = Vec::new();
    while i < old.len() || j < new.len() {
        let is_both = i < old.len() && j < new.len() && old[i] == new[j];
        let is_gone = i < old.len() && (j == new.len() || common[i + 1][j] >= common[i][j + 1]);
        match (is_both, is_gone) {
            (true, _) => {
                say(&mut pieces, Piece::Both(old[i].to_owned()));
                (i, j) = (i + 1, j + 1);
            }
            (false, true) => {
                say(&mut pieces, Piece::OnlyBefore(old[i].to_owned()));
                i += 1;
            }
            (false, false) => {
                say(&mut pieces, Piece::OnlyAfter(new[j].to_owned()));
                j += 1;
            }
        }
    }
    pieces
}

/// Words that one piece can hold are in one.
fn say(pieces: &mut Vec<Piece>, next: Piece) {
    match (pieces.last_mut(), next) {
        (Some(Piece::Both(text)), Piece::Both(word))
        | (Some(Piece::OnlyBefore(text)), Piece::OnlyBefore(word))
        | (Some(Piece::OnlyAfter(text)), Piece::OnlyAfter(word)) => {
            text.push(' ');
            text.push_str(&word);
        }
        (_, next) => pieces.push(next),
    }
}

/// What the catalogue says of this track and of others, field by field.
pub(super) fn differences(all: &[Difference]) -> Markup {
    html! {
        section.differences {
            h2 { "What its metadata says otherwise" }
            p.note { del { "struck" } ": only the other has it. " ins { "underlined" } ": only this one has it." }
            @for one in all { (difference(one)) }
        }
    }
}

fn difference(one: &Difference) -> Markup {
    let (differing, same): (Vec<&Field>, Vec<&Field>) =
        one.fields.iter().partition(|field| field.before != field.after);
    let same: Vec<&str> = same.into_iter().map(|field| field.name.as_str()).collect();
    html! {
        table {
            caption { "Beside " a href=(address("track", &one.track)) { "track " bdi { (visible(&one.track)) } } ", " (visible(&one.why)) }
            thead { tr { th scope="col" { "Field" } th scope="col" { "From the other to this one" } } }
            tbody { @for field in differing { tr { th scope="row" { (field.name) } td { (words(field)) } } } }
        }
        p.note { @if same.is_empty() { "Nothing is the same." } @else { "The same in both: " (same.join(", ")) "." } }
    }
}

fn words(field: &Field) -> Markup {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    html! {
        @for piece in between(&text(&field.before), &text(&field.after)) {
            @match piece {
                Piece::Both(words) => span { (visible(&words)) " " },
                Piece::OnlyBefore(words) => { del { (visible(&words)) } " " },
                Piece::OnlyAfter(words) => { ins { (visible(&words)) } " " },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_has_and_what_the_other_has_are_whole_and_the_same_is_said_once() {
        let found = between("Blue in Green (Live) 1959", "Blue in Grey 1959 remastered");
        let expected = [
            Piece::Both("Blue in".to_owned()),
            Piece::OnlyBefore("Green (Live)".to_owned()),
            Piece::OnlyAfter("Grey".to_owned()),
            Piece::Both("1959".to_owned()),
            Piece::OnlyAfter("remastered".to_owned()),
        ];
        assert_eq!(found, expected);
        // Texts of few words, counted through.
        let text =
            |number: usize| (0..5).map(|at| ["a", "b", "c"][number / 3usize.pow(at) % 3]).collect::<Vec<_>>().join(" ");
        for (one, other) in (0..243).flat_map(|one| (0..243).step_by(7).map(move |other| (one, other))) {
            let (before, after) = (text(one), text(other));
            let pieces = between(&before, &after);
            let of = |keep: fn(&Piece) -> Option<&String>| -> String {
                pieces.iter().filter_map(keep).cloned().collect::<Vec<_>>().join(" ")
            };
            let left = of(|piece| match piece {
                Piece::Both(text) | Piece::OnlyBefore(text) => Some(text),
                Piece::OnlyAfter(_) => None,
            });
            let right = of(|piece| match piece {
                Piece::Both(text) | Piece::OnlyAfter(text) => Some(text),
                Piece::OnlyBefore(_) => None,
            });
            assert_eq!((left, right), (before.clone(), after.clone()));
            assert_eq!(pieces.iter().all(|piece| matches!(piece, Piece::Both(_))), before == after);
        }
        let long = "word ".repeat(WORDS_MAX + 1);
        assert_eq!(between(&long, "word").len(), 2);
    }
}
