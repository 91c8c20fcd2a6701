//! How many different integers there are, in little memory.

use std::io::Cursor;
use std::sync::Arc;

use deltalake::arrow::array::{ArrayRef, AsArray};
use deltalake::arrow::datatypes::{DataType, Field, FieldRef, Int64Type};
use deltalake::datafusion::common::{DataFusionError, Result, ScalarValue};
use deltalake::datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use deltalake::datafusion::logical_expr::{Accumulator, AggregateUDF, AggregateUDFImpl, Signature, Volatility};
use roaring::RoaringTreemap;

/// Its name in statements.
pub(in crate::query) const DISTINCT: &str = "sw_distinct";

/// `sw_distinct(x)`: `count(distinct x)` of integers. It holds a bitmap: two bytes for each of numbers that are spread over 32
/// bits, less where they lie together; numbers spread over 64 bits take more than a set of them would.
pub(in crate::query) fn distinct() -> AggregateUDF {
    AggregateUDF::new_from_impl(Distinct { signature: Signature::exact(vec![DataType::Int64], Volatility::Immutable) })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Distinct {
    signature: Signature,
}

impl AggregateUDFImpl for Distinct {
    fn name(&self) -> &str {
        DISTINCT
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Int64)
    }

    fn accumulator(&self, _: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        Ok(Box::<Seen>::default())
    }

    fn state_fields(&self, arguments: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        Ok(vec![Arc::new(Field::new(format!("{}[seen]", arguments.name), DataType::Binary, true))])
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
        self.numbers.extend(values[0].as_primitive::<Int64Type>().iter().flatten().map(i64::cast_unsigned));
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
        Ok(vec![ScalarValue::Binary(Some(bytes))])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        for bytes in states[0].as_binary::<i32>().iter().flatten() {
            self.numbers |= RoaringTreemap::deserialize_from(Cursor::new(bytes)).map_err(DataFusionError::from)?;
        }
        Ok(())
    }
}
