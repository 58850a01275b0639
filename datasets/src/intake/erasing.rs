//! Takes what was sent of an account out of rows of the log.

use arrow::array::{AsArray, BooleanArray, RecordBatch};
use arrow::compute::{cast, filter_record_batch};
use arrow::datatypes::DataType;
use arrow::error::ArrowError;

use super::pseudonyms::{ACCOUNT, OF_SUBJECTS, Whose};
use super::{Ids, batches, stream};
use crate::Error;
use crate::log::Rows;

/// An account that is to be forgotten.
pub struct Erasure {
    /// Its id as the platform knows it.
    id: String,
    /// Its id in tables.
    in_tables: String,
}

impl Erasure {
    /// Of the account with this id.
    pub fn of(id: &str, ids: &Ids) -> Erasure {
        let pseudonyms = ids.pseudonyms.as_ref();
        let in_tables = pseudonyms.map_or_else(|| id.to_owned(), |made| made.of(Whose::Account, id, &ids.kinds));
        Erasure { id: id.to_owned(), in_tables }
    }

    /// Its id in tables.
    pub fn id_in_tables(&self) -> &str {
        &self.in_tables
    }

    /// Takes its rows out: plays, its row of accounts, playlists of its own, labels and rulings about it, and rows that could not be read
    /// and name it. How many those were.
    ///
    /// # Errors
    /// When the rows cannot be read; then they stay.
    pub fn take_out(&self, rows: &mut Rows, ids: &Ids) -> Result<u64, Error> {
        let before = batches(&rows.columns)?;
        let after: Vec<RecordBatch> = before
            .iter()
            .map(|batch| self.others(rows.table, batch))
            .collect::<Result<_, ArrowError>>()
            .map_err(|error| Error::Input(format!("rows of {} cannot be read: {error}", rows.table)))?;
        let count = |batches: &[RecordBatch]| batches.iter().map(RecordBatch::num_rows).sum::<usize>();
        let letters = rows.refused.len();
        let opened = |raw: &str| ids.pseudonyms.as_ref().and_then(|pseudonyms| pseudonyms.open(raw));
        rows.refused.retain(|row| !opened(&row.raw).as_ref().unwrap_or(&row.raw).contains(&self.id));
        let taken = count(&before) - count(&after);
        if taken > 0 {
            rows.columns = stream(&after)?;
        }
        Ok((taken + letters - rows.refused.len()) as u64)
    }

    fn others(&self, table: &str, batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
        let schema = batch.schema();
        let of_accounts =
            schema.fields().iter().position(|field| Whose::of_column(table, field.name()) == Some(Whose::Account));
        let texts = |column: &str| batch.column_by_name(column).map(|column| cast(column, &DataType::Utf8)).transpose();
        let is_its: BooleanArray = if let Some(column) = of_accounts {
            let accounts = cast(batch.column(column), &DataType::Utf8)?;
            accounts.as_string::<i32>().iter().map(|id| Some(id == Some(self.in_tables.as_str()))).collect()
        } else if let (true, Some(subjects), Some(ids)) =
            (OF_SUBJECTS.contains(&table), texts("subject")?, texts("subject_id")?)
        {
            let both = subjects.as_string::<i32>().iter().zip(ids.as_string::<i32>().iter());
            both.map(|(subject, id)| Some(subject == Some(ACCOUNT) && id == Some(self.in_tables.as_str()))).collect()
        } else {
            return Ok(batch.clone());
        };
        filter_record_batch(batch, &arrow::compute::not(&is_its)?)
    }
}
