// The page of a downtime report: the verdict, the figures, the tables.

function startDowntime(data) {
  const place = (id) => document.getElementById(id);
  place("summary").append(blockElement(data.summary));
  for (const { title, sentences } of data.verdict) {
    const said = sentences.map((text) => element("p", {}, text));
    place(title.startsWith(data.short) ? "short" : "verdict").append(element("section", {}, element("h3", {}, title), ...said));
  }
  place("verdict-heading").hidden = place("verdict").children.length === 0;
  for (const figure of data.figures) place("figures").append(figureElement(figure));
  for (const block of data.tables) place("tables").append(blockElement(block));
  performance.mark("ready");
}

unpack()
  .then(({ head }) => startDowntime(head))
  .catch((error) => {
    document.getElementById("short").textContent = `This browser cannot show the report: ${error.message}`;
    throw error;
  });
