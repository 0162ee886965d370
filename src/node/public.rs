//! The public roles of a node, rendezvous server and super hub, which share one listener and one operator's door.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{NodeError, Ready};
use crate::config::Loaded;
use crate::config::reload::ReloadHandle;
use crate::identity::Identity;
use crate::rendezvous::{self, Rendezvous, RendezvousError};
use crate::shutdown::Tasks;
use crate::superhub::{self, Alone, SuperHub};
use crate::systemd::Sockets;
use crate::telemetry::Metrics;

/// Those that are on.
#[derive(Default)]
pub(super) struct Public {
    /// The rendezvous server.
    pub(super) board: Option<Rendezvous>,
    /// The super hub: alone at its listener, or beside the board.
    hub: Option<Where>,
}

enum Where {
    Alone(Arc<Alone>),
    BesideTheBoard,
}

/// What every part of a node is started with.
pub(super) struct House<'a> {
    pub(super) loaded: &'a Loaded,
    pub(super) identity: &'a Identity,
    pub(super) metrics: &'a Metrics,
    pub(super) stop: &'a CancellationToken,
}

impl Public {
    /// Opens what the configuration switches on; `sockets` that the service manager opened are listened on, and must be of use.
    pub(super) fn open(house: &House, mut sockets: Sockets, reload: ReloadHandle, tasks: &mut Tasks) -> Result<Self, NodeError> {
        let listeners = handed_over(&mut sockets)?;
        let public = match (house.loaded.config.presence.hosts_rendezvous(), house.hub()) {
            (false, None) if listeners.is_empty() => Self::default(),
            (false, None) => return Err(NodeError::IdleSockets),
            (false, Some(hub)) => {
                let alone = Alone::start(house.door(), listeners, hub, house.metrics, tasks, house.stop.child_token())?;
                Self { board: None, hub: Some(Where::Alone(Arc::new(alone))) }
            }
            (true, hub) => Self::with_board(house, listeners, hub, reload, tasks)?,
        };
        if sockets.is_empty() { Ok(public) } else { Err(NodeError::IdleSockets) }
    }

    fn with_board(
        house: &House,
        listeners: Vec<TcpListener>,
        hub: Option<superhub::Options>,
        reload: ReloadHandle,
        tasks: &mut Tasks,
    ) -> Result<Self, NodeError> {
        let prepared = Rendezvous::prepare(listeners, house.board(reload), house.metrics)?;
        let beside = match hub {
            Some(hub) => {
                let stop = house.stop.child_token();
                Some((superhub::ROLE, SuperHub::open(hub, prepared.door(), prepared.addr(), house.metrics, tasks, stop)?.router()))
            }
            None => None,
        };
        let hub = beside.is_some().then_some(Where::BesideTheBoard);
        let board = prepared.serve(beside, house.metrics, tasks, house.stop.child_token());
        Ok(Self { board: Some(board), hub })
    }

    /// The hub, where it is alone at its listener.
    pub(super) fn alone(&self) -> Option<Arc<Alone>> {
        match &self.hub {
            Some(Where::Alone(hub)) => Some(hub.clone()),
            _ => None,
        }
    }

    /// Where programs of this machine reach them.
    pub(super) fn local(&self) -> Option<String> {
        match (&self.hub, &self.board) {
            (_, Some(board)) => Some(board.local_url()),
            (Some(Where::Alone(hub)), None) => Some(hub.local_url()),
            _ => None,
        }
    }

    /// Adds these roles, and where they are.
    pub(super) fn tell(&self, mut ready: Ready) -> Ready {
        if let Some(board) = &self.board {
            ready = ready.with_public("rendezvous", board.url(), board.local_url());
        }
        match (&self.hub, &self.board) {
            (Some(Where::Alone(hub)), _) => ready.with_public(superhub::ROLE, hub.url(), hub.local_url()),
            (Some(Where::BesideTheBoard), Some(board)) => ready.with_public(superhub::ROLE, board.url(), board.local_url()),
            _ => ready,
        }
    }
}

impl House<'_> {
    fn addr(&self) -> (SocketAddr, bool) {
        let presence = &self.loaded.config.presence;
        let addr = SocketAddr::new(presence.rendezvous_bind, presence.rendezvous_port);
        // Whoever opens a server to others has told them its port.
        (addr, self.loaded.is_explicit("presence.rendezvous_port") || !addr.ip().is_loopback())
    }

    fn door(&self) -> superhub::DoorOptions {
        let (addr, explicit) = self.addr();
        superhub::DoorOptions { addr, explicit, password: self.loaded.config.presence.admin_password.clone() }
    }

    fn board(&self, reload: ReloadHandle) -> rendezvous::Options {
        let config = &self.loaded.config;
        let (addr, explicit) = self.addr();
        rendezvous::Options {
            addr,
            explicit,
            server: self.identity.peer_id(),
            ttl: config.presence.ttl_seconds,
            allow_unsigned: config.presence.allow_unsigned,
            http: config.http.clone(),
            doors: rendezvous::DoorOptions {
                key: Some(self.identity.keypair.clone()),
                password: config.presence.admin_password.clone(),
                peers: config.superhub.admin_peers.clone(),
                database: Some(self.database()),
                shared: config.presence.peer_db_path.is_some(),
                reload: Some(reload),
            },
        }
    }

    /// Where a server remembers what it must: the file that several share, or its own.
    fn database(&self) -> PathBuf {
        let (data, shared) = (&self.loaded.data, self.loaded.config.presence.peer_db_path.as_deref());
        shared.map_or_else(|| data.database(), |path| data.path(path))
    }

    fn hub(&self) -> Option<superhub::Options> {
        let (config, http, data) = (&self.loaded.config.superhub, &self.loaded.config.http, &self.loaded.data);
        let name = match http.host() {
            _ if !config.name.is_empty() => config.name.to_string(),
            Some(host) => host.to_owned(),
            None => self.identity.peer_id().to_base58(),
        };
        config.enabled.then(|| superhub::Options {
            directory: superhub::directory::Options {
                database: data.directory(),
                feed_state: data.feed_state(),
                key: self.identity.keypair.clone(),
                name,
            },
            http: http.clone(),
            peers: config.admin_peers.clone(),
            registration: config.registration,
            private_addresses: config.private_addresses,
            lease: config.lease_seconds,
            probe: config.probe,
        })
    }
}

/// The public listener's sockets, where the service manager has opened them.
fn handed_over(sockets: &mut Sockets) -> Result<Vec<TcpListener>, RendezvousError> {
    let cannot = |cause| RendezvousError::Listen { addr: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)), cause };
    sockets.take_public().into_iter().map(|socket| TcpListener::from_std(socket).map_err(cannot)).collect()
}
