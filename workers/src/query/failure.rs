//! What goes wrong in a statement, as a job's failure.

use std::error::Error as StdError;

use deltalake::datafusion::error::DataFusionError;
use deltalake::parquet::errors::ParquetError;

use super::session::{MEMORY_VARIABLE, memory_mb};
use crate::job::{Code, JobError};
use crate::lake;

/// The failure of a statement about `what`.
pub(super) fn failure(what: &str, error: &(dyn StdError + 'static)) -> JobError {
    match find::<lake::Error>(error) {
        Some(error @ lake::Error::Crashed { .. }) => return JobError::new(Code::StorageError, error.to_string()),
        // They name the file and say what to do.
        Some(error @ (lake::Error::Limit { .. } | lake::Error::Unreadable { .. })) => {
            return JobError::new(Code::SchemaValidationFailed, error.to_string());
        }
        _ => {}
    }
    #[cfg(feature = "spark")]
    if let Some(failure) = find::<super::spark::Failure>(error) {
        return failure.clone().into();
    }
    if is_out_of_memory(error) {
        let allowance = memory_mb().map_or_else(|_| "an unreadable number of".to_owned(), |mb| mb.to_string());
        let message = format!(
            "{what} needs more memory than the {allowance} MiB that {MEMORY_VARIABLE} allows and cannot spill: raise it, or \
             make the largest join smaller ({})",
            root(error)
        );
        return JobError::new(Code::UnexpectedError, message);
    }
    let code = if find::<object_store::Error>(error).is_some() {
        Code::StorageError
    } else if find::<ParquetError>(error).is_some() {
        // The file is torn or no Parquet: reading it again gives the same.
        Code::SchemaValidationFailed
    } else {
        Code::UnexpectedError
    };
    JobError::new(code, format!("{what}: {}", chain(error)))
}

/// The failure of rows on their way to `uri`.
pub(crate) fn rows_failure(uri: &str, error: &(dyn StdError + 'static)) -> JobError {
    failure(&format!("computing the rows of `{uri}`"), error)
}

fn is_out_of_memory(error: &(dyn StdError + 'static)) -> bool {
    causes(error).any(|cause| {
        let exhausted = |error: &DataFusionError| matches!(error.find_root(), DataFusionError::ResourcesExhausted(_));
        cause.downcast_ref::<DataFusionError>().is_some_and(exhausted)
            || cause.downcast_ref::<std::sync::Arc<DataFusionError>>().is_some_and(|error| exhausted(error))
    })
}

/// The first cause of this type.
pub(super) fn find<'a, T: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a T> {
    causes(error).find_map(|cause| cause.downcast_ref::<T>())
}

fn causes<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error: &&'a (dyn StdError + 'static)| (*error).source())
}

fn root(error: &(dyn StdError + 'static)) -> String {
    let text = causes(error).last().map_or_else(String::new, ToString::to_string);
    text.lines().next().unwrap_or_default().to_owned()
}

/// The message with its causes; those that repeat what was said are left out.
fn chain(error: &(dyn StdError + 'static)) -> String {
    let mut text = error.to_string();
    for cause in causes(error).skip(1) {
        let cause = cause.to_string();
        if !text.contains(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
    }
    text
}
