//! What was built to be taken away: the extension's archive and the npm package, with the pages of its types.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};

use super::page::escaped;
use crate::files::{copy_folder, sha256};
use crate::process::run_logged;
use crate::workspace::Workspace;
use crate::{extension, npm, tools};

/// What of it a node's site has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Downloads {
    /// Nothing: the page says how to get it.
    None,
    /// All of it. The npm package must be built.
    All,
}

/// What stands on the page of a site without.
const NONE: &str = "<p>The program of this node was built without them. In a checkout of the sources,</p>\n\
    <pre><code>cargo xtask web --downloads</code></pre>\n\
    <p>builds the extension and the npm package for the node’s program that is built next. By themselves, they are built by \
    <code>cargo xtask extension</code> and <code>cargo xtask npm</code>.</p>";

/// The folder of the pages of the package's types.
pub(super) const TYPES: &str = "types/";

/// One of them.
struct Item {
    file: String,
    what: &'static str,
}

impl Downloads {
    /// Puts them into the site's folder; the page that lists them.
    ///
    /// # Errors
    /// If one cannot be packed.
    pub(super) fn page(self, workspace: &Workspace, folder: &Path) -> Result<String> {
        let list = match self {
            Self::None => NONE.to_owned(),
            Self::All => Self::list(workspace, &Self::put(workspace, folder)?, folder)?,
        };
        Ok(format!("<h1>Downloads</h1>\n{list}"))
    }

    fn put(workspace: &Workspace, folder: &Path) -> Result<Vec<Item>> {
        let version = env!("CARGO_PKG_VERSION");
        let archive = format!("qbtc-extension-{version}.zip");
        fs::write(folder.join(&archive), extension::archive(workspace)?)?;
        let packed = format!("qbtc-wallet-{version}.tgz");
        let mut pack = tools::npm_command(workspace);
        pack.args(["pack", "--ignore-scripts", "--pack-destination"]).arg(folder).arg(npm::package(workspace));
        run_logged(&mut pack, &workspace.log("npm-pack"))?;
        ensure!(folder.join(&packed).is_file(), "npm has not left {packed}");
        copy_folder(&npm::document(workspace)?, &folder.join(TYPES))?;
        ensure!(folder.join(TYPES).join("index.html").is_file(), "typedoc has left no pages");
        Ok(vec![
            Item {
                file: archive,
                what: "the browser extension: unpack it, and load the folder in <code>chrome://extensions</code>",
            },
            Item {
                file: packed,
                what: "the npm package <code>@qbtc/wallet</code>: <code>npm install</code> takes the file",
            },
        ])
    }

    fn list(workspace: &Workspace, items: &[Item], folder: &Path) -> Result<String> {
        let row = |item: &Item| {
            let path = folder.join(&item.file);
            let bytes = fs::metadata(&path).with_context(|| format!("cannot read {}", path.display()))?.len();
            let (file, what) = (escaped(&item.file), item.what);
            Ok(format!(
                "<li><a href=\"/docs/{file}\" download>{file}</a><span>{what}</span>\
                 <span class=\"soft\">{} kB, SHA-256 <code>{}</code></span></li>\n",
                bytes.div_ceil(1000),
                sha256(workspace, &path)?
            ))
        };
        let rows: String = items.iter().map(row).collect::<Result<_>>()?;
        Ok(format!(
            "<ul class=\"documents\">\n{rows}</ul>\n<p><a href=\"/docs/{TYPES}index.html\">The types of the package</a>, with what each call does.</p>"
        ))
    }
}
