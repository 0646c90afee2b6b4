//! Many rows in few statements.

use crate::StoreError;
use crate::db::{Arg, Tx};

/// Rows of one statement. Few sizes, so that the prepared ones are found again.
const SIZES: [usize; 3] = [64, 8, 1];

/// Inserts rows. `columns` as in SQL; `suffix` is what follows the values, such as `ON CONFLICT DO NOTHING`.
pub(crate) async fn insert(
    tx: &mut Tx,
    table: &str,
    columns: &str,
    suffix: &str,
    rows: Vec<Vec<Arg>>,
) -> Result<u64, StoreError> {
    let width = columns.split(',').count();
    let mut rows = rows.into_iter();
    let mut inserted = 0;
    for size in SIZES {
        while rows.len() >= size {
            let values: Vec<String> = (0..size).map(|row| places(row * width, width)).collect();
            let sql = format!("INSERT INTO {table} ({columns}) VALUES {} {suffix}", values.join(", "));
            inserted += tx.execute(&sql, rows.by_ref().take(size).flatten().collect()).await?;
        }
    }
    Ok(inserted)
}

/// `($1, $2, …)` after `before` other places.
pub(crate) fn places(before: usize, count: usize) -> String {
    let places: Vec<String> = (before + 1..=before + count).map(|place| format!("${place}")).collect();
    format!("({})", places.join(", "))
}
