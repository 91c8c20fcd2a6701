//! The context object: `$$` of JSONPath, `$states.context` of JSONata.

use serde_json::{Map, Value, json};

use crate::execution::{Execution, FrameId, MapItems, OpenState, StateType, Waiting};
use crate::ids::TaskToken;

impl Execution {
    /// The context object as the open state of `frame` sees it; without `State` where the frame is in none.
    pub fn context_object(&self, frame: FrameId) -> Value {
        let open = self.open_states().find(|open| open.id == frame);
        let token = open.and_then(|open| match &open.state.waiting {
            Some(Waiting::Task(task)) => task.token.as_ref(),
            _ => None,
        });
        self.context(frame, open.map(|open| open.state), token, None)
    }

    /// The context object with the token of a task about to be scheduled, or the item of an iteration about to open.
    pub(crate) fn context(
        &self,
        frame: FrameId,
        state: Option<&OpenState>,
        token: Option<&TaskToken>,
        item: Option<Value>,
    ) -> Value {
        let identity = &self.identity;
        let mut context = Map::new();
        context.insert(
            "Execution".to_owned(),
            json!({
                "Id": identity.arn,
                "Input": &*self.input,
                "StartTime": self.started_at.to_string(),
                "Name": identity.name,
                "RoleArn": identity.role_arn,
                "RedriveCount": 0,
            }),
        );
        context.insert(
            "StateMachine".to_owned(),
            json!({"Id": identity.state_machine_arn, "Name": identity.state_machine_name}),
        );
        if let Some(state) = state {
            let mut shown = json!({"Name": &*state.name, "EnteredTime": state.entered_at.to_string()});
            if matches!(state.state, StateType::Task | StateType::Parallel | StateType::Map) {
                shown["RetryCount"] = json!(state.retry_count());
            }
            context.insert("State".to_owned(), shown);
        }
        if let Some(token) = token {
            context.insert("Task".to_owned(), json!({"Token": token.as_str()}));
        }
        if let Some(item) = item.or_else(|| self.item_of(frame)) {
            context.insert("Map".to_owned(), json!({"Item": item}));
        }
        Value::Object(context)
    }

    /// `Map.Item` of the innermost iteration that `frame` is in.
    fn item_of(&self, frame: FrameId) -> Option<Value> {
        let mut frame = self.frames.get(&frame)?;
        loop {
            let parent = frame.parent?;
            let around = self.open_states().find(|open| open.id == parent)?;
            if let Some(Waiting::Children(children)) = &around.state.waiting
                && let Some(items) = &children.items
            {
                return item(items, usize::try_from(frame.index).ok()?, children.map_run.is_some());
            }
            frame = around.frame;
        }
    }
}

/// `Map.Item` for the item at `index`; only a distributed Map says where its items come from.
pub(crate) fn item(items: &MapItems, index: usize, distributed: bool) -> Option<Value> {
    let (key, value) = items.get(index)?;
    let mut item = Map::new();
    item.insert("Index".to_owned(), json!(index));
    if let Some(key) = key {
        item.insert("Key".to_owned(), json!(key));
    }
    item.insert("Value".to_owned(), value.clone());
    if distributed {
        item.insert("Source".to_owned(), json!("STATE_DATA"));
    }
    Some(Value::Object(item))
}
