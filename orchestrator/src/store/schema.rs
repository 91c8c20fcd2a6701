//! The schema's migrations, in both dialects.
//!
//! Listed here rather than by `sqlx::migrate!`: that macro builds both database drivers a second time, for the compiler.

use sqlx::SqlSafeStr as _;
use sqlx::migrate::{Migration, MigrationType, Migrator};

/// The migrations of a folder of `migrations/`: `(file name without its end, up, down)`, in order.
macro_rules! migrations {
    ($dialect:literal: $($name:literal)*) => {
        &[$((
            $name,
            include_str!(concat!("../../../migrations/", $dialect, "/", $name, ".up.sql")),
            include_str!(concat!("../../../migrations/", $dialect, "/", $name, ".down.sql")),
        )),*]
    };
}
/// Those of one dialect; both have the same ones.
macro_rules! migrations_of {
    ($dialect:literal) => {
        migrations!($dialect:
            "20261120000001_create_state_machine"
            "20261120000002_create_execution"
            "20261120000003_create_task"
            "20261120000004_create_log"
            "20261120000005_create_pipeline"
            "20261120000006_create_outbox"
            "20261120000007_create_crawl_table"
            "20261120000008_create_worker"
            "20261121000001_add_ledger_queue"
            "20261121000002_create_snapshot"
        )
    };
}

type Listed = &'static [(&'static str, &'static str, &'static str)];

const POSTGRES: Listed = migrations_of!("postgres");
const SQLITE: Listed = migrations_of!("sqlite");

/// The schema of Postgres.
pub(super) fn postgres() -> Migrator {
    migrator(POSTGRES)
}

/// The schema of SQLite.
pub(super) fn sqlite() -> Migrator {
    migrator(SQLITE)
}

fn migrator(listed: Listed) -> Migrator {
    let migrations = listed.iter().flat_map(|(name, up, down)| {
        let (version, description) = name.split_once('_').expect("a migration is called `<version>_<what it does>`");
        let version = version.parse().expect("a migration's version is a number");
        let of = move |kind, sql: &'static str| {
            Migration::new(version, description.replace('_', " ").into(), kind, sql.into_sql_str(), false)
        };
        [of(MigrationType::ReversibleUp, up), of(MigrationType::ReversibleDown, down)]
    });
    Migrator::with_migrations(migrations.collect())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_migration_is_listed() {
        for (dialect, listed) in [("postgres", POSTGRES), ("sqlite", SQLITE)] {
            let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../migrations").join(dialect);
            let files = std::fs::read_dir(&folder).unwrap();
            let files: BTreeSet<String> = files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
            let listed: BTreeSet<String> =
                listed.iter().flat_map(|(name, ..)| [format!("{name}.up.sql"), format!("{name}.down.sql")]).collect();
            assert_eq!(files, listed, "{dialect}: the list is in store/schema.rs");
        }
    }
}
