// One pair in full, and the reasons of all pairs.

const facts = (pairs) => element(
  "dl", {}, ...pairs.map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, value))),
);

function showPair(data, index, host) {
  const cell = data.cells[index];
  const from = data.sources[cell.source];
  const to = data.destinations[cell.destination];
  const symbol = data.outcomes.find((outcome) => outcome.name === cell.outcome)?.symbol ?? "";
  const places = facts([
    ["from", `${from.name}, QEMU ${from.qemu}, ${from.machine ?? "any machine type"}`],
    ["to", `${to.name}, QEMU ${to.qemu}${cell.machine ? `, ${cell.machine}` : ""}`],
  ]);
  const findings = cell.findings.map((finding) => {
    const chain = finding.chain.length ? [element("pre", {}, finding.chain.join("\n"))] : [];
    const rows = [];
    if (finding.guests) rows.push(["only if", finding.guests]);
    if (finding.device) rows.push(["device", finding.device]);
    if (finding.field) rows.push(["field", finding.field]);
    if (finding.hint) rows.push(["do", finding.hint]);
    rows.push(["rule", finding.rule]);
    return element("li", { class: finding.outcome }, element("code", {}, finding.message), ...chain, facts(rows));
  });
  const heading = element("h2", { class: cell.outcome }, `${symbol} ${cell.verdict}`);
  const list = findings.length
    ? element("ul", {}, ...findings)
    : element("p", { class: "note" }, "Nothing that a check knows of stands in the way.");
  host.replaceChildren(heading, places, list);
}

function showReasons(data, host) {
  if (data.reasons.length) host.append(element("h2", {}, "Reasons"));
  for (const reason of data.reasons) {
    const rows = [];
    if (reason.guests) rows.push(["only if", reason.guests]);
    if (reason.device) rows.push(["device", reason.device]);
    for (const [number, text] of reason.pairs.entries()) rows.push([number ? "" : "pairs", text]);
    if (reason.hint) rows.push(["do", reason.hint]);
    const head = element("h3", { class: reason.outcome }, reason.heading);
    host.append(element("article", {}, head, element("code", {}, reason.message), facts(rows)));
  }
  if (data.notes.length) {
    const notes = data.notes.map((text) => element("li", {}, text));
    host.append(element("h2", {}, "Left out, and assumed"), element("ul", { class: "note" }, ...notes));
  }
}
