// Inflates raw deflate data (RFC 1951), where the browser has no DecompressionStream.

const LENGTH_BASE = [3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258];
const LENGTH_BITS = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0];
const DISTANCE_BASE = [1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577];
const DISTANCE_BITS = [0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13];
const CODE_ORDER = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

// A Huffman code: how many codes there are of each length, and their symbols in order.
function huffman(lengths) {
  const counts = new Uint16Array(16);
  for (const length of lengths) counts[length] += 1;
  counts[0] = 0;
  const next = new Uint16Array(16);
  for (let length = 1; length < 15; length += 1) next[length + 1] = next[length] + counts[length];
  const symbols = new Uint16Array(lengths.length);
  lengths.forEach((length, symbol) => {
    if (length > 0) symbols[next[length]++] = symbol;
  });
  return { counts, symbols };
}

export function inflate(bytes) {
  let out = new Uint8Array(Math.max(1024, bytes.length * 4));
  let size = 0;
  let place = 0;
  let held = 0;
  let heldBits = 0;

  const bits = (number) => {
    while (heldBits < number) {
      if (place >= bytes.length) throw new Error("the data ends in its middle");
      held |= bytes[place++] << heldBits;
      heldBits += 8;
    }
    const value = held & ((1 << number) - 1);
    held >>>= number;
    heldBits -= number;
    return value;
  };
  const symbol = ({ counts, symbols }) => {
    let code = 0;
    let first = 0;
    let index = 0;
    for (let length = 1; length <= 15; length += 1) {
      code |= bits(1);
      const number = counts[length];
      if (code - number < first) return symbols[index + code - first];
      index += number;
      first = (first + number) << 1;
      code <<= 1;
    }
    throw new Error("the data has a code that is none");
  };
  const room = (more) => {
    if (size + more <= out.length) return;
    const larger = new Uint8Array(Math.max(out.length * 2, size + more));
    larger.set(out);
    out = larger;
  };
  const stored = () => {
    held = 0;
    heldBits = 0;
    const length = bytes[place] | (bytes[place + 1] << 8);
    place += 4;
    if (place + length > bytes.length) throw new Error("the data ends in its middle");
    room(length);
    out.set(bytes.subarray(place, place + length), size);
    size += length;
    place += length;
  };
  const packed = (literals, distances) => {
    for (;;) {
      const found = symbol(literals);
      if (found === 256) return;
      if (found < 256) {
        room(1);
        out[size++] = found;
        continue;
      }
      const length = LENGTH_BASE[found - 257] + bits(LENGTH_BITS[found - 257]);
      const kind = symbol(distances);
      const distance = DISTANCE_BASE[kind] + bits(DISTANCE_BITS[kind]);
      if (distance > size) throw new Error("the data points before its beginning");
      room(length);
      for (let index = 0; index < length; index += 1, size += 1) out[size] = out[size - distance];
    }
  };
  const dynamic = () => {
    const literals = bits(5) + 257;
    const distances = bits(5) + 1;
    const codes = bits(4) + 4;
    const lengths = new Array(19).fill(0);
    for (let index = 0; index < codes; index += 1) lengths[CODE_ORDER[index]] = bits(3);
    const code = huffman(lengths);
    const all = [];
    while (all.length < literals + distances) {
      const found = symbol(code);
      if (found < 16) all.push(found);
      else if (found === 16) all.push(...new Array(3 + bits(2)).fill(all[all.length - 1]));
      else all.push(...new Array(found === 17 ? 3 + bits(3) : 11 + bits(7)).fill(0));
    }
    packed(huffman(all.slice(0, literals)), huffman(all.slice(literals, literals + distances)));
  };
  const fixed = () => {
    const lengths = Array.from({ length: 288 }, (_, n) => (n < 144 ? 8 : n < 256 ? 9 : n < 280 ? 7 : 8));
    packed(huffman(lengths), huffman(new Array(30).fill(5)));
  };

  for (let last = 0; !last; ) {
    last = bits(1);
    const kind = bits(2);
    if (kind === 3) throw new Error("the data has a block of no kind");
    [stored, fixed, dynamic][kind]();
  }
  return out.subarray(0, size);
}
