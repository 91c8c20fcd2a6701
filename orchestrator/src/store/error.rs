//! What can go wrong in a store.

/// Why a store could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The name or ARN is taken.
    #[error("`{0}` already exists")]
    Exists(String),
    /// There is no such thing.
    #[error("`{0}` does not exist")]
    Missing(String),
    /// Another revision became current first: read the machine and update that.
    #[error("`{0}` was updated by somebody else at the same time")]
    Superseded(String),
    /// A page token that this store never made.
    #[error("`{0}` is no page token of this list")]
    BadToken(String),
    /// The database is away or refuses; trying again may help.
    #[error("the database cannot {doing}")]
    Unavailable {
        /// What was being done: "commit", "claim tasks", ...
        doing: &'static str,
        /// The driver's error.
        #[source]
        source: sqlx::Error,
    },
    /// A row that cannot be what this version wrote.
    #[error("{what} cannot be read back: {reason}")]
    Corrupt {
        /// Which row.
        what: String,
        /// What does not fit.
        reason: String,
    },
    /// The database cannot be opened or migrated; the text says what to do.
    #[error("{0}")]
    Open(String),
}
