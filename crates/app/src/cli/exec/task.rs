//! What the agent is given: the task, what is piped in, and images.

use std::fs::File;
use std::io::{self, IsTerminal as _};
use std::os::fd::AsFd as _;
use std::os::unix::fs::FileTypeExt as _;

use canon_agent::Input;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::Args;
use crate::cli::ask::prompt::{picture, text_of_stdin};
use crate::error::Error;

/// What a resumed thread is told when there is nothing else to tell it.
const GO_ON: &str = "Go on with the task where you left off.";

/// Seconds for the first byte of a pipe beside a task: whoever started this may have left a pipe
/// open that nobody writes to.
const FIRST_BYTE: i64 = 5;

/// The input of the session.
pub(super) fn input(args: &Args) -> Result<Input, Error> {
    let text = text(args)?;
    if text.trim().is_empty() {
        return Err(Error::input("the task is empty")
            .hint("give it as an argument, or pipe it in; --resume goes on without one"));
    }
    let mut input = Input::new(text);
    for image in &args.image {
        input = input.with_image(picture(image)?);
    }
    Ok(input)
}

fn text(args: &Args) -> Result<String, Error> {
    let stdin = io::stdin();
    match args.task.as_deref() {
        Some("-") => text_of_stdin(),
        Some(task) => beside(args, task),
        None if args.resume.is_some() => beside(args, GO_ON),
        None if !stdin.is_terminal() => text_of_stdin(),
        None => Err(Error::input("there is no task")
            .hint("give it as an argument, or pipe it in; --resume goes on without one")),
    }
}

/// The task, then what is piped in.
fn beside(args: &Args, task: &str) -> Result<String, Error> {
    if task.trim().is_empty() || !is_piped() {
        return Ok(task.to_owned());
    }
    if !begins() {
        super::warn(
            args,
            format_args!(
                "standard input is open, but nothing came for {FIRST_BYTE} s; going on without it"
            ),
        );
        return Ok(task.to_owned());
    }
    let piped = text_of_stdin()?;
    Ok(if piped.trim().is_empty() { task.to_owned() } else { format!("{task}\n\n{piped}") })
}

/// Only what surely ends: a terminal, a socket or a device beside a task is nobody's input.
fn is_piped() -> bool {
    io::stdin()
        .as_fd()
        .try_clone_to_owned()
        .and_then(|stdin| File::from(stdin).metadata())
        .is_ok_and(|stdin| stdin.file_type().is_fifo() || stdin.is_file())
}

/// Whether something comes, or the end.
fn begins() -> bool {
    let stdin = io::stdin();
    let patience = Timespec { tv_sec: FIRST_BYTE, tv_nsec: 0 };
    // What cannot be waited for can be read.
    poll(&mut [PollFd::new(&stdin, PollFlags::IN)], Some(&patience)).map_or(true, |ready| ready > 0)
}
