// SPDX-License-Identifier: MIT OR Apache-2.0
// Evaluated in a page: what is wider than the window, with what makes it so, which words are broken inside, and what is cut off.
(() => {
  const wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
  const broken = new Set();
  const named = (element) => `${element.tagName.toLowerCase()}.${element.getAttribute("class") ?? ""}`;
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const range = document.createRange();
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const parent = node.parentElement;
    if (parent.closest("script, style, svg, title, option, select") || !parent.checkVisibility()) continue;
    // Most texts stand on one line, and then no word in them is broken.
    range.selectNodeContents(node);
    if (range.getClientRects().length < 2) continue;
    // The brackets of a call belong to its name.
    for (const word of node.data.matchAll(/[\p{L}\p{N}]+(?:\(\))?/gu)) {
      range.setStart(node, word.index);
      range.setEnd(node, word.index + word[0].length);
      const tops = new Set([...range.getClientRects()].filter((rect) => rect.width > 0).map((rect) => Math.round(rect.top)));
      if (tops.size > 1) broken.add(`${word[0]} in ${named(parent)}`);
    }
  }
  const out = wide > 0 ? [...document.querySelectorAll("body *")].filter((element) => element.checkVisibility() &&
    element.getBoundingClientRect().right > document.documentElement.clientWidth + 1) : [];
  for (const element of out.slice(0, 5)) broken.add(`${named(element)} is too wide`);
  // What hides what does not fit is meant to hide it only where a reader can open it, or hears it instead.
  const heard = (element) => element.clientWidth <= 1 || element.closest("thead, .skip");
  for (const element of document.querySelectorAll("body *:not(svg *)")) {
    if (element.scrollWidth <= element.clientWidth + 1 || !element.clientWidth || !element.checkVisibility() || heard(element)) continue;
    if (/hidden|clip|auto|scroll/.test(getComputedStyle(element).overflowX) && element.tagName !== "INPUT") broken.add(`${named(element)} is cut off`);
  }
  // A drawing shows one of its forms: as wide as what it stands in, and its texts as wide as their boxes.
  for (const drawing of document.querySelectorAll("svg.flow")) {
    if (!drawing.checkVisibility()) continue;
    if (drawing.getBoundingClientRect().width > drawing.parentElement.clientWidth + 1) broken.add("a drawing is cut off");
    for (const box of drawing.querySelectorAll(".node")) {
      const most = box.querySelector("rect").width.baseVal.value;
      for (const text of box.querySelectorAll("text")) if (text.x.baseVal[0].value + text.getComputedTextLength() > most) broken.add(`${text.textContent} leaves its box`);
    }
  }
  return { wide, broken: [...broken].slice(0, 20) };
})()
