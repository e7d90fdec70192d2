// Two runs of a page, compared: classes of tasks, and which of them each task of the run on the timeline
// is of. What is a change was worked out by `tidview diff`.

export const RUNS = ["old", "new"];

// Each kind of change by a sign, too: colour is never all that tells it.
export const KINDS = {
  new: { sign: "+", words: "new" }, gone: { sign: "−", words: "gone" }, grown: { sign: "▲", words: "grown" },
  shrunk: { sign: "▼", words: "shrunk" }, otherwise: { sign: "≠", words: "otherwise" }, same: { sign: "=", words: "same" },
};

// The run that an address asks for.
export function runIn(fragment) {
  return /(^#?|&)run=old(&|$)/.test(fragment) ? "old" : "new";
}

// Adds to a run's model which class of the comparison each row is of, plus one.
export function withComparison(model, comparison, run) {
  const { rows } = comparison;
  const side = RUNS.indexOf(run);
  const places = new Map();
  rows.forEach((row, index) => { if (row.places[side] > 0) places.set(row.places[side], index + 1); });
  const column = model.data.column.compared;
  const dif = new Uint32Array(model.size);
  for (let row = 0; column && row < model.size; row += 1) dif[row] = places.get(column[row]) || 0;
  return Object.assign(model, { comparison, run, dif, changeOf: (row) => (dif[row] > 0 ? rows[dif[row] - 1].kind : "same") });
}

// How many classes are of each kind, those that changed only.
export function kindsOf(rows) {
  const numbers = new Map();
  for (const { kind } of rows) numbers.set(kind, (numbers.get(kind) || 0) + 1);
  return Object.keys(KINDS).filter((kind) => kind !== "same" && numbers.has(kind)).map((kind) => [kind, numbers.get(kind)]);
}

// `12 → 6`, `- → 3`, or one number where both are the same.
export function bothOf(row, told) {
  const [old, now] = RUNS.map((run) => (row[run] ? told(row[run]) : "-"));
  return old === now ? now : old + " → " + now;
}

// The other run's curve of tasks alive, at so many moments of a span of this one's: both are counted from
// the beginnings of what is compared. `NaN` where the other run is not any more, or not yet.
export function otherCurve({ comparison, run, data }, t0, t1, moments) {
  const curve = comparison.curves[run === "new" ? 0 : 1];
  const first = comparison.begins_ns[RUNS.indexOf(run)] / data.unit;
  const whole = comparison.span_ns / data.unit / 256;
  return Float64Array.from({ length: moments }, (_, index) => {
    const [from, to] = [0, 1].map((more) => (t0 + ((t1 - t0) * (index + more)) / moments - first) / whole);
    let most = NaN;
    for (let place = Math.max(0, Math.floor(from)); place < Math.min(curve.length, Math.max(to, Math.floor(from) + 1)); place += 1) {
      most = most >= curve[place] ? most : curve[place];
    }
    return most;
  });
}
