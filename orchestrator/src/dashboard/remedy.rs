//! What usually helps, by error code: one table, shown in the why box and nowhere else decided.
//!
//! The codes are those of the pipelines' contracts and of the Amazon States Language.

/// What a failure with this code means and what usually helps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remedy {
    /// The code.
    pub code: &'static str,
    /// What it means, in a few words.
    pub meaning: &'static str,
    /// What usually helps.
    pub help: &'static str,
}

const fn remedy(code: &'static str, meaning: &'static str, help: &'static str) -> Remedy {
    Remedy { code, meaning, help }
}

const REMEDIES: &[Remedy] = &[
    remedy(
        "PRE_VALIDATION_FAILED",
        "inputs are missing or malformed",
        "Compare the input below with the sheet's template, correct it and run the day again; a retry alone cannot help.",
    ),
    remedy(
        "GUARD_INPUT_INVALID",
        "the guard was not told what to inspect",
        "Look at the output of the state before: bucket, prefix and ds must be there.",
    ),
    remedy(
        "UNSUPPORTED_FILE_TYPE",
        "the files are of a kind no reader knows",
        "Set file_type to json, csv or parquet in the input and run the day again.",
    ),
    remedy(
        "NO_RAW_DATA",
        "the day's folder holds no data",
        "Check that the upstream delivered this ds; once the files are there, run the day again.",
    ),
    remedy(
        "NO_INPUT_DATA",
        "there is nothing to read in the window",
        "Run the days before this one first, or look at the configured prefix.",
    ),
    remedy("NO_TARGET_DATA", "the day itself has no rows", "Run the transform of this ds first."),
    remedy("NO_SILVER_DATA", "the silver tables are empty", "Wait for the upstream pipeline, then run again."),
    remedy("SILVER_INPUT_MISSING", "a silver table is missing", "Run the pipeline that writes it, then this one."),
    remedy(
        "MISSING_COLUMNS",
        "required columns are not in the files",
        "Compare the schema with the table's; ask the producer of the files, or map the columns, then reprocess.",
    ),
    remedy(
        "SCHEMA_VALIDATION_FAILED",
        "required columns or types are wrong",
        "Compare the schema with the table's; a retry alone cannot help.",
    ),
    remedy(
        "DQ_FAILED",
        "too many rows break the quality rules; nothing was published",
        "Look at the quarantined rows. Correct the raw files and reprocess the day, or raise max_critical_error_rate if the rows are right.",
    ),
    remedy(
        "GOLD_OUTPUT_MISSING",
        "an output that was promised is not there; nothing was published",
        "Read the job's last log lines; run the day again.",
    ),
    remedy(
        "SCHEMA_CHECK_FAILED",
        "the schema's fingerprint could not be read or written",
        "Check access to the artifacts bucket, then reprocess.",
    ),
    remedy("GLUE_JOB_FAILED", "the job ended with an error of its own", "Read the job's last log lines."),
    remedy(
        "UNEXPECTED_ERROR",
        "something nobody foresaw",
        "Read the job's last log lines; if it happens again, it is a bug to report.",
    ),
    remedy(
        "CRAWLER_FAILED",
        "the catalog step failed; the data are published",
        "Run the crawler again; the data need no reprocessing.",
    ),
    remedy(
        "CATALOG_FAILED",
        "the catalog step failed; the data are published",
        "Run the catalog step again; the data need no reprocessing.",
    ),
    remedy(
        "STORAGE_ERROR",
        "the storage did not answer as it should",
        "Usually passes: run the day again. If it does not, check endpoint, credentials and free space.",
    ),
    remedy(
        "SPARK_UNAVAILABLE",
        "the Spark server that the job is bound to did not answer",
        "Start it, or correct the worker's --spark-remote, and run again; without [bindings] spark the job runs on a worker.",
    ),
    remedy("CONCURRENT_RUNS_EXCEEDED", "another run held the place", "Wait for the other run, then run the day again."),
    remedy(
        "Glue.ConcurrentRunsExceededException",
        "as many runs of the job as allowed were going",
        "Wait for the others, or allow the job more concurrent runs.",
    ),
    remedy(
        "TIMEOUT",
        "it took longer than it may",
        "Look at peak memory and input size; raise the limit or run the day alone.",
    ),
    remedy(
        "States.Timeout",
        "it took longer than TimeoutSeconds, or its heartbeats stopped",
        "See in Attempts whether a worker was at work: if it was, raise the limit; if not, start a worker.",
    ),
    remedy(
        "States.HeartbeatTimeout",
        "no sign of life within HeartbeatSeconds",
        "The worker is gone or blocked: see Workers.",
    ),
    remedy(
        "States.Runtime",
        "the definition and the data do not fit",
        "The cause names the state and the path: correct the definition or the input.",
    ),
    remedy(
        "States.DataLimitExceeded",
        "a payload is larger than the limit",
        "Pass a reference to the data (an S3 URI) instead of the data.",
    ),
    remedy(
        "States.ExceedToleratedFailureThreshold",
        "more items failed than the Map tolerates",
        "Look at the failed iterations in the timeline.",
    ),
    remedy("States.Permissions", "the role may not do this", "Check the role and the credentials of the state."),
    remedy(
        "Glue.EntityNotFoundException",
        "no job of that name, here or on AWS",
        "Start a worker that serves the job (stepwell worker), or bind the name in the configuration.",
    ),
    remedy(
        "Lambda.ResourceNotFoundException",
        "no function of that name, here or on AWS",
        "Start a worker that serves the function (stepwell worker), or bind the name in the configuration.",
    ),
];

/// The row of `code`, if there is one.
pub fn remedy_of(code: &str) -> Option<Remedy> {
    REMEDIES.iter().copied().find(|remedy| remedy.code == code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_every_row_helps() {
        let mut codes = std::collections::BTreeSet::new();
        for remedy in REMEDIES {
            assert!(codes.insert(remedy.code), "{} twice", remedy.code);
            assert!(!remedy.meaning.is_empty() && remedy.help.ends_with('.'), "{}", remedy.code);
        }
        assert_eq!(remedy_of("DQ_FAILED").unwrap().code, "DQ_FAILED");
        assert_eq!(remedy_of("NO_SUCH_CODE"), None);
    }
}
