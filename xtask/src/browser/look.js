// SPDX-License-Identifier: MIT OR Apache-2.0
// Evaluated in a page: what is wider than the window, with what makes it so, and which words are broken inside.
(() => {
  const wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
  const broken = new Set();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const range = document.createRange();
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const parent = node.parentElement;
    if (parent.closest("script, style, svg, title, option, select") || !parent.checkVisibility()) continue;
    // Most texts stand on one line, and then no word in them is broken.
    range.selectNodeContents(node);
    if (range.getClientRects().length < 2) continue;
    for (const word of node.data.matchAll(/[\p{L}\p{N}]+/gu)) {
      range.setStart(node, word.index);
      range.setEnd(node, word.index + word[0].length);
      const tops = new Set([...range.getClientRects()].filter((rect) => rect.width > 0).map((rect) => Math.round(rect.top)));
      if (tops.size > 1) broken.add(`${word[0]} in ${parent.tagName.toLowerCase()}.${parent.className}`);
    }
  }
  const out = wide > 0 ? [...document.querySelectorAll("body *")].filter((element) => !element.closest(".scroll > *") && element.checkVisibility() &&
    element.getBoundingClientRect().right > document.documentElement.clientWidth + 1) : [];
  for (const element of out.slice(0, 5)) broken.add(`${element.tagName.toLowerCase()}.${element.className} is too wide`);
  return { wide, broken: [...broken].slice(0, 20) };
})()
