//! The command `foil`.
//!
//! It parses, composes and prints. Whatever an embedding program would need too is in the libraries.

#[cfg(windows)]
compile_error!("foil does not run on Windows: use it inside WSL, the Windows Subsystem for Linux");

mod args;
mod commands;
mod exit;
mod failure;
mod output;
mod story;

use clap::Parser as _;

use crate::commands::Context;
use crate::exit::Exit;
use crate::output::Output;

fn main() -> std::process::ExitCode {
    // A guard is this very program: it must be told apart before anything else happens.
    if let Some(code) = runner::guard::main_if_guard() {
        return code;
    }
    let args = match args::Args::try_parse() {
        Ok(args) => args,
        Err(error) => return story::tell_usage(&error).into(),
    };
    let output = Output::new(&args.global);
    let context = Context::new(&args.global, &output);
    let exit = match commands::run(&args.command, &context) {
        Ok(exit) => exit,
        Err(failure) if failure.is_closed_pipe() => Exit::Done,
        Err(failure) => {
            let exit = Exit::of(&failure);
            match story::tell(&failure, exit, context.work_dir(), &output) {
                Ok(()) => exit,
                Err(silence) if silence.is_closed_pipe() => exit,
                Err(_) => Exit::Failed,
            }
        }
    };
    exit.into()
}
