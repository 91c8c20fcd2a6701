//! Short stand-ins for keys.

use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use deltalake::arrow::array::Int64Array;
use deltalake::arrow::datatypes::DataType;
use deltalake::datafusion::common::Result;
use deltalake::datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

/// Its name in statements.
pub(in crate::query) const STAND_IN: &str = "sw_stand_in";

/// `sw_stand_in(key)`: a number for each row, no two alike, for a key that no two rows share. Joining by it, and counting it,
/// costs less than text. It is another one each time it is computed, so **only a result that is kept may have it**.
pub(in crate::query) fn stand_in() -> ScalarUDF {
    let signature = Signature::any(1, Volatility::Volatile);
    ScalarUDF::new_from_impl(StandIn { next: Arc::default(), signature })
}

/// Numbers are handed out in ranges, so that a column of them is dense.
#[derive(Debug)]
struct StandIn {
    next: Arc<AtomicI64>,
    signature: Signature,
}

impl PartialEq for StandIn {
    fn eq(&self, other: &StandIn) -> bool {
        Arc::ptr_eq(&self.next, &other.next)
    }
}

impl Eq for StandIn {}

impl Hash for StandIn {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.next).hash(state);
    }
}

impl ScalarUDFImpl for StandIn {
    fn name(&self) -> &str {
        STAND_IN
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Int64)
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = arguments.number_rows as i64;
        let first = self.next.fetch_add(rows, Ordering::Relaxed);
        Ok(ColumnarValue::Array(Arc::new(Int64Array::from_iter_values(first..first + rows))))
    }
}
