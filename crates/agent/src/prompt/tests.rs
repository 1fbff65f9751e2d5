use super::*;
use crate::profiles::Family;
use crate::tools::ToolRegistry;

fn profile() -> Profile {
    Profile::of_family(Family::Generic, "scripted", "a-model")
}

fn document(path: &str, content: &str) -> ProjectDocument {
    ProjectDocument { path: path.to_owned(), content: content.to_owned() }
}

fn context(documents: Vec<ProjectDocument>) -> PromptContext {
    PromptContext {
        working_directory: "/w".to_owned(),
        platform: "linux".to_owned(),
        os_version: "Debian 13".to_owned(),
        today: "2026-02-24".to_owned(),
        git: Some(GitSnapshot {
            branch: Some("main".to_owned()),
            modified: 2,
            untracked: 1,
            recent_commits: vec!["abc begin".to_owned()],
        }),
        documents,
    }
}

fn prompt(context: &PromptContext, user: Option<&str>) -> String {
    let profile = profile();
    let tools = ToolRegistry::new(profile.tools.clone()).unwrap().definitions();
    system_prompt(&profile, context, &tools, user)
}

fn position(prompt: &str, part: &str) -> usize {
    prompt.find(part).unwrap_or_else(|| panic!("`{part}` is missing in:\n{prompt}"))
}

#[test]
fn loop_9_8_layers_stand_in_order_and_the_user_comes_last() {
    let prompt = prompt(&context(vec![document("AGENTS.md", "use tabs")]), Some("be brief"));
    let places = [
        "You are a coding agent.",
        "<environment>\nWorking directory: /w\nIs git repository: true\nGit branch: main\n\
         Platform: linux\nOS version: Debian 13\nToday's date: 2026-02-24\nModel: a-model\n\
         </environment>",
        "2 modified, 1 untracked files\nRecent commits:\n- abc begin",
        "# Available tools\n- read_file: ",
        "## AGENTS.md\nuse tabs",
        "# User instructions\nbe brief",
    ]
    .map(|part| position(&prompt, part));
    assert!(places.is_sorted());
    assert!(prompt.ends_with("be brief"));
}

#[test]
fn loop_9_8_absent_layers_leave_nothing() {
    let bare = PromptContext { git: None, ..context(vec![document("AGENTS.md", " \n")]) };
    let prompt = prompt(&bare, Some("  "));
    assert!(prompt.contains("Is git repository: false\nPlatform"));
    for absent in ["<git>", "Project instructions", "User instructions", "truncated"] {
        assert!(!prompt.contains(absent), "{absent}");
    }
}

#[test]
fn ruling_documents_root_first_most_specific_kept() {
    let big = "r".repeat(20_000);
    let documents = vec![
        document("AGENTS.md", &big),
        document("a/AGENTS.md", &"m".repeat(20_000)),
        document("a/b/AGENTS.md", "most specific"),
    ];
    let prompt = prompt(&context(documents), None);
    let root = position(&prompt, "## AGENTS.md");
    let middle = position(&prompt, "## a/AGENTS.md");
    assert!(root < middle && middle < position(&prompt, "## a/b/AGENTS.md\nmost specific"));
    assert!(prompt.contains(&"m".repeat(20_000)));
    let kept = 32 * 1024 - 20_000 - "most specific".len();
    assert!(prompt.contains(&format!("\n{}\n", "r".repeat(kept))));
    assert!(!prompt.contains(&"r".repeat(kept + 1)));
    assert!(prompt.contains("[Project instructions truncated at 32KB]"));
}

#[test]
fn documents_without_room_are_left_out_and_no_character_is_split() {
    let documents = vec![
        document("AGENTS.md", "gone"),
        document("a/AGENTS.md", &"é".repeat(20_000)),
        document("a/b/AGENTS.md", "x"),
    ];
    let prompt = prompt(&context(documents), None);
    assert!(!prompt.contains("gone"));
    assert!(prompt.contains(&"é".repeat((32 * 1024 - 1) / 2)));
}

#[test]
fn loop_9_8_the_cutoff_stands_in_the_environment_where_it_is_known() {
    let known = Profile::for_model("anthropic", "claude-opus-5").unwrap();
    let text = system_prompt(&known, &context(Vec::new()), &[], None);
    assert!(
        text.contains("Model: Claude Opus 5\nKnowledge cutoff: 2026-05\n</environment>"),
        "{text}"
    );
    assert!(!prompt(&context(Vec::new()), None).contains("Knowledge cutoff"));
}

#[test]
fn a_host_can_give_instructions_of_its_own() {
    let own =
        Profile { base_instructions: "You review, you do not write.".to_owned(), ..profile() };
    let text = system_prompt(&own, &context(Vec::new()), &[], None);
    assert!(text.starts_with("You review, you do not write.\n\n<environment>"));
}

#[test]
fn tools_are_listed_with_the_first_sentence_of_their_description() {
    for (description, expected) in [
        ("Run it. Twice if need be.", "Run it."),
        ("Such as e.g. this one. And more", "Such as e.g. this one."),
        ("No end", "No end"),
        ("One line\nand another.", "One line"),
        ("", ""),
    ] {
        assert_eq!(first_sentence(description), expected, "{description}");
    }
    assert_eq!(first_sentence(&"é".repeat(500)).chars().count(), MAX_SENTENCE);
    let bare = ToolDefinition {
        name: "bare".to_owned(),
        description: " ".to_owned(),
        parameters: serde_json::json!({}),
    };
    assert_eq!(tool_block(&[bare]), "# Available tools\n- bare");
}
