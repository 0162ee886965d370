//! `http.metrics_addr`: a listener of its own for `/metrics`, for whoever can reach it. Without it the public listener tells its numbers
//! to the operator and to this machine only.

use axum::Router;
use axum::routing::get;

use super::NodeError;
use super::public::House;
use crate::http::{self, HttpMetrics, Limits, Problem, metrics};
use crate::shutdown::Tasks;

/// Connections at the same time; a collector needs one.
const CONNECTIONS: usize = 64;

/// Listens where the configuration says, if it does.
pub(super) fn tell(house: &House, tasks: &mut Tasks) -> Result<(), NodeError> {
    let Some(addr) = house.loaded.config.http.metrics_addr else { return Ok(()) };
    let listener = http::listen(addr).map_err(|cause| NodeError::Numbers { addr, cause })?;
    let numbers = house.metrics.clone();
    let router = Router::new()
        .route("/metrics", get(async move || metrics::page(numbers.text())))
        .fallback(async || Problem::not_found("only /metrics is here"));
    let limits = Limits { connections: CONNECTIONS, per_address: CONNECTIONS, ..Limits::default() };
    tasks.spawn("metrics listener", http::serve(vec![listener], router, limits, HttpMetrics::default(), house.stop.child_token()));
    Ok(())
}
