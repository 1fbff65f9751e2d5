//! A thread that lives as long as the process and starts children.
//!
//! The kernel ties a "parent death" signal to the thread that started the child. Threads of an
//! async runtime come and go, so children that shall end with this process are started here.

use std::io;
use std::process::{Child, Command};
use std::sync::OnceLock;
use std::sync::mpsc::{Sender, channel};
use std::thread;

type Job = Box<dyn FnOnce() + Send>;

/// Runs `job` on the spawner thread and hands its result to `reply`.
fn submit(job: Job) -> io::Result<()> {
    static QUEUE: OnceLock<Option<Sender<Job>>> = OnceLock::new();
    let queue = QUEUE.get_or_init(|| {
        let (sender, receiver) = channel::<Job>();
        let serve = move || receiver.into_iter().for_each(|job| job());
        thread::Builder::new().name("canon-spawn".into()).spawn(serve).ok().map(|_| sender)
    });
    let gone = || io::Error::other("the thread that starts programs is gone");
    queue.as_ref().ok_or_else(gone)?.send(job).map_err(|_| gone())
}

/// Starts a command from a thread without a runtime; blocks until it is started.
pub(crate) fn spawn_blocking_std(command: &mut Command) -> io::Result<Child> {
    let mut moved = std::mem::replace(command, Command::new(""));
    let (reply, answer) = channel();
    submit(Box::new(move || {
        let result = moved.spawn();
        let _nobody_waits = reply.send((result, moved));
    }))?;
    let (result, moved) =
        answer.recv().map_err(|_| io::Error::other("the start of a program was abandoned"))?;
    *command = moved;
    result
}

/// Starts a command whose exit and pipes belong to the current runtime.
pub(crate) async fn spawn(
    mut command: tokio::process::Command,
) -> io::Result<tokio::process::Child> {
    let runtime = tokio::runtime::Handle::current();
    let (reply, answer) = tokio::sync::oneshot::channel();
    submit(Box::new(move || {
        let _entered = runtime.enter();
        let _nobody_waits = reply.send(command.spawn());
    }))?;
    answer.await.map_err(|_| io::Error::other("the start of a program was abandoned"))?
}
