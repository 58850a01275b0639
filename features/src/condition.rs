//! Conditions that people write over the numbers of a window: SQL in, yes or no for a row out.
//!
//! ```text
//! text ──words──▶ tree, typed against the columns of the view ──holds(row)──▶ yes or no
//! ```
//!
//! The part of SQL that is understood: numbers, columns, `+ - * /`, comparisons, `between`, `in`, `and`, `or`, `not`, `abs`, `coalesce`.
//! All arithmetic is `f64`. What is divided by 0, or is too large, is null, and nulls spread as in SQL; a condition that is null does
//! not hold.

use crate::WindowRow;
use crate::columns::{Column, columns};
use crate::tally::Axis;

/// Parentheses, signs and negations may stand inside each other this deep.
const DEPTH_MAX: usize = 50;
/// What a condition is made of at most.
const WORDS_MAX: usize = 1_000;

/// A condition that can be asked of the rows of one view.
#[derive(Clone, Debug)]
pub struct Condition(Truth);

#[derive(Clone, Debug)]
enum Number {
    Given(f64),
    Of(Column),
    Sum(Box<[Number; 2]>),
    Difference(Box<[Number; 2]>),
    Product(Box<[Number; 2]>),
    Quotient(Box<[Number; 2]>),
    Abs(Box<Number>),
    Coalesce(Vec<Number>),
}

/// Whether two numbers compare as a sign says.
type Comparison = fn(&f64, &f64) -> bool;

#[derive(Clone, Debug)]
enum Truth {
    Compare(Comparison, Box<[Number; 2]>),
    And(Box<[Truth; 2]>),
    Or(Box<[Truth; 2]>),
    Not(Box<Truth>),
}

enum Tree {
    Number(Number),
    Truth(Truth),
}

impl Condition {
    /// Reads a condition on the rows of a view.
    ///
    /// # Errors
    /// What was found where, and what was expected.
    pub fn read(text: &str, axis: Axis) -> Result<Condition, String> {
        let mut reader = Reader { words: words(text)?, at: 0, axis, depth: 0 };
        let truth = reader.either()?;
        let truth = reader.truth(truth)?;
        match reader.peek() {
            None => Ok(Condition(truth)),
            Some(_) => Err(reader.expected("`and`, `or` or the end")),
        }
    }

    /// Whether it holds for the row.
    pub fn holds(&self, row: &WindowRow) -> bool {
        self.0.of(row) == Some(true)
    }
}

impl Number {
    fn of(&self, row: &WindowRow) -> Option<f64> {
        let both = |pair: &[Number; 2]| Some((pair[0].of(row)?, pair[1].of(row)?));
        let value = match self {
            Number::Given(value) => *value,
            Number::Of(column) => (column.read)(row).as_f64(),
            Number::Sum(pair) => both(pair).map(|(a, b)| a + b)?,
            Number::Difference(pair) => both(pair).map(|(a, b)| a - b)?,
            Number::Product(pair) => both(pair).map(|(a, b)| a * b)?,
            Number::Quotient(pair) => both(pair).map(|(a, b)| a / b)?,
            Number::Abs(number) => number.of(row)?.abs(),
            Number::Coalesce(numbers) => return numbers.iter().find_map(|number| number.of(row)),
        };
        value.is_finite().then_some(value)
    }
}

impl Truth {
    /// `None` is SQL's null: neither true nor false.
    fn of(&self, row: &WindowRow) -> Option<bool> {
        match self {
            Truth::Compare(holds, pair) => Some(holds(&pair[0].of(row)?, &pair[1].of(row)?)),
            Truth::And(pair) => match pair[0].of(row) {
                Some(false) => Some(false),
                first => match (first, pair[1].of(row)) {
                    (_, Some(false)) => Some(false),
                    (Some(true), second) => second,
                    _ => None,
                },
            },
            Truth::Or(pair) => match pair[0].of(row) {
                Some(true) => Some(true),
                first => match (first, pair[1].of(row)) {
                    (_, Some(true)) => Some(true),
                    (Some(false), second) => second,
                    _ => None,
                },
            },
            Truth::Not(truth) => truth.of(row).map(|truth| !truth),
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Word {
    Number(f64),
    /// In lower case.
    Name(String),
    Sign(&'static str),
}

const SIGNS: [&str; 14] = ["<=", ">=", "<>", "!=", "<", ">", "=", "+", "-", "*", "/", "(", ")", ","];

fn words(text: &str) -> Result<Vec<Word>, String> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let length_of = |belongs: fn(char) -> bool| rest.find(|c| !belongs(c)).unwrap_or(rest.len());
        let length = if first.is_ascii_digit() || first == '.' {
            let length = length_of(|c| c.is_ascii_digit() || c == '.');
            let number =
                rest[..length].parse().map_err(|_| format!("found `{}`, expected a number", &rest[..length]))?;
            words.push(Word::Number(number));
            length
        } else if first.is_ascii_alphabetic() || first == '_' {
            let length = length_of(|c| c.is_ascii_alphanumeric() || c == '_');
            words.push(Word::Name(rest[..length].to_ascii_lowercase()));
            length
        } else if rest.starts_with("--") {
            return Err("found a comment, expected none inside a condition".to_owned());
        } else {
            let sign = SIGNS.into_iter().find(|sign| rest.starts_with(sign));
            let sign = sign.ok_or_else(|| format!("found {first:?}, expected a condition in SQL"))?;
            words.push(Word::Sign(sign));
            sign.len()
        };
        rest = rest[length..].trim_start();
    }
    if words.len() > WORDS_MAX {
        return Err(format!("found {} words, expected at most {WORDS_MAX}", words.len()));
    }
    Ok(words)
}

struct Reader {
    words: Vec<Word>,
    at: usize,
    axis: Axis,
    depth: usize,
}

impl Reader {
    fn peek(&self) -> Option<&Word> {
        self.words.get(self.at)
    }

    /// Passes a sign, if it comes next.
    fn sign(&mut self, sign: &str) -> bool {
        let comes = matches!(self.peek(), Some(Word::Sign(found)) if *found == sign);
        self.at += usize::from(comes);
        comes
    }

    /// Passes a name, if it comes next.
    fn name(&mut self, name: &str) -> bool {
        let comes = matches!(self.peek(), Some(Word::Name(found)) if found == name);
        self.at += usize::from(comes);
        comes
    }

    fn must(&mut self, sign: &str) -> Result<(), String> {
        if self.sign(sign) { Ok(()) } else { Err(self.expected(&format!("`{sign}`"))) }
    }

    fn expected(&self, what: &str) -> String {
        let found = match self.peek() {
            None => "the end".to_owned(),
            Some(Word::Number(number)) => format!("`{number}`"),
            Some(Word::Name(name)) => format!("`{name}`"),
            Some(Word::Sign(sign)) => format!("`{sign}`"),
        };
        format!("found {found} as word {}, expected {what}", self.at + 1)
    }

    fn truth(&self, tree: Tree) -> Result<Truth, String> {
        match tree {
            Tree::Truth(truth) => Ok(truth),
            Tree::Number(_) => Err(format!("found a number before word {}, expected a comparison", self.at + 1)),
        }
    }

    fn number(&self, tree: Tree) -> Result<Number, String> {
        match tree {
            Tree::Number(number) => Ok(number),
            Tree::Truth(_) => Err(format!("found a comparison before word {}, expected a number", self.at + 1)),
        }
    }

    /// Goes one level deeper.
    fn deeper<T>(&mut self, read: impl FnOnce(&mut Reader) -> Result<T, String>) -> Result<T, String> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(format!("found more than {DEPTH_MAX} levels inside each other, expected fewer"));
        }
        let found = read(self);
        self.depth -= 1;
        found
    }

    fn either(&mut self) -> Result<Tree, String> {
        let mut left = self.both()?;
        while self.name("or") {
            let right = self.both()?;
            left = Tree::Truth(Truth::Or(Box::new([self.truth(left)?, self.truth(right)?])));
        }
        Ok(left)
    }

    fn both(&mut self) -> Result<Tree, String> {
        let mut left = self.negation()?;
        while self.name("and") {
            let right = self.negation()?;
            left = Tree::Truth(Truth::And(Box::new([self.truth(left)?, self.truth(right)?])));
        }
        Ok(left)
    }

    fn negation(&mut self) -> Result<Tree, String> {
        if !self.name("not") {
            return self.comparison();
        }
        let inner = self.deeper(Reader::negation)?;
        Ok(Tree::Truth(Truth::Not(Box::new(self.truth(inner)?))))
    }

    fn comparison(&mut self) -> Result<Tree, String> {
        const HOLD: [(&str, Comparison); 7] = [
            ("<=", f64::le),
            (">=", f64::ge),
            ("<>", f64::ne),
            ("!=", f64::ne),
            ("<", f64::lt),
            (">", f64::gt),
            ("=", f64::eq),
        ];
        let left = self.sum()?;
        if let Some((_, holds)) = HOLD.into_iter().find(|(sign, _)| self.sign(sign)) {
            let right = self.sum()?;
            return Ok(Tree::Truth(Truth::Compare(holds, Box::new([self.number(left)?, self.number(right)?]))));
        }
        let negated = self.name("not");
        let truth = if self.name("between") {
            let left = self.number(left)?;
            let least = self.plain_sum()?;
            if !self.name("and") {
                return Err(self.expected("`and` of between"));
            }
            let most = self.plain_sum()?;
            let from = Truth::Compare(f64::ge, Box::new([left.clone(), least]));
            Truth::And(Box::new([from, Truth::Compare(f64::le, Box::new([left, most]))]))
        } else if self.name("in") {
            let left = self.number(left)?;
            let any = self.list()?.into_iter().map(|one| Truth::Compare(f64::eq, Box::new([left.clone(), one])));
            any.reduce(|a, b| Truth::Or(Box::new([a, b]))).expect("a list holds at least one")
        } else if negated {
            return Err(self.expected("`between` or `in`"));
        } else {
            return Ok(left);
        };
        Ok(Tree::Truth(if negated { Truth::Not(Box::new(truth)) } else { truth }))
    }

    /// Numbers in parentheses, at least one.
    fn list(&mut self) -> Result<Vec<Number>, String> {
        self.must("(")?;
        let mut list = vec![self.plain_sum()?];
        while self.sign(",") {
            list.push(self.plain_sum()?);
        }
        self.must(")")?;
        Ok(list)
    }

    fn plain_sum(&mut self) -> Result<Number, String> {
        let sum = self.sum()?;
        self.number(sum)
    }

    fn sum(&mut self) -> Result<Tree, String> {
        let mut left = self.product()?;
        loop {
            let make = match () {
                () if self.sign("+") => Number::Sum,
                () if self.sign("-") => Number::Difference,
                () => return Ok(left),
            };
            let right = self.product()?;
            left = Tree::Number(make(Box::new([self.number(left)?, self.number(right)?])));
        }
    }

    fn product(&mut self) -> Result<Tree, String> {
        let mut left = self.factor()?;
        loop {
            let make = match () {
                () if self.sign("*") => Number::Product,
                () if self.sign("/") => Number::Quotient,
                () => return Ok(left),
            };
            let right = self.factor()?;
            left = Tree::Number(make(Box::new([self.number(left)?, self.number(right)?])));
        }
    }

    fn factor(&mut self) -> Result<Tree, String> {
        if self.sign("-") {
            let inner = self.deeper(Reader::factor)?;
            return Ok(Tree::Number(Number::Difference(Box::new([Number::Given(0.0), self.number(inner)?]))));
        }
        if self.sign("(") {
            let inner = self.deeper(Reader::either)?;
            self.must(")")?;
            return Ok(inner);
        }
        let number = match self.peek() {
            Some(Word::Number(number)) => Number::Given(*number),
            Some(Word::Name(name)) => match columns(self.axis).find(|column| column.name == name) {
                Some(column) => Number::Of(*column),
                None => return self.function().map(Tree::Number),
            },
            _ => return Err(self.expected("a number or a column")),
        };
        self.at += 1;
        Ok(Tree::Number(number))
    }

    fn function(&mut self) -> Result<Number, String> {
        if self.name("abs") {
            let mut list = self.deeper(Reader::list)?;
            return match (list.pop(), list.pop()) {
                (Some(only), None) => Ok(Number::Abs(Box::new(only))),
                _ => Err(self.expected("one number in abs()")),
            };
        }
        if self.name("coalesce") {
            return self.deeper(Reader::list).map(Number::Coalesce);
        }
        let names: Vec<&str> = columns(self.axis).map(|column| column.name).collect();
        Err(self.expected(&format!("a number, abs, coalesce or a column: {}", names.join(", "))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> WindowRow {
        WindowRow { plays: 10, payable: 8, skipped: 2, tracks: 4, ..WindowRow::default() }
    }

    fn holds(text: &str) -> bool {
        Condition::read(text, Axis::Account).unwrap_or_else(|error| panic!("{text}: {error}")).holds(&row())
    }

    #[test]
    fn a_condition_says_what_sql_says() {
        for (text, says) in [
            ("plays >= 10 and skipped * 5 <= plays", true),
            ("Plays > 10 OR payable / plays = .8", true),
            ("not plays = 10", false),
            ("plays between 10 and 12 and tracks not in (1, 2)", true),
            ("plays not between 10 and 12", false),
            ("2 + 2 * 3 = 8 and (2 + 2) * 3 = 12 and 8 - 2 - 2 = 4 and 8 / 2 / 2 = 2", true),
            ("-plays < - 9.5 and abs(tracks - plays) = 6", true),
            ("plays = 1 or plays = 10 and tracks = 4", true),
            // What is divided by 0 is null: neither it nor its opposite holds.
            ("plays / offline > 1", false),
            ("not plays / offline > 1", false),
            ("plays / offline > 1 or plays = 10", true),
            ("not (plays / offline > 1 and plays = 9)", true),
            ("coalesce(plays / offline, 7) = 7", true),
        ] {
            assert_eq!(holds(text), says, "{text}");
        }
    }

    #[test]
    fn a_mistake_is_named_with_what_was_expected() {
        let deep = format!("{}plays > 1{}", "(".repeat(90), ")".repeat(90));
        let long = format!("plays > 1{}", " and plays > 1".repeat(90_000));
        for (text, words) in [
            ("playz > 1", vec!["`playz` as word 1", "column", "plays, payable"]),
            ("listeners > 1", vec!["`listeners`"]),
            ("plays >", vec!["the end as word 3"]),
            ("plays", vec!["a number", "a comparison"]),
            ("plays > 1 > 2", vec!["`>` as word 4"]),
            ("(plays > 1) + 1 > 2", vec!["a comparison", "expected a number"]),
            ("plays > 1 and 3", vec!["a number", "a comparison"]),
            ("plays > 1; drop table t", vec!["';'"]),
            ("plays > 1 -- all", vec!["a comment"]),
            ("exists (select 1)", vec!["`exists`"]),
            ("plays > 1.2.3", vec!["`1.2.3`", "a number"]),
            ("plays > 'x'", vec!["'\\''"]),
            ("plays not 3", vec!["between"]),
            ("plays between 1 or 2", vec!["`and` of between"]),
            ("", vec!["the end"]),
            (&deep, vec!["more than 50"]),
            (&long, vec!["at most 1000"]),
        ] {
            let error = Condition::read(text, Axis::Account).expect_err(text);
            for word in words {
                assert!(error.contains(word), "{word} in: {error}");
            }
        }
    }
}
