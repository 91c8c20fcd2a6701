//! The jobs and functions, one folder per system.

pub mod daily_prices;
