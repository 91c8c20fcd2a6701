//! Whether a file has the columns it must have: a wrong header makes nulls of good values without any row being wrong.
//!
//! Source: pipelines.md 6.2, "missing required column".

use super::super::table::Source;

/// Names shown of a header, and characters of each.
const NAMES_SHOWN: usize = 20;
const NAME_CHARS_SHOWN: usize = 60;

/// What is missing among the columns found, and the remedy; `None` if nothing is.
pub(super) fn fault(source: &Source, found: &[String]) -> Option<String> {
    let missing: Vec<&str> =
        source.required.iter().copied().filter(|name| found.iter().all(|found| found != name)).collect();
    if missing.is_empty() {
        return None;
    }
    let mut shown: Vec<String> = found.iter().take(NAMES_SHOWN).map(|name| shown(name)).collect();
    if found.len() > NAMES_SHOWN {
        shown.push(format!("{} more", found.len() - NAMES_SHOWN));
    }
    Some(format!("columns missing: {}; found: {}; {}", quoted(&missing), shown.join(", "), remedy(source)))
}

/// What is wrong with a file without any text.
pub(super) fn empty(source: &Source) -> String {
    format!("it is empty, without even a header; {}", remedy(source))
}

fn remedy(source: &Source) -> String {
    let required = quoted(source.required);
    format!("deliver it as UTF-8 text, separated by commas, with a header that has {required}")
}

fn quoted(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// A name that may be anything, in one line.
fn shown(name: &str) -> String {
    let cut: String = name.chars().take(NAME_CHARS_SHOWN).collect();
    let more = if cut.len() < name.len() { "…" } else { "" };
    format!("`{}{more}`", cut.escape_debug())
}

#[cfg(test)]
mod tests {
    use super::super::super::table::{ORDER_ITEMS, ORDERS, PRODUCTS};
    use super::*;

    #[test]
    fn what_is_missing_and_what_was_found_is_said() {
        let header = |text: &str| text.split(',').map(str::to_owned).collect::<Vec<_>>();
        for (source, text, expected) in [
            (&ORDERS, "order_id,user_id,order_timestamp,total_amount,colour", None),
            (&PRODUCTS, "product_id", None),
            (&ORDER_ITEMS, "id,order_id,product_id,order_timestamp", None),
            (&ORDERS, "order_id,user_id,order_timestamp,amount", Some("missing: `total_amount`; found: `order_id`, ")),
            (
                &ORDER_ITEMS,
                "id;order_id",
                Some("missing: `id`, `order_id`, `product_id`, `order_timestamp`; found: `id;order_id`; "),
            ),
            (
                &PRODUCTS,
                "PK\u{3}\u{4}\u{0}",
                Some("found: `PK\\u{3}\\u{4}\\0`; deliver it as UTF-8 text, separated by commas, "),
            ),
        ] {
            let fault = fault(source, &header(text));
            match expected {
                None => assert_eq!(fault, None),
                Some(part) => assert!(fault.as_ref().is_some_and(|fault| fault.contains(part)), "{fault:?}"),
            }
        }
        let many: Vec<String> = (0..1_000).map(|number| format!("{number}{}", "x".repeat(1_000))).collect();
        let fault = fault(&ORDERS, &many).unwrap();
        assert!(fault.len() < 2_000 && fault.contains("`0xx") && fault.contains("x…`, 980 more; "), "{fault}");
    }
}
