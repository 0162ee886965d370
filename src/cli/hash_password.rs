//! `goop hash-password`: reads a password, prints its argon2 string for `presence.admin_password`.

use std::io::{self, BufRead, IsTerminal, Read, Write};

use anyhow::{Context, Result, bail};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

use super::Exit;
use crate::http::auth::password::{MAX_PASSWORD, argon2_string};

/// Run `goop hash-password`; the string goes to `out`, what is asked goes to stderr.
pub fn run(out: &mut dyn Write) -> Result<Exit> {
    let password = if io::stdin().is_terminal() { typed_twice()? } else { line(&mut io::stdin().lock())? };
    if password.is_empty() {
        bail!("an empty password would keep the operator's pages shut; nothing was hashed");
    }
    writeln!(out, "{}", argon2_string(password.as_bytes())?)?;
    Ok(Exit::Done)
}

fn typed_twice() -> Result<String> {
    let _silent = Silence::begin()?;
    let (one, other) = (ask("Password: ")?, ask("Again: ")?);
    if one != other {
        bail!("the two differ; nothing was hashed");
    }
    Ok(one)
}

fn ask(what: &str) -> Result<String> {
    write!(io::stderr(), "{what}")?;
    let typed = line(&mut io::stdin().lock());
    writeln!(io::stderr())?;
    typed
}

/// The first line, without its end.
fn line(from: &mut dyn BufRead) -> Result<String> {
    let mut line = String::new();
    from.take(MAX_PASSWORD as u64 + 2).read_line(&mut line).context("the password cannot be read")?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

/// A terminal that does not show what is typed, until dropped.
struct Silence(Termios);

impl Silence {
    fn begin() -> Result<Self> {
        let before = tcgetattr(io::stdin()).context("the terminal does not answer")?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        tcsetattr(io::stdin(), OptionalActions::Flush, &silent).context("the terminal would show the password")?;
        Ok(Self(before))
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        let _ = tcsetattr(io::stdin(), OptionalActions::Flush, &self.0);
    }
}
