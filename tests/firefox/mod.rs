//! A Firefox, driven by its own Marionette protocol: what geckodriver, which Debian does not have, would translate to. A packet is
//! `length:JSON`, a command `[0, number, name, parameters]`, its answer `[1, number, error, result]`.
//!
//! Needs `firefox-esr`; without it a test is skipped with a message, and fails where `CI=true`.

use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::sync::Mutex;
use tokio::time::{sleep, timeout};

use crate::chromium::SOON;

/// What a fresh profile would do besides.
const QUIET: &str = r#"
user_pref("app.normandy.enabled", false);
user_pref("browser.safebrowsing.malware.enabled", false);
user_pref("browser.safebrowsing.phishing.enabled", false);
user_pref("browser.shell.checkDefaultBrowser", false);
user_pref("browser.startup.page", 0);
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("extensions.getAddons.cache.enabled", false);
user_pref("network.captive-portal-service.enabled", false);
user_pref("network.connectivity-service.enabled", false);
user_pref("services.settings.server", "data:,");
user_pref("toolkit.telemetry.reportingpolicy.firstRun", false);
"#;

pub(crate) struct Firefox {
    talk: Mutex<(BufReader<TcpStream>, u64)>,
    process: Child,
    _profile: tempfile::TempDir,
}

impl Firefox {
    /// `None` where there is none to be had.
    pub(crate) async fn open() -> Option<Self> {
        let profile = tempfile::tempdir().unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        std::fs::write(profile.path().join("user.js"), format!("{QUIET}user_pref(\"marionette.port\", {port});\n")).unwrap();
        let mut command = Command::new("firefox-esr");
        command.args(["--headless", "--marionette", "--no-remote", "--profile"]).arg(profile.path()).env("HOME", profile.path());
        let Ok(process) = command.stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true).spawn() else {
            assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "firefox-esr is missing");
            eprintln!("skipped: Firefox is missing (apt install firefox-esr)");
            return None;
        };
        let reached = async {
            loop {
                match TcpStream::connect(("127.0.0.1", port)).await {
                    Ok(socket) => break socket,
                    Err(_) => sleep(Duration::from_millis(50)).await,
                }
            }
        };
        let socket = timeout(SOON, reached).await.expect("Firefox does not start");
        let firefox = Self { talk: Mutex::new((BufReader::new(socket), 0)), process, _profile: profile };
        timeout(SOON, firefox.begin()).await.expect("Firefox says nothing");
        Some(firefox)
    }

    async fn begin(&self) {
        let hello = packet(&mut self.talk.lock().await.0).await;
        assert_eq!(hello["marionetteProtocol"], 3, "{hello}");
        let wanted = json!({ "capabilities": { "alwaysMatch": { "unhandledPromptBehavior": "ignore" } } });
        self.command("WebDriver:NewSession", wanted).await.unwrap();
        let patient = SOON.as_millis() as u64;
        self.command("WebDriver:SetTimeouts", json!({ "script": patient, "pageLoad": patient })).await.unwrap();
    }

    async fn command(&self, name: &str, parameters: Value) -> Result<Value, Value> {
        let (socket, number) = &mut *self.talk.lock().await;
        *number += 1;
        let said = json!([0, *number, name, parameters]).to_string();
        socket.write_all(format!("{}:{said}", said.len()).as_bytes()).await.unwrap();
        let mut answer = timeout(SOON * 2, packet(socket)).await.unwrap_or_else(|_| panic!("no answer to {name}"));
        assert_eq!(answer[1], json!(*number), "{answer}");
        if answer[2].is_null() { Ok(answer[3].take()) } else { Err(answer[2].take()) }
    }

    pub(crate) async fn go(&self, url: &str) {
        self.command("WebDriver:Navigate", json!({ "url": url })).await.unwrap();
    }

    /// Runs `body` as an async function in the page; what it throws comes back as `{"threw": name}`.
    pub(crate) async fn run(&self, body: &str, arguments: Vec<Value>) -> Result<Value, Value> {
        let script = format!(
            "const done = arguments[arguments.length - 1]; const given = [...arguments].slice(0, -1);
             (async (...given) => {{ {body} }})(...given).then(done, (error) => done({{ threw: error.name }}));"
        );
        let answer = self.command("WebDriver:ExecuteAsyncScript", json!({ "script": script, "args": arguments })).await?;
        Ok(answer["value"].clone())
    }

    pub(crate) async fn enter_frame(&self) {
        self.command("WebDriver:SwitchToFrame", json!({ "id": 0 })).await.unwrap();
    }

    pub(crate) async fn leave_frame(&self) {
        self.command("WebDriver:SwitchToFrame", json!({ "id": null })).await.unwrap();
    }

    pub(crate) async fn has_dialog(&self) -> bool {
        self.command("WebDriver:GetAlertText", json!({})).await.is_ok()
    }

    pub(crate) async fn close(mut self) {
        let _ = self.command("Marionette:Quit", json!({ "flags": ["eForceQuit"] })).await;
        let _ = self.process.kill().await;
    }
}

async fn packet(socket: &mut BufReader<TcpStream>) -> Value {
    let mut length = 0;
    loop {
        match socket.read_u8().await.expect("Firefox ended") {
            b':' => break,
            digit => length = length * 10 + usize::from(digit - b'0'),
        }
    }
    let mut said = vec![0; length];
    socket.read_exact(&mut said).await.expect("Firefox ended");
    serde_json::from_slice(&said).unwrap()
}
