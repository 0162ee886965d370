//! A server under test, and requests to it on connections of their own.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use base64::Engine;
use base64::prelude::BASE64_STANDARD as STANDARD;
use serde_json::Value;

use crate::harness::goop_node::Plan;
use crate::harness::{Goop, Place, SOON};

/// The presence of somebody.
pub(crate) const ALICE: &str = r#"{"type":"online","peerId":"12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5","content":"Alice"}"#;

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
    send(TcpStream::connect(host)?, &format!("{request} HTTP/1.1\r\nhost: {host}"), body)
}

/// Sends a request with these first lines on a connection.
pub(crate) fn send(mut socket: TcpStream, head: &str, body: &str) -> io::Result<BufReader<TcpStream>> {
    socket.set_read_timeout(Some(SOON))?;
    let length = body.len();
    write!(socket, "{head}\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}")?;
    Ok(BufReader::new(socket))
}

/// The whole answer.
pub(crate) fn answer(mut reader: BufReader<TcpStream>) -> String {
    let mut answer = String::new();
    reader.read_to_string(&mut answer).unwrap();
    answer
}

/// The whole answer to a GET.
pub(crate) fn get(host: &str, path: &str) -> io::Result<String> {
    let mut answer = String::new();
    ask(host, &format!("GET {path}"), "")?.read_to_string(&mut answer)?;
    Ok(answer)
}

/// The whole answer to a POST of JSON, as the operator if there is a `password`.
pub(crate) fn post(host: &str, path: &str, json: &str, password: Option<&str>) -> String {
    let auth = password.map(|password| format!("\r\nauthorization: Basic {}", STANDARD.encode(format!("admin:{password}"))));
    let head = format!("POST {path} HTTP/1.1\r\nhost: {host}{}", auth.unwrap_or_default());
    answer(send(TcpStream::connect(host).unwrap(), &head, json).unwrap())
}

/// The JSON in the body of an answer.
pub(crate) fn json(answer: &str) -> Value {
    let body = answer.split_once("\r\n\r\n").unwrap().1;
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"))
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
