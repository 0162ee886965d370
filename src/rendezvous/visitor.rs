//! Who asks: the client's address, the board its URL means, and what its personal URL, if it has one, allows.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use libp2p::PeerId;

use super::base::Base;
use super::{App, LiveBoard, Refusal, Seat};
use crate::http::{Client, Local, Problem};

/// Who asks, and at which board.
#[derive(Debug, Clone)]
pub struct Visitor {
    /// The client's address, behind every trusted proxy.
    pub address: IpAddr,
    /// The board.
    pub board: Arc<LiveBoard>,
    /// What stood before the endpoint, without a token.
    pub base: String,
    /// The peer that a personal URL was issued for; only it may publish there.
    pub peer: Option<PeerId>,
    /// The number of that URL's token.
    pub token: Option<i64>,
    /// The address of this server where the connection reached it, as far as known.
    pub local: Option<SocketAddr>,
}

impl Visitor {
    /// Where it sits when it reads.
    pub(super) fn seat(&self) -> Seat {
        Seat { address: self.address, peer: self.peer, token: self.token }
    }
}

impl FromRequestParts<Arc<App>> for Visitor {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let base = parts.extensions.remove::<Base>().unwrap_or_default();
        let socket = parts.extensions.get::<Client>().ok_or_else(Problem::internal)?;
        let address = app.client(socket.0.ip(), &parts.headers);
        let local = parts.extensions.get::<Local>().map(|local| local.0);
        let pass = app.pass(base.slug.as_deref(), base.token.as_deref())?;
        let board = app.boards.get(base.slug.as_deref()).ok_or(Refusal::NoSuchBoard)?;
        Ok(Self { address, board, base: base.path, peer: pass.peer, token: pass.token, local })
    }
}
