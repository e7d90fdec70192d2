// The page: reads its data, and keeps what is seen in one state, which the address has as well. Every
// change of it goes through `update`, and all parts draw what it is then.

import { add, byId, el, fill } from "./dom.js";
import { decode, fromBase64, inflated } from "./decode.js";
import { modelOf } from "./model.js";
import { search } from "./search.js";
import { TABS, firstState, fromFragment, tabsOf, toFragment } from "./state.js";
import { runIn, withComparison } from "./compare.js";
import { ordered } from "./layout.js";
import { clockOf } from "./time.js";
import { count, counted } from "./text.js";
import { drawSummary } from "./summary.js";
import { drawChanges } from "./changes.js";
import { timelineOf } from "./timeline.js";
import { chartsOf } from "./charts.js";
import { drawDetails } from "./details.js";
import { tablesOf } from "./tables.js";

export async function main() {
  try {
    const compared = byId("compared") && JSON.parse(new TextDecoder().decode(await block("compared")));
    const run = compared ? runIn(location.hash) : "new";
    const model = modelOf(decode(await block(run === "old" ? "old" : "data")));
    for (const name of ["data", "old", "compared"]) byId(name)?.remove();
    start(compared ? withComparison(model, compared, run) : model);
    document.documentElement.dataset.ready = String(Math.round(performance.now())); // ms since it was opened
  } catch (error) {
    fill(byId("alerts"), el("p", { class: "alert bad", text: "This page cannot be shown: " + error.message +
      ". It may be damaged, or the browser too old: make it again, or use a newer one." }));
    throw error;
  }
}

function block(name) {
  return inflated(fromBase64(byId(name).textContent.trim()));
}

function start(model) {
  const app = { model, state: fromFragment(location.hash, model), flags: null, flagsKey: "", fitting: 0 };
  byId("app").hidden = false;
  byId("search-row").hidden = false;
  let written = location.hash;
  let pending = { first: true };

  app.update = (patch) => {
    const before = app.state;
    const changed = Object.keys(patch).filter((name) => patch[name] !== before[name]);
    if (changed.length === 0) return;
    if (changed.includes("run")) {
      toRun(patch.run);
      return;
    }
    app.state = { ...before, ...patch };
    if (!pending) {
      pending = {};
      requestAnimationFrame(drawAll);
    }
    for (const name of changed) pending[name] = true;
  };
  // The other run is another trace: the page begins anew with it, and keeps what is no trace's own.
  function toRun(run) {
    const { t0, t1 } = firstState(model);
    const state = { ...app.state, run, t0, t1, top: 0, lane: 0, sel: -1, site: 0, cls: 0 };
    clearTimeout(later);
    written = "#" + toFragment(state, model);
    location.hash = written;
    location.reload();
  }

  // Selects a row everywhere, and shows it on the timeline.
  app.select = (row) => app.update({ sel: row, ...app.timeline.reveal(row) });

  function highlight(changed) {
    if (!changed.first && !changed.q && !changed.site && !changed.cls && !changed.dif) return;
    const { q, site, cls, dif } = app.state;
    const found = search(model, q);
    app.flags = found || site || cls || dif ? new Uint8Array(model.size) : null;
    app.flagsKey = JSON.stringify([q.trim(), site, cls, dif]);
    app.fitting = 0;
    let tasks = 0;
    for (let row = 0; app.flags && row < model.size; row += 1) {
      const fits = !model.above(row) && (!found || found.flags[row]) && (!site || model.site[row] === site) && (!cls || model.cls[row] === cls) && (!dif || model.dif[row] === dif);
      if (!fits) continue;
      app.flags[row] = 1;
      app.fitting += 1;
      tasks += model.tasksOf(row);
    }
    byId("found").textContent = app.flags ? count(tasks) + " of " + counted(model.data.tasks, "task") : "";
    const chip = site ? model.data.sites.rows[site - 1] : cls ? model.data.leaks.rows[cls - 1] : dif ? model.comparison.rows[dif - 1] : null;
    const bar = byId("chip");
    bar.hidden = !chip;
    fill(bar, chip ? [el("span", { text: (site ? "site: " : "class: ") + chip.label }),
      el("button", { type: "button", "aria-label": "no longer only these tasks", text: "✕", on: { click: () => app.update({ site: 0, cls: 0, dif: 0 }) } })] : []);
  }

  function drawAll() {
    const changed = pending;
    pending = null;
    const { state } = app;
    if (changed.first || changed.theme) document.documentElement.dataset.theme = state.theme;
    if (changed.first || changed.clock) {
      app.clock = clockOf(model.data, state.clock);
      drawSummary(app);
      drawChanges(app);
    }
    if (changed.first || changed.order) app.lanes = ordered(model, state.order);
    highlight(changed);
    controls();
    app.timeline.draw();
    app.charts.draw();
    const table = app.tables[state.tab];
    const anew = changed.first || changed.tab || changed.q || changed.site || changed.cls || changed.dif;
    if (anew) table.draw();
    else if (changed.sel || changed.clock) table.table.draw();
    if ((changed.sel || anew) && state.sel >= 0 && ["tree", "tasks"].includes(state.tab)) table.show(state.sel);
    if (changed.first || changed.site || changed.cls || changed.dif || changed.sel || changed.tab) {
      const number = state.tab === "sites" ? state.site || (state.sel >= 0 ? model.site[state.sel] : 0)
        : state.tab === "changes" ? state.dif || (state.sel >= 0 ? model.dif[state.sel] : 0)
        : state.tab === "leaks" ? state.cls || (state.sel >= 0 ? model.cls[state.sel] : 0) : 0;
      if (number > 0) {
        table.show(number);
        table.table.draw();
      }
    }
    if (changed.first || changed.sel || changed.clock || changed.site || changed.cls || changed.dif) drawDetails(app);
    if (changed.sel) byId("told").textContent = state.sel >= 0 ? "selected " + model.label(state.sel) + ", " + model.how(state.sel) : "nothing selected";
    remember();
  }

  const tabs = tabsOf(model);
  function controls() {
    const { state } = app;
    for (const name of ["q", "clock", "order", "theme", "run", "paint"]) {
      if (byId(name).value !== state[name]) byId(name).value = state[name];
    }
    for (const name of ["run-label", "paint-label"]) byId(name).hidden = !model.comparison;
    byId("legend-changes").hidden = state.paint !== "change";
    byId("legend").hidden = state.paint === "change";
    for (const name of TABS) {
      const is = name === state.tab;
      byId("to-" + name).setAttribute("aria-selected", String(is));
      byId("to-" + name).hidden = !tabs.includes(name);
      byId("to-" + name).tabIndex = is ? 0 : -1;
      byId("tab-" + name).hidden = !is;
    }
  }

  let later = 0;
  function remember() {
    clearTimeout(later); // browsers refuse too many changes of the address
    later = setTimeout(() => {
      written = "#" + toFragment(app.state, model);
      try {
        history.replaceState(null, "", written);
      } catch {
        location.hash = written;
      }
    }, 150);
  }

  app.timeline = timelineOf(app);
  app.charts = chartsOf(app);
  app.tables = tablesOf(app);
  const sizes = { sites: model.data.sites.rows.length, leaks: model.data.leaks.rows.length, tasks: model.data.tasks, changes: model.comparison ? model.comparison.rows.filter(({ kind }) => kind !== "same").length : 0, events: app.tables.events.size };
  for (const [name, size] of Object.entries(sizes)) add(byId("to-" + name), [" ", el("span", { class: "size", text: count(size) })]);
  drawAll();

  window.addEventListener("hashchange", () => {
    if (location.hash === written) return;
    const next = fromFragment(location.hash, model);
    if (next.run !== app.state.run) location.reload();
    else app.update(next);
  });
  for (const name of ["clock", "order", "theme", "run", "paint"]) byId(name).addEventListener("change", (event) => app.update({ [name]: event.target.value, ...(name === "order" ? { top: 0 } : {}) }));
  let typing = 0;
  byId("q").addEventListener("input", (event) => {
    clearTimeout(typing);
    typing = setTimeout(() => app.update({ q: event.target.value }), model.size > 20000 ? 200 : 50);
  });
  byId("q").addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !app.flags) return;
    clearTimeout(typing);
    if (event.target.value !== app.state.q) {
      app.update({ q: event.target.value });
      return;
    }
    const { rows, lane } = app.lanes;
    const by = event.shiftKey ? -1 : 1;
    const from = app.state.sel >= 0 ? lane[app.state.sel] : by > 0 ? -1 : rows.length;
    for (let step = 1; step <= rows.length; step += 1) {
      const row = rows[(((from + by * step) % rows.length) + rows.length) % rows.length];
      if (app.flags[row]) return app.select(row);
    }
  });
  for (const name of TABS) {
    byId("to-" + name).addEventListener("click", () => app.update({ tab: name }));
    byId("to-" + name).addEventListener("keydown", (event) => {
      const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!by) return;
      const next = tabs[(tabs.indexOf(name) + by + tabs.length) % tabs.length];
      app.update({ tab: next });
      byId("to-" + next).focus();
    });
  }
  document.addEventListener("keydown", (event) => {
    const typed = event.target.closest("input, select, textarea");
    if (event.key === "/" && !typed) {
      byId("q").focus();
      event.preventDefault();
    }
  });
  const redraw = () => {
    app.timeline.draw();
    app.charts.draw();
  };
  new ResizeObserver(redraw).observe(byId("lanes"));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  window.addEventListener("beforeprint", () => {
    document.documentElement.dataset.theme = "light";
    redraw();
    app.tables[app.state.tab].table.print(true);
  });
  window.addEventListener("afterprint", () => {
    document.documentElement.dataset.theme = app.state.theme;
    redraw();
    app.tables[app.state.tab].table.print(false);
  });
}
