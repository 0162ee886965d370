//! Sockets that the service manager opens: they outlive the server, so a restart refuses nobody.

use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::harness::goop_node::{BINARY, Plan};
use crate::harness::{Place, SOON, eventually, has};
use crate::talk::{ask, get, host, server};

fn listening() -> (TcpListener, String) {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = socket.local_addr().unwrap().to_string();
    (socket, host)
}

#[test]
fn what_was_asked_before_the_start_is_answered() {
    let (socket, given) = listening();
    let mut early = ask(&given, "GET /healthz", "").unwrap();
    let goop = server().on_socket(&socket).start();
    assert_eq!(host(&goop), given, "where it listens is the manager's choice");
    let mut answer = String::new();
    early.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    goop.stop();
}

#[test]
fn a_restart_refuses_no_connection() {
    let (socket, host) = listening();
    let mut goop = server().on_socket(&socket).start();
    let over = AtomicBool::new(false);
    let ask_on = || {
        let mut asked = 0;
        while !over.load(Ordering::Relaxed) {
            let answer = get(&host, "/healthz").unwrap_or_else(|error| panic!("after {asked} answers: {error}"));
            assert!(answer.starts_with("HTTP/1.1 200"), "after {asked} answers: {answer:?}");
            asked += 1;
        }
        asked
    };
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..4).map(|_| scope.spawn(ask_on)).collect();
        for _ in 0..3 {
            goop = goop.stop().on_socket(&socket).start();
        }
        over.store(true, Ordering::Relaxed);
        for client in clients {
            assert!(client.join().expect("no request failed") > 0);
        }
    });
}

#[test]
fn a_socket_that_nobody_would_answer_stops_the_start() {
    let (socket, _) = listening();
    let plain_peer = Plan::new(&Place::Here).on_socket(&socket).try_start().err().expect("it has no public role");
    assert!(String::from_utf8_lossy(&plain_peer.stderr).contains("no public role is on"), "{plain_peer:?}");
    let misnamed = server().on_socket(&socket).env("LISTEN_FDNAMES", "admin").try_start().err().expect("there is no such socket");
    assert!(String::from_utf8_lossy(&misnamed.stderr).contains("FileDescriptorName=public"), "{misnamed:?}");
}

#[test]
fn systemd_socket_activate_starts_it_on_the_first_connection() {
    if !has("systemd-socket-activate", "--version") {
        return;
    }
    let (socket, host) = listening();
    drop(socket);
    let data = tempfile::TempDir::new().unwrap();
    let mut activate = Command::new("systemd-socket-activate");
    activate.args(["--fdname=public", "--listen", &host, BINARY, "run", "--rendezvous-only", "--data"]).arg(data.path());
    let mut child = activate.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    eventually(SOON, "it listens", || TcpStream::connect(&host).map(drop).map_err(|error| error.to_string()));
    let answer = get(&host, "/healthz");
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), rustix::process::Signal::TERM).unwrap();
    assert!(child.wait().unwrap().success());
    assert!(answer.unwrap().starts_with("HTTP/1.1 200"));
}
