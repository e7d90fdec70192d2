// The parts of the page that are plain functions, by node's own test runner: `node --test tests/report/`.

import assert from "node:assert/strict";
import { test } from "node:test";
import zlib from "node:zlib";

import { inflate } from "../../viewer/src/report/page/inflate.js";
import { decode, decodeColumns, fromBase64, inflated } from "../../viewer/src/report/page/decode.js";
import { density, lanesOf, moved, ordered, ticks, zoomed } from "../../viewer/src/report/page/layout.js";
import { bucketCurve, exactCurve, family, framesOf, modelOf } from "../../viewer/src/report/page/model.js";
import { bothOf, kindsOf, otherCurve, runIn, withComparison } from "../../viewer/src/report/page/compare.js";
import { parseQuery, search } from "../../viewer/src/report/page/search.js";
import { fromFragment, toFragment } from "../../viewer/src/report/page/state.js";
import { count, counted, rate, shorten, visible } from "../../viewer/src/report/page/text.js";
import { clockOf, duration, elapsed } from "../../viewer/src/report/page/time.js";

// Bytes that look like data: text, runs, and noise by a seed.
function bytesOf(kind, size) {
  let seed = 7;
  const noise = () => (seed = (seed * 1103515245 + 12345) & 0x7fffffff) >> 8;
  return Uint8Array.from({ length: size }, (_, n) => (kind === "noise" ? noise() : kind === "runs" ? (n >> 9) & 3 : 97 + (noise() % 4)) & 255);
}

test("what deflate packed comes back, by both ways", async () => {
  for (const kind of ["noise", "runs", "text"]) {
    for (const size of [0, 1, 300, 100000]) {
      const bytes = bytesOf(kind, size);
      for (const options of [{ level: 0 }, { level: 9 }, { strategy: zlib.constants.Z_FIXED }]) {
        const packed = new Uint8Array(zlib.deflateRawSync(bytes, options));
        assert.deepEqual(inflate(packed), bytes, `${kind} ${size}`);
      }
    }
  }
  const packed = new Uint8Array(zlib.deflateRawSync(bytesOf("text", 5000)));
  assert.deepEqual(await inflated(packed), bytesOf("text", 5000));
});

test("what is cut or no deflate at all is an error, and no endless loop", () => {
  const packed = new Uint8Array(zlib.deflateRawSync(bytesOf("text", 5000)));
  for (let size = 0; size < packed.length; size += 37) assert.throws(() => inflate(packed.subarray(0, size)));
  assert.throws(() => inflate(Uint8Array.of(7, 0, 0)));
  assert.throws(() => inflate(Uint8Array.of(255, 255, 255, 255)));
});

test("columns are numbers as they were written", () => {
  // 5, 300, 2^53 - 1 as they are; then 10, 7, 7 as differences.
  const big = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f];
  const bytes = Uint8Array.from([5, 0xac, 2, ...big, 20, 5, 0]);
  const columns = decodeColumns([{ name: "a", form: "u", count: 3 }, { name: "b", form: "d", count: 3 }], bytes);
  assert.deepEqual([...columns.a], [5, 300, Number.MAX_SAFE_INTEGER]);
  assert.deepEqual([...columns.b], [10, 7, 7]);
  assert.throws(() => decodeColumns([{ name: "a", form: "u", count: 2 }], Uint8Array.of(1)));
});

test("a page's bytes are a length, JSON and columns", () => {
  const json = new TextEncoder().encode(JSON.stringify({ version: 1, columns: [{ name: "x", form: "u", count: 1 }] }));
  const bytes = new Uint8Array(5 + json.length);
  new DataView(bytes.buffer).setUint32(0, json.length, true);
  bytes.set(json, 4);
  bytes[4 + json.length] = 9;
  assert.deepEqual([...decode(fromBase64(Buffer.from(bytes).toString("base64"))).column.x], [9]);
  bytes[4 + 11] = "2".charCodeAt(0);
  assert.throws(() => decode(bytes), /another version/);
});

// main (there before) made a and b; b made c. b lives.
function made(more = {}) {
  return modelOf({
    rows: 4, tasks: 4, unit: 1, begin: 0, end: 100, last: 100, utc: false, folded: false, points: [],
    anchors: [[0, 1790000000000, 7, 7200]],
    strings: ["", "main", "worker-1", "worker-2", "exit 0", "alive", "killed by SIGSEGV", "start_pool", "/bin/app", "the map"],
    hows: { 4: "plain", 5: "good", 6: "bad" },
    sites: { rows: [{ label: "grow (pool.c:12)" }, { label: "main (main.c:3)" }] },
    leaks: { rows: [{ label: "grow (pool.c:12)" }] },
    frames: [[7, 8, "0x10", 0, 12, 0, 0], [1, 8, "0x20", 0, 0, 0, 1]],
    column: {
      tid: [1, 11, 12, 13], pid: [1, 1, 1, 1], parent: [0, 1, 1, 3], kind: [3, 0, 0, 0],
      born: [0, 10, 20, 30], life: [0, 21, 0, 11], name: [1, 2, 3, 2], how: [5, 4, 5, 6],
      site: [0, 1, 1, 2], class: [0, 0, 1, 0], stack: [0, 2, 2, 1],
      "node.up": [0, 1], "node.frame": [1, 0], "node.end": [9, 9],
      "became.row": [0], "became.time": [0], "became.exe": [8],
      ...more,
    },
  });
}

test("tasks are under who made them, and rings of damaged files are cut", () => {
  const model = made();
  assert.deepEqual([...model.order], [0, 1, 2, 3]);
  assert.deepEqual([...model.depth], [0, 1, 1, 2]);
  assert.deepEqual([...model.children(0)], [1, 2]);
  assert.equal(model.label(1), "worker-1[11]");
  // 0 made 1, 1 made 2, 2 made 0; 3 made itself.
  const ring = family([3, 1, 2, 4], 4);
  assert.equal(ring.order.length, 4);
  assert.deepEqual([...ring.order].sort(), [0, 1, 2, 3]);
});

test("how many lived at most, and how many were created, in each stretch", () => {
  const model = made();
  const { most, rates } = exactCurve(model)(0, 100, 10);
  // main 0-, a 10-30, b 20-, c 30-40: a had ended when c was born.
  assert.deepEqual([...most], [2, 3, 3, 3, 2, 2, 2, 2, 2, 2]);
  assert.deepEqual([...rates], [1, 1, 1, 0, 0, 0, 0, 0, 0, 0]);
  const folded = bucketCurve({ begin: 0, end: 100, column: { "curve.most": [3, 2], "curve.created": [2, 1] } });
  const { most: live, rates: births } = folded(0, 100, 2);
  assert.deepEqual([[...live], [...births]], [[3, 2], [2, 1]]);
});

test("a stack is its functions, the innermost first, and why it ends", () => {
  const { list, end, more } = framesOf(made(), 1);
  assert.deepEqual(list.map(({ name, inlined }) => [name, inlined]), [["start_pool", false], ["main", true]]);
  assert.deepEqual([end, more], ["the map", false]);
  assert.equal(framesOf(made(), 0), null);
});

test("words must all be there, fields look in one place, a minus excludes", () => {
  assert.deepEqual(parseQuery('tid:12 -worker "two words" nofield:x'), [
    { field: "tid", word: "12", not: false }, { field: "", word: "worker", not: true },
    { field: "", word: "two words", not: false }, { field: "", word: "nofield:x", not: false },
  ]);
  const model = made();
  const rows = (text) => [...search(model, text).flags].flatMap((is, row) => (is ? [row] : []));
  assert.deepEqual(rows("WORKER"), [1, 2, 3]);
  assert.deepEqual(rows("tid:12"), [2]);
  assert.deepEqual(rows("1"), [0, 1, 2, 3]);
  assert.deepEqual(rows("site:pool.c -name:worker-2"), [1]);
  assert.deepEqual(rows("how:sigsegv"), [3]);
  assert.deepEqual(rows("exe:/bin"), [0]);
  assert.deepEqual(rows("nothing such"), []);
  assert.equal(search(model, "  "), null);
});

test("what is seen is in the fragment, and comes back", () => {
  const model = made();
  const first = fromFragment("", model);
  assert.equal(toFragment(first, model), "");
  const seen = { ...first, t0: 10, t1: 35.5, lane: 14, top: 1.25, sel: 3, cls: 1, tab: "leaks", q: "a&b=c #d", order: "life", clock: "utc", theme: "dark" };
  assert.deepEqual(fromFragment("#" + toFragment(seen, model), model), seen);
});

test("of a fragment that somebody made up only what can be shown is taken", () => {
  const model = made();
  const first = fromFragment("", model);
  for (const bad of ["t=50~10", "t=-5~300", "t=x", "t=5~", "t=~9", "sel=99", "sel=-7", "site=3", "tab=<b>", "clock=moon", "lane=1e9", "q=%E0%A4%A", "top=NaN", "__proto__=1", "t=", "sel="]) {
    assert.deepEqual(fromFragment("#" + bad, model), first, bad);
  }
});

test("axes have round steps, by the clock that they show", () => {
  assert.deepEqual(ticks(0, 10e9, 1, 5), { list: [0, 2e9, 4e9, 6e9, 8e9, 10e9], step: 2e9 });
  assert.deepEqual(ticks(0, 2e9, 1, 2, 0.4e9).list, [0.6e9, 1.6e9]);
  assert.equal(ticks(0, 3600e9, 1, 8).step, 600e9);
  assert.equal(ticks(0, 86400e9 * 100, 1, 7).step, 86400e9 * 15);
  assert.ok(ticks(5, 6, 1, 8).list.length <= 9);
});

test("zooming keeps the place, and the trace's ends", () => {
  const bounds = { begin: 0, until: 1000 };
  assert.deepEqual(zoomed({ t0: 0, t1: 1000 }, 500, 0.5, bounds), { t0: 250, t1: 750 });
  assert.deepEqual(zoomed({ t0: 0, t1: 100 }, 0, 100, bounds), { t0: 0, t1: 1000 });
  const close = zoomed({ t0: 0, t1: 20 }, 10, 0.001, bounds);
  assert.equal(close.t1 - close.t0, 10);
  assert.deepEqual(moved({ t0: 900, t1: 950 }, 200, bounds), { t0: 950, t1: 1000 });
});

test("lanes fit, or are as high as they should be", () => {
  assert.deepEqual(lanesOf({ lane: 0, top: 5 }, 10, 360), { high: 18, shown: 20, top: 0 });
  assert.equal(lanesOf({ lane: 0, top: 0 }, 3600, 360).high, 0.1);
  assert.deepEqual(lanesOf({ lane: 12, top: 9999 }, 3600, 360), { high: 12, shown: 30, top: 3570 });
  const model = made();
  assert.deepEqual([...ordered(model, "life").rows], [0, 2, 1, 3]);
  assert.deepEqual([...ordered(model, "name").rows], [0, 1, 3, 2]);
});

test("a cell is as dark as lives touch it", () => {
  const model = made();
  const grid = density(model, model.order, null, { t0: 0, t1: 100, top: 0, per: 2, columns: 10, lines: 2 });
  const line = (number) => [...grid.slice(number * 11, number * 11 + 10)];
  assert.deepEqual(line(0), [1, 2, 2, 2, 1, 1, 1, 1, 1, 1]);
  assert.deepEqual(line(1), [0, 0, 1, 2, 2, 1, 1, 1, 1, 1]);
});

test("ten thousand lanes are drawn in less than a frame's time or two", () => {
  const size = 10000;
  const rows = Uint32Array.from({ length: size }, (_, row) => row);
  const model = { born: Float64Array.from(rows), end: Float64Array.from(rows, (row) => row + 500), until: size };
  const span = { t0: 0, t1: size, top: 0, per: size / 600, columns: 2000, lines: 600 };
  density(model, rows, null, span);
  const began = performance.now();
  for (let turn = 0; turn < 5; turn += 1) density(model, rows, null, span);
  assert.ok((performance.now() - began) / 5 < 60);
});

test("text that would control or reorder is visible", () => {
  assert.equal(visible("a\u001b[31m\u202eb\u200b\n\u{e0041}"), "a\\x1b[31m\\u{202e}b\\u{200b}\\n\\u{e0041}");
  assert.equal(visible("スレッド <b> réseau \u{1f600}"), "スレッド <b> réseau \u{1f600}");
  assert.equal(visible("\ud800x"), "\\u{d800}x");
  assert.equal(shorten("x".repeat(10000), 9), "xxxx…xxxx");
  assert.equal(shorten("short", 9), "short");
  assert.equal(shorten("\u{1f600}".repeat(20), 3), "\u{1f600}…\u{1f600}");
  assert.deepEqual([count(1234567), counted(1, "task"), counted(2, "site"), rate(0.5)], ["1,234,567", "1 task", "2 sites", "0.50"]);
});

test("times are told by the recorded clock, in its zone or in UTC", () => {
  assert.deepEqual([999, 1500, 69.7e6, 1e9, 125e9, 7200e9].map(duration), ["999 ns", "1.50 µs", "69.7 ms", "1.00 s", "2m05s", "2h00m"]);
  assert.deepEqual([elapsed(1.5e9), elapsed(2e9, 1e9), elapsed(3723e9, 1e9)], ["+1.500000s", "+2s", "+1h02m03s"]);
  const data = { begin: 0, end: 5e9, unit: 1, anchors: [[0, 1790000000000, 7, 7200], [4e9, 1790000000000, 0, 3600]] };
  assert.equal(clockOf(data, "local").long(1.5e9), "16:13:21.500000");
  assert.equal(clockOf(data, "utc").long(1.5e9), "14:13:21.500000");
  assert.equal(clockOf(data, "local").zone(), "+02:00");
  // The clock was set back, and the zone changed.
  assert.equal(clockOf(data, "local").long(4e9), "15:13:20.000000");
  assert.equal(clockOf({ ...data, end: 86400e9 }, "utc").long(0), "2026-09-21 14:13:20.000000");
});

test("who is shown as a creator only is in no count and no curve", () => {
  const model = made({ kind: [8, 0, 8, 0] });
  assert.deepEqual([0, 1, 2, 3].map((row) => model.tasksOf(row)), [0, 1, 0, 1]);
  assert.deepEqual([...model.curve(0, 100, 4).most], [1, 1, 0, 0]);
});

const figures = (created, alive) => ({ created, alive, exited: created - alive, peak: alive, rate_per_s: null, life_p50_ns: null, life_p99_ns: null });
const comparison = {
  span_ns: 256, begins_ns: [0, 0], curves: [[1, 2, 3, 4], Array(256).fill(7)],
  rows: [
    { kind: "grown", label: "w", places: [2, 1], old: figures(1, 0), new: figures(3, 2), curves: [[1], [2]] },
    { kind: "gone", label: "log", places: [1, 0], old: figures(1, 1), new: null, curves: [[1], null] },
    { kind: "same", label: "main", places: [3, 2], old: figures(1, 1), new: figures(1, 1), curves: [[1], [1]] },
  ],
};

test("each row of a run is of a class of the comparison", () => {
  const now = withComparison(made({ compared: [2, 1, 1, 0] }), comparison, "new");
  assert.deepEqual([...now.dif], [3, 1, 1, 0]);
  assert.deepEqual([0, 1, 3].map((row) => now.changeOf(row)), ["same", "grown", "same"]);
  const old = withComparison(made({ compared: [3, 2, 1, 9] }), comparison, "old");
  assert.deepEqual([...old.dif], [3, 1, 2, 0]);
  assert.deepEqual(kindsOf(comparison.rows), [["gone", 1], ["grown", 1]]);
  assert.equal(bothOf(comparison.rows[0], ({ created }) => count(created)), "1 → 3");
  assert.equal(bothOf(comparison.rows[1], ({ created }) => count(created)), "1 → -");
  assert.equal(bothOf(comparison.rows[2], ({ created }) => count(created)), "1");
});

test("the other run's curve is told by its own time, and only while there is one", () => {
  const model = withComparison(made(), comparison, "new");
  Object.assign(model.data, { first: 0 });
  assert.deepEqual([...otherCurve(model, 0, 8, 4)], [2, 4, NaN, NaN]);
  assert.deepEqual([...otherCurve(model, 1, 2, 2)], [2, 2]);
  assert.deepEqual([...otherCurve({ ...model, run: "old" }, 0, 4, 2)], [7, 7]);
  // What is compared may begin later than the run.
  const later = { ...model.comparison, begins_ns: [100, 4] };
  assert.deepEqual([...otherCurve({ ...model, comparison: later }, 0, 12, 6)], [NaN, NaN, 2, 4, NaN, NaN]);
});

test("an address says which run is seen, and a page of one run has no other", () => {
  assert.deepEqual(["", "#run=old", "#tab=sites&run=old&sel=1", "#q=run=old", "#run=older"].map(runIn), ["new", "old", "old", "new", "new"]);
  const both = withComparison(made(), comparison, "old");
  const state = fromFragment("#run=old&dif=2&paint=end&tab=changes", both);
  assert.deepEqual([state.run, state.dif, state.paint, state.tab], ["old", 2, "end", "changes"]);
  assert.equal(toFragment(state, both), "run=old&dif=2&paint=end");
  const one = fromFragment("#run=old&dif=2&paint=change&tab=changes", made());
  assert.deepEqual([one.run, one.dif, one.paint, one.tab], ["new", 0, "end", "tree"]);
});
