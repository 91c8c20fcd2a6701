//! The dashboard in a real browser: a run started with its button is watched until its end, without a reload.

mod browser;

use serde_json::{Value, json};

use crate::site::{PIPELINE, Site};
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
    let green = shown(&mut browser, "is-succeeded").await;
    assert!(green.iter().any(|name| name == "Compaction"), "what went well stays green: {green:?}");
    let untouched = shown(&mut browser, "is-failed").await;
    assert!(!untouched.iter().any(|name| name == "Indicators"), "what never ran is not red: {untouched:?}");

    browser.go(&format!("{}/", site.url)).await;
    let attention = browser.value("document.querySelector('main').innerText").await;
    let attention = attention.as_str().unwrap();
    assert!(attention.contains("needs attention") && attention.contains("DQ_FAILED"), "{attention}");
}

#[tokio::test]
async fn every_page_fits_a_telephone_and_a_desk() {
    let site = Site::with_worker().await;
    site.deliver("2024-12-06", 2);
    let run = site.run(json!({ "ds": "2024-12-06" })).await;
    let execution = format!("/executions/{}", run["arn"].as_str().unwrap());
    let pipeline = format!("/pipelines/{PIPELINE}");
    let mut browser = Browser::open().await;
    for (width, scheme) in [(1280, "light"), (390, "light"), (390, "dark")] {
        browser.look(width, scheme).await;
        for path in ["/", &pipeline, &execution, "/executions", "/workers", "/tables", "/alarms"] {
            browser.go(&format!("{}{path}", site.url)).await;
            let inside = browser.value("document.documentElement.scrollWidth <= innerWidth").await;
            assert_eq!(inside, json!(true), "{path} needs no scrolling sideways at {width} pixels");
            let dark = browser.value("matchMedia('(prefers-color-scheme: dark)').matches").await;
            let back = browser.value("getComputedStyle(document.body).backgroundColor").await;
            let bright = back.as_str().unwrap().matches("2").count() > 1;
            assert!(dark == json!(!bright) || back == json!("rgba(0, 0, 0, 0)"), "{path} is {scheme}: {back}");
        }
    }
}
