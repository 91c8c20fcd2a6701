//! Headless Chromium, driven by its own protocol over a pipe: nothing to install beyond the browser, no port to guess.
//!
//! Protocol: <https://chromedevtools.github.io/devtools-protocol/>; with `--remote-debugging-pipe` the browser reads
//! messages from file descriptor 3 and writes them to 4, each ended by a NUL.

use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::support::WAIT_MAX;

/// Programs that are Chromium, the first that there is.
const PROGRAMS: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];
/// Between two looks at a page that is waited for.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// A browser with one page.
pub struct Browser {
    _process: Child,
    _profile: TempDir,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    session: Option<String>,
    calls: u64,
}

fn program() -> String {
    if let Ok(program) = std::env::var("CHROMIUM") {
        return program;
    }
    let folders: Vec<_> = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).collect();
    let there = |name: &&str| folders.iter().any(|folder| folder.join(name).is_file());
    let found = PROGRAMS.iter().find(|name| there(name));
    found.expect("there is no Chromium: tests/support/setup.sh installs it, CHROMIUM names another").to_string()
}

impl Browser {
    /// A browser with an empty page, 1280 pixels wide.
    pub async fn open() -> Self {
        let profile = tempfile::tempdir().expect("a folder for the profile");
        // The shell gives the pipes the numbers that Chromium expects.
        let mut process = Command::new("sh")
            .args(["-c", "exec \"$0\" \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>&1"])
            .arg(program())
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"])
            .args(["--remote-debugging-pipe", "--window-size=1280,900"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("a shell starts");
        let to = process.stdin.take().expect("stdin is piped");
        let from = BufReader::new(process.stdout.take().expect("stdout is piped"));
        let mut browser = Self { _process: process, _profile: profile, to, from, session: None, calls: 0 };
        let target = browser.call("Target.createTarget", json!({ "url": "about:blank" })).await;
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let attached = browser.call("Target.attachToTarget", attach).await;
        browser.session = attached["sessionId"].as_str().map(str::to_owned);
        browser
    }

    /// A call of the protocol and its result.
    async fn call(&mut self, method: &str, params: Value) -> Value {
        self.calls += 1;
        let id = self.calls;
        let mut message = json!({ "id": id, "method": method, "params": params });
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        let mut bytes = message.to_string().into_bytes();
        bytes.push(0);
        self.to.write_all(&bytes).await.expect("the browser listens");
        let answered = async {
            loop {
                let mut answer = Vec::new();
                let read = self.from.read_until(0, &mut answer).await.expect("the browser speaks");
                assert!(read > 0, "the browser ended during {method}");
                answer.pop();
                let answer: Value = serde_json::from_slice(&answer).expect("messages are JSON");
                if answer["id"] == id {
                    assert!(answer["error"].is_null(), "{method}: {}", answer["error"]);
                    return answer["result"].clone();
                }
            }
        };
        tokio::time::timeout(WAIT_MAX, answered).await.unwrap_or_else(|_| panic!("{method} is not answered"))
    }

    /// Goes to an address and waits until the page is there.
    pub async fn go(&mut self, url: &str) {
        let went = self.call("Page.navigate", json!({ "url": url })).await;
        assert!(went["errorText"].is_null(), "{url}: {went}");
        self.until("document.readyState === 'complete'").await;
    }

    /// The value of an expression in the page.
    pub async fn value(&mut self, expression: &str) -> Value {
        let result = self.call("Runtime.evaluate", json!({ "expression": expression, "returnByValue": true })).await;
        assert!(result["exceptionDetails"].is_null(), "{expression}: {}", result["exceptionDetails"]);
        result["result"]["value"].clone()
    }

    /// Waits until an expression is true, across navigations.
    pub async fn until(&mut self, expression: &str) {
        let deadline = Instant::now() + WAIT_MAX;
        loop {
            let asked = json!({ "expression": format!("Boolean({expression})"), "returnByValue": true });
            let result = self.call("Runtime.evaluate", asked).await;
            if result["result"]["value"] == true {
                return;
            }
            if Instant::now() > deadline {
                let page = self.value("location.href + '\\n' + document.body.innerText").await;
                panic!("`{expression}` did not become true: {}", page.as_str().unwrap_or_default());
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Clicks what a selector finds.
    pub async fn click(&mut self, selector: &str) {
        self.value(&format!("document.querySelector({}).click()", json!(selector))).await;
    }

    /// Presses a key as a person does, wherever the focus is.
    pub async fn press(&mut self, key: &str) {
        let text = match key {
            "Enter" => "\r",
            key if key.chars().count() == 1 => key,
            _ => "",
        };
        let code = match key {
            "Tab" => 9,
            "Enter" => 13,
            "ArrowLeft" => 37,
            "ArrowUp" => 38,
            "ArrowRight" => 39,
            "ArrowDown" => 40,
            other => other.chars().next().map_or(0, |letter| letter.to_ascii_uppercase() as u32),
        };
        for kind in ["keyDown", "keyUp"] {
            let event = json!({ "type": kind, "key": key, "text": text, "windowsVirtualKeyCode": code });
            self.call("Input.dispatchKeyEvent", event).await;
        }
    }

    /// Makes the page this many pixels wide, `light` or `dark`.
    pub async fn look(&mut self, width: u32, scheme: &str) {
        let screen = json!({ "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500 });
        self.call("Emulation.setDeviceMetricsOverride", screen).await;
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.call("Emulation.setEmulatedMedia", json!({ "features": features })).await;
    }
}
