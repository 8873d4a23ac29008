// Tables that are in the page: sorted by their heads, filtered by a field above them.

function sortable(table) {
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, place) => head.firstElementChild.addEventListener("click", () => {
    const before = head.getAttribute("aria-sort");
    const numeric = head.classList.contains("n");
    const first = numeric ? "descending" : "ascending";
    const other = numeric ? "ascending" : "descending";
    heads.forEach((own) => own.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", before === first ? other : first);
    const way = head.getAttribute("aria-sort") === "ascending" ? 1 : -1;
    const rows = [...body.rows].map((row) => [sortKey(row.cells[place], numeric), row]);
    rows.sort((a, b) => order(a[0], b[0], way));
    body.append(...rows.map(([, row]) => row));
  }));
}

function sortKey(cell, numeric) {
  if (!numeric) return cell.textContent.toLowerCase();
  const value = cell.dataset.v;
  return value === "" || value === "nan" ? null : Number(value.replace(/^(-?)inf$/, "$1Infinity"));
}

function filterable(frame) {
  const rows = [...frame.querySelectorAll("tbody tr")];
  const texts = rows.map((row) => row.textContent.toLowerCase());
  const told = el("span", { class: "count", role: "status" }, `${count(rows.length)} rows`);
  const name = frame.querySelector("figcaption").textContent;
  const field = el("input", { type: "search", placeholder: "Filter", "aria-label": "Filter " + name,
    input: () => {
      const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
      let left = 0;
      rows.forEach((row, i) => {
        row.hidden = !words.every((word) => texts[i].includes(word));
        left += !row.hidden;
      });
      told.textContent = left < rows.length
        ? `${count(left)} of ${count(rows.length)} rows` : `${count(rows.length)} rows`;
    } });
  frame.querySelector("figcaption").after(el("div", { class: "tools" }, field, told));
}
