//! What the parts of pages show: logs, causes, results, pipelines without a run, the graph's tools.

use super::*;
use crate::store::PipelineRecord;

#[tokio::test]
async fn logs_have_level_and_fields_and_are_not_raw_json() {
    let stage = full_stage().await;
    let site = site(&stage);
    let page = site.get("/executions/2025-09-05").await;
    let why = part(&page, "why");
    assert!(why.contains("lvl-error") && why.contains("<i>row count</i> 2,500"), "{why}");
    assert!(!why.contains("&#34;level&#34;") && !why.contains("etl"), "{why}");
    assert_eq!(why.matches("peak memory").count(), 1, "said once: {why}");
    assert!(why.contains("tab=logs"), "the whole log is one click away");
    let panel = site.get("/executions/2025-09-05?state=Transform&tab=logs").await;
    assert!(part(&panel, "panel").contains("<b class=\"lvl\">error</b>"), "{}", part(&panel, "panel"));
}

#[tokio::test]
async fn causes_are_said_in_words_wherever_they_stand() {
    let stage = full_stage().await;
    let site = site(&stage);
    let page = site.get("/executions/2025-09-05").await;
    for id in ["why", "panel", "timeline", "history"] {
        let shown = part(&page, id);
        assert!(shown.contains("<b class=\"code\">DQ_FAILED</b>"), "{id}: {shown}");
        for raw in ["{&#34;JobRunState", "{&quot;JobRunState"] {
            assert!(!shown.contains(raw), "{id} holds raw JSON: {shown}");
        }
    }
    // A Catcher put the error into the input of the state behind it.
    let caught = site.get("/executions/2025-09-05?state=Notify&tab=input").await;
    let panel = part(&caught, "panel");
    assert!(panel.contains("<span class=\"j-cause\"><b class=\"code\">DQ_FAILED</b>"), "{panel}");
}

#[tokio::test]
async fn results_are_shown_with_the_run_its_day_and_its_table() {
    let stage = full_stage().await;
    let site = site(&stage);
    let failed = site.get("/executions/2025-09-05").await;
    let results = part(&failed, "results");
    let at = |text: &str| results.find(text).unwrap_or_else(|| panic!("{text} in {results}"));
    assert!(at("FAIL</span></span> row count") < at("WARN</span></span> null rate"), "what failed comes first");
    assert!(results.contains("0.004") && results.contains("± 0.001"), "{results}");
    assert!(results.contains("set aside") && results.contains("79.3 KiB"), "{results}");
    let succeeded = site.get("/executions/2025-09-04").await;
    assert!(part(&succeeded, "results").contains("checks that passed"), "passed ones are folded");
    let past = site.get("/executions/2025-09-04?at=12").await;
    assert!(!part(&past, "results").contains("Tables written"), "the past does not know what was reported later");

    let list = site.get("/pipelines/daily-prices").await;
    let row = part(&list, "partitions");
    assert!(row.contains("1 warned") && row.contains("1 passed") && row.contains("aria-expanded=\"false\""), "{row}");
    let opened = site.get("/pipelines/daily-prices?row=2025-09-04").await;
    let row = part(&opened, "partitions");
    assert!(row.contains("aria-expanded=\"true\"") && row.contains("null rate") && row.contains("2,500"), "{row}");

    let tables = site.get("/tables").await;
    let list = part(&tables, "list");
    assert!(list.contains("Last written by") && list.contains("1 warned") && list.contains("null rate"), "{list}");
}

#[tokio::test]
async fn tables_that_no_crawler_has_seen_are_listed_from_the_ledger() {
    let stage = Stage::new(sample::START).await;
    stage.pipeline().await;
    stage.play("2025-09-04", good).await;
    let tables = site(&stage).get("/tables").await;
    let list = part(&tables, "list");
    assert!(list.contains("not in the catalog") && list.contains("s3://curated/market/prices<"), "{list}");
}

#[tokio::test]
async fn pipelines_without_a_run_say_which_day_to_run() {
    let stage = full_stage().await;
    let machine = stage.store.pipelines().await.unwrap()[0].state_machine_arn.clone();
    for name in ["a-fact-sales", "star-schema", "enrichment", "ecommerce"] {
        let record = PipelineRecord {
            name: name.to_owned(),
            state_machine_arn: machine.clone(),
            sheet: "description = 'Gold'\n[partition]\ncalendar = 'weekdays'\n".to_owned(),
            updated_at: stage.now(),
        };
        stage.store.put_pipeline(&record).await.unwrap();
    }
    let site = site(&stage);
    for (path, id) in [("/", "pipelines"), ("/pipelines", "list")] {
        let page = site.get(path).await;
        let rows = part(&page, id);
        assert_eq!(rows.matches("no runs yet").count(), 4, "{rows}");
        assert!(rows.contains("/pipelines/star-schema?ds=2025-09-04#run"), "{rows}");
    }
    let overview = site.get("/").await;
    let rows = part(&overview, "pipelines");
    assert!(rows.find("daily-prices").unwrap() < rows.find("a-fact-sales").unwrap(), "what failed comes first");
    let page = site.get("/pipelines/star-schema").await;
    assert!(part(&page, "run").contains("value=\"2025-09-04\""), "the form proposes the day");
}

#[tokio::test]
async fn the_graph_can_be_zoomed_skipped_and_read_aloud() {
    let stage = full_stage().await;
    let site = site(&stage);
    for path in ["/executions/2025-09-05", "/pipelines/daily-prices?tab=definition"] {
        let page = site.get(path).await;
        let graph = part(&page, "graph");
        for text in [
            "data-zoom=\"in\"",
            "data-zoom=\"out\"",
            "data-zoom=\"fit\"",
            "data-zoom=\"one\"",
            "Skip the graph",
            "tabindex=\"0\"",
        ] {
            assert!(graph.contains(text), "{path}: {text} in {graph}");
        }
        assert!(
            graph.contains("data-zoom-bar") && graph.contains("hidden>"),
            "without a script there are no dead buttons"
        );
    }
    let page = site.get("/executions/2025-09-05").await;
    assert!(part(&page, "graph").contains("aria-label=\"Transform · Task · failed\" aria-current=\"true\""));
    let grid = site.get("/pipelines/daily-prices").await;
    assert!(part(&grid, "grid").contains("aria-label=\"Transform 2025-09-05 · failed"), "cells say what they are");
}

#[tokio::test]
async fn tasks_that_nobody_serves_are_told_of_on_the_overview() {
    let stage = Stage::new(sample::START).await;
    stage.pipeline().await;
    stage.play("2025-09-09", lonely).await;
    let early = site(&stage).get("/").await;
    assert!(part(&early, "verdict").contains("All is well"), "it has waited for no time yet");
    stage.pass(70_000);
    let late = site(&stage).get("/").await;
    let verdict = part(&late, "verdict");
    assert!(verdict.contains("1 task waits, and no worker serves it") && verdict.contains("mark-warned"), "{verdict}");
}
