//! The packets of `goop-mdns.local.`, pure: bytes to values and back.
//!
//! goop2 (through go-libp2p's zeroconf) uses a service name of two labels, which DNS-SD does not know: a PTR from
//! `goop-mdns.local.` to a random instance, the instance's SRV (its port means nothing) and TXT (one `dnsaddr=` string per address).
//! It believes a record only if the same packet has an A or AAAA record with the SRV target's name, so ours always does.
//! Questions are exactly one lower-case PTR question without the unicast bit; packets with an authority section (somebody's probe)
//! are ignored.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use hickory_proto::op::{Message, MessageType, OpCode, Query};
use hickory_proto::rr::rdata::{A, AAAA, PTR, SRV, TXT};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use thiserror::Error;

/// The longest multicast DNS packet (RFC 6762, 17).
pub(in crate::peer::discovery) const MAX_PACKET: usize = 9000;

/// Instances of one packet that are looked at.
const MAX_INSTANCES: usize = 32;

/// goop2's TTL of PTR, SRV and TXT records, in seconds.
const TTL: u32 = 3200;

/// goop2's TTL of A and AAAA records, in seconds.
const ADDRESS_TTL: u32 = 120;

/// The port in goop2's SRV records, which nobody uses.
const SRV_PORT: u16 = 4001;

const LABEL: &[u8] = b"goop-mdns";
const LOCAL: &[u8] = b"local";

/// Why bytes were not a packet for us.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(in crate::peer::discovery) enum WireError {
    /// Not DNS, or longer than [`MAX_PACKET`].
    #[error("no mDNS packet: {0}")]
    Malformed(String),
    /// It carries an authority section.
    #[error("a probe")]
    Probe,
    /// A name or string is too long for DNS.
    #[error("cannot be written as DNS: {0}")]
    Unwritable(String),
}

/// What one packet says about `goop-mdns.local.`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::peer::discovery) struct Packet {
    /// It asks who is there, and does not name us among the answers it knows: the known instances.
    pub(super) asks: Option<Vec<String>>,
    /// Instances with their TXT strings and the TTL in seconds.
    pub(super) present: Vec<Instance>,
    /// Instances that left (TTL 0).
    pub(super) gone: Vec<String>,
}

/// An instance that a packet describes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::peer::discovery) struct Instance {
    /// Its label in lower case.
    pub(super) name: String,
    /// Seconds; never 0.
    pub(super) ttl: u32,
    /// The strings of its TXT record.
    pub(super) strings: Vec<Vec<u8>>,
}

/// What we say about ourselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::peer::discovery) struct Service {
    /// 32 to 63 random lower-case letters and digits.
    pub(super) instance: String,
    /// The TXT strings, each at most 255 bytes.
    pub(super) strings: Vec<String>,
    /// At least one, or goop2 hears nothing.
    pub(super) addresses: Vec<IpAddr>,
}

/// Whether the bytes can be about us at all: cheap, so that other people's mDNS costs nothing.
pub(super) fn concerns_us(packet: &[u8]) -> bool {
    packet.windows(LABEL.len() + 1).any(|bytes| usize::from(bytes[0]) == LABEL.len() && bytes[1..].eq_ignore_ascii_case(LABEL))
}

/// The question of everyone who is there.
pub(super) fn question() -> Result<Vec<u8>, WireError> {
    let mut message = Message::new(0, MessageType::Query, OpCode::Query);
    message.add_query(Query::query(service_name()?, RecordType::PTR));
    written(&message)
}

impl Service {
    /// All our records in one packet.
    pub(super) fn answer(&self) -> Result<Vec<u8>, WireError> {
        let (instance, host) = self.names()?;
        let mut message = response();
        message.add_answer(Record::from_rdata(service_name()?, TTL, RData::PTR(PTR(instance.clone()))));
        message.add_additional(Record::from_rdata(instance.clone(), TTL, RData::SRV(SRV::new(0, 0, SRV_PORT, host.clone()))));
        message.add_additional(Record::from_rdata(instance, TTL, RData::TXT(TXT::new(self.strings.clone()))));
        for address in &self.addresses {
            let data = match address {
                IpAddr::V4(v4) => RData::A(A(*v4)),
                IpAddr::V6(v6) => RData::AAAA(AAAA(*v6)),
            };
            message.add_additional(Record::from_rdata(host.clone(), ADDRESS_TTL, data));
        }
        written(&message)
    }

    /// The same with TTL 0: the PTR record is enough.
    pub(super) fn goodbye(&self) -> Result<Vec<u8>, WireError> {
        let mut message = response();
        message.add_answer(Record::from_rdata(service_name()?, 0, RData::PTR(PTR(self.names()?.0))));
        written(&message)
    }

    fn names(&self) -> Result<(Name, Name), WireError> {
        let labels = |labels: &[&[u8]]| Name::from_labels(labels.iter().copied()).map_err(unwritable);
        let instance = self.instance.as_bytes();
        Ok((labels(&[instance, LABEL, LOCAL])?, labels(&[instance, LOCAL])?))
    }
}

/// One address per family, as goop2 does: the first of each.
pub(super) fn first_of_each(ips: impl Iterator<Item = IpAddr> + Clone) -> Vec<IpAddr> {
    ips.clone().find(IpAddr::is_ipv4).into_iter().chain(ips.clone().find(IpAddr::is_ipv6)).collect()
}

/// Reads a packet.
pub(super) fn decode(packet: &[u8]) -> Result<Packet, WireError> {
    if packet.len() > MAX_PACKET {
        return Err(WireError::Malformed(format!("{} bytes", packet.len())));
    }
    let message = Message::from_vec(packet).map_err(|error| WireError::Malformed(error.to_string()))?;
    if !message.authorities.is_empty() {
        return Err(WireError::Probe);
    }
    if message.metadata.message_type == MessageType::Query && message.queries.iter().any(asks_for_us) {
        return Ok(Packet { asks: Some(known_answers(&message)), ..Packet::default() });
    }
    Ok(announced(&message))
}

fn asks_for_us(query: &Query) -> bool {
    is_service(&query.name) && matches!(query.query_type, RecordType::PTR | RecordType::ANY)
}

/// RFC 6762, 7.1: an answer is known while at least half of its TTL is left.
fn known_answers(message: &Message) -> Vec<String> {
    let known = message.answers.iter().filter(|record| record.ttl >= TTL / 2).filter_map(pointed_at);
    known.take(MAX_INSTANCES).collect()
}

fn announced(message: &Message) -> Packet {
    let mut packet = Packet::default();
    for record in message.answers.iter().chain(&message.additionals) {
        if packet.present.len() + packet.gone.len() >= MAX_INSTANCES {
            break;
        }
        match &record.data {
            RData::PTR(_) if record.ttl == 0 => packet.gone.extend(pointed_at(record)),
            RData::TXT(_) if record.ttl == 0 => packet.gone.extend(instance_label(&record.name)),
            RData::TXT(txt) => packet.present.extend(instance_label(&record.name).map(|name| Instance {
                name,
                ttl: record.ttl,
                strings: txt.txt_data.iter().map(|string| string.to_vec()).collect(),
            })),
            _ => {}
        }
    }
    packet.gone.dedup();
    packet
}

fn pointed_at(record: &Record) -> Option<String> {
    match &record.data {
        RData::PTR(PTR(target)) if is_service(&record.name) => instance_label(target),
        _ => None,
    }
}

fn is_service(name: &Name) -> bool {
    matches!(name.iter().collect::<Vec<_>>()[..], [label, local] if label.eq_ignore_ascii_case(LABEL) && local.eq_ignore_ascii_case(LOCAL))
}

/// The first label of `<instance>.goop-mdns.local.`, in lower case.
fn instance_label(name: &Name) -> Option<String> {
    (name.num_labels() == 3 && is_service(&name.base_name())).then_some(())?;
    name.iter().next().map(|label| String::from_utf8_lossy(label).to_lowercase())
}

fn service_name() -> Result<Name, WireError> {
    Name::from_labels([LABEL, LOCAL]).map_err(unwritable)
}

fn response() -> Message {
    let mut message = Message::new(0, MessageType::Response, OpCode::Query);
    message.metadata.authoritative = true;
    message
}

fn written(message: &Message) -> Result<Vec<u8>, WireError> {
    message.to_vec().map_err(unwritable)
}

fn unwritable(error: impl std::fmt::Display) -> WireError {
    WireError::Unwritable(error.to_string())
}

/// Where multicast DNS happens (RFC 6762, 3).
pub(super) const PORT: u16 = 5353;
pub(super) const GROUP_V4: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 251);
pub(super) const GROUP_V6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0xfb);

#[cfg(test)]
mod tests;
