// SPDX-License-Identifier: MIT OR Apache-2.0
"use strict";
(() => {
  const body = document.querySelector("#callsites tbody");
  const rows = [...body.rows];
  const filter = document.querySelector("#filter");
  const boxes = [...document.querySelectorAll("input.verdict")];
  document.querySelector("#controls").addEventListener("submit", (event) => event.preventDefault());

  const show = () => {
    const wanted = new Set(boxes.filter((box) => box.checked).map((box) => box.value));
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !wanted.has(row.dataset.verdict) || !words.every((word) => text.includes(word));
    }
  };
  filter.addEventListener("input", show);
  boxes.forEach((box) => box.addEventListener("change", show));

  document.querySelectorAll("#callsites th").forEach((head, column) => {
    head.querySelector("button").addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      document.querySelectorAll("#callsites th").forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const value = (row) => row.cells[column].textContent;
      const order = head.dataset.kind === "number"
        ? (a, b) => Number(value(a)) - Number(value(b))
        : (a, b) => (value(a) < value(b) ? -1 : value(a) > value(b) ? 1 : 0);
      rows.sort((a, b) => (down ? order(b, a) : order(a, b)));
      body.append(...rows);
    });
  });

  // A link to a row that is filtered away must still lead somewhere.
  addEventListener("hashchange", () => {
    const target = document.getElementById(location.hash.slice(1));
    if (!target) return;
    target.hidden = false;
    if (target.tagName === "DETAILS") target.open = true;
    target.scrollIntoView({ block: "center" });
  });
})();
