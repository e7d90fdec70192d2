// Times in words: since the start, or by the recording host's clock, in its zone or in UTC. Never in
// the reader's zone.

const UNITS = [[3600e9, "h"], [60e9, "min"], [1e9, "s"], [1e6, "ms"], [1e3, "µs"], [1, "ns"]];

// `69.7 ms`, from nanoseconds.
export function duration(ns) {
  if (ns >= 120e9) {
    const seconds = Math.floor(ns / 1e9);
    const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
    return h > 0 ? h + "h" + String(m).padStart(2, "0") + "m" : m + "m" + String(s).padStart(2, "0") + "s";
  }
  const [size, unit] = UNITS.slice(2).find(([size]) => ns >= size) || UNITS[5];
  const value = ns / size;
  const digits = value >= 100 || unit === "ns" ? 0 : value >= 10 ? 1 : 2;
  return value.toFixed(digits) + " " + unit;
}

// `+1.500000s`, with as many digits as a step of so many nanoseconds needs.
export function elapsed(ns, step = 1e3) {
  const digits = step >= 1e9 ? 0 : Math.min(9, Math.ceil(-Math.log10(step / 1e9) - 1e-9));
  const seconds = ns / 1e9;
  if (ns >= 120e9 && step >= 1e6) {
    const whole = Math.floor(seconds);
    const [h, m] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
    const rest = (seconds - whole + (whole % 60)).toFixed(digits).padStart(digits ? digits + 3 : 2, "0");
    return "+" + (h ? h + "h" + String(m).padStart(2, "0") : m) + "m" + rest + "s";
  }
  return "+" + seconds.toFixed(digits) + "s";
}

// What the wall clock said, with an offset in seconds: anchors are [time, ms, ns, offset], in order.
export function wall(anchors, unit, time, utc) {
  let low = 0;
  for (let index = 1; index < anchors.length && anchors[index][0] <= time; index += 1) low = index;
  const [at, ms, ns, offset] = anchors[low] || [0, 0, 0, 0];
  const since = (time - at) * unit + ns;
  const zone = utc ? 0 : offset;
  return { ms: ms + Math.floor(since / 1e6) + zone * 1000, ns: ((since % 1e6) + 1e6) % 1e6, zone };
}

export function zoneName(offset, utc) {
  if (utc) return "UTC";
  const minutes = Math.round(Math.abs(offset) / 60);
  const two = (number) => String(number).padStart(2, "0");
  return (offset < 0 ? "-" : "+") + two(Math.floor(minutes / 60)) + ":" + two(minutes % 60);
}

// A clock by which a trace's times are told. `kind` is elapsed, local or utc.
export function clockOf(data, kind) {
  const utc = kind === "utc";
  const told = (time, step, withDate) => {
    const { ms, ns } = wall(data.anchors, data.unit, time, utc);
    const date = new Date(ms);
    if (Number.isNaN(date.getTime())) return elapsed(time * data.unit, step);
    const iso = date.toISOString();
    const digits = step >= 1e9 ? 0 : Math.min(9, Math.ceil(-Math.log10(step / 1e9) - 1e-9));
    const fraction = iso.slice(-4, -1) + String(Math.floor(ns)).padStart(6, "0");
    const rest = digits ? "." + fraction.slice(0, digits) : "";
    return (withDate ? iso.slice(0, -14) + " " : "") + iso.slice(-13, -5) + rest;
  };
  const dayOf = (time) => Math.floor(wall(data.anchors, data.unit, time, utc).ms / 86400e3);
  const severalDays = dayOf(data.begin) !== dayOf(data.end);
  const zone = () => zoneName(wall(data.anchors, data.unit, data.begin, utc).zone, utc);
  return {
    kind,
    // On an axis.
    short: (time, step) => (kind === "elapsed" ? elapsed(time * data.unit, step) : told(time, step, false)),
    // In tables and panels, to the microsecond; the date only where it is not the same all through.
    long: (time) => (kind === "elapsed" ? elapsed(time * data.unit) : told(time, 1e3, severalDays)),
    // How far the clock's midnight is before the trace's start, ns: steps of an axis are counted from it.
    offset: () => {
      if (kind === "elapsed") return 0;
      const { ms, ns } = wall(data.anchors, data.unit, 0, utc);
      return (((ms % 86400e3) + 86400e3) % 86400e3) * 1e6 + ns;
    },
    zone: () => (kind === "elapsed" ? "since the start" : zone()),
  };
}
