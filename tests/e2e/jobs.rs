//! Data jobs under a real worker.
