#!/usr/bin/env bash
# Has the programs that tidview exports for read what it exports: Graphviz, Mermaid, DuckDB, PyArrow, Spark, and for
# Perfetto its own schema; and shells and groff what is made for them.
#
#   tests/consumers/run.sh [--install | --install-all] [TIDVIEW]
#
# What is not installed is skipped, loudly. --install gets what is small (Debian's graphviz, and DuckDB, PyArrow
# and Perfetto's schema from PyPI) into target/consumers; --install-all gets Spark (with a JDK at hand) and Mermaid,
# too. trace_processor itself comes from no registry: it is used where TRACE_PROCESSOR names it.
set -euo pipefail
cd "$(dirname "$0")/../.."
here=$PWD/tests/consumers
home=${CONSUMERS_HOME:-$PWD/target/consumers}
passed=0 failed=0 skipped=0

install=
case ${1:-} in --install | --install-all) install=$1 && shift ;; esac
if [ -n "$install" ]; then
    command -v dot >/dev/null || {
        apt-get update -qq && apt-get install -y -qq --no-install-recommends graphviz >/dev/null
    } || echo "!! Graphviz cannot be installed" >&2
    packages=(duckdb pyarrow perfetto protobuf)
    [ "$install" = --install ] || packages+=(pyspark)
    { python3 -m venv "$home/venv" && "$home/venv/bin/pip" -q install "${packages[@]}"; } \
        || echo "!! ${packages[*]} cannot be installed" >&2
    if [ "$install" = --install-all ]; then
        mkdir -p "$home/node"
        npm --prefix "$home/node" install --silent mermaid jsdom || echo "!! Mermaid cannot be installed" >&2
    fi
fi
python=python3
[ ! -x "$home/venv/bin/python" ] || python=$home/venv/bin/python

tidview=${1:-}
if [ -z "$tidview" ]; then
    cargo build --quiet --locked -p tidline-viewer
    tidview=${CARGO_TARGET_DIR:-target}/debug/tidview
fi
tidview=$(realpath "$tidview")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

traces=(testdata/traces/v1/*.tid testdata/export/*.tid)

check() { # check WHAT COMMAND…
    local what=$1
    shift
    if "$@" >"$work/log" 2>&1; then
        echo "ok       $what"
        passed=$((passed + 1))
    else
        echo "FAILED   $what"
        sed 's/^/         /' "$work/log"
        failed=$((failed + 1))
    fi
}

skip() { # skip WHAT WHY
    echo "!! SKIPPED $1: $2" >&2
    skipped=$((skipped + 1))
}

has() { "$python" -c "import $1" 2>/dev/null; }

export_all() { # export_all FORMAT
    for trace in "${traces[@]}"; do
        "$tidview" export "$trace" --to "$1" -o "$work/$(basename "$trace" .tid).$1" 2>/dev/null
        "$tidview" export "$trace" --to ndjson -o "$work/$(basename "$trace" .tid).ndjson" --force 2>/dev/null
    done
}

for format in perfetto chrome firefox dot mermaid; do
    export_all "$format"
done
for trace in "${traces[@]}"; do
    # Traces of one host are told apart by their ids, which these share.
    name=$(basename "$trace" .tid)
    "$tidview" export "$trace" --to parquet -o "$work/one" 2>/dev/null
    find "$work/one" -name '*.parquet' | while read -r file; do
        table=$(echo "${file#"$work/one/"}" | cut -d/ -f1)
        mkdir -p "$work/fleet/$table/host=$name/date=2026-09-21"
        mv "$file" "$work/fleet/$table/host=$name/date=2026-09-21/"
    done
done

for trace in "${traces[@]}"; do
    name=$(basename "$trace" .tid)
    check "chrome, structure: $name" python3 "$here/chrome.py" "$work/$name.chrome" "$work/$name.ndjson"
    check "firefox, structure: $name" python3 "$here/firefox.py" "$work/$name.firefox" "$work/$name.ndjson"
    if has perfetto.protos.perfetto.trace.perfetto_trace_pb2; then
        check "perfetto, its schema: $name" "$python" "$here/perfetto_trace.py" "$work/$name.perfetto" "$work/$name.ndjson"
    else
        skip "perfetto: $name" "no Python package perfetto"
    fi
    if [ -n "${TRACE_PROCESSOR:-}" ]; then
        echo "select count(*) from slice" >"$work/query.sql"
        check "perfetto, trace_processor: $name" "$TRACE_PROCESSOR" -q "$work/query.sql" "$work/$name.perfetto"
    else
        skip "perfetto, trace_processor: $name" "TRACE_PROCESSOR does not name it"
    fi
    if command -v dot >/dev/null; then
        check "graphviz: $name" dot -Tsvg "$work/$name.dot" -o "$work/$name.svg"
        check "graphviz, its text: $name" python3 "$here/svg.py" "$work/$name.svg" "$work/$name.ndjson"
    else
        skip "graphviz: $name" "no command dot"
    fi
    if [ -d "$home/node/node_modules/mermaid" ]; then
        cp "$here/mermaid.mjs" "$home/node/"
        check "mermaid: $name" node "$home/node/mermaid.mjs" "$work/$name.mermaid"
    else
        skip "mermaid: $name" "no package mermaid"
    fi
done
for shell in bash zsh fish; do
    "$tidview" completions "$shell" >"$work/completions.$shell"
    if command -v "$shell" >/dev/null; then
        check "completions: $shell" "$shell" -n "$work/completions.$shell"
    else
        skip "completions: $shell" "no command $shell"
    fi
done
if command -v groff >/dev/null; then
    for command in "" timeline export scrub merge; do
        # shellcheck disable=SC2086 # no word is none
        "$tidview" man $command >"$work/page.1"
        check "man: tidview $command" sh -c "groff -man -Tutf8 -ww '$work/page.1' 2>&1 >/dev/null | (! grep .)"
    done
else
    skip "man" "no command groff"
fi
if has duckdb; then
    check "duckdb, docs/fleet.md" "$python" "$here/fleet.py" "$PWD/docs/fleet.md" "$work"
else
    skip "duckdb" "no Python package duckdb"
fi
if has pyarrow; then
    check "pyarrow" "$python" "$here/arrow.py" "$work"
else
    skip "pyarrow" "no Python package pyarrow"
fi
if has pyspark && command -v java >/dev/null; then
    check "spark" "$python" "$here/spark.py" "$work"
else
    skip "spark" "no Python package pyspark, or no java"
fi

[ "$skipped" = 0 ] || echo "!! $skipped checks were skipped: --install, or --install-all, gets what they need" >&2
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
