//! Every rule against every store.

use super::Shared;

mod memory {
    use std::sync::Arc;

    use super::Shared;
    use crate::store::MemoryStore;

    async fn open() -> (Shared, MemoryStore) {
        let store = MemoryStore::new();
        (Arc::new(store.clone()), store)
    }

    crate::store_conformance!(open);
}

mod sqlite {
    use std::sync::Arc;

    use super::Shared;
    use crate::store::SqliteStore;

    async fn open() -> (Shared, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        (Arc::new(SqliteStore::open(folder.path()).await.unwrap()), folder)
    }

    crate::store_conformance!(open);
}

mod postgres {
    use std::sync::Arc;

    use super::Shared;
    use crate::store::postgres::{PostgresSettings, PostgresStore};
    use crate::store::testing::{self, TestDatabase};

    async fn open() -> (Shared, TestDatabase) {
        let database = testing::postgres().await.unwrap();
        let store = PostgresStore::open(&database.url, PostgresSettings::default()).await.unwrap();
        (Arc::new(store), database)
    }

    crate::store_conformance!(open);
}
