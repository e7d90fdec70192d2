// What is searched for: words that must all be in a task's texts, or `field:word`; `-word` must not.

const FIELDS = new Set(["name", "tid", "pid", "site", "start", "how", "exe"]);

// `tid:12 worker -exit` becomes [{field, word, not}].
export function parseQuery(text) {
  const words = text.match(/-?(?:\w+:)?(?:"[^"]*"?|[^\s"]+)/g) || [];
  return words.map((part) => {
    const not = part.startsWith("-") && part.length > 1;
    const bare = not ? part.slice(1) : part;
    const colon = bare.indexOf(":");
    const field = colon > 0 ? bare.slice(0, colon).toLowerCase() : "";
    const known = FIELDS.has(field);
    const word = (known ? bare.slice(colon + 1) : bare).replace(/"/g, "").toLowerCase();
    return { field: known ? field : "", word, not };
  }).filter(({ word }) => word !== "");
}

// The rows that fit as a table of flags, and how many; null where nothing is searched for.
export function search(model, text) {
  const query = parseQuery(text);
  if (query.length === 0) return null;
  const { size, data } = model;
  const tests = query.map((part) => testOf(model, part));
  const flags = new Uint8Array(size);
  let found = 0;
  let tasks = 0;
  for (let row = 0; row < size; row += 1) {
    if (tests.every((test) => test(row))) {
      flags[row] = 1;
      found += 1;
      tasks += model.tasksOf(row);
    }
  }
  return { flags, found, tasks, all: data.tasks };
}

// Each distinct text is looked at once, however many tasks have it.
function testOf(model, { field, word, not }) {
  const { strings, sites } = model.data;
  const inText = (list, text) => {
    const known = new Map();
    return (number) => {
      if (!known.has(number)) known.set(number, text(list[number] || "").toLowerCase().includes(word));
      return known.get(number);
    };
  };
  const inString = inText(strings, (text) => text);
  const inSite = inText(sites.rows, (site) => site.label || "");
  const number = /^\d+$/.test(word) ? Number(word) : -1;
  const any = (list) => list !== undefined && list.some(([, text]) => inString(text));
  const tests = {
    name: (row) => inString(model.nameOf[row]) || any(model.named.get(row)),
    tid: (row) => model.tid[row] === number || (number > 0 && model.inner[row] === number),
    pid: (row) => model.pid[row] === number,
    site: (row) => model.site[row] > 0 && inSite(model.site[row] - 1),
    start: (row) => inString(model.startOf[row]),
    how: (row) => inString(model.howOf[row]),
    exe: (row) => any(model.became.get(row)),
  };
  const fits = field ? tests[field] : (row) => Object.values(tests).some((test) => test(row));
  return not ? (row) => !fits(row) : fits;
}
