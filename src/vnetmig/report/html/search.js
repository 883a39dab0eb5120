// Finding a name, a value, an offset or bytes.

const FOUND_MAX = 200;

/** What `query` finds: {count, found: [{row, offset, size, why}]}, of each kind the first FOUND_MAX. */
function search(model, query) {
  const text = query.trim().toLowerCase();
  if (!text) return { count: 0, found: [] };
  const kinds = [offsetFound(model, text), fieldsFound(model, text), bytesFound(model, text)];
  return {
    count: kinds.reduce((sum, kind) => sum + kind.count, 0),
    found: kinds.flatMap((kind) => kind.found),
  };
}

function offsetFound(model, text) {
  const at = /^0x[0-9a-f]{1,13}$/.test(text) ? Number(text) : -1;
  if (at < 0 || at >= model.total) return { count: 0, found: [] };
  return { count: 1, found: [{ row: model.leafAt(at), offset: at, size: 1, why: "offset" }] };
}

/** Rows whose name, value, bit names or path contain the text, or whose value is the number. */
function fieldsFound(model, text) {
  const { name, value, names } = model.columns;
  const number = /^(0x[0-9a-f]+|-?\d+)$/.test(text) ? BigInt(text) : null;
  const matches = Uint8Array.from(model.head.strings, (string) => (string.toLowerCase().includes(text) ? 1 : 0));
  const equals = Uint8Array.from(model.head.strings, (string) => (number !== null && isNumber(string, number) ? 1 : 0));
  const isPath = /[.[]/.test(text);
  const above = [];
  const found = [];
  let count = 0;
  for (let row = 0; row < model.rows; row += 1) {
    let isHit = matches[name[row]] || matches[names[row]] || matches[value[row]] || equals[value[row]];
    if (isPath) {
      const level = model.level[row];
      const before = model.isTop(row) ? "" : above[level - 1];
      if (model.isTop(row)) above[level] = "";
      else above[level] = model.kind[row] === model.KIND.run ? before : model.joined(before, model.name(row));
      isHit ||= above[level].length >= text.length && above[level].toLowerCase().includes(text);
    }
    if (!isHit) continue;
    count += 1;
    const hit = { row, offset: model.offset[row], size: model.extent[row], why: "field" };
    if (found.length < FOUND_MAX) found.push(hit);
  }
  return { count, found };
}

function isNumber(string, number) {
  return /^(0x[0-9a-f]+|-?\d+)$/.test(string) && BigInt(string) === number;
}

/** Places of a byte sequence: two or more pairs of hexadecimal digits, with or without separators. */
function bytesFound(model, text) {
  if (!/^[0-9a-f]{2}([ :]?[0-9a-f]{2})+$/.test(text)) return { count: 0, found: [] };
  const wanted = Uint8Array.from(text.match(/[0-9a-f]{2}/g), (pair) => parseInt(pair, 16));
  const found = [];
  let count = 0;
  for (const segment of model.segments) {
    if (segment.position < 0) continue;
    const end = segment.position + segment.size - wanted.length;
    for (let at = model.bytes.indexOf(wanted[0], segment.position); at >= 0 && at <= end; ) {
      if (wanted.every((byte, i) => model.bytes[at + i] === byte)) {
        const offset = segment.offset + at - segment.position;
        count += 1;
        const hit = { row: model.leafAt(offset), offset, size: wanted.length, why: "bytes" };
        if (found.length < FOUND_MAX) found.push(hit);
      }
      at = model.bytes.indexOf(wanted[0], at + 1);
    }
  }
  return { count, found };
}

/** The search box with its list. `onSelect(found)` is told where to go; the focus stays in the box. */
function makeSearch(model, box, list, onSelect) {
  const PAUSE = 120;
  let found = [];
  let active = -1;
  let timer = 0;

  const where = (hit) => {
    const holder = model.holder(hit.row);
    const path = model.path(hit.row);
    return path && holder > 0 ? `${model.name(holder)}: ${path}` : path || model.name(hit.row);
  };
  const draw = (hit, i) =>
    element(
      "li",
      { role: "option", id: `hit${i}`, "data-hit": i, "aria-selected": String(i === active) },
      element("span", { class: "why" }, hit.why),
      element("span", { class: "offset" }, `0x${hex(hit.offset)}`),
      element("span", { class: "where" }, where(hit)),
      element("span", { class: "value" }, model.value(hit.row)),
    );
  const show = (visible) => {
    list.hidden = !visible;
    box.setAttribute("aria-expanded", String(visible));
  };
  const run = () => {
    const result = search(model, box.value);
    ({ found } = result);
    active = -1;
    box.removeAttribute("aria-activedescendant");
    const said = [];
    if (result.count > found.length) said.push(`${counted(result.count)} in all; these are the first`);
    if (!found.length) said.push("nothing found");
    list.replaceChildren(...found.map(draw), ...said.map((text) => element("li", { class: "more" }, text)));
    list.scrollTop = 0;
    show(box.value.trim() !== "");
  };
  const go = (i) => {
    if (!found.length) return;
    list.children[active]?.setAttribute("aria-selected", "false");
    active = (i + found.length) % found.length;
    const chosen = list.children[active];
    chosen.setAttribute("aria-selected", "true");
    chosen.scrollIntoView({ block: "nearest" });
    box.setAttribute("aria-activedescendant", chosen.id);
    onSelect(found[active]);
  };
  const settle = () => {
    if (!timer) return;
    clearTimeout(timer);
    timer = 0;
    run();
  };
  const KEYS = {
    ArrowDown: () => go(active + 1),
    ArrowUp: () => go(active < 0 ? found.length - 1 : active - 1),
    Enter: () => go(active + 1),
    Escape: () => show(false),
  };
  box.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(settle, PAUSE);
  });
  box.addEventListener("focus", () => show(found.length > 0));
  box.addEventListener("keydown", (event) => {
    const act = KEYS[event.key];
    if (!act) return;
    event.preventDefault();
    settle();
    act();
  });
  list.addEventListener("mousedown", (event) => event.preventDefault());
  list.addEventListener("click", (event) => {
    const hit = event.target.closest("[data-hit]");
    if (hit) go(Number(hit.dataset.hit));
  });
  box.addEventListener("blur", () => show(false));
}
