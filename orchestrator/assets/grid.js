// The grid of days is one stop of the tab key; arrows move within it. Without it every cell is a stop.
"use strict";
(() => {
  const cells = (grid) => [...grid.querySelectorAll("td a")];
  const place = (link) => ({ row: link.closest("tr").rowIndex, column: link.closest("td").cellIndex });
  const at = (grid, row, column) => grid.rows[row]?.cells[column]?.querySelector("a");
  let last = null; // where one was, so that a grid that comes anew goes on there

  function stop(grid, link) {
    cells(grid).forEach((cell) => { cell.tabIndex = cell === link ? 0 : -1; });
  }
  // The newest day is what one looks for first.
  function dress(grid) {
    const first = last && at(grid, last.row, last.column);
    const newest = cells(grid).filter((cell) => cell.closest("tr") === grid.tBodies[0].rows[0]).pop();
    stop(grid, first || newest);
  }
  const steps = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };

  document.addEventListener("keydown", (event) => {
    const link = event.target.closest?.("table.grid td a");
    if (!link || event.ctrlKey || event.metaKey || event.altKey) return;
    const grid = link.closest("table.grid"), { row, column } = place(link);
    let next = null;
    if (steps[event.key]) {
      const [down, right] = steps[event.key];
      const inside = (r, c) => r >= 0 && r < grid.rows.length && c >= 0 && c < grid.rows[row].cells.length;
      // Cells without a run are passed over.
      for (let r = row + down, c = column + right; !next && inside(r, c); r += down, c += right) next = at(grid, r, c);
    } else if (event.key === "Home" || event.key === "End") {
      const links = [...grid.rows[row].querySelectorAll("td a")];
      next = event.key === "Home" ? links[0] : links.pop();
    } else return;
    event.preventDefault();
    if (!next) return;
    stop(grid, next);
    last = place(next);
    next.focus();
    next.scrollIntoView({ block: "nearest", inline: "nearest" });
  });
  const all = (from) => [...from.querySelectorAll("table.grid")];
  document.addEventListener("stepwell:fragment", (event) => all(event.detail).forEach(dress));
  document.addEventListener("DOMContentLoaded", () => all(document).forEach(dress));
})();
