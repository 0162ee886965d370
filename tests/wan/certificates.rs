//! A server's certificate is verified (THREATS 58).

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::subject::Subject;

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A TLS server whose certificate nobody vouches for, and its port.
fn self_signed(dir: &std::path::Path) -> Option<(Killed, u16)> {
    let request =
        ["req", "-x509", "-newkey", "ed25519", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-keyout", "key.pem", "-out", "cert.pem"];
    let extension = ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"];
    let made = Command::new("openssl").current_dir(dir).args(request).args(extension).stderr(Stdio::null()).status().ok()?;
    assert!(made.success());
    let serve = ["s_server", "-accept", "127.0.0.1:0", "-cert", "cert.pem", "-key", "key.pem", "-www"];
    let mut openssl = Command::new("openssl")
        .current_dir(dir)
        .args(serve)
        .stdout(Stdio::piped())
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let lines = BufReader::new(openssl.stdout.take()?).lines();
    let port = lines.map_while(Result::ok).find_map(|line| line.strip_prefix("ACCEPT ")?.rsplit(':').next()?.parse().ok());
    Some((Killed(openssl), port?))
}

#[tokio::test]
async fn attack_a_server_with_a_certificate_of_its_own_making_is_not_spoken_to() {
    let dir = tempfile::tempdir().unwrap();
    let Some((_server, port)) = self_signed(dir.path()) else { return eprintln!("skipped: there is no openssl here") };
    let subject = Subject::of(&format!("https://localhost:{port}"), Duration::from_secs(3600));
    subject.retrying("certificate").await;
}
