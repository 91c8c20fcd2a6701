//! What can go wrong in the lake; every error names the object or folder.

use chrono::{DateTime, Utc};

/// The cause of a storage error, kept in the chain.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// A refusal or fault of the lake.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A text that names no place.
    #[error("`{text}` is not a location: {reason}; give s3://bucket/key, file:///absolute/path or a path")]
    Location {
        /// What was given.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A setting of the lake that cannot be understood.
    #[error("{name} is not valid: {reason}")]
    Configuration {
        /// The environment variable or argument.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The store failed; trying again may help.
    #[error("cannot {action} `{uri}`")]
    Storage {
        /// What was tried (`list`, `read`, `write`, `delete`).
        action: &'static str,
        /// The object or folder.
        uri: String,
        /// Why.
        #[source]
        source: Cause,
    },
    /// An object that should be there is not.
    #[error("`{uri}` does not exist")]
    NotFound {
        /// The object.
        uri: String,
    },
    /// An object that takes more memory, or more in proportion to its size, than is allowed.
    #[error("`{uri}`: {what} exceeds {limit} = {value}; {remedy}")]
    Limit {
        /// The object.
        uri: String,
        /// What is too large, with the line where there are lines.
        what: String,
        /// The name of the limit.
        limit: &'static str,
        /// Its value.
        value: u64,
        /// What to do about it.
        remedy: &'static str,
    },
    /// An object whose bytes are not what its name says (a broken gzip stream, no Parquet footer).
    #[error("cannot read `{uri}` as {format}: {reason}; replace it by an intact one")]
    Unreadable {
        /// The object.
        uri: String,
        /// The expected format.
        format: &'static str,
        /// What the decoder says.
        reason: String,
    },
    /// Rows that cannot be written.
    #[error("cannot encode `{uri}` as Parquet: {reason}")]
    Encode {
        /// The partition.
        uri: String,
        /// What the encoder says.
        reason: String,
    },
    /// A table or rows that do not have the columns they should.
    #[error("`{uri}`: {reason}")]
    Schema {
        /// The table.
        uri: String,
        /// What differs.
        reason: String,
    },
    /// Another writer changed what this one was about to replace; nothing was written.
    #[error("`{uri}` was changed by another writer: {reason}; nothing was written, run again")]
    Conflict {
        /// The table.
        uri: String,
        /// What was changed.
        reason: String,
    },
    /// The rows for a table could not be computed.
    #[error("cannot compute the rows of `{uri}`")]
    Rows {
        /// Where they were to go.
        uri: String,
        /// What the query says.
        #[source]
        source: Cause,
    },
    /// Another run works on the partition.
    #[error("partition `{uri}` is being written by `{owner}` (its lock expires at {expires_at}); try again after it")]
    Locked {
        /// The partition.
        uri: String,
        /// Who holds the lock.
        owner: String,
        /// When it can be taken over.
        expires_at: DateTime<Utc>,
    },
    /// The lock was lost before the new partition was switched in; nothing was published.
    #[error("the lock of partition `{uri}` was lost to another run; nothing was published")]
    LockLost {
        /// The partition.
        uri: String,
    },
    /// A crash test's crash.
    #[error("crash point {number} reached before: {step}")]
    Crashed {
        /// Which write step.
        number: u64,
        /// What it would have done.
        step: String,
    },
}

impl Error {
    /// A fault of the store; a crash test's crash stays one, however deep it is wrapped.
    pub(crate) fn storage(action: &'static str, uri: impl Into<String>, source: impl Into<Cause>) -> Error {
        let source = source.into();
        let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(source.as_ref());
        while let Some(error) = cause {
            if let Some(Error::Crashed { number, step }) = error.downcast_ref::<Error>() {
                return Error::Crashed { number: *number, step: step.clone() };
            }
            cause = error.source();
        }
        Error::Storage { action, uri: uri.into(), source }
    }

    /// The message with its whole chain of causes.
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        text
    }
}
