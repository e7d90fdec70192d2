// The timeline: a lane for each task, drawn on a canvas. Only lanes in sight are drawn; where many
// share a pixel, how many of them live is a shade.

import { BEFORE, PROCESS } from "./model.js";
import { byId, canvasOf, colours, el, fill } from "./dom.js";
import { count, shorten } from "./text.js";
import { KINDS, kindsOf } from "./compare.js";
import { duration } from "./time.js";
import { density, lanesOf, moved, ticks, zoomed } from "./layout.js";

const AXIS = 22;
const LEAST_LANE = 3; // pixels; lower ones are shades
const LEAST_LABEL = 10;

export function gutterOf(width) {
  return width < 600 ? 96 : 190;
}

export function timelineOf(app) {
  const canvas = byId("lanes");
  const tip = byId("tip");
  let shades = null;

  const geometry = () => {
    const width = canvas.clientWidth;
    const height = canvas.clientHeight - AXIS;
    const gutter = gutterOf(width);
    const { t0, t1 } = app.state;
    const wide = Math.max(1, width - gutter);
    return {
      width, height, gutter, wide, t0, t1,
      ...lanesOf(app.state, app.model.size, height),
      x: (time) => gutter + ((time - t0) / (t1 - t0)) * wide,
      time: (x) => t0 + ((x - gutter) / wide) * (t1 - t0),
    };
  };

  function draw() {
    const { context, width, height: all, ratio } = canvasOf(canvas);
    if (width === 0) return;
    const g = geometry();
    const c = colours();
    context.fillStyle = c.bg;
    context.fillRect(0, 0, width, all);
    axis(context, g, c, all);
    context.save();
    context.beginPath();
    context.rect(0, AXIS, width, g.height);
    context.clip();
    if (g.high < LEAST_LANE) drawShades(context, g, c, ratio);
    else drawBars(context, g, c);
    context.restore();
    points(context, g, c, all);
    const { flags } = app;
    const lanes = app.model.size === 1 ? "1 lane" : count(app.model.size) + " lanes";
    byId("lanes-words").textContent = lanes + (flags ? ", " + count(app.fitting) + " highlighted" : "") +
      "; " + app.clock.short(g.t0, 1e6) + " to " + app.clock.short(g.t1, 1e6) + " (" +
      duration((g.t1 - g.t0) * app.model.data.unit) + ")";
  }

  function axis(context, g, c, all) {
    const { list, step } = ticks(g.t0, g.t1, app.model.data.unit, g.wide / 120, app.clock.offset());
    context.font = "11px system-ui, sans-serif";
    context.textBaseline = "middle";
    let free = g.gutter;
    for (const time of list) {
      const x = Math.round(g.x(time)) + 0.5;
      context.fillStyle = c.line;
      context.fillRect(x, AXIS - 6, 1, all);
      context.fillStyle = c.faint;
      const words = app.clock.short(time, step);
      const { width } = context.measureText(words);
      // The last may have no room behind its line: then it stands before it, or nowhere.
      const left = x + 4 + width > g.width ? x - 4 - width : x + 4;
      if (left < free) continue;
      context.fillText(words, left, AXIS / 2);
      free = left + width + 8;
    }
    context.fillStyle = c.faint;
    context.fillText(app.clock.zone(), 6, AXIS / 2);
    context.fillStyle = c.line;
    context.fillRect(0, AXIS - 1, g.width, 1);
  }

  function drawBars(context, g, c) {
    const { model, state, flags } = app;
    const { rows } = app.lanes;
    const from = Math.floor(g.top);
    const to = Math.min(rows.length, Math.ceil(g.top + g.shown) + 1);
    const bar = Math.max(1, Math.min(g.high - 2, 12));
    context.font = (g.high < LEAST_LABEL ? 11 : Math.min(12, g.high)) + "px system-ui, sans-serif";
    context.textBaseline = "middle";
    // Of low lanes only some have room for a name: the first of each few, in their middle.
    const every = g.high >= LEAST_LABEL ? 1 : Math.ceil(12 / g.high);
    for (let lane = from; lane < to; lane += 1) {
      const row = rows[lane];
      const y = AXIS + (lane - g.top) * g.high;
      const middle = y + g.high / 2;
      if (row === state.sel) {
        context.fillStyle = c.dim;
        context.fillRect(0, y, g.width, g.high);
      }
      const on = (flags ? flags[row] : !model.above(row)) || row === state.sel;
      context.globalAlpha = on ? 1 : 0.22;
      const name = y + (every * g.high) / 2;
      if (lane % every === 0 && (every === 1 || name + 6 <= AXIS + g.height)) {
        const deep = Math.min(model.depth[row], 8) * (state.order === "tree" ? 7 : 0);
        context.fillStyle = on ? c.text : c.faint;
        const room = Math.floor((g.gutter - deep - 10) / 6.2);
        context.fillText(shorten(signOf(row) + model.label(row), Math.max(4, room)), 6 + deep, name, g.gutter - deep - 10);
      }
      const last = Math.min(model.end[row], model.data.end);
      if (last >= g.t0 && model.born[row] <= g.t1) life(context, g, c, row, middle, bar);
      context.globalAlpha = 1;
    }
  }

  const byChange = () => app.state.paint === "change" && Boolean(app.model.comparison);

  // Where lanes are painted by what changed, their names say it too.
  function signOf(row) {
    const kind = byChange() ? app.model.changeOf(row) : "same";
    return kind === "same" ? "" : KINDS[kind].sign + " ";
  }

  function life(context, g, c, row, middle, bar) {
    const { model, state } = app;
    const x0 = Math.max(g.gutter, g.x(model.born[row]));
    const x1 = Math.min(g.width, g.x(Math.min(model.end[row], model.data.end)));
    const wide = Math.max(1.5, x1 - x0);
    context.fillStyle = byChange() ? c[model.changeOf(row)] : model.alive(row) ? c.good : model.kind[row] & PROCESS ? c.process : c.thread;
    context.fillRect(x0, middle - bar / 2, wide, bar);
    if (model.kind[row] & BEFORE && model.born[row] >= g.t0) {
      context.fillStyle = c.bg; // its beginning is not known: a notch
      context.fillRect(x0 + 2, middle - bar / 2, 1, bar);
    }
    const style = model.howStyle(row);
    if (!model.alive(row) && (style === "bad" || style === "note") && model.end[row] <= g.t1) {
      context.fillStyle = c[style];
      context.fillRect(x1 - 1.5, middle - bar / 2 - 1, 3, bar + 2);
    }
    if (row === state.sel) {
      context.strokeStyle = c.accent;
      context.lineWidth = 2;
      context.strokeRect(x0 - 1, middle - bar / 2 - 1, wide + 2, bar + 2);
    }
  }

  // Two passes where something is highlighted: all of it faintly, what fits on top.
  function drawShades(context, g, c, ratio) {
    const columns = Math.max(1, Math.round(g.wide * ratio));
    const lines = Math.max(1, Math.round(Math.min(g.height, g.high * app.model.size) * ratio));
    const per = Math.min(g.shown, app.model.size) / lines;
    const key = [g.t0, g.t1, g.top, per, columns, lines, app.state.order, app.state.theme, app.state.paint, c.thread, app.flagsKey].join();
    if (!shades || shades.key !== key) shades = { key, image: shade({ ...g, per, columns, lines }, c) };
    context.drawImage(shades.image, g.gutter, AXIS, g.wide, lines / ratio);
    const lane = app.state.sel >= 0 ? app.lanes.lane[app.state.sel] : -1;
    if (lane >= 0) {
      const y = AXIS + (lane - g.top) * g.high;
      context.fillStyle = c.accent;
      context.fillRect(0, y - 0.5, g.width, Math.max(1.5, g.high));
    }
    context.fillStyle = c.faint;
    context.font = "12px system-ui, sans-serif";
    context.textBaseline = "top";
    const words = ["many lanes share a", "line: darker is more", "of them alive"];
    words.forEach((line, index) => context.fillText(line, 6, AXIS + 6 + index * 16, g.gutter - 10));
  }

  function shade(g, c) {
    const image = document.createElement("canvas");
    Object.assign(image, { width: g.columns, height: g.lines });
    const context = image.getContext("2d");
    const pixels = context.createImageData(g.columns, g.lines);
    const paint = (flags, colour, strength) => {
      const [red, green, blue] = rgb(colour);
      const grid = density(app.model, app.lanes.rows, flags, g);
      const full = Math.log1p(Math.max(1, g.per));
      for (let line = 0; line < g.lines; line += 1) {
        for (let x = 0; x < g.columns; x += 1) {
          const number = grid[line * (g.columns + 1) + x];
          if (number < 0.5) continue;
          const at = (line * g.columns + x) * 4;
          const alpha = (0.35 + 0.65 * Math.min(1, Math.log1p(number) / full)) * strength * 255;
          pixels.data.set([red, green, blue, alpha], at);
        }
      }
    };
    paint(null, byChange() ? c.same : c.thread, app.flags ? 0.25 : 1);
    if (byChange() && !app.flags) {
      for (const [kind] of kindsOf(app.model.comparison.rows)) paint(ofKind(kind), c[kind], 1);
    }
    if (app.flags) paint(app.flags, c.accent, 1);
    context.putImageData(pixels, 0, 0);
    return image;
  }

  function ofKind(kind) {
    return Uint8Array.from({ length: app.model.size }, (_, row) => app.model.changeOf(row) === kind);
  }

  // Marks, gaps, losses and refused creations, across all lanes.
  function points(context, g, c, all) {
    const colour = { mark: c.accent, gap: c.bad, lost: c.bad, damage: c.bad };
    for (const { kind, time, since } of app.model.data.points) {
      if (time < g.t0 || since > g.t1) continue;
      const x0 = Math.max(g.gutter, g.x(since));
      const x1 = Math.min(g.width, g.x(time));
      context.fillStyle = colour[kind] || c.note;
      context.globalAlpha = 0.15;
      if (x1 > x0 && kind !== "mark") context.fillRect(x0, AXIS, x1 - x0, all);
      context.globalAlpha = 0.8;
      if (time <= g.t1 && g.x(time) >= g.gutter) context.fillRect(g.x(time) - 0.5, AXIS - 8, 1.5, all);
      context.globalAlpha = 1;
    }
    const refused = app.model.data.column["refused.time"] || [];
    context.fillStyle = c.note;
    let before = -10;
    for (const time of refused) {
      const x = g.x(time);
      if (time < g.t0 || time > g.t1 || x - before < 1) continue;
      context.fillRect(x - 1, AXIS - 5, 2, 5);
      before = x;
    }
  }

  function rowAt(y) {
    const g = geometry();
    const lane = Math.floor(g.top + (y - AXIS) / g.high);
    return y >= AXIS && lane >= 0 && lane < app.model.size ? app.lanes.rows[lane] : -1;
  }

  // In shades several lanes share a line: the one that is nearest in time.
  function hit(x, y) {
    const g = geometry();
    if (g.high >= LEAST_LANE || y < AXIS) return rowAt(y);
    const around = Math.max(1, Math.ceil(3 / g.high));
    const at = g.time(x);
    const middle = Math.floor(g.top + (y - AXIS) / g.high);
    let best = -1;
    let nearest = Infinity;
    for (let lane = Math.max(0, middle - around); lane <= Math.min(app.model.size - 1, middle + around); lane += 1) {
      const row = app.lanes.rows[lane];
      if (app.flags && !app.flags[row]) continue;
      const away = Math.max(app.model.born[row] - at, at - app.model.end[row], 0) + Math.abs(lane - middle) * 1e-9;
      if (away < nearest) [best, nearest] = [row, away];
    }
    return best;
  }

  function place(event) {
    const box = canvas.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  }

  function zoomTime(factor, at) {
    const { t0, t1 } = app.state;
    app.update(zoomed({ t0, t1 }, at === undefined ? (t0 + t1) / 2 : at, factor, app.model));
  }

  function moveTime(part) {
    const { t0, t1 } = app.state;
    app.update(moved({ t0, t1 }, (t1 - t0) * part, app.model));
  }

  // Higher or lower lanes, around a line of the canvas.
  function zoomLanes(factor, y = AXIS) {
    const g = geometry();
    const high = Math.min(40, g.high * factor);
    const lane = high <= (g.height / Math.max(1, app.model.size)) * 1.001 ? 0 : high;
    const top = g.top + (y - AXIS) / g.high - (y - AXIS) / high;
    app.update({ lane, top: Math.max(0, lane === 0 ? 0 : top) });
  }

  function moveLanes(number) {
    const g = geometry();
    const top = Math.min(Math.max(0, g.top + number), Math.max(0, app.model.size - g.shown));
    if (top === g.top) return false;
    app.update({ top });
    return true;
  }

  // Brings a row into sight: its lane, and its time.
  function reveal(row) {
    const g = geometry();
    const lane = app.lanes.lane[row];
    const patch = {};
    if (lane < g.top || lane + 1 > g.top + g.shown) patch.top = Math.max(0, lane - g.shown / 2);
    const { born, end, data } = app.model;
    if (Math.min(end[row], data.end) < g.t0 || born[row] > g.t1) {
      Object.assign(patch, moved({ t0: g.t0, t1: g.t1 }, born[row] - (g.t0 + (g.t1 - g.t0) / 4), app.model));
    }
    return patch;
  }

  // The span of a row's life with some room around it.
  function toRow(row) {
    const { born, end, data } = app.model;
    const length = Math.max(10, Math.min(end[row], data.end) - born[row]);
    const span = { t0: born[row] - length * 0.1, t1: born[row] + length * 1.1 };
    app.update({ ...moved(span, 0, app.model), sel: row });
  }

  let drag = null;
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    drag = { ...place(event), t0: app.state.t0, t1: app.state.t1, top: geometry().top, far: false };
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    const at = place(event);
    if (!drag) {
      hover(at, event);
      return;
    }
    const [dx, dy] = [at.x - drag.x, at.y - drag.y];
    drag.far = drag.far || Math.hypot(dx, dy) > 4;
    if (!drag.far) return;
    tip.hidden = true;
    const g = geometry();
    const by = (-dx / g.wide) * (drag.t1 - drag.t0);
    const top = Math.min(Math.max(0, drag.top - dy / g.high), Math.max(0, app.model.size - g.shown));
    app.update({ ...moved({ t0: drag.t0, t1: drag.t1 }, by, app.model), top });
  });
  canvas.addEventListener("pointerup", (event) => {
    const at = place(event);
    if (drag && !drag.far) {
      const row = hit(at.x, at.y);
      app.update({ sel: row });
    }
    drag = null;
  });
  canvas.addEventListener("pointercancel", () => { drag = null; });
  canvas.addEventListener("pointerleave", () => { tip.hidden = true; });
  canvas.addEventListener("dblclick", (event) => {
    const row = hit(place(event).x, place(event).y);
    if (row >= 0) toRow(row);
  });
  canvas.addEventListener("wheel", (event) => {
    const { x, y } = place(event);
    const g = geometry();
    const lines = event.deltaMode === 1 ? 16 : 1;
    const factor = Math.exp(Math.max(-60, Math.min(60, event.deltaY * lines)) * 0.006);
    if (event.ctrlKey || event.metaKey) zoomTime(factor, g.time(Math.max(g.gutter, x)));
    else if (event.altKey) zoomLanes(1 / factor, y);
    else if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
      moveTime(((event.deltaX || event.deltaY) * lines) / g.wide);
    } else if (!moveLanes((event.deltaY * lines) / g.high)) return; // the page scrolls
    event.preventDefault();
  }, { passive: false });

  function hover(at, event) {
    const row = hit(at.x, at.y);
    canvas.classList.toggle("over", row >= 0);
    if (row < 0 || event.pointerType === "touch") {
      tip.hidden = true;
      return;
    }
    const { model, clock } = app;
    fill(tip, el("b", { text: shorten(model.label(row), 60) }),
      el("div", { text: clock.long(model.born[row]) + ", lived " + duration(model.lived(row)) + ", " + model.how(row) }),
      model.siteLabel(row) ? el("div", { class: "faint", text: shorten(model.siteLabel(row), 80) }) : null);
    tip.hidden = false;
    const box = canvas.parentElement.getBoundingClientRect();
    const left = Math.min(event.clientX - box.left + 14, box.width - tip.offsetWidth - 4);
    tip.style.left = Math.max(0, left) + "px";
    tip.style.top = event.clientY - box.top + 16 + "px";
  }

  function step(by) {
    const { sel } = app.state;
    const { rows, lane } = app.lanes;
    let next = sel < 0 ? Math.floor(geometry().top) : lane[sel] + by;
    while (app.flags && next >= 0 && next < rows.length && !app.flags[rows[next]]) next += by || 1;
    if (next < 0 || next >= rows.length) return;
    app.update({ sel: rows[next], ...reveal(rows[next]) });
  }

  const keys = {
    ArrowLeft: () => moveTime(-0.1), ArrowRight: () => moveTime(0.1),
    ArrowUp: () => step(-1), ArrowDown: () => step(1),
    PageUp: () => moveLanes(-geometry().shown * 0.9), PageDown: () => moveLanes(geometry().shown * 0.9),
    "+": () => zoomTime(0.5), "=": () => zoomTime(0.5), "-": () => zoomTime(2),
    "]": () => zoomLanes(1.5), "[": () => zoomLanes(1 / 1.5),
    Home: () => app.update({ t0: app.model.begin, t1: app.model.until }),
    0: () => app.update({ t0: app.model.begin, t1: app.model.until, lane: 0, top: 0 }),
    Enter: () => app.state.sel >= 0 && toRow(app.state.sel),
    Escape: () => app.update({ sel: -1, site: 0, cls: 0, dif: 0 }),
  };
  canvas.addEventListener("keydown", (event) => {
    const action = keys[event.key];
    if (!action || event.ctrlKey || event.metaKey || event.altKey) return;
    action();
    event.preventDefault();
  });
  const button = (id, action) => byId(id).addEventListener("click", action);
  button("zoom-in", () => zoomTime(0.5));
  button("zoom-out", () => zoomTime(2));
  button("zoom-all", keys[0]);
  button("lanes-higher", () => zoomLanes(1.6));
  button("lanes-lower", () => zoomLanes(1 / 1.6));
  return { draw, reveal, toRow, geometry, hit };
}

// The three parts of a colour as #rrggbb.
export function rgb(colour) {
  const number = parseInt(colour.slice(1), 16);
  return [number >> 16, (number >> 8) & 255, number & 255];
}
