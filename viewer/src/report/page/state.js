// What is seen, as the address's fragment has it: a link leads to the same view. Whatever a fragment
// says, the state that comes of it is one that the page can show.

import { RUNS } from "./compare.js";

export const TABS = ["changes", "tree", "tasks", "sites", "leaks", "events"];
export const ORDERS = ["tree", "birth", "life", "name"];
const CLOCKS = ["elapsed", "local", "utc"];
const THEMES = ["auto", "light", "dark"];
const PAINTS = ["change", "end"];

// The lists of a page; changes are there where two runs are.
export function tabsOf(model) {
  return model.comparison ? TABS : TABS.slice(1);
}

export function firstState({ begin, until, data, comparison }) {
  return {
    t0: begin, t1: until, top: 0, lane: 0, sel: -1, site: 0, cls: 0, dif: 0,
    tab: comparison ? "changes" : "tree", q: "", order: "tree", run: "new", paint: comparison ? "change" : "end",
    clock: data.utc ? "utc" : "local", theme: "auto",
  };
}

export function toFragment(state, model) {
  const first = firstState(model);
  const parts = [];
  const put = (name, value) => parts.push(name + "=" + encodeURIComponent(value));
  if (state.t0 !== first.t0 || state.t1 !== first.t1) put("t", state.t0 + "~" + state.t1);
  if (state.top > 0) put("top", Math.round(state.top * 100) / 100);
  if (state.lane > 0) put("lane", Math.round(state.lane * 1000) / 1000);
  for (const name of ["run", "sel", "site", "cls", "dif", "tab", "q", "order", "paint", "clock", "theme"]) {
    if (state[name] !== first[name]) put(name, state[name]);
  }
  return parts.join("&");
}

export function fromFragment(fragment, model) {
  const state = firstState(model);
  const parts = new Map();
  for (const part of fragment.replace(/^#/, "").split("&")) {
    const [name, value = ""] = part.split("=");
    try {
      parts.set(name, decodeURIComponent(value));
    } catch {
      // It is not what the page wrote: that part is left out.
    }
  }
  const number = (name, least, most) => {
    const value = parts.has(name) && parts.get(name) !== "" ? Number(parts.get(name)) : NaN;
    if (Number.isFinite(value) && value >= least && value <= most) state[name] = value;
  };
  const whole = (name, least, most) => {
    number(name, least, most);
    state[name] = Math.floor(state[name]);
  };
  const choice = (name, list) => {
    if (list.includes(parts.get(name))) state[name] = parts.get(name);
  };
  const [from, to] = (parts.get("t") || "").split("~").map((part) => (part === "" ? NaN : Number(part)));
  if (from >= model.begin && to <= model.until && from < to) Object.assign(state, { t0: from, t1: to });
  number("top", 0, model.size);
  number("lane", 0, 40);
  whole("sel", 0, model.size - 1);
  whole("site", 0, model.data.sites.rows.length);
  whole("cls", 0, model.data.leaks.rows.length);
  if (model.comparison) {
    whole("dif", 0, model.comparison.rows.length);
    choice("run", RUNS);
    choice("paint", PAINTS);
  }
  choice("tab", tabsOf(model));
  choice("order", ORDERS);
  choice("clock", CLOCKS);
  choice("theme", THEMES);
  state.q = (parts.get("q") || "").slice(0, 1000);
  return state;
}
