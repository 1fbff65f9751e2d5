use std::sync::Mutex;

use async_trait::async_trait;

use super::*;
use crate::dispatch::DispatchConfig;

/// What becomes of a read.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Record {
    Good,
    Gone,
    Malformed,
    Limited,
    Hangs,
}

/// A tracker whose reads fail as a whole for one bad record.
#[derive(Debug)]
struct Fake {
    records: BTreeMap<&'static str, Record>,
    /// Ids of each request.
    requests: Mutex<Vec<Vec<String>>>,
}

impl Fake {
    fn with<const N: usize>(records: [(&'static str, Record); N]) -> Self {
        Self { records: records.into(), requests: Mutex::default() }
    }

    fn ids(&self) -> Vec<String> {
        self.records.keys().map(|id| (*id).to_owned()).collect()
    }

    fn requests(&self) -> usize {
        self.requests.lock().unwrap().len()
    }
}

#[async_trait]
impl Tracker for Fake {
    fn kind(&self) -> &'static str {
        "fake"
    }

    async fn fetch_issues_by_states(&self, _: &[String]) -> Answer {
        Ok(Vec::new())
    }

    async fn fetch_issues_by_ids(&self, ids: &[String]) -> Answer {
        self.requests.lock().unwrap().push(ids.to_vec());
        let mut issues = Vec::new();
        for id in ids {
            match self.records[id.as_str()] {
                Record::Good => issues.push(issue(id)),
                Record::Gone => {}
                Record::Malformed => {
                    return Err(TrackerError::Response { message: format!("{id} is not YAML") });
                }
                Record::Limited => {
                    let message = "slowly".to_owned();
                    return Err(TrackerError::RateLimited { message, retry_after_ms: 5 });
                }
                Record::Hangs => std::future::pending().await,
            }
        }
        Ok(issues)
    }
}

fn issue(id: &str) -> Issue {
    serde_json::from_value(serde_json::json!({
        "id": id, "identifier": id, "title": "work", "state": "Todo", "labels": [],
        "blocked_by": [], "dispatchable": true,
    }))
    .unwrap()
}

fn names(issues: &[Issue]) -> Vec<&str> {
    issues.iter().map(|issue| issue.id.as_str()).collect()
}

#[tokio::test]
async fn what_can_be_read_at_once_is_one_request() {
    let tracker = Fake::with([("a", Record::Good), ("b", Record::Gone)]);
    let found = by_ids(&tracker, tracker.ids()).await.unwrap();
    assert_eq!(found.ids, ["a", "b"]);
    assert_eq!(names(&found.issues), ["a"]);
    assert!(found.unread.is_empty());
    assert_eq!(tracker.requests(), 1);
}

#[tokio::test]
async fn ruling_11_a_malformed_record_spoils_no_other_read() {
    let tracker = Fake::with([
        ("a", Record::Good),
        ("b", Record::Malformed),
        ("c", Record::Gone),
        ("d", Record::Malformed),
    ]);
    let found = by_ids(&tracker, tracker.ids()).await.unwrap();
    assert_eq!(found.ids, ["a", "c"]);
    assert_eq!(names(&found.issues), ["a"]);
    let unread = [("b", "b is not YAML"), ("d", "d is not YAML")];
    assert_eq!(found.unread, unread.map(|(id, why)| (id.to_owned(), why.to_owned())).into());

    let mut machine = Machine::new();
    let config = DispatchConfig::default();
    machine.apply(Event::Started { instance: "i".to_owned(), config }, 1);
    let reread = found.reread(&machine);
    assert_eq!(reread.missing, ["c"], "an error is never read as gone");
    assert_eq!(names(&reread.changed), ["a"]);
    assert_eq!(reread.unread.len(), 2);
}

#[tokio::test]
async fn a_record_that_is_asked_for_alone_is_asked_for_once() {
    let tracker = Fake::with([("a", Record::Malformed)]);
    let found = by_ids(&tracker, tracker.ids()).await.unwrap();
    assert_eq!(found.unread.keys().collect::<Vec<_>>(), ["a"]);
    assert!(found.ids.is_empty());
    assert_eq!(tracker.requests(), 1);
}

#[tokio::test]
async fn a_tracker_that_fails_is_an_error_for_all() {
    let tracker = Fake::with([("a", Record::Limited), ("b", Record::Good)]);
    let failed = by_ids(&tracker, tracker.ids()).await.unwrap_err();
    assert!(matches!(failed, TrackerError::RateLimited { .. }));
    assert_eq!(tracker.requests(), 1);
}

#[tokio::test]
async fn a_tracker_that_wants_to_be_left_alone_is_not_asked_for_the_rest() {
    let tracker = Fake::with([("a", Record::Malformed), ("b", Record::Limited)]);
    // Beyond what is under way at the same time.
    let mut ids = tracker.ids();
    ids.extend((0..100).map(|_| "b".to_owned()));
    let found = by_ids(&tracker, ids).await.unwrap();
    assert!(found.ids.is_empty());
    assert_eq!(found.unread["a"], "a is not YAML");
    assert_eq!(found.unread["b"], "slowly; retry in 5 ms");
    assert!(tracker.requests() <= 2 + 2 * AT_ONCE, "{}", tracker.requests());
}

#[tokio::test(start_paused = true)]
async fn ruling_10_reading_one_by_one_ends_within_the_same_limit() {
    let tracker = Fake::with([
        ("a", Record::Malformed),
        ("b", Record::Good),
        ("c", Record::Hangs),
        ("d", Record::Hangs),
    ]);
    let begun = Instant::now();
    let found = by_ids(&tracker, tracker.ids()).await.unwrap();
    assert_eq!(begun.elapsed(), TIMEOUT);
    assert_eq!(found.ids, ["b"]);
    assert_eq!(found.unread.keys().collect::<Vec<_>>(), ["a", "c", "d"]);
    assert!(found.unread["d"].contains("has not answered within 60 s"), "{:?}", found.unread);
}
