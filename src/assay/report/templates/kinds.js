// What items of a kind are: columns, what is wrong with them, what stands in them, what is told of
// many of them.

const TOP = 12;  // rows of a summary

const most = (counts, n = TOP) =>
  [...counts].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1)).slice(0, n);
const add = (counts, key, by = 1) => counts.set(key, (counts.get(key) || 0) + by);

const GRAPHEMES = Intl.Segmenter && new Intl.Segmenter("en", { granularity: "grapheme" });

const KINDS = { transcripts, rankings, labels };

function transcripts({ columns, facts }) {
  const { id, reference, edits, other, errors, units } = columns;
  const char = facts.unit === "char";
  const gap = char ? "" : " ";
  const rate = char ? "CER" : "WER";
  const cut = (text) => (text === "" ? [] : char ? [...text] : text.split(" "));
  const texts = [];

  // [operation, unit of the reference or null, of the hypothesis or null] of an item, in order.
  function steps(i) {
    const ref = cut(reference[i]), rest = cut(other[i]);
    if (!edits[i]) return ref.map((unit) => ["=", unit, unit]);
    const found = [];
    let r = 0, h = 0;
    for (const [, size, kind] of edits[i].matchAll(/(\d+)(.)/g)) {
      for (let k = 0; k < Number(size); k++) {
        const left = kind === "i" ? null : ref[r++];
        found.push([kind, left, kind === "=" ? left : kind === "d" ? null : rest[h++]]);
      }
    }
    return found;
  }

  function inline(i) {
    const parts = [];
    let plain = [];
    const flush = () => { if (plain.length) parts.push(spelled(plain.join(gap))); plain = []; };
    for (const [kind, ref, hyp] of steps(i)) {
      if (kind === "=") { plain.push(ref); continue; }
      flush();
      if (ref != null) parts.push(el("del", {}, spelled(ref)));
      if (hyp != null) parts.push(el("ins", {}, spelled(hyp)));
    }
    flush();
    const spaced = parts.flatMap((part, at) => (at ? [gap, part] : [part]));
    return el("span", {}, spaced.length ? spaced : "(empty)");
  }

  // Characters that are right, as one sees them: a letter with its marks is one.
  function asSeen(found) {
    const joined = [];
    for (const step of found) {
      const last = joined.at(-1);
      if (step[0] === "=" && last?.[0] === "=") last[1] += step[1];
      else joined.push([...step]);
    }
    return joined.flatMap((step) => (step[0] !== "=" ? [step] :
      Array.from(GRAPHEMES.segment(step[1]), ({ segment }) => ["=", segment, segment])));
  }

  function detail(i) {
    const names = { s: "substituted", d: "deleted", i: "inserted" };
    const totals = { "=": 0, s: 0, d: 0, i: 0 };
    const found = steps(i);
    for (const [kind] of found) totals[kind]++;
    const row = (char && GRAPHEMES ? asSeen(found) : found).map(([kind, ref, hyp]) => {
      const same = kind === "=";
      return el("li", { class: same ? null : kind },
        el("span", { class: same ? "same" : "r" }, ref == null ? "∗" : spelled(ref)),
        el("span", { class: same ? "same" : "h" }, hyp == null ? "∗" : spelled(hyp)),
        el("small", { title: names[kind] }, same ? "\u00a0" : kind.toUpperCase()));
    });
    const head = el("li", { class: "head", "aria-hidden": "true" },
      el("span", {}, "reference"), el("span", {}, "hypothesis"), el("small", {}, "\u00a0"));
    return [el("ul", { class: "aligned" }, head, row), el("p", { class: "note" },
      `${totals["="]} right, ${totals.s} substituted, ${totals.d} deleted, ${totals.i} inserted`)];
  }

  function tables(rows) {
    const tallies = { s: new Map(), d: new Map(), i: new Map() };
    const seen = new Map(), wrong = new Map();
    for (const i of rows) {
      if (!errors[i]) {
        for (const unit of cut(reference[i])) add(seen, unit);
        continue;
      }
      for (const [kind, ref, hyp] of steps(i)) {
        if (ref != null) add(seen, ref);
        if (kind === "=") continue;
        if (ref != null) add(wrong, ref);
        add(tallies[kind], kind === "s" ? ref + "\u0000" + hyp : (ref ?? hyp));
      }
    }
    const has = (kind, ref, hyp) => (i) => errors[i] > 0 &&
      steps(i).some(([own, left, right]) => own === kind && left === ref && right === hyp);
    const titles = { s: "Substitutions", d: "Deletions", i: "Insertions" };
    const found = Object.entries(tallies).map(([kind, tally]) => ({
      title: titles[kind],
      heads: [kind === "s" ? "reference → hypothesis" : char ? "character" : "word", "times"],
      rows: most(tally).map(([key, times]) => {
        const [ref, hyp] = kind === "s" ? key.split("\u0000") : kind === "d" ? [key, null] : [null, key];
        const told = kind === "s" ? `${spelled(ref)} → ${spelled(hyp)}` : spelled(key);
        return { cells: [told, count(times)], pick: { told: `${titles[kind].slice(0, -1).toLowerCase()}: ${told}`, keeps: has(kind, ref, hyp) } };
      }),
    }));
    found.push({
      title: char ? "Characters most often wrong" : "Words most often wrong",
      heads: ["reference", "wrong", "of", "share"],
      rows: most(wrong).map(([unit, times]) => ({
        cells: [spelled(unit), count(times), count(seen.get(unit)), ((100 * times) / seen.get(unit)).toFixed(0) + " %"],
        pick: { told: `wrong: ${spelled(unit)}`, keeps: (i) => errors[i] > 0 &&
          steps(i).some(([kind, ref]) => kind !== "=" && ref === unit) },
      })),
    });
    return found;
  }

  const share = (i) => (units[i] ? errors[i] / units[i] : errors[i] ? Infinity : 0);
  return {
    things: "pairs", panel: "What is taken for what", only: "with errors", tables, detail,
    wrong: (i) => errors[i] > 0,
    text: (i) => (texts[i] ??= [id[i], reference[i], ...steps(i).map((step) => step[2] ?? "")]
      .map(String).join(gap).toLowerCase() + "\n" + steps(i).map((step) => step[2] ?? "").join(gap).toLowerCase()),
    columns: [
      { name: "item", value: (i) => id[i], show: (i) => spelled(id[i]) },
      { name: char ? "characters" : "words", numeric: true, value: (i) => units[i], show: (i) => count(units[i]) },
      { name: "errors", numeric: true, first: true, value: (i) => errors[i], show: (i) => count(errors[i]) },
      { name: rate, numeric: true, value: share, show: (i) => (share(i) === Infinity ? "∞" : (100 * share(i)).toFixed(0) + " %") },
      { name: el("span", {}, el("del", {}, "reference"), " ", el("ins", {}, "hypothesis")), class: "said", show: inline },
    ],
    facts(rows) {
      let e = 0, u = 0, clean = 0;
      for (const i of rows) { e += errors[i]; u += units[i]; clean += !errors[i]; }
      return [[rate, percent(e, u)], ["errors", count(e)], [char ? "characters" : "words", count(u)],
        ["of pairs are right", percent(clean, rows.length)]];
    },
  };
}

function rankings({ columns, facts }) {
  const { id, rank, top, scores, right, ranks, depth } = columns;
  const names = facts.names || {};
  const called = (item) => spelled(names[item] ?? item);
  const texts = [];
  const last = (i) => rank[i] ?? Infinity;

  function detail(i) {
    const rights = new Map(right[i].map((item, at) => [item, ranks[i][at]]));
    const line = (place, item, score) => el("li", { class: rights.has(item) ? "right" : null },
      el("span", { class: "n" }, place), el("span", {}, rights.has(item) ? "✓" : ""),
      el("span", {}, called(item)), el("span", { class: "n" }, score == null ? "" : figure(score)));
    const found = top[i].map((item, at) => line(String(at + 1), item, scores[i][at]));
    const below = right[i].map((item, at) => [item, ranks[i][at]])
      .filter(([, place]) => place == null || place > top[i].length)
      .map(([item, place]) => line(place == null ? "–" : count(place), item, null));
    return [el("ol", { class: "ranked" }, found, below), el("p", { class: "note" },
      `✓ right answers; – not among the ${count(depth[i])} that were ranked`)];
  }

  function tables(rows) {
    const above = new Map();
    for (const i of rows) {
      const rights = new Set(right[i]);
      top[i].slice(0, Math.min(last(i) - 1, top[i].length)).forEach((item) => rights.has(item) || add(above, item));
    }
    return [{
      title: "Most often above the right answer", heads: ["item", "queries"],
      rows: most(above).map(([item, times]) => ({
        cells: [called(item), count(times)],
        pick: { told: `above: ${called(item)}`, keeps: (i) => top[i].slice(0, Math.min(last(i) - 1, top[i].length)).includes(item) },
      })),
    }];
  }

  return {
    things: "queries", panel: "What stands above right answers", only: "right answer not first", tables, detail,
    wrong: (i) => rank[i] !== 1,
    text: (i) => (texts[i] ??= [id[i], names[id[i]] ?? "", ...[...right[i], ...top[i]].map((item) => names[item] ?? item)].join(" ").toLowerCase()),
    columns: [
      { name: "query", value: (i) => called(id[i]).toLowerCase(), show: (i) => called(id[i]) },
      { name: "rank", numeric: true, first: true, value: last, show: (i) => (rank[i] == null ? "not found" : count(rank[i])) },
      { name: "right answer", class: "said", value: (i) => called(right[i][0]).toLowerCase(), show: (i) => called(right[i][0]) },
      { name: "ranked first", class: "said", value: (i) => called(top[i][0] ?? "").toLowerCase(), show: (i) => called(top[i][0] ?? "") },
    ],
    facts(rows) {
      const within = (k) => percent(rows.filter((i) => last(i) <= k).length, rows.length);
      const sorted = rows.map(last).sort((a, b) => a - b);
      const n = sorted.length;
      const middle = n ? (sorted[(n - 1) >> 1] + sorted[n >> 1]) / 2 : null;
      return [["right at once", within(1)], ["in the first 5", within(5)], ["in the first 10", within(10)],
        ["median rank", middle == null ? "–" : middle === Infinity ? "not found" : String(middle)]];
    },
  };
}

function labels({ columns }) {
  const { id, target, prediction, confidence, text } = columns;
  const texts = [];
  const shown = (i) => spelled(text?.[i] || id[i]);
  const wrong = (i) => target[i] !== prediction[i];

  function tables(rows) {
    const cells = new Map(), sizes = new Map();
    for (const i of rows) {
      add(cells, target[i] + "\u0000" + prediction[i]);
      add(sizes, target[i]);
      add(sizes, prediction[i], 0);
    }
    const names = most(sizes).map(([name]) => name);
    names.sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
    const worst = Math.max(1, ...[...cells].filter(([key]) => new Set(key.split("\u0000")).size > 1).map(([, n]) => n));
    const left = sizes.size - names.length;
    return [{
      title: "Target by prediction" + (left ? ` (the ${names.length} most frequent labels of ${sizes.size})` : ""),
      class: "matrix", heads: ["target ↓  prediction →", ...names.map(spelled)],
      rows: names.map((own) => {
        const counts = names.map((other) => cells.get(own + "\u0000" + other) || 0);
        return {
          cells: [spelled(own), ...counts.map(count)],
          heat: [0, ...names.map((other, c) => (other === own ? 0 : (100 * counts[c]) / worst))],
          picks: [null, ...names.map((other, c) => counts[c] ? {
            told: `${spelled(own)} taken for ${spelled(other)}`,
            keeps: (i) => target[i] === own && prediction[i] === other,
          } : null)],
        };
      }),
    }];
  }

  const sure = confidence.some((value) => value != null);
  return {
    things: "items", panel: "What is taken for what", only: "mistakes", onlyWrong: true, open: true,
    tables, wrong, text: (i) => (texts[i] ??= [id[i], target[i], prediction[i], text?.[i] ?? ""].join(" ").toLowerCase()),
    detail: (i) => el("p", {}, `${shown(i)} `, el("span", { class: "note" }, wrong(i)
      ? `is ${spelled(target[i])}, taken for ${spelled(prediction[i])}` : `is ${spelled(target[i])}, and was taken for it`)),
    columns: [
      { name: "item", value: (i) => id[i], show: (i) => spelled(id[i]) },
      { name: "target", value: (i) => target[i], show: (i) => spelled(target[i]) },
      { name: "prediction", value: (i) => prediction[i], show: (i) => el("span", { class: wrong(i) ? "wrong" : "right-label" }, spelled(prediction[i])) },
      { name: sure ? "confidence" : "mistake", numeric: true, first: true,
        value: sure ? (i) => confidence[i] : (i) => Number(wrong(i)),
        show: sure ? (i) => figure(confidence[i]) : (i) => (wrong(i) ? "yes" : "no") },
      ...(text ? [{ name: "text", class: "said", value: (i) => text[i], show: (i) => spelled(text[i]) }] : []),
    ],
    facts(rows) {
      const bad = rows.filter(wrong).length;
      return [["accuracy of these", percent(rows.length - bad, rows.length)], ["mistakes", count(bad)]];
    },
  };
}
