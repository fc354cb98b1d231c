// Elements. All of the page is made here: texts become text nodes, never markup, so that a name or
// an error in a journal cannot be anything but letters.

export function el(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value != null && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat(2).filter((child) => child != null && child !== false));
  return node;
}

// A table of texts; `numbers` says which columns stand to the right.
export function table(header, rows, numbers = []) {
  const cells = (tag, row) =>
    row.map((cell, j) => el(tag, { class: numbers[j] && "num", scope: tag === "th" && "col" }, cell));
  return el("div", { class: "scroll", tabindex: 0, role: "group", "aria-label": header.join(", ") },
    el("table", null,
      el("thead", null, el("tr", null, cells("th", header))),
      el("tbody", null, rows.map((row) => el("tr", null, cells("td", row))))));
}

// A section with its heading; nothing in it and a reason: the reason.
export function section(id, title, ...children) {
  return el("section", { id, "aria-labelledby": `${id}-title` },
    el("h2", { id: `${id}-title` }, title), children);
}

// What is said to readers of screens, and nobody else.
const live = el("p", { class: "unseen", role: "status" });
document.body.append(live);
export function say(text) {
  live.textContent = text;
}

// The user's choice, as a labelled select.
export function choose(label, options, value, change) {
  return el("label", null, label, " ",
    el("select", { onchange: (event) => change(event.target.value) },
      options.map(([key, text]) => el("option", { value: key, selected: key === value }, text.slice(0, 60)))));
}
