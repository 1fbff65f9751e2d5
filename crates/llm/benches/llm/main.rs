//! What `cargo xtask bench llm` runs: measures the client and prints numbers; nothing is asserted.

// A bench talks to people, and a panic is its report.
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::expect_used)]

mod decode;
mod load;
mod server;
mod shapes;
// The tests use more of it.
#[allow(dead_code)]
#[path = "../../tests/it/subjects.rs"]
mod subjects;

fn main() {
    // Cargo adds `--bench`.
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let (command, rest) = args.split_first().map_or(("decode", &[][..]), |(c, r)| (c.as_str(), r));
    match command {
        "decode" => {
            decode::measure(rest, 1_000_000, 16, 25);
            decode::last_event(rest, 40_000, 200);
        }
        "serve" => server::serve(),
        "load" => load::run(rest),
        other => println!("there is no measurement {other:?}"),
    }
}
