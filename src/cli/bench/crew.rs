//! Further processes that hold readers: one process may not open files enough for the largest loads. The first process tells each when
//! to begin to count, and reads from each what it counted.

use std::io::{BufRead, BufReader, Write, stdin};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use clap::Args;
use serde_json::Value;
use tokio::task::spawn_blocking;

use super::BoardArgs;
use super::readers::{Counts, Read, Readers};
use super::target::Target;

/// Options of `goop bench crew`.
#[derive(Debug, Clone, Args)]
pub struct CrewArgs {
    #[arg(long)]
    url: String,
    #[arg(long)]
    stream: String,
    #[arg(long)]
    one_address: bool,
    /// The number of the first reader
    #[arg(long)]
    first: usize,
    /// The number of the first reader that is another's
    #[arg(long)]
    end: usize,
}

/// The other processes; each ends when we do.
pub(super) struct Crew(Vec<Member>);

struct Member {
    process: Child,
    says: BufReader<ChildStdout>,
    hears: ChildStdin,
}

impl Crew {
    /// Starts all processes but this one, each for its share of the readers.
    pub(super) fn hire(args: &BoardArgs) -> Result<Self> {
        let all = args.processes.max(1);
        let share = |nth: usize| (args.subscribers * nth / all).to_string();
        let hire = |nth: usize| {
            let mut command = Command::new(std::env::current_exe()?);
            command.args(["bench", "crew", "--url", &args.url, "--stream", &args.stream]);
            command.args(["--first", &share(nth), "--end", &share(nth + 1)]).args(args.one_address.then_some("--one-address"));
            let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
            let says = BufReader::new(process.stdout.take().context("a pipe that was asked for")?);
            let hears = process.stdin.take().context("a pipe that was asked for")?;
            Ok(Member { process, says, hears })
        };
        (1..all).map(hire).collect::<Result<_>>().map(Self)
    }

    /// Waits until all streams are open.
    pub(super) async fn joined(&mut self) -> Result<()> {
        self.hear().await.map(drop)
    }

    /// Lets everybody count from now on.
    pub(super) fn begin(&mut self) -> Result<()> {
        self.tell()
    }

    /// What they all counted.
    pub(super) async fn finish(mut self) -> Result<Read> {
        self.tell()?;
        let counted = self.hear().await?;
        for member in &mut self.0 {
            member.process.wait()?;
        }
        counted.iter().try_fold(Read::default(), |sum, line| Ok(sum + serde_json::from_str(line)?))
    }

    fn tell(&mut self) -> Result<()> {
        self.0.iter_mut().try_for_each(|member| Ok(member.hears.write_all(b"on\n")?))
    }

    /// A line of each.
    async fn hear(&mut self) -> Result<Vec<String>> {
        let mut members = std::mem::take(&mut self.0);
        let (members, lines) = spawn_blocking(move || {
            let lines = members.iter_mut().map(|member| line(&mut member.says)).collect::<Result<Vec<_>>>();
            (members, lines)
        })
        .await?;
        self.0 = members;
        lines
    }
}

fn line(from: &mut impl BufRead) -> Result<String> {
    let mut line = String::new();
    ensure!(from.read_line(&mut line)? > 0, "another process of the bench ended early");
    Ok(line)
}

/// What such a process does.
pub(super) async fn read_for_another(args: &CrewArgs, out: &mut dyn Write) -> Result<Value> {
    let target = Target::parse(&args.url, args.one_address).await?;
    let counts = Arc::new(Counts::default());
    let _readers = Readers::join(&target, &args.stream, args.first..args.end, &counts).await?;
    writeln!(out, "joined")?;
    out.flush()?;
    spawn_blocking(|| line(&mut stdin().lock())).await??;
    counts.begin();
    spawn_blocking(|| line(&mut stdin().lock())).await??;
    Ok(serde_json::to_value(counts.read())?)
}
