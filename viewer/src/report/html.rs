//! The page: one file with its style, its code and its data, which loads nothing.
//!
//! The code is plain modules in `page/`, one scope when they are put together: lines that import are
//! left out, and `export` is. A policy in the page lets the browser run this code and nothing else,
//! known by its hash, and lets it load nothing from anywhere.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use miniz_oxide::deflate::compress_to_vec;
use sha2::{Digest, Sha256};

use super::data::Packed;

/// The page's modules, each behind those that it imports.
const MODULES: [&str; 18] = [
    include_str!("page/text.js"),
    include_str!("page/inflate.js"),
    include_str!("page/decode.js"),
    include_str!("page/time.js"),
    include_str!("page/model.js"),
    include_str!("page/search.js"),
    include_str!("page/compare.js"),
    include_str!("page/state.js"),
    include_str!("page/layout.js"),
    include_str!("page/dom.js"),
    include_str!("page/rows.js"),
    include_str!("page/summary.js"),
    include_str!("page/timeline.js"),
    include_str!("page/charts.js"),
    include_str!("page/changes.js"),
    include_str!("page/details.js"),
    include_str!("page/tables.js"),
    include_str!("page/main.js"),
];
const STYLE: &str = include_str!("page/style.css");
const BODY: &str = include_str!("page/body.html");

/// zlib's middle: a page of a million tasks in a second, and hardly larger than at the highest.
const LEVEL: u8 = 6;

/// The older run of a page of two, and what differs.
#[derive(Debug)]
pub(crate) struct Other {
    pub(crate) old: Packed,
    pub(crate) compared: Vec<u8>,
}

/// The page of packed data, and of an older run.
pub(crate) fn page(packed: &Packed, other: Option<&Other>) -> String {
    let script = script();
    let policy = format!(
        "default-src 'none'; script-src '{}'; style-src '{}'; img-src data:; base-uri 'none'; \
         form-action 'none'",
        hash(&script),
        hash(STYLE)
    );
    let mut data = block("data", &packed.bytes);
    if let Some(other) = other {
        data += &block("old", &other.old.bytes);
        data += &block("compared", &other.compared);
    }
    let title = escaped(&packed.title);
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{policy}\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"referrer\" content=\"no-referrer\">\n\
         <link rel=\"icon\" href=\"data:,\">\n<title>{title}</title>\n\
         <style>{STYLE}</style>\n</head>\n<body>\n{BODY}\
         {data}<script>{script}</script>\n</body>\n</html>\n"
    )
}

/// Bytes that the page's code takes by their name.
fn block(name: &str, bytes: &[u8]) -> String {
    let data = STANDARD.encode(compress_to_vec(bytes, LEVEL));
    format!("<script type=\"application/octet-stream\" id=\"{name}\">{data}</script>\n")
}

/// The modules as one script.
fn script() -> String {
    let mut script = String::from("\"use strict\";\n(() => {\n");
    for module in MODULES {
        for line in module.lines().filter(|line| !line.starts_with("import ")) {
            script += line.strip_prefix("export ").unwrap_or(line);
            script.push('\n');
        }
    }
    script += "main();\n})();\n";
    script
}

fn hash(text: &str) -> String {
    format!("sha256-{}", STANDARD.encode(Sha256::digest(text)))
}

/// Text that is no markup.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            '\'' => out += "&#39;",
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(title: &str) -> String {
        let packed = Packed {
            title: title.into(),
            bytes: b"data".to_vec(),
            asides: Vec::new(),
        };
        page(&packed, None)
    }

    #[test]
    fn the_script_is_one_scope_and_cannot_end_early() {
        let script = script();
        assert!(!script.contains("</script"), "it would end the element");
        assert!(!script.contains("<!--"), "it would begin a comment");
        for line in script.lines() {
            let bare = line.trim_start();
            assert!(
                !bare.starts_with("import ") && !bare.starts_with("export "),
                "{line}"
            );
        }
        assert!(!STYLE.contains("</style"));
    }

    #[test]
    fn no_two_modules_have_the_same_name() {
        let script = script();
        let mut names: Vec<&str> = script
            .lines()
            .filter_map(|line| {
                let kinds = ["async function ", "function ", "const ", "let ", "class "];
                let rest = kinds.iter().find_map(|kind| line.strip_prefix(kind))?;
                rest.split(|c: char| !c.is_alphanumeric() && c != '_')
                    .next()
            })
            .collect();
        let all = names.len();
        names.sort_unstable();
        let twice = names.windows(2).find(|pair| pair[0] == pair[1]);
        assert_eq!(twice, None);
        assert!(all > 30, "{all}");
    }

    #[test]
    fn nothing_makes_markup_of_text_or_loads_anything() {
        let script = script();
        for word in [
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "new Function",
            "fetch(",
            "XMLHttpRequest",
            "WebSocket",
            "import(",
            "setAttribute(\"style\"",
            "srcdoc",
        ] {
            assert!(!script.contains(word), "{word}");
        }
        let page = made("t");
        for word in ["http://", "https://", "src=", "@import", "url("] {
            assert!(!page.contains(word), "{word}");
        }
    }

    #[test]
    fn the_policy_names_the_hashes_of_what_is_there() {
        let page = made("t");
        let between = |from: &str, to: &str| {
            let rest = &page[page.rfind(from).unwrap() + from.len()..];
            rest[..rest.find(to).unwrap()].to_string()
        };
        let script = between("<script>", "</script>");
        let style = between("<style>", "</style>");
        assert!(page.contains(&format!("script-src '{}'", hash(&script))));
        assert!(page.contains(&format!("style-src '{}'", hash(&style))));
        assert!(page.contains("default-src 'none'"));
        // `printf abc | openssl dgst -sha256 -binary | base64`
        assert_eq!(
            hash("abc"),
            "sha256-ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0="
        );
    }

    #[test]
    fn a_title_is_no_markup() {
        let page = made("</title><script>alert(1)</script>&\"'");
        assert!(page.contains(
            "<title>&lt;/title&gt;&lt;script&gt;alert(1)&lt;/script&gt;&amp;&quot;&#39;</title>"
        ));
    }
}
