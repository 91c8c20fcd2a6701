//! What the tests of this module evaluate on.

use serde_json::{Value, json};

use super::{Data, Random, VariableMap};
use crate::time::Timestamp;

/// Owns what a [`Data`] borrows.
pub(crate) struct Scene {
    pub(crate) input: Value,
    pub(crate) context: Value,
    pub(crate) states: Value,
    pub(crate) inner: VariableMap,
    pub(crate) outer: VariableMap,
    pub(crate) random: Random,
}

impl Scene {
    pub(crate) fn on(input: Value) -> Self {
        Self {
            states: json!({"input": input, "context": {"State": {"Name": "S"}}}),
            input,
            context: json!({}),
            inner: VariableMap::new(),
            outer: VariableMap::new(),
            random: Random::new([0; 32]),
        }
    }

    pub(crate) fn set(&mut self, name: &str, value: Value) {
        self.inner.insert(name.to_owned(), value);
    }

    pub(crate) fn data(&self) -> Data<'_> {
        Data {
            input: &self.input,
            context: &self.context,
            // A test's few bytes live as long as its process.
            variables: Box::leak(Box::new([&self.inner, &self.outer])),
            states: &self.states,
            random: &self.random,
            now: Timestamp::from_millis(1_700_000_000_123),
        }
    }
}
