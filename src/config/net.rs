//! Values that name places on a network: addresses and networks.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use toml_edit::Value;

use super::setting::{Setting, quoted, unexpected};

/// A literal address; IPv6 with or without brackets.
impl Setting for IpAddr {
    fn read(value: &Value) -> Result<Self, String> {
        let literal = value.as_str().map(|text| text.trim().trim_start_matches('[').trim_end_matches(']'));
        literal.and_then(|text| text.parse().ok()).ok_or_else(|| unexpected("an IP address such as \"0.0.0.0\" or \"::1\"", value))
    }

    fn write(&self) -> Value {
        Value::from(self.to_string())
    }
}

/// `address:port`.
impl Setting for SocketAddr {
    fn read(value: &Value) -> Result<Self, String> {
        let addr = value.as_str().and_then(|text| text.trim().parse().ok());
        addr.ok_or_else(|| unexpected("an address and port such as \"127.0.0.1:9000\"", value))
    }

    fn write(&self) -> Value {
        Value::from(self.to_string())
    }
}

/// Where the viewer is unless somebody says otherwise.
pub const DEFAULT_VIEWER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8788);

/// Where the viewer listens, or `None` when it is off. Always at 127.0.0.1 or `::1`: nobody but this machine may reach the viewer,
/// which asks for no password (THREATS 29).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ViewerAddr(pub(super) Option<SocketAddr>);

impl ViewerAddr {
    /// The address, or `None` when there is to be no viewer.
    pub fn get(self) -> Option<SocketAddr> {
        self.0
    }
}

impl Default for ViewerAddr {
    fn default() -> Self {
        Self(Some(DEFAULT_VIEWER))
    }
}

impl Setting for ViewerAddr {
    fn read(value: &Value) -> Result<Self, String> {
        let text = value.as_str().map(str::trim).ok_or_else(|| unexpected("an address such as \"127.0.0.1:8788\", or \"off\"", value))?;
        if text.is_empty() || text == "off" {
            return Ok(Self(None));
        }
        let literal = text.strip_prefix("localhost:").map_or_else(|| text.to_owned(), |port| format!("127.0.0.1:{port}"));
        match literal.parse::<SocketAddr>() {
            Ok(addr) if is_localhost(addr.ip()) => Ok(Self(Some(addr))),
            Ok(addr) => Err(format!(
                "must be an address of this machine alone, such as \"127.0.0.1:{}\", not {}: the viewer asks for no password",
                addr.port(),
                quoted(text)
            )),
            Err(_) => Err(unexpected("an address such as \"127.0.0.1:8788\", or \"off\"", value)),
        }
    }

    fn write(&self) -> Value {
        self.0.map_or_else(|| Value::from("off"), |addr| addr.write())
    }
}

/// The two addresses that `localhost` stands for; the viewer listens on both.
pub fn is_localhost(ip: IpAddr) -> bool {
    ip == Ipv4Addr::LOCALHOST || ip == Ipv6Addr::LOCALHOST
}

/// A network such as `10.0.0.0/8`; a bare address is the network of that one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    addr: IpAddr,
    prefix: u8,
}

impl Network {
    /// Whether `addr` lies in this network; an IPv4 address inside IPv6 (`::ffff:10.0.0.1`) counts as the IPv4 address.
    pub fn contains(self, addr: IpAddr) -> bool {
        match (self.addr, addr.to_canonical()) {
            (IpAddr::V4(net), IpAddr::V4(addr)) => same_prefix(net.to_bits().into(), addr.to_bits().into(), 32, self.prefix),
            (IpAddr::V6(net), IpAddr::V6(addr)) => same_prefix(net.to_bits(), addr.to_bits(), 128, self.prefix),
            _ => false,
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let (addr, prefix) = text.split_once('/').map_or((text, None), |(addr, prefix)| (addr, Some(prefix)));
        let addr: IpAddr = addr.parse().ok()?;
        let longest = if addr.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.map_or(Some(longest), |prefix| prefix.parse().ok())?;
        (prefix <= longest).then_some(Self { addr, prefix })
    }
}

fn same_prefix(one: u128, other: u128, bits: u32, prefix: u8) -> bool {
    let ignored = bits - u32::from(prefix);
    one.checked_shr(ignored).unwrap_or(0) == other.checked_shr(ignored).unwrap_or(0)
}

impl Setting for Network {
    fn read(value: &Value) -> Result<Self, String> {
        let network = value.as_str().and_then(|text| Self::parse(text.trim()));
        network.ok_or_else(|| unexpected("an address or network such as \"10.0.0.0/8\"", value))
    }

    fn write(&self) -> Value {
        Value::from(format!("{}/{}", self.addr, self.prefix))
    }
}
