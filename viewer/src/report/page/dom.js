// Elements by construction: text goes in as text, escaped where it would reorder or hide something.
// Nothing here or elsewhere makes markup of a string.

import { visible } from "./text.js";

// An element: `text`, `on` with listeners, `data`; everything else is an attribute. False and null are none.
export function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "text") element.textContent = visible(value);
    else if (name === "on") for (const [kind, listener] of Object.entries(value)) element.addEventListener(kind, listener);
    else if (name === "title") element.title = visible(value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  add(element, children);
  return element;
}

export function add(parent, children) {
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    parent.append(child instanceof Node ? child : visible(child));
  }
}

export function fill(parent, ...children) {
  parent.replaceChildren();
  add(parent, children);
}

// An element of a picture. What it belongs to is a name, which looks like an address: nothing is loaded.
export function svg(tag, attributes = {}) {
  const element = document.createElementNS("http:" + "//www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

export function byId(id) {
  return document.getElementById(id);
}

// A canvas that is as sharp as the screen; returns its context, width and height in CSS pixels.
export function canvasOf(canvas) {
  const ratio = window.devicePixelRatio || 1;
  const width = canvas.clientWidth;
  const height = canvas.clientHeight;
  const [wide, high] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== wide || canvas.height !== high) Object.assign(canvas, { width: wide, height: high });
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  return { context, width, height, ratio };
}

// The colours of the page as it looks now.
export function colours() {
  const style = getComputedStyle(document.documentElement);
  const names = ["bg", "panel", "line", "text", "faint", "thread", "process", "good", "bad", "note", "accent", "dim",
    "new", "gone", "grown", "shrunk", "otherwise", "same"];
  return Object.fromEntries(names.map((name) => [name, style.getPropertyValue("--" + name).trim()]));
}
