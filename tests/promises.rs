//! The table of promises names tests; each of them is there.

use std::path::Path;

#[test]
fn each_promise_has_its_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(root.join("docs/promises.md")).expect("the promises");
    let named = text.split('`').filter_map(|word| word.split_once("::"));
    let mut count = 0;
    for (file, test) in named {
        let path = root.join("tests").join(format!("{file}.rs"));
        let source = std::fs::read_to_string(&path);
        let source = source.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let there = source.contains(&format!("#[test]\nfn {test}()"));
        assert!(there, "{file}::{test} is promised, and is not there");
        count += 1;
    }
    assert!(count > 40, "only {count} tests are named");
}
