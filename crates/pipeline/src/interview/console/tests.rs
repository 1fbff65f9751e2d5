use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncWriteExt as _, BufReader, DuplexStream, duplex};

use super::*;
use crate::interview::QuestionOption;

#[derive(Clone, Default)]
struct Screen(Arc<StdMutex<Vec<u8>>>);

impl Screen {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Screen {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn console() -> (Console, DuplexStream, Screen) {
    let (person, stream) = duplex(1 << 20);
    let screen = Screen::default();
    (Console::new("ada", BufReader::new(stream), screen.clone()), person, screen)
}

fn choice() -> Question {
    let option = |key: &str, label: &str| QuestionOption { key: key.into(), label: label.into() };
    Question {
        options: vec![option("S", "[S] Ship"), option("H", "Hold")],
        ..Question::new("gate", QuestionType::MultipleChoice, "Ship it?")
    }
}

fn limited(seconds: f64) -> Question {
    Question { timeout_seconds: Some(seconds), ..choice() }
}

#[tokio::test]
async fn pipeline_11_8_the_console_shows_a_question_and_reads_the_answer() {
    let (console, mut person, screen) = console();
    person.write_all(b"\nh\r\n").await.unwrap();
    let answer = console.ask(&choice()).await.unwrap();
    assert_eq!(answer.selected_option.as_ref().unwrap().label, "Hold");
    assert_eq!(answer.by, "ada");
    let shown = screen.text();
    for part in ["[?] Ship it?", "(gate)", "[S] Ship", "[H] Hold", "Select: Select: "] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
}

#[tokio::test]
async fn pipeline_11_8_each_type_of_question_has_its_answers() {
    let cases = [
        (QuestionType::YesNo, "YES", AnswerValue::Yes),
        (QuestionType::Confirmation, "n", AnswerValue::No),
        (QuestionType::YesNo, "maybe", AnswerValue::Text("maybe".into())),
        (QuestionType::Freeform, "two words", AnswerValue::Text("two words".into())),
        (QuestionType::MultipleChoice, "[s] ship", AnswerValue::Text("S".into())),
        (QuestionType::MultipleChoice, "other", AnswerValue::Text("other".into())),
    ];
    for (kind, typed, value) in cases {
        let (console, mut person, _) = console();
        person.write_all(format!("{typed}\n").as_bytes()).await.unwrap();
        let answer = console.ask(&Question { kind, ..choice() }).await.unwrap();
        assert_eq!(answer.value, value, "{kind:?} {typed}");
    }
}

#[tokio::test]
async fn the_end_of_the_input_skips_this_question_and_all_others() {
    let (console, mut person, _) = console();
    person.write_all(b"s").await.unwrap();
    drop(person);
    let answer = console.ask(&choice()).await.unwrap();
    assert_eq!(answer.summary(), "[S] Ship", "a last line needs no end");
    for _ in 0..2 {
        assert_eq!(console.ask(&choice()).await.unwrap().value, AnswerValue::Skipped);
    }
}

#[tokio::test(start_paused = true)]
async fn a_line_that_comes_late_answers_nothing() {
    let (console, mut person, screen) = console();
    assert_eq!(console.ask(&limited(5.0)).await.unwrap().value, AnswerValue::Timeout);
    // Typed before the next question is shown: thrown away, half a line too.
    person.write_all(b"s\ns\nhal").await.unwrap();
    assert_eq!(console.ask(&limited(5.0)).await.unwrap().value, AnswerValue::Timeout);
    // Typed just after the next one is shown, meant for the one before: has to be confirmed.
    let late = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        person.write_all(b"s\n").await.unwrap();
        person
    };
    let (answer, mut person) = {
        let question = limited(5.0);
        tokio::join!(console.ask(&question), late)
    };
    assert_eq!(answer.unwrap().value, AnswerValue::Timeout);
    assert!(screen.text().contains("Press Enter if `s` answers this one"));
    for (typed, label) in [("s\n\n", "[S] Ship"), ("s\nh\n", "Hold")] {
        // A question that is withdrawn owes a line just the same.
        let asked = tokio::time::timeout(Duration::from_secs(1), async {
            let question = choice();
            console.ask(&question).await
        });
        assert!(asked.await.is_err());
        let typing = async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            person.write_all(typed.as_bytes()).await.unwrap();
        };
        let question = limited(5.0);
        let (answer, ()) = tokio::join!(console.ask(&question), typing);
        assert_eq!(answer.unwrap().summary(), label);
    }
    // All is answered: the next line counts at once.
    person.write_all(b"h\n").await.unwrap();
    assert_eq!(console.ask(&choice()).await.unwrap().summary(), "Hold");
}

#[tokio::test(start_paused = true)]
async fn questions_of_branches_do_not_share_an_answer_and_keep_their_own_time() {
    let (console, mut person, _) = console();
    let (first, second) = (choice(), limited(2.0));
    let typing = async {
        tokio::time::sleep(Duration::from_secs(10)).await;
        person.write_all(b"s\n").await.unwrap();
    };
    let (first, second, ()) = tokio::join!(console.ask(&first), console.ask(&second), typing);
    assert_eq!(first.unwrap().summary(), "[S] Ship");
    assert_eq!(second.unwrap().value, AnswerValue::Timeout);
}

#[tokio::test]
async fn lines_beyond_all_measure_and_control_characters_do_no_harm() {
    let (console, mut person, screen) = console();
    let typing = async {
        person.write_all(&vec![b'x'; 300_000]).await.unwrap();
        person.write_all(b"\nh\n").await.unwrap();
    };
    let question = Question { text: "a\u{1b}[2Jb".into(), ..choice() };
    let (answer, ()) = tokio::join!(console.ask(&question), typing);
    assert_eq!(answer.unwrap().summary(), "Hold");
    assert!(screen.text().contains("That is too long."));
    assert!(!screen.text().contains('\u{1b}'));
}
