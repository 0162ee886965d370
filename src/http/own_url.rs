//! Where a listener is: for programs of this machine, and for other machines as far as this one knows.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

/// The URL of a listener for programs of this machine: that of its address; a wildcard address is told as loopback.
pub fn local_url(addr: SocketAddr) -> String {
    let ip = match addr.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    format!("http://{}", SocketAddr::new(ip, addr.port()))
}

/// The URL of a listener for other machines, as far as this one knows: of a wildcard address, this machine's own address on the way out.
pub fn outward_url(addr: SocketAddr) -> String {
    let own = addr.ip().is_unspecified().then(|| own_address(addr.ip().is_ipv6())).flatten();
    own.map_or_else(|| local_url(addr), |ip| format!("http://{}", SocketAddr::new(ip, addr.port())))
}

/// Our address on the way to the internet; where there is no way, that of an interface which is up.
fn own_address(either: bool) -> Option<IpAddr> {
    let on_the_way = IpAddr::from(Ipv4Addr::new(192, 0, 2, 1));
    let on_the_way_v6 = IpAddr::from(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1));
    let v6 = || if either { source_for(on_the_way_v6) } else { None };
    let fits = |ip: &IpAddr| either || ip.is_ipv4();
    let of_an_interface = || {
        let up = if_addrs::get_if_addrs().unwrap_or_default().into_iter().filter(|one| one.is_oper_up() && !one.is_link_local());
        up.map(|one| one.ip()).filter(fits).find(|ip| !ip.is_loopback())
    };
    source_for(on_the_way).or_else(v6).or_else(of_an_interface)
}

/// From which address this machine would ask `to`. A UDP socket knows once it has somebody to send to; nothing is sent.
fn source_for(to: IpAddr) -> Option<IpAddr> {
    let any: IpAddr = if to.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.connect((to, 9)).ok()?;
    Some(socket.local_addr().ok()?.ip()).filter(|ip| !ip.is_unspecified() && !ip.is_loopback())
}
