//! The documents as pages, and what was built to be taken away: what a node serves beside the app, under `/docs/`.
//!
//! The pages are the Markdown of the sources, in the frame of `www/document.html`. A link from one to another leads to its page; a link to the code
//! stays a name, since a node serves no sources.

mod downloads;
mod page;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};

pub(crate) use downloads::Downloads;

use crate::files::files_in;
use crate::workspace::Workspace;
use page::{Document, escaped};

/// The documents by what they are for, in the order in which they are listed. `docs/decisions` is listed by itself.
const SECTIONS: [(&str, &[&str]); 5] = [
    ("To begin", &["README.md", "docs/tutorial.md", "docs/web-app.md", "docs/extension.md", "docs/command-line.md"]),
    ("To run a node, and to mine", &["docs/operating.md", "docs/stratum.md", "docs/threat-model.md", "SECURITY.md"]),
    (
        "To build on it",
        &[
            "wallet-wasm/npm/README.md",
            "docs/npm.md",
            "docs/http.md",
            "docs/reference/rest.md",
            "docs/rpc.md",
            "docs/reference/rpc.md",
            "docs/light-client.md",
            "docs/wallet.md",
        ],
    ),
    ("The chain", &["docs/protocol.md", "docs/rules.md"]),
    (
        "The code",
        &[
            "docs/architecture.md",
            "docs/building.md",
            "docs/benchmarks.md",
            "docs/simulation.md",
            "CONTRIBUTING.md",
            "CHANGELOG.md",
        ],
    ),
];
const DECISIONS: &str = "docs/decisions";
/// Where links to that folder lead.
const DECISIONS_LIST: &str = "/docs/index.html#decisions";

/// The pictures of documents.
const PICTURES: &str = "svg";

/// Writes the pages into the app's folder.
///
/// # Errors
/// If a document cannot be read, or a link in one leads nowhere.
pub(crate) fn write(workspace: &Workspace, dist: &Path, downloads: Downloads) -> Result<()> {
    let frame = workspace.root.join("www/document.html");
    let frame = fs::read_to_string(&frame).with_context(|| format!("cannot read {}", frame.display()))?;
    let folder = dist.join("docs");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    let mut pages = pages(workspace, &frame)?;
    let page = downloads.page(workspace, &folder)?;
    pages.insert("downloads.html".to_owned(), framed(&frame, "Downloads", &page));
    check_links(&pages)?;
    for (name, page) in pages {
        put(&folder.join(name), page.as_bytes())?;
    }
    for name in files_in(&workspace.root.join("docs"), "")?.iter().filter(|name| has_ending(name, PICTURES)) {
        put(&folder.join(name), &fs::read(workspace.root.join("docs").join(name))?)?;
    }
    Ok(())
}

fn put(path: &Path, bytes: &[u8]) -> Result<()> {
    fs::create_dir_all(path.parent().context("a file lies in a folder")?)?;
    fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}

fn has_ending(name: &str, ending: &str) -> bool {
    Path::new(name).extension().is_some_and(|found| found == ending)
}

/// The page of every document and the list of them, by the name of the file under `/docs/`.
fn pages(workspace: &Workspace, frame: &str) -> Result<BTreeMap<String, String>> {
    let names = documents(workspace)?;
    let read = |name: &String| {
        let text = fs::read_to_string(workspace.root.join(name)).with_context(|| format!("cannot read {name}"))?;
        Document::new(name, &text, &|path| names.iter().any(|known| known == path))
            .with_context(|| format!("{name} makes no page"))
    };
    let documents = names.iter().map(read).collect::<Result<Vec<_>>>()?;
    let mut pages: BTreeMap<_, _> = documents
        .iter()
        .map(|document| (document.file.clone(), framed(frame, &document.title, &document.html)))
        .collect();
    pages.insert("index.html".to_owned(), framed(frame, "Documents", &list(&documents)));
    Ok(pages)
}

/// The paths of all documents in the checkout, in the order of their list.
fn documents(workspace: &Workspace) -> Result<Vec<String>> {
    let found = files_in(&workspace.root.join("docs"), "docs/")?;
    let mut names: Vec<String> =
        SECTIONS.iter().flat_map(|(_, names)| names.iter().map(|&name| name.to_owned())).collect();
    names.extend(found.iter().filter(|name| name.starts_with(DECISIONS) && has_ending(name, "md")).cloned());
    for name in found.iter().filter(|name| has_ending(name, "md")) {
        ensure!(names.contains(name), "{name} stands in no section of xtask/src/site/mod.rs");
    }
    Ok(names)
}

/// All documents with what each is about.
fn list(documents: &[Document]) -> String {
    let item = |document: &Document| {
        format!(
            "<li><a href=\"/docs/{}\">{}</a><span class=\"soft\">{}</span></li>\n",
            document.file,
            escaped(&document.title),
            escaped(&document.about)
        )
    };
    let section = |title: &str, id: &str, holds: &dyn Fn(&Document) -> bool| {
        let items: String = documents.iter().filter(|document| holds(document)).map(item).collect();
        format!("<h2 id=\"{id}\">{title}</h2>\n<ul class=\"documents\">\n{items}</ul>\n")
    };
    let sections = SECTIONS.iter().map(|(title, names)| {
        section(title, &page::anchor(title), &|document| names.contains(&document.path.as_str()))
    });
    let decisions = section("Decisions: why it is so", "decisions", &|document| document.path.starts_with(DECISIONS));
    let what = "<p class=\"lead\">What belongs to this node’s program, as its sources have it. \
        What was built to be taken away: <a href=\"/docs/downloads.html\">downloads</a>.</p>";
    format!("<h1>Documents</h1>\n{what}\n{}{decisions}", sections.collect::<String>())
}

fn framed(frame: &str, title: &str, html: &str) -> String {
    frame.replace("{title}", &escaped(title)).replace("{content}", html)
}

/// Holds every link from page to page to what is there, and to the headings that it names.
fn check_links(pages: &BTreeMap<String, String>) -> Result<()> {
    for (name, page) in pages {
        for link in page.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next()) {
            let (path, anchor) = link.split_once('#').map_or((link, None), |(path, anchor)| (path, Some(anchor)));
            let target = if path.is_empty() { Some(name.as_str()) } else { path.strip_prefix("/docs/") };
            // The app's own pages, those that typedoc makes, and what lies elsewhere.
            let is_ours = |target: &&str| has_ending(target, "html") && !target.starts_with(downloads::TYPES);
            let Some(target) = target.filter(is_ours) else { continue };
            let found = pages.get(target).with_context(|| format!("{name} leads to {link}, which is not there"))?;
            let is_there = |anchor: &str| anchor.is_empty() || found.contains(&format!("id=\"{anchor}\""));
            ensure!(anchor.is_none_or(is_there), "{name} leads to {link}: {target} has no such heading");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_document_makes_a_page_and_every_link_leads_somewhere() {
        let workspace = Workspace::find().unwrap();
        let frame = fs::read_to_string(workspace.root.join("www/document.html")).unwrap();
        let mut pages = pages(&workspace, &frame).unwrap();
        assert!(pages.len() > 40, "{}", pages.len());
        assert!(check_links(&pages).unwrap_err().to_string().contains("downloads.html"));
        pages.insert("downloads.html".to_owned(), String::new());
        let landing = fs::read_to_string(workspace.root.join("www/about.html")).unwrap();
        assert!(landing.contains("/docs/index.html"));
        pages.insert("about.html".to_owned(), landing);
        check_links(&pages).unwrap();
        let (tutorial, index) = (&pages["tutorial.html"], &pages["index.html"]);
        assert!(tutorial.contains("<title>Mine, pay, prove, in ten minutes"), "{tutorial}");
        assert!(tutorial.contains("href=\"/docs/building.html\""), "a link to a document leads to its page");
        assert!(index.contains("href=\"/docs/decisions/0001-one-ml-dsa-verifier.html\""), "{index}");
        // The policy of pages forbids it, and no document needs it.
        assert!(pages.values().all(|page| !page.contains("<script>") && !page.contains(" style=")));
    }
}
