// The table of a matrix: one button for each pair, reached by Tab once and by arrows from there.

/** What of the matrix is shown: `machine` ("" is any) and the set of outcomes that are `hidden`. */
function makeTable(data, host, onSelect) {
  const width = data.destinations.length;
  const named = new Set([...data.sources, ...data.destinations].map((place) => place.name)).size > 1;
  const buttons = [];
  const rows = [];

  const heading = (scope, text, span) => element("th", { scope, colspan: span }, text);
  const front = named ? ["from", "machine type", "QEMU"] : ["machine type", "from QEMU"];
  const names = element("tr", {}, element("td", { colspan: front.length }));
  for (let first = 0; first < width; ) {
    let last = first;
    while (last < width && data.destinations[last].name === data.destinations[first].name) last += 1;
    names.append(heading("colgroup", `to ${data.destinations[first].name}`, last - first));
    first = last;
  }
  const releases = element(
    "tr", {}, ...front.map((text) => heading("col", text)),
    ...data.destinations.map((place) => heading("col", `${named ? "" : "to "}QEMU ${place.qemu}`)),
  );
  const body = element("tbody", {});
  data.sources.forEach((source, row) => {
    const texts = [data.rows[row], source.qemu];
    if (named) texts.unshift(source.name);
    const isFirst = row > 0 && data.rows[row] !== data.rows[row - 1];
    const made = element("tr", { class: isFirst && "first" }, ...texts.map((text) => heading("row", text)));
    for (let column = 0; column < width; column += 1) {
      const index = row * width + column;
      const cell = data.cells[index];
      const to = data.destinations[column];
      const label = `from QEMU ${source.qemu} to QEMU ${to.qemu}, ${data.rows[row]}: ${cell.verdict}`;
      const button = element(
        "button", { type: "button", class: cell.outcome, tabindex: "-1", "aria-label": label }, cell.text,
      );
      button.addEventListener("click", () => select(index));
      buttons.push(button);
      made.append(element("td", {}, button));
    }
    rows.push(made);
    body.append(made);
  });
  const above = named ? [names, releases] : [releases];
  host.append(element("table", {}, element("thead", {}, ...above), body));

  // The headings of a row stay when a wide table is scrolled: where, follows from how wide they have become.
  const staying = [releases, ...rows].map((made) => [...made.cells].slice(0, front.length));
  for (const head of staying.flat()) head.classList.add("stays");
  const places = staying[0].map((head) => `${head.offsetLeft - staying[0][0].offsetLeft}px`);
  for (const heads of staying) heads.forEach((head, at) => { head.style.left = places[at]; });

  let chosen = 0;
  function select(index, focus = true) {
    buttons[chosen].setAttribute("tabindex", "-1");
    buttons[chosen].removeAttribute("aria-current");
    chosen = index;
    buttons[chosen].setAttribute("tabindex", "0");
    buttons[chosen].setAttribute("aria-current", "true");
    if (focus) buttons[chosen].focus();
    onSelect(chosen);
  }

  const steps = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
  host.addEventListener("keydown", (event) => {
    const step = steps[event.key];
    if (!step || event.target.tagName !== "BUTTON") return;
    event.preventDefault();
    let row = Math.floor(chosen / width) + step[0];
    while (rows[row]?.hidden) row += step[0];
    const column = (chosen % width) + step[1];
    if (rows[row] && column >= 0 && column < width) select(row * width + column);
  });

  /** Rows of other machine types, and those without a cell that is shown, go; other cells step back. */
  function filter(machine, hidden) {
    let pairs = 0;
    rows.forEach((made, row) => {
      let shown = 0;
      const fits = !machine || data.rows[row] === machine;
      for (let column = 0; column < width; column += 1) {
        const index = row * width + column;
        const isShown = fits && !hidden.has(data.cells[index].outcome);
        buttons[index].classList.toggle("off", !isShown);
        shown += isShown;
      }
      made.hidden = !shown;
      pairs += shown;
    });
    return pairs;
  }
  return { select, filter };
}
