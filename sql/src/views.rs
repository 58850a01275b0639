//! What can be asked: tables, and all their rows as of one instant.

use std::sync::Arc;

use datasets::tables::{Holds, Rows};
use records::{Deed, Millis};

/// A table and what is to be known about it.
#[derive(Clone, Debug)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// What a row of it means.
    pub comment: String,
    /// Its columns: names, and what they hold.
    pub columns: Vec<(&'static str, Holds)>,
    /// What each column means, in their order; empty where nothing is said.
    pub column_comments: Vec<String>,
    /// What one must be allowed to do to read it.
    pub deed: Deed,
}

/// Who keeps tables current.
pub trait Views: Send + Sync + 'static {
    /// The tables; they stay the same while the service runs.
    fn tables(&self) -> Vec<Table>;

    /// All tables as of the instant that is stated now; they do not change any more, whatever happens meanwhile.
    fn now(&self) -> Arc<dyn Moment>;

    /// Whether there is memory left for queries; what runs is ended otherwise, before anything else suffers.
    fn has_room(&self) -> bool;
}

/// All tables as of one instant.
pub trait Moment: Send + Sync + 'static {
    /// Which instant; `None` before anything is stated.
    fn as_of(&self) -> Option<Millis>;

    /// The rows of a table that can fulfil all of `equal`, and maybe others; those about accounts only for who may read what single accounts did.
    fn scan(self: Arc<Self>, table: &str, equal: &[Equal], with_accounts: bool) -> Box<dyn Scan>;
}

/// Rows, some at a time.
pub trait Scan: Send {
    /// Pushes the next rows, at most so many; whether there may be more.
    fn push(&mut self, rows_max: usize, to: &mut Rows) -> bool;
}

/// A condition: the column is one of these values.
#[derive(Clone, Debug, PartialEq)]
pub struct Equal {
    /// The name of the column.
    pub column: String,
    /// The values.
    pub any_of: Vec<Value>,
}

/// A value that a column is compared with.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A text.
    Text(String),
    /// A number.
    Number(u64),
}
