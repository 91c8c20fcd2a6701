//! The graph of a definition: read from its JSON, laid out once per definition, painted with the statuses of a run.
//!
//! The definition is read loosely: what the orchestrator accepted is drawn as far as it is understood, and a drawing
//! that fails costs the picture, never the page.

mod layout;
mod paint;
mod read;
mod route;

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use sha2::{Digest, Sha256};

pub use layout::Drawing;
pub use paint::{Graph, paint};
pub use read::{Model, states};

/// Drawings that are kept; a deployment has few definitions.
const DRAWINGS_MAX: usize = 256;

/// Drawings by the hash of their definition.
#[derive(Debug, Default)]
pub struct Drawings(Mutex<HashMap<[u8; 32], Option<Arc<Drawing>>>>);

impl Drawings {
    /// The drawing of a definition; `None` if it cannot be drawn.
    pub fn of(&self, definition: &str) -> Option<Arc<Drawing>> {
        let hash: [u8; 32] = Sha256::digest(definition).into();
        if let Some(drawing) = self.0.lock().get(&hash) {
            return drawing.clone();
        }
        let drawing =
            serde_json::from_str(definition).ok().map(|json| Model::read(&json)).and_then(layout::draw).map(Arc::new);
        let mut drawings = self.0.lock();
        if drawings.len() >= DRAWINGS_MAX {
            drawings.clear();
        }
        drawings.insert(hash, drawing.clone());
        drawing
    }
}

#[cfg(test)]
mod tests;
