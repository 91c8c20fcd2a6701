//! What a worker serves: the registry's jobs and functions, as activities of its environment.

use std::sync::Arc;

use futures::FutureExt;

use crate::config::{ConfigError, Settings};
use crate::function::{Function, FunctionError};
use crate::job::{FunctionDefinition, functions, jobs};
use crate::lake::Lake;
use crate::poller::{Activity, Serves};
use crate::trial;

/// What the activity of a job with its SQL on Spark is called after the job's name; the server sends tasks of
/// `[bindings] spark` there.
const ON_SPARK: &str = ".spark";

/// The activities of these settings.
///
/// # Errors
/// If `--only` names nothing there is, or the storage root is no location.
pub(crate) fn activities(settings: &Settings) -> Result<Vec<Activity>, ConfigError> {
    let root = settings.storage_root.as_deref().unwrap_or_default();
    let lake =
        Lake::at(root).map_err(|error| ConfigError::StorageRoot { root: root.to_owned(), why: error.chain() })?;
    let mut served: Vec<(String, Serves)> = Vec::new();
    served.extend(jobs().iter().map(|definition| job(definition.name)));
    if settings.spark_remote.is_some() {
        // All of them: one that cannot run there says so, where nobody would ever serve it otherwise.
        served.extend(jobs().iter().map(|definition| job_on_spark(definition.name)));
    }
    served.extend(functions().iter().map(|definition| function(in_process(*definition, lake.clone()))));
    if settings.with_test_jobs {
        served.extend(trial::JOBS.map(job));
        served.extend(trial::functions().into_iter().map(function));
    }
    select(served, &settings.env, &settings.only)
}

fn job(name: &str) -> (String, Serves) {
    (name.to_owned(), Serves::Job(name.to_owned()))
}

fn job_on_spark(name: &str) -> (String, Serves) {
    (format!("{name}{ON_SPARK}"), Serves::JobOnSpark(name.to_owned()))
}

fn function(function: Function) -> (String, Serves) {
    (function.name.clone(), Serves::Function(function))
}

/// A function of the registry, on this worker's lake.
fn in_process(definition: FunctionDefinition, lake: Lake) -> Function {
    let body = move |input| {
        let answer = (definition.run)(lake.clone(), input);
        let failed = |error: crate::job::JobError| FunctionError {
            code: error.code.as_str().to_owned(),
            message: error.message,
        };
        answer.map(move |answer| answer.map_err(failed)).boxed()
    };
    Function { name: definition.name.to_owned(), body: Arc::new(body) }
}

fn select(served: Vec<(String, Serves)>, env: &str, only: &[String]) -> Result<Vec<Activity>, ConfigError> {
    let full_name = |name: &str| format!("{env}-{name}");
    if let Some(unknown) = only.iter().find(|wanted| !served.iter().any(|(name, _)| is(wanted, name, &full_name(name))))
    {
        let known: Vec<&str> = served.iter().map(|(name, _)| name.as_str()).collect();
        return Err(ConfigError::Only { name: unknown.clone(), known: known.join(", ") });
    }
    let wanted = |name: &str| only.is_empty() || only.iter().any(|wanted| is(wanted, name, &full_name(name)));
    let chosen = served.into_iter().filter(|(name, _)| wanted(name));
    Ok(chosen.map(|(name, serves)| Activity { name: full_name(&name), serves }).collect())
}

fn is(wanted: &str, name: &str, full_name: &str) -> bool {
    wanted == name || wanted == full_name
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn chosen(only: &[&str]) -> Result<Vec<String>, ConfigError> {
        let only: Vec<String> = only.iter().map(|name| (*name).to_owned()).collect();
        let activities = select(vec![job("etl"), job("compaction")], "prod", &only)?;
        Ok(activities.into_iter().map(|activity| activity.name).collect())
    }

    #[test]
    fn only_takes_names_with_and_without_the_environment() {
        assert_eq!(chosen(&[]).unwrap(), ["prod-etl", "prod-compaction"]);
        assert_eq!(chosen(&["etl"]).unwrap(), ["prod-etl"]);
        assert_eq!(chosen(&["prod-compaction", "etl"]).unwrap(), ["prod-etl", "prod-compaction"]);
    }

    #[test]
    fn every_job_and_function_is_served_but_no_test_job() {
        let settings = Config::from_flags(["--env", "prod"]).unwrap().resolve().unwrap();
        let names: Vec<String> = activities(&settings).unwrap().into_iter().map(|activity| activity.name).collect();
        assert_eq!(names.len(), jobs().len() + functions().len());
        assert!(names.contains(&"prod-daily-prices-compaction".to_owned()), "{names:?}");
    }

    #[cfg(feature = "spark")]
    #[test]
    fn with_an_endpoint_every_job_is_served_on_spark_too() {
        let settings = Config::from_flags(["--env", "prod", "--spark-remote", "sc://127.0.0.1:1"]).unwrap();
        let names: Vec<String> =
            activities(&settings.resolve().unwrap()).unwrap().into_iter().map(|activity| activity.name).collect();
        assert_eq!(names.len(), 2 * jobs().len() + functions().len());
        assert!(names.contains(&"prod-gold-fact-sales-compaction.spark".to_owned()), "{names:?}");
        assert!(names.contains(&"prod-gold-fact-sales-compaction".to_owned()), "{names:?}");
    }

    #[test]
    fn a_storage_root_that_is_no_location_is_refused() {
        let settings = Config::from_flags(["--storage-root", "ftp://host/x"]).unwrap().resolve().unwrap();
        let refusal = activities(&settings).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(refusal.contains("`--storage-root ftp://host/x`"), "{refusal}");
    }

    #[test]
    fn only_of_something_unknown_names_what_there_is() {
        let refusal = chosen(&["etl", "dev-etl"]).unwrap_err().to_string();
        assert!(refusal.contains("`--only dev-etl`") && refusal.contains("etl, compaction"), "{refusal}");
    }
}
