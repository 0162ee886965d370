//! mDNS packets that no honest peer sends.

const TTL_SECONDS: u32 = 120;
const PTR: u16 = 12;
const TXT: u16 = 16;
const A: u16 = 1;
const SRV: u16 = 33;

/// A peer that is announced and not there.
pub(crate) struct FakePeer<'a> {
    /// Its id.
    pub(crate) id: &'a str,
    /// Where it claims to be.
    pub(crate) address: &'a str,
    /// The port that it claims.
    pub(crate) port: u16,
}

/// Packets that break off, promise more than they hold, point at themselves, or are noise.
pub(crate) fn malformed() -> Vec<Vec<u8>> {
    let everything_promised = [0, 0, 0x84, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff].to_vec();
    let mut loops = header(1);
    loops.extend([0xc0, 0x0c, 0, 12, 0, 1, 0, 0, 0, 120, 0, 2, 0xc0, 0x0c]);
    let mut two_pointers = header(1);
    two_pointers.extend([0xc0, 0x0e, 0xc0, 0x0c, 0, 12, 0, 1]);
    let noise: Vec<u8> = (0..1400u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let whole = announcement(&FakePeer { id: "nobody", address: "10.77.0.3", port: 1 });
    let cut = (1..whole.len()).step_by(7).map(|length| whole[..length].to_vec());
    let mut long_label = header(1);
    long_label.extend(std::iter::repeat_n([63; 64], 20).flatten());
    [vec![], vec![0; 5], everything_promised, loops, two_pointers, noise, long_label].into_iter().chain(cut).collect()
}

/// An answer as goop2's, and one as DNS-SD's, that names `peer`.
pub(crate) fn announcement(peer: &FakePeer<'_>) -> Vec<u8> {
    let instance = format!("{:a<40.40}", peer.id.to_lowercase());
    let FakePeer { id, address, port } = peer;
    let text = format!("dnsaddr=/ip4/{address}/tcp/{port}/p2p/{id}");
    let mut packet = header(4);
    let owner = name(&format!("{instance}.goop-mdns.local"));
    record(&mut packet, &name("goop-mdns.local"), PTR, &owner);
    let target = name(&format!("{instance}.local"));
    let service = [&[0, 0, 0, 0], &port.to_be_bytes()[..], &target].concat();
    record(&mut packet, &owner, SRV, &service);
    record(&mut packet, &owner, TXT, &[&[text.len() as u8], text.as_bytes()].concat());
    let octets: Vec<u8> = address.split('.').filter_map(|part| part.parse().ok()).collect();
    record(&mut packet, &target, A, &octets);
    packet
}

fn header(answers: u16) -> Vec<u8> {
    let [high, low] = answers.to_be_bytes();
    vec![0, 0, 0x84, 0, 0, 0, high, low, 0, 0, 0, 0]
}

fn name(dotted: &str) -> Vec<u8> {
    let labels = dotted.split('.').flat_map(|label| [&[label.len() as u8], label.as_bytes()].concat());
    labels.chain([0]).collect()
}

fn record(packet: &mut Vec<u8>, owner: &[u8], kind: u16, data: &[u8]) {
    packet.extend(owner);
    packet.extend(kind.to_be_bytes());
    packet.extend([0, 1]);
    packet.extend(TTL_SECONDS.to_be_bytes());
    packet.extend((data.len() as u16).to_be_bytes());
    packet.extend(data);
}
