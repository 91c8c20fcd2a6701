//! The catalog: what tables there are, found by looking.

mod crawler;

pub use crawler::CRAWLER;
