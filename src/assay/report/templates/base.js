"use strict";

// An element: its attributes (functions listen, true and false set or leave out), its children.
function el(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) {
    if (typeof value === "function") made.addEventListener(key, value);
    else if (value !== false && value != null) made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.flat().filter((child) => child != null && child !== false));
  return made;
}

// Characters that would turn or hide text are spelled out.
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g;
// One of these alone cannot be seen, and a mark needs something to stand on.
const UNSEEN = /^[\u200b-\u200f\u2060-\u2064\ufe00-\ufe0f\ufeff]$/;
const code = (c) => "\\u" + c.codePointAt(0).toString(16).padStart(4, "0");
const spelled = (text) =>
  String(text).replace(CONTROL, code).replace(UNSEEN, code).replace(/^(?=\p{M})/u, "\u25cc");

const count = (n) => n.toLocaleString("en-US");
function figure(value) {
  if (value == null) return "";
  if (typeof value === "string") return spelled(value);
  if (Number.isInteger(value)) return count(value);
  const size = Math.abs(value);
  if (size < 1e-3) return value.toPrecision(3);
  return size >= 1000 ? value.toLocaleString("en-US", { maximumFractionDigits: 1 }) : value.toFixed(4);
}
const percent = (part, whole) => (whole ? ((100 * part) / whole).toFixed(2) + " %" : "–");

// Small first; what is missing is last either way.
function order(a, b, way) {
  const none = (a == null || a === "") - (b == null || b === "");
  if (none) return none;
  if (typeof a !== typeof b) return (typeof a === "number" ? -1 : 1) * way;  // numbers, then texts
  return a === b ? 0 : (a < b ? -1 : 1) * way;
}

async function load(id) {
  const script = document.getElementById("data-" + id);
  if (!script) return null;
  let text = script.textContent;
  if ("packed" in script.dataset) {
    const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
    const open = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    text = await new Response(open).text();
  }
  script.textContent = "";
  return JSON.parse(text);
}

function kept(key, value) {  // a page in a frame may have no storage
  try {
    if (value === undefined) return localStorage.getItem(key);
    localStorage.setItem(key, value);
  } catch {
    return null;
  }
}

function theme() {
  const root = document.documentElement;
  const before = kept("assay-theme");
  if (before === "light" || before === "dark") root.dataset.theme = before;
  document.getElementById("theme").addEventListener("click", () => {
    const dark = root.dataset.theme
      ? root.dataset.theme === "dark"
      : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    kept("assay-theme", root.dataset.theme);
  });
}

// Which section is being read, in the bar.
function follow() {
  const links = [...document.querySelectorAll("nav a")];
  const watch = new IntersectionObserver((seen) => {
    const here = seen.find((one) => one.isIntersecting);
    if (here) links.forEach((link) => link.toggleAttribute("aria-current", link.hash === "#" + here.target.id));
  }, { rootMargin: "-15% 0px -75% 0px" });
  document.querySelectorAll("main > section").forEach((section) => watch.observe(section));
}
