//! Tables over files of the lake, as relations that a Spark server reads itself.
//!
//! The files are named one by one, as [`super::super::Query`] was given them: neither listing nor a table format of the
//! server's decides what belongs to a table. So a Delta table is read by its log as we read it, and the server needs no
//! Delta Lake of its own.

use std::collections::HashMap;

use deltalake::arrow::datatypes::{FieldRef, Schema, SchemaRef};
use spark_connect_proto::expression::{ExprType, ExpressionString};
use spark_connect_proto::read::{DataSource, ReadType};
use spark_connect_proto::relation::RelType;
use spark_connect_proto::set_operation::SetOpType;
use spark_connect_proto::{Expression, Project, Read, Relation, SetOperation};

use super::super::conform;
use super::super::parquet::{Footer, footers};
use super::super::session::Session;
use super::{convert, translate};
use crate::job::{Code, JobError};
use crate::lake::delta::Delta;
use crate::lake::{Column, Folder, Kind, Store};

/// A table: files with the same columns together, and what all its rows have in common.
pub(super) struct Table {
    pub columns: Vec<Column>,
    store: Store,
    parts: Vec<Part>,
    /// Rows of all files, where that is known.
    pub rows: Option<u64>,
}

/// Files with the same columns and the same values of partition columns.
struct Part {
    schema: SchemaRef,
    /// Values that are not in the files.
    partition: HashMap<String, Option<String>>,
    keys: Vec<String>,
}

impl Table {
    /// Exactly these Parquet objects.
    ///
    /// # Errors
    /// `SCHEMA_VALIDATION_FAILED` naming an object that is no Parquet file, `STORAGE_ERROR`.
    pub async fn of_parquet(
        session: &Session,
        folder: &Folder,
        objects: &[String],
        columns: Option<&[Column]>,
    ) -> Result<Table, JobError> {
        refuse_hidden(folder, objects)?;
        let footers = footers(session, folder, objects, true).await?;
        let columns = match columns {
            Some(columns) => columns.to_vec(),
            None => conform::united(footers.iter().map(|footer| &footer.schema)),
        };
        let mut parts: Vec<Part> = Vec::new();
        let mut rows = Some(0);
        for (name, Footer { schema, rows: count }) in objects.iter().zip(footers) {
            rows = rows.zip(count).map(|(rows, more)| rows + more);
            let key = folder.key_of(name);
            match parts.iter_mut().find(|part| part.schema.fields() == schema.fields()) {
                Some(part) => part.keys.push(key),
                None => parts.push(Part { schema, partition: HashMap::new(), keys: vec![key] }),
            }
        }
        Ok(Table { columns, store: folder.store().clone(), parts, rows })
    }

    /// A Delta table at the version it is loaded at.
    ///
    /// # Errors
    /// `SCHEMA_VALIDATION_FAILED` for a table with a feature that only its own readers know, `STORAGE_ERROR`.
    pub async fn of_delta(table: &Delta) -> Result<Table, JobError> {
        let schema = table.data_schema()?;
        let mut parts: Vec<Part> = Vec::new();
        let mut rows = Some(0);
        for file in table.data_files().await? {
            rows = rows.zip(file.rows).map(|(rows, more)| rows + more);
            match parts.iter_mut().find(|part| part.partition == file.partition_values) {
                Some(part) => part.keys.push(file.key),
                None => {
                    parts.push(Part { schema: schema.clone(), partition: file.partition_values, keys: vec![file.key] });
                }
            }
        }
        Ok(Table { columns: table.columns(), store: table.folder().store().clone(), parts, rows })
    }

    /// The table as a relation; `None` if it has no files.
    pub fn relation(&self, is_spark: bool) -> Option<Relation> {
        let parts = self.parts.iter().map(|part| self.part(part, is_spark)).collect();
        united(parts)
    }

    fn part(&self, part: &Part, is_spark: bool) -> Relation {
        let wanted = |name: &str| self.columns.iter().any(|column| column.name == name);
        let mut declared: Vec<String> = fields(&part.schema, wanted);
        if declared.is_empty() {
            // A server wants to read something, so that there are rows.
            declared = fields(&part.schema, |_| true).into_iter().take(1).collect();
        }
        let source = DataSource {
            format: Some("parquet".to_owned()),
            schema: Some(declared.join(", ")).filter(|schema| !schema.is_empty()),
            // A bracket in a name is a bracket.
            options: is_spark.then(|| ("__globPaths__".to_owned(), "false".to_owned())).into_iter().collect(),
            paths: part.keys.iter().map(|key| path(&self.store, key, is_spark)).collect(),
            ..DataSource::default()
        };
        let read = Read { read_type: Some(ReadType::DataSource(source)), ..Read::default() };
        let expressions = self.columns.iter().map(|column| {
            let value = match part.partition.get(column.name.as_ref()) {
                Some(value) => constant(value.as_deref(), column.kind),
                None => match part.schema.field_with_name(&column.name) {
                    Ok(field) => convert::column(&translate::name(&column.name), field.data_type(), column.kind),
                    Err(_) => convert::null(column.kind),
                },
            };
            let expression = format!("{value} as {}", translate::name(&column.name));
            Expression {
                expr_type: Some(ExprType::ExpressionString(ExpressionString { expression })),
                ..Expression::default()
            }
        });
        let project = Project {
            input: Some(Box::new(Relation { rel_type: Some(RelType::Read(read)), ..Relation::default() })),
            expressions: expressions.collect(),
        };
        Relation { rel_type: Some(RelType::Project(Box::new(project))), ..Relation::default() }
    }
}

/// The flat columns of files that are wanted, as a schema of Spark.
fn fields(schema: &Schema, wanted: impl Fn(&str) -> bool) -> Vec<String> {
    let field = |field: &FieldRef| {
        let kind = convert::read_as(field.data_type()).filter(|_| wanted(field.name()))?;
        Some(format!("{} {kind}", translate::name(field.name())))
    };
    schema.fields().iter().filter_map(field).collect()
}

/// A partition's value, which Delta keeps as text; no text is null.
fn constant(value: Option<&str>, kind: Kind) -> String {
    match value.filter(|value| !value.is_empty()) {
        None => convert::null(kind),
        Some(value) => format!("cast({} as {})", translate::text(value), convert::type_name(kind)),
    }
}

/// All of the relations one after the other, as a tree of little depth.
fn united(mut relations: Vec<Relation>) -> Option<Relation> {
    if relations.len() < 2 {
        return relations.pop();
    }
    let right = relations.split_off(relations.len() / 2);
    let union = SetOperation {
        left_input: united(relations).map(Box::new),
        right_input: united(right).map(Box::new),
        set_op_type: SetOpType::Union.into(),
        is_all: Some(true),
        by_name: Some(false),
        allow_missing_columns: Some(false),
    };
    Some(Relation { rel_type: Some(RelType::SetOp(Box::new(union))), ..Relation::default() })
}

/// A file's address as the server takes it: Hadoop's is a path of plain characters, with a scheme of its own for S3; others
/// take a URL.
fn path(store: &Store, key: &str, is_spark: bool) -> String {
    if !is_spark {
        return store.url(key, false).to_string();
    }
    let uri = store.uri(key);
    match uri.strip_prefix("s3://") {
        Some(rest) => format!("s3a://{rest}"),
        None => uri,
    }
}

/// Spark passes such files by without a word.
fn refuse_hidden(folder: &Folder, objects: &[String]) -> Result<(), JobError> {
    let leaf = |name: &str| name.rsplit('/').next().unwrap_or_default().to_owned();
    let Some(hidden) = objects.iter().find(|name| leaf(name).starts_with(['_', '.'])) else { return Ok(()) };
    let message = format!(
        "`{}` cannot be read by Spark, which takes files with `_` or `.` in front for hidden: give it another name, or run \
         the job on workers",
        folder.uri_of(hidden)
    );
    Err(JobError::new(Code::SchemaValidationFailed, message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lake::Lake;

    #[test]
    fn files_are_named_as_each_server_takes_them() {
        let lake = Lake::at("/lake").unwrap();
        let folder = lake.folder("b", "t/d=a%20b {x}").unwrap();
        let key = folder.key_of("p.parquet");
        assert_eq!(path(folder.store(), &key, true), "file:///lake/b/t/d=a%20b {x}/p.parquet");
        assert_eq!(path(folder.store(), &key, false), "file:///lake/b/t/d=a%2520b%20%7Bx%7D/p.parquet");
    }

    #[test]
    fn many_relations_make_a_flat_tree() {
        fn depth(relation: &Relation) -> usize {
            match &relation.rel_type {
                Some(RelType::SetOp(union)) => {
                    let sides = [&union.left_input, &union.right_input];
                    1 + sides.into_iter().flatten().map(|side| depth(side)).max().unwrap_or_default()
                }
                _ => 0,
            }
        }
        assert!(united(Vec::new()).is_none());
        for (count, levels) in [(1, 0), (2, 1), (3, 2), (1000, 10)] {
            assert_eq!(depth(&united(vec![Relation::default(); count]).unwrap()), levels, "{count}");
        }
    }

    #[test]
    fn values_of_partitions_are_typed_and_no_text_is_null() {
        assert_eq!(constant(Some("it's"), Kind::Text), "cast('it\\'s' as string)");
        assert_eq!(constant(Some("2024-02-29"), Kind::Date), "cast('2024-02-29' as date)");
        assert_eq!(constant(Some(""), Kind::Text), "cast(null as string)");
        assert_eq!(constant(None, Kind::Int32), "cast(null as int)");
    }
}
