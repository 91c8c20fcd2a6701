//! The locations a run is given: where silver is read, where the ten tables lie.

use super::tables::{GoldTable, Place, TABLES};
use crate::job::{Arguments, JobError};
use crate::lake::{Folder, Lake, Partition};

/// The names of the location arguments, in the order they are checked.
pub(super) const LOCATIONS: [&str; 4] = ["SILVER_BASE", "GOLD_DIM", "GOLD_FACT", "GOLD_MART"];

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

/// Whether one place is the other or inside it.
pub(super) fn nested(one: &str, other: &str) -> bool {
    let (short, long) = if one.len() <= other.len() { (one, other) } else { (other, one) };
    long == short || long.strip_prefix(short).is_some_and(|rest| rest.starts_with('/'))
}

/// Refuses gold locations that touch silver: a rebuild would remove what it reads.
///
/// # Errors
/// `PRE_VALIDATION_FAILED`, naming both.
pub(super) fn check_apart(silver: &Folder, gold: &Gold) -> Result<(), JobError> {
    for table in super::silver::SILVER {
        let input = silver.uri_of(table.name);
        for (output, partition) in gold.partitions() {
            if nested(&input, &partition.uri()) {
                let message = format!(
                    "`{}` of {} and the silver table `{input}` overlap; give silver and gold locations of their own",
                    partition.uri(),
                    output.name
                );
                return Err(JobError::arguments(message));
            }
        }
    }
    Ok(())
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
    fn gold_inside_silver_is_refused_and_beside_it_is_not() {
        let lake = Lake::at("/srv/lake").unwrap();
        let silver = lake.folder_at("s3://silver/star").unwrap();
        for (base, apart) in [
            ("s3://gold/star", true),
            ("s3://silver/star", true),
            ("s3://silver/star/events", false),
            ("s3://silver/star/events2", true),
        ] {
            assert_eq!(check_apart(&silver, &gold(&lake, base)).is_ok(), apart, "{base}");
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
