//! The multicast sockets, one per interface and IP version.
//!
//! Each is bound to the group's address and port 5353 with address and port reuse, so that it shares the port with `mdns-sd`, avahi and
//! other processes, and leaves unicast packets to them; it joins the group on its own interface only and hears only what comes there.

use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::task::Poll;
use std::time::Duration;

use socket2::{Domain, InterfaceIndexOrAddress, Protocol, Socket, Type};
use tokio::io::ReadBuf;
use tokio::net::UdpSocket;
use tokio::time::timeout;

use super::schedule::Schedule;
use super::wire::{GROUP_V4, GROUP_V6, PORT};
use crate::clock::Moment;
use crate::peer::discovery::interfaces::Subnet;

/// A full send buffer is waited for no longer than this.
const SEND_DEADLINE: Duration = Duration::from_millis(50);

/// One socket on one interface, and its timetable.
pub(super) struct Link {
    /// The interface and our address there.
    pub(super) subnet: Subnet,
    pub(super) schedule: Schedule,
    socket: UdpSocket,
}

impl Link {
    /// Opens the socket; fails for example if another program holds port 5353 for itself alone.
    pub(super) fn open(subnet: &Subnet, now: Moment) -> io::Result<Self> {
        let socket = match subnet.addr {
            IpAddr::V4(addr) => {
                let socket = shared(Domain::IPV4)?;
                socket.join_multicast_v4_n(&GROUP_V4, &InterfaceIndexOrAddress::Index(subnet.index))?;
                socket.set_multicast_if_v4(&addr)?;
                socket.set_multicast_ttl_v4(255)?;
                socket.set_multicast_loop_v4(true)?;
                #[cfg(target_os = "linux")]
                socket.set_multicast_all_v4(false)?;
                socket
            }
            IpAddr::V6(_) => {
                let socket = shared(Domain::IPV6)?;
                socket.set_only_v6(true)?;
                socket.join_multicast_v6(&GROUP_V6, subnet.index)?;
                socket.set_multicast_if_v6(subnet.index)?;
                socket.set_multicast_hops_v6(255)?;
                socket.set_multicast_loop_v6(true)?;
                #[cfg(target_os = "linux")]
                socket.set_multicast_all_v6(false)?;
                socket
            }
        };
        socket.bind(&group(subnet).into())?;
        Ok(Self { subnet: subnet.clone(), schedule: Schedule::new(now), socket: UdpSocket::from_std(socket.into())? })
    }

    /// Sends one packet to the group.
    pub(super) async fn send(&self, packet: &[u8]) -> io::Result<()> {
        timeout(SEND_DEADLINE, self.socket.send_to(packet, group(&self.subnet))).await??;
        Ok(())
    }
}

fn shared(domain: Domain) -> io::Result<Socket> {
    let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

fn group(subnet: &Subnet) -> SocketAddr {
    match subnet.addr {
        IpAddr::V4(_) => (GROUP_V4, PORT).into(),
        IpAddr::V6(_) => SocketAddrV6::new(GROUP_V6, PORT, 0, subnet.index).into(),
    }
}

/// The next packet on any link: the link's index and the length and sender, or the socket's error. Never without links.
/// `turn` walks around the links, so that a flooded one does not silence the others.
pub(super) async fn receive(links: &[Link], buffer: &mut [u8], turn: &mut usize) -> (usize, io::Result<(usize, SocketAddr)>) {
    poll_fn(|context| {
        for step in 0..links.len() {
            let index = (*turn + step) % links.len();
            let mut buffer = ReadBuf::new(buffer);
            if let Poll::Ready(received) = links[index].socket.poll_recv_from(context, &mut buffer) {
                *turn = index + 1;
                return Poll::Ready((index, received.map(|from| (buffer.filled().len(), from))));
            }
        }
        Poll::Pending
    })
    .await
}
