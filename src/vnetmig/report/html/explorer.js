// The explorer: one selection, which the tree, the bytes and the details all show.

function showFindings(model, host, onSelect) {
  const draw = (finding) => {
    const button = element(
      "button", { type: "button" }, element("b", {}, finding.severity), element("span", {}, finding.text),
    );
    button.addEventListener("click", () => onSelect(finding.node));
    return element("li", { class: finding.severity }, button);
  };
  const grave = model.head.findings.filter((finding) => finding.severity !== "note");
  const notes = model.head.findings.filter((finding) => finding.severity === "note");
  if (grave.length) host.append(element("ul", {}, ...grave.map(draw)));
  if (notes.length) {
    const title = `${notes.length} ${notes.length === 1 ? "note" : "notes"} on how it was read`;
    const summary = element("summary", {}, title);
    host.append(element("details", {}, summary, element("ul", {}, ...notes.map(draw))));
  }
  host.hidden = !model.head.findings.length;
}

function showSummary(model, host) {
  let embedded = 0;
  for (const segment of model.segments) if (segment.position >= 0) embedded += segment.size;
  const parts = [model.value(0), `${counted(model.total)} bytes`];
  if (embedded < model.total) parts.push(`${counted(embedded)} of them in this page: guest memory is left out`);
  host.textContent = parts.filter(Boolean).join(" · ");
}

function start(model) {
  const place = (id) => document.getElementById(id);
  const select = (row, byte = model.offset[row], size = 0) => {
    tree.show(row);
    if (row === 0) hexView.show(0, 0, 0); // all bytes marked would be none
    else if (size) hexView.show(byte, byte + size, byte);
    else hexView.show(model.offset[row], model.end(row), byte);
    details.show(row);
    const where = model.path(row) || model.name(row);
    place("status").textContent = `${where}: ${counted(model.extent[row])} bytes at 0x${hex(model.offset[row])}`;
  };
  const selectByte = (offset) => select(model.leafAt(offset), offset);
  const selectFound = ({ row, offset, size, why }) => select(row, offset, why === "bytes" ? size : 0);

  const tree = makeTree(model, place("tree"), (row) => select(row));
  const hexView = makeHex(model, place("hex"), selectByte);
  const details = makeDetails(model, place("details"), (row) => select(row));
  makeSearch(model, place("query"), place("results"), selectFound);
  showFindings(model, place("findings"), (row) => {
    select(row);
    place("tree").focus();
  });
  showSummary(model, place("summary"));
  place("title").textContent = model.name(0);

  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.target === place("query")) return;
    event.preventDefault();
    place("query").focus();
    place("query").select();
  });
  if (model.kind[model.head.start] === model.KIND.section) tree.unfold(model.head.start);
  select(model.head.start);
  place("tree").focus({ preventScroll: true });
  performance.mark("ready");
}

function begin() {
  unpack()
    .then((data) => start(makeModel(data)))
    .catch((error) => {
      document.getElementById("title").textContent = `This browser cannot show the stream: ${error.message}`;
      throw error;
    });
}

// Behind the load event: the page is there at once, and its data a moment later.
if (document.readyState === "complete") begin();
else addEventListener("load", () => setTimeout(begin));
