//! The engine as a pure machine (Attractor §3).
//!
//! [`Machine`] decides, [`Plan`] is the graph as it needs it, [`replay`] brings it back from its
//! records. Nothing here touches files, clocks, chance or other programs.

mod frame;
mod io;
mod machine;
mod plan;
mod random;
mod replay;
mod retry;
mod route;

pub use frame::{FrameId, Snapshot};
pub use io::{AttemptId, Effect, EventKind, Execute, Finish, Hop, Input, Remaining, StageRecord};
pub use machine::{Budget, Machine, Setup};
pub use plan::Plan;
pub(crate) use plan::Seen;
pub use random::Random;
pub use replay::{ReplayError, Replayed, replay};
pub use retry::RetryPolicy;
pub(crate) use route::without_accelerator;
pub use route::{Rule, normalize_label};

#[cfg(test)]
mod tests;
