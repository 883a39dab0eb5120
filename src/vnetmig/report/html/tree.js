// The fields: a tree of which the open part is a list of rows.

/** `onSelect(row)` is told what the user chose. */
function makeTree(model, host, onSelect) {
  const open = new Uint8Array(model.rows);
  let listed = [];
  let selected = -1;

  const list = () => {
    listed = [];
    for (let row = 0; row < model.rows; row = open[row] ? row + 1 : model.next[row]) listed.push(row);
  };
  const indexOf = (row) => model.lastFrom(listed.length, (i) => listed[i], row);

  const cell = (name, ...children) => element("span", { role: "gridcell", class: name }, ...children);
  const draw = (i) => {
    const row = listed[i];
    const folds = !model.isLeaf(row);
    const twist = element("span", { class: "twist", "aria-hidden": "true" }, folds ? (open[row] ? "▾" : "▸") : "");
    const name = cell("name", twist, model.name(row));
    name.style.paddingInlineStart = `${model.level[row] * 0.9}rem`;
    const names = model.names(row);
    const value = cell("value", model.value(row), ...(names ? [" ", element("i", {}, names)] : []));
    return element(
      "div",
      {
        role: "row", id: `row${row}`, class: `row ${model.head.kinds[model.kind[row]]}`, "data-row": row,
        "aria-level": model.level[row] + 1, "aria-selected": String(row === selected), "aria-rowindex": i + 1,
        "aria-expanded": folds ? String(Boolean(open[row])) : undefined,
      },
      name, value, cell("type", model.type(row)), cell("offset", `0x${hex(model.offset[row])}`),
      cell("size", counted(model.extent[row])),
    );
  };
  const rows = makeRows(host, draw);

  const relist = () => {
    list();
    host.setAttribute("aria-rowcount", listed.length);
    rows.resize(listed.length);
  };
  const fold = (row, isOpen) => {
    if (model.isLeaf(row)) return;
    open[row] = isOpen ? 1 : 0;
    relist();
  };
  const openAbove = (row) => {
    let changed = false;
    for (let at = model.parent[row]; at >= 0; at = model.parent[at]) {
      changed ||= !open[at];
      open[at] = 1;
    }
    return changed;
  };
  /** Show a row as the selected one, with all above it open. */
  const show = (row) => {
    selected = row;
    if (openAbove(row)) relist();
    else rows.refresh();
    rows.reveal(indexOf(row));
    host.setAttribute("aria-activedescendant", `row${row}`);
  };

  const moveTo = (i) => onSelect(listed[Math.max(0, Math.min(listed.length - 1, i))]);
  const into = () => {
    if (open[selected]) moveTo(indexOf(selected) + 1);
    else fold(selected, true);
  };
  const outOf = () => {
    if (open[selected]) fold(selected, false);
    else if (model.parent[selected] >= 0) onSelect(model.parent[selected]);
  };
  const KEYS = {
    ArrowDown: () => moveTo(indexOf(selected) + 1),
    ArrowUp: () => moveTo(indexOf(selected) - 1),
    PageDown: () => moveTo(indexOf(selected) + rows.page()),
    PageUp: () => moveTo(indexOf(selected) - rows.page()),
    Home: () => moveTo(0),
    End: () => moveTo(listed.length - 1),
    ArrowRight: into,
    ArrowLeft: outOf,
    Enter: () => fold(selected, !open[selected]),
    " ": () => fold(selected, !open[selected]),
  };
  host.addEventListener("keydown", (event) => {
    const act = KEYS[event.key];
    if (!act || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    act();
  });
  const rowOf = (event) => {
    const found = event.target.closest("[data-row]");
    return found ? Number(found.dataset.row) : -1;
  };
  host.addEventListener("click", (event) => {
    const row = rowOf(event);
    if (row < 0) return;
    if (event.target.closest(".twist")) fold(row, !open[row]);
    onSelect(row);
  });
  host.addEventListener("dblclick", (event) => {
    const row = rowOf(event);
    if (row >= 0 && !event.target.closest(".twist")) fold(row, !open[row]);
  });

  open[0] = 1;
  relist();
  const unfold = (row) => {
    openAbove(row);
    fold(row, true);
  };
  return { show, unfold };
}
