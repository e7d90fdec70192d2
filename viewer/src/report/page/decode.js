// The page's data: base64 of deflated bytes, which are a length, JSON, and columns of numbers.
// viewer/src/report/data.rs writes them.

import { inflate } from "./inflate.js";

export function fromBase64(text) {
  if (typeof Uint8Array.fromBase64 === "function") return Uint8Array.fromBase64(text);
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let index = 0; index < binary.length; index += 1) bytes[index] = binary.charCodeAt(index);
  return bytes;
}

export async function inflated(bytes) {
  let stream;
  try {
    stream = new DecompressionStream("deflate-raw");
  } catch {
    return inflate(bytes); // an older browser: it has none, or none for this form
  }
  const through = new Blob([bytes]).stream().pipeThrough(stream);
  return new Uint8Array(await new Response(through).arrayBuffer());
}

// The JSON, with its columns as arrays in `column`.
export function decode(bytes) {
  const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
  const data = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + length)));
  if (data.version !== 1) throw new Error("the data is of another version than the page");
  data.column = decodeColumns(data.columns, bytes.subarray(4 + length));
  return data;
}

export function decodeColumns(columns, bytes) {
  const out = Object.create(null);
  let place = 0;
  // Numbers beyond 32 bits are made by multiplying: shifts would cut them.
  const number = () => {
    let value = 0;
    let scale = 1;
    for (;;) {
      const byte = bytes[place++];
      if (byte === undefined) throw new Error("a column ends in its middle");
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
      scale *= 128;
    }
  };
  for (const { name, form, count: size } of columns) {
    const column = new Float64Array(size);
    let before = 0;
    for (let index = 0; index < size; index += 1) {
      const value = number();
      before = form === "d" ? before + (value % 2 ? -(value + 1) / 2 : value / 2) : value;
      column[index] = before;
    }
    out[name] = column;
  }
  return out;
}
