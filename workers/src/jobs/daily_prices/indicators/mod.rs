//! The indicators job.

mod average;
mod bars;
mod columns;
mod compute;
mod frame;
mod market;
mod momentum;
mod quality;
mod round;
mod trend;
mod volatility;
mod volume;
mod window;

#[cfg(test)]
mod tests;
