//! What the program says about itself while it runs: log lines on stderr, counters as OpenMetrics text.

use std::io::IsTerminal;
use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::registry::Registry;
use tracing_subscriber::EnvFilter;

/// What a node logs where `GOOP_LOG` and `RUST_LOG` say nothing: our own events, and errors of others, whose warnings a stranger could cause
/// by the thousand.
pub const USUAL: &str = "error,goop=info";
/// The same of a command that speaks for itself: what goes wrong alone.
pub const QUIET: &str = "error,goop=warn";

/// Starts logging to stderr: readable lines on a terminal, JSON elsewhere. Field values are escaped, so no foreign text can forge a
/// line (THREATS 20). What is logged is for `GOOP_LOG` and `RUST_LOG` to say, and where they say nothing, as in `otherwise`. Called once; later
/// calls change nothing.
pub fn start(otherwise: &str) {
    let filter = ["GOOP_LOG", "RUST_LOG"].iter().find_map(|name| std::env::var(name).ok());
    let filter = EnvFilter::new(filter.as_deref().unwrap_or(otherwise));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    let _ = if std::io::stderr().is_terminal() { lines.try_init() } else { lines.json().flatten_event(true).try_init() };
}

/// The counters of all rooms. Rooms register theirs once at start; names begin with `goop_`.
#[derive(Clone)]
pub struct Metrics(Arc<Mutex<Registry>>);

impl Default for Metrics {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Registry::with_prefix("goop"))))
    }
}

impl Metrics {
    /// Registers counters of one room, e.g. `metrics.register("peer", |room| room.register(…))`.
    pub fn register(&self, room: &str, add: impl FnOnce(&mut Registry)) {
        let mut registry = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        add(registry.sub_registry_with_prefix(room));
    }

    /// The OpenMetrics text of this moment, ending in `# EOF`.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let registry = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match prometheus_client::encoding::text::encode(&mut text, &registry) {
            Ok(()) => text,
            Err(_) => String::from("# EOF\n"),
        }
    }
}
