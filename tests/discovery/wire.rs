//! Packets by hand: sockets on port 5353 beside the ones under test, and what goop2 demands of an answer.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};

use hickory_proto::op::Message;
use hickory_proto::rr::RData;
use socket2::{Domain, Socket, Type};

pub(crate) const GROUP: (Ipv4Addr, u16) = (Ipv4Addr::new(224, 0, 0, 251), 5353);

/// A packet that goop2 sent, or reacted to.
pub(crate) fn recorded(name: &str) -> Vec<u8> {
    let lines = include_str!("../../src/peer/discovery/goop2_mdns/wire/recorded.txt").lines();
    let hex = lines.filter_map(|line| line.split_once(' ')).find(|(known, _)| *known == name).unwrap().1;
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

/// A socket as goop2 opens it, on the interface that has `addr`.
pub(crate) fn socket(addr: Ipv4Addr) -> UdpSocket {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, None).unwrap();
    socket.set_reuse_address(true).unwrap();
    socket.set_reuse_port(true).unwrap();
    socket.bind(&SocketAddr::from(GROUP).into()).unwrap();
    socket.join_multicast_v4(&GROUP.0, &addr).unwrap();
    socket.set_multicast_if_v4(&addr).unwrap();
    socket.set_multicast_ttl_v4(255).unwrap();
    socket.into()
}

/// The TXT strings of a packet that goop2's library would believe: a PTR from the bare name (case counts), the instance's SRV and TXT,
/// and an A or AAAA record named like the SRV target, all in this packet and with a TTL.
pub(crate) fn believed_by_goop2(packet: &[u8]) -> Option<Vec<String>> {
    let message = Message::from_vec(packet).ok()?;
    let records: Vec<_> = message.answers.iter().chain(&message.additionals).filter(|record| record.ttl > 0).collect();
    let instance = records.iter().find_map(|record| match &record.data {
        RData::PTR(target) if record.name.to_ascii() == "goop-mdns.local." => Some(target.0.to_ascii()),
        _ => None,
    })?;
    let host = records.iter().find_map(|record| match &record.data {
        RData::SRV(srv) if record.name.to_ascii() == instance => Some(srv.target.to_ascii()),
        _ => None,
    })?;
    records.iter().find(|record| matches!(record.data, RData::A(_) | RData::AAAA(_)) && record.name.to_ascii() == host)?;
    records.iter().find_map(|record| match &record.data {
        RData::TXT(txt) if record.name.to_ascii() == instance => {
            Some(txt.txt_data.iter().map(|string| String::from_utf8_lossy(string).into_owned()).collect())
        }
        _ => None,
    })
}
