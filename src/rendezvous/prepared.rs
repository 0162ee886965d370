//! A rendezvous server between listening and answering: the moment at which another public role may join it at its listener.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::app::App;
use super::{Rendezvous, RendezvousError, census, fanout, hours, routes, sharing};
use crate::clock::Moment;
use crate::config::http::HttpConfig;
use crate::http::auth::AdminDoor;
use crate::http::limit::StreamLimits;
use crate::http::{self, HttpMetrics, Limits};
use crate::shutdown::Tasks;
use crate::telemetry::Metrics;

/// A rendezvous server that listens and does not answer yet: another public role may join it at the same door.
pub struct Prepared {
    pub(super) app: App,
    pub(super) listeners: Vec<TcpListener>,
    pub(super) addr: SocketAddr,
}

impl Prepared {
    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Who may operate.
    pub fn door(&self) -> Arc<AdminDoor> {
        self.app.door.clone()
    }

    /// Answers from now on, and ends with `stop`. What `beside` has a route for is its own; its role is told with the others.
    pub fn serve(
        mut self,
        beside: Option<(&'static str, Router)>,
        metrics: &Metrics,
        tasks: &mut Tasks,
        stop: CancellationToken,
    ) -> Rendezvous {
        self.app.roles.extend(beside.iter().map(|(role, _)| *role));
        let (app, addr) = (Arc::new(self.app), self.addr);
        app.let_doors_count(Moment::now());
        let exchange = sharing::begin(&app);
        let counters = HttpMetrics::default();
        metrics.register("rendezvous", |room| {
            app.metrics.register(room);
            room.register_collector(Box::new(census::Census::of(&app)));
        });
        metrics.register("rendezvous_http", |room| counters.register(room));
        let (limits, ours) = (connection_limits(&app.options.http), routes::answers(app.clone()));
        match beside {
            None => tasks.spawn("rendezvous listener", http::serve(self.listeners, ours, limits, counters, stop.clone())),
            Some((_, beside)) => {
                let all = beside.fallback_service(ours);
                tasks.spawn("public listener", http::serve(self.listeners, all, limits, counters, stop.clone()));
            }
        }
        tasks.spawn("rendezvous fan-out", fanout::run(app.clone(), stop.clone()));
        tasks.spawn("rendezvous hours", hours::keep(app.clone(), stop.clone()));
        tasks.spawn("rendezvous sharing", sharing::run(app.clone(), exchange, stop.clone()));
        tasks.spawn("rendezvous sweep", fanout::sweep(app.clone(), stop));
        Rendezvous { app, addr }
    }
}

/// Connections beside the streams when those are all taken; half of the files that are kept for other things.
const OTHER_CONNECTIONS: usize = 256;

/// Every stream needs a connection, and its peer another one to publish. Behind a trusted proxy everyone has the same address.
pub(super) fn connection_limits(config: &HttpConfig) -> Limits {
    let streams = StreamLimits::of(config);
    let connections = http::limit::streams_by_file_limit().max(streams.total) + OTHER_CONNECTIONS;
    let per_address = if config.trusted_proxies.is_empty() { 2 * streams.per_address + 64 } else { connections };
    Limits { connections, per_address, ..Limits::default() }
}

pub(super) fn listen(wanted: SocketAddr, explicit: bool) -> Result<TcpListener, RendezvousError> {
    http::listen_or_move(wanted, explicit).map_err(|cause| match cause.kind() {
        io::ErrorKind::AddrInUse if explicit => RendezvousError::InUse(wanted),
        _ => RendezvousError::Listen { addr: wanted, cause },
    })
}
