//! The search for first rows in one stream. A batch is handed on when it is known whether its last group goes on.

use std::sync::Arc;

use deltalake::arrow::array::{ArrayRef, RecordBatch, UInt64Array};
use deltalake::arrow::compute::kernels::cmp::not_distinct;
use deltalake::arrow::compute::{LexicographicalComparator, SortColumn, concat, partition};
use deltalake::arrow::datatypes::SchemaRef;
use deltalake::datafusion::common::Result;
use deltalake::datafusion::physical_expr::{PhysicalExpr, PhysicalSortExpr};

use super::{FIRST, OTHER};

/// The search in one stream.
pub(super) struct Search {
    groups: Vec<Arc<dyn PhysicalExpr>>,
    order: Vec<PhysicalSortExpr>,
    schema: SchemaRef,
    pending: Option<Pending>,
}

/// A batch whose last group may go on.
struct Pending {
    batch: RecordBatch,
    numbers: Vec<u64>,
    /// The last group: arrays of one value.
    group: Vec<ArrayRef>,
    best: Candidate,
}

/// The first row of a group, as far as the group is known.
struct Candidate {
    /// What it is compared by: arrays of one value.
    order: Vec<ArrayRef>,
    place: Place,
}

enum Place {
    /// A row of the pending batch.
    At(usize),
    /// A row by itself: the batch it came in has been handed on.
    Apart(RecordBatch),
}

impl Search {
    /// Of rows with these columns and a number.
    pub(super) fn new(groups: Vec<Arc<dyn PhysicalExpr>>, order: Vec<PhysicalSortExpr>, schema: SchemaRef) -> Search {
        Search { groups, order, schema, pending: None }
    }

    /// The batches that are ready once this one has come.
    pub(super) fn take(&mut self, batch: RecordBatch) -> Result<Vec<RecordBatch>> {
        let rows = batch.num_rows();
        let mut ready = Vec::new();
        if rows == 0 {
            return Ok(ready);
        }
        let evaluate = |expression: &Arc<dyn PhysicalExpr>| expression.evaluate(&batch)?.into_array(rows);
        let groups = self.groups.iter().map(evaluate).collect::<Result<Vec<_>>>()?;
        let order = self.order.iter().map(|sorted| evaluate(&sorted.expr)).collect::<Result<Vec<_>>>()?;
        let row = |columns: &[ArrayRef], at: usize| -> Vec<ArrayRef> {
            columns.iter().map(|column| column.slice(at, 1)).collect()
        };
        let ranges = partition(&groups)?.ranges();
        let last = ranges.len() - 1;
        let mut numbers = vec![FIRST; rows];
        let mut comparator = None;
        let mut open = self.pending.take();
        let mut best = None;
        for (index, range) in ranges.into_iter().enumerate() {
            let mut at = range.start;
            if range.len() > 1 && !order.is_empty() {
                let compared = match &comparator {
                    Some(comparator) => comparator,
                    None => comparator.insert(LexicographicalComparator::try_new(&self.sorted(&order))?),
                };
                at = range
                    .clone()
                    .reduce(|a, b| if compared.compare(b, a).is_lt() { b } else { a })
                    .expect("it has rows");
            }
            if range.len() > 1 {
                numbers[range].fill(OTHER);
                numbers[at] = FIRST;
            }
            // Nearly all groups begin and end here.
            if index > 0 && index < last {
                continue;
            }
            let mut found = Candidate { order: row(&order, at), place: Place::At(at) };
            if let Some(before) = open.take() {
                found = match same(&before.group, &row(&groups, 0))? {
                    true => self.go_on(before, found, &mut numbers, &mut ready)?,
                    false => {
                        self.settle(before, &mut ready)?;
                        found
                    }
                };
            }
            match found.place {
                _ if index == last => best = Some(found),
                Place::Apart(row) => ready.push(self.numbered(&row, &[FIRST])?),
                Place::At(_) => {}
            }
        }
        let best = best.expect("there is a last group");
        self.pending = Some(Pending { group: row(&groups, rows - 1), batch, numbers, best });
        Ok(ready)
    }

    /// What is left when the input ends.
    pub(super) fn end(&mut self) -> Result<Vec<RecordBatch>> {
        let mut ready = Vec::new();
        if let Some(pending) = self.pending.take() {
            self.settle(pending, &mut ready)?;
        }
        Ok(ready)
    }

    /// A group that does not go on has its first row.
    fn settle(&self, pending: Pending, ready: &mut Vec<RecordBatch>) -> Result<()> {
        if let Place::Apart(row) = &pending.best.place {
            ready.push(self.numbered(row, &[FIRST])?);
        }
        ready.push(self.numbered(&pending.batch, &pending.numbers)?);
        Ok(())
    }

    /// A group goes on into the next batch, where its first row is `found`: that one or the one before is it. `numbers` are those
    /// of the next batch.
    fn go_on(
        &self,
        mut before: Pending,
        found: Candidate,
        numbers: &mut [u64],
        ready: &mut Vec<RecordBatch>,
    ) -> Result<Candidate> {
        if self.precedes(&found, &before.best)? {
            match before.best.place {
                Place::At(at) => before.numbers[at] = OTHER,
                Place::Apart(row) => ready.push(self.numbered(&row, &[OTHER])?),
            }
            ready.push(self.numbered(&before.batch, &before.numbers)?);
            return Ok(found);
        }
        if let Place::At(at) = found.place {
            numbers[at] = OTHER;
        }
        let place = match before.best.place {
            Place::At(at) => {
                let rows = before.batch.num_rows();
                for part in [0..at, at + 1..rows].into_iter().filter(|part| !part.is_empty()) {
                    let batch = before.batch.slice(part.start, part.len());
                    ready.push(self.numbered(&batch, &before.numbers[part])?);
                }
                Place::Apart(before.batch.slice(at, 1))
            }
            apart => {
                ready.push(self.numbered(&before.batch, &before.numbers)?);
                apart
            }
        };
        Ok(Candidate { order: before.best.order, place })
    }

    /// Whether one comes before the other.
    fn precedes(&self, one: &Candidate, other: &Candidate) -> Result<bool> {
        let both = one.order.iter().zip(&other.order).map(|(one, other)| concat(&[one.as_ref(), other.as_ref()]));
        let both = both.collect::<std::result::Result<Vec<_>, _>>()?;
        Ok(!both.is_empty() && LexicographicalComparator::try_new(&self.sorted(&both))?.compare(0, 1).is_lt())
    }

    fn sorted(&self, values: &[ArrayRef]) -> Vec<SortColumn> {
        let columns = values.iter().zip(&self.order);
        columns.map(|(values, by)| SortColumn { values: values.clone(), options: Some(by.options) }).collect()
    }

    fn numbered(&self, batch: &RecordBatch, numbers: &[u64]) -> Result<RecordBatch> {
        let mut columns = batch.columns().to_vec();
        columns.push(Arc::new(UInt64Array::from(numbers.to_vec())));
        Ok(RecordBatch::try_new(self.schema.clone(), columns)?)
    }
}

/// Whether arrays of one value each say the same.
fn same(one: &[ArrayRef], other: &[ArrayRef]) -> Result<bool> {
    for (one, other) in one.iter().zip(other) {
        if !not_distinct(one, other)?.value(0) {
            return Ok(false);
        }
    }
    Ok(true)
}
