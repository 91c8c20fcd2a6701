//! The Task state.

use super::SECONDS_MAX;
use super::reader::Reader;
use crate::definition::{Operand, Resource, StateKind, Task};

impl Reader<'_> {
    /// The fields that only a Task has.
    pub(super) fn task(&mut self, express: bool) -> StateKind {
        self.require(&["Resource"]);
        let resource = self.resource(express);
        let timeout_seconds = self.integer_operand("TimeoutSeconds", "TimeoutSecondsPath", 1..=SECONDS_MAX);
        let heartbeat_seconds = self.integer_operand("HeartbeatSeconds", "HeartbeatSecondsPath", 1..=SECONDS_MAX);
        if let (Some(Operand::Literal(timeout)), Some(Operand::Literal(heartbeat))) =
            (&timeout_seconds, &heartbeat_seconds)
            && heartbeat >= timeout
        {
            self.field_error(
                "HeartbeatSeconds",
                format!("HeartbeatSeconds must be less than TimeoutSeconds ({timeout})"),
            );
        }
        let credentials = self.template("Credentials");
        // Where the resource could not be read there is a finding, and no machine will come of this.
        let resource = resource.unwrap_or_else(|| Resource::Lambda(String::new()));
        StateKind::Task(Box::new(Task { resource, timeout_seconds, heartbeat_seconds, credentials }))
    }

    fn resource(&mut self, express: bool) -> Option<Resource> {
        let field = "Resource";
        let text = self.string(field)?;
        match Resource::parse(text) {
            Ok(resource) => {
                if let Some(message) = resource.refused_in_express().filter(|_| express) {
                    self.field_error(field, message);
                }
                Some(resource)
            }
            Err(message) => {
                self.field_error(field, message);
                None
            }
        }
    }
}
