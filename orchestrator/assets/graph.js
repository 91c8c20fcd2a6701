// The graph: zoomed by buttons, keys, the wheel with Ctrl and two fingers, moved by dragging. Without it the graph scrolls.
"use strict";
(() => {
  const SMALLEST = 0.1, LARGEST = 3, STEP = 1.25;
  const READABLE = 0.8; // below that the names of states are too small to read
  const chosen = new Map(); // id of the section → how it is zoomed, so that it survives what comes live

  const within = (element) => element.closest?.("[data-graph]");
  const sectionOf = (box) => box.closest("[data-graph-section]");
  const boxOf = (section) => section.querySelector("[data-graph]");
  const drawing = (box) => box.querySelector("svg.graph");
  const natural = (svg) => svg.viewBox.baseVal;
  const scaleOf = (box) => { const svg = drawing(box); return parseFloat(svg.getAttribute("width")) / natural(svg).width; };
  const clamp = (scale) => Math.min(LARGEST, Math.max(SMALLEST, scale));

  function resize(box, scale) {
    const svg = drawing(box), { width, height } = natural(svg);
    svg.setAttribute("width", (width * scale).toFixed(1));
    svg.setAttribute("height", (height * scale).toFixed(1));
    sectionOf(box).querySelector("[data-zoom-level]").textContent = `${Math.round(scale * 100)} %`;
  }

  // The room there is: measured at full size, because the box grows with what is in it.
  function fitting(box) {
    const svg = drawing(box), { width, height } = natural(svg);
    const before = scaleOf(box);
    unlock(box);
    resize(box, 1);
    const most = parseFloat(getComputedStyle(box).maxHeight) || innerHeight * 0.8;
    const wide = Math.min(1, (box.clientWidth - 2) / width), high = Math.min(1, (most - 10) / height);
    resize(box, before);
    return { wide, whole: Math.min(wide, high) };
  }

  // All of it where that can be read, else its whole width, else full size at the state that matters.
  function byDefault(box) {
    const { wide, whole } = fitting(box);
    resize(box, whole >= READABLE ? whole : wide >= READABLE ? wide : 1);
    bringToSight(box);
  }

  // The selected state, else one that failed or runs, else the first.
  function bringToSight(box) {
    const states = [".state.selected", ".state.is-failed, .state.is-timed-out", ".state.is-running, .state.is-waiting", ".state"];
    const state = states.map((selector) => box.querySelector(selector)).find(Boolean);
    if (!state) return;
    const [inner, outer] = [state.getBoundingClientRect(), box.getBoundingClientRect()];
    box.scrollTop += inner.top - outer.top - Math.max(0, (box.clientHeight - inner.height) / 3);
    box.scrollLeft += inner.left - outer.left - Math.max(0, (box.clientWidth - inner.width) / 2);
  }

  // While one zooms, the room stays as it is and nothing beside it jumps.
  function lock(box) {
    box.style.width = `${box.offsetWidth}px`;
    box.style.height = `${box.offsetHeight}px`;
  }
  function unlock(box) {
    box.style.width = box.style.height = "";
  }
  const keep = (box) => chosen.set(sectionOf(box).id, { scale: scaleOf(box), width: box.style.width, height: box.style.height });

  // To a scale; the point under the pointer, or in the middle, stays where it is.
  function zoom(box, scale, point) {
    const outer = box.getBoundingClientRect(), before = drawing(box).getBoundingClientRect();
    const x = point ? point.x : outer.left + box.clientWidth / 2, y = point ? point.y : outer.top + box.clientHeight / 2;
    const across = (x - before.left) / before.width, down = (y - before.top) / before.height;
    lock(box);
    resize(box, clamp(scale));
    const after = drawing(box).getBoundingClientRect();
    box.scrollLeft += after.left + across * after.width - x;
    box.scrollTop += after.top + down * after.height - y;
    keep(box);
  }
  const actions = {
    in: (box) => zoom(box, scaleOf(box) * STEP),
    out: (box) => zoom(box, scaleOf(box) / STEP),
    one: (box) => { unlock(box); zoom(box, 1); bringToSight(box); },
    fit: (box) => { const { whole } = fitting(box); zoom(box, whole); },
  };
  const keys = { "+": "in", "=": "in", "-": "out", "_": "out", "0": "one", f: "fit" };

  function dress(box) {
    if (!drawing(box)) return;
    const section = sectionOf(box), known = chosen.get(section.id);
    section.querySelector("[data-zoom-bar]").hidden = false;
    if (!known) return byDefault(box);
    box.style.width = known.width;
    box.style.height = known.height;
    resize(box, known.scale);
  }
  // What was looked at by default is not moved when it comes anew: only the zoom is set again.
  function redress(box) {
    if (!drawing(box)) return;
    const at = [box.scrollLeft, box.scrollTop];
    dress(box);
    if (!chosen.has(sectionOf(box).id)) [box.scrollLeft, box.scrollTop] = at;
  }
  const all = (from) => [...from.querySelectorAll("[data-graph]")];

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-zoom]");
    if (button) actions[button.dataset.zoom](boxOf(button.closest("[data-graph-section]")));
  });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !keys[event.key]) return;
    const section = event.target.closest("[data-graph-section]") || (event.target === document.body && document.querySelector("[data-graph-section]"));
    const box = section && boxOf(section);
    if (!box || !drawing(box)) return;
    event.preventDefault();
    actions[keys[event.key]](box);
  });
  document.addEventListener("wheel", (event) => {
    const box = (event.ctrlKey || event.metaKey) && within(event.target);
    if (!box) return;
    event.preventDefault();
    zoom(box, scaleOf(box) * Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.002)), { x: event.clientX, y: event.clientY });
  }, { passive: false });

  let pinch = null;
  const between = ([a, b]) => ({
    length: Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY), x: (a.clientX + b.clientX) / 2, y: (a.clientY + b.clientY) / 2,
  });
  document.addEventListener("touchstart", (event) => {
    const box = event.touches.length === 2 && within(event.target);
    pinch = box ? { box, scale: scaleOf(box), length: between(event.touches).length || 1 } : null;
  }, { passive: true });
  document.addEventListener("touchmove", (event) => {
    if (!pinch || event.touches.length !== 2) return;
    event.preventDefault();
    const now = between(event.touches);
    zoom(pinch.box, pinch.scale * now.length / pinch.length, now);
  }, { passive: false });
  document.addEventListener("touchend", () => { pinch = null; });

  let drag = null;
  document.addEventListener("pointerdown", (event) => {
    const box = event.pointerType === "mouse" && !event.button && !event.target.closest("a") && within(event.target);
    // The scroll bars are the box's own.
    if (!box || event.target === box) return;
    drag = { box, x: event.clientX + box.scrollLeft, y: event.clientY + box.scrollTop };
    box.classList.add("dragged");
  });
  document.addEventListener("pointermove", (event) => {
    if (!drag) return;
    drag.box.scrollLeft = drag.x - event.clientX;
    drag.box.scrollTop = drag.y - event.clientY;
  });
  ["pointerup", "pointercancel"].forEach((name) => document.addEventListener(name, () => {
    drag?.box.classList.remove("dragged");
    drag = null;
  }));

  document.addEventListener("stepwell:fragment", (event) => all(event.detail).forEach(redress));
  document.addEventListener("DOMContentLoaded", () => all(document).forEach(dress));
  addEventListener("resize", () => { chosen.clear(); all(document).forEach(redress); });
})();
