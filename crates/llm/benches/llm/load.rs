//! Streamed requests, many at a time, on one thread as the peers do it; reports what they report.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Instant;

use canon_llm::providers::{compatible, openai};
use canon_llm::{Client, Message, ProviderAdapter, Request, StreamEvent};
use canon_runtime::secret::Secret;
use futures_util::StreamExt as _;
use futures_util::future::join_all;
use serde_json::json;

/// `BASE_URL WIRE REQUESTS CONCURRENCY`
pub(crate) fn run(args: &[String]) {
    let [base_url, wire, requests, concurrency] = args else {
        panic!("load takes BASE_URL WIRE REQUESTS CONCURRENCY");
    };
    let (requests, concurrency) = (requests.parse().unwrap(), concurrency.parse().unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(load(base_url, wire, requests, concurrency));
}

async fn load(base_url: &str, wire: &str, requests: usize, concurrency: usize) {
    let client = client(base_url, wire);
    one(&client).await;
    let idle = memory("VmRSS");
    let (asked, events, characters) = (Cell::new(0), Cell::new(0), Cell::new(0));
    let (begun, cpu) = (Instant::now(), cpu());
    let worker = async || {
        while asked.get() < requests {
            asked.set(asked.get() + 1);
            let (more_events, more_characters) = one(&client).await;
            events.set(events.get() + more_events);
            characters.set(characters.get() + more_characters);
        }
    };
    join_all((0..concurrency).map(|_| worker())).await;
    let report = json!({
        "peer": "canon",
        "wire": wire,
        "requests": requests,
        "failed": 0,
        "events": events.get(),
        "characters": characters.get(),
        "wall_s": begun.elapsed().as_secs_f64(),
        "cpu_s": self::cpu() - cpu,
        "idle_rss_bytes": idle,
        "peak_rss_bytes": memory("VmHWM"),
    });
    println!("{report}");
}

fn client(base_url: &str, wire: &str) -> Client {
    let key = Secret::new("none");
    let base_url = base_url.to_owned();
    let adapter: Arc<dyn ProviderAdapter> = match wire {
        "responses" => {
            let config = openai::OpenAiConfig { base_url, ..openai::OpenAiConfig::new(key) };
            Arc::new(openai::OpenAi::new(config).unwrap())
        }
        "chat" => {
            let config = compatible::CompatibleConfig::new(base_url);
            Arc::new(compatible::Compatible::new(config).unwrap())
        }
        other => panic!("there is no wire {other:?}"),
    };
    Client::builder().provider(adapter).build().unwrap()
}

/// Events and characters of one answer.
async fn one(client: &Client) -> (usize, usize) {
    let mut request = Request::new("bench", vec![Message::user("go")]);
    request.provider = client.provider_names().next().map(str::to_owned);
    let mut stream = client.stream(request).await.unwrap();
    let (mut events, mut characters) = (0, 0);
    while let Some(event) = stream.next().await {
        events += 1;
        if let StreamEvent::TextDelta { delta, .. } = event.unwrap() {
            characters += delta.chars().count();
        }
    }
    (events, characters)
}

/// User and system time of this process, in seconds.
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let ticks = stat.rsplit_once(')').unwrap().1.split_whitespace().skip(11).take(2);
    // Linux counts in hundredths for its readers, whatever the kernel was built with.
    ticks.map(|ticks| ticks.parse::<f64>().unwrap()).sum::<f64>() / 100.0
}

/// A member of `/proc/self/status`, in bytes.
fn memory(member: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(member)?.strip_prefix(':'));
    line.unwrap().split_whitespace().next().unwrap().parse::<u64>().unwrap() * 1024
}
