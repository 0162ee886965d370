//! The `goop` program: read the command line, do it, say what went wrong, exit with a code that scripts can rely on.

use goop::cli::{self, Cli, Command, Exit};

fn main() -> Exit {
    let cli = match Cli::read(std::env::args_os()) {
        Ok(cli) => cli,
        Err(answer) => answer.exit(),
    };
    dispatch(&cli).unwrap_or_else(|error| cli::report(&error))
}

fn dispatch(cli: &Cli) -> anyhow::Result<Exit> {
    let out = &mut std::io::stdout().lock();
    match &cli.command {
        Command::Run(args) => cli::run::run(cli, args, out),
        Command::Demo(args) => cli::demo::run(args, out),
        Command::Id => cli::id::run(cli, out),
        Command::Peers(args) => cli::peers::run(cli, args, out),
        Command::Status(args) => cli::status::run(cli, args, out),
        Command::Doctor(args) => cli::doctor::run(cli, args, out),
        Command::Search(args) => cli::search::run(cli, args, out),
        Command::Join(args) => cli::communities::join(cli, args, out),
        Command::Leave(args) => cli::communities::leave(cli, args, out),
        Command::Communities(args) => cli::communities::list(cli, args, out),
        Command::Get(args) => cli::get::run(cli, args, out),
        Command::Chat(args) => cli::chat::run(cli, args, out),
        Command::Send(args) => cli::send::run(cli, args, out),
        Command::Files(args) => cli::files::run(cli, args, out),
        Command::Bench { command } => cli::bench::run(command, out),
        Command::HashPassword => cli::hash_password::run(out),
        Command::Hub { command } => cli::hub::run(cli, command, out),
        Command::Config { command } => cli::config::run(cli, *command, out),
        Command::Completions { shell } => cli::completions::run(*shell, out),
        Command::Man { command } => cli::man::run(command, out),
        Command::Peer { .. } | Command::Rendezvous { .. } => unreachable!("Cli::read turns goop2's commands into run"),
    }
}
