//! `list_dir` and `read_many_files` on a real directory.

use canon_agent::ToolOutput;
use serde_json::json;

use crate::support::Place;
use crate::tools::call;

fn tree() -> Place {
    let place = Place::new();
    place.write("README.md", "hello\n");
    place.write("src/main.rs", "fn main() {}\n");
    place.write("src/deep/er/x.rs", "x");
    place.write(".gitignore", "target/\n*.log\n");
    place.write("target/huge/file", "x");
    place.write("a.log", "log");
    place.write("src/.ignore", "!b.log\n");
    place.write("src/b.log", "kept");
    std::os::unix::fs::symlink("/etc", place.path("link")).unwrap();
    place
}

#[tokio::test]
async fn list_dir_shows_a_tree_without_ignored_files_and_enters_no_link() {
    let place = tree();
    let two = call(&place, "list_dir", json!({})).await;
    let expected = "./\n  .gitignore (14 bytes)\n  README.md (6 bytes)\n  link (link)\n  src/\n    \
                    .ignore (7 bytes)\n    b.log (4 bytes)\n    deep/\n    main.rs (13 bytes)\n[2 \
                    entries that ignore files leave out are not listed; set include_ignored to see \
                    them.]\n";
    assert_eq!(two, ToolOutput::ok(expected));
    let one =
        call(&place, "list_dir", json!({"path": "src", "depth": 1, "ignore": ["*.rs"]})).await;
    assert_eq!(one.text, "src/\n  .ignore (7 bytes)\n  b.log (4 bytes)\n  deep/\n");
    let all = call(&place, "list_dir", json!({"depth": 3, "include_ignored": true})).await;
    for part in
        ["  a.log (3 bytes)\n", "  target/\n    huge/\n      file (1 bytes)\n", "      er/\n"]
    {
        assert!(all.text.contains(part), "{}", all.text);
    }
    // The ignore files above a directory that is asked for itself hold in it too.
    place.write("src/deep/y.log", "");
    let below = call(&place, "list_dir", json!({"path": "src/deep", "depth": 1})).await;
    assert!(!below.text.contains("y.log"), "{}", below.text);
}

#[tokio::test]
async fn list_dir_says_what_it_cannot_list() {
    let place = tree();
    let file = call(&place, "list_dir", json!({"path": "README.md"})).await;
    assert!(file.is_error && file.text.ends_with("read a file with read_file"), "{}", file.text);
    for bad in [json!({"path": "nowhere"}), json!({"ignore": ["["]}), json!({"depth": 0})] {
        assert!(call(&place, "list_dir", bad).await.is_error);
    }
    let directory = call(&place, "read_file", json!({"file_path": "src"})).await;
    assert!(directory.text.contains("is a directory; list it"), "{}", directory.text);
}

#[tokio::test]
async fn list_dir_is_bounded_and_keeps_what_is_near() {
    let place = Place::new();
    (0..150).for_each(|n| place.write(&format!("many/{n:03}"), ""));
    place.write("near/x", "");
    let output = call(&place, "list_dir", json!({})).await;
    assert!(output.text.contains("  many/ [50 more entries in it]\n"), "{}", output.text);
    assert!(output.text.contains("    099 (0 bytes)\n  near/\n    x (0 bytes)\n"));
    (0..600).for_each(|n| place.write(&format!("{n:03}"), ""));
    let output = call(&place, "list_dir", json!({})).await;
    assert!(output.text.contains("[Only the first 500 entries are listed"), "{}", output.text);
    assert!(output.text.lines().count() < 510);
}

#[tokio::test]
async fn read_many_files_reads_paths_directories_and_patterns_in_a_fixed_order() {
    let place = tree();
    let output =
        call(&place, "read_many_files", json!({"paths": ["src", "*.md", "README.md", "a.log"]}))
            .await;
    // Hidden files are left out, a named file is read though it is ignored, none comes twice.
    let expected = "--- src/b.log ---\nkept\n\n--- src/deep/er/x.rs ---\nx\n\n--- src/main.rs \
                    ---\nfn main() {}\n\n--- README.md ---\nhello\n\n--- a.log ---\nlog\n\n";
    assert_eq!(output, ToolOutput::ok(expected));
    let some = json!({"paths": ["."], "include": ["*.rs"], "exclude": ["deep/"]});
    let some = call(&place, "read_many_files", some).await;
    assert_eq!(some.text, "--- src/main.rs ---\nfn main() {}\n\n");
    let hidden = call(&place, "read_many_files", json!({"paths": ["src/.ig*"]})).await;
    assert_eq!(hidden.text, "--- src/.ignore ---\n!b.log\n\n");
    place.write("[id].ts", "brackets");
    let literal = call(&place, "read_many_files", json!({"paths": ["[id].ts"]})).await;
    assert_eq!(literal.text, "--- [id].ts ---\nbrackets\n\n");
}

#[tokio::test]
async fn read_many_files_names_what_it_does_not_read() {
    let place = tree();
    place.write("p", b"\x89PNG\r\n\x1a\n...");
    place.write("bin", b"\0\0");
    place.write("doc", b"%PDF-1.4");
    place.write("empty", "");
    let paths = ["p", "bin", "doc", "empty", "nowhere", "*.none", "link/hostname/x"];
    let output = call(&place, "read_many_files", json!({"paths": paths})).await;
    assert!(!output.is_error);
    assert_eq!(output.images.len(), 1);
    for part in [
        "--- p ---\n[image 1: image/png, 11 bytes]\n",
        "--- empty ---\n[The file is empty.]\n",
        "- bin: is a binary file",
        "- doc: is a PDF",
        "- nowhere: no such file or directory\n",
        "- *.none: no files found",
        "- link/hostname/x: ",
    ] {
        assert!(output.text.contains(part), "{part}: {}", output.text);
    }
    let nothing = call(&place, "read_many_files", json!({"paths": ["nowhere"]})).await;
    assert!(nothing.is_error);
    assert!(call(&place, "read_many_files", json!({"paths": []})).await.is_error);
}
