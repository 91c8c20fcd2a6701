//! The AWS clients the orchestrator talks to, behind small traits.
