//! Which keys are at fault, where a check found that some are.

use super::check::Check;
use crate::job::{JobError, QualityStatus};
use crate::query::Query;

/// By check, the rows it looks at and their key.
const KEYS: [(&str, &str, &str); 3] = [
    ("key: silver.orders", "order_window", "order_id"),
    ("key: silver.order_items", "item_scope", "id"),
    ("key: silver.products", "products", "product_id"),
];
/// Keys named of each.
const EXAMPLES: usize = 3;

/// Adds to each failed check of keys some that are null or there more than once.
///
/// # Errors
/// Those of the statements.
pub(super) async fn name_examples(query: &Query, checks: &mut [Check]) -> Result<(), JobError> {
    for check in checks.iter_mut().filter(|check| check.status == QualityStatus::Fail) {
        let Some((_, table, key)) = KEYS.iter().find(|(name, ..)| *name == check.name) else { continue };
        let statement = format!(
            "select cast({key} as string) as label, count(*) as times from {table} group by {key} \
             having count(*) > 1 or {key} is null order by times desc, label limit {EXAMPLES}"
        );
        let found = query.json(&statement, &[]).await?;
        let named = found.iter().map(|row| match row["label"].as_str() {
            Some(label) => format!("`{}` {} times", label.escape_debug(), row["times"]),
            None => format!("null {} times", row["times"]),
        });
        let named: Vec<String> = named.collect();
        check.details.push_str(&format!(", such as {}; remove them from silver, or make it anew", named.join(", ")));
    }
    Ok(())
}
