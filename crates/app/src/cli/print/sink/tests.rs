use std::sync::mpsc::{Receiver, Sender, channel};

use super::*;

/// Writes only what it is given leave for, and hands on what it wrote.
struct Gate {
    leave: Receiver<()>,
    wrote: Sender<String>,
}

impl Write for Gate {
    fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
        if self.leave.recv().is_err() {
            return Err(ErrorKind::BrokenPipe.into());
        }
        let _ = self.wrote.send(String::from_utf8_lossy(buf).into_owned());
        Ok(buf.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn gated(limit: usize) -> (Sink, Sender<()>, Receiver<String>) {
    let (leave, from) = channel();
    let (to, wrote) = channel();
    let gate = Gate { leave: from, wrote: to };
    let sink = Sink::start("gated", gate, limit, |dropped| format!("[{dropped} dropped]")).unwrap();
    (sink, leave, wrote)
}

const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(30);

fn wait_for_first(sink: &Sink) {
    // The thread holds the first line in its hands, so that the queue's fill is known.
    while !sink.0.lock().writing {
        std::thread::yield_now();
    }
}

#[test]
fn what_finds_no_room_is_counted_and_the_count_stands_in_its_place() {
    let (sink, leave, wrote) = gated(8);
    sink.push("in hand".to_owned());
    wait_for_first(&sink);
    for line in ["aaa", "bbb", "ccc", "ddd"] {
        sink.push(line.to_owned());
    }
    assert_eq!(sink.0.lock().dropped, 2);
    sink.push_last("the end".to_owned());
    for _ in 0..5 {
        leave.send(()).unwrap();
    }
    assert!(sink.flush(LONG));
    let lines: Vec<String> = wrote.try_iter().collect();
    assert_eq!(lines, ["in hand\n", "aaa\n", "bbb\n", "[2 dropped]\n", "the end\n"]);
}

#[test]
fn a_reader_that_comes_back_hears_of_what_it_missed_even_if_nothing_follows() {
    let (sink, leave, wrote) = gated(4);
    for line in ["in hand", "aaa", "bbb"] {
        sink.push(line.to_owned());
        wait_for_first(&sink);
    }
    for _ in 0..3 {
        leave.send(()).unwrap();
    }
    assert!(sink.flush(LONG));
    let lines: Vec<String> = wrote.try_iter().collect();
    assert_eq!(lines, ["in hand\n", "aaa\n", "[1 dropped]\n"]);
    sink.push("more".to_owned());
    leave.send(()).unwrap();
    assert!(sink.flush(LONG));
    assert_eq!(wrote.try_iter().collect::<String>(), "more\n");
}

#[test]
fn a_flush_gives_up_once_when_nothing_moves() {
    let (sink, leave, _wrote) = gated(64);
    sink.push("nobody reads".to_owned());
    assert!(!sink.flush(SHORT));
    let second = Instant::now();
    assert!(!sink.flush(LONG), "it waits no second time for the same");
    assert!(second.elapsed() < LONG / 2);
    leave.send(()).unwrap();
    sink.push_last("somebody does".to_owned());
    leave.send(()).unwrap();
    // What follows a write that succeeded is waited for again.
    while sink.0.lock().writes == 0 {
        std::thread::yield_now();
    }
    assert!(sink.flush(LONG));
}

#[test]
fn a_reader_that_went_away_keeps_nobody() {
    let (sink, leave, wrote) = gated(64);
    drop((leave, wrote));
    sink.push("into the void".to_owned());
    assert!(sink.flush(LONG));
}
