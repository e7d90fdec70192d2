//! Completions and manual pages tell of every command.

use crate::support::{prints, tidview};

#[test]
fn shells_learn_of_every_command_and_format() {
    for shell in ["bash", "zsh", "fish"] {
        let script = prints(&["completions", shell]);
        for word in [
            "timeline", "export", "scrub", "merge", "perfetto", "ndjson", "since",
        ] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
    assert_eq!(tidview(&["completions", "csh"]).code, Some(2));
}

#[test]
fn manual_pages_are_of_tidview_and_of_each_command() {
    let page = prints(&["man"]).replace("\\-", "-");
    assert!(page.contains(".TH tidview 1"), "{page}");
    assert!(page.contains("tidview-export(1)"), "{page}");
    let page = prints(&["man", "export"]).replace("\\-", "-");
    assert!(page.contains(".TH tidview-export 1"), "{page}");
    assert!(
        page.contains("tidview export server.tid --to perfetto"),
        "{page}"
    );
    assert!(page.contains("--max-nodes"), "{page}");
    let run = tidview(&["man", "frob"]);
    assert!(
        run.err
            .starts_with("tidview: there is no command frob; there are info, timeline, "),
        "{}",
        run.err
    );
}
