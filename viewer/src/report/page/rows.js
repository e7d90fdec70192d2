// A table of any number of rows, of which only those in sight are elements. It is a grid for screen
// readers and for the keyboard: arrows, Page Up and Down, Home and End move, Enter picks.

import { el, fill } from "./dom.js";
import { count } from "./text.js";

const ROW_HEIGHT = 26;
const MOST_HEIGHT = 8_000_000; // browsers have no taller elements than some 16 million pixels
const MOST_PRINTED = 200;

const GAP = 10; // between columns, as the style has it
const EDGES = 24; // beside the first and the last, with the bar to scroll by

// The least pixels of a column: `6rem`, or the first of `minmax(6rem, 2fr)`.
export function leastOf(width) {
  return parseFloat(width.replace("minmax(", "")) * 16;
}

export class RowTable {
  // columns: [{ title, width, kind, sort }]; cells(index) makes a row's; traits(index) its attributes.
  constructor({ label, columns, cells, traits, pick, key, sorted }) {
    Object.assign(this, { columns, cells, traits, pick, key, sorted, size: 0, active: 0 });
    this.head = el("div", { role: "row", class: "row head" });
    this.inner = el("div", { class: "inner", role: "presentation" });
    this.body = el("div", { class: "body", tabindex: "0", role: "rowgroup", "aria-label": label,
      on: { scroll: () => this.draw(), keydown: (event) => this.keydown(event) } }, this.inner);
    this.element = el("div", { class: "rows", role: "grid", "aria-label": label, "aria-colcount": columns.length },
      this.head, this.body);
    this.drawHead("", 1);
    new ResizeObserver(() => {
      this.head.style.gridTemplateColumns = this.template;
      this.draw();
    }).observe(this.body);
  }

  // Where not all of them have room, columns of kind narrow are not shown.
  get template() {
    const least = this.columns.reduce((sum, { width }) => sum + leastOf(width) + GAP, EDGES);
    const few = this.element !== undefined && this.element.clientWidth < least;
    if (this.element) this.element.classList.toggle("few", few);
    const shown = this.columns.filter(({ kind = "" }) => !few || !kind.includes("narrow"));
    return shown.map(({ width }) => width).join(" ");
  }

  drawHead(sort, direction) {
    this.head.style.gridTemplateColumns = this.template;
    fill(this.head, this.columns.map((column) => {
      const is = column.sort && column.sort === sort;
      const cell = el("div", { role: "columnheader", class: "cell " + (column.kind || ""),
        "aria-sort": is ? (direction > 0 ? "ascending" : "descending") : column.sort ? "none" : null });
      if (column.sort) {
        cell.append(el("button", { type: "button", text: column.title + (is ? (direction > 0 ? " ▲" : " ▼") : ""),
          on: { click: () => this.sorted(column.sort) } }));
      } else cell.append(el("span", { text: column.title }));
      return cell;
    }));
  }

  resize(size) {
    this.size = size;
    this.active = Math.max(0, Math.min(this.active, size - 1));
    this.element.setAttribute("aria-rowcount", String(size + 1));
    this.height = Math.min(size * ROW_HEIGHT, MOST_HEIGHT);
    this.inner.style.height = this.height + "px";
    this.draw();
  }

  // Rows in sight, and rows for a pixel of scrolling.
  measure() {
    const shown = this.body.clientHeight / ROW_HEIGHT;
    const slack = this.height - this.body.clientHeight;
    return { shown, each: slack > 0 ? (this.size - shown) / slack : 0 };
  }

  draw() {
    if (this.printing) return;
    const { shown, each } = this.measure();
    const top = this.body.scrollTop * each;
    const from = Math.max(0, Math.floor(top));
    const to = Math.min(this.size, Math.ceil(top + shown) + 1);
    const rows = [];
    const template = this.template;
    for (let index = from; index < to; index += 1) {
      const row = this.row(index, template);
      row.style.transform = "translateY(" + (this.body.scrollTop + (index - top) * ROW_HEIGHT) + "px)";
      rows.push(row);
    }
    fill(this.inner, rows);
    if (this.active >= from && this.active < to) this.body.setAttribute("aria-activedescendant", this.id(this.active));
    else this.body.removeAttribute("aria-activedescendant");
  }

  id(index) {
    return "row-" + this.columns[0].title.toLowerCase() + "-" + index;
  }

  row(index, template = this.template) {
    const { class: extra = "", ...traits } = this.traits ? this.traits(index) : {};
    const row = el("div", { role: "row", id: this.id(index), "aria-rowindex": index + 2, ...traits,
      class: "row " + extra + (index === this.active ? " active" : ""),
      on: { click: (event) => { this.active = index; this.pick(index, event); } } });
    row.style.gridTemplateColumns = template;
    this.cells(index).forEach((content, place) => {
      const cell = el("div", { role: "gridcell", class: "cell " + (this.columns[place].kind || "") });
      if (content instanceof Node) cell.append(content);
      else if (content !== undefined && content !== "") {
        cell.append(el("span", { text: content, title: String(content).length > 12 ? content : null }));
      }
      row.append(cell);
    });
    return row;
  }

  // Scrolls so that a row is in sight, and makes it the active one.
  reveal(index) {
    this.active = index;
    const { shown, each } = this.measure();
    if (each > 0) {
      const top = this.body.scrollTop * each;
      if (index < top || index + 1 > top + shown) {
        this.body.scrollTop = Math.max(0, index - shown / 2) / each;
      }
    }
    this.draw();
  }

  keydown(event) {
    const { shown } = this.measure();
    const page = Math.max(1, Math.floor(shown) - 1);
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
    if (event.key in steps) {
      this.reveal(Math.max(0, Math.min(this.size - 1, this.active + steps[event.key])));
    } else if (event.key === "Enter" || event.key === " ") {
      if (this.size > 0) this.pick(this.active, event);
    } else if (!this.key || !this.key(event, this.active)) return;
    event.preventDefault();
  }

  // On paper there is no scrolling: the first rows, and how many more there are.
  print(on) {
    this.printing = on;
    if (!on) {
      this.resize(this.size);
      return;
    }
    const rows = [];
    for (let index = 0; index < Math.min(this.size, MOST_PRINTED); index += 1) rows.push(this.row(index));
    const more = this.size - rows.length;
    if (more > 0) rows.push(el("p", { text: "… and " + count(more) + " more" }));
    fill(this.inner, rows);
  }
}
