// The selected task: who it is, who made it, by which call stack, and what became of it.

import { BEFORE, INFERRED, PROCESS, framesOf } from "./model.js";
import { byId, el, fill } from "./dom.js";
import { count, shorten } from "./text.js";
import { duration } from "./time.js";
import { changeDetails, changeWord } from "./changes.js";

const base = (path) => path.slice(path.lastIndexOf("/") + 1);

export function drawDetails(app) {
  const { model, clock } = app;
  const row = app.state.sel;
  const panel = byId("details");
  if (row < 0 && app.state.dif) {
    fill(panel, changeDetails(app));
    return;
  }
  if (row < 0 && (app.state.site || app.state.cls)) {
    fill(panel, group(app));
    return;
  }
  if (row < 0) {
    fill(panel, el("p", { class: "faint", text: "Nothing selected. A click on a lane or a row, or Enter in a " +
      "list, selects a task: here are then its life, its creator and the call stack that created it." }));
    return;
  }
  const go = (target) => el("button", { type: "button", class: "link", text: shorten(model.label(target), 80),
    on: { click: () => app.select(target) } });
  const facts = [];
  const fact = (label, ...content) => facts.push(el("dt", { text: label }), el("dd", {}, content));
  const many = model.many[row];
  fact("what", (model.kind[row] & PROCESS ? "process" : "thread") +
    (many > 0 ? ", the first of " + count(many + 1) + " alike that share this row" : ""));
  fact("tid", count(model.tid[row]).replace(/,/g, "") + (model.inner[row] > 0 ? " (" + model.inner[row] + " inside)" : "") +
    ", pid " + model.pid[row]);
  const before = model.kind[row] & BEFORE;
  const unseen = model.kind[row] & INFERRED ? " (its birth is not in the file)" : " (it was there before)";
  if (model.above(row)) fact("shown", "because it led to what was asked for, which it is not");
  fact("born", clock.long(model.born[row]) + (before ? unseen : "") +
    (many > 0 ? " to " + clock.long(model.born[row] + model.last[row]) : ""));
  fact("ended", model.alive(row) ? "alive at the end" : clock.long(model.end[row]));
  fact("how", el("span", { class: model.howStyle(row), text: model.how(row) }));
  fact("lived", (before ? "more than " : "") + duration(model.lived(row)));
  fact("creator", model.up[row] >= 0 ? go(model.up[row]) : "not known");
  const children = model.children(row);
  if (children.length > 0) {
    fact("created", count(children.length) + ": ", Array.from(children.subarray(0, 8)).map((child) => [go(child), " "]),
      children.length > 8 ? "…" : null);
  }
  if (model.start(row)) fact("starts with", el("code", { text: model.start(row) }));
  if (model.site[row] > 0) {
    fact("site", el("button", { type: "button", class: "link", text: model.siteLabel(row),
      on: { click: () => app.update({ tab: "sites", site: model.site[row], cls: 0, dif: 0 }) } }));
  }
  if (model.comparison && model.dif[row] > 0) {
    const change = model.comparison.rows[model.dif[row] - 1];
    fact("class", changeWord(change.kind), " ", el("button", { type: "button", class: "link", text: shorten(change.label, 200),
      on: { click: () => app.update({ tab: "changes", dif: model.dif[row], site: 0, cls: 0, sel: -1 }) } }));
  }
  for (const [label, map] of [["names", model.named], ["programs", model.became]]) {
    const list = map.get(row) || [];
    if (list.length > 0) {
      fact(label, list.slice(0, 20).map(([time, text]) => el("div", {},
        el("span", { class: "faint", text: clock.long(time) + " " }), el("span", { class: "whole", text: model.data.strings[text] || "?" }))));
    }
  }
  fill(panel,
    el("h3", { class: "whole", text: model.label(row) }),
    el("p", { class: "buttons" },
      el("button", { type: "button", text: "Zoom to it", on: { click: () => app.timeline.toRow(row) } }),
      el("button", { type: "button", text: "Show in tree", on: { click: () => app.update({ tab: "tree" }) } })),
    el("dl", { class: "facts" }, facts),
    stack(app, row));
}

// A site or a class, where no task is selected.
function group(app) {
  const { site, cls } = app.state;
  const { sites, leaks } = app.model.data;
  const it = site ? sites.rows[site - 1] : leaks.rows[cls - 1];
  const list = (label, values) => (values.length === 0 ? [] : [el("dt", { text: label }),
    el("dd", {}, values.map(({ value, count: number }) => el("div", { class: "whole", text: count(number) + " × " + value })))]);
  return [
    el("h3", { class: "whole", text: it.label }),
    it.evidence ? el("p", {}, el("b", { class: it.verdict === "leak" ? "bad" : "", text: it.verdict }), ": " + it.evidence) : null,
    el("dl", { class: "facts" },
      el("dt", { text: "first" }), el("dd", { text: app.clock.long(it.first_ns / app.model.data.unit) }),
      el("dt", { text: "created" }), el("dd", { text: count(it.created) }),
      el("dt", { text: "alive" }), el("dd", { text: count(it.alive) + " at the end, " + count(it.peak) + " at most at a time" }),
      list("names", it.names), list("start with", it.start_routines)),
  ];
}

function stack(app, row) {
  const found = framesOf(app.model, row);
  const head = el("h4", { text: "Call stack of its creator" });
  if (!found) {
    const why = app.model.kind[row] & BEFORE
      ? "It was created before it was recorded." : "No stack was recorded for this creation.";
    return el("div", {}, head, el("p", { class: "faint", text: why }));
  }
  const frames = found.list.map((frame) => {
    const place = frame.file ? base(frame.file) + (frame.line > 0 ? ":" + frame.line : "") : "";
    const name = frame.name || (frame.module ? base(frame.module) + "+" : "") + frame.address;
    return el("li", { title: [frame.file + (frame.line > 0 ? ":" + frame.line : ""), frame.module, frame.address,
      "found by: " + frame.trust].filter((part) => part !== "").join("\n").replace(/\n/g, ", ") },
    el("span", { class: "function", text: name }),
    frame.inlined ? el("span", { class: "faint", text: " inlined" }) : null,
    el("span", { class: "faint", text: (place ? "  " + place : "") + (frame.module ? "  " + base(frame.module) : "") }));
  });
  return el("div", {}, head, el("ol", { class: "stack" }, frames),
    found.more ? el("p", { class: "faint", text: "… more frames" }) : null,
    found.end ? el("p", { class: "note", text: "not the whole stack: " + found.end }) : null);
}
