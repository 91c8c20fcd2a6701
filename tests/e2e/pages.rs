//! The dashboard in a real browser: a run started with its button is watched until its end, without a reload.

mod browser;
mod look;

use serde_json::{Value, json};

use crate::support::{PIPELINE, Site};
use browser::Browser;

/// The states whose box carries a class, as the page shows them now.
fn states(class: &str) -> String {
    format!("[...document.querySelectorAll('#graph a.{class}')].map((state) => state.dataset.state)")
}

/// Fills in the form of the pipeline page and presses Run; ends on the execution's page, which then is marked so that a
/// reload would show.
async fn press_run(browser: &mut Browser, site: &Site, ds: &str) {
    browser.go(&format!("{}/pipelines/{PIPELINE}", site.url)).await;
    // The form is open already where no day was made yet.
    if browser.value("document.querySelector('#run').open").await == json!(false) {
        browser.click("#run > summary").await;
    }
    browser.value(&format!("document.querySelector('#run input[name=ds]').value = '{ds}'")).await;
    browser.click("#run button.primary").await;
    browser.until("location.pathname.startsWith('/executions/') && document.readyState === 'complete'").await;
    browser.value("window.notReloaded = true").await;
}

async fn shown(browser: &mut Browser, class: &str) -> Vec<String> {
    let value = browser.value(&states(class)).await;
    let names = value.as_array().unwrap_or_else(|| panic!("a list of states, not {value}"));
    names.iter().map(|name| name.as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_run_started_with_the_button_turns_green_while_it_is_watched() {
    let site = Site::with_worker().await;
    site.deliver("2024-12-05", 0);
    let mut browser = Browser::open().await;
    press_run(&mut browser, &site, "2024-12-05").await;
    // Colours come one after the other: the first while the last still waits.
    browser.until(&format!("{}.includes('Normalize')", states("is-succeeded"))).await;
    browser.until(&format!("{}.includes('Succeeded')", states("is-succeeded"))).await;
    browser.until("document.querySelector('#head').innerText.toLowerCase().includes('succeeded')").await;
    assert_eq!(browser.value("window.notReloaded").await, json!(true), "the page was not loaded again");

    let green = shown(&mut browser, "is-succeeded").await;
    for state in ["Preflight", "Compaction", "Guard", "Transform", "Indicators", "DecideCrawler", "Aggregate", "Days"] {
        assert!(green.iter().any(|name| name == state), "{state} is green: {green:?}");
    }
    for class in ["is-failed", "is-running", "is-waiting"] {
        assert_eq!(shown(&mut browser, class).await, Vec::<String>::new(), "{class}");
    }
    assert_eq!(browser.value("document.querySelector('.why')").await, Value::Null, "there is nothing to explain");

    browser.go(&format!("{}/pipelines/{PIPELINE}", site.url)).await;
    let row = browser.value("document.querySelector('#partitions tbody tr').innerText").await;
    let row = row.as_str().unwrap();
    assert!(row.contains("2024-12-05") && row.contains("succeeded") && row.contains("20"), "{row}");
}

#[tokio::test]
async fn a_failing_day_turns_red_and_the_why_box_names_the_code() {
    let site = Site::with_worker().await;
    site.deliver("2024-12-06", 2);
    let mut browser = Browser::open().await;
    press_run(&mut browser, &site, "2024-12-06").await;
    browser.until(&format!("{}.includes('Transform')", states("is-failed"))).await;
    browser.until("document.querySelector('.why.is-failed')").await;
    assert_eq!(browser.value("window.notReloaded").await, json!(true), "the page was not loaded again");

    let why = browser.value("document.querySelector('.why').innerText").await;
    let why = why.as_str().unwrap();
    for word in ["Transform", "DQ_FAILED", "negative price present (2 records)", "What usually helps"] {
        assert!(why.contains(word), "`{word}` is in the box: {why}");
    }
    assert!(!why.contains("{\""), "no raw JSON: {why}");
    assert_eq!(why.to_lowercase().matches("peak memory").count(), 1, "said once: {why}");
    browser.until("document.querySelector('.why .lvl-error .said')").await;
    let green = shown(&mut browser, "is-succeeded").await;
    assert!(green.iter().any(|name| name == "Compaction"), "what went well stays green: {green:?}");
    let untouched = shown(&mut browser, "is-failed").await;
    assert!(!untouched.iter().any(|name| name == "Indicators"), "what never ran is not red: {untouched:?}");

    browser.go(&format!("{}/", site.url)).await;
    let attention = browser.value("document.querySelector('main').innerText").await;
    let attention = attention.as_str().unwrap();
    assert!(attention.contains("needs attention") && attention.contains("DQ_FAILED"), "{attention}");
}

/// How large the graph is, as a share of its full size.
async fn zoom(browser: &mut Browser) -> f64 {
    let svg = "document.querySelector('[data-graph] svg')";
    browser.value(&format!("{svg}.getBoundingClientRect().width / {svg}.viewBox.baseVal.width")).await.as_f64().unwrap()
}

#[tokio::test]
async fn the_graph_is_zoomed_by_buttons_keys_and_wheel_and_stays_so() {
    let site = Site::with_worker().await;
    site.deliver("2024-12-05", 0);
    let run = site.run(json!({ "ds": "2024-12-05" })).await;
    let mut browser = Browser::open().await;
    browser.go(&format!("{}/executions/{}", site.url, run["arn"].as_str().unwrap())).await;
    browser.until("!document.querySelector('[data-zoom-bar]').hidden").await;
    let first = zoom(&mut browser).await;
    assert!((0.79..=1.01).contains(&first), "it can be read at first: {first}");
    browser.click("[data-zoom=in]").await;
    let larger = zoom(&mut browser).await;
    assert!(larger > first * 1.2, "{first} → {larger}");
    browser.click("[data-zoom=fit]").await;
    let whole = zoom(&mut browser).await;
    let fits = "(box => box.scrollHeight <= box.clientHeight + 1 && box.scrollWidth <= box.clientWidth + 1)";
    let fits = browser.value(&format!("{fits}(document.querySelector('[data-graph]'))")).await;
    assert!(whole < first && fits == json!(true), "all of it is to be seen: {whole}, {fits}");
    browser.value("document.querySelector('[data-graph]').focus()").await;
    browser.press("0").await;
    assert!((zoom(&mut browser).await - 1.0).abs() < 0.01);
    browser.press("-").await;
    assert!((zoom(&mut browser).await - 0.8).abs() < 0.01);
    let wheel = "new WheelEvent('wheel', { deltaY: -200, ctrlKey: true, bubbles: true, cancelable: true })";
    browser.value(&format!("document.querySelector('[data-graph] svg').dispatchEvent({wheel})")).await;
    let wheeled = zoom(&mut browser).await;
    assert!(wheeled > 0.9, "{wheeled}");
    // A state is chosen: the fragment comes anew, the zoom stays.
    browser.value("document.querySelector('#graph a[data-state=Compaction]').dispatchEvent(new MouseEvent('click', { bubbles: true, cancelable: true }))").await;
    browser.until("document.querySelector('#graph a.selected')").await;
    assert!((zoom(&mut browser).await - wheeled).abs() < 0.01, "the zoom outlives what comes anew");
}

#[tokio::test]
async fn results_are_with_the_run_with_its_day_and_with_the_table() {
    let site = Site::with_worker().await;
    site.deliver("2024-12-05", 0);
    let run = site.run(json!({ "ds": "2024-12-05" })).await;
    let results = &run["results"]["tables"];
    assert!(results.as_array().is_some_and(|tables| !tables.is_empty()), "REST has them: {run}");
    let partition = site.partition("2024-12-05").await;
    assert_eq!(partition["results"]["tables"].as_array().map(Vec::is_empty), Some(false), "{partition}");
    let mut browser = Browser::open().await;
    browser.go(&format!("{}/executions/{}", site.url, run["arn"].as_str().unwrap())).await;
    let shown = browser.value("document.querySelector('#results').innerText").await;
    let shown = shown.as_str().unwrap();
    assert!(shown.contains("Tables written") && shown.contains("prices") && shown.contains("20"), "{shown}");

    browser.go(&format!("{}/pipelines/{PIPELINE}", site.url)).await;
    browser.value("window.notReloaded = true").await;
    browser.click("#partitions a.toggle").await;
    browser.until("document.querySelector('#partitions .detail')?.innerText.includes('Tables written')").await;
    assert_eq!(browser.value("window.notReloaded").await, json!(true), "the page was not loaded again");
    assert_eq!(browser.value("location.search").await, json!("?row=2024-12-05"), "the address is the state");

    browser.go(&format!("{}/tables", site.url)).await;
    let tables = browser.value("document.querySelector('main').textContent").await;
    assert!(tables.as_str().unwrap().contains("Last written by"), "{tables}");
}

#[tokio::test]
async fn the_keyboard_reaches_everything() {
    let site = Site::with_worker().await;
    site.deliver("2024-12-05", 0);
    site.run(json!({ "ds": "2024-12-05" })).await;
    let mut browser = Browser::open().await;
    browser.go(&format!("{}/pipelines/{PIPELINE}", site.url)).await;
    browser.press("Tab").await;
    let first = browser.value("document.activeElement.className").await;
    assert_eq!(first, json!("skip"), "the first stop leads past the navigation");
    let seen = "document.activeElement.getBoundingClientRect().top >= 0";
    assert_eq!(browser.value(seen).await, json!(true), "and can be seen");
    browser.press("Enter").await;
    assert_eq!(browser.value("location.hash").await, json!("#main"));

    let stops = browser.value("document.querySelectorAll('.grid td a[tabindex=\"0\"]').length").await;
    assert_eq!(stops, json!(1), "the grid is one stop");
    browser.value("document.querySelector('.grid td a[tabindex=\"0\"]').focus()").await;
    let row = "document.activeElement.closest('tr').rowIndex";
    let before = browser.value(row).await.as_i64().unwrap();
    browser.press("ArrowDown").await;
    assert_eq!(browser.value(row).await.as_i64().unwrap(), before + 1);
    let label = browser.value("document.activeElement.getAttribute('aria-label')").await;
    assert!(label.as_str().unwrap().contains("succeeded"), "a cell says what it is: {label}");
    browser.press("Enter").await;
    browser.until("location.pathname.startsWith('/executions/') && document.readyState === 'complete'").await;
}
