//! Named tasks. The only place where a task is spawned, so that every task has a name, says what
//! stopping it means and says what its failure means.

use std::future::Future;
use std::panic::AssertUnwindSafe;

use tokio::task::JoinHandle;
use tracing::Instrument as _;

/// How a task is ended from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnCancel {
    /// It may be dropped at any await: it holds nothing that needs an orderly end.
    Abort,
    /// It is told through its own channel or token and ends by itself; dropping it would lose work.
    Signal,
}

/// What it means when a task panics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFailure {
    /// Logged; whoever awaits the handle sees the error and deals with it.
    Log,
    /// Nothing sensible can go on without it: logged, and the process ends with status 1, so that
    /// a service manager restarts it from its ledger.
    Exit,
}

/// What is known of a task before it runs.
#[derive(Debug, Clone, Copy)]
pub struct TaskSpec {
    /// Shown in logs.
    pub name: &'static str,
    /// How it is ended from outside.
    pub on_cancel: OnCancel,
    /// What a panic in it means.
    pub on_failure: OnFailure,
}

impl TaskSpec {
    /// A task that may be dropped at any await and whose panic is its owner's business.
    pub const fn new(name: &'static str) -> Self {
        Self { name, on_cancel: OnCancel::Abort, on_failure: OnFailure::Log }
    }

    /// The same, ended by its own signal only.
    pub const fn signalled(self) -> Self {
        Self { on_cancel: OnCancel::Signal, ..self }
    }

    /// The same, with a panic that ends the process.
    pub const fn vital(self) -> Self {
        Self { on_failure: OnFailure::Exit, ..self }
    }
}

/// Runs `future` as a task of its own. A panic in it is logged with the task's name and dealt with
/// as its spec says; the handle then yields a `JoinError`.
pub fn spawn<F>(spec: TaskSpec, future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    use futures_catch::CatchUnwind;
    let span = tracing::debug_span!("task", name = spec.name);
    tokio::spawn(
        async move {
            match CatchUnwind(AssertUnwindSafe(Box::pin(future))).await {
                Ok(output) => output,
                Err(panic) => {
                    tracing::error!(task = spec.name, outcome = "panicked", "task failed");
                    if spec.on_failure == OnFailure::Exit {
                        std::process::exit(1);
                    }
                    std::panic::resume_unwind(panic)
                }
            }
        }
        .instrument(span),
    )
}

mod futures_catch {
    use std::any::Any;
    use std::future::Future;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::pin::Pin;
    use std::task::{Context, Poll};

    /// A future whose panic is a value.
    pub(super) struct CatchUnwind<F>(pub(super) AssertUnwindSafe<Pin<Box<F>>>);

    impl<F: Future> Future for CatchUnwind<F> {
        type Output = Result<F::Output, Box<dyn Any + Send>>;

        fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
            let inner = &mut self.0.0;
            match catch_unwind(AssertUnwindSafe(|| inner.as_mut().poll(cx))) {
                Ok(poll) => poll.map(Ok),
                Err(panic) => Poll::Ready(Err(panic)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_yields_its_output() {
        assert_eq!(spawn(TaskSpec::new("adder"), async { 1 + 1 }).await.unwrap(), 2);
    }

    #[tokio::test]
    async fn a_panic_reaches_whoever_awaits_the_handle() {
        async fn bad() {
            panic!("no")
        }
        assert!(spawn(TaskSpec::new("bad"), bad()).await.unwrap_err().is_panic());
    }
}
