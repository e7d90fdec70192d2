// The lists under the timeline: the tree, all tasks (what the canvas shows, as a table), sites, leaks,
// and what happened at a moment.

import { PROCESS, BEFORE } from "./model.js";
import { byId, el } from "./dom.js";
import { RowTable } from "./rows.js";
import { count, rate, shorten } from "./text.js";
import { duration } from "./time.js";
import { bothTold, changeWord } from "./changes.js";

// Rows that a tree opens with at most.
const MOST_OPEN = 2000;

const born = (app, row) => (app.model.kind[row] & BEFORE ? "before" : app.clock.long(app.model.born[row]));
const lived = (app, row) => (app.model.kind[row] & BEFORE ? ">" : "") + duration(app.model.lived(row));
const how = (app, row) => el("span", { class: app.model.howStyle(row), text: app.model.how(row) });
const chosen = (app, row) => ({
  class: (row === app.state.sel ? "selected" : "") + ((app.flags && !app.flags[row]) || app.model.above(row) ? " off" : ""),
  "aria-selected": row === app.state.sel ? "true" : "false",
});

export function tablesOf(app) {
  const tables = { tree: treeOf(app), tasks: tasksOf(app), sites: sitesOf(app), leaks: leaksOf(app), events: eventsOf(app) };
  if (app.model.comparison) tables.changes = changesOf(app);
  for (const [name, { table }] of Object.entries(tables)) byId("tab-" + name).append(table.element);
  return tables;
}

function treeOf(app) {
  const { model } = app;
  const open = new Uint8Array(model.size);
  if (model.size <= MOST_OPEN) open.fill(1);
  else for (const root of model.roots) open[root] = 1;
  let rows = [];
  let kept = null;
  const table = new RowTable({
    label: "Tasks under who created them",
    columns: [
      { title: "Task", width: "minmax(11rem, 3fr)" }, { title: "What", width: "5rem", kind: "narrow" },
      { title: "Born", width: "minmax(8.5rem, 1fr)" }, { title: "Lived", width: "6rem", kind: "number" },
      { title: "End", width: "minmax(5rem, 1fr)" },
    ],
    cells: (index) => {
      const row = rows[index];
      const has = model.children(row).length > 0;
      const name = el("span", { class: "name" },
        el("span", { class: "twist" + (has ? "" : " leaf"), "aria-hidden": "true", text: has ? (open[row] ? "▾" : "▸") : "·",
          on: { click: (event) => { event.stopPropagation(); toggle(row); } } }),
        el("span", { text: shorten(model.label(row), 200) }));
      name.style.paddingLeft = Math.min(model.depth[row], 24) * 14 + "px";
      return [name, model.kind[row] & PROCESS ? "process" : "thread", born(app, row), lived(app, row), how(app, row)];
    },
    traits: (index) => ({
      ...chosen(app, rows[index]), "aria-level": model.depth[rows[index]] + 1,
      "aria-expanded": model.children(rows[index]).length > 0 ? String(Boolean(open[rows[index]])) : null,
    }),
    pick: (index) => app.select(rows[index]),
    key: (event, index) => {
      const row = rows[index];
      if (row === undefined) return false;
      if (event.key === "ArrowRight" && !open[row] && model.children(row).length > 0) toggle(row);
      else if (event.key === "ArrowLeft" && open[row] && model.children(row).length > 0) toggle(row);
      else if (event.key === "ArrowLeft" && model.up[row] >= 0) table.reveal(rows.indexOf(model.up[row]));
      else return event.key.startsWith("Arrow");
      return true;
    },
  });
  table.element.setAttribute("role", "treegrid");

  function toggle(row) {
    open[row] = open[row] ? 0 : 1;
    draw();
  }

  // With something highlighted only that is there, and who led to it.
  function wanted() {
    if (!app.flags) return null;
    const keep = new Uint8Array(model.size);
    for (let row = 0; row < model.size; row += 1) {
      for (let at = app.flags[row] ? row : -1; at >= 0 && !keep[at]; at = model.up[at]) keep[at] = 1;
    }
    return keep;
  }

  function draw() {
    if (kept === null || kept.key !== app.flagsKey) {
      kept = { key: app.flagsKey, rows: wanted() };
      if (kept.rows) for (let row = 0; row < model.size; row += 1) if (kept.rows[row]) open[row] = 1;
    }
    rows = [];
    let hidden = Infinity; // below this depth nothing is shown, until it is left
    for (const row of model.order) {
      if (model.depth[row] > hidden) continue;
      hidden = Infinity;
      if (kept.rows && !kept.rows[row]) continue;
      rows.push(row);
      if (!open[row]) hidden = model.depth[row];
    }
    table.resize(rows.length);
  }

  function show(row) {
    let closed = false;
    for (let at = model.up[row]; at >= 0; at = model.up[at]) {
      closed = closed || !open[at];
      open[at] = 1;
    }
    if (closed) draw();
    const index = rows.indexOf(row);
    if (index >= 0) table.reveal(index);
    else table.draw();
  }
  return { table, draw, show };
}

// Orders of a table: which column, and which way.
function sorter(first, direction, redraw) {
  const by = { column: first, direction };
  by.turn = (column) => {
    by.direction = by.column === column ? -by.direction : ["name", "label", "verdict", "kind"].includes(column) ? 1 : -1;
    by.column = column;
    redraw();
  };
  by.compare = (a, b) => (a < b ? -by.direction : a > b ? by.direction : 0);
  return by;
}

function tasksOf(app) {
  const { model } = app;
  let rows = [];
  let made = "";
  const keys = {
    tid: (row) => model.tid[row], pid: (row) => model.pid[row], name: (row) => model.name(row),
    born: (row) => model.born[row], lived: (row) => model.lived(row), how: (row) => model.how(row),
    label: (row) => model.siteLabel(row),
  };
  const by = sorter("born", 1, () => draw());
  const table = new RowTable({
    label: "All tasks",
    columns: [
      { title: "Name", width: "minmax(6rem, 2fr)", sort: "name" }, { title: "TID", width: "4.5rem", kind: "number", sort: "tid" },
      { title: "PID", width: "4.5rem", kind: "number narrow", sort: "pid" }, { title: "Born", width: "minmax(8.5rem, 1fr)", sort: "born" },
      { title: "Lived", width: "6rem", kind: "number", sort: "lived" }, { title: "End", width: "minmax(5rem, 1fr)", sort: "how" },
      { title: "Created at", width: "minmax(6rem, 2fr)", kind: "narrow", sort: "label" },
    ],
    cells: (index) => {
      const row = rows[index];
      const name = model.many[row] > 0 ? model.label(row) : model.name(row);
      return [shorten(name, 200), String(model.tid[row]), String(model.pid[row]), born(app, row), lived(app, row), how(app, row), shorten(model.siteLabel(row), 120)];
    },
    traits: (index) => chosen(app, rows[index]),
    pick: (index) => app.select(rows[index]),
    sorted: (column) => by.turn(column),
  });

  function draw() {
    const key = [by.column, by.direction, app.flagsKey].join();
    if (key !== made) {
      made = key;
      const value = keys[by.column];
      const list = [];
      for (let row = 0; row < model.size; row += 1) if (app.flags ? app.flags[row] : !model.above(row)) list.push([value(row), row]);
      list.sort((a, b) => by.compare(a[0], b[0]) || a[1] - b[1]);
      rows = list.map(([, row]) => row);
      table.drawHead(by.column, by.direction);
    }
    table.resize(rows.length);
  }

  function show(row) {
    const index = rows.indexOf(row);
    if (index >= 0) table.reveal(index);
    else table.draw();
  }
  return { table, draw, show };
}

// A table of sites or of classes: `which` is the state's name of the one that is selected.
function groupsOf(app, { label, which, list, columns, cells, first, texts }) {
  let rows = [];
  const by = sorter(first, -1, () => draw());
  const table = new RowTable({
    label, columns,
    cells: (index) => cells(list[rows[index]]),
    traits: (index) => {
      const is = app.state[which] === rows[index] + 1;
      const own = app.state.sel >= 0 && app.model[which][app.state.sel] === rows[index] + 1;
      return { class: (is ? "selected" : "") + (own ? " own" : ""), "aria-selected": String(is) };
    },
    pick: (index) => {
      const number = rows[index] + 1;
      const own = which === "dif" ? { sel: -1 } : {}; // both runs of a class are what its details are
      app.update({ site: 0, cls: 0, dif: 0, ...own, [which]: app.state[which] === number ? 0 : number });
    },
    sorted: (column) => by.turn(column),
  });
  function draw() {
    const words = app.state.q.toLowerCase().split(/\s+/).filter((word) => word && !word.includes(":") && !word.startsWith("-"));
    const fits = (group) => words.every((word) => texts(group).toLowerCase().includes(word));
    const value = (index) => list[index][by.column] ?? -1;
    rows = list.map((_, index) => index).filter((index) => fits(list[index]) || app.state[which] === index + 1);
    if (by.column) rows.sort((a, b) => by.compare(value(a), value(b)) || a - b);
    table.drawHead(by.column, by.direction);
    table.resize(rows.length);
  }
  return { table, draw, show: (number) => { const at = rows.indexOf(number - 1); if (at >= 0) table.reveal(at); } };
}

const named = (list) => list.map(({ value, count: number }) => (number > 1 ? value + " × " + count(number) : value)).join(", ");
const allTexts = (group) => [group.label, ...group.names.map(({ value }) => value), ...group.start_routines.map(({ value }) => value)].join(" ");
const life = (ns) => (ns === null ? "-" : duration(ns));

function sitesOf(app) {
  const { sites } = app.model.data;
  return groupsOf(app, {
    label: "Where tasks were created", which: "site", list: sites.rows, first: "created", texts: allTexts,
    columns: [
      { title: "Site", width: "minmax(8rem, 3fr)", sort: "label" }, { title: "Created", width: "5rem", kind: "number", sort: "created" },
      { title: "Alive", width: "4rem", kind: "number", sort: "alive" }, { title: "Peak", width: "4rem", kind: "number", sort: "peak" },
      { title: "Per s", width: "5rem", kind: "number narrow", sort: "rate_per_s" },
      { title: "Half lived", width: "5rem", kind: "number narrow", sort: "life_p50_ns" },
      { title: "99 % lived", width: "5.2rem", kind: "number narrow", sort: "life_p99_ns" },
      { title: "Names", width: "minmax(5rem, 2fr)" },
    ],
    cells: (site) => [shorten(site.label, 200), count(site.created), count(site.alive), count(site.peak), rate(site.rate_per_s),
      life(site.life_p50_ns), life(site.life_p99_ns), shorten(named(site.names), 200)],
  });
}

function changesOf(app) {
  return groupsOf(app, {
    label: "Classes of tasks in both runs, the largest change first", which: "dif", list: app.model.comparison.rows, first: "",
    texts: ({ kind, label, above }) => [kind, label, above].join(" "),
    columns: [
      { title: "Change", width: "6.2rem", sort: "kind" }, { title: "Class", width: "minmax(8rem, 1fr)", sort: "label" },
      { title: "Created", width: "6rem", kind: "number" }, { title: "Alive", width: "5.5rem", kind: "number" },
      { title: "Old over time", width: "6.6rem", kind: "narrow" }, { title: "New over time", width: "6.6rem", kind: "narrow" },
    ],
    cells: (row) => {
      const most = Math.max(1, ...row.curves.flatMap((curve) => curve || []));
      const curve = (numbers) => (numbers ? blocks(quarters(numbers), most) : "-");
      return [changeWord(row.kind), shorten(row.label, 200), bothTold(row, "created"), bothTold(row, "alive"),
        curve(row.curves[0]), curve(row.curves[1])];
    },
  });
}

// The most of each four numbers.
function quarters(numbers) {
  return Array.from({ length: Math.ceil(numbers.length / 4) }, (_, index) => Math.max(...numbers.slice(index * 4, index * 4 + 4)));
}

function leaksOf(app) {
  const { leaks } = app.model.data;
  return groupsOf(app, {
    label: "What is alive at the end, and whether it piles up", which: "cls", list: leaks.rows, first: "", texts: allTexts,
    columns: [
      { title: "Verdict", width: "5.5rem", sort: "verdict" }, { title: "Class", width: "minmax(7rem, 3fr)", sort: "label" },
      { title: "Alive", width: "4.5rem", kind: "number", sort: "alive" }, { title: "Created", width: "5rem", kind: "number", sort: "created" },
      { title: "Per min", width: "5rem", kind: "number narrow", sort: "per_minute" }, { title: "Over time", width: "7rem", kind: "narrow" },
      { title: "Evidence", width: "minmax(5rem, 4fr)" },
    ],
    cells: (row) => {
      const bad = row.verdict === "leak";
      const style = bad ? "bad" : ["pool", "churn", "one-shot"].includes(row.verdict) ? "good" : "note";
      return [el("b", { class: style, text: bad ? "LEAK" : row.verdict }), shorten(row.label, 200), count(row.alive), count(row.created),
        row.per_minute === null ? "" : (row.per_minute > 0 ? "+" : "") + rate(row.per_minute), blocks(row.alive_curve.filter((_, index, all) => (all.length - 1 - index) % 2 === 0)), row.evidence];
    },
  });
}

// Numbers as blocks, the highest of them full.
export function blocks(numbers, most = Math.max(1, ...numbers)) {
  return numbers.map((number) => (number === 0 ? "·" : "▁▂▃▄▅▆▇█"[Math.ceil((number / most) * 8) - 1])).join("");
}

function eventsOf(app) {
  const { points, column, strings } = app.model.data;
  const list = points.map((point) => ({ ...point, row: -1 }));
  const times = column["refused.time"] || [];
  for (let index = 0; index < times.length; index += 1) {
    const row = column["refused.row"] ? column["refused.row"][index] - 1 : -1;
    const why = strings[column["refused.why"] ? column["refused.why"][index] : 0];
    list.push({ kind: "refused", time: times[index], since: times[index], row, text: (row >= 0 ? app.model.label(row) + ": " : "") + why });
  }
  list.sort((a, b) => a.time - b.time);
  let rows = list;
  const table = new RowTable({
    label: "Marks, gaps, losses and refused creations",
    columns: [{ title: "Kind", width: "6rem" }, { title: "Time", width: "minmax(9rem, 1fr)" }, { title: "Since", width: "minmax(9rem, 1fr)", kind: "narrow" }, { title: "What", width: "minmax(12rem, 5fr)" }],
    cells: (index) => {
      const { kind, time, since, text } = rows[index];
      const style = kind === "mark" ? "strong" : kind === "refused" ? "note" : "bad";
      return [el("b", { class: style, text: kind }), app.clock.long(time), since < time ? app.clock.long(since) : "", text];
    },
    pick: (index) => {
      const { time, row } = rows[index];
      const half = (app.state.t1 - app.state.t0) / 2;
      const t0 = Math.min(Math.max(app.model.begin, time - half), app.model.until - 2 * half);
      app.update({ t0, t1: t0 + 2 * half, ...(row >= 0 ? { sel: row } : {}) });
    },
  });
  const draw = () => {
    const words = app.state.q.toLowerCase();
    rows = words && !words.includes(":") ? list.filter(({ text, kind }) => (kind + " " + text).toLowerCase().includes(words)) : list;
    table.resize(rows.length);
  };
  return { table, draw, show: () => {}, size: list.length };
}
