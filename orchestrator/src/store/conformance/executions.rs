//! Histories, lists, counts, logs and reports.

use asl::TaskId;

use super::super::{
    Commit, Error, ExecutionFilter, ExecutionStatus, HistoryQuery, LogLine, Page, ReportRecord, SnapshotRecord,
};
use super::*;

async fn ids(store: &Shared, execution: ExecutionId, reverse: bool, after: Option<u64>, limit: u32) -> Vec<u64> {
    let events = store.history(execution, &HistoryQuery { reverse, after, limit }).await.unwrap();
    events.iter().map(|event| event.public.unwrap().id).collect()
}

pub async fn history_pages_forward_and_backward(store: Shared) {
    with_machine(&store).await;
    // Commits of 1, 3, 0 and 2 public events; internal ids run ahead of public ones.
    let id = hold(&store, start(record("x", 0))).await;
    let events = vec![hidden(2, Some(2)), hidden(3, None), hidden(4, Some(3)), hidden(5, Some(4))];
    hold(&store, Commit { events, ..step(id, 1) }).await;
    hold(&store, Commit { events: vec![hidden(6, None)], ..step(id, 5) }).await;
    hold(&store, Commit { events: vec![hidden(7, Some(5)), hidden(8, Some(6))], ..step(id, 6) }).await;
    hold(&store, start(record("neighbour", 0))).await;
    for limit in 1..=8 {
        for (reverse, whole) in [(false, vec![1, 2, 3, 4, 5, 6]), (true, vec![6, 5, 4, 3, 2, 1])] {
            let (mut read, mut after) = (Vec::new(), None);
            loop {
                let page = ids(&store, id, reverse, after, limit).await;
                assert!(page.len() <= limit as usize);
                let Some(last) = page.last() else { break };
                after = Some(*last);
                read.extend(page);
            }
            assert_eq!(read, whole, "reverse: {reverse}, pages of {limit}");
        }
    }
    let page = store.history(id, &HistoryQuery { reverse: false, after: Some(1), limit: 2 }).await.unwrap();
    assert_eq!(page, [hidden(2, Some(2)), hidden(4, Some(3))]);
    assert_eq!(ids(&store, id, false, Some(6), 5).await, [0; 0]);
    assert_eq!(ids(&store, id, true, Some(1), 5).await, [0; 0]);
    assert_eq!(ids(&store, Uuid::new_v4(), true, None, 5).await, [0; 0]);
}

pub async fn load_goes_on_from_the_newest_snapshot(store: Shared) {
    with_machine(&store).await;
    let id = hold(&store, start(record("x", 0))).await;
    for expected in 1..5 {
        hold(&store, step(id, expected)).await;
    }
    // Events that are not public, before and after the snapshot.
    let silent = |expected| Commit { events: vec![hidden(expected + 1, None)], ..step(id, expected) };
    hold(&store, silent(5)).await;
    let ids = async || {
        let recent = store.load_recent(id).await.unwrap().unwrap();
        assert_eq!(recent.record.id, id);
        (recent.snapshot, recent.events.iter().map(|event| event.id).collect::<Vec<_>>())
    };
    assert_eq!(ids().await, (None, vec![1, 2, 3, 4, 5, 6]));
    let snapshot = |event| SnapshotRecord { event, public: 5, state: format!(r#"{{"at":{event}}}"#) };
    store.put_snapshot(id, &snapshot(6)).await.unwrap();
    hold(&store, silent(6)).await;
    hold(&store, Commit { events: vec![hidden(8, Some(6))], ..step(id, 7) }).await;
    assert_eq!(ids().await, (Some(snapshot(6)), vec![7, 8]));
    // An older one that comes late is nothing.
    store.put_snapshot(id, &snapshot(5)).await.unwrap();
    assert_eq!(ids().await.0, Some(snapshot(6)));
    let newest = SnapshotRecord { public: 6, ..snapshot(8) };
    store.put_snapshot(id, &newest).await.unwrap();
    assert_eq!(ids().await, (Some(newest), vec![]));
    assert_eq!(store.load(id).await.unwrap().unwrap().events.len(), 8, "all of them are there");
    assert!(store.load_recent(Uuid::new_v4()).await.unwrap().is_none());
}

pub async fn lists_page_newest_first_and_filter(store: Shared) {
    with_machine(&store).await;
    let other = "arn:aws:states:us-east-1:123456789012:stateMachine:other";
    store.create_state_machine(&machine(other, 1)).await.unwrap();
    let mut made = Vec::new();
    for n in 0..7 {
        // Two share each instant, so that the order needs its tie-break.
        let mut new = record(&format!("x{n}"), n / 2);
        new.pipeline = (n % 2 == 0).then(|| "sales".to_owned());
        new.partition = (n % 2 == 0).then(|| format!("2024-12-0{n}"));
        new.state_machine_arn = if n == 3 { other } else { MACHINE }.to_owned();
        let ends = match n {
            1 => Some((ExecutionStatus::TimedOut, 20)),
            5 => Some((ExecutionStatus::Failed, 50)),
            _ => None,
        };
        made.push((new.started_at, new.id, new.name.clone()));
        let end = ends.map(|(status, at)| end(status, at));
        hold(&store, Commit { end, ..start(new) }).await;
    }
    made.sort_by_key(|(started_at, id, _)| std::cmp::Reverse((*started_at, id.to_string())));
    let whole: Vec<_> = made.iter().map(|(_, _, name)| name.clone()).collect();
    for limit in [1, 2, 3, 7, 0] {
        let (mut read, mut page) = (Vec::new(), Page { token: None, limit });
        loop {
            let got = store.list_executions(&ExecutionFilter::default(), &page).await.unwrap();
            read.extend(got.items.into_iter().map(|record| record.name));
            let Some(next) = got.next else { break };
            page.token = Some(next);
        }
        assert_eq!(read, whole, "pages of {limit}");
    }
    let filters = [
        (ExecutionFilter { state_machine_arn: Some(other.into()), ..Default::default() }, vec!["x3"]),
        (ExecutionFilter { statuses: vec![ExecutionStatus::Failed], ..Default::default() }, vec!["x5"]),
        (
            ExecutionFilter {
                statuses: vec![ExecutionStatus::Failed, ExecutionStatus::TimedOut],
                stopped_since: Some(at(20)),
                ..Default::default()
            },
            vec!["x5", "x1"],
        ),
        (ExecutionFilter { stopped_since: Some(at(21)), ..Default::default() }, vec!["x5"]),
        (
            ExecutionFilter {
                statuses: vec![ExecutionStatus::Running, ExecutionStatus::TimedOut],
                stopped_since: Some(at(20)),
                ..Default::default()
            },
            vec!["x1"],
        ),
        (ExecutionFilter { pipeline: Some("sales".into()), ..Default::default() }, vec!["x6", "x4", "x2", "x0"]),
        (
            ExecutionFilter {
                pipeline: Some("sales".into()),
                partition: Some("2024-12-04".into()),
                statuses: vec![ExecutionStatus::Running],
                state_machine_arn: Some(MACHINE.into()),
                ..Default::default()
            },
            vec!["x4"],
        ),
        (ExecutionFilter { alone: true, statuses: vec![ExecutionStatus::Running], ..Default::default() }, vec!["x3"]),
        (ExecutionFilter { alone: true, ..Default::default() }, vec!["x5", "x3", "x1"]),
        (ExecutionFilter { pipeline: Some("none".into()), ..Default::default() }, vec![]),
    ];
    for (filter, names) in filters {
        let got = store.list_executions(&filter, &Page::default()).await.unwrap();
        assert_eq!(got.items.iter().map(|record| record.name.as_str()).collect::<Vec<_>>(), names, "{filter:?}");
        assert_eq!(got.next, None);
    }
    let bad = Page { token: Some("nonsense".into()), limit: 1 };
    let refused = store.list_executions(&ExecutionFilter::default(), &bad).await;
    assert!(matches!(refused, Err(Error::BadToken(token)) if token == "nonsense"));
}

pub async fn counts_are_by_status_and_age(store: Shared) {
    with_machine(&store).await;
    for (name, status, stopped_at) in [
        ("old", ExecutionStatus::Succeeded, 10),
        ("new", ExecutionStatus::Succeeded, 20),
        ("newer", ExecutionStatus::Succeeded, 30),
        ("bad", ExecutionStatus::Aborted, 30),
    ] {
        hold(&store, Commit { end: Some(end(status, stopped_at)), ..start(record(name, 0)) }).await;
    }
    hold(&store, start(record("running", 0))).await;
    let counts = store.count_executions(at(20)).await.unwrap();
    let expected = [(ExecutionStatus::Running, 1), (ExecutionStatus::Succeeded, 2), (ExecutionStatus::Aborted, 1)];
    assert_eq!(counts, expected);
}

fn line(text: &str) -> LogLine {
    LogLine { number: 0, task: TaskId(0), at: at(1), stream: "stdout".into(), text: text.into() }
}

pub async fn logs_are_numbered_per_execution(store: Shared) {
    let (a, b) = (Uuid::new_v4(), Uuid::new_v4());
    store.append_log(a, TaskId(1), &[line("one"), line("two \u{0}!")]).await.unwrap();
    store.append_log(a, TaskId(2), &[line("three")]).await.unwrap();
    store.append_log(b, TaskId(1), &[line("other")]).await.unwrap();
    store.append_log(b, TaskId(1), &[]).await.unwrap();
    let numbers = |lines: Vec<LogLine>| lines.iter().map(|line| (line.number, line.task.0)).collect::<Vec<_>>();
    assert_eq!(numbers(store.log(a, None, 0, 10).await.unwrap()), [(1, 1), (2, 1), (3, 2)]);
    assert_eq!(numbers(store.log(a, None, 1, 1).await.unwrap()), [(2, 1)]);
    assert_eq!(numbers(store.log(a, Some(TaskId(2)), 0, 10).await.unwrap()), [(3, 2)]);
    let kept = store.log(b, Some(TaskId(1)), 0, 10).await.unwrap();
    assert_eq!(kept, [LogLine { number: 1, task: TaskId(1), ..line("other") }]);
    assert!(store.log(a, None, 0, 10).await.unwrap()[1].text.starts_with("two "));
}

pub async fn concurrent_log_lines_keep_their_order(store: Shared) {
    let id = Uuid::new_v4();
    let writers = (0..4).map(|task| {
        let store = store.clone();
        tokio::spawn(async move {
            for n in 0..10 {
                store.append_log(id, TaskId(task), &[line(&format!("{n}")), line("again")]).await.unwrap();
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    let lines = store.log(id, None, 0, 1000).await.unwrap();
    assert_eq!(lines.iter().map(|line| line.number).collect::<Vec<_>>(), (1..=80).collect::<Vec<_>>());
    for task in 0..4 {
        let own = lines.iter().filter(|line| line.task == TaskId(task) && line.text != "again");
        let texts: Vec<_> = own.map(|line| line.text.parse::<u32>().unwrap()).collect();
        assert_eq!(texts, (0..10).collect::<Vec<_>>(), "task {task}");
    }
}

pub async fn second_report_replaces_the_first(store: Shared) {
    let id = Uuid::new_v4();
    let report = |task, rows: u64, at_ms| ReportRecord {
        execution: id,
        task: TaskId(task),
        state: "Load".into(),
        report: json!({ "rows": rows, "a": null }),
        at: at(at_ms),
    };
    for report in [report(2, 1, 5), report(1, 2, 9), report(2, 3, 7)] {
        store.put_report(&report).await.unwrap();
    }
    assert_eq!(store.reports(id).await.unwrap(), [report(2, 3, 7), report(1, 2, 9)]);
    assert_eq!(store.reports(Uuid::new_v4()).await.unwrap(), []);
}
