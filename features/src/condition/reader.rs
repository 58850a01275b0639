//! Reads a condition: its text into words, its words into a tree, typed against the columns that it names.

use super::{Comparison, Number, Truth};
use crate::attributes::{Attribute, Kind};
use crate::condition::table::{Seen, Table};

/// Parentheses, signs and negations may stand inside each other this deep.
const DEPTH_MAX: usize = 50;
/// What a condition is made of at most.
const WORDS_MAX: usize = 1_000;

#[derive(Clone, Debug, PartialEq)]
enum Word {
    Number(f64),
    /// In lower case; with points between its parts.
    Name(String),
    /// What stood between quotes.
    Text(String),
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
            let length = length_of(|c| c.is_ascii_alphanumeric() || c == '_' || c == '.');
            words.push(Word::Name(rest[..length].to_ascii_lowercase()));
            length
        } else if first == '\'' {
            let (text, length) = quoted(rest)?;
            words.push(Word::Text(text));
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

/// The text between the quotes that it begins with, in which a quote is written twice, and how much that takes.
fn quoted(rest: &str) -> Result<(String, usize), String> {
    let mut text = String::new();
    let mut at = 1;
    loop {
        let length = rest[at..].find('\'').ok_or("found a text without an end, expected a quote after it")?;
        text.push_str(&rest[at..at + length]);
        at += length + 1;
        if !rest[at..].starts_with('\'') {
            return Ok((text, at));
        }
        text.push('\'');
        at += 1;
    }
}

enum Tree {
    Number(Number),
    /// A column that is a text.
    Text(u16),
    Truth(Truth),
}

/// Reads the words of a condition from left to right.
pub(super) struct Reader {
    words: Vec<Word>,
    at: usize,
    table: Table,
    depth: usize,
    /// The columns that it read, each once.
    pub columns: Vec<Seen>,
    /// The words that texts are compared with, each once.
    pub compared: Vec<String>,
}

impl Reader {
    pub fn new(text: &str, table: Table) -> Result<Reader, String> {
        Ok(Reader { words: words(text)?, at: 0, table, depth: 0, columns: Vec::new(), compared: Vec::new() })
    }

    /// The whole condition.
    pub fn whole(&mut self) -> Result<Truth, String> {
        let tree = self.either()?;
        let truth = self.truth(tree)?;
        match self.peek() {
            None => Ok(truth),
            Some(_) => Err(self.expected("`and`, `or` or the end")),
        }
    }

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
            Some(Word::Text(text)) => format!("'{text}'"),
            Some(Word::Sign(sign)) => format!("`{sign}`"),
        };
        format!("found {found} as word {}, expected {what}", self.at + 1)
    }

    fn truth(&self, tree: Tree) -> Result<Truth, String> {
        match tree {
            Tree::Truth(truth) => Ok(truth),
            Tree::Number(_) => Err(format!("found a number before word {}, expected a comparison", self.at + 1)),
            Tree::Text(column) => Err(self.misused(column)),
        }
    }

    fn number(&self, tree: Tree) -> Result<Number, String> {
        match tree {
            Tree::Number(number) => Ok(number),
            Tree::Truth(_) => Err(format!("found a comparison before word {}, expected a number", self.at + 1)),
            Tree::Text(column) => Err(self.misused(column)),
        }
    }

    /// What is wrong where a column that is a text stands where it cannot.
    fn misused(&self, column: u16) -> String {
        let (_, _, name) = self.columns[usize::from(column)].key();
        self.expected(&format!("=, <>, in (...) or is null after {name}, which is a text"))
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
        let left = match self.sum()? {
            Tree::Text(column) => return self.of_text(column).map(Tree::Truth),
            left => left,
        };
        if let Some((_, holds)) = HOLD.into_iter().find(|(sign, _)| self.sign(sign)) {
            let right = self.sum()?;
            return Ok(Tree::Truth(Truth::Compare(holds, Box::new([self.number(left)?, self.number(right)?]))));
        }
        if self.name("is") {
            let left = self.number(left)?;
            return self.null(left).map(Tree::Truth);
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

    /// What a text is compared with.
    fn of_text(&mut self, column: u16) -> Result<Truth, String> {
        if self.name("is") {
            return self.null(Number::Of(column));
        }
        let is_other = self.sign("<>") || self.sign("!=");
        if is_other || self.sign("=") {
            let is = Truth::Is(column, self.text(column)?);
            return Ok(if is_other { Truth::Not(Box::new(is)) } else { is });
        }
        let negated = self.name("not");
        if !self.name("in") {
            return Err(self.misused(column));
        }
        self.must("(")?;
        let mut any = Truth::Is(column, self.text(column)?);
        while self.sign(",") {
            any = Truth::Or(Box::new([any, Truth::Is(column, self.text(column)?)]));
        }
        self.must(")")?;
        Ok(if negated { Truth::Not(Box::new(any)) } else { any })
    }

    /// After `is`: whether it is null.
    fn null(&mut self, number: Number) -> Result<Truth, String> {
        let negated = self.name("not");
        if !self.name("null") {
            return Err(self.expected("`null` or `not null`"));
        }
        let null = Truth::Null(number);
        Ok(if negated { Truth::Not(Box::new(null)) } else { null })
    }

    /// The place of a text in quotes that the column can be.
    fn text(&mut self, column: u16) -> Result<u16, String> {
        let Some(Word::Text(text)) = self.peek() else { return Err(self.expected("a text in quotes, such as 'BR'")) };
        if let Seen::Told(Attribute { kind: Kind::Word(known, _), .. }) = &self.columns[usize::from(column)]
            && !known.contains(&text.as_str())
        {
            return Err(self.expected(&format!("one of '{}'", known.join("', '"))));
        }
        let text = text.clone();
        self.at += 1;
        Ok(place_of(&mut self.compared, text, |a, b| a == b))
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
        let tree = match self.peek() {
            Some(Word::Number(number)) => Tree::Number(Number::Given(*number)),
            Some(Word::Name(name)) => match self.table.column(name) {
                Some(seen) => {
                    let column = place_of(&mut self.columns, seen, |a, b| a.key() == b.key());
                    match () {
                        () if seen.is_text() => Tree::Text(column),
                        () if seen.ages() => Tree::Number(Number::Hours(column)),
                        () => Tree::Number(Number::Of(column)),
                    }
                }
                None => return self.function().map(Tree::Number),
            },
            _ => return Err(self.expected("a number or a column")),
        };
        self.at += 1;
        Ok(tree)
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
        let name = match self.peek() {
            Some(Word::Name(name)) => name.as_str(),
            _ => "",
        };
        Err(self.expected(&self.table.expected(name)))
    }
}

/// Where it stands among those that are known, after it was put there if it was not.
fn place_of<T>(known: &mut Vec<T>, one: T, is_same: impl Fn(&T, &T) -> bool) -> u16 {
    let place = known.iter().position(|other| is_same(other, &one)).unwrap_or_else(|| {
        known.push(one);
        known.len() - 1
    });
    // A condition has at most a thousand words.
    place as u16
}
