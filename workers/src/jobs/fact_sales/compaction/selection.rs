//! Which dates a run compacts.
//!
//! Source: pipelines.md 2.3.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Days, NaiveDate};
use sha2::{Digest, Sha256};

use super::super::columns::DATE;
use super::settings::Settings;
use crate::job::parse_date;
use crate::lake::{Error, Folder, Object, SUCCESS_NAME, hive_value, is_data};

/// The input of one date: objects of all directories of that date.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Input {
    /// By name below the processed zone, ascending.
    pub objects: Vec<Object>,
}

impl Input {
    /// Size of all objects.
    pub fn bytes(&self) -> u64 {
        self.objects.iter().map(|object| object.size_bytes).sum()
    }

    /// Changes when objects come, go or change their size. SHA-256, hex.
    pub fn fingerprint(&self) -> String {
        let mut digest = Sha256::new();
        for object in &self.objects {
            digest.update(format!("{}\t{}\n", object.name, object.size_bytes));
        }
        hex::encode(digest.finalize())
    }

    /// The directories the objects are in.
    pub fn directories(&self) -> BTreeSet<&str> {
        self.objects.iter().filter_map(|object| Some(object.name.rsplit_once('/')?.0)).collect()
    }
}

/// What is in the processed zone.
#[derive(Clone, Debug, Default)]
pub(super) struct Found {
    pub inputs: BTreeMap<NaiveDate, Input>,
    /// Dates with objects of which none is data.
    pub empty: BTreeSet<NaiveDate>,
    pub warnings: Vec<String>,
}

/// Finds the dates of the processed zone, at any depth.
///
/// # Errors
/// [`Error::Storage`].
pub(super) async fn discover(processed: &Folder) -> Result<Found, Error> {
    let mut found = Found::default();
    let mut invalid = BTreeSet::new();
    for object in processed.objects().await? {
        let mut folders = object.name.split('/');
        folders.next_back();
        let Some((name, value)) = folders.find_map(|name| Some((name, hive_value(name, DATE)?))) else { continue };
        let data = is_data(&object.name, object.size_bytes) && object.name.ends_with(".parquet");
        match value.as_deref().and_then(parse_date) {
            Some(date) if data => found.inputs.entry(date).or_default().objects.push(object),
            // What is staged in a hidden folder is not there yet.
            Some(date) if !is_hidden(&object.name, name) => {
                found.empty.insert(date);
            }
            None if data => {
                invalid.insert(name.to_owned());
            }
            _ => {}
        }
    }
    found.empty.retain(|date| !found.inputs.contains_key(date));
    found.warnings.extend(invalid.into_iter().map(|name| format!("invalid_partition:{name}")));
    Ok(found)
}

/// Whether a folder before `partition` hides the object from readers.
fn is_hidden(object: &str, partition: &str) -> bool {
    object.split('/').take_while(|folder| *folder != partition).any(|folder| folder.starts_with(['_', '.']))
}

/// The dates of gold that are complete. In a table without any `_SUCCESS` those with data are.
///
/// # Errors
/// [`Error::Storage`].
pub(super) async fn complete(gold: &Folder) -> Result<BTreeSet<NaiveDate>, Error> {
    let mut with_data = BTreeSet::new();
    let mut with_success = BTreeSet::new();
    let mut in_work = BTreeSet::new();
    let date = |name: &str| hive_value(name, DATE).flatten().as_deref().and_then(parse_date);
    for object in gold.objects().await? {
        let Some((first, rest)) = object.name.split_once('/') else { continue };
        if let Some(date) = date(first) {
            if rest == SUCCESS_NAME {
                with_success.insert(date);
            } else if is_data(rest, object.size_bytes) {
                with_data.insert(date);
            }
        } else if first.starts_with('_')
            && let Some(date) = rest.split('/').next().and_then(date)
        {
            // Staged or locked: somebody began.
            in_work.insert(date);
        }
    }
    if with_success.is_empty() { Ok(&with_data - &in_work) } else { Ok(with_success) }
}

/// What is known of the dates besides the input itself.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    /// Complete in gold.
    pub gold: BTreeSet<NaiveDate>,
    /// Begun by a run that did not get to write its audit.
    pub unfinished: BTreeSet<NaiveDate>,
    /// Complete, but made from other input.
    pub changed: BTreeSet<NaiveDate>,
}

/// What a run does and what it leaves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Selection {
    pub selected: Vec<NaiveDate>,
    /// For another run.
    pub deferred: Vec<NaiveDate>,
    /// Older than the watermark.
    pub too_late: Vec<NaiveDate>,
    pub warnings: Vec<String>,
}

/// Chooses, oldest first. A forced date without data is chosen as well: its audit says that there is no input.
pub(super) fn select(settings: &Settings, found: &Found, known: &Known, today: NaiveDate) -> Selection {
    let inputs = &found.inputs;
    let mut selection = Selection::default();
    let mut wanted: BTreeSet<NaiveDate> = BTreeSet::new();
    if !settings.force_dates.is_empty() {
        for text in &settings.force_dates {
            match parse_date(text).filter(|date| inputs.contains_key(date) || found.empty.contains(date)) {
                Some(date) => {
                    wanted.insert(date);
                }
                None => selection.warnings.push(format!("force_date_not_found:{text}")),
            }
        }
    } else if settings.reprocess {
        wanted.extend(inputs.keys());
    } else {
        let changes = settings.detect_changes || settings.watermark_days.is_some();
        let is_wanted = |date: &&NaiveDate| {
            !known.gold.contains(date) || known.unfinished.contains(date) || (changes && known.changed.contains(date))
        };
        wanted.extend(inputs.keys().filter(is_wanted));
        // A mistyped year must not make everything after it late; clocks differ by a day at most.
        let newest = known.gold.iter().rev().find(|date| **date <= today + Days::new(1));
        if let Some(days) = settings.watermark_days
            && let Some(cutoff) = newest.and_then(|newest| newest.checked_sub_days(Days::new(days.into())))
        {
            // What a run of ours left half done is mended whatever its age.
            let (late, on_time) =
                wanted.into_iter().partition(|date| *date < cutoff && !known.unfinished.contains(date));
            wanted = on_time;
            let late: BTreeSet<NaiveDate> = late;
            selection.too_late.extend(late);
            if !selection.too_late.is_empty() {
                selection.warnings.push(format!("too_late_dates:{} before {cutoff}", selection.too_late.len()));
            }
        }
    }
    selection.selected.extend(wanted);
    if selection.selected.len() > settings.partitions_max {
        selection.deferred = selection.selected.split_off(settings.partitions_max);
        selection.warnings.push(format!("deferred_dates:{}", selection.deferred.len()));
    }
    selection
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::Arguments;
    use crate::lake::Lake;

    fn day(day: u32) -> NaiveDate {
        NaiveDate::from_ymd_opt(2024, 12, day).unwrap()
    }

    fn days(days: &[u32]) -> BTreeSet<NaiveDate> {
        days.iter().copied().map(day).collect()
    }

    fn check(more: &[&str], known: &Known, selected: &[u32], deferred: &[u32], too_late: &[u32]) -> Vec<String> {
        let lake = Lake::at("/lake").unwrap();
        let line = ["--processed_path=s3://b/p", "--gold_path=s3://b/g", "--audit_path=s3://b/a"];
        let line: Vec<String> = line.iter().chain(more).map(|word| (*word).to_owned()).collect();
        let arguments = Arguments::parse(&line, super::super::settings::ARGUMENTS).unwrap();
        let settings = Settings::read(&arguments, &lake).unwrap();
        let inputs = (1..=5).map(|n| (day(n), Input::default())).collect();
        let found = Found { inputs, empty: days(&[6]), warnings: Vec::new() };
        let found = select(&settings, &found, known, day(10));
        let numbers = |dates: &[NaiveDate]| dates.iter().map(chrono::Datelike::day).collect::<Vec<_>>();
        assert_eq!(numbers(&found.selected), selected, "{more:?}");
        assert_eq!(numbers(&found.deferred), deferred, "{more:?}");
        assert_eq!(numbers(&found.too_late), too_late, "{more:?}");
        found.warnings
    }

    #[test]
    fn dates_are_selected_oldest_first() {
        let known = Known { gold: days(&[1, 2, 4]), changed: days(&[1, 4]), unfinished: BTreeSet::new() };
        check(&[], &known, &[3, 5], &[], &[]);
        check(&["--max_partitions=1"], &known, &[3], &[5], &[]);
        check(&["--reprocess=true"], &known, &[1, 2, 3, 4, 5], &[], &[]);
        check(&["--detect_changes=true"], &known, &[1, 3, 4, 5], &[], &[]);
        check(&["--watermark_days=1"], &known, &[3, 4, 5], &[], &[1]);
        check(&["--watermark_days=3"], &known, &[1, 3, 4, 5], &[], &[]);
        check(&["--watermark_days=0", "--reprocess=true"], &known, &[1, 2, 3, 4, 5], &[], &[]);
        check(&["--watermark_days=0"], &Known::default(), &[1, 2, 3, 4, 5], &[], &[]);
        let crashed = Known { unfinished: days(&[1]), ..known };
        check(&[], &crashed, &[1, 3, 5], &[], &[]);
        check(&["--watermark_days=0"], &crashed, &[1, 4, 5], &[], &[3]);
        let mistyped = Known { gold: days(&[1, 2, 4, 30]), ..Known::default() };
        check(&["--watermark_days=1"], &mistyped, &[3, 5], &[], &[]);
    }

    #[test]
    fn forced_dates_are_exactly_those_that_exist() {
        let known = Known { gold: days(&[1, 2, 3, 4, 5]), ..Known::default() };
        let line = "--force_dates=2024-12-04, 2024-12-01,2024-12-09,2024-02-30,x,2024-12-04";
        let warnings = check(&[line, "--watermark_days=0"], &known, &[1, 4], &[], &[]);
        assert_eq!(check(&["--force_dates=2024-12-06"], &known, &[6], &[], &[]), [""; 0], "there, but without data");
        let missing = ["2024-12-09", "2024-02-30", "x"].map(|date| format!("force_date_not_found:{date}"));
        assert_eq!(warnings, missing);
    }

    #[tokio::test]
    async fn dates_are_found_at_any_depth_and_gold_counts_when_complete() {
        let place = tempfile::tempdir().unwrap();
        let lake = Lake::at(place.path().to_str().unwrap()).unwrap();
        let folder = lake.folder("b", "").unwrap();
        for name in [
            "date=2024-12-01/a.parquet",
            "x/y/date=2024-12-01/b.parquet",
            "x/date=2024-12-02/hour=1/c.parquet",
            "date=2024-12-03/_tmp.parquet",
            "date=2024-12-03/_SUCCESS",
            "date=2024-12-04/readme.txt",
            "date=2024-02-30/d.parquet",
            "date=__HIVE_DEFAULT_PARTITION__/e.parquet",
            "_ingestion/staging/date=2024-12-05/f.parquet",
            "other/g.parquet",
        ] {
            folder.put(name, "x").await.unwrap();
        }
        let found = discover(&folder).await.unwrap();
        assert_eq!(found.inputs.keys().copied().collect::<BTreeSet<_>>(), days(&[1, 2]));
        assert_eq!(found.inputs[&day(1)].objects.len(), 2);
        assert_eq!(found.empty, days(&[3, 4]));
        let invalid =
            ["date=2024-02-30", "date=__HIVE_DEFAULT_PARTITION__"].map(|name| format!("invalid_partition:{name}"));
        assert_eq!(found.warnings, invalid);

        let gold = lake.folder("gold", "").unwrap();
        gold.put("date=2024-12-01/a.parquet", "x").await.unwrap();
        gold.put("_staging/date=2024-12-02/_intent", "x").await.unwrap();
        gold.put("date=2024-12-02/a.parquet", "x").await.unwrap();
        assert_eq!(complete(&gold).await.unwrap(), days(&[1]), "put there by others, and one half done");
        gold.put("date=2024-12-03/_SUCCESS", "{}").await.unwrap();
        assert_eq!(complete(&gold).await.unwrap(), days(&[3]), "a table of ours");
    }
}
