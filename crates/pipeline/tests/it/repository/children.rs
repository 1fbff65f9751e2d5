//! Children of managers, which work in their manager's worktree.

use canon_pipeline::Status;
use canon_pipeline::handlers::Standard;
use canon_pipeline::run::{Environment, From, NewRun, RunDirectory, resume, start};

use super::world::{World, dot, graph};

async fn environment(world: &World) -> Environment {
    let registry = Standard::simulated().registry();
    Environment { registry, ..world.environment(&world.logs(), "r1").await }
}

#[tokio::test]
async fn a_child_that_goes_on_finds_what_its_stages_had_left() {
    let world = World::new();
    let temp = world.temp.path();
    let (ran, go) = (temp.join("ran"), temp.join("go"));
    // The second stage wants the first one's file, and something from outside.
    let child = dot(&format!(
        "a [shape=parallelogram tool_command=\"echo a > made; echo a >> {}\"] \
         b [shape=parallelogram tool_command=\"test -e made && test -e {} && echo b > also\"] \
         start -> a a -> b b -> exit",
        ran.display(),
        go.display()
    ));
    std::fs::write(temp.join("child.dot"), child).unwrap();
    let source = dot("m [shape=house stack.child_dotfile=\"child.dot\"] \
         after [shape=parallelogram tool_command=\"cat made also\"] \
         start -> m m -> after after -> exit");
    let new = NewRun {
        id: "r1".to_owned(),
        repository: Some(world.repo()),
        base: Some(temp.to_owned()),
        ..NewRun::default()
    };
    let directory = RunDirectory::new(world.logs());
    let environment_of = environment(&world).await;
    let end = start(graph(&source), &source, directory.clone(), new, environment_of).await.unwrap();
    assert_eq!(end.finish.status, Status::Fail, "{:?}", end.finish);
    std::fs::write(&go, "").unwrap();
    let go_on = |from| {
        let (world, source, directory) = (&world, &source, directory.clone());
        async move {
            let environment = environment(world).await;
            resume(graph(source), directory, from, environment).await.unwrap()
        }
    };
    let runs = || std::fs::read_to_string(&ran).unwrap().lines().count();
    let end = go_on(From::Here).await;
    assert_eq!(end.finish.status, Status::Success, "{:?}", end.finish);
    assert_eq!(end.context["tool.output"], "a\nb\n");
    assert_eq!(runs(), 1, "its first stage did not run again");
    // Taken back to the manager: as if the child had not run.
    let end = go_on(From::Stage("m".to_owned())).await;
    assert_eq!(end.finish.status, Status::Success, "{:?}", end.finish);
    assert_eq!(runs(), 2);
    assert!(world.logs().join("m/visits/1.1/child/journal.jsonl").exists());
}
