// Everything that is known of the selected node.

/** `onSelect(row)` follows a link to another node. */
function makeDetails(model, host, onSelect) {
  const fact = (name, ...values) => element("div", {}, element("dt", {}, name), element("dd", {}, ...values));
  const link = (row, text) => {
    const made = element("button", { type: "button", class: "link" }, text);
    made.addEventListener("click", () => onSelect(row));
    return made;
  };
  const facts = (row) => {
    const begin = model.offset[row];
    const size = model.extent[row];
    const holder = model.holder(row);
    const found = [fact("offset", `0x${hex(begin)} (${counted(begin)})`)];
    if (holder > 0 && holder !== row) {
      found.push(fact("in section", link(holder, `0x${hex(begin - model.offset[holder])} into ${model.name(holder)}`)));
    }
    found.push(fact("size", `${counted(size)} ${size === 1 ? "byte" : "bytes"}`));
    if (model.isTop(row)) return element("dl", {}, ...found); // its blocks say the rest
    if (model.type(row)) found.push(fact("type", model.type(row)));
    if (model.value(row)) found.push(fact("value", element("b", {}, model.value(row))));
    if (model.names(row)) {
      const names = model.names(row).split(" ").map((name) => element("li", {}, name));
      found.push(fact("names", element("ul", { class: "names" }, ...names)));
    }
    return element("dl", {}, ...found);
  };
  return {
    show: (row) => {
      const title = model.isTop(row) ? model.name(row) : model.path(row);
      const blocks = model.head.blocks[row] ?? [];
      const own = row === 0 ? [] : [facts(row)];
      host.replaceChildren(element("h2", {}, title), ...own, ...blocks.map((block) => blockElement(block, title)));
      host.scrollTop = 0;
    },
  };
}
