//! Whether the places of a run are apart from each other.
//!
//! What a job reads, replaces or vacuums it takes with all that is in it. A place that lies in another is lost with it, or read
//! as what it is not, and the run says that all is well.

use crate::job::JobError;

/// What a place is for, and its URI.
pub(super) type Place = (String, String);

/// Refuses places that get into each other's way. `whole` places hold one thing each and nothing else; to `shared` ones objects
/// are only added, so they may be anywhere but in those.
///
/// # Errors
/// `PRE_VALIDATION_FAILED`, naming both.
pub(super) fn check_apart(whole: &[Place], shared: &[Place]) -> Result<(), JobError> {
    for (at, (what, uri)) in whole.iter().enumerate() {
        let nested = whole[at + 1..].iter().find(|(_, other)| is_within(uri, other) || is_within(other, uri));
        let inside = || shared.iter().find(|(_, other)| is_within(other, uri));
        if let Some((other_what, other)) = nested.or_else(inside) {
            return Err(JobError::arguments(format!(
                "{what} `{uri}` and {other_what} `{other}` overlap; give each a location of its own"
            )));
        }
    }
    Ok(())
}

/// Whether one place is the other or inside it.
fn is_within(inner: &str, outer: &str) -> bool {
    inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_places_hold_nothing_else_and_shared_ones_may_hold_them() {
        let place = |what: &str, uri: &str| (what.to_owned(), uri.to_owned());
        let table = place("table", "s3://b/t");
        for (other, whole, shared) in [
            ("s3://b/t", false, false),
            ("s3://b/t/x", false, false),
            ("s3://b", false, true),
            ("s3://b/t2", true, true),
            ("s3://c/t", true, true),
        ] {
            let other = place("other", other);
            for pair in [[table.clone(), other.clone()], [other.clone(), table.clone()]] {
                assert_eq!(check_apart(&pair, &[]).is_ok(), whole, "{pair:?}");
            }
            let beside = check_apart(std::slice::from_ref(&table), std::slice::from_ref(&other));
            assert_eq!(beside.is_ok(), shared, "{other:?}");
            if let Err(refused) = beside {
                let named = format!("table `s3://b/t` and other `{}` overlap", other.1);
                assert!(refused.message.starts_with(&named), "{refused}");
            }
        }
        assert_eq!(check_apart(&[], &[table.clone(), table]).ok(), Some(()), "added to by both");
    }
}
