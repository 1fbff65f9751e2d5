//! grep and glob.

use std::fs;
use std::path::{Path, PathBuf};

use canon_exec::{
    ExecutionEnvironment, FileError, GlobOptions, GrepMode, GrepOptions, LocalExecutionEnvironment,
    SearchError,
};

fn project() -> (tempfile::TempDir, LocalExecutionEnvironment) {
    let dir = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str| {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    put("src/main.rs", "fn main() {\n    needle();\n}\n");
    put("src/deep/lib.rs", "// Needle\nneedle\nneedle\n");
    put("notes.md", "a needle\n");
    put(".gitignore", "target/\n*.log\n");
    put("target/out.rs", "needle\n");
    put("run.log", "needle\n");
    put(".hidden/x.rs", "needle\n");
    put(".git/config", "needle\n");
    put("binary", "needle\0needle\n");
    let environment = LocalExecutionEnvironment::new(dir.path()).unwrap();
    (dir, environment)
}

async fn found(
    env: &LocalExecutionEnvironment,
    pattern: &str,
    options: GrepOptions,
) -> Vec<String> {
    let result = env.grep(pattern, Path::new("."), &options).await.unwrap();
    result
        .lines
        .iter()
        .map(|l| {
            format!(
                "{}:{}{}{}",
                l.path.display(),
                l.line,
                if l.is_match { ":" } else { "-" },
                l.text
            )
        })
        .collect()
}

#[tokio::test]
async fn ignored_hidden_and_binary_files_are_left_out() {
    let (_dir, env) = project();
    assert_eq!(
        found(&env, "needle", GrepOptions::default()).await,
        [
            "notes.md:1:a needle",
            "src/deep/lib.rs:2:needle",
            "src/deep/lib.rs:3:needle",
            "src/main.rs:2:    needle();"
        ]
    );
    let with_hidden =
        found(&env, "needle", GrepOptions { hidden: true, ..GrepOptions::default() }).await;
    assert!(with_hidden.iter().any(|line| line.starts_with(".hidden/")));
    assert!(!with_hidden.iter().any(|line| line.starts_with(".git/")), "{with_hidden:?}");
}

#[tokio::test]
async fn options_do_what_they_say() {
    let (_dir, env) = project();
    let only = |glob: &str| GrepOptions { glob: Some(glob.into()), ..GrepOptions::default() };
    assert_eq!(found(&env, "needle", only("*.md")).await.len(), 1);
    assert_eq!(found(&env, "needle", only("*.rs")).await.len(), 3);
    assert_eq!(found(&env, "needle", only("src/*.rs")).await.len(), 1);
    assert_eq!(found(&env, "needle", only("**/*.{md,txt}")).await.len(), 1);
    let any_case = GrepOptions {
        case_insensitive: true,
        glob: Some("lib.rs".into()),
        ..GrepOptions::default()
    };
    assert_eq!(found(&env, "NEEDLE", any_case).await.len(), 3);
    let context =
        GrepOptions { context: 1, glob: Some("main.rs".into()), ..GrepOptions::default() };
    assert_eq!(
        found(&env, "needle", context).await,
        ["src/main.rs:1-fn main() {", "src/main.rs:2:    needle();", "src/main.rs:3-}"]
    );
    let spanning = GrepOptions { multiline: true, ..GrepOptions::default() };
    assert_eq!(found(&env, r"main\(\).*needle", spanning).await.len(), 2);
}

#[tokio::test]
async fn results_are_limited_and_say_so() {
    let (_dir, env) = project();
    for (max_results, lines, truncated) in [(2, 2, true), (4, 4, false), (5, 4, false)] {
        let options = GrepOptions { max_results, ..GrepOptions::default() };
        let result = env.grep("needle", Path::new("."), &options).await.unwrap();
        assert_eq!((result.lines.len(), result.truncated), (lines, truncated), "max {max_results}");
    }
}

#[tokio::test]
async fn files_and_counts() {
    let (_dir, env) = project();
    let mode = |mode| GrepOptions { mode, ..GrepOptions::default() };
    let files = env.grep("needle", Path::new("src"), &mode(GrepMode::Files)).await.unwrap();
    assert_eq!(
        files.files.iter().map(|(path, _)| path.as_path()).collect::<Vec<_>>(),
        [Path::new("src/deep/lib.rs"), Path::new("src/main.rs")]
    );
    let counts = env.grep("needle", Path::new("src"), &mode(GrepMode::Count)).await.unwrap();
    assert_eq!(counts.files[0], (PathBuf::from("src/deep/lib.rs"), 2));
}

#[tokio::test]
async fn one_file_can_be_searched_and_bad_input_is_an_error() {
    let (dir, env) = project();
    let one =
        env.grep("needle", &dir.path().join("notes.md"), &GrepOptions::default()).await.unwrap();
    assert_eq!(one.lines.len(), 1);
    let bad = env.grep("(", Path::new("."), &GrepOptions::default()).await;
    assert!(matches!(bad, Err(SearchError::InvalidPattern { .. })));
    let bad = GrepOptions { glob: Some("[".into()), ..GrepOptions::default() };
    assert!(matches!(
        env.grep("x", Path::new("."), &bad).await,
        Err(SearchError::InvalidPattern { .. })
    ));
    assert!(matches!(
        env.glob("{", Path::new("."), &GlobOptions::default()).await,
        Err(SearchError::InvalidPattern { .. })
    ));
    let missing = env.grep("x", Path::new("none"), &GrepOptions::default()).await;
    assert!(matches!(missing, Err(SearchError::File(FileError::NotFound { .. }))));
    let cancelled = GrepOptions::default();
    cancelled.cancel.cancel();
    assert!(matches!(env.grep("x", Path::new("."), &cancelled).await, Err(SearchError::Cancelled)));
}

#[tokio::test]
async fn glob_gives_the_newest_first() {
    let (dir, env) = project();
    let age = |name: &str, seconds: u64| {
        let time = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
        fs::File::options()
            .append(true)
            .open(dir.path().join(name))
            .unwrap()
            .set_modified(time)
            .unwrap();
    };
    age("src/main.rs", 2_000_000_000);
    age("src/deep/lib.rs", 1_000_000_000);
    let names = |result: canon_exec::GlobResult| {
        result.paths.iter().map(|p| p.display().to_string()).collect::<Vec<_>>()
    };
    let all = env.glob("**/*.rs", Path::new("."), &GlobOptions::default()).await.unwrap();
    assert_eq!(names(all), ["src/main.rs", "src/deep/lib.rs"]);
    let below = env.glob("*.rs", Path::new("src"), &GlobOptions::default()).await.unwrap();
    assert_eq!(names(below), ["src/main.rs"]);
    let absolute = format!("{}/src/**/l*.rs", dir.path().canonicalize().unwrap().display());
    assert_eq!(
        names(env.glob(&absolute, Path::new("."), &GlobOptions::default()).await.unwrap()),
        ["src/deep/lib.rs"]
    );
    let limited = env
        .glob("**/*.rs", Path::new("."), &GlobOptions { max_results: 1, ..GlobOptions::default() })
        .await
        .unwrap();
    assert!(limited.truncated);
    assert_eq!(names(limited), ["src/main.rs"]);
}
