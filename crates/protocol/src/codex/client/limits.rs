//! Rate limits: sparse reports, merged (Symphony §13.5).

use std::collections::BTreeMap;

use serde_json::Value;

/// The latest snapshot of each limit that the agent reports on.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Limits {
    by_id: BTreeMap<String, Value>,
    latest: Option<String>,
}

impl Limits {
    /// Merges a report: a null or absent member leaves what was known.
    pub(super) fn report(&mut self, report: &Value) -> &Value {
        let id = report.get("limitId").and_then(Value::as_str);
        let id = id.or(self.latest.as_deref()).unwrap_or_default().to_owned();
        let known =
            self.by_id.entry(id.clone()).or_insert_with(|| Value::Object(Default::default()));
        merge(known, report);
        self.latest = Some(id);
        known
    }

    /// The limit that was reported on last.
    pub(super) fn latest(&self) -> Option<&Value> {
        self.by_id.get(self.latest.as_ref()?)
    }
}

fn merge(known: &mut Value, report: &Value) {
    match (known, report) {
        (_, Value::Null) => {}
        (Value::Object(known), Value::Object(report)) => {
            for (name, value) in report {
                merge(known.entry(name.clone()).or_insert(Value::Null), value);
            }
        }
        (known, report) => *known = report.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn null_never_clears_and_limits_stay_apart() {
        let mut limits = Limits::default();
        limits.report(&json!({"limitId": "a", "primary": {"usedPercent": 10, "resetsAt": 5}}));
        let merged = limits.report(&json!({
            "limitId": null, "primary": {"usedPercent": 20, "resetsAt": null}, "secondary": null,
        }));
        assert_eq!(merged["primary"], json!({"usedPercent": 20, "resetsAt": 5}));
        let other = limits.report(&json!({"limitId": "b", "secondary": {"usedPercent": 1}}));
        assert_eq!(other, &json!({"limitId": "b", "secondary": {"usedPercent": 1}}));
        assert_eq!(limits.latest().unwrap()["limitId"], "b");
    }
}
