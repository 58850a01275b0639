//! Rows of JSON files: one array of objects, or one object per line.
//!
//! An array is cut into its elements by counting brackets outside of strings, so a file of any length is read in
//! memory of one element, and a file that ends in the middle gives every element before its end.

use std::io::{self, BufRead};

use records::Code;
use serde_json::Value;

use super::record::{Record, Refused, shortened};
use super::rows::{ROW_BYTES, Step, Steps, read_line};

/// The elements of one JSON array.
pub struct ArrayRows {
    input: Box<dyn BufRead>,
    element: Vec<u8>,
    begun: bool,
}

impl ArrayRows {
    /// The elements of the array that `input` is.
    pub fn new(input: Box<dyn BufRead>) -> ArrayRows {
        ArrayRows { input, element: Vec::new(), begun: false }
    }

    fn step(&mut self) -> io::Result<Option<Step>> {
        if !self.begun {
            match self.skip(|byte| byte.is_ascii_whitespace())? {
                Some(b'[') => self.input.consume(1),
                Some(_) => return Ok(Some(Step::damaged("the file does not begin with `[`: no JSON array", None))),
                None => return Ok(Some(Step::damaged("the file is empty; expected a JSON array", None))),
            }
            self.begun = true;
        }
        match self.skip(|byte| byte.is_ascii_whitespace() || byte == b',')? {
            None => Ok(Some(Step::damaged("the file ends before the array does: its end is missing", None))),
            Some(b']') => {
                self.input.consume(1);
                let rest = self.skip(|byte| byte.is_ascii_whitespace())?;
                Ok(rest.map(|_| Step::damaged("there is text after the end of the array", None)))
            }
            Some(_) => self.row().map(Some),
        }
    }

    fn row(&mut self) -> io::Result<Step> {
        self.element.clear();
        let mut cut = Cut::default();
        loop {
            let chunk = self.input.fill_buf()?;
            if chunk.is_empty() {
                let raw = Some(shortened(&self.element));
                return Ok(Step::damaged("the file ends in the middle of a row", raw));
            }
            let end = cut.end_in(chunk);
            let taken = end.unwrap_or(chunk.len());
            self.element.extend_from_slice(&chunk[..taken]);
            self.input.consume(taken);
            if end.is_some() {
                return Ok(row_of(&self.element));
            }
            if self.element.len() > ROW_BYTES {
                let raw = Some(shortened(&self.element));
                return Ok(Step::damaged("a row is longer than 16 MiB: a bracket or a quote is missing", raw));
            }
        }
    }

    /// Skips bytes; the first other byte is returned and left where it is.
    fn skip(&mut self, skipped: impl Fn(u8) -> bool) -> io::Result<Option<u8>> {
        loop {
            let chunk = self.input.fill_buf()?;
            if chunk.is_empty() {
                return Ok(None);
            }
            let place = chunk.iter().position(|byte| !skipped(*byte));
            let found = place.map(|place| chunk[place]);
            let taken = place.unwrap_or(chunk.len());
            self.input.consume(taken);
            if found.is_some() {
                return Ok(found);
            }
        }
    }
}

impl Steps for ArrayRows {
    fn next(&mut self) -> Option<Step> {
        self.step().unwrap_or_else(|error| Some(Step::unreadable(&error)))
    }
}

/// Where in an element of an array we are.
#[derive(Default)]
struct Cut {
    depth: u32,
    in_string: bool,
    escaped: bool,
}

impl Cut {
    /// The number of bytes of the chunk that still belong to the element, if it ends in the chunk.
    fn end_in(&mut self, chunk: &[u8]) -> Option<usize> {
        for (place, byte) in chunk.iter().enumerate() {
            if self.in_string {
                match byte {
                    _ if self.escaped => self.escaped = false,
                    b'\\' => self.escaped = true,
                    b'"' => self.in_string = false,
                    _ => {}
                }
                continue;
            }
            match byte {
                b'"' => self.in_string = true,
                b'{' | b'[' => self.depth += 1,
                b',' | b']' if self.depth == 0 => return Some(place),
                b'}' | b']' => {
                    self.depth = self.depth.saturating_sub(1);
                    if self.depth == 0 {
                        return Some(place + 1);
                    }
                }
                _ => {}
            }
        }
        None
    }
}

/// The lines of a file of one JSON object each; empty lines are no rows.
pub struct LineRows {
    input: Box<dyn BufRead>,
    line: Vec<u8>,
}

impl LineRows {
    /// The objects in the lines of `input`.
    pub fn new(input: Box<dyn BufRead>) -> LineRows {
        LineRows { input, line: Vec::new() }
    }
}

impl Steps for LineRows {
    fn next(&mut self) -> Option<Step> {
        loop {
            let ended = match read_line(&mut *self.input, &mut self.line) {
                Ok(Some(ended)) => ended,
                Ok(None) => return None,
                Err(error) => return Some(Step::unreadable(&error)),
            };
            if self.line.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            return Some(match row_of(&self.line) {
                Step::Bad(refused, raw) if !ended && refused.code == Code::Malformed => {
                    Step::damaged(format!("the file ends in the middle of a row: {}", refused.reason), raw)
                }
                step => step,
            });
        }
    }
}

fn row_of(bytes: &[u8]) -> Step {
    match serde_json::from_slice(bytes) {
        Ok(Value::Object(object)) => Step::Row(Record::Object(object)),
        Ok(_) => Step::Bad(Refused::new(Code::WrongType, "the row is no JSON object"), Some(shortened(bytes))),
        Err(error) => Step::malformed(format!("the row is no JSON: {error}"), Some(shortened(bytes))),
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    /// The steps as short words, read through a buffer of `buffer` bytes.
    fn steps(text: &[u8], buffer: usize) -> Vec<String> {
        let input = BufReader::with_capacity(buffer, io::Cursor::new(text.to_vec()));
        let mut rows = ArrayRows::new(Box::new(input));
        let mut words = Vec::new();
        while let Some(step) = rows.next() {
            match step {
                Step::Row(record) => words.push(record.raw()),
                Step::Bad(refused, _) => words.push(format!("bad {}", refused.code.name())),
                Step::Damaged(refused, _) => {
                    words.push(format!("damaged: {}", refused.reason));
                    break;
                }
            }
        }
        words
    }

    #[test]
    fn elements_are_cut_at_their_ends_whatever_the_buffer() {
        let text = br#" [ {"a":"]},{\"\\"} , {"b":[{"c":1}]}, 7, "x,y", {"d":}, {"e":1} ] "#;
        let whole = steps(text, 4096);
        assert_eq!(
            whole,
            [
                r#"{"a":"]},{\"\\"}"#,
                r#"{"b":[{"c":1}]}"#,
                "bad wrong_type",
                "bad wrong_type",
                "bad malformed",
                r#"{"e":1}"#
            ]
        );
        for buffer in 1..20 {
            assert_eq!(steps(text, buffer), whole, "buffer of {buffer} bytes");
        }
    }

    #[test]
    fn half_an_array_gives_its_whole_elements_and_one_word_of_damage() {
        let text = br#"[{"a":1},{"b":2}]"#;
        for end in 0..text.len() {
            let words = steps(&text[..end], 8);
            let damage = words.iter().filter(|word| word.starts_with("damaged")).count();
            assert_eq!(damage, 1, "cut at {end}: {words:?}");
            assert_eq!(words.len() - 1, usize::from(end >= 8) + usize::from(end >= 16), "cut at {end}");
        }
        assert_eq!(steps(b"[]", 8), Vec::<String>::new());
        assert_eq!(steps(b"[] []", 8), ["damaged: there is text after the end of the array"]);
        assert_eq!(steps(b"{}", 8), ["damaged: the file does not begin with `[`: no JSON array"]);
    }

    #[test]
    fn bytes_that_are_no_utf8_spoil_one_row_only() {
        assert_eq!(steps(b"[{\"a\":\"\xff\"},{\"b\":2}]", 8), ["bad malformed", r#"{"b":2}"#]);
    }
}
