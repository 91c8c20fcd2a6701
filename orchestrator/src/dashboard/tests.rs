//! Whole pages over a memory store, and what is sent to them.

use std::sync::Arc;

use async_trait::async_trait;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode, header};
use parking_lot::Mutex;
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::stage::{Stage, bad, good, half, lonely};
use super::{ActionError, Actions, Dashboard, router, sample};
use crate::store::{Hint, Store};

/// Writes down what it is asked to do.
#[derive(Debug, Default)]
struct Recorder(Mutex<Vec<String>>);

#[async_trait]
impl Actions for Recorder {
    async fn run(&self, pipeline: &str, ds: &str, reprocess: bool) -> Result<String, ActionError> {
        self.0.lock().push(format!("run {pipeline} {ds} {reprocess}"));
        match ds {
            "2025-09-08" => Err(ActionError::Busy { partition: ds.to_owned(), execution_arn: sample::arn("going") }),
            "2020-01-01" => Err(ActionError::Refused {
                reason: "2020-01-01 lies before the first day".to_owned(),
                remedy: "The first day is 2025-01-01.".to_owned(),
            }),
            _ => Ok(sample::arn("new")),
        }
    }

    async fn stop(&self, execution_arn: &str) -> Result<(), ActionError> {
        self.0.lock().push(format!("stop {execution_arn}"));
        Ok(())
    }
}

struct Site {
    dashboard: Dashboard,
    recorder: Arc<Recorder>,
    changes: broadcast::Sender<Hint>,
}

fn site(stage: &Stage) -> Site {
    let recorder = Arc::new(Recorder::default());
    let changes = broadcast::Sender::new(16);
    let sender = changes.clone();
    let store: Arc<dyn Store> = Arc::new(stage.store.clone());
    let subscribe = move || sender.subscribe();
    let dashboard = Dashboard::new(store, recorder.clone(), subscribe, CancellationToken::new());
    Site { dashboard, recorder, changes }
}

impl Site {
    async fn send(&self, request: Request<Body>) -> (StatusCode, String, String) {
        let response = router(self.dashboard.clone()).oneshot(request).await.unwrap();
        let status = response.status();
        let policy = response.headers().get(header::CONTENT_SECURITY_POLICY).expect("every answer has a policy");
        assert!(policy.to_str().unwrap().starts_with("default-src 'none'"));
        let location = response.headers().get(header::LOCATION).map(|value| value.to_str().unwrap().to_owned());
        let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        (status, location.unwrap_or_default(), String::from_utf8(body.to_vec()).unwrap())
    }

    async fn get(&self, path: &str) -> String {
        let (status, _, body) = self.send(Request::get(path).body(Body::empty()).unwrap()).await;
        assert_eq!(status, StatusCode::OK, "{path}: {body}");
        // What the policy forbids must not be written in the first place.
        for forbidden in ["<style", " style=\"", " onclick=", "javascript:"] {
            assert!(!body.contains(forbidden), "{path} holds {forbidden}");
        }
        body
    }

    async fn post(&self, path: &str, form: &'static str) -> (StatusCode, String, String) {
        let request = Request::post(path)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header("sec-fetch-site", "same-origin");
        self.send(request.body(Body::from(form)).unwrap()).await
    }
}

/// The markup of the element with this id, to its closing tag at the same depth.
fn part<'a>(html: &'a str, id: &str) -> &'a str {
    let marker = format!("id=\"{id}\"");
    let at = html.find(&marker).unwrap_or_else(|| panic!("no {marker} in {html}"));
    let start = html[..at].rfind('<').unwrap();
    let name = html[start + 1..].split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap();
    let (open, close) = (format!("<{name}"), format!("</{name}>"));
    let mut depth = 0;
    let mut end = start;
    loop {
        let next_open = html[end..].find(&open).map(|n| end + n);
        let next_close = html[end..].find(&close).map(|n| end + n).expect("elements are closed");
        match next_open.filter(|at| *at < next_close) {
            Some(at) => {
                depth += 1;
                end = at + open.len();
            }
            None => {
                depth -= 1;
                end = next_close + close.len();
                if depth == 0 {
                    return &html[start..end];
                }
            }
        }
    }
}

async fn full_stage() -> Stage {
    let stage = Stage::new(sample::START).await;
    stage.pipeline().await;
    stage.play("2025-09-04", good).await;
    stage.play("2025-09-05", bad).await;
    stage.play("2025-09-08", half).await;
    stage.worker("w-2").await;
    stage.store.merge_tables(&[super::stage::table(stage.now())]).await.unwrap();
    stage
}

#[tokio::test]
async fn empty_pages_invite() {
    let stage = Stage::new(sample::START).await;
    let site = site(&stage);
    for (path, text) in [
        ("/", "stepwell up"),
        ("/pipelines", "stepwell up"),
        ("/executions", "run a day"),
        ("/executions?q=nothing", "Show all"),
        ("/tables", "run a day"),
        ("/alarms", "No message yet"),
        ("/workers", "stepwell worker"),
    ] {
        assert!(site.get(path).await.contains(text), "{path} does not say {text}");
    }
    stage.pipeline().await;
    let page = site.get("/pipelines/daily-prices").await;
    assert!(part(&page, "grid").contains("/api/v1/pipelines/daily-prices/runs"));
    assert!(part(&page, "run").contains(" open"), "the form is open while there is no day");
}

#[tokio::test]
async fn no_link_of_the_navigation_is_dead() {
    let stage = full_stage().await;
    let site = site(&stage);
    let overview = site.get("/").await;
    let mut links: Vec<&str> = overview.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    links.retain(|link| link.starts_with('/') && !link.starts_with("/assets"));
    links.dedup();
    assert!(links.len() > 12, "{links:?}");
    for link in links {
        site.get(&link.replace("&#38;", "&").replace("&amp;", "&")).await;
    }
    for asset in ["app.css", "app.js", "graph.js", "grid.js", "icon.svg"] {
        assert!(!site.get(&format!("/assets/{asset}")).await.is_empty(), "{asset}");
    }
}

#[tokio::test]
async fn the_overview_says_what_needs_attention_first() {
    let stage = full_stage().await;
    let page = site(&stage).get("/").await;
    assert!(part(&page, "verdict").contains("1 pipeline needs attention"));
    let attention = part(&page, "attention");
    for text in ["daily-prices <span class=\"ds\">2025-09-05</span>", "Transform", "DQ_FAILED", "reprocess=true#run"] {
        assert!(attention.contains(text), "{text} in {attention}");
    }
    let pipelines = part(&page, "pipelines");
    assert!(pipelines.contains("2025-09-04") && pipelines.contains("06:00 Mon–Fri Europe/Berlin"), "{pipelines}");
}

#[tokio::test]
async fn the_pipeline_shows_days_by_state() {
    let stage = full_stage().await;
    let site = site(&stage);
    let page = site.get("/pipelines/daily-prices").await;
    let grid = part(&page, "grid");
    assert!(grid.contains("Transform 2025-09-05 · failed"), "{grid}");
    assert!(grid.contains("Transform 2025-09-08 · running"), "{grid}");
    assert!(grid.contains("?state=Transform"));
    assert!(part(&page, "partitions").contains("DQ_FAILED: Critical Error Rate"));
    let form = site.get("/pipelines/daily-prices?ds=2025-09-05&reprocess=true").await;
    assert!(part(&form, "run").contains("Reprocess 2025-09-05: overwrites 3 tables (prices, indicators, quarantine)"));
    for (tab, text) in [("runs", "2025-09-04"), ("definition", "StartAt"), ("sheet", "Europe/Berlin")] {
        assert!(site.get(&format!("/pipelines/daily-prices?tab={tab}")).await.contains(text), "{tab}");
    }
}

#[tokio::test]
async fn a_failed_execution_explains_itself() {
    let stage = full_stage().await;
    let site = site(&stage);
    // by name and by ARN
    for key in ["2025-09-05".to_owned(), sample::arn("2025-09-05")] {
        let page = site.get(&format!("/executions/{key}")).await;
        let why = part(&page, "why");
        for text in [
            "<b>Transform</b>",
            "DQ_FAILED",
            "12.44%",
            "critical: negative_price 300",
            "What usually helps",
            "/quarantine/",
        ] {
            assert!(why.contains(text), "{text} in {why}");
        }
        assert!(part(&page, "graph").contains("kind-task is-failed selected"));
        assert!(part(&page, "panel").contains("Attempt 1"));
        assert!(part(&page, "head").contains("reprocess=true#run"));
        assert!(!page.contains("/stop\""), "what has ended cannot be stopped");
        assert!(page.contains("data-page=\"\""), "what has ended is not streamed");
    }
}

#[tokio::test]
async fn a_running_execution_says_what_it_waits_for() {
    let stage = full_stage().await;
    let site = site(&stage);
    let page = site.get("/executions/2025-09-08").await;
    let why = part(&page, "why");
    assert!(why.contains("runs on w-2") && why.contains("2025-09-08</span>"), "{why}");
    assert!(part(&page, "graph").contains("is-running selected"));
    assert!(part(&page, "panel").contains("data-follow"), "the log of what runs is followed");
    assert!(part(&page, "head").contains("/stop\""));
    assert!(page.contains(&format!("data-page=\"/executions/{}\"", sample::arn("2025-09-08"))));
    stage.play("2025-09-09", lonely).await;
    stage.pass(70_000);
    let page = site.get("/executions/2025-09-09").await;
    assert!(part(&page, "why").contains("no worker serves daily-prices-transform"), "{}", part(&page, "why"));
}

#[tokio::test]
async fn a_succeeded_execution_shows_graph_timeline_and_history() {
    let stage = full_stage().await;
    let site = site(&stage);
    let page = site.get("/executions/2025-09-04").await;
    assert!(!part(&page, "why").contains("class=\"card why"));
    assert!(!part(&page, "graph").contains("is-failed"), "a retried failure leaves no red state");
    let timeline = part(&page, "timeline");
    assert_eq!(timeline.matches("class=\"bar is-failed\"").count(), 1, "the first attempt of the compaction");
    assert!(timeline.contains("before the next attempt"));
    let history = part(&page, "history");
    assert!(history.contains("ExecutionSucceeded") && history.contains("MapIterationSucceeded"));
    let filtered = site.get("/executions/2025-09-04?type=TaskFailed&of=Compaction").await;
    assert!(part(&filtered, "history").contains("1 of "), "{}", part(&filtered, "history"));
    let then = site.get("/executions/2025-09-04?at=12").await;
    assert!(then.contains("as it stood after event 12") && !part(&then, "history").contains("ExecutionSucceeded"));
    let json = site.get("/executions/2025-09-04/history.json").await;
    let history: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(history["events"][0]["type"], "ExecutionStarted");
}

#[tokio::test]
async fn the_count_of_failures_leads_to_just_these() {
    let stage = Stage::new(sample::START).await;
    stage.play("2025-09-02", bad).await;
    stage.pass(23 * 3_600_000);
    stage.play("2025-09-03", bad).await;
    stage.play("2025-09-04", good).await;
    let site = site(&stage);
    let tile = |page: &str| {
        let at = page.find("failed 24 h").unwrap();
        let tile = &page[page[..at].rfind("<a ").unwrap()..at];
        let href = tile.split("href=\"").nth(1).unwrap().split('"').next().unwrap().replace("&#38;", "&");
        (tile.to_owned(), href.replace("&amp;", "&"))
    };
    for (pass_hours, failed) in [(0, &["2025-09-02", "2025-09-03"][..]), (2, &["2025-09-03"]), (23, &[])] {
        stage.pass(pass_hours * 3_600_000);
        let (count, href) = tile(&site.get("/").await);
        assert!(count.contains(&format!(">{}<", failed.len())), "{count}");
        let page = site.get(&href).await;
        for day in ["2025-09-02", "2025-09-03", "2025-09-04"] {
            let is_listed = part(&page, "list").contains(&format!(">{day}<"));
            assert_eq!(is_listed, failed.contains(&day), "{pass_hours}: {day} of {failed:?}");
        }
        assert!(page.contains("ended within 24 h ✕"), "{href}: {page}");
        assert_eq!(page.matches("aria-current=\"true\">").count(), 2, "both kinds of failure are chosen: {page}");
    }
    let all = site.get("/executions?status=FAILED%2CTIMED_OUT").await;
    assert!(part(&all, "list").contains(">2025-09-02<") && !all.contains("ended within"), "{all}");
    let refined = site.get("/executions?status=FAILED&hours=24").await;
    assert!(refined.contains("<a class=\"chip on\" href=\"/executions?status=FAILED\" title=\"Remove"), "{refined}");
}

#[tokio::test]
async fn lists_hold_what_they_should() {
    let stage = full_stage().await;
    let site = site(&stage);
    for (path, holds, lacks) in [
        ("/executions?status=FAILED", "2025-09-05", ">2025-09-04<"),
        ("/executions?q=dq_failed", "2025-09-05", ">2025-09-04<"),
        ("/executions?q=2025-09-04", ">2025-09-04<", ">2025-09-05<"),
        ("/tables", "dev_data_platform.curated_prices", "run a day"),
        ("/alarms", "daily-prices 2025-09-05 failed", "No message yet"),
        ("/workers", "market-indicators", "No worker"),
    ] {
        let page = site.get(path).await;
        let list = part(&page, "list");
        assert!(list.contains(holds), "{path} lacks {holds}: {list}");
        assert!(!list.contains(lacks), "{path} holds {lacks}: {list}");
    }
}

#[tokio::test]
async fn forms_act_and_lead_on() {
    let stage = full_stage().await;
    let site = site(&stage);
    let (status, location, _) = site.post("/pipelines/daily-prices/runs", "ds=2025-09-04&reprocess=true").await;
    assert_eq!((status, location), (StatusCode::SEE_OTHER, format!("/executions/{}?done=started", sample::arn("new"))));
    let (status, location, _) = site.post("/executions/2025-09-08/stop", "").await;
    let stopped = sample::arn("2025-09-08");
    assert_eq!((status, location), (StatusCode::SEE_OTHER, format!("/executions/{stopped}?done=stopped")));
    assert_eq!(*site.recorder.0.lock(), ["run daily-prices 2025-09-04 true".to_owned(), format!("stop {stopped}")]);
}

#[tokio::test]
async fn refusals_give_a_reason_and_a_way_out() {
    let stage = full_stage().await;
    let site = site(&stage);
    for (form, status, texts) in [
        ("ds=2025-02-30", StatusCode::UNPROCESSABLE_ENTITY, ["`2025-02-30` is no day", "YYYY-MM-DD"]),
        ("", StatusCode::UNPROCESSABLE_ENTITY, ["No day was given", "Back to daily-prices"]),
        ("ds=2020-01-01", StatusCode::UNPROCESSABLE_ENTITY, ["lies before the first day", "The first day is"]),
        ("ds=2025-09-08", StatusCode::CONFLICT, ["is being made already", "daily-prices:going"]),
    ] {
        let (answer, _, body) = site.post("/pipelines/daily-prices/runs", form).await;
        assert_eq!(answer, status, "{form}");
        for text in texts {
            assert!(body.contains(text), "{form}: {text} in {body}");
        }
    }
    for (path, back) in [
        ("/nowhere", "href=\"/\""),
        ("/executions/nothing", "href=\"/executions\""),
        ("/pipelines/x", "href=\"/pipelines\""),
    ] {
        let (status, _, body) = site.send(Request::get(path).body(Body::empty()).unwrap()).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{path}");
        assert!(body.contains("There is no") && body.contains(back), "{path}: {body}");
    }
    let foreign = Request::post("/executions/2025-09-08/stop").header("sec-fetch-site", "cross-site");
    let (status, _, _) = site.send(foreign.body(Body::empty()).unwrap()).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert!(!site.recorder.0.lock().iter().any(|done| done.starts_with("stop")));
}

#[tokio::test]
async fn a_change_is_hinted_to_the_pages_that_show_it() {
    let stage = full_stage().await;
    let site = site(&stage);
    let id = stage.store.execution(&sample::arn("2025-09-08")).await.unwrap().unwrap().id;
    let request = Request::get("/events?page=/executions/2025-09-08").body(Body::empty()).unwrap();
    let response = router(site.dashboard.clone()).oneshot(request).await.unwrap();
    assert_eq!(response.headers()[header::CONTENT_TYPE], "text/event-stream");
    let mut body = response.into_body().into_data_stream();
    let mut next = async || {
        use futures::StreamExt;
        body.next().await.map(|chunk| String::from_utf8(chunk.unwrap().to_vec()).unwrap()).unwrap_or_default()
    };
    assert_eq!(next().await, "event: changed\ndata: page\n\n", "the first comes at once");
    site.changes.send(Hint::Execution { id: uuid::Uuid::nil(), ended: true }).unwrap();
    site.changes.send(Hint::Execution { id, ended: false }).unwrap();
    assert_eq!(next().await, "event: changed\ndata: page\n\n");
    site.dashboard.stopping.cancel();
    assert!(next().await.is_empty(), "a server that stops ends its streams");
}

#[path = "view_tests.rs"]
mod views;
