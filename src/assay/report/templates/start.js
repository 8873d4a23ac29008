async function start() {
  theme();
  follow();
  document.querySelectorAll("table.sortable").forEach(sortable);
  document.querySelectorAll("figure[data-filter]").forEach(filterable);
  await compare();
  for (const frame of document.querySelectorAll(".explorer")) {
    new Explorer(frame, await load(frame.dataset.explorer));
  }
  document.documentElement.dataset.ready = String(Math.round(performance.now()));
}

start();
