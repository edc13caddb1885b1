//! Embeds the engine: runs one approved ticket of the repository in the current folder, follows it as a stream of events on
//! another thread, and prints where the result is. `cargo run -p counterfoil-runner --example embed -- <ticket>`

use std::io::{self, Write as _};
use std::process::ExitCode;

use counterfoil_runner::guard::{GuardProgram, main_if_guard};
use counterfoil_runner::{ReviewPacket, RunOptions, Settings, TimelineLine, Workspace, run_ticket};
use tokio::sync::{mpsc, watch};

fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    // Workers and checks are started by this very program as their guard: it must notice before anything else.
    if let Some(code) = main_if_guard() {
        return Ok(code);
    }
    tokio::runtime::Runtime::new()?.block_on(embed())
}

async fn embed() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let ticket = std::env::args().nth(1).ok_or("usage: embed <ticket>")?.parse()?;
    let workspace = Workspace::open(".".as_ref(), &Settings::from_environment()?)?;
    // Send a cause here to stop the run in good order; the next one goes on.
    let (_stop, stopped) = watch::channel(None);
    let options = RunOptions {
        guard: GuardProgram::current()?,
        stop: stopped,
        model: None,
        from_rescue: false,
        allow_temporary: false,
    };

    // The observer is called as each record is written; a channel makes a stream of it for whoever wants one.
    let (events, mut stream) = mpsc::unbounded_channel::<TimelineLine>();
    let shown = tokio::spawn(async move {
        while let Some(line) = stream.recv().await {
            // A closed pipe ends the display, not the run.
            let _ = writeln!(io::stderr(), "{} {}", line.at, line.text);
        }
    });
    let report = run_ticket(&workspace, &ticket, &options, |run, record| {
        let _ = events.send(TimelineLine::new(run.opened(), record));
    })
    .await?;
    drop(events);
    shown.await?;

    let packet = ReviewPacket::of(&report.run, "");
    let branch = packet.branch.as_deref().unwrap_or("no branch");
    writeln!(io::stdout(), "{}: {branch}", packet.outcome)?;
    Ok(ExitCode::from(u8::from(packet.outcome != "done")))
}
