//! Where a program runs: on this machine's own network, or in the namespace of a lab's host.

use std::ffi::OsStr;
use std::process::Command;

/// A network to run programs on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// The machine's own network: loopback only, with mDNS switched off.
    Here,
    /// The namespace of this name.
    Namespace(String),
}

impl Place {
    /// A command that runs here. Its process id is that of the program itself, since `ip netns exec` becomes it.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        match self {
            Place::Here => Command::new(program),
            Place::Namespace(name) => {
                let mut command = Command::new("ip");
                command.args(["netns", "exec", name]).arg(program);
                command
            }
        }
    }

    /// Fetch a URL from here with curl, and answer status and body; `curl` is where one needs a method, headers or a body.
    pub(crate) fn http(&self, url: &str, curl: &[&str]) -> Result<(u16, Vec<u8>), String> {
        let mut command = self.command("curl");
        command.args(["--silent", "--show-error", "--noproxy", "*", "--max-time", "30", "--write-out", "%{stderr}%{http_code}"]);
        let answer = command.args(curl).arg(url).output().map_err(|error| format!("curl: {error}"))?;
        let said = String::from_utf8_lossy(&answer.stderr).into_owned();
        let status = said.get(said.len().saturating_sub(3)..).and_then(|code| code.parse().ok());
        match status {
            Some(status) if answer.status.success() => Ok((status, answer.stdout)),
            _ => Err(format!("{url}: {said}")),
        }
    }
}
