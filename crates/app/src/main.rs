//! The `canon` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    canon::cli::main()
}
