// What a person would stumble over in the page as it stands now, by kind: lists of texts, empty where all is well.
(() => {
  const found = { sideways: [], cut: [], overlapping: [], faint: [], nameless: [] };
  const unseen = ".sr, .shapes, .defs, .skip, textarea, dialog:not([open])";
  const called = (e) => e.tagName.toLowerCase() + (e.id ? `#${e.id}` : "") + [...e.classList].map((name) => `.${name}`).join("");
  const short = (text) => text.trim().replace(/\s+/g, " ").slice(0, 60);
  // Chromium gives texts of an SVG boxes even where a group around them is not displayed.
  const displayed = (e) => !e || (getComputedStyle(e).display !== "none" && displayed(e.parentElement));
  const visible = (e) => !e.closest(unseen) && e.checkVisibility({ checkOpacity: true, checkVisibilityCSS: true }) && displayed(e);

  if (document.documentElement.scrollWidth > innerWidth) found.sideways.push(`${document.documentElement.scrollWidth} > ${innerWidth}`);

  // Text that is on the page, piece by piece.
  const pieces = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const text = walker.currentNode, holder = text.parentElement;
    if (!text.data.trim() || ["SCRIPT", "STYLE", "TITLE", "OPTION"].includes(holder.tagName) || !visible(holder)) continue;
    const range = document.createRange();
    range.selectNodeContents(text);
    for (const box of range.getClientRects()) if (box.width > 1 && box.height > 1) pieces.push({ holder, box, text: short(text.data) });
  }

  // Cut off, and nowhere to be had in full: neither by scrolling nor on hover.
  for (const { holder, box, text } of pieces) {
    if (holder.closest("svg")) continue;
    for (let around = holder; around && around !== document.body; around = around.parentElement) {
      const style = getComputedStyle(around);
      if (style.overflowX === "visible") continue;
      const beyond = box.right > around.getBoundingClientRect().right + 1.5;
      if (beyond && ["hidden", "clip"].includes(style.overflowX) && !around.closest("[title]")) found.cut.push(`${called(around)}: ${text}`);
      break;
    }
  }
  for (const state of document.querySelectorAll("svg.graph .state")) {
    const box = state.querySelector(".box").getBBox();
    for (const text of state.querySelectorAll("text")) {
      const { x, width } = text.getBBox();
      if (x + width > box.x + box.width) found.cut.push(`in the graph: ${text.textContent}`);
    }
  }

  // Text on text, within what is scrolled to; what sticks lies over what is scrolled under it.
  const seen = (holder, box) => {
    let { left, top, right, bottom } = box;
    for (let around = holder; around && around !== document.body; around = around.parentElement) {
      const style = getComputedStyle(around);
      if (style.overflowX === "visible" && style.overflowY === "visible") continue;
      const edge = around.getBoundingClientRect();
      [left, top, right, bottom] = [Math.max(left, edge.left), Math.max(top, edge.top), Math.min(right, edge.right), Math.min(bottom, edge.bottom)];
    }
    return { left, top, right, bottom };
  };
  const shown = pieces.filter(({ holder }) => !holder.closest(".top, .grid, dialog, .confirm form"))
    .map(({ holder, box, text }) => ({ holder, text, ...seen(holder, box) }))
    .filter(({ left, top, right, bottom }) => right - left > 1 && bottom - top > 1).sort((a, b) => a.top - b.top);
  shown.forEach((a, n) => {
    for (let m = n + 1; m < shown.length && shown[m].top < a.bottom; m++) {
      const b = shown[m];
      if (a.holder.contains(b.holder) || b.holder.contains(a.holder)) continue;
      const across = Math.min(a.right, b.right) - Math.max(a.left, b.left), down = Math.min(a.bottom, b.bottom) - b.top;
      if (across > 2 && down > 4) found.overlapping.push(`“${a.text}” and “${b.text}”`);
    }
  });

  // WCAG 2.2, 1.4.3: text against what is behind it, colours mixed as the browser mixes them.
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const known = new Map();
  const channels = (colour) => {
    if (!known.has(colour)) {
      canvas.clearRect(0, 0, 1, 1);
      canvas.fillStyle = colour;
      canvas.fillRect(0, 0, 1, 1);
      const [r, g, b, alpha] = canvas.getImageData(0, 0, 1, 1).data;
      known.set(colour, [r, g, b, alpha / 255]);
    }
    return known.get(colour);
  };
  const over = (front, back) => [0, 1, 2].map((n) => front[n] * front[3] + back[n] * (1 - front[3])).concat(1);
  const behind = (e) => {
    const layers = [];
    for (let around = e; around && !(layers.at(-1)?.[3] >= 1); around = around.parentElement) layers.push(channels(getComputedStyle(around).backgroundColor));
    return layers.reduceRight((back, front) => over(front, back), [255, 255, 255, 1]);
  };
  const luminance = (colour) => {
    const [r, g, b] = colour.map((c) => c / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  for (const { holder, text } of pieces) {
    const svg = holder.closest("svg"), box = holder.closest(".state")?.querySelector(".box");
    let back = behind(svg ? svg.parentElement : holder);
    if (box) back = over(channels(getComputedStyle(box).fill), back);
    const front = over(channels(svg ? getComputedStyle(holder).fill : getComputedStyle(holder).color), back);
    const [a, b] = [luminance(front), luminance(back)];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (contrast < 4.5) found.faint.push(`${contrast.toFixed(2)} ${called(holder)}: ${text}`);
  }

  for (const control of document.querySelectorAll("button, a[href], input:not([type=hidden]), select, summary")) {
    if (!visible(control)) continue;
    const labels = [...(control.labels || [])].map((label) => label.textContent).join("");
    const name = control.getAttribute("aria-label") || control.textContent || labels || control.title;
    if (!name.trim()) found.nameless.push(called(control));
  }
  for (const kind of Object.keys(found)) found[kind] = [...new Set(found[kind])].slice(0, 10);
  return found;
})()
