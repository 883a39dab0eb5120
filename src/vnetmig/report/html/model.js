// The stream as typed arrays: rows of the tree, what they cover, and where their bytes are in the page.

/** Rows come parents first. `extent` is the number of bytes below a row, `next` the first row behind its subtree. */
function makeModel({ head, columns }) {
  const { level, kind, size, bytes } = columns;
  const rows = level.length;
  const KIND = Object.fromEntries(head.kinds.map((name, number) => [name, number]));
  const parent = new Int32Array(rows).fill(-1);
  const next = new Int32Array(rows);
  const offset = new Float64Array(rows);
  const extent = new Float64Array(rows);
  const leaves = new Uint32Array(rows);
  const segments = [];
  let leafCount = 0;
  let here = 0;
  let position = 0;

  const addToSegments = (row) => {
    const elided = kind[row] === KIND.elided;
    const last = segments.at(-1);
    if (last && !elided && last.position >= 0) last.size += size[row];
    else segments.push({ offset: here, size: size[row], position: elided ? -1 : position, leaf: row });
    if (!elided) position += size[row];
  };

  const open = [];
  const close = (depth, row) => {
    while (open.length > depth) {
      const done = open.pop();
      next[done] = row;
      extent[done] = here - offset[done];
    }
  };
  for (let row = 0; row < rows; row += 1) {
    close(level[row], row);
    parent[row] = open.length ? open.at(-1) : -1;
    offset[row] = here;
    if (size[row]) {
      addToSegments(row);
      leaves[leafCount] = row;
      leafCount += 1;
      here += size[row];
    }
    open.push(row);
  }
  close(0, rows);

  /** Index of the last of `count` things whose start is not behind `at`; starts are ascending. */
  const lastFrom = (count, start, at) => {
    let low = 0;
    let high = count - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (start(middle) <= at) low = middle;
      else high = middle - 1;
    }
    return low;
  };
  const leafAt = (at) => leaves[lastFrom(leafCount, (i) => offset[leaves[i]], at)];
  const segmentAt = (at) => segments[lastFrom(segments.length, (i) => segments[i].offset, at)];
  const byteAt = (at) => {
    const segment = segmentAt(at);
    return segment.position < 0 ? -1 : bytes[segment.position + at - segment.offset];
  };

  const text = (column) => (row) => head.strings[columns[column][row]];
  const name = text("name");
  const isTop = (row) => row < 0 || kind[row] === KIND.stream || kind[row] === KIND.section;
  const joined = (above, part) => (above === "" || part.startsWith("[") ? above + part : `${above}.${part}`);

  /** The section (or the stream) that a row is in. */
  const holder = (row) => {
    let at = row;
    while (!isTop(at)) at = parent[at];
    return at;
  };
  /** The path of a field in its section, as the command line spells it. */
  const path = (row) => {
    const parts = [];
    for (let at = row; !isTop(at); at = parent[at]) if (kind[at] !== KIND.run) parts.push(name(at));
    return parts.reverse().reduce(joined, "");
  };

  return Object.freeze({
    head, columns, KIND, rows, level, kind, parent, next, offset, extent, segments, bytes, total: here,
    name, type: text("type"), value: text("value"), names: text("names"),
    leafAt, segmentAt, byteAt, holder, path, isTop, joined, lastFrom,
    isLeaf: (row) => next[row] === row + 1,
    end: (row) => offset[row] + extent[row],
  });
}
