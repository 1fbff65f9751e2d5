//! Waiting for a time: `type=wait`, beyond the specification.

use async_trait::async_trait;

use crate::handler::{Handler, Stage};
use crate::outcome::{FailureClass, Outcome};

/// Waits for the node's `duration`. A run that is resumed while it waits waits all of it again:
/// nothing tells how much of it a process that was killed had waited.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wait;

#[async_trait]
impl Handler for Wait {
    async fn execute(&self, stage: &Stage) -> Outcome {
        let Some(duration) = stage.node().attrs().duration("duration") else {
            return Outcome::fail("no `duration` to wait: write one with a unit, such as 15m");
        };
        tokio::select! {
            () = tokio::time::sleep(duration) => {
                Outcome::success(format!("waited {} s", duration.as_secs_f64()))
            }
            () = stage.cancel.cancelled() => {
                Outcome::fail("canceled").class(FailureClass::Canceled)
            }
        }
    }

    fn takes_written_verdict(&self) -> bool {
        false
    }
}
