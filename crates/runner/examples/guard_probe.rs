//! A small embedder: runs one command under a guard and waits for it. The tests kill it to see what survives.
//!
//! `guard_probe <folder for records> <program> [argument…]`: prints `started <pid of the guarded process>`, then how it ended.
#![expect(clippy::print_stdout, reason = "an example that talks to its test")]

use std::error::Error;
use std::process::ExitCode;

use counterfoil_runner::guard::{GuardProgram, GuardedCommand, main_if_guard};

fn main() -> Result<ExitCode, Box<dyn Error>> {
    if let Some(code) = main_if_guard() {
        return Ok(code);
    }
    let mut arguments = std::env::args_os().skip(1);
    let records = arguments.next().ok_or("a folder for records is missing")?;
    let program = arguments.next().ok_or("a program is missing")?;
    let command = GuardedCommand::new(program)
        .args(arguments)
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .record_in(records);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut child = command.spawn(&GuardProgram::current()?).await?;
        println!("started {}", child.pid());
        println!("{:?}", child.wait().await?);
        Ok(ExitCode::SUCCESS)
    })
}
