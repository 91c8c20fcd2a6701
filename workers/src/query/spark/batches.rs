//! Rows in and out: Arrow's IPC format is what Spark Connect carries, whatever version of Arrow the server has.

use std::io::Cursor;

use bytes::Bytes;
use deltalake::arrow::array::RecordBatch;
use deltalake::arrow::datatypes::SchemaRef;
use deltalake::arrow::error::ArrowError;
use deltalake::arrow::ipc::reader::StreamReader;
use deltalake::arrow::ipc::writer::StreamWriter;
use futures::stream::BoxStream;

use super::failure::Failure;

/// Batches as they come from a server.
pub(super) type Batches = BoxStream<'static, Result<RecordBatch, Failure>>;

/// The batches of one message; an empty one if there are none, for its columns.
pub(super) fn decode(data: Bytes) -> Result<Vec<RecordBatch>, ArrowError> {
    let reader = StreamReader::try_new(Cursor::new(data), None)?;
    let schema = reader.schema();
    let mut batches = reader.collect::<Result<Vec<_>, _>>()?;
    if batches.is_empty() {
        batches.push(RecordBatch::new_empty(schema));
    }
    Ok(batches)
}

/// Batches of one schema as one message.
pub(super) fn encode(schema: &SchemaRef, batches: &[RecordBatch]) -> Result<Bytes, ArrowError> {
    let mut writer = StreamWriter::try_new(Vec::new(), schema)?;
    for batch in batches {
        writer.write(batch)?;
    }
    Ok(writer.into_inner()?.into())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use deltalake::arrow::array::{Int64Array, StringArray};

    use super::*;
    use crate::lake::{Kind, column};

    #[test]
    fn what_is_encoded_is_decoded_and_nothing_keeps_its_columns() {
        let schema = crate::lake::schema_of(&[column("a", Kind::Int64), column("b", Kind::Text)]);
        let batch = RecordBatch::try_new(
            schema.clone(),
            vec![Arc::new(Int64Array::from(vec![Some(1), None])), Arc::new(StringArray::from(vec![None, Some("x")]))],
        )
        .unwrap();
        assert_eq!(decode(encode(&schema, std::slice::from_ref(&batch)).unwrap()).unwrap(), [batch]);
        let nothing = decode(encode(&schema, &[]).unwrap()).unwrap();
        assert_eq!((nothing[0].num_rows(), nothing[0].schema()), (0, schema));
        assert!(decode(Bytes::from_static(b"torn")).is_err());
    }
}
