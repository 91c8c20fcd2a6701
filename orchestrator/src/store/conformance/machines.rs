//! State machines and activities.

use super::super::{ActivityRecord, Commit, Error, ExecutionStatus, Page, StateMachineStatus};
use super::*;

pub async fn machine_is_created_once(store: Shared) {
    let first = machine(MACHINE, 1);
    store.create_state_machine(&first).await.unwrap();
    let second = store.create_state_machine(&machine(MACHINE, 2)).await;
    assert!(matches!(second, Err(Error::Exists(arn)) if arn == MACHINE));
    assert_eq!(store.state_machine(MACHINE).await.unwrap(), Some(first));
    assert_eq!(store.state_machine("arn:none").await.unwrap(), None);
}

pub async fn revisions_stay_when_a_new_one_comes(store: Shared) {
    let first = machine(MACHINE, 1);
    store.create_state_machine(&first).await.unwrap();
    let mut second = first.clone();
    second.revision = revision(MACHINE, 2);
    second.tags = json!([]);
    store.update_state_machine(&second).await.unwrap();
    assert_eq!(store.state_machine(MACHINE).await.unwrap(), Some(second.clone()));
    assert_eq!(store.revision(first.revision.id).await.unwrap(), Some(first.revision));
    assert_eq!(store.revision(second.revision.id).await.unwrap(), Some(second.revision));
    assert_eq!(store.revision(Uuid::new_v4()).await.unwrap(), None);
    let missing = store.update_state_machine(&machine("arn:none", 3)).await;
    assert!(matches!(missing, Err(Error::Missing(arn)) if arn == "arn:none"));
}

pub async fn no_two_revisions_have_one_number(store: Shared) {
    const WRITERS: u32 = 4;
    let first = machine(MACHINE, 1);
    store.create_state_machine(&first).await.unwrap();
    let writers = (0..WRITERS).map(|_| {
        let store = store.clone();
        tokio::spawn(async move {
            loop {
                let mut machine = store.state_machine(MACHINE).await.unwrap().unwrap();
                machine.revision = revision(MACHINE, machine.revision.number + 1);
                match store.update_state_machine(&machine).await {
                    Ok(()) => return machine.revision,
                    Err(Error::Superseded(arn)) => assert_eq!(arn, MACHINE),
                    Err(other) => panic!("{other}"),
                }
            }
        })
    });
    let mut made = Vec::new();
    for writer in writers.collect::<Vec<_>>() {
        made.push(writer.await.unwrap());
    }
    made.sort_by_key(|revision| revision.number);
    assert_eq!(made.iter().map(|revision| revision.number).collect::<Vec<_>>(), [2, 3, 4, 5]);
    let current = store.state_machine(MACHINE).await.unwrap().unwrap();
    assert_eq!(Some(&current.revision), made.last());
    // One that was refused leaves nothing behind, not even its revision.
    let late = StateMachineRecord { revision: revision(MACHINE, 3), ..current.clone() };
    assert!(matches!(store.update_state_machine(&late).await, Err(Error::Superseded(_))));
    assert_eq!(store.revision(late.revision.id).await.unwrap(), None);
    assert_eq!(store.state_machine(MACHINE).await.unwrap(), Some(current));
}

pub async fn machine_with_running_executions_is_deleted_with_the_last(store: Shared) {
    assert!(!store.delete_state_machine(MACHINE).await.unwrap());
    let made = machine(MACHINE, 0);
    store.create_state_machine(&made).await.unwrap();
    let id = hold(&store, start(record("x", 0))).await;
    assert!(store.delete_state_machine(MACHINE).await.unwrap());
    assert_eq!(store.state_machine(MACHINE).await.unwrap().unwrap().status, StateMachineStatus::Deleting);
    assert!(store.list_state_machines(&Page::default()).await.unwrap().items.is_empty());
    assert!(matches!(store.create_state_machine(&machine(MACHINE, 1)).await, Err(Error::Exists(_))));
    hold(&store, Commit { end: Some(end(ExecutionStatus::Succeeded, 1)), ..step(id, 1) }).await;
    assert_eq!(store.state_machine(MACHINE).await.unwrap(), None);
    // What ran on it can still be read, and its name is free.
    assert_eq!(store.revision(made.revision.id).await.unwrap(), Some(made.revision));
    assert!(store.execution_by_id(id).await.unwrap().is_some());
    store.create_state_machine(&machine(MACHINE, 2)).await.unwrap();
    assert!(store.delete_state_machine(MACHINE).await.unwrap());
    assert_eq!(store.state_machine(MACHINE).await.unwrap(), None);
}

pub async fn machines_are_listed_in_order_of_creation(store: Shared) {
    for (arn, created_at) in [("arn:c", 1), ("arn:a", 2), ("arn:b", 2), ("arn:d", 0)] {
        store.create_state_machine(&machine(arn, created_at)).await.unwrap();
    }
    store.delete_state_machine("arn:c").await.unwrap();
    let first = store.list_state_machines(&Page { token: None, limit: 2 }).await.unwrap();
    assert_eq!(first.items.iter().map(|machine| machine.arn.as_str()).collect::<Vec<_>>(), ["arn:d", "arn:a"]);
    let second = store.list_state_machines(&Page { token: first.next, limit: 2 }).await.unwrap();
    assert_eq!(second.items.iter().map(|machine| machine.arn.as_str()).collect::<Vec<_>>(), ["arn:b"]);
    assert_eq!(second.next, None);
    let bad = store.list_state_machines(&Page { token: Some("?".into()), limit: 2 }).await;
    assert!(matches!(bad, Err(Error::BadToken(_))));
}

pub async fn activity_is_created_once_and_deleted(store: Shared) {
    let activity = |arn: &str, created_at| ActivityRecord {
        arn: arn.into(),
        name: arn.into(),
        created_at: at(created_at),
        tags: json!([]),
    };
    let first = activity("arn:a", 1);
    assert_eq!(store.create_activity(&first).await.unwrap(), first);
    assert_eq!(store.create_activity(&activity("arn:a", 9)).await.unwrap(), first);
    store.create_activity(&activity("arn:b", 0)).await.unwrap();
    assert_eq!(store.activity("arn:a").await.unwrap(), Some(first));
    let page = store.list_activities(&Page { token: None, limit: 1 }).await.unwrap();
    assert_eq!(page.items[0].arn, "arn:b");
    let page = store.list_activities(&Page { token: page.next, limit: 1 }).await.unwrap();
    assert_eq!((page.items[0].arn.as_str(), page.next), ("arn:a", None));
    assert!(store.delete_activity("arn:a").await.unwrap());
    assert!(!store.delete_activity("arn:a").await.unwrap());
    assert_eq!(store.activity("arn:a").await.unwrap(), None);
}
