// Text as it may be shown. Whatever a recorded program called itself, the page shows it with this: what
// reorders, hides or controls text becomes a visible escape.

const HOSTILE =
  /[\u0000-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ud800-\udfff\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\u{e0000}-\u{e0fff}]/gu;

// Lone surrogates too: the u flag takes pairs as one character, which the range does not hold.
export function visible(text) {
  return String(text).replace(HOSTILE, (c) => {
    const code = c.codePointAt(0);
    if (c === "\n") return "\\n";
    if (c === "\t") return "\\t";
    if (c === "\r") return "\\r";
    return code < 0x100 ? "\\x" + code.toString(16).padStart(2, "0") : "\\u{" + code.toString(16) + "}";
  });
}

// `1,234,567`.
export function count(number) {
  return String(Math.round(number)).replace(/\B(?=(\d{3})+(?!\d))/g, ",");
}

// `1 task`, `812 tasks`.
export function counted(number, noun) {
  const many = /(s|x|ch)$/.test(noun) ? noun + "es" : noun + "s";
  return count(number) + " " + (number === 1 ? noun : many);
}

// A rate with three digits at most.
export function rate(number) {
  const size = Math.abs(number);
  if (size === 0) return "0";
  if (size < 10) return number.toFixed(size < 0.01 ? 4 : 2);
  return size < 100 ? number.toFixed(1) : (number < 0 ? "-" : "") + count(size);
}

// Cuts text in its middle, by characters: a name of 10,000 of them is one line, too.
export function shorten(text, most) {
  if (text.length <= most) return text;
  const chars = Array.from(text.length > 4 * most ? text.slice(0, 2 * most) + text.slice(-2 * most) : text);
  if (chars.length <= most) return text;
  const tail = Math.floor((most - 1) / 2);
  return chars.slice(0, most - 1 - tail).join("") + "…" + chars.slice(chars.length - tail).join("");
}
