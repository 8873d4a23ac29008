// Runs side by side: a column each, differences to the first.

const BESIDE = 6;  // runs at most

async function compare() {
  const frame = document.getElementById("comparison");
  const data = frame && (await load("compare"));
  if (!data) return;
  const state = { chosen: data.first.slice(), all: false };
  const picker = el("div", { class: "picker tools" });
  const place = el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Comparison" });
  frame.append(picker, place);

  function select(value, label, change) {
    const made = el("select", { "aria-label": label, change: () => change(made.value) });
    if (label !== "Add a run") data.runs.forEach((run, i) =>
      made.append(el("option", { value: i, selected: i === value }, spelled(run))));
    else {
      made.append(el("option", { value: "" }, "Add a run …"));
      data.runs.forEach((run, i) => state.chosen.includes(i) ||
        made.append(el("option", { value: i }, spelled(run))));
    }
    return made;
  }

  function draw(focus) {
    picker.replaceChildren(
      ...state.chosen.map((run, at) => el("span", {},
        select(run, `Run ${at + 1}`, (value) => { state.chosen[at] = Number(value); draw(at); }),
        at > 0 && el("button", { type: "button", "aria-label": `Leave out ${spelled(data.runs[run])}`,
          click: () => { state.chosen.splice(at, 1); draw(0); } }, "×"))),
      state.chosen.length < Math.min(BESIDE, data.runs.length)
        ? select(null, "Add a run", (value) => { state.chosen.push(Number(value)); draw(state.chosen.length - 1); })
        : "",
      el("label", {}, el("input", { type: "checkbox", checked: state.all,
        change: (event) => { state.all = event.target.checked; draw(); } }), "also what is the same"));
    const rows = data.rows.filter((row) => {
      const values = new Set(state.chosen.map((run) => row.values[run]));
      return values.size > 1 || (!values.has(null) && (state.all || row.better));
    });
    place.replaceChildren(el("table", {},
      el("thead", {}, el("tr", {}, el("th", { scope: "col" }, ""), ...state.chosen.map((run) =>
        el("th", { scope: "col", class: "n" }, spelled(data.runs[run]))))),
      el("tbody", {}, ...rows.map(line))));
    if (focus != null) picker.querySelectorAll("select")[focus]?.focus();
  }

  function line(row) {
    const values = state.chosen.map((run) => row.values[run]);
    const numbers = values.filter((v) => typeof v === "number");
    const best = row.better && new Set(numbers).size > 1 &&
      Math[row.better === "higher" ? "max" : "min"](...numbers);
    const same = new Set(values).size === 1;
    return el("tr", { class: same ? "same-row" : null },
      el("th", { scope: "row" }, spelled(row.name)),
      ...values.map((value, at) => el("td", { class: best !== false && value === best ? "n best" : "n" },
        figure(value) || "–", at > 0 && row.better && delta(value, values[0], row.better))));
  }

  function delta(value, base, better) {
    if (typeof value !== "number" || typeof base !== "number" || value === base) return null;
    const up = (value > base) === (better === "higher");
    const text = (value > base ? "+" : "−") + figure(Math.abs(value - base));
    return el("span", { class: up ? "delta up" : "delta down" }, text,
      el("span", { class: "hidden" }, up ? " better" : " worse"));
  }

  draw();
}
