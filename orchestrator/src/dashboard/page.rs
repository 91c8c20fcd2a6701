//! The frame around every page, and how a template becomes a response.

use std::sync::LazyLock;

use askama::Template;
use axum::response::Html;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::{Digest, Sha256};

use super::problem::Problem;

/// What `templates/base.html` needs.
#[derive(Clone, Debug)]
pub struct Chrome {
    /// The window's title.
    pub title: String,
    /// The entry of the navigation that is lit.
    pub section: &'static str,
    /// The page whose changes the script listens for; empty for a page that does not change.
    pub live: String,
    /// What was searched for.
    pub query: String,
}

impl Chrome {
    /// A page that does not change by itself.
    pub fn new(title: &str, section: &'static str) -> Self {
        Self { title: title.to_owned(), section, live: String::new(), query: String::new() }
    }

    /// The page is read again when `path` changes.
    pub fn live(mut self, path: &str) -> Self {
        self.live = path.to_owned();
        self
    }

    /// ` aria-current="page"` for the entry that is lit.
    pub fn is(&self, section: &str) -> bool {
        self.section == section
    }

    /// The version of the assets, so that a new binary is never shown with an old style.
    pub fn assets(&self) -> &'static str {
        &ASSETS_VERSION
    }
}

/// `assets/app.css`.
pub const CSS: &str = include_str!("../../assets/app.css");
/// `assets/app.js`.
pub const JS: &str = include_str!("../../assets/app.js");
/// `assets/graph.js`.
pub const GRAPH_JS: &str = include_str!("../../assets/graph.js");
/// `assets/grid.js`.
pub const GRID_JS: &str = include_str!("../../assets/grid.js");
/// `assets/icon.svg`.
pub const ICON: &str = include_str!("../../assets/icon.svg");

static ASSETS_VERSION: LazyLock<String> = LazyLock::new(|| {
    let all = [CSS, JS, GRAPH_JS, GRID_JS, ICON];
    let digest = all.iter().fold(Sha256::new(), |hash, text| hash.chain_update(text)).finalize();
    hex::encode(&digest[..6])
});

/// Renders a page.
pub fn html(page: &impl Template) -> Result<Html<String>, Problem> {
    Ok(Html(page.render()?))
}

const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b':');

/// A text as one segment of a path or as a value of a query.
pub fn encode(text: &str) -> String {
    utf8_percent_encode(text, PATH).to_string()
}

/// The address of an execution's page.
pub fn execution_path(arn: &str) -> String {
    format!("/executions/{}", encode(arn))
}

/// The address of a pipeline's page.
pub fn pipeline_path(name: &str) -> String {
    format!("/pipelines/{}", encode(name))
}

/// A long name with its middle left out: `arn:aws:states:us-e…daily-prices:2f6c`.
pub fn shorten(text: &str, chars_max: usize) -> String {
    let length = text.chars().count();
    if length <= chars_max {
        return text.to_owned();
    }
    let head = chars_max / 2 - 1;
    let tail = chars_max - head - 1;
    let start: String = text.chars().take(head).collect();
    let end: String = text.chars().skip(length - tail).collect();
    format!("{start}…{end}")
}

/// The beginning of a long text.
pub fn cut(text: &str, chars_max: usize) -> String {
    match text.char_indices().nth(chars_max) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_lose_their_middle() {
        assert_eq!(shorten("short", 10), "short");
        assert_eq!(shorten("abcdefghijklmnop", 9), "abc…lmnop");
        assert_eq!(shorten("äöüäöüäöüäöü", 5), "ä…äöü");
    }

    #[test]
    fn names_are_safe_in_addresses() {
        assert_eq!(
            execution_path("arn:aws:states:us-east-1:1:execution:m:a/b?c"),
            "/executions/arn:aws:states:us-east-1:1:execution:m:a%2Fb%3Fc"
        );
    }
}
