// A long list of which only the rows in view are elements.

/** `draw(i)` makes row i; `host` scrolls. Rows are as high as a line of `host`. */
function makeRows(host, draw) {
  const SPARE = 6;
  const height = parseFloat(getComputedStyle(host).lineHeight);
  const space = element("div", { class: "space", role: "presentation" });
  const shown = element("div", { class: "window", role: "presentation" });
  space.append(shown);
  host.replaceChildren(space);
  let count = 0;
  let first = -1;
  let last = -1;
  let waiting = false;

  const render = (force) => {
    const from = Math.max(0, Math.floor(host.scrollTop / height) - SPARE);
    const to = Math.min(count, Math.ceil((host.scrollTop + host.clientHeight) / height) + SPARE);
    if (!force && from === first && to === last) return;
    first = from;
    last = to;
    shown.style.transform = `translateY(${from * height}px)`;
    shown.replaceChildren(...Array.from({ length: Math.max(0, to - from) }, (_, i) => draw(from + i)));
  };
  const onScroll = () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      render(false);
    });
  };
  host.addEventListener("scroll", onScroll, { passive: true });
  new ResizeObserver(() => render(false)).observe(host);

  return {
    /** Rows that fit into the view. */
    page: () => Math.max(1, Math.floor(host.clientHeight / height) - 1),
    refresh: () => render(true),
    resize: (rows) => {
      count = rows;
      space.style.height = `${rows * height}px`;
      render(true);
    },
    /** Scroll so that row i can be seen; where it is out of view, to the upper third. */
    reveal: (i) => {
      const top = i * height;
      if (top < host.scrollTop || top + height > host.scrollTop + host.clientHeight) {
        host.scrollTop = Math.max(0, top - host.clientHeight / 3);
      }
      render(false);
    },
  };
}
