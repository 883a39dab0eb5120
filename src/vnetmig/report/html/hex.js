// The bytes: sixteen a line with their characters; a line of its own for what is not in the page.

/** `onSelect(offset)` is told which byte the user chose. */
function makeHex(model, host, onSelect) {
  const WIDTH = 16;
  const digits = Math.max(6, hex(model.total).length);
  let lines = 0;
  for (const segment of model.segments) {
    segment.line = lines;
    segment.base = Math.floor(segment.offset / WIDTH) * WIDTH;
    const whole = Math.ceil((segment.offset + segment.size - segment.base) / WIDTH);
    lines += segment.position < 0 ? 1 : whole;
  }
  let from = 0;
  let to = 0;
  let cursor = 0;

  const lineOf = (offset) => {
    const segment = model.segmentAt(offset);
    return segment.line + (segment.position < 0 ? 0 : Math.floor((offset - segment.base) / WIDTH));
  };
  const segmentOf = (line) =>
    model.segments[model.lastFrom(model.segments.length, (i) => model.segments[i].line, line)];
  const marks = (offset) =>
    (offset >= from && offset < to ? " marked" : "") + (offset === cursor && from < to ? " cursor" : "");

  const elidedLine = (segment) => {
    const text = `${model.name(segment.leaf)}: ${model.value(segment.leaf)}`;
    const at = segment.offset;
    return element(
      "div",
      { role: "row", class: `line gap${marks(at)}`, id: `byte${at}`, "data-byte": at },
      element("span", { role: "rowheader", class: "offset" }, hex(at, digits)),
      element("span", { role: "gridcell" }, text),
    );
  };
  const draw = (line) => {
    const segment = segmentOf(line);
    if (segment.position < 0) return elidedLine(segment);
    const base = segment.base + (line - segment.line) * WIDTH;
    const cells = [];
    const characters = [];
    for (let offset = base; offset < base + WIDTH; offset += 1) {
      if (offset < segment.offset || offset >= segment.offset + segment.size) {
        cells.push(element("span", { role: "gridcell" }, "  "));
        characters.push(element("span", {}, " "));
        continue;
      }
      const byte = model.bytes[segment.position + offset - segment.offset];
      const classes = `byte${byte ? "" : " zero"}${marks(offset)}`;
      const place = { class: classes, "data-byte": offset };
      const cell = { ...place, role: "gridcell", id: `byte${offset}`, "aria-selected": String(offset === cursor) };
      const printable = byte >= 0x20 && byte < 0x7f;
      cells.push(element("span", cell, hex(byte, 2)));
      characters.push(element("span", place, printable ? String.fromCharCode(byte) : "."));
    }
    return element(
      "div",
      { role: "row", class: "line", "aria-rowindex": line + 1 },
      element("span", { role: "rowheader", class: "offset" }, hex(base, digits)),
      element("span", { role: "presentation", class: "cells" }, ...cells),
      element("span", { "aria-hidden": "true", class: "characters" }, ...characters),
    );
  };
  const rows = makeRows(host, draw);
  host.setAttribute("aria-rowcount", lines);
  rows.resize(lines);

  /** Mark the bytes of a field and put the cursor on one of them. */
  const show = (begin, end, offset) => {
    from = begin;
    to = end;
    cursor = offset;
    rows.refresh();
    if (model.total > 0) rows.reveal(lineOf(Math.min(offset, model.total - 1)));
    host.setAttribute("aria-activedescendant", `byte${offset}`);
  };

  /** The byte at or around an offset; a part that is not in the page counts as one. */
  const step = (by) => {
    const segment = model.segmentAt(cursor);
    const there = Math.max(0, Math.min(model.total - 1, cursor + by));
    if (segment.position >= 0) return landed(there);
    const beside = by < 0 ? segment.offset - 1 : segment.offset + segment.size;
    return landed(Math.max(0, Math.min(model.total - 1, beside)));
  };
  const landed = (offset) => {
    const segment = model.segmentAt(offset);
    return segment.position < 0 ? segment.offset : offset;
  };
  const KEYS = {
    ArrowRight: () => step(1),
    ArrowLeft: () => step(-1),
    ArrowDown: () => step(WIDTH),
    ArrowUp: () => step(-WIDTH),
    PageDown: () => step(WIDTH * rows.page()),
    PageUp: () => step(-WIDTH * rows.page()),
    Home: () => landed(0),
    End: () => landed(model.total - 1),
  };
  host.addEventListener("keydown", (event) => {
    const act = KEYS[event.key];
    if (!act || event.altKey || event.ctrlKey || event.metaKey || model.total === 0) return;
    event.preventDefault();
    onSelect(act());
  });
  host.addEventListener("click", (event) => {
    const found = event.target.closest("[data-byte]");
    if (found) onSelect(Number(found.dataset.byte));
  });
  return { show };
}
