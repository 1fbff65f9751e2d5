//! Until when models know the world, as their makers say; the catalogue does not hold it.

use canon_llm::get_model_info;

/// Ids of the catalogue, and the last month that they know reliably.
const CUTOFFS: &[(&str, &[&str])] = &[
    ("2023-10", &["gpt-4o", "gpt-4o-mini", "o1-pro"]),
    ("2024-05", &["gpt-5-mini", "gpt-5-nano"]),
    ("2024-06", &["gpt-4.1", "gpt-4.1-mini", "o3", "o3-pro"]),
    (
        "2024-09",
        &[
            "gpt-5",
            "gpt-5-pro",
            "gpt-5-codex",
            "gpt-5.1",
            "gpt-5.1-codex-max",
            "gpt-5.1-codex-mini",
        ],
    ),
    (
        "2025-01",
        &[
            "claude-sonnet-4-5",
            "gemini-2.5-pro",
            "gemini-2.5-flash",
            "gemini-2.5-flash-lite",
            "gemini-3-flash-preview",
            "gemini-3.1-pro-preview",
            "gemini-3.1-flash-lite",
            "gemini-3.5-flash",
        ],
    ),
    ("2025-02", &["claude-haiku-4-5"]),
    ("2025-05", &["claude-opus-4-5", "claude-opus-4-6"]),
    (
        "2025-08",
        &[
            "claude-sonnet-4-6",
            "gpt-5.2",
            "gpt-5.2-pro",
            "gpt-5.2-codex",
            "gpt-5.3-codex",
            "gpt-5.4",
            "gpt-5.4-pro",
            "gpt-5.4-mini",
            "gpt-5.4-nano",
        ],
    ),
    ("2025-12", &["gpt-5.5", "gpt-5.5-pro"]),
    ("2026-01", &["claude-opus-4-7", "claude-sonnet-5", "claude-fable-5"]),
    ("2026-05", &["claude-opus-5"]),
    ("2026-06", &["claude-fable-5-1"]),
];

/// The month, `YYYY-MM`; `None` where it is not known for certain.
pub(super) fn of(model: &str) -> Option<&'static str> {
    let id = get_model_info(model)?.id.as_str();
    CUTOFFS.iter().find(|(_, models)| models.contains(&id)).map(|(month, _)| *month)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_model_of_the_table_is_in_the_catalogue_and_once_in_the_table() {
        let mut all: Vec<&str> =
            CUTOFFS.iter().flat_map(|(_, models)| models.iter().copied()).collect();
        let count = all.len();
        for model in &all {
            assert_eq!(get_model_info(model).map(|info| info.id.as_str()), Some(*model));
        }
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
        assert_eq!(of("gpt-5.2-2025-12-11"), Some("2025-08"), "by another name");
        assert_eq!(of("unheard-of"), None);
    }
}
