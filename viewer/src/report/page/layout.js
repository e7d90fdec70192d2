// Where things are on the timeline: times to columns, tasks to lanes, and what is drawn where many
// tasks share a pixel. All of it is plain numbers.

// Round steps, ns.
const STEPS = [60, 120, 300, 600, 1800, 3600, 7200, 21600, 43200, 86400].map((seconds) => seconds * 1e9);

// Moments for an axis with at most so many of them, in a trace's units, and their step in ns. They are
// round by a clock that is so many ns ahead.
export function ticks(t0, t1, unit, most, offset = 0) {
  const least = ((t1 - t0) * unit) / Math.max(1, most);
  let step = STEPS.find((one) => one >= least);
  if (least <= 30e9) {
    const power = 10 ** Math.floor(Math.log10(Math.max(1, least)));
    step = [1, 2, 5, 10].map((digit) => digit * power).find((one) => one >= least * 0.999999);
  } else if (step === undefined) {
    step = Math.ceil(least / 86400e9) * 86400e9;
  }
  const list = [];
  const first = Math.ceil((t0 * unit + offset) / step);
  for (let index = first; list.length <= most + 1 && index * step - offset <= t1 * unit; index += 1) {
    list.push((index * step - offset) / unit);
  }
  return { list, step };
}

// The span after zooming by a factor around a time: within the trace, and no shorter than 10 units.
export function zoomed({ t0, t1 }, at, factor, { begin, until }) {
  const whole = until - begin;
  const length = Math.min(whole, Math.max(Math.min(10, whole), (t1 - t0) * factor));
  const part = t1 > t0 ? (at - t0) / (t1 - t0) : 0.5;
  return moved({ t0: at - length * part, t1: at - length * part + length }, 0, { begin, until });
}

// The span moved by a time, within the trace.
export function moved({ t0, t1 }, by, { begin, until }) {
  const length = Math.min(t1 - t0, until - begin);
  const from = Math.min(Math.max(t0 + by, begin), until - length);
  return { t0: from, t1: from + length };
}

// How high lanes are, and which is the first, for a state on so many pixels. Lane height 0 means that
// all of them fit, up to a comfortable height.
export function lanesOf({ lane, top }, size, height) {
  const fit = height / Math.max(1, size);
  const high = lane > 0 ? Math.max(lane, Math.min(fit, 18)) : Math.min(fit, 18);
  const shown = height / high;
  return { high, shown, top: Math.min(Math.max(0, top), Math.max(0, size - shown)) };
}

// Rows in the order of their lanes, and each row's lane.
export function ordered(model, order) {
  const { size, born, end } = model;
  if (order === "tree") return { rows: model.order, lane: model.rank };
  const rows = Uint32Array.from({ length: size }, (_, row) => row);
  const last = model.data.end;
  const life = (row) => Math.min(end[row], last) - born[row];
  if (order === "birth") rows.sort((a, b) => born[a] - born[b] || a - b);
  if (order === "life") rows.sort((a, b) => life(b) - life(a) || a - b);
  if (order === "name") {
    const { strings } = model.data;
    const rank = new Uint32Array(strings.length);
    const sorted = strings.map((_, index) => index);
    sorted.sort((a, b) => (strings[a] < strings[b] ? -1 : strings[a] > strings[b] ? 1 : 0));
    sorted.forEach((index, place) => { rank[index] = place; });
    rows.sort((a, b) => rank[model.nameOf[a]] - rank[model.nameOf[b]] || a - b);
  }
  const lane = new Uint32Array(size);
  rows.forEach((row, place) => { lane[row] = place; });
  return { rows, lane };
}

// How much of each cell of a grid is covered by lives: `columns` across the span, `lines` down the
// lanes from `top`, `per` lanes each. `flags`, if given, says which rows count. A cell's number is how
// many lives touch it; each life changes two cells, and one pass sums them up.
export function density(model, rows, flags, { t0, t1, top, per, columns, lines }) {
  const grid = new Float32Array((columns + 1) * lines);
  const { born, end, until } = model;
  const from = Math.max(0, Math.floor(top));
  const to = Math.min(rows.length, Math.ceil(top + per * lines));
  const scale = columns / (t1 - t0);
  for (let lane = from; lane < to; lane += 1) {
    const row = rows[lane];
    const last = Math.min(end[row], until);
    if (last < t0 || born[row] > t1 || (flags && !flags[row])) continue;
    const line = Math.min(lines - 1, Math.floor((lane - top) / per));
    if (line < 0) continue;
    const x0 = Math.max(0, Math.floor((born[row] - t0) * scale));
    const x1 = Math.min(columns - 1, Math.floor((last - t0) * scale));
    if (x0 > columns - 1) continue;
    grid[line * (columns + 1) + x0] += 1;
    grid[line * (columns + 1) + Math.max(x0, x1) + 1] -= 1;
  }
  for (let line = 0; line < lines; line += 1) {
    let sum = 0;
    for (let x = 0, cell = line * (columns + 1); x <= columns; x += 1, cell += 1) {
      sum += grid[cell];
      grid[cell] = sum;
    }
  }
  return grid;
}
