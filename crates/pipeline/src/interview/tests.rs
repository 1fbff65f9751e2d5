use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::*;

fn choice(stage: &str) -> Question {
    let option = |key: &str, label: &str| QuestionOption { key: key.into(), label: label.into() };
    Question {
        options: vec![option("S", "Ship"), option("H", "Hold")],
        ..Question::new(stage, QuestionType::MultipleChoice, "Ship it?")
    }
}

#[tokio::test]
async fn pipeline_11_8_auto_approve_says_yes_and_takes_the_first_option() {
    let first = AutoApprove.ask(&choice("a")).await.unwrap();
    assert_eq!((first.summary().as_str(), first.by.as_str()), ("Ship", "auto-approve"));
    for (kind, value) in [
        (QuestionType::YesNo, AnswerValue::Yes),
        (QuestionType::Confirmation, AnswerValue::Yes),
        (QuestionType::Freeform, AnswerValue::Text("auto-approved".into())),
    ] {
        assert_eq!(AutoApprove.ask(&Question::new("a", kind, "?")).await.unwrap().value, value);
    }
}

#[tokio::test]
async fn pipeline_11_8_a_callback_is_asked_and_informed() {
    let (told, mut heard) = tokio::sync::mpsc::unbounded_channel();
    let callback = Callback::new("web", |question: Question| async move {
        match question.stage.as_str() {
            "broken" => Err(InterviewError::Failed("the page is gone".into())),
            "signed" => Ok(Answer::no().by("eve")),
            _ => Ok(Answer::option(&question.options[1])),
        }
    })
    .on_inform(move |message, stage| told.send((message, stage)).unwrap());
    let questions = [choice("a"), choice("signed")];
    let answers = callback.ask_multiple(&questions).await.unwrap();
    let said: Vec<_> = answers.iter().map(|a| (a.summary(), a.by.clone())).collect();
    assert_eq!(said, [("Hold".into(), "web".into()), ("no".into(), "eve".to_owned())]);
    assert!(callback.ask(&choice("broken")).await.is_err());
    callback.inform("done", "a").await;
    assert_eq!(heard.recv().await.unwrap(), ("done".into(), "a".into()));
}

#[tokio::test(start_paused = true)]
async fn silence_is_the_default_or_a_timeout() {
    let silent = Callback::new("web", |_| std::future::pending());
    let question = Question { timeout_seconds: Some(3.0), ..choice("a") };
    let before = tokio::time::Instant::now();
    assert_eq!(silent.ask(&question).await.unwrap().value, AnswerValue::Timeout);
    assert_eq!(before.elapsed(), Duration::from_secs(3));
    let question = Question { default: Some(Answer::no()), ..question };
    assert_eq!(silent.ask(&question).await.unwrap().value, AnswerValue::No);
}

#[test]
fn a_limit_that_is_no_time_is_none() {
    for seconds in [-1.0, f64::NAN, f64::INFINITY, 1e300] {
        let question = Question { timeout_seconds: Some(seconds), ..choice("a") };
        assert_eq!(question.timeout(), None, "{seconds}");
    }
}

#[tokio::test]
async fn pipeline_11_8_a_queue_gives_its_answers_in_order_and_then_none() {
    let queue = Queue::of([Answer::yes(), Answer::text("x")]);
    let mut said = Vec::new();
    for _ in 0..3 {
        said.push(queue.ask(&choice("a")).await.unwrap().value);
    }
    assert_eq!(said, [AnswerValue::Yes, AnswerValue::Text("x".into()), AnswerValue::Skipped]);
}

async fn record(path: &Path, stages: &[&str]) {
    let callback = Callback::new("ada", |question: Question| async move {
        Ok(Answer::option(&question.options[usize::from(question.stage == "b")]))
    });
    let recording = Recording::to_file(Arc::new(callback), path).unwrap();
    for stage in stages {
        recording.ask(&choice(stage)).await.unwrap();
    }
    assert_eq!(recording.records().len(), stages.len());
}

#[tokio::test]
async fn what_was_recorded_is_given_to_the_same_questions_in_whatever_order() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("answers.jsonl");
    record(&path, &["a", "b"]).await;
    // Torn by a crash: nobody acted on it. Another process goes on.
    let torn = std::fs::read_to_string(&path).unwrap() + "{\"v\":1,\"sta";
    std::fs::write(&path, torn).unwrap();
    record(&path, &["a"]).await;
    let queue = Queue::replay(&path).unwrap();
    for (stage, label) in [("b", "Hold"), ("a", "Ship"), ("a", "Ship")] {
        let answer = queue.ask(&choice(stage)).await.unwrap();
        assert_eq!(answer.summary(), label);
        assert_eq!(answer.by, format!("queue {}", path.display()));
    }
    let error = queue.ask(&choice("a")).await.unwrap_err().to_string();
    assert!(error.contains("no answer for stage `a` to the question `Ship it?`;"), "{error}");
}

#[tokio::test]
async fn a_question_that_was_not_recorded_is_an_error_not_another_answer() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("answers.jsonl");
    record(&path, &["a", "b"]).await;
    let queue = Queue::replay(&path).unwrap();
    let mut other = choice("a");
    other.options.reverse();
    for question in [other, Question { text: "Really?".into(), ..choice("a") }, choice("c")] {
        let error = queue.ask(&question).await.unwrap_err();
        assert!(matches!(error, InterviewError::NotRecorded { .. }), "{error}");
    }
    assert!(queue.ask(&choice("a")).await.is_ok(), "nothing was used up");
}

#[test]
fn a_damaged_file_of_answers_is_named_with_its_line() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("answers.jsonl");
    std::fs::write(&path, "\n{\"v\":1}\n").unwrap();
    let Err(error) = Queue::replay(&path) else { panic!("it was read") };
    assert!(error.to_string().contains("answers.jsonl: line 2 is no recorded answer"), "{error}");
}
