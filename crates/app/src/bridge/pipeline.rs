//! What the engine of pipelines is given of the other parts: workspaces in sandboxes, and backends.

mod agent;
mod app_server;
mod call;
mod hooks;
mod models;
mod places;

pub use agent::Agent;
pub use app_server::{AppServer, Program};
pub use call::Call;
pub use models::Models;
pub use places::Confined;
