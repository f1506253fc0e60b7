// SPDX-License-Identifier: MIT OR Apache-2.0
"use strict";
(() => {
  // Rows of a list that are laid out at once; more follow as the reader comes near the end.
  const PORTION = 250;
  const $ = (selector, from = document) => [...from.querySelectorAll(selector)];
  const find = document.getElementById("find");
  const sort = document.getElementById("sort");
  const shown = document.getElementById("shown");
  const buttons = $("[data-facet]");
  const make = (name, text, properties = {}) => Object.assign(document.createElement(name), { textContent: text }, properties);

  const lists = $(".list").map((element) => ({
    element,
    what: element.dataset.what,
    limit: PORTION,
    rows: $(":scope > .row", element).map((row, place) => {
      const facets = new Map();
      for (const line of row.dataset.facets.split("\n")) {
        const at = line.indexOf("=");
        const name = line.slice(0, at);
        if (at > 0) facets.set(name, [...(facets.get(name) ?? []), line.slice(at + 1)]);
      }
      return { row, place, facets, name: row.querySelector(".name").textContent, size: Number(row.dataset.size), text: null };
    }),
  }));
  for (const list of lists) {
    list.names = new Set(list.rows.flatMap((item) => [...item.facets.keys()]));
    list.more = make("button", "", { type: "button", className: "more", hidden: true });
    list.none = make("p", "", { className: "none", hidden: true });
    list.element.after(list.none, list.more);
    list.more.addEventListener("click", () => { list.limit += PORTION * 4; show(); });
    new IntersectionObserver((seen) => { if (seen.some((one) => one.isIntersecting) && !list.more.hidden) list.more.click(); },
      { rootMargin: "600px" }).observe(list.more);
  }

  // What is searched: the line, and what is said of the calls below it; not the source around them, which names every function.
  const text = (item) => item.text ??= [item.row.querySelector("summary"), ...$(".said-of", item.row)]
    .map((element) => element.textContent).join(" ").toLowerCase();

  // What is pressed filters every list below it: one whose lines do not have the facet at all shows none of them.
  const firsts = new Map();
  for (const button of buttons) if (!firsts.has(button.dataset.facet)) firsts.set(button.dataset.facet, button);
  for (const list of lists) {
    list.above = new Set([...firsts].filter(([, button]) => button.compareDocumentPosition(list.element) & Node.DOCUMENT_POSITION_PRECEDING).map(([name]) => name));
  }
  const wanted = new Map();
  const matches = (list, item, words) => {
    for (const [name, values] of wanted) {
      if (!list.above.has(name) && !(item.facets.get(name) ?? []).some((value) => values.has(value) ||
          (name === "under" && [...values].some((one) => value.startsWith(`${one}/`))))) return false;
    }
    return words.every((word) => text(item).includes(word));
  };

  let order = "";
  const arrange = () => {
    if (order === sort.value) return;
    order = sort.value;
    const by = {
      "": (a, b) => a.place - b.place,
      name: (a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : a.place - b.place),
      size: (a, b) => b.size - a.size || a.place - b.place,
    }[order];
    for (const list of lists) {
      list.rows.sort(by);
      list.element.append(...list.rows.map((item) => item.row));
    }
  };

  const show = () => {
    arrange();
    const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
    const asked = words.length > 0 || wanted.size > 0;
    const said = [];
    for (const list of lists) {
      let count = 0;
      for (const item of list.rows) {
        const match = matches(list, item, words);
        if (match) count += 1;
        const hidden = !match || count > list.limit;
        if (item.row.hidden !== hidden) item.row.hidden = hidden;
      }
      list.more.hidden = count <= list.limit;
      list.more.textContent = `${count - list.limit} more`;
      list.none.hidden = count > 0;
      list.none.textContent = `None of ${list.rows.length} ${list.what}${list.rows.length === 1 ? "" : "s"} is about that.`;
      said.push(`${count} of ${list.rows.length} ${list.what}${list.rows.length === 1 ? "" : "s"}`);
    }
    shown.replaceChildren(asked ? said.join(", ") : "");
    for (const [name, values] of wanted) {
      for (const value of values) {
        const button = make("button", `${name}: ${value} ×`, { type: "button", title: "no longer filter by this" });
        button.addEventListener("click", () => { choose(name, value); find.focus(); });
        shown.append(button);
      }
    }
    for (const button of buttons) {
      const pressed = String(wanted.get(button.dataset.facet)?.has(button.dataset.value) ?? false);
      if (button.getAttribute("aria-pressed") !== pressed) button.setAttribute("aria-pressed", pressed);
    }
  };
  // Browsers refuse an address that changes with every keystroke; it follows when nobody types.
  let later = 0;
  const changed = () => {
    for (const list of lists) list.limit = PORTION;
    show();
    clearTimeout(later);
    later = setTimeout(remember, 250);
  };
  const remember = () => {
    const address = new URLSearchParams();
    if (find.value) address.set("find", find.value);
    for (const [name, values] of wanted) for (const value of values) address.append(name, value);
    history.replaceState(null, "", `#${address}`);
  };
  const choose = (name, value) => {
    const values = wanted.get(name) ?? new Set();
    if (!values.delete(value)) values.add(value);
    if (values.size) wanted.set(name, values); else wanted.delete(name);
    changed();
  };
  find.addEventListener("input", changed);
  sort.addEventListener("change", show);
  document.getElementById("ask").addEventListener("submit", (event) => event.preventDefault());
  for (const button of buttons) button.addEventListener("click", () => choose(button.dataset.facet, button.dataset.value));

  // Comments, strings, what the preprocessor reads, words of the language, and the calls that all this is about.
  const C = new RegExp([
    String.raw`(?<c>\/\*[^]*?(?:\*\/|$)|\/\/[^\n]*|^\s*\*(?:\s.*|\/.*)?$)`, String.raw`(?<s>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')`, String.raw`(?<p>^\s*#\s*\w+)`,
    String.raw`\b(?<k>if|else|for|while|do|return|goto|break|continue|switch|case|default|struct|union|enum|static|const|void|int|long|short|char|unsigned|signed|bool|size_t|inline|sizeof|NULL|true|false)\b`,
    String.raw`\b(?<a>\w*(?:get_user_page|pin_user_page|put_user_page|put_page|release_pages|set_page_dirty|extract_pages|iov_iter_get_pages|get_dump_page)\w*)\b`,
  ].join("|"), "gm");
  // A line of code that is longer than the window ends behind a member, a comma or a bracket, not inside a word.
  const soften = (code) => {
    const pieces = document.createDocumentFragment();
    code.split(/(?<=[.,(]|->|\w{9}_)(?=\w{2})/).forEach((piece, place) => {
      if (place > 0) pieces.append(document.createElement("wbr"));
      pieces.append(piece);
    });
    return pieces;
  };
  const colour = (element) => {
    for (const line of $("figure:not(.seen) li, figure:not(.seen) .hunks div", element)) {
      const node = line.firstChild;
      if (node?.nodeType !== Node.TEXT_NODE) continue;
      const code = node.data;
      const pieces = document.createDocumentFragment();
      let end = 0;
      for (const match of line.closest("figure.src:not(.console)") ? code.matchAll(C) : []) {
        const [kind, value] = Object.entries(match.groups).find(([, group]) => group !== undefined);
        pieces.append(soften(code.slice(end, match.index)), make("span", value, { className: kind }));
        end = match.index + match[0].length;
      }
      pieces.append(soften(code.slice(end)));
      node.replaceWith(pieces);
    }
    for (const figure of $("figure", element)) figure.classList.add("seen");
  };
  document.addEventListener("toggle", (event) => { if (event.target.open) colour(event.target); }, true);
  for (const row of $("details[open]")) colour(row);

  // A link leads to what it names, whatever is filtered; other fragments are filters.
  for (const link of $("a[href^='#']")) if (!document.getElementById(decodeURIComponent(link.getAttribute("href").slice(1)))) link.removeAttribute("href");
  const follow = () => {
    const name = decodeURIComponent(location.hash.slice(1));
    const target = name && document.getElementById(name);
    if (target) {
      for (let element = target; element; element = element.parentElement) {
        if (element.tagName === "DETAILS") element.open = true;
        element.hidden = false;
      }
      target.scrollIntoView({ block: target.tagName === "LI" ? "center" : "start" });
      (target.querySelector(":scope > summary") ?? target).focus({ preventScroll: true });
      return;
    }
    wanted.clear();
    for (const [key, value] of new URLSearchParams(name ? location.hash.slice(1) : "")) {
      if (key === "find") find.value = value;
      else if (lists.some((list) => list.names.has(key))) wanted.set(key, (wanted.get(key) ?? new Set()).add(value));
    }
    show();
  };
  addEventListener("hashchange", follow);
  for (const row of $(".row")) {
    row.firstElementChild.addEventListener("click", () => { if (!row.open) history.replaceState(null, "", `#${row.id}`); });
  }

  const visible = () => $(".row:not([hidden])");
  const keys = document.getElementById("keys");
  const help = document.getElementById("help");
  const explain = () => { keys.hidden = !keys.hidden; help.setAttribute("aria-expanded", String(!keys.hidden)); };
  help.addEventListener("click", explain);
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (event.key === "Escape") {
      find.value = "";
      wanted.clear();
      changed();
      find.blur();
      return;
    }
    if (/^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) return;
    const rows = visible();
    const here = rows.findIndex((row) => row.contains(document.activeElement));
    const go = (row) => { row?.firstElementChild.focus({ preventScroll: true }); row?.firstElementChild.scrollIntoView({ block: "nearest" }); };
    const act = {
      "/": () => { find.focus(); find.select(); },
      j: () => go(rows[here + 1]), k: () => go(rows[Math.max(here - 1, 0)]),
      e: () => { for (const row of rows.slice(0, PORTION)) row.open = true; },
      c: () => { for (const row of rows) row.open = false; },
      "?": explain,
    }[event.key];
    if (act) { event.preventDefault(); act(); }
  });

  // Texts are read while nobody types, so that the first keystroke is as quick as the second.
  const read = (deadline) => {
    for (const list of lists) for (const item of list.rows) {
      if (item.text !== null) continue;
      if (deadline.timeRemaining() < 2 && !deadline.didTimeout) { requestIdleCallback(read); return; }
      text(item);
    }
  };
  show();
  if (location.hash) {
    follow();
    // The browser goes to the fragment by itself when all is loaded, and takes the focus away.
    addEventListener("load", follow, { once: true });
  }
  if (window.requestIdleCallback) requestIdleCallback(read);
})();
