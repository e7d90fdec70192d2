// The tasks of a trace: columns of rows, who made whom, and how many lived when.

export const PROCESS = 1;
export const BEFORE = 2;
export const INFERRED = 4;
export const ABOVE = 8; // not asked for: it is there to show who created what is

// Data as decoded, with what views need of it.
export function modelOf(data) {
  const size = data.rows;
  const zeros = new Float64Array(size);
  const column = (name) => data.column[name] || zeros;
  const born = column("born");
  const life = column("life");
  const end = new Float64Array(size);
  for (let row = 0; row < size; row += 1) end[row] = life[row] > 0 ? born[row] + life[row] - 1 : Infinity;
  const model = {
    data, size, born, end,
    pid: column("pid"), tid: column("tid"), inner: column("inner"), parent: column("parent"),
    kind: column("kind"), many: column("many"), last: column("last"), nameOf: column("name"),
    howOf: column("how"), site: column("site"), cls: column("class"), stack: column("stack"),
    startOf: column("start"),
    begin: data.begin,
    // A trace of one moment has a length, too.
    until: Math.max(data.end, data.begin + 1),
  };
  model.name = (row) => data.strings[model.nameOf[row]] || "?";
  model.how = (row) => data.strings[model.howOf[row]] || "";
  model.start = (row) => data.strings[model.startOf[row]] || "";
  model.siteLabel = (row) => (model.site[row] > 0 ? data.sites.rows[model.site[row] - 1].label : "");
  model.howStyle = (row) => data.hows[model.howOf[row]] || "plain";
  model.alive = (row) => end[row] === Infinity;
  model.lived = (row) => (Math.min(end[row], data.last) - born[row]) * data.unit;
  model.above = (row) => (model.kind[row] & ABOVE) !== 0;
  model.tasksOf = (row) => (model.above(row) ? 0 : model.many[row] + 1);
  model.label = (row) => (model.many[row] > 0
    ? model.name(row).replace(/\d+/g, "#") + " × " + model.tasksOf(row)
    : model.name(row) + "[" + model.tid[row] + "]");
  Object.assign(model, family(model.parent, size));
  model.named = histories(data.column["named.row"], data.column["named.time"], data.column["named.name"]);
  model.became = histories(data.column["became.row"], data.column["became.time"], data.column["became.exe"]);
  model.curve = data.folded ? bucketCurve(data) : exactCurve(model);
  return model;
}

// Children of each row as ranges of one array; rows in the order of the tree, and how deep they are.
export function family(parent, size) {
  const first = new Uint32Array(size + 2);
  // A damaged file may say that a task made itself, by way of others: such rows have no creator.
  const up = new Int32Array(size);
  for (let row = 0; row < size; row += 1) {
    const above = parent[row] - 1;
    up[row] = above >= 0 && above < size && above !== row ? above : -1;
  }
  cutRings(up);
  for (let row = 0; row < size; row += 1) first[up[row] + 2] += 1;
  for (let row = 1; row < size + 2; row += 1) first[row] += first[row - 1];
  const place = first.slice();
  const list = new Uint32Array(size);
  for (let row = 0; row < size; row += 1) list[place[up[row] + 1]++] = row;
  const order = new Uint32Array(size);
  const depth = new Uint16Array(size);
  const rank = new Uint32Array(size);
  const heap = [];
  const open = (from, to) => {
    for (let index = to; index > from; index -= 1) heap.push(list[index - 1]);
  };
  open(first[0], first[1]);
  for (let next = 0; heap.length > 0; next += 1) {
    const row = heap.pop();
    order[next] = row;
    rank[row] = next;
    depth[row] = up[row] < 0 ? 0 : Math.min(65535, depth[up[row]] + 1);
    open(first[row + 1], first[row + 2]);
  }
  const children = (row) => list.subarray(first[row + 1], first[row + 2]);
  return { up, children, order, depth, rank, roots: list.subarray(first[0], first[1]) };
}

function cutRings(up) {
  const seen = new Uint32Array(up.length); // 0: not yet, else by which walk
  for (let row = 0; row < up.length; row += 1) {
    let at = row;
    while (at >= 0 && seen[at] === 0) {
      seen[at] = row + 1;
      const above = up[at];
      if (above >= 0 && seen[above] === row + 1) up[at] = -1;
      at = above;
    }
  }
}

function histories(rows, times, texts) {
  const out = new Map();
  for (let index = 0; rows && index < rows.length; index += 1) {
    if (!out.has(rows[index])) out.set(rows[index], []);
    out.get(rows[index]).push([times ? times[index] : 0, texts ? texts[index] : 0]);
  }
  return out;
}

// How many values are at most this.
export function upTo(sorted, value) {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] <= value) low = middle + 1;
    else high = middle;
  }
  return low;
}

// Of so many equal stretches: the most that lived in each, and how many were created in it.
export function exactCurve({ born, end, kind, begin, size }) {
  const births = [];
  const creations = [];
  const ends = [];
  for (let row = 0; row < size; row += 1) {
    if (end[row] < begin || kind[row] & ABOVE) continue; // it is known, or shown, as a creator only
    births.push(born[row]);
    if (end[row] !== Infinity) ends.push(end[row]);
    if (!(kind[row] & BEFORE) && born[row] >= begin) creations.push(born[row]);
  }
  const [from, to, made] = [births, ends, creations].map((list) => Float64Array.from(list).sort());
  return (t0, t1, stretches) => {
    const most = new Float64Array(stretches);
    const rates = new Float64Array(stretches);
    let b = upTo(from, t0);
    let e = upTo(to, t0);
    let c = t0 <= begin ? upTo(made, t0 - 1) : upTo(made, t0);
    for (let index = 0; index < stretches; index += 1) {
      const until = t0 + ((t1 - t0) * (index + 1)) / stretches;
      let peak = b - e;
      while (b < from.length && from[b] <= until) {
        while (e < to.length && to[e] <= from[b]) e += 1;
        b += 1;
        if (b - e > peak) peak = b - e;
      }
      while (e < to.length && to[e] <= until) e += 1;
      const before = c;
      while (c < made.length && made[c] <= until) c += 1;
      most[index] = peak;
      rates[index] = c - before;
    }
    return { most, rates };
  };
}

// The same where rows stand for many tasks: by the counts that the data has in stretches of its own.
export function bucketCurve({ column, begin, end }) {
  const live = column["curve.most"] || new Float64Array(1);
  const buckets = live.length;
  const created = column["curve.created"] || new Float64Array(buckets);
  const length = Math.max(1, end - begin);
  return (t0, t1, stretches) => {
    const most = new Float64Array(stretches);
    const rates = new Float64Array(stretches);
    for (let index = 0; index < stretches; index += 1) {
      const from = ((t0 + ((t1 - t0) * index) / stretches - begin) / length) * buckets;
      const to = ((t0 + ((t1 - t0) * (index + 1)) / stretches - begin) / length) * buckets;
      for (let bucket = Math.max(0, Math.floor(from)); bucket < Math.min(buckets, to); bucket += 1) {
        const share = Math.min(to, bucket + 1) - Math.max(from, bucket);
        most[index] = Math.max(most[index], live[bucket]);
        rates[index] += created[bucket] * Math.max(0, share);
      }
    }
    return { most, rates };
  };
}

// The frames of a row's creator, the innermost first, why they end there, and whether there are more.
export function framesOf(model, row, mostFrames = 256) {
  const { column, frames, strings } = model.data;
  const up = column["node.up"];
  const frame = column["node.frame"];
  const ends = column["node.end"];
  let node = model.stack[row] - 1;
  if (node < 0 || (!frame && !frames.length)) return null;
  const end = strings[ends ? ends[node] : 0] || "";
  const list = [];
  while (node >= 0 && list.length < mostFrames) {
    const [name, module, address, file, line, trust, inlined] = frames[frame ? frame[node] : 0] || [];
    list.push({
      name: strings[name] || "", module: strings[module] || "", address, file: strings[file] || "", line,
      trust: strings[trust] || "", inlined: Boolean(inlined),
    });
    const above = up ? up[node] - 1 : -1;
    node = above < node ? above : -1;
  }
  return { list, end, more: node >= 0 };
}
