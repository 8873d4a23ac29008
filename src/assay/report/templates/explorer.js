// Items one by one: searched, filtered, sorted, a page of them at a time, each opened for more.
// What items of a kind look like says KINDS.

const PAGE = 50;

class Explorer {
  constructor(frame, data) {
    this.data = data;
    this.n = data.columns.id.length;
    this.kind = KINDS[data.kind](data);
    this.groups = Object.keys(data.groups);
    this.picked = null;  // a filter that a summary has set: { told, keeps(i) }
    this.words = [];
    this.chosen = {};
    this.page = 0;
    const groups = this.groups.map((name) => ({ name, value: (i) => data.groups[name][i], show: (i) => spelled(data.groups[name][i]) }));
    const [first, ...rest] = this.kind.columns;
    this.columns = [first, ...groups, ...rest];
    this.sort = { column: this.columns.find((own) => own.first), way: -1 };
    this.build(frame);
    this.update();
  }

  build(frame) {
    const search = el("input", { type: "search", placeholder: "Search", "aria-label": "Search items",
      input: () => { clearTimeout(this.wait); this.wait = setTimeout(() => {
        this.words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
        this.update();
      }, 120); } });
    const selects = this.groups.map((name) => {
      const values = [...new Set(this.data.groups[name])].sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
      const made = el("select", { "aria-label": name, change: () => {
        this.chosen[name] = made.value === "" ? null : values[Number(made.value)];
        this.update();
      } }, el("option", { value: "" }, spelled(name) + ": all"),
        values.map((value, i) => el("option", { value: i }, spelled(value) || "(empty)")));
      return made;
    });
    this.only = el("input", { type: "checkbox", checked: Boolean(this.kind.onlyWrong), change: () => this.update() });
    this.told = el("span", { class: "count", role: "status" });
    this.chip = el("button", { type: "button", class: "chip", hidden: true, click: () => this.pick(null) });
    this.facts = el("ul", { class: "facts" });
    this.summary = el("div", { class: "tables" });
    this.panel = el("details", { toggle: () => this.summarise() }, el("summary", {}, this.kind.panel), this.summary);
    this.head = el("tr", {});
    this.body = el("tbody", { keydown: (event) => this.walk(event) });
    this.pager = el("div", { class: "pager" });
    this.printed = el("p", { class: "note printed" });  // paper has no pager and no filters
    frame.append(
      el("div", { class: "tools" }, search, selects, el("label", {}, this.only, this.kind.only), this.chip, this.told),
      this.facts, this.panel,
      el("div", { class: "scroll" }, el("table", { class: "items", "aria-label": frame.querySelector("h2").textContent }, el("thead", {}, this.head), this.body)),
      this.pager, this.printed);
    if (this.kind.open) this.panel.open = true;
  }

  pick(picked) {
    this.picked = picked;
    this.update();
    if (picked) this.chip.focus();
  }

  update() {
    const { kind, words, picked } = this;
    const only = this.only.checked;
    const wanted = Object.entries(this.chosen).filter(([, value]) => value != null)
      .map(([name, value]) => [this.data.groups[name], value]);
    const base = [];
    for (let i = 0; i < this.n; i++) {
      if (!wanted.every(([column, value]) => column[i] === value)) continue;
      if (words.length) {
        const text = kind.text(i);
        if (!words.every((word) => text.includes(word))) continue;
      }
      base.push(i);
    }
    const rows = picked ? base.filter(picked.keeps) : only ? base.filter(kind.wrong) : base.slice();
    this.base = base;
    this.rows = rows;
    this.chip.hidden = !picked;
    this.chip.textContent = picked ? picked.told + "  ×" : "";
    this.chip.setAttribute("aria-label", picked ? "Take away the filter " + picked.told : "");
    this.told.textContent = rows.length < this.n
      ? `${count(rows.length)} of ${count(this.n)} ${kind.things}` : `${count(this.n)} ${kind.things}`;
    this.facts.replaceChildren(...kind.facts(base).map(([name, value]) =>
      el("li", {}, el("b", {}, value), " ", el("span", {}, name))));
    this.summarise();
    this.arrange();
  }

  summarise() {
    if (!this.panel.open) return;
    this.summary.replaceChildren(...kindTables(this.kind.tables(this.base), (picked) => this.pick(picked)));
  }

  arrange() {
    const { column, way } = this.sort;
    const keys = new Map();
    for (const i of this.rows) keys.set(i, column.value(i));
    this.rows.sort((a, b) => order(keys.get(a), keys.get(b), way) || a - b);
    this.page = 0;
    this.draw();
  }

  draw() {
    this.head.replaceChildren(...this.columns.map((column) => {
      const own = column === this.sort.column;
      return el("th", { scope: "col", class: column.numeric ? "n" : null,
        "aria-sort": own && (this.sort.way > 0 ? "ascending" : "descending") },
        column.value ? el("button", { type: "button", click: () => this.sortBy(column) }, spelled(column.name)) : column.name);
    }));
    const shown = this.rows.slice(this.page * PAGE, (this.page + 1) * PAGE);
    this.body.replaceChildren(...shown.map((i) => this.row(i)));
    if (!shown.length) this.body.append(el("tr", {}, el("td", { colspan: this.columns.length }, "Nothing is like that.")));
    const pages = Math.max(1, Math.ceil(this.rows.length / PAGE));
    const turn = (by) => () => {
      this.page += by;
      this.draw();
      const [back, on] = this.pager.querySelectorAll("button");
      (by < 0 ? (back.disabled ? on : back) : (on.disabled ? back : on)).focus();
    };
    this.pager.replaceChildren(
      el("button", { type: "button", disabled: this.page === 0, click: turn(-1) }, "Previous"),
      el("span", {}, `Page ${count(this.page + 1)} of ${count(pages)}`),
      el("button", { type: "button", disabled: this.page + 1 >= pages, click: turn(1) }, "Next"));
    this.pager.hidden = pages === 1;
    const from = this.page * PAGE;
    this.printed.textContent = `${this.told.textContent} are looked at; printed are ` +
      (shown.length ? `${count(from + 1)} to ${count(from + shown.length)} of ${count(this.rows.length)}.` : "none.");
  }

  sortBy(column) {
    const first = column.numeric ? -1 : 1;
    this.sort = { column, way: this.sort.column === column ? -this.sort.way : first };
    this.arrange();
    this.head.cells[this.columns.indexOf(column)].firstElementChild.focus();
  }

  row(i) {
    const open = el("button", { type: "button", class: "open", "aria-expanded": "false" }, this.columns[0].show(i));
    const line = el("tr", { class: "item", click: (event) => {
      if (event.detail && String(getSelection())) return;  // somebody marks text
      const detail = line.nextElementSibling;
      const shut = !detail?.classList.contains("detail");
      if (shut) line.after(el("tr", { class: "detail" }, el("td", { colspan: this.columns.length }, this.kind.detail(i))));
      else detail.remove();
      open.setAttribute("aria-expanded", String(shut));
    } }, el("td", {}, open), this.columns.slice(1).map((column) =>
      el("td", { class: column.numeric ? "n" : column.class, "data-name": typeof column.name === "string" ? column.name : null }, column.show(i))));
    return line;
  }

  // Up and down go from item to item.
  walk(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step || !event.target.classList.contains("open")) return;
    const all = [...this.body.querySelectorAll(".open")];
    all[all.indexOf(event.target) + step]?.focus();
    event.preventDefault();
  }
}

// Small tables beside one another; a row that picks items is a button.
function kindTables(tables, pick) {
  return tables.filter((table) => table.rows.length).map((table) => el("figure", { class: table.class },
    el("figcaption", {}, table.title),
    el("div", { class: "scroll" }, el("table", { class: table.class },
      el("thead", {}, el("tr", {}, table.heads.map((head, c) => el("th", { scope: "col", class: c ? "n" : null }, head)))),
      el("tbody", {}, table.rows.map((row) => el("tr", {}, row.cells.map((cell, c) => picking(cell, c, row, pick)))))))));
}

function picking(cell, place, row, pick) {
  const picked = (row.picks || [row.pick])[place];
  const head = row.picks && !place;
  const attributes = { class: place ? "n" : null, scope: head ? "row" : null };
  const heat = row.heat?.[place];
  const made = el(head ? "th" : "td", attributes,
    picked ? el("button", { type: "button", class: "pick", click: () => pick(picked) }, cell) : cell);
  if (heat) {
    made.dataset.heat = "";
    made.style.setProperty("--heat", heat);
  }
  return made;
}
