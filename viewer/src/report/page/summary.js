// What was recorded, in words; first of all what is missing.

import { byId, el, fill } from "./dom.js";
import { count } from "./text.js";

const FIRST = ["command", "recorded", "host", "tasks", "losses", "ending", "refused"];

export function drawSummary(app) {
  const { data } = app.model;
  byId("title").textContent = data.title;
  const leaks = data.leaks.rows.filter((row) => row.verdict === "leak");
  const alerts = data.notices.map((text) => el("p", { class: "alert bad", text: "⚠ " + text }));
  alerts.push(...data.asides.map((text) => el("p", { class: "alert note", text: "ℹ " + text })));
  fill(byId("alerts"), alerts);
  const fact = ({ label, local, utc, style }) => [
    el("dt", { text: label }),
    el("dd", { class: style, text: app.state.clock === "utc" ? utc : local }),
  ];
  const isFirst = ({ label, style }) => FIRST.includes(label) || style === "bad";
  fill(byId("facts"), data.facts.filter(isFirst).map(fact));
  fill(byId("more-facts"), data.facts.filter((one) => !isFirst(one)).map(fact));
  const verdicts = el("div", {},
    el("p", { class: leaks.length > 0 ? "verdict bad" : "verdict good", text: data.verdicts[0] || "" }),
    leaks.slice(0, 5).map((row) => el("p", { class: "leak" },
      el("button", { type: "button", class: "link", text: row.label,
        on: { click: () => app.update({ tab: "leaks", cls: data.leaks.rows.indexOf(row) + 1, site: 0, dif: 0 }) } }),
      " — " + count(row.alive) + " of " + count(row.created) + " " + data.leaks.alive + ": " + row.evidence)),
    leaks.length > 5 ? el("p", { class: "faint", text: count(leaks.length - 5) + " more: see Leaks" }) : null,
    data.doubts.map((text) => el("p", { class: "note", text })),
    data.verdicts.slice(1).map((text) => el("p", { class: "faint", text })));
  fill(byId("verdicts"), verdicts);
  byId("made").textContent = "made by " + data.made_by + "; this page loads nothing and sends nothing";
}
