//! A server under test, and requests to it on connections of their own.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use crate::harness::goop_node::Plan;
use crate::harness::{Goop, Place, SOON};

/// A rendezvous server alone, on a free port.
pub(crate) fn server() -> Plan {
    Plan::new(&Place::Here).arg("--rendezvous-only").arg("--port").arg("0")
}

/// `host:port` of its public listener.
pub(crate) fn host(goop: &Goop) -> String {
    goop.ready["public"].as_str().unwrap().trim_start_matches("http://").to_owned()
}

/// Sends a request; the reader stands before its status line.
pub(crate) fn ask(host: &str, request: &str, body: &str) -> io::Result<BufReader<TcpStream>> {
    let mut socket = TcpStream::connect(host)?;
    socket.set_read_timeout(Some(SOON))?;
    let length = if body.is_empty() { String::new() } else { format!("content-length: {}\r\n", body.len()) };
    write!(socket, "{request} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\nconnection: close\r\n{length}\r\n{body}")?;
    Ok(BufReader::new(socket))
}

/// The whole answer to a GET.
pub(crate) fn get(host: &str, path: &str) -> io::Result<String> {
    let mut answer = String::new();
    ask(host, &format!("GET {path}"), "")?.read_to_string(&mut answer)?;
    Ok(answer)
}

/// The first line that holds `text`.
pub(crate) fn line_with(stream: &mut impl BufRead, text: &str) -> String {
    loop {
        let mut line = String::new();
        assert!(stream.read_line(&mut line).unwrap() > 0, "the stream ended before {text:?}");
        if line.contains(text) {
            return line;
        }
    }
}
