//! Pages of lists: tokens name the last item seen, so that a list may grow while it is read.

use asl::{Event, EventId, Timestamp};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;

use super::{Error, ExecutionFilter, HistoryQuery, Page, Paged, Result};

/// What a page holds when its limit is 0. Source: `maxResults` of the Step Functions API.
const ITEMS_DEFAULT: u32 = 100;
/// What a page holds at most. Source: `maxResults` of the Step Functions API.
const ITEMS_MAX: u32 = 1000;

/// The place of an item in a list ordered by an instant and, for ties, a key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub at: Timestamp,
    pub key: String,
}

/// How many items the page holds at most.
pub(super) fn limit(page: &Page) -> usize {
    (if page.limit == 0 { ITEMS_DEFAULT } else { page.limit.min(ITEMS_MAX) }) as usize
}

/// The item after which the page begins.
pub(super) fn place(page: &Page) -> Result<Option<Place>> {
    let Some(token) = &page.token else { return Ok(None) };
    parse(token).map(Some).ok_or_else(|| Error::BadToken(token.clone()))
}

fn parse(token: &str) -> Option<Place> {
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(token).ok()?).ok()?;
    let (millis, key) = text.split_once('/')?;
    Some(Place { at: Timestamp::from_millis(millis.parse().ok()?), key: key.to_owned() })
}

/// The page of `items`, of which one more than the limit was asked for to see whether another page follows.
pub(super) fn cut<T>(mut items: Vec<T>, page: &Page, place: impl Fn(&T) -> Place) -> Paged<T> {
    let limit = limit(page);
    let more = items.len() > limit;
    items.truncate(limit);
    let last = if more { items.last() } else { None };
    let next = last.map(|item| {
        let Place { at, key } = place(item);
        URL_SAFE_NO_PAD.encode(format!("{}/{key}", at.millis()))
    });
    Paged { items, next }
}

/// What SQL says behind `status` for those of a filter; none if it wants any.
pub(super) fn statuses(filter: &ExecutionFilter) -> Option<String> {
    let literals: Vec<String> = filter.statuses.iter().map(|status| format!("'{}'", status.as_str())).collect();
    match literals.as_slice() {
        [] => None,
        [one] => Some(format!("= {one}")),
        several => Some(format!("in ({})", several.join(", "))),
    }
}

/// The key of a place in a list of executions.
pub(super) fn id(page: &Page, place: &Place) -> Result<Uuid> {
    place.key.parse().map_err(|_| Error::BadToken(page.token.clone().unwrap_or_default()))
}

/// The public ids `first ..= last` that a page of a history holds: they have no gaps, so a page is a range.
/// `last_public_id` of the execution is where the newest page ends; other pages do not need it.
pub(super) fn history_range(query: &HistoryQuery, last_public_id: EventId) -> (EventId, EventId) {
    let limit = EventId::from(query.limit);
    if query.reverse {
        let last = query.after.map_or(last_public_id, |after| after.saturating_sub(1));
        ((last + 1).saturating_sub(limit), last)
    } else {
        let after = query.after.unwrap_or(0);
        (after + 1, after.saturating_add(limit))
    }
}

/// The page out of the rows of the journal that overlap it.
pub(super) fn history(query: &HistoryQuery, first: EventId, last: EventId, rows: Vec<Vec<Event>>) -> Vec<Event> {
    let events = rows.into_iter().flatten();
    let mut page: Vec<_> =
        events.filter(|event| event.public.is_some_and(|public| (first..=last).contains(&public.id))).collect();
    if query.reverse {
        page.reverse();
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_leads_back_to_its_place() {
        let at = |n: i64| Place { at: Timestamp::from_millis(n), key: format!("arn:{n}/x") };
        let first = cut(vec![1, 2, 3], &Page { token: None, limit: 2 }, |n| at(*n));
        assert_eq!(first.items, [1, 2]);
        assert_eq!(place(&Page { token: first.next, limit: 2 }).unwrap(), Some(at(2)));
        assert_eq!(cut(vec![3], &Page { token: None, limit: 1 }, |n| at(*n)).next, None);
    }

    #[test]
    fn a_foreign_token_is_refused() {
        for token in ["", "?", "bm8", "YS9i"] {
            let page = Page { token: Some(token.into()), limit: 1 };
            assert!(matches!(place(&page), Err(Error::BadToken(_))), "{token}");
        }
    }
}
