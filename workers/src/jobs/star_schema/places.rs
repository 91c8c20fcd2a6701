//! The locations a run is given: where silver is read, where the ten tables lie.

use super::super::apart::{self, check_apart};
use super::silver::SILVER;
use super::tables::{GoldTable, Place, TABLES};
use crate::job::{Arguments, JobError};
use crate::lake::{Folder, Lake, Partition};

/// The names of the location arguments, in the order they are checked; the last two need not be given.
pub(super) const LOCATIONS: [&str; 6] =
    ["SILVER_BASE", "GOLD_DIM", "GOLD_FACT", "GOLD_MART", "QUARANTINE_BASE", "METRICS_BASE"];
/// How many of [`LOCATIONS`], from the first, have to be given.
pub(super) const REQUIRED: usize = 4;

/// The three gold locations.
#[derive(Clone, Debug)]
pub(super) struct Gold {
    dimension: Folder,
    fact: Folder,
    mart: Folder,
}

impl Gold {
    /// Of the arguments `--GOLD_DIM`, `--GOLD_FACT` and `--GOLD_MART`.
    ///
    /// # Errors
    /// `PRE_VALIDATION_FAILED` if one is missing or no location.
    pub fn of(lake: &Lake, arguments: &Arguments) -> Result<Gold, JobError> {
        Ok(Gold {
            dimension: folder(lake, arguments, "GOLD_DIM")?,
            fact: folder(lake, arguments, "GOLD_FACT")?,
            mart: folder(lake, arguments, "GOLD_MART")?,
        })
    }

    /// The folder a table's folder lies in.
    pub fn parent(&self, place: Place) -> &Folder {
        match place {
            Place::Dimension => &self.dimension,
            Place::Fact => &self.fact,
            Place::Mart => &self.mart,
        }
    }

    /// A table as what is replaced: one folder under its location.
    pub fn partition(&self, table: &GoldTable) -> Partition {
        Partition::new(self.parent(table.place).clone(), table.name)
    }

    /// All ten, in their order.
    pub fn partitions(&self) -> impl Iterator<Item = (&'static GoldTable, Partition)> + '_ {
        TABLES.iter().map(|table| (table, self.partition(table)))
    }
}

/// The folder an argument names.
///
/// # Errors
/// `PRE_VALIDATION_FAILED`, naming the argument.
pub(super) fn folder(lake: &Lake, arguments: &Arguments, name: &str) -> Result<Folder, JobError> {
    let uri = arguments.required(name)?;
    lake.folder_at(uri).map_err(|error| JobError::arguments(format!("--{name}: {}", error.chain())))
}

/// A folder that need not be given.
///
/// # Errors
/// As [`folder`], if it is.
pub(super) fn optional_folder(lake: &Lake, arguments: &Arguments, name: &str) -> Result<Option<Folder>, JobError> {
    arguments.optional(name).map(|_| folder(lake, arguments, name)).transpose()
}

/// Refuses locations that get into each other's way: a rebuild would remove what it reads, or one table another's.
///
/// # Errors
/// `PRE_VALIDATION_FAILED`, naming both.
pub(super) fn check_locations(
    silver: &Folder,
    gold: &Gold,
    quarantine: Option<&Folder>,
    metrics: Option<&Folder>,
) -> Result<(), JobError> {
    let of_silver = |what: &'static str, base: &Folder| -> Vec<apart::Place> {
        SILVER.iter().map(|table| (format!("{what} {}", table.name), base.uri_of(table.name))).collect()
    };
    let mut whole = of_silver("the silver table", silver);
    whole.extend(gold.partitions().map(|(table, partition)| (table.name.to_owned(), partition.uri())));
    whole.extend(quarantine.into_iter().flat_map(|base| of_silver("the quarantine of", base)));
    let shared: Vec<apart::Place> = metrics.iter().map(|base| ("the metrics".to_owned(), base.uri())).collect();
    check_apart(&whole, &shared)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gold(lake: &Lake, base: &str) -> Gold {
        let line = ["DIM", "FACT", "MART"].map(|name| format!("--GOLD_{name}={base}"));
        let arguments = Arguments::parse(&line, &["GOLD_DIM", "GOLD_FACT", "GOLD_MART"]).unwrap();
        Gold::of(lake, &arguments).unwrap()
    }

    #[test]
    fn what_is_read_and_what_is_replaced_are_places_of_their_own() {
        let lake = Lake::at("/srv/lake").unwrap();
        let folder = |uri: &str| lake.folder_at(uri).unwrap();
        let silver = folder("s3://silver/star");
        let check = |base: &str, quarantine: &str, metrics: &str| {
            let (quarantine, metrics) = (folder(quarantine), folder(metrics));
            check_locations(&silver, &gold(&lake, base), Some(&quarantine), Some(&metrics))
                .map_err(|error| error.message)
        };
        let (gold, quarantine, metrics) = ("s3://gold/star", "s3://gold/quarantine", "s3://gold/_metrics");
        for (base, quarantine, metrics, said) in [
            (gold, quarantine, metrics, ""),
            ("s3://silver/star", quarantine, metrics, ""),
            ("s3://silver/star/events", quarantine, metrics, "the silver table events"),
            ("s3://silver/star/events2", quarantine, metrics, ""),
            (gold, "s3://silver/star", metrics, "the quarantine of events"),
            (gold, "s3://silver/star/users", metrics, "the quarantine of events"),
            (gold, "s3://gold/star", metrics, ""),
            (gold, "s3://gold/star/fact_events", metrics, "fact_events"),
            (gold, quarantine, "s3://silver/star", ""),
            (gold, quarantine, "s3://silver/star/events", "the metrics"),
            (gold, quarantine, "s3://gold/star/dim_users/x", "the metrics"),
            (gold, quarantine, "s3://gold/quarantine/users", "the metrics"),
        ] {
            let checked = check(base, quarantine, metrics);
            let told = checked.as_ref().err().map_or("", String::as_str);
            let well = if said.is_empty() { told.is_empty() } else { told.contains(said) && told.contains("overlap") };
            assert!(well, "{base} {quarantine} {metrics}: {checked:?}");
        }
    }

    #[test]
    fn a_location_that_is_none_is_refused_with_its_argument() {
        let lake = Lake::at("/srv/lake").unwrap();
        for (given, part) in [("--GOLD_DIM=http://x/y", "--GOLD_DIM"), ("--GOLD_DIM= ", "--GOLD_DIM is required")] {
            let arguments = Arguments::parse(&[given.to_owned()], &["GOLD_DIM"]).unwrap();
            let error = folder(&lake, &arguments, "GOLD_DIM").unwrap_err();
            assert!(error.message.contains(part), "{error}");
            assert_eq!(error.code.exit_status(), 2);
        }
    }
}
