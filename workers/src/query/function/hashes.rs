//! How many different texts there are at least, by their hashes.

use deltalake::arrow::array::{Array, ArrayRef, AsArray};
use deltalake::datafusion::common::hash_utils::{RandomState, create_hashes};
use deltalake::datafusion::common::{Result, ScalarValue, internal_err};
use deltalake::datafusion::logical_expr::Accumulator;

/// All accumulators of a statement must hash alike.
const SEED: u64 = 0x5eed;

/// The hashes of all texts, in any order.
#[derive(Debug, Default)]
pub(super) struct Hashes {
    hashes: Vec<u64>,
}

impl Accumulator for Hashes {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let [texts] = values else { return internal_err!("one column is counted") };
        let mut hashes = vec![0; texts.len()];
        create_hashes([texts], &RandomState::with_seed(SEED), &mut hashes)?;
        match texts.nulls() {
            None => self.hashes.append(&mut hashes),
            Some(nulls) => self.hashes.extend(nulls.valid_indices().map(|at| hashes[at])),
        }
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        // Those that were merged are sorted already, run by run, which this sort makes use of.
        self.hashes.sort();
        self.hashes.dedup();
        Ok(ScalarValue::Int64(Some(self.hashes.len() as i64)))
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.hashes.capacity() * size_of::<u64>()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        self.hashes.sort_unstable();
        let mut bytes = Vec::with_capacity(size_of_val(&*self.hashes));
        for hash in &self.hashes {
            bytes.extend_from_slice(&hash.to_le_bytes());
        }
        Ok(vec![ScalarValue::LargeBinary(Some(bytes))])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        for bytes in states[0].as_binary::<i64>().iter().flatten() {
            self.hashes.extend(bytes.as_chunks().0.iter().copied().map(u64::from_le_bytes));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::json;
    use super::super::super::session::Session;

    #[tokio::test]
    async fn texts_are_counted_once_wherever_they_stand() {
        let session = Session::beside(256, 1).unwrap();
        let sql = "select sw_distinct_least(k) as least, count(distinct k) as exact, count(k) as keyed, count(*) as rows from (\
            select case when value % 10 = 0 then null else 'order-' || cast(value % 70001 as varchar) end as k \
            from generate_series(1, 100000)) as t";
        let batches = session.context.sql(sql).await.unwrap().collect().await.unwrap();
        let found = &json::rows(&batches).unwrap()[0];
        assert_eq!(found["least"], found["exact"]);
        assert!(found["exact"].as_u64() < found["keyed"].as_u64() && found["keyed"] == 90_000, "{found:?}");
        let none =
            "select sw_distinct_least(k) as least from (select cast(null as varchar) as k) as t where k is not null";
        let batches = session.context.sql(none).await.unwrap().collect().await.unwrap();
        assert_eq!(json::rows(&batches).unwrap()[0]["least"], 0);
    }
}
