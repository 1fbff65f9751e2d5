//! Clients from the environment.

use super::configuration;
use crate::error::LlmError;

pub(super) fn no_such_provider<'a>(
    wanted: &str,
    registered: impl Iterator<Item = &'a str>,
) -> LlmError {
    let registered: Vec<&str> = registered.collect();
    configuration(format!("no provider `{wanted}`; registered: {registered:?}"))
}
