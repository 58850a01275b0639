//! Feature rows as columns: the input of everything that learns or scores.

use thiserror::Error;

/// Columns of equal length, one per feature; NaN is a missing value.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    names: Vec<String>,
    columns: Vec<Vec<f32>>,
    rows: usize,
}

/// Why columns are no table.
#[derive(Debug, Error, PartialEq)]
#[allow(missing_docs)]
pub enum TableError {
    #[error("{names} names were given for {columns} columns")]
    Names { names: usize, columns: usize },
    #[error("column {name} has {got} rows, the first column has {expected}")]
    Length { name: String, expected: usize, got: usize },
    #[error("column {name} stands twice")]
    Twice { name: String },
    #[error("column {name}, row {row}: {value} is neither a finite number nor missing")]
    Infinite { name: String, row: usize, value: f32 },
}

impl Table {
    /// Makes a table of named columns.
    ///
    /// # Errors
    /// When names and columns do not fit together, a name stands twice, or a value is infinite.
    pub fn new(names: Vec<String>, columns: Vec<Vec<f32>>) -> Result<Table, TableError> {
        if names.len() != columns.len() {
            return Err(TableError::Names { names: names.len(), columns: columns.len() });
        }
        let rows = columns.first().map_or(0, Vec::len);
        for (at, (name, column)) in names.iter().zip(&columns).enumerate() {
            if names[..at].contains(name) {
                return Err(TableError::Twice { name: name.clone() });
            }
            if column.len() != rows {
                return Err(TableError::Length { name: name.clone(), expected: rows, got: column.len() });
            }
            if let Some(row) = column.iter().position(|value| value.is_infinite()) {
                return Err(TableError::Infinite { name: name.clone(), row, value: column[row] });
            }
        }
        Ok(Table { names, columns, rows })
    }

    /// How many rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The names of the features, in the order of the columns.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The columns.
    pub fn columns(&self) -> &[Vec<f32>] {
        &self.columns
    }

    /// One row, in the order of the columns.
    pub fn row(&self, row: usize) -> Vec<f32> {
        self.columns.iter().map(|column| column[row]).collect()
    }

    /// The columns of these names, in this order; `Err` names the first that is none.
    ///
    /// # Errors
    /// A name that no column has.
    pub fn only<'a>(&self, names: &'a [String]) -> Result<Table, &'a str> {
        let column = |name: &'a String| {
            let at = self.names.iter().position(|known| known == name);
            at.map(|at| self.columns[at].clone()).ok_or(name.as_str())
        };
        let columns = names.iter().map(column).collect::<Result<_, _>>()?;
        Ok(Table { names: names.to_vec(), columns, rows: self.rows })
    }

    /// The rows of these numbers, in this order.
    pub fn pick(&self, rows: &[usize]) -> Table {
        let pick = |column: &Vec<f32>| rows.iter().map(|row| column[*row]).collect();
        Table { names: self.names.clone(), columns: self.columns.iter().map(pick).collect(), rows: rows.len() }
    }
}
