//! A server that answers every request with the same stream, at once: a thread a connection, nothing parsed but
//! where a request ends. The fake of `canon-testkit` checks its callers, which takes longer than the client does.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

use crate::shapes::SHAPES;

/// Of each answer, in bytes.
const SIZE: usize = 60_000;

/// Prints its base URL and serves `/v1/responses` and `/v1/chat/completions` until it is killed.
pub(crate) fn serve() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    println!("http://{}/v1", listener.local_addr().unwrap());
    let answers = Arc::new([answer("openai"), answer("openai-compatible")]);
    for connection in listener.incoming() {
        let (connection, answers) = (connection.unwrap(), Arc::clone(&answers));
        std::thread::spawn(move || converse(connection, &answers));
    }
}

/// As servers send it: every event is an HTTP chunk of its own.
fn answer(provider: &str) -> Vec<u8> {
    let shape = SHAPES.iter().find(|shape| shape.provider == provider).unwrap();
    let body = String::from_utf8((shape.make)(SIZE)).unwrap();
    let mut out =
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
            .to_vec();
    for event in body.split_inclusive("\n\n") {
        out.extend(format!("{:x}\r\n{event}\r\n", event.len()).into_bytes());
    }
    out.extend(b"0\r\n\r\n");
    out
}

fn converse(connection: TcpStream, answers: &[Vec<u8>; 2]) {
    connection.set_nodelay(true).unwrap();
    let mut writer = connection.try_clone().unwrap();
    let mut reader = BufReader::new(connection);
    let mut line = String::new();
    // A client that goes away ends its thread.
    loop {
        line.clear();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        let [responses, chat] = answers;
        let answer = if line.contains("/responses") { responses } else { chat };
        let mut length = 0;
        while line != "\r\n" {
            line.clear();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        if reader.read_exact(&mut body).is_err() || writer.write_all(answer).is_err() {
            return;
        }
    }
}
