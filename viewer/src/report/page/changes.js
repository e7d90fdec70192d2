// What changed from one run to the other: in words, and a class of it with both runs side by side.

import { KINDS, RUNS, bothOf, kindsOf } from "./compare.js";
import { byId, el, fill, svg } from "./dom.js";
import { count, counted, rate, shorten, visible } from "./text.js";
import { duration } from "./time.js";

const MOST_NAMED = 5;

const range = (number) => (typeof number === "object" && number !== null ? count(number.least) + ".." + count(number.most) : count(number));
const lasting = (ns) => (ns === null ? "-" : typeof ns === "object" ? duration(ns.least) + ".." + duration(ns.most) : duration(ns));

export const changeWord = (kind) => el("b", { class: "kind-" + kind, text: KINDS[kind].sign + " " + KINDS[kind].words });

export const FIGURES = [
  ["created", "created", range], ["exited", "ended", range], ["alive", "alive at the end", range], ["peak", "most at a time", range],
  ["rate_per_s", "created per second", (number) => (number === null ? "-" : rate(number))],
  ["life_p50_ns", "half lived", lasting], ["life_p99_ns", "99 % lived", lasting],
];
export const bothTold = (row, name) => bothOf(row, (numbers) => FIGURES.find(([one]) => one === name)[2](numbers[name]));

// The section on top: the verdict, what each run is, and the largest changes.
export function drawChanges(app) {
  const { comparison } = app.model;
  if (!comparison) return;
  const section = byId("compared-runs");
  section.hidden = false;
  const { rows, runs } = comparison;
  byId("run-title").hidden = false;
  byId("run-title").textContent = visible("The " + app.model.run + " run: " + runs[RUNS.indexOf(app.model.run)].file);
  const largest = rows.filter(({ kind }) => kind !== "same");
  const fact = (label, name) => el("tr", {}, el("th", { scope: "row", text: label }), runs.map((run) => el("td", { class: "whole", text: run[name] })));
  fill(section,
    el("h2", { text: "What changed from the old run to the new one" }),
    comparison.notices.map((text) => el("p", { class: "alert note", text: "ℹ " + text })),
    el("div", { class: "two" },
      el("div", {},
        el("p", { class: "verdict", text: comparison.verdict }),
        el("ul", { class: "kinds" }, kindsOf(rows).map(([kind, number]) => el("li", {}, changeWord(kind), " " + counted(number, "class")))),
        largest.slice(0, MOST_NAMED).map((row) => el("p", { class: "leak" }, changeWord(row.kind), " ",
          el("button", { type: "button", class: "link", text: shorten(row.label, 200),
            on: { click: () => app.update({ tab: "changes", dif: rows.indexOf(row) + 1, site: 0, cls: 0, sel: -1 }) } }),
          " — " + row.changes.join(", "))),
        largest.length > MOST_NAMED ? el("p", { class: "faint", text: count(largest.length - MOST_NAMED) + " more: see Changes" }) : null,
        comparison.foot.map((text) => el("p", { class: "faint", text }))),
      el("table", { class: "both" }, el("caption", { class: "sr", text: "The two recordings" }),
        el("thead", {}, el("tr", {}, el("td"), RUNS.map((run) => el("th", { scope: "col", text: run === "old" ? "Old run" : "New run" })))),
        el("tbody", {}, fact("file", "file"), fact("command", "command"), fact("how", "how"), fact("built", "build")))));
}

// A class, both runs of it side by side.
export function changeDetails(app) {
  const { comparison, run } = app.model;
  const row = comparison.rows[app.state.dif - 1];
  const other = run === "new" ? "old" : "new";
  const line = ([name, label, told]) => {
    const cells = RUNS.map((one) => (row[one] ? told(row[one][name]) : "-"));
    return el("tr", { class: cells[0] === cells[1] ? "faint" : "strong" }, el("th", { scope: "row", text: label }), cells.map((text) => el("td", { text })));
  };
  return [
    el("h3", { class: "whole" }, changeWord(row.kind), " ", row.label),
    row.changes.length > 0 ? el("p", { text: row.changes.join(", ") }) : el("p", { text: "Nothing that counts as a change." }),
    curvesOf(row, comparison),
    el("table", { class: "both" }, el("caption", { class: "sr", text: "The class in both runs" }),
      el("thead", {}, el("tr", {}, el("td"), el("th", { scope: "col", text: "Old run" }), el("th", { scope: "col", text: "New run" }))),
      el("tbody", {}, FIGURES.map(line))),
    el("dl", { class: "facts" },
      row.site ? [el("dt", { text: "site" }), el("dd", { text: row.site })] : null,
      row.routine ? [el("dt", { text: "starts with" }), el("dd", { text: row.routine })] : null,
      row.above ? [el("dt", { text: "created by" }), el("dd", { text: shorten(row.above, 400) })] : null,
      el("dt", { text: "matched" }), el("dd", { text: row.how })),
    row[other] ? el("p", { class: "buttons" }, el("button", { type: "button", text: "Show its tasks in the " + other + " run",
      on: { click: () => app.update({ run: other }) } })) : null,
    row[run] ? null : el("p", { class: "faint", text: "The timeline shows the " + run + " run, which has none of its tasks." }),
  ];
}

// How many lived over time, by one scale.
function curvesOf(row, comparison) {
  const [wide, high] = [160, 44];
  const most = Math.max(1, ...row.curves.flatMap((curve) => curve || []));
  const figure = (curve, index) => {
    const peak = curve ? Math.max(...curve) : 0;
    const words = (index === 0 ? "Old run" : "New run") + ": alive over time, at most " + count(peak);
    const image = svg("svg", { viewBox: "0 0 " + wide + " " + high, role: "img", "aria-label": words, class: "curve" });
    let path = "M0," + high;
    (curve || []).forEach((number, place) => {
      const y = high - 1 - (number / most) * (high - 4);
      path += "L" + (place / 48) * wide + "," + y + "L" + ((place + 1) / 48) * wide + "," + y;
    });
    path += "L" + ((curve || []).length / 48) * wide + "," + high + "Z";
    image.append(svg("path", { d: path, class: "kind-" + row.kind }));
    return el("figure", {}, image, el("figcaption", { class: "faint small", text: (index === 0 ? "old" : "new") + ", ≤ " + count(peak) }));
  };
  return el("div", { class: "side-by-side", title: "alive over time; both pictures are " + duration(comparison.span_ns) + " wide" }, row.curves.map(figure));
}
