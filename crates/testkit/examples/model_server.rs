//! A scripted model behind the Responses API on loopback, for trying `foil` with the real Codex and no account.
//!
//! `cargo run -p testkit --example model_server -- script.toml` prints the address and serves until it is interrupted.

use std::io::{self, Write as _};

use testkit::model_server::{ModelScript, ModelServer};

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let path = std::env::args_os().nth(1).ok_or_else(|| io::Error::other("usage: model_server <script.toml>"))?;
    let script = ModelScript::from_toml(&std::fs::read_to_string(path)?).map_err(io::Error::other)?;
    let server = ModelServer::start(script).await?;
    writeln!(io::stdout(), "{}", server.base_url())?;
    tokio::signal::ctrl_c().await
}
