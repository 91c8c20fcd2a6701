//! How many different values there are: of integers in little memory, of texts by their hashes.

use std::hash::{Hash, Hasher};
use std::io::Cursor;
use std::sync::Arc;

use deltalake::arrow::array::{Array, ArrayRef, AsArray};
use deltalake::arrow::datatypes::{DataType, Field, FieldRef, Int64Type};
use deltalake::datafusion::common::{DataFusionError, Result, ScalarValue};
use deltalake::datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use deltalake::datafusion::logical_expr::{Accumulator, AggregateUDF, AggregateUDFImpl, Signature, Volatility};
use roaring::{RoaringBitmap, RoaringTreemap};

use super::hashes::Hashes;

/// Fewer numbers are put in one by one; of more, a bitmap of their own is united with the one that is there.
const UNITED_MIN: usize = 64;

/// So many bits for each number are less work than sorting.
const BITS_MAX: usize = 128;

/// Its name in statements.
pub(in crate::query) const DISTINCT: &str = "sw_distinct";

/// Its name in statements.
pub(in crate::query) const DISTINCT_LEAST: &str = "sw_distinct_least";

/// `sw_distinct(x)`: `count(distinct x)` of integers. It holds a bitmap: two bytes for each of numbers that are spread over 32
/// bits, less where they lie together; numbers spread over 64 bits take more than a set of them would.
pub(in crate::query) fn distinct() -> AggregateUDF {
    counting::<Seen>(DISTINCT, DataType::Int64)
}

/// `sw_distinct_least(x)`: of texts, not more than `count(distinct x)`, and hardly ever less: only where two have the same hash of 64
/// bits. Where it is the number of rows, all are different for certain. It holds eight bytes for each row, half as much again at
/// the end, and does not spill.
pub(in crate::query) fn distinct_least() -> AggregateUDF {
    counting::<Hashes>(DISTINCT_LEAST, DataType::Utf8)
}

fn counting<A: Accumulator + Default + 'static>(name: &'static str, counted: DataType) -> AggregateUDF {
    let signature = Signature::exact(vec![counted], Volatility::Immutable);
    AggregateUDF::new_from_impl(Distinct { name, accumulator: || Box::<A>::default(), signature })
}

#[derive(Debug)]
struct Distinct {
    name: &'static str,
    accumulator: fn() -> Box<dyn Accumulator>,
    signature: Signature,
}

impl PartialEq for Distinct {
    fn eq(&self, other: &Distinct) -> bool {
        self.name == other.name
    }
}

impl Eq for Distinct {}

impl Hash for Distinct {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl AggregateUDFImpl for Distinct {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Int64)
    }

    fn accumulator(&self, _: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        Ok((self.accumulator)())
    }

    fn state_fields(&self, arguments: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        Ok(vec![Arc::new(Field::new(format!("{}[seen]", arguments.name), DataType::LargeBinary, true))])
    }

    fn default_value(&self, _: &DataType) -> Result<ScalarValue> {
        Ok(ScalarValue::Int64(Some(0)))
    }

    fn is_nullable(&self) -> bool {
        false
    }
}

#[derive(Debug, Default)]
struct Seen {
    numbers: RoaringTreemap,
}

impl Accumulator for Seen {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        // The bits of a number stand for it, whatever its sign.
        let values = values[0].as_primitive::<Int64Type>();
        let mut numbers: Vec<u64> = match values.nulls() {
            None => values.values().iter().copied().map(i64::cast_unsigned).collect(),
            Some(_) => values.iter().flatten().map(i64::cast_unsigned).collect(),
        };
        if numbers.len() < UNITED_MIN {
            self.numbers.extend(numbers);
            return Ok(());
        }
        if let Some(together) = lie_together(&numbers) {
            self.numbers |= RoaringTreemap::from_bitmaps([together]);
            return Ok(());
        }
        // Nothing is moved where they come in order, as keys often do.
        numbers.sort_unstable();
        numbers.dedup();
        self.numbers |= RoaringTreemap::from_bitmaps(numbers.chunk_by(|a, b| a >> 32 == b >> 32).map(|together| {
            let lower = together.iter().map(|number| *number as u32);
            ((together[0] >> 32) as u32, RoaringBitmap::from_sorted_iter(lower).expect("they are sorted"))
        }));
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(ScalarValue::Int64(Some(self.numbers.len().cast_signed())))
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.numbers.serialized_size()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let mut bytes = Vec::with_capacity(self.numbers.serialized_size());
        self.numbers.serialize_into(&mut bytes).map_err(DataFusionError::from)?;
        Ok(vec![ScalarValue::LargeBinary(Some(bytes))])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        for bytes in states[0].as_binary::<i64>().iter().flatten() {
            self.numbers |= RoaringTreemap::deserialize_from(Cursor::new(bytes)).map_err(DataFusionError::from)?;
        }
        Ok(())
    }
}

/// Numbers whose upper halves are one, as that and the bitmap of the lower ones, if not much lies between them: then each is one
/// bit to set, wherever it comes.
fn lie_together(numbers: &[u64]) -> Option<(u32, RoaringBitmap)> {
    let (least, most) = (*numbers.iter().min()?, *numbers.iter().max()?);
    // Where a container of the bitmap begins.
    let first = least & !0xffff;
    if least >> 32 != most >> 32 || most - first >= (numbers.len() * BITS_MAX) as u64 {
        return None;
    }
    let mut bytes = vec![0u8; (most - first) as usize / 8 + 1];
    for number in numbers {
        let bit = (number - first) as usize;
        bytes[bit / 8] |= 1 << (bit % 8);
    }
    Some(((least >> 32) as u32, RoaringBitmap::from_lsb0_bytes(first as u32, &bytes)))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use deltalake::arrow::array::{Int64Array, LargeBinaryArray};

    use super::*;

    #[test]
    fn numbers_of_any_spread_are_counted_once_in_batches_of_any_size() {
        let mut seed = 3u64;
        let mut next = || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            seed.cast_signed()
        };
        for shift in [0, 20, 40, 44, 47, 50, 60] {
            let numbers: Vec<Option<i64>> = (0..20_000).map(|n| (n % 13 > 0).then(|| next() >> shift)).collect();
            let different = numbers.iter().flatten().collect::<HashSet<_>>().len();
            for size in [1, 50, 8192] {
                let (mut halves, mut whole) = ([Seen::default(), Seen::default()], Seen::default());
                for (place, batch) in numbers.chunks(size).enumerate() {
                    let batch: ArrayRef = Arc::new(Int64Array::from(batch.to_vec()));
                    halves[place % 2].update_batch(&[batch]).unwrap();
                }
                for half in &mut halves {
                    let [ScalarValue::LargeBinary(Some(state))] = &half.state().unwrap()[..] else {
                        panic!("one state")
                    };
                    whole.merge_batch(&[Arc::new(LargeBinaryArray::from(vec![state.as_slice()]))]).unwrap();
                }
                let expected = ScalarValue::Int64(Some(different as i64));
                assert_eq!(whole.evaluate().unwrap(), expected, "spread by {shift}, batches of {size}");
            }
        }
    }
}
