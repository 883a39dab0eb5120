// What every page has: its data, elements made of text, and blocks (facts, tables, notes).
// Text gets into the page by textContent alone: nothing that came from a stream is ever read as markup.

/** The data of the page (columns.py): {head, columns}. The inflating is the browser's own, off the main thread. */
async function unpack() {
  const text = atob(document.getElementById("data").textContent);
  const packed = new Uint8Array(text.length);
  for (let i = 0; i < packed.length; i += 1) packed[i] = text.charCodeAt(i);
  const inflated = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  const buffer = await new Response(inflated).arrayBuffer();
  const length = new DataView(buffer).getUint32(0, true);
  const { columns: places, ...head } = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  const base = Math.ceil((4 + length) / 8) * 8;
  const kinds = { Uint8Array, Uint16Array, Uint32Array, Float64Array };
  const columns = {};
  for (const [name, [kind, offset, count]] of Object.entries(places)) {
    columns[name] = new kinds[kind](buffer, base + offset, count);
  }
  return { head, columns };
}

/** An element with attributes and children; strings become text. */
function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== false) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

/** A block of the report layer as elements; its title is left out where it would repeat `above`. */
function blockElement(block, above = "") {
  if (block.note !== undefined) return element("p", { class: "note" }, block.note);
  const title = block.title && block.title !== above ? [element("h3", {}, block.title)] : [];
  if (block.facts) {
    const pair = ([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, value));
    const pairs = block.facts.map(pair);
    return element("section", {}, ...title, element("dl", {}, ...pairs));
  }
  const cells = (tag, row) =>
    row.map((text, i) => element(tag, { class: block.columns[i].right ? "number" : "text" }, text));
  const head = element("tr", {}, ...cells("th", block.columns.map((column) => column.name)));
  const rows = block.rows.map((row) => element("tr", {}, ...cells("td", row)));
  const table = element("table", {}, element("thead", {}, head), element("tbody", {}, ...rows));
  const notes = block.notes.map((text) => element("p", { class: "note" }, text));
  return element("section", {}, ...title, element("div", { class: "wide" }, table), ...notes);
}

const hex = (number, width = 0) => number.toString(16).padStart(width, "0");
const counted = (number) => number.toLocaleString("en");
