use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use canon_llm::{
    ContentPart, ErrorKind, FailedCall, FinishReasonKind, Message, Role, Tool, ToolContext,
    ToolOutput, generate,
};
use serde_json::{Value, json};
use tokio::sync::{Barrier, Notify};

use super::fake::{Fake, Turn, answer, call, calls, response, text};

fn parameters() -> Value {
    json!({
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": false,
    })
}

fn passive(name: &str) -> Tool {
    Tool::new(name, "a tool", parameters()).unwrap()
}

/// Says which city it was asked for, and counts.
fn weather(ran: &Arc<AtomicUsize>) -> Tool {
    let ran = Arc::clone(ran);
    passive("weather").execute(move |arguments: Value, _| {
        ran.fetch_add(1, Ordering::SeqCst);
        async move { Ok::<_, String>(format!("sunny in {}", arguments["city"].as_str().unwrap())) }
    })
}

fn counter() -> Arc<AtomicUsize> {
    Arc::new(AtomicUsize::new(0))
}

fn weather_call(id: &str, city: &str) -> Turn {
    call(id, "weather", json!({"city": city}))
}

#[tokio::test]
async fn llm_8_7_active_tools_run_and_the_model_is_asked_again() {
    let fake = Fake::new([weather_call("c1", "Rome"), text("Sunny.")]);
    let ran = counter();
    let result = generate(fake.ask().tools([weather(&ran)])).await.unwrap();
    assert_eq!(result.text, "Sunny.");
    assert_eq!(ran.load(Ordering::SeqCst), 1);
    let conversation = &fake.requests()[1].messages;
    assert_eq!(conversation.len(), 3);
    assert_eq!(conversation[1].role, Role::Assistant);
    assert_eq!(conversation[2], Message::tool_result("c1", "sunny in Rome", false));
    assert_eq!(result.messages[..2], conversation[1..], "what the next conversation needs");
    assert_eq!(result.messages[2], Message::assistant("Sunny."));
}

#[tokio::test]
async fn llm_8_7_passive_tools_return_calls_to_the_caller_without_looping() {
    let fake = Fake::new([weather_call("c1", "Rome")]);
    let result = generate(fake.ask().tools([passive("weather")])).await.unwrap();
    assert_eq!(result.tool_calls[0].arguments["city"], "Rome");
    assert!(result.tool_results.is_empty());
    assert_eq!(result.finish_reason.reason, FinishReasonKind::ToolCalls);
    assert_eq!(result.pending_calls().count(), 1);
    assert_eq!(fake.requests().len(), 1);
}

#[tokio::test]
async fn llm_8_7_of_active_and_passive_calls_in_one_answer_the_active_ones_run() {
    let both = calls(&[
        ("c1", "approve", json!({"city": "Rome"})),
        ("c2", "weather", json!({"city": "Oslo"})),
        ("c3", "nothing", json!({})),
    ]);
    let fake = Fake::new([answer(both)]);
    let ran = counter();
    let options = fake.ask().tools([passive("approve"), weather(&ran)]).max_tool_rounds(5);
    let result = generate(options).await.unwrap();
    let answered: Vec<_> = result.tool_results.iter().map(|r| r.tool_call_id.as_str()).collect();
    assert_eq!(answered, ["c2", "c3"]);
    let pending: Vec<_> = result.pending_calls().map(|call| call.id.as_str()).collect();
    assert_eq!(pending, ["c1"]);
    assert_eq!(result.messages.len(), 3);
    assert_eq!((ran.load(Ordering::SeqCst), fake.requests().len()), (1, 1));
}

#[tokio::test]
async fn llm_8_7_max_tool_rounds_is_respected() {
    for (rounds, requests, runs) in [(0, 1, 0), (1, 2, 1), (3, 4, 3)] {
        let turns = (0..5).map(|n| weather_call(&format!("c{n}"), "Rome"));
        let fake = Fake::new(turns);
        let ran = counter();
        let options = fake.ask().tools([weather(&ran)]).max_tool_rounds(rounds);
        let result = generate(options).await.unwrap();
        assert_eq!(fake.requests().len(), requests);
        assert_eq!(ran.load(Ordering::SeqCst), runs);
        assert_eq!(result.tool_calls.len(), 1);
        assert!(result.tool_results.is_empty(), "those of the last step did not run");
        assert_eq!(result.total_usage.input_tokens, 10 * u64::try_from(requests).unwrap());
    }
    let fake = Fake::new([weather_call("c0", "Rome"), text("done")]);
    let result = generate(fake.ask().tools([weather(&counter())])).await.unwrap();
    assert_eq!(result.text, "done", "one round unless said");
}

#[tokio::test]
async fn llm_8_7_zero_tool_rounds_disable_automatic_execution() {
    let fake = Fake::new([weather_call("c1", "Rome")]);
    let ran = counter();
    let options = fake.ask().tools([weather(&ran)]).max_tool_rounds(0);
    let result = generate(options).await.unwrap();
    assert_eq!((result.tool_calls.len(), result.steps.len()), (1, 1));
    assert_eq!(ran.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn llm_8_7_parallel_calls_run_at_the_same_time_and_keep_their_order() {
    let cities = ["a", "b", "c", "d"];
    let list: Vec<_> =
        cities.iter().map(|city| (*city, "weather", json!({"city": city}))).collect();
    let fake = Fake::new([answer(calls(&list)), text("done")]);
    // Nobody gets past the barrier alone, and each waits for the one after it to be done.
    let barrier = Arc::new(Barrier::new(cities.len()));
    let done: Arc<Vec<Notify>> = Arc::new((0..=4).map(|_| Notify::new()).collect());
    done[4].notify_one();
    let finished = Arc::new(std::sync::Mutex::new(Vec::new()));
    let log = Arc::clone(&finished);
    let tool = passive("weather").execute(move |arguments: Value, _| {
        let (barrier, done) = (Arc::clone(&barrier), Arc::clone(&done));
        let log = Arc::clone(&log);
        async move {
            let city = arguments["city"].as_str().unwrap().to_owned();
            let at = "abcd".find(&city).unwrap();
            barrier.wait().await;
            done[at + 1].notified().await;
            log.lock().unwrap().push(city.clone());
            done[at].notify_one();
            Ok::<_, String>(city)
        }
    });
    let result = generate(fake.ask().tools([tool])).await.unwrap();
    assert_eq!(*finished.lock().unwrap(), ["d", "c", "b", "a"]);
    let order: Vec<_> = result.steps[0].tool_results.iter().map(|r| &r.content).collect();
    assert_eq!(order, ["a", "b", "c", "d"]);
}

#[tokio::test]
async fn llm_8_7_all_results_go_back_in_a_single_continuation() {
    let three = calls(&[
        ("c1", "weather", json!({"city": "a"})),
        ("c2", "nothing", json!({})),
        ("c3", "weather", json!({"city": "c"})),
    ]);
    let fake = Fake::new([answer(three), text("done")]);
    generate(fake.ask().tools([weather(&counter())])).await.unwrap();
    let requests = fake.requests();
    assert_eq!(requests.len(), 2);
    let ids: Vec<_> =
        requests[1].messages[2..].iter().map(|m| m.tool_call_id.as_deref().unwrap()).collect();
    assert_eq!(ids, ["c1", "c2", "c3"]);
}

#[tokio::test]
async fn llm_8_7_errors_and_panics_of_tools_are_error_results() {
    let three = calls(&[
        ("c1", "fails", json!({"city": "a"})),
        ("c2", "panics", json!({"city": "b"})),
        ("c3", "weather", json!({"city": "c"})),
    ]);
    let fake = Fake::new([answer(three), text("sorry")]);
    let fails = passive("fails").execute(|_, _| async { Err::<Value, _>("no network") });
    let panics = passive("panics").execute(|arguments: Value, _| async move {
        assert_eq!(arguments["city"], "never", "a bug");
        Ok::<_, String>("unreachable")
    });
    let options = fake.ask().tools([fails, panics, weather(&counter())]);
    let result = generate(options).await.unwrap();
    assert_eq!(result.text, "sorry");
    let results = &result.steps[0].tool_results;
    assert_eq!((results[0].is_error, &results[0].content), (true, &json!("no network")));
    assert!(results[1].is_error && results[1].content.as_str().unwrap().contains("`panics`"));
    assert_eq!((results[2].is_error, &results[2].content), (false, &json!("sunny in c")));
}

#[tokio::test]
async fn llm_8_7_calls_of_unknown_tools_get_an_error_result() {
    let fake = Fake::new([call("c1", "wether", json!({})), text("oh")]);
    let result = generate(fake.ask().tools([weather(&counter())])).await.unwrap();
    assert_eq!(result.text, "oh");
    let expected = Message::tool_result("c1", "Unknown tool: wether", true);
    assert_eq!(fake.requests()[1].messages[2], expected);
}

#[tokio::test]
async fn llm_8_7_arguments_are_parsed_and_validated_before_the_handler_runs() {
    let bad = calls(&[
        ("c1", "weather", json!("{\"city\": ")),
        ("c2", "weather", json!("[1]")),
        ("c3", "weather", json!({"town": "Rome"})),
        ("c4", "weather", json!({"city": 3})),
    ]);
    let fake = Fake::new([answer(bad), text("oh")]);
    let ran = counter();
    let result = generate(fake.ask().tools([weather(&ran)])).await.unwrap();
    assert_eq!(ran.load(Ordering::SeqCst), 0);
    let said: Vec<_> =
        result.steps[0].tool_results.iter().map(|r| r.content.as_str().unwrap()).collect();
    for (said, wanted) in said.iter().zip(["EOF", "not a JSON object", "city", "/city"]) {
        assert!(said.contains(wanted) && said.contains("`weather`"), "{said}");
    }
    assert!(result.steps[0].tool_results.iter().all(|result| result.is_error));
}

#[tokio::test]
async fn llm_8_7_a_repair_function_mends_arguments_and_is_checked_itself() {
    let bad = calls(&[
        ("c1", "weather", json!("Rome")),
        ("c2", "weather", json!({"city": 3})),
        ("c3", "weather", json!({})),
    ]);
    let fake = Fake::new([answer(bad), text("oh")]);
    let options =
        fake.ask().tools([weather(&counter())]).repair_tool_call(async |failed: FailedCall| {
            assert_eq!(failed.problem.kind(), ErrorKind::InvalidToolCall);
            assert_eq!(failed.tool.name, "weather");
            assert_eq!(failed.context.tool_call_id, failed.call.id);
            match failed.call.raw_arguments {
                Some(raw) => Some(json!({"city": raw})),
                None if failed.call.arguments.is_empty() => None,
                None => Some(json!({"city": 4})),
            }
        });
    let result = generate(options).await.unwrap();
    let results = &result.steps[0].tool_results;
    assert_eq!((results[0].is_error, &results[0].content), (false, &json!("sunny in Rome")));
    assert!(results[1].is_error && results[1].content.as_str().unwrap().contains("/city: 4"));
    assert!(results[2].is_error && results[2].content.as_str().unwrap().contains("required"));
}

#[tokio::test]
async fn llm_8_7_steps_track_calls_results_and_usage() {
    let fake = Fake::new([weather_call("c1", "a"), weather_call("c2", "b"), text("done")]);
    let options = fake.ask().tools([weather(&counter())]).max_tool_rounds(5);
    let result = generate(options).await.unwrap();
    let track: Vec<_> = result
        .steps
        .iter()
        .map(|step| (step.tool_calls.len(), step.tool_results.len(), step.usage.total_tokens))
        .collect();
    assert_eq!(track, [(1, 1, 15), (1, 1, 15), (0, 0, 15)]);
    assert_eq!(result.total_usage.total_tokens, 45);
    assert_eq!(result.total_usage.reasoning_tokens, Some(3));
    assert_eq!(result.usage.total_tokens, 15);
    let json = serde_json::to_value(&result).unwrap();
    assert_eq!(serde_json::from_value::<canon_llm::GenerateResult>(json).unwrap(), result);
}

#[tokio::test]
async fn calls_run_only_when_the_model_stopped_for_them() {
    let mut cut = calls(&[("c1", "weather", json!({"city": "a"}))]);
    cut.finish_reason.reason = FinishReasonKind::Length;
    let fake = Fake::new([answer(cut)]);
    let ran = counter();
    let result = generate(fake.ask().tools([weather(&ran)])).await.unwrap();
    assert_eq!(result.tool_calls.len(), 1);
    assert_eq!(ran.load(Ordering::SeqCst), 0);
    let fake = Fake::new([answer(response(FinishReasonKind::ToolCalls, Vec::new()))]);
    assert_eq!(generate(fake.ask().tools([weather(&ran)])).await.unwrap().text, "");
}

#[tokio::test]
async fn a_stop_condition_ends_the_loop_after_the_tools_ran() {
    let turns = (0..9).map(|n| weather_call(&format!("c{n}"), "Rome"));
    let fake = Fake::new(turns);
    let ran = counter();
    let options =
        fake.ask().tools([weather(&ran)]).max_tool_rounds(9).stop_when(|steps| steps.len() == 2);
    let result = generate(options).await.unwrap();
    assert_eq!((result.steps.len(), ran.load(Ordering::SeqCst)), (2, 2));
    assert_eq!(result.tool_results.len(), 1);
    assert_eq!(result.pending_calls().count(), 0);
}

#[tokio::test]
async fn handlers_know_their_call_and_the_conversation_and_may_answer_with_pictures() {
    let fake = Fake::new([weather_call("c7", "Rome"), text("done")]);
    let tool = passive("weather").execute(|_, context: ToolContext| async move {
        assert!(!context.abort_signal.is_cancelled());
        let roles: Vec<_> = context.messages.iter().map(|message| message.role).collect();
        assert_eq!(roles, [Role::System, Role::User, Role::Assistant]);
        let content = json!({"id": context.tool_call_id, "list": [1, null]});
        Ok::<_, String>(ToolOutput::new(content).with_image(vec![1, 2], "image/png"))
    });
    generate(fake.ask().system("s").tools([tool])).await.unwrap();
    let answer = fake.requests()[1].messages[3].clone();
    let ContentPart::ToolResult { tool_result, .. } = &answer.content[0] else {
        panic!("{answer:?}");
    };
    assert!(!tool_result.is_error, "{tool_result:?}");
    assert_eq!(tool_result.content, json!({"id": "c7", "list": [1, null]}));
    assert_eq!(tool_result.image_data.as_deref(), Some(&[1_u8, 2][..]));
    assert_eq!(tool_result.image_media_type.as_deref(), Some("image/png"));
}

#[test]
fn tools_are_checked_when_they_are_defined() {
    let refused = |name: &str, parameters: Value| {
        let error = Tool::new(name, "", parameters).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration);
        error.to_string()
    };
    refused("1st", parameters());
    refused("a-b", parameters());
    refused(&"a".repeat(65), parameters());
    refused("list", json!({"type": "array"}));
    let said = refused("odd", json!({"type": "object", "properties": {"a": {"type": 3}}}));
    assert!(said.contains("`odd`"), "{said}");
}
