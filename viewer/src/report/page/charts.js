// How many tasks lived, and how many were created each second, over the span that the timeline shows;
// and over the whole trace, with a window on it to draw and drag.

import { byId, canvasOf, colours } from "./dom.js";
import { count, rate } from "./text.js";
import { gutterOf } from "./timeline.js";
import { moved } from "./layout.js";
import { otherCurve } from "./compare.js";

export function chartsOf(app) {
  const overview = byId("overview");

  function area(context, values, { left, top, wide, high, most, colour }) {
    context.beginPath();
    context.moveTo(left, top + high);
    values.forEach((value, index) => {
      const y = top + high - (value / most) * high;
      context.lineTo(left + (index / values.length) * wide, y);
      context.lineTo(left + ((index + 1) / values.length) * wide, y);
    });
    context.lineTo(left + wide, top + high);
    context.closePath();
    context.globalAlpha = 0.3;
    context.fillStyle = colour;
    context.fill();
    context.globalAlpha = 1;
    context.strokeStyle = colour;
    context.lineWidth = 1;
    context.stroke();
  }

  // With `other`, a second line: the same of the other run.
  function chart(id, words, values, colour, told, other) {
    const { context, width, height } = canvasOf(byId(id));
    const c = colours();
    const gutter = gutterOf(width);
    const own = values.reduce((a, b) => Math.max(a, b), 0);
    const most = other ? other.values.reduce((a, b) => (b > a ? b : a), own) : own;
    context.clearRect(0, 0, width, height);
    area(context, values, { left: gutter, top: 4, wide: width - gutter, high: height - 6, most: most || 1, colour: c[colour] });
    if (other) dashed(context, other.values, { left: gutter, wide: width - gutter, top: 4, high: height - 6, most: most || 1, colour: c.text });
    context.fillStyle = c.faint;
    context.font = "12px system-ui, sans-serif";
    context.textBaseline = "top";
    context.fillText(words, 6, 4, gutter - 12);
    context.fillStyle = c.text;
    context.fillText("≤ " + told(own) + (other ? "; " + other.words : ""), 6, 20, gutter - 12);
    context.fillStyle = c.line;
    context.fillRect(0, height - 1, width, 1);
    byId(id).setAttribute("aria-label", words + ": at most " + told(own) + " in the span shown" + (other ? "; " + other.words : ""));
  }

  function drawOverview() {
    const { context, width, height } = canvasOf(overview);
    if (width === 0) return;
    const c = colours();
    const { model, state } = app;
    const gutter = gutterOf(width);
    const wide = Math.max(2, width - gutter);
    const { most } = model.curve(model.begin, model.until, Math.floor(wide));
    context.clearRect(0, 0, width, height);
    area(context, most, { left: gutter, top: 3, wide, high: height - 5, most: Math.max(1, ...most), colour: c.faint });
    const x = (time) => gutter + ((time - model.begin) / (model.until - model.begin)) * wide;
    context.fillStyle = c.bad;
    for (const point of model.data.points) {
      context.fillStyle = point.kind === "mark" ? c.accent : c.bad;
      context.fillRect(x(point.time) - 1, 0, 2, height);
    }
    const [from, to] = [x(state.t0), x(state.t1)];
    context.fillStyle = c.bg;
    context.globalAlpha = 0.65;
    context.fillRect(gutter, 0, from - gutter, height);
    context.fillRect(to, 0, width - to, height);
    context.globalAlpha = 1;
    context.strokeStyle = c.accent;
    context.lineWidth = 1.5;
    context.strokeRect(from + 0.75, 0.75, Math.max(2, to - from - 1.5), height - 1.5);
    context.fillStyle = c.faint;
    context.font = "12px system-ui, sans-serif";
    context.textBaseline = "middle";
    context.fillText("whole recording", 6, height / 2, gutter - 12);
  }

  function draw() {
    drawOverview();
    const canvas = byId("live");
    const { t0, t1 } = app.state;
    const columns = Math.floor((canvas.clientWidth - gutterOf(canvas.clientWidth)) / 2);
    if (columns < 2) return;
    const { most, rates } = app.model.curve(t0, t1, columns);
    const seconds = ((t1 - t0) * app.model.data.unit) / 1e9 / columns;
    chart("live", "alive at a time", most, "good", count, compared(columns));
    chart("rate", "created per second", rates.map((number) => number / seconds), "accent", rate);
  }

  // Of a run of which only a part is on the page, the other one tells nothing.
  function compared(columns) {
    const { model, state } = app;
    if (!model.comparison || model.data.selected) return null;
    const values = otherCurve(model, state.t0, state.t1, columns);
    const most = values.reduce((a, b) => (b > a ? b : a), 0);
    return { values, words: (model.run === "new" ? "old" : "new") + " run ┄ ≤ " + count(most) };
  }

  function dashed(context, values, { left, top, wide, high, most, colour }) {
    context.beginPath();
    values.forEach((value, index) => {
      if (Number.isNaN(value)) return;
      const y = top + high - (value / most) * high;
      const x = left + (index / values.length) * wide;
      if (index === 0 || Number.isNaN(values[index - 1])) context.moveTo(x, y);
      context.lineTo(x, y);
      context.lineTo(left + ((index + 1) / values.length) * wide, y);
    });
    context.strokeStyle = colour;
    context.lineWidth = 1;
    context.setLineDash([4, 3]);
    context.stroke();
    context.setLineDash([]);
  }

  const timeAt = (event) => {
    const box = overview.getBoundingClientRect();
    const gutter = gutterOf(box.width);
    const part = Math.min(1, Math.max(0, (event.clientX - box.left - gutter) / (box.width - gutter)));
    return app.model.begin + part * (app.model.until - app.model.begin);
  };
  let from = null;
  overview.addEventListener("pointerdown", (event) => {
    const time = timeAt(event);
    const { t0, t1 } = app.state;
    const whole = t0 <= app.model.begin && t1 >= app.model.until;
    from = { time, inside: !whole && time >= t0 && time <= t1, t0, t1 };
    overview.setPointerCapture(event.pointerId);
  });
  overview.addEventListener("pointermove", (event) => {
    if (!from) return;
    const time = timeAt(event);
    if (from.inside) app.update(moved(from, time - from.time, app.model));
    else if (Math.abs(time - from.time) > (app.model.until - app.model.begin) / 500) {
      app.update({ t0: Math.min(time, from.time), t1: Math.max(time, from.time) });
    }
  });
  const release = () => { from = null; };
  overview.addEventListener("pointerup", release);
  overview.addEventListener("pointercancel", release);
  overview.addEventListener("dblclick", () => app.update({ t0: app.model.begin, t1: app.model.until }));
  return { draw };
}
