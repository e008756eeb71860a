//! One document: Markdown to HTML.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context as _, Result};
use pulldown_cmark::{CowStr, Event, HeadingLevel, LinkType, Options, Parser, Tag, TagEnd, html};

use super::{DECISIONS, DECISIONS_LIST, PICTURES, has_ending};

/// What is said of a document where it is listed ends after so many characters.
const ABOUT_CHARS_MAX: usize = 160;

/// Around what may be wider than the page, so that it can be reached by keyboard and looked through by itself.
const WIDE: (&str, &str) = ("<div class=\"wide\" tabindex=\"0\">", "</div>");

/// A document as a page.
pub(super) struct Document {
    /// Where it lies in the checkout.
    pub(super) path: String,
    /// The name of its page under `/docs/`.
    pub(super) file: String,
    pub(super) title: String,
    /// How it begins.
    pub(super) about: String,
    pub(super) html: String,
}

impl Document {
    /// Reads a document; `has_page` knows which others there are.
    ///
    /// # Errors
    /// If it has no title.
    pub(super) fn new(path: &str, text: &str, has_page: &dyn Fn(&str) -> bool) -> Result<Self> {
        let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH;
        let events: Vec<Event> = Parser::new_ext(text, options).collect();
        let title = text_of(&events, |tag| matches!(tag, Tag::Heading { level: HeadingLevel::H1, .. }));
        let about = text_of(&events, |tag| matches!(tag, Tag::Paragraph)).unwrap_or_default();
        let mut page = String::new();
        html::push_html(&mut page, shown(path, events, has_page).into_iter());
        Ok(Self {
            path: path.to_owned(),
            file: file_of(path),
            title: title.context("a document begins with its title")?,
            about: beginning(&about),
            html: without_empty_heads(&page),
        })
    }
}

/// The name of a document's page.
pub(super) fn file_of(path: &str) -> String {
    let named = match path {
        "README.md" => "overview",
        "wallet-wasm/npm/README.md" => "package",
        _ => return path.strip_prefix("docs/").unwrap_or(path).replace(".md", ".html").to_lowercase(),
    };
    format!("{named}.html")
}

/// The events of a page: headings with anchors, links to pages, what is wide in a frame of its own. Markup in the text is shown as text.
fn shown<'a>(path: &str, events: Vec<Event<'a>>, has_page: &dyn Fn(&str) -> bool) -> Vec<Event<'a>> {
    let headings = events.iter().enumerate().filter(|(_, event)| matches!(event, Event::Start(Tag::Heading { .. })));
    let mut anchors = Anchors::default();
    let ids: BTreeMap<usize, String> =
        headings.map(|(place, _)| (place, anchors.of(&text_from(&events[place..]).unwrap_or_default()))).collect();
    let frame = |markup: &'static str| Event::Html(markup.into());
    let mut page = Vec::new();
    // Whether what a link says stands in a link.
    let mut links = Vec::new();
    for (place, event) in events.into_iter().enumerate() {
        match event {
            Event::Start(Tag::Heading { level, classes, attrs, .. }) => {
                let id = ids.get(&place).map(|id| CowStr::from(id.clone()));
                page.push(Event::Start(Tag::Heading { level, id, classes, attrs }));
            }
            Event::Start(Tag::Link { link_type, dest_url, title, id }) => {
                let target = target(path, &dest_url, has_page);
                links.push(target.is_some());
                if let Some(target) = target {
                    // What follows is text as for any link, also where the source has no more than an address.
                    let link_type = if link_type == LinkType::Email { link_type } else { LinkType::Inline };
                    page.push(Event::Start(Tag::Link { link_type, dest_url: target.into(), title, id }));
                }
            }
            Event::End(TagEnd::Link) => page.extend(links.pop().unwrap_or(false).then_some(Event::End(TagEnd::Link))),
            Event::Start(Tag::Image { link_type, dest_url, title, id }) => {
                let dest_url = picture(path, &dest_url).map_or(dest_url, Into::into);
                page.push(Event::Start(Tag::Image { link_type, dest_url, title, id }));
            }
            Event::Start(Tag::Table(_) | Tag::CodeBlock(_)) => page.extend([frame(WIDE.0), event]),
            Event::End(TagEnd::Table | TagEnd::CodeBlock) => page.extend([event, frame(WIDE.1)]),
            Event::Html(markup) | Event::InlineHtml(markup) => page.push(Event::Text(markup)),
            event => page.push(event),
        }
    }
    page
}

/// A page whose tables have no head that names no column, and where no cell of a head is empty that is a heading: Markdown has no table without, and
/// read aloud an empty one is a riddle.
fn without_empty_heads(page: &str) -> String {
    const HEAD: (&str, &str) = ("<thead>", "</thead>");
    let mut kept = String::with_capacity(page.len());
    let mut rest = page;
    while let Some((before, (head, after))) =
        rest.split_once(HEAD.0).and_then(|(before, from)| Some((before, from.split_once(HEAD.1)?)))
    {
        kept.push_str(before);
        // What is between tags: text in a page has no `<` or `>` of its own.
        if head.split('<').any(|tag| tag.split_once('>').is_some_and(|(_, text)| !text.trim().is_empty())) {
            kept.extend([HEAD.0, &head.replace("<th></th>", "<td></td>"), HEAD.1]);
        }
        rest = after;
    }
    kept + rest
}

/// Where a link leads on the site; `None` if what it names is in the sources alone.
fn target(from: &str, link: &str, has_page: &dyn Fn(&str) -> bool) -> Option<String> {
    if link.starts_with('#') || link.contains("://") || link.starts_with("mailto:") {
        return Some(link.to_owned());
    }
    let (path, anchor) = link.split_once('#').map_or((link, ""), |(path, anchor)| (path, anchor));
    let path = beside(from, path)?;
    if path == DECISIONS {
        return Some(DECISIONS_LIST.to_owned());
    }
    if path == "docs" {
        return Some("/docs/index.html".to_owned());
    }
    let anchor = if anchor.is_empty() { String::new() } else { format!("#{anchor}") };
    has_page(&path).then(|| format!("/docs/{}{anchor}", file_of(&path)))
}

/// Where a picture of the documents lies on the site.
fn picture(from: &str, link: &str) -> Option<String> {
    let path = beside(from, link)?;
    has_ending(&path, PICTURES).then(|| format!("/{path}"))
}

/// A path as the file `from` writes it, from the checkout's root; `None` if it leads out of that.
fn beside(from: &str, link: &str) -> Option<String> {
    let mut path = PathBuf::from(from);
    path.pop();
    for part in Path::new(link).components() {
        match part {
            Component::Normal(name) => path.push(name),
            Component::ParentDir => path.pop().then_some(())?,
            Component::CurDir => {}
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    path.to_str().map(str::to_owned)
}

/// The text of the first element of a kind.
fn text_of(events: &[Event], is_wanted: impl Fn(&Tag) -> bool) -> Option<String> {
    let place = events.iter().position(|event| matches!(event, Event::Start(tag) if is_wanted(tag)))?;
    text_from(&events[place..])
}

/// The text of the element that begins here.
fn text_from(events: &[Event]) -> Option<String> {
    let (mut depth, mut text) = (0_usize, String::new());
    for event in events {
        match event {
            Event::Start(_) => depth += 1,
            Event::End(_) => depth -= 1,
            Event::Text(part) | Event::Code(part) => text.push_str(part),
            Event::SoftBreak | Event::HardBreak => text.push(' '),
            _ => {}
        }
        if depth == 0 {
            return Some(text);
        }
    }
    None
}

/// The first sentence, or as much of it as there is room for.
fn beginning(text: &str) -> String {
    let end = text.match_indices(". ").map(|(place, _)| place + 1).next().unwrap_or(text.len());
    let sentence = text[..end].trim_end_matches(':');
    match sentence.char_indices().nth(ABOUT_CHARS_MAX) {
        None => sentence.to_owned(),
        Some((end, _)) => {
            let end = sentence[..end].rfind(' ').unwrap_or(end);
            format!("{} …", sentence[..end].trim_end_matches([',', ';', ':']))
        }
    }
}

/// The anchor of a heading, as those make it who show such files.
pub(super) fn anchor(heading: &str) -> String {
    let kept = |c: &char| c.is_alphanumeric() || [' ', '-', '_'].contains(c);
    heading.to_lowercase().chars().filter(kept).map(|c| if c == ' ' { '-' } else { c }).collect()
}

/// The anchors of a page: of two headings with one text, the second has another.
#[derive(Default)]
struct Anchors(BTreeMap<String, usize>);

impl Anchors {
    fn of(&mut self, heading: &str) -> String {
        let anchor = anchor(heading);
        let seen = self.0.entry(anchor.clone()).or_default();
        *seen += 1;
        if *seen == 1 { anchor } else { format!("{anchor}-{}", *seen - 1) }
    }
}

/// Text as it stands in HTML.
pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(text: &str) -> Document {
        Document::new("docs/a/b.md", text, &|path| ["docs/c.md", "README.md"].contains(&path)).unwrap()
    }

    #[test]
    fn a_link_leads_to_a_page_or_is_a_name() {
        for (link, html) in [
            ("../c.md", "<a href=\"/docs/c.html\">x</a>"),
            ("../c.md#limits", "<a href=\"/docs/c.html#limits\">x</a>"),
            ("../../README.md", "<a href=\"/docs/overview.html\">x</a>"),
            ("../decisions", "<a href=\"/docs/index.html#decisions\">x</a>"),
            ("#here", "<a href=\"#here\">x</a>"),
            ("https://example.org/", "<a href=\"https://example.org/\">x</a>"),
            ("../../core/src/lib.rs", "x"),
            ("../../../../etc/passwd", "x"),
            ("/etc/passwd", "x"),
        ] {
            let text = format!("# T\n[x]({link})");
            assert_eq!(page(&text).html, format!("<h1 id=\"t\">T</h1>\n<p>{html}</p>\n"), "{link}");
        }
        assert!(page("# T\n![p](../c.svg)").html.contains("<img src=\"/docs/c.svg\" alt=\"p\""));
    }

    #[test]
    fn a_page_has_title_beginning_and_anchors() {
        let Document { title, about, file, html, .. } =
            page("# The `x`, and y\nSome *words* that\nbegin. More.\n## One, two\n## One, two");
        assert_eq!(
            (title.as_str(), about.as_str(), file.as_str()),
            ("The x, and y", "Some words that begin.", "a/b.html")
        );
        assert!(html.contains("<h2 id=\"one-two\">") && html.contains("<h2 id=\"one-two-1\">"), "{html}");
        assert!(Document::new("a.md", "no title", &|_| false).is_err());
        assert_eq!(beginning(&"word ".repeat(50)).chars().count(), 161);
    }

    #[test]
    fn markup_is_text_and_what_is_wide_has_a_frame() {
        let html = page("# T\n<b>x</b>\n\n| a |\n|---|\n| b |\n\n```sh\ny < z\n```").html;
        assert!(html.contains("&lt;b&gt;x&lt;/b&gt;"), "{html}");
        assert_eq!(html.matches(WIDE.0).count(), 2, "{html}");
        assert!(html.contains("y &lt; z"));
    }

    #[test]
    fn a_table_has_a_head_if_it_names_a_column() {
        let html = page("# T\n| | |\n|---|--:|\n| a | b |\n\n| | `c` |\n|---|---|\n| d | e |").html;
        assert_eq!(html.matches("<thead>").count(), 1, "{html}");
        assert_eq!(
            (html.matches("<td").count(), html.matches("<th>").count()),
            (5, 1),
            "what names no column is no heading: {html}"
        );
    }
}
