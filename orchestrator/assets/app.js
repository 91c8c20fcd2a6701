// Theme, live fragments, copying and the keyboard. Every page works without it; graph.js and grid.js add to it.
"use strict";
(() => {
  const root = document.documentElement;
  const stored = () => { try { return localStorage.getItem("theme"); } catch { return null; } };
  if (stored()) root.dataset.theme = stored();

  const all = (selector, from = document) => [...from.querySelectorAll(selector)];
  const fragments = new Map(); // id → markup as the server sent it last

  const remember = () => all("[data-live]").forEach((part) => fragments.set(part.id, part.outerHTML));

  // ---- live: a hint makes the page be read again; what is different is taken over

  let reading = false;
  let again = false;

  async function refresh(address = location.href, swap = false) {
    if (reading && !swap) { again = true; return; }
    reading = true;
    try {
      const answer = await fetch(address, { headers: { accept: "text/html" } });
      if (!answer.ok) return;
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      if (!swap && address !== location.href) return;
      all("[data-live]", fresh).forEach((part) => takeOver(part, swap));
      if (swap) document.title = fresh.title;
      dress();
    } catch { /* the stream says that it is lost; the next hint tries again */ } finally {
      reading = false;
      if (again) { again = false; setTimeout(refresh, 200); }
    }
  }

  function takeOver(part, swap) {
    const markup = part.outerHTML;
    const old = document.getElementById(part.id);
    if (!old || fragments.get(part.id) === markup) return;
    const selection = document.getSelection();
    if (!swap && selection && !selection.isCollapsed && old.contains(selection.anchorNode)) { again = true; return; }
    const open = new Map(all("details", old).map((details, n) => [key(details, n), details.open]));
    const initial = new Map(all("details", parsed(fragments.get(part.id))).map((details, n) => [key(details, n), details.open]));
    const focused = old.contains(document.activeElement) ? handle(document.activeElement) : null;
    const scrolls = all(".scroll, .log, .json", old).map((box) => ({
      top: box.scrollTop, left: box.scrollLeft, end: box.scrollHeight - box.scrollTop - box.clientHeight < 24,
    }));
    const rowOn = all("[data-rows] .row-on", old).map(handle)[0];
    const next = document.importNode(part, true);
    old.replaceWith(next);
    fragments.set(part.id, markup);
    // Others dress what is theirs before it is scrolled to where it was.
    document.dispatchEvent(new CustomEvent("stepwell:fragment", { detail: next }));
    const keep = !swap || part.id !== "panel";
    if (keep) all("details", next).forEach((details, n) => {
      const name = key(details, n);
      if (open.has(name) && open.get(name) !== initial.get(name)) details.open = open.get(name);
    });
    all(".scroll, .log, .json", next).forEach((box, n) => {
      const before = scrolls[n];
      if (!before || !keep) return;
      box.scrollTop = box.hasAttribute("data-follow") && before.end ? box.scrollHeight : before.top;
      box.scrollLeft = before.left;
    });
    if (focused) find(next, focused)?.focus({ preventScroll: true });
    if (rowOn) find(next, rowOn)?.closest("tr, li")?.classList.add("row-on");
  }

  const parsed = (markup) => new DOMParser().parseFromString(markup || "", "text/html").body;
  const key = (details, n) => details.dataset.key || "n" + n;
  const handle = (element) => element.id ? { id: element.id } : {
    tag: element.tagName, href: (element.matches("a") ? element : element.querySelector("a.open"))?.getAttribute("href"), name: element.getAttribute("name"),
  };
  const find = (within, { id, tag, href, name }) => id ? document.getElementById(id)
    : all(href ? "a" : tag || "a", within).find((e) => (href ? e.getAttribute("href") === href : e.getAttribute("name") === name));

  let stream = null;
  function listen() {
    const page = document.body.dataset.page;
    if (!page || stream || document.hidden) return;
    stream = new EventSource("/events?page=" + encodeURIComponent(page));
    stream.onopen = () => show("on", "live");
    stream.addEventListener("changed", () => refresh());
    stream.onerror = () => {
      show("lost", "reconnecting");
      if (stream.readyState === EventSource.CLOSED) { stream = null; setTimeout(listen, 3000); }
    };
  }
  function hush() { stream?.close(); stream = null; }
  function show(state, word) {
    const live = document.querySelector(".live");
    live.dataset.state = state;
    live.querySelector("span").textContent = word;
  }

  // ---- time goes on between two hints

  const units = (ms) => {
    const s = Math.max(0, Math.floor(ms / 1000)), two = (n) => String(n).padStart(2, "0");
    if (s < 60) return s < 10 ? `${(Math.max(0, ms) / 1000).toFixed(1)} s` : `${s} s`;
    if (s < 3600) return `${Math.floor(s / 60)} m ${two(s % 60)} s`;
    if (s < 86400) return `${Math.floor(s / 3600)} h ${two(Math.floor((s % 3600) / 60))} m`;
    return `${Math.floor(s / 86400)} d ${Math.floor((s % 86400) / 3600)} h`;
  };
  const relative = (ms) => {
    const s = Math.floor(Math.abs(ms) / 1000);
    if (s < 5) return "just now";
    const text = s < 60 ? `${s} s` : s < 3600 ? `${Math.floor(s / 60)} min` : s < 172800 ? `${Math.floor(s / 3600)} h` : `${Math.floor(s / 86400)} d`;
    return ms >= 0 ? `${text} ago` : `in ${text}`;
  };
  function tick() {
    if (document.hidden) return;
    const now = Date.now();
    all("time[data-relative]").forEach((time) => set(time, relative(now - Date.parse(time.dateTime))));
    if (document.body.dataset.page) all("[data-since]").forEach((took) => set(took, units(now - Date.parse(took.dataset.since))));
  }
  const set = (element, text) => { if (element.textContent !== text) element.textContent = text; };

  // ---- what the script adds to fresh markup

  function dress() {
    all("[data-copy-from]").forEach((button) => { button.hidden = false; });
    all("[data-needless]").forEach((button) => { button.hidden = true; });
  }

  async function copy(text, element) {
    try { await navigator.clipboard.writeText(text); } catch { return; }
    element.classList.add("copied");
    setTimeout(() => element.classList.remove("copied"), 1200);
  }

  function swapTo(address, push) {
    const target = new URL(address, location.href);
    if (push) history.pushState(null, "", target);
    refresh(target.href, true);
  }

  // ---- keyboard

  let prefix = "";
  function move(step) {
    const rows = all("[data-rows]").flatMap((list) => all(":scope > tbody > tr, :scope > li", list)).filter((row) => row.offsetParent);
    if (!rows.length) return;
    const at = rows.findIndex((row) => row.classList.contains("row-on"));
    const next = rows[Math.min(rows.length - 1, Math.max(0, at + step))] || rows[0];
    rows[at]?.classList.remove("row-on");
    next.classList.add("row-on");
    next.scrollIntoView({ block: "nearest" });
  }
  const keys = {
    "/": () => { const box = document.querySelector("[data-search]"); box.focus(); box.select(); },
    "?": () => document.getElementById("help").showModal(),
    j: () => move(1),
    k: () => move(-1),
    Enter: () => document.querySelector("[data-rows] .row-on a.open, [data-rows] .row-on a")?.click(),
    "g o": () => { location.href = "/"; },
    "g p": () => { location.href = "/pipelines"; },
    "g e": () => { location.href = "/executions"; },
    "g t": () => { location.href = "/tables"; },
    "g a": () => { location.href = "/alarms"; },
    "g w": () => { location.href = "/workers"; },
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const within = event.target.closest?.("input, select, textarea, dialog, button, a, summary");
    if (event.key === "Escape" && event.target.matches?.("[data-search]")) { event.target.blur(); return; }
    if (within && (event.key === "Enter" || within.matches("input, select, textarea, dialog"))) return;
    const pressed = prefix ? `${prefix} ${event.key}` : event.key;
    prefix = !prefix && event.key === "g" ? "g" : "";
    if (prefix) { setTimeout(() => { prefix = ""; }, 1200); return; }
    if (keys[pressed]) { event.preventDefault(); keys[pressed](); }
  });

  document.addEventListener("click", (event) => {
    if (event.defaultPrevented || event.button || event.ctrlKey || event.metaKey || event.shiftKey) return;
    const target = event.target.closest("[data-copy], [data-copy-from], [data-theme-toggle], [data-help], a[data-swap]");
    if (!target) return;
    if (target.matches("[data-copy]")) copy(target.dataset.copy || target.textContent.trim(), target);
    else if (target.matches("[data-copy-from]")) copy(document.getElementById(target.dataset.copyFrom).value, target);
    else if (target.matches("[data-help]")) keys["?"]();
    else if (target.matches("[data-theme-toggle]")) {
      const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
      root.dataset.theme = dark ? "light" : "dark";
      try { localStorage.setItem("theme", root.dataset.theme); } catch { /* remembered for this page only */ }
    } else {
      event.preventDefault();
      swapTo(target.getAttribute("href"), true);
    }
  });
  document.addEventListener("change", (event) => {
    const form = event.target.closest("form[data-auto]");
    if (form) form.requestSubmit();
  });
  document.addEventListener("input", (event) => {
    const output = event.target.matches('.walk input[type="range"]') && event.target.parentElement.querySelector("output");
    if (output) output.textContent = `${event.target.value} of ${event.target.max}`;
  });
  addEventListener("popstate", () => refresh(location.href, true));
  document.addEventListener("visibilitychange", () => (document.hidden ? hush() : listen()));
  addEventListener("pagehide", hush);
  addEventListener("pageshow", () => { if (document.body) listen(); });

  document.addEventListener("DOMContentLoaded", () => {
    remember();
    dress();
    all("[data-theme-toggle], [data-help]").forEach((button) => { button.hidden = false; });
    all("[data-scroll-end]").forEach((box) => { box.scrollLeft = box.scrollWidth; });
    all("[data-follow]").forEach((box) => { box.scrollTop = box.scrollHeight; });
    tick();
    setInterval(tick, 1000);
    listen();
  });
})();
