// Figures: trees of SVG elements, built one by one. Only what figures/drawing.py lets through comes here.

const SVG = "http://www.w3.org/2000/svg";
const DRAWN = new Set(["svg", "g", "defs", "clipPath", "path", "use", "rect", "text", "tspan"]);

function drawn([tag, attributes, children]) {
  if (!DRAWN.has(tag)) throw new Error(`a figure with an element ${tag}`);
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "href" && !value.startsWith("#")) continue;
    made.setAttribute(name, value);
  }
  for (const child of children) made.append(typeof child === "string" ? child : drawn(child));
  return made;
}

/** A figure that a reader with a screen reader hears of by its title. */
function figureElement({ title, text, drawing }) {
  const picture = drawn(drawing);
  picture.setAttribute("role", "img");
  picture.setAttribute("aria-label", text);
  const scrolled = element("div", { class: "drawing", tabindex: "0" });
  scrolled.append(picture);
  return element("figure", {}, element("h2", {}, title), scrolled, element("figcaption", {}, text));
}
