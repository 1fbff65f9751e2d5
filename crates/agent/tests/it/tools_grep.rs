//! The output modes of `grep`.

use std::sync::Arc;

use canon_agent::ToolOutput;
use canon_agent::tools::GrepModes;
use serde_json::{Value, json};

use crate::support::Place;
use crate::tools::call_tool;

async fn grep(place: &Place, arguments: Value) -> ToolOutput {
    call_tool(place.env(), Arc::new(GrepModes), arguments).await
}

fn place() -> Place {
    let place = Place::new();
    place.write("a.rs", "fn one() {\n    two();\n}\n");
    place.write("b.py", "def one():\n    one()\n");
    place.write(".hidden.py", "one\n");
    place
}

#[tokio::test]
async fn loop_9_2_grep_has_output_modes_content_files_and_count() {
    let place = place();
    let in_mode = |mode: &str| json!({"pattern": "one", "output_mode": mode});
    let content = grep(&place, in_mode("content")).await;
    assert_eq!(content.text, "a.rs:1:fn one() {\nb.py:1:def one():\nb.py:2:    one()\n");
    assert_eq!(grep(&place, json!({"pattern": "one"})).await, content);
    assert_eq!(grep(&place, in_mode("files_with_matches")).await.text, "a.rs\nb.py\n");
    let count = grep(&place, in_mode("count")).await;
    assert_eq!(count.text, "a.rs:1\nb.py:2\n[3 matching lines in 2 files]\n");
    assert!(grep(&place, in_mode("other")).await.is_error);
    let nothing = json!({"pattern": "zzz", "output_mode": "count"});
    assert_eq!(grep(&place, nothing).await.text, "No matches found.");
}

#[tokio::test]
async fn grep_takes_what_rg_takes() {
    let place = place();
    let after = json!({"pattern": "FN", "-i": true, "-A": 1, "-n": false});
    assert_eq!(grep(&place, after).await.text, "a.rs:fn one() {\na.rs-    two();\n");
    let rust = json!({"pattern": "one", "type": "rust", "output_mode": "files_with_matches"});
    assert_eq!(grep(&place, rust).await.text, "a.rs\n");
    let glob = json!({"pattern": "one", "glob": "*.{py,js}", "output_mode": "files_with_matches"});
    assert_eq!(grep(&place, glob).await.text, "b.py\n");
    let hidden = json!({"pattern": "one", "glob": ".*.py", "output_mode": "files_with_matches"});
    assert_eq!(grep(&place, hidden).await.text, ".hidden.py\n");
    let lines = json!({"pattern": "\\{\\n.*two", "multiline": true});
    assert_eq!(grep(&place, lines).await.text, "a.rs:1:fn one() {\na.rs:2:    two();\n");
    let limited = json!({"pattern": "one", "output_mode": "files_with_matches", "head_limit": 1});
    let limited = grep(&place, limited).await.text;
    assert!(limited.starts_with("a.rs\n[Only the first 1 files"), "{limited}");
    for bad in [
        json!({"pattern": "x", "type": "none"}),
        json!({"pattern": "x", "type": "py", "glob": "*"}),
    ] {
        assert!(grep(&place, bad).await.is_error);
    }
}
