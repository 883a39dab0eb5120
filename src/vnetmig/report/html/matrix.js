// The matrix: a table that filters narrow, and the pair that is chosen in it.

function start(data) {
  const place = (id) => document.getElementById(id);
  const hidden = new Set();
  const table = makeTable(data, place("table"), (index) => showPair(data, index, place("pair")));
  const machine = place("machine");

  const apply = () => {
    const pairs = table.filter(machine.value, hidden);
    const all = pairs === data.cells.length;
    place("summary").textContent = all ? data.summary : `${pairs} of ${data.cells.length} pairs shown`;
  };
  for (const type of new Set(data.rows)) machine.append(element("option", { value: type }, type));
  machine.addEventListener("change", apply);
  for (const outcome of data.outcomes) {
    const button = element(
      "button", { type: "button", class: outcome.name, "aria-pressed": "true" },
      element("b", {}, outcome.symbol), ` ${outcome.meaning}`,
    );
    button.addEventListener("click", () => {
      if (!hidden.delete(outcome.name)) hidden.add(outcome.name);
      button.setAttribute("aria-pressed", String(!hidden.has(outcome.name)));
      apply();
    });
    place("outcomes").append(button);
  }
  showReasons(data, place("reasons"));
  apply();
  const worst = [...data.outcomes].reverse().map(({ name }) => name);
  const first = data.cells.findIndex((cell) => cell.outcome === worst.find((name) => data.cells.some((c) => c.outcome === name)));
  table.select(Math.max(0, first), false);
  performance.mark("ready");
}

unpack()
  .then(({ head }) => start(head))
  .catch((error) => {
    document.getElementById("summary").textContent = `This browser cannot show the matrix: ${error.message}`;
    throw error;
  });
