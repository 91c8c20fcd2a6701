//! What a crash must not cost: servers and workers killed at work, on a real Postgres.
