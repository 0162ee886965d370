//! `goop peers`: who is here, as the running node sees it.

use std::io::{IsTerminal, Write, stdout};

use anyhow::Result;

use super::local::{Listed, LocalNode, PeerList};
use super::terminal::escaped_json;
use super::{Cli, Exit, PeersArgs, run::runtime};

/// Run `goop peers`, writing to `out`.
pub fn run(cli: &Cli, args: &PeersArgs, out: &mut dyn Write) -> Result<Exit> {
    let json = runtime()?.block_on(async { LocalNode::find(cli)?.peers().await })?;
    if args.json {
        writeln!(out, "{}", if stdout().is_terminal() { escaped_json(&json) } else { json })?;
        return Ok(Exit::Done);
    }
    let list = PeerList::read(&json)?;
    if list.peers.is_empty() {
        writeln!(out, "Nobody else is here yet.")?;
    } else if std::io::stdout().is_terminal() {
        line("PEER ID", "REACHED", "NAME", out)?;
    }
    for peer in &list.peers {
        line(&peer.peer_id, way(peer), &peer.label, out)?;
    }
    Ok(Exit::Done)
}

fn line(id: &str, way: &str, name: &str, out: &mut dyn Write) -> std::io::Result<()> {
    writeln!(out, "{id:<52}  {way:<12}  {name}")
}

/// How a peer is reached, in the words of the page; nothing where nobody has tried yet.
fn way(peer: &Listed) -> &str {
    match peer.path.as_str() {
        _ if !peer.online => "offline",
        "lan" => "same network",
        "not-tried" => "",
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
        assert_eq!(said, ["same network", "direct", "relayed", "unreachable", ""]);
        assert_eq!(way(&of("unreachable", false)), "offline");
    }
}
