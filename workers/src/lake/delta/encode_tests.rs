use std::path::PathBuf;

use deltalake::arrow::array::{AsArray, Int64Array, RecordBatch, StringArray};
use deltalake::arrow::datatypes::Int64Type;
use deltalake::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use futures::StreamExt;

use super::{Delta, Write};
use crate::lake::{Column, Error, Kind, Lake, Rows, column};

const COLUMNS: &[Column] = &[column("id", Kind::Int64), column("day", Kind::Text)];
const DAYS: i64 = 5;

/// Rows with these ids; each is of another day than the one before.
fn batch(ids: std::ops::Range<i64>) -> RecordBatch {
    let days = StringArray::from_iter_values(ids.clone().map(|id| format!("0{}", id % DAYS)));
    let ids = Int64Array::from_iter_values(ids);
    RecordBatch::try_from_iter([("id", std::sync::Arc::new(ids) as _), ("day", std::sync::Arc::new(days) as _)])
        .unwrap()
}

async fn table() -> (tempfile::TempDir, Delta) {
    let place = tempfile::tempdir().unwrap();
    let lake = Lake::at(place.path().to_str().unwrap()).unwrap();
    let table = Delta::create(&lake.folder("gold", "t").unwrap(), COLUMNS, &["day"], "t").await.unwrap();
    (place, table)
}

fn data_files(place: &tempfile::TempDir) -> Vec<PathBuf> {
    let days = std::fs::read_dir(place.path().join("gold/t")).unwrap().map(|entry| entry.unwrap().path());
    let days = days.filter(|path| path.to_str().unwrap().contains("day="));
    days.flat_map(|day| std::fs::read_dir(day).unwrap().map(|entry| entry.unwrap().path())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_partition_has_its_rows_in_their_order_however_they_come() {
    let (place, mut table) = table().await;
    let rows = 40_000;
    let written = table.write(Rows::of(COLUMNS, vec![batch(0..rows)]), Write::Append, None, "run").await.unwrap();
    assert_eq!((written.rows, written.files), (rows as u64, DAYS as u64));
    let files = data_files(&place);
    assert_eq!(files.len(), DAYS as usize);
    for file in files {
        let reader = ParquetRecordBatchReaderBuilder::try_new(std::fs::File::open(&file).unwrap()).unwrap();
        assert_eq!(reader.metadata().row_group(0).column(0).dictionary_page_offset(), None, "no id comes twice");
        let batches = reader.build().unwrap().map(|batch| batch.unwrap()).collect::<Vec<_>>();
        let ids = batches.iter().flat_map(|batch| batch.column(0).as_primitive::<Int64Type>().values().to_vec());
        let ids = ids.collect::<Vec<_>>();
        let expected = (ids[0]..rows).step_by(DAYS as usize).collect::<Vec<_>>();
        assert_eq!(ids, expected, "{}", file.display());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_begun_is_taken_back_when_the_rows_end_early() {
    let (place, mut table) = table().await;
    let batches = (0..40).map(|part| Ok(batch(part * 8_192..(part + 1) * 8_192)));
    let broken = batches.chain([Err("the disk of the rows is gone".into())]);
    let rows = Rows::new(COLUMNS.to_vec(), futures::stream::iter(broken).boxed(), None);
    let error = table.write(rows, Write::Append, None, "run").await.unwrap_err();
    assert!(matches!(error, Error::Rows { .. }), "{error:?}");
    assert_eq!((table.version(), data_files(&place)), (0, vec![]));
}
