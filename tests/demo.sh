#!/bin/sh
# The main job on a real program: builds everything, records the build of the viewer (cargo, rustc
# and its code generation threads, the linker), and shows what was recorded.
set -eu
cd "$(dirname "$0")/.."
cargo build --release
trace=target/demo.tid
touch viewer/src/main.rs
target/release/tidrec --force -o "$trace" -- cargo build --release
for view in info "timeline --limit 20" "timeline --lanes" tree; do
    printf '\n$ tidview %s %s\n\n' "$view" "$trace"
    # shellcheck disable=SC2086 # the view is words
    target/release/tidview $view "$trace"
done
