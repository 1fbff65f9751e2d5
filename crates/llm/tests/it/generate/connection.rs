//! What a server sees of a cancellation, on a socket of its own.

use std::sync::Arc;

use canon_llm::{AbortSignal, Client, ErrorKind, Generate, OpenAi, OpenAiConfig, generate, stream};
use canon_runtime::secret::Secret;
use futures_util::StreamExt as _;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

const BEGUN: &str = concat!(
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n",
    "data: {\"type\":\"response.output_text.delta\",\"item_id\":\"i\",\"output_index\":0,\"delta\":\"x\"}\n\n"
);

/// Reads one request to its end.
async fn request(connection: &mut BufReader<TcpStream>) {
    let mut length = 0;
    loop {
        let mut line = String::new();
        connection.read_line(&mut line).await.unwrap();
        let line = line.trim_end().to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line.is_empty() {
            break;
        }
    }
    connection.read_exact(&mut vec![0; length]).await.unwrap();
}

/// Returns once the client has closed the connection.
async fn closed(mut connection: BufReader<TcpStream>) {
    let mut rest = Vec::new();
    // A reset is as good an end.
    let _ = connection.read_to_end(&mut rest).await;
    assert!(rest.is_empty(), "nothing more was sent");
}

async fn server() -> (TcpListener, Generate) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base_url = format!("http://{}/v1", listener.local_addr().unwrap());
    let config = OpenAiConfig { base_url, ..OpenAiConfig::new(Secret::new("sk-test")) };
    let adapter = Arc::new(OpenAi::new(config).unwrap());
    let client = Client::builder().provider(adapter).default_provider("openai").build().unwrap();
    (listener, Generate::new("gpt-5.2").prompt("hi").client(client))
}

#[tokio::test]
async fn llm_8_4_aborting_generate_closes_the_connection_to_the_provider() {
    let (listener, options) = server().await;
    let signal = AbortSignal::new();
    let call = generate(options.abort_signal(signal.clone()));
    let provider = async {
        let mut connection = BufReader::new(listener.accept().await.unwrap().0);
        request(&mut connection).await;
        signal.cancel();
        closed(connection).await;
    };
    let (outcome, ()) = tokio::join!(call, provider);
    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Abort);
}

#[tokio::test]
async fn llm_8_4_aborting_or_dropping_a_stream_closes_the_connection_to_the_provider() {
    for aborts in [true, false] {
        let (listener, options) = server().await;
        let signal = AbortSignal::new();
        let mut stream = stream(options.abort_signal(signal.clone()));
        let provider = async {
            let mut connection = BufReader::new(listener.accept().await.unwrap().0);
            request(&mut connection).await;
            connection.write_all(BEGUN.as_bytes()).await.unwrap();
            closed(connection).await;
        };
        let reader = async {
            let text = stream.text_stream().next().await;
            assert_eq!(text, Some(Ok("x".to_owned())));
            if aborts {
                signal.cancel();
                assert_eq!(stream.result().await.unwrap_err().kind(), ErrorKind::Abort);
            }
            drop(stream);
        };
        tokio::join!(provider, reader);
    }
}
