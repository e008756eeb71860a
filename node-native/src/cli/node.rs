//! `qbtc node`: a full node.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use clap::Args;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::reload::Handle;

use super::options::{DEFAULT_CHAIN, GlobalOptions, load_chain};
use crate::api::rpc::LogControl;
use crate::config::NodeConfig;
use crate::paths;
use crate::run::{RunOptions, run};

const AFTER_HELP: &str = "\
Examples:
  qbtc node                                            a full node on the main chain
  qbtc node --chain dev --mine --reward dbqs1… --block-interval 5
                                                       a chain of your own to try things out, a block every 5 seconds
  qbtc node --chain local --stratum 127.0.0.1:3333     let miners connect: stratum+tcp://127.0.0.1:3333, user ADDRESS.worker

The settings may also stand in DATA_DIR/CHAIN/node.toml, with the names of the flags.";

/// Runs a full node until it is told to stop (Ctrl-C).
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct NodeCommand {
    #[command(flatten)]
    config: NodeConfig,
    /// The file of settings [default: node.toml in the chain's data folder, if it is there].
    #[arg(long, env = "QBTC_CONFIG_FILE", value_name = "FILE", hide_env_values = true)]
    config_file: Option<PathBuf>,
}

impl NodeCommand {
    pub(super) fn run(self, global: &GlobalOptions) -> anyhow::Result<()> {
        let spec = load_chain(global.chain.as_deref().unwrap_or(DEFAULT_CHAIN))?;
        let chain_dir = paths::chain_dir(&global.data_dir()?, spec.name());
        let default_file = chain_dir.join("node.toml");
        let config = match &self.config_file {
            Some(file) => self.config.or(NodeConfig::read(file)?),
            None if default_file.exists() => self.config.or(NodeConfig::read(&default_file)?),
            None => self.config,
        };
        let log = Some(start_log(&config)?);
        run(RunOptions { spec: Arc::new(spec), chain_dir, config, log })?;
        Ok(())
    }
}

/// Logs go to stderr, as all that is no result. What is logged can be changed while the node runs.
fn start_log(config: &NodeConfig) -> anyhow::Result<LogControl> {
    let base = config.log.as_deref().unwrap_or("info");
    let filter = filter(base).with_context(|| format!("--log {base:?} is no filter"))?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let is_terminal = std::io::stderr().is_terminal();
    if config.log_json.unwrap_or(false) {
        let log = log.json().with_filter_reloading();
        let handle = log.reload_handle();
        log.init();
        Ok(LogControl::new(base, move |filter| reload(&handle, filter)))
    } else {
        let log = log.with_target(false).with_ansi(is_terminal).with_filter_reloading();
        let handle = log.reload_handle();
        log.init();
        Ok(LogControl::new(base, move |filter| reload(&handle, filter)))
    }
}

/// Libraries of the network warn of each packet that strangers get wrong, who could fill the disk so. They are heard only by name.
const QUIET: &str = "dimpl=error,is=error,sctp_proto=error,str0m=error,\
                     libp2p_autonat=error,libp2p_dcutr=error,libp2p_gossipsub=error,libp2p_kad=error,libp2p_relay=error,\
                     libp2p_request_response=error,libp2p_yamux=error,multistream_select=error,quinn_proto=error,rustls=error,yamux=off";

fn filter(text: &str) -> Result<EnvFilter, ParseError> {
    EnvFilter::try_new(format!("{QUIET},{text}"))
}

fn reload<S>(handle: &Handle<EnvFilter, S>, text: &str) -> Result<(), String> {
    let filter = filter(text).map_err(|error| error.to_string())?;
    handle.reload(filter).map_err(|error| error.to_string())
}
