#!/usr/bin/env bash
# The page of `tidview report`: its plain functions by node, and whole pages in a real browser (Chromium).
# What is missing is said loudly, and skipped; with CI set it is an error.
set -euo pipefail
cd "$(dirname "$0")/../.."

skip() {
    echo "SKIPPED: $*" >&2
    [ -z "${CI:-}" ] || exit 1
    exit 0
}

command -v node >/dev/null || skip "the page's tests need node (Debian: nodejs)"
node --test tests/report/pure.test.mjs

command -v chromium >/dev/null || skip "the page in a browser needs chromium (Debian: chromium)"
command -v chromedriver >/dev/null || skip "the page in a browser needs chromedriver (Debian: chromium-driver)"
pages=$(mktemp -d)
trap 'rm -rf "$pages"' EXIT
TIDLINE_REPORT_PAGES=$pages cargo test --quiet --package tidline-viewer --test view report::
timeout 180 node tests/report/browser.mjs "$pages"
