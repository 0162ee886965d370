//! `goop peers`: who is here, as the running node sees it.

use std::io::{IsTerminal, Write, stderr, stdout};

use anyhow::Result;

use super::local::{Listed, LocalNode, PeerList};
use super::status::servers_in_trouble;
use super::terminal::{escaped, write_json};
use super::{Cli, Exit, PeersArgs, run::runtime};

/// Run `goop peers`, writing to `out`.
pub fn run(cli: &Cli, args: &PeersArgs, out: &mut dyn Write) -> Result<Exit> {
    let (json, me) = runtime()?.block_on(async {
        let node = LocalNode::find(cli)?;
        tokio::try_join!(node.peers(), node.me())
    })?;
    if args.json {
        write_json(out, &json)?;
        return Ok(Exit::Done);
    }
    let list = PeerList::read(&json)?;
    if list.peers.is_empty() {
        writeln!(out, "Nobody else is here yet.")?;
    } else if stdout().is_terminal() {
        line("PEER ID", "REACHED", "NAME", out)?;
    }
    for peer in &list.peers {
        line(&peer.peer_id, way(peer), &peer.label, out)?;
    }
    for trouble in servers_in_trouble(&me) {
        writeln!(stderr(), "{}", escaped(&trouble))?;
    }
    Ok(Exit::Done)
}

fn line(id: &str, way: &str, name: &str, out: &mut dyn Write) -> std::io::Result<()> {
    writeln!(out, "{id:<52}  {way:<13}  {name}")
}

/// How a peer is reached, in the words of the page.
fn way(peer: &Listed) -> &str {
    match peer.path.as_str() {
        _ if !peer.online => "offline",
        "lan" => "same network",
        "not-tried" => "not tried yet",
        word => word,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_reached_in_the_words_of_the_page() {
        let of = |path: &str, online| Listed { peer_id: String::new(), label: String::new(), online, path: path.into() };
        let said = ["lan", "direct", "relayed", "unreachable", "not-tried"].map(|path| way(&of(path, true)).to_owned());
        assert_eq!(said, ["same network", "direct", "relayed", "unreachable", "not tried yet"]);
        assert_eq!(way(&of("unreachable", false)), "offline");
    }
}
