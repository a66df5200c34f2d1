// Forms and links that replace one part of the page by that of the answer; without script they simply load.
//   <form data-swap="#list">             submitted by GET, also while somebody types or chooses
//   <div data-swap-links="#list">        its links with a query

import { freshen, say } from "./site.js";

const here = () => location.pathname + location.search;
let asked = null, shown = here();

/** Replace the elements that `selectors` name by those of the page at `address`; true when that was possible. */
export async function swap(address, selectors, signal) {
  const answer = await fetch(address, { headers: { Accept: "text/html" }, signal });
  if (!answer.ok || answer.redirected) return false;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const selector of selectors) {
    const old = document.querySelector(selector), now = page.querySelector(selector);
    if (!old || !now) continue;
    for (const open of old.querySelectorAll("details[id]")) {
      const same = now.querySelector(`#${CSS.escape(open.id)}`);
      if (same) same.open = open.open;
    }
    const held = document.activeElement?.id;
    const scrolled = old.querySelector("[data-keep-scroll]")?.scrollTop;
    old.replaceWith(document.adoptNode(now));
    if (held && document.activeElement?.id !== held) document.getElementById(held)?.focus({ preventScroll: true });
    if (scrolled) now.querySelector("[data-keep-scroll]").scrollTop = scrolled;
    freshen(now);
  }
  return true;
}

async function show(address, selector, { push }) {
  asked?.abort();
  asked = new AbortController();
  const place = document.querySelector(selector);
  place?.setAttribute("aria-busy", "true");
  try {
    if (!(await swap(address, [selector], asked.signal))) return location.assign(address);
    history[push ? "pushState" : "replaceState"]({}, "", address);
    shown = here();
    say(document.querySelector(selector)?.dataset.said ?? "");
  } catch (error) {
    if (error.name !== "AbortError") location.assign(address);
  }
}

function addressOf(form, submitter) {
  const fields = new FormData(form, submitter);
  const query = new URLSearchParams([...fields].filter(([, value]) => value !== ""));
  return `${form.action.split("?")[0]}${query.size ? `?${query}` : ""}`;
}

let soon = 0;
function later(event) {
  const form = event.target.closest?.("form[data-swap]");
  if (!form) return;
  clearTimeout(soon);
  soon = setTimeout(() => show(addressOf(form), form.dataset.swap, { push: false }), event.type === "input" ? 180 : 0);
}

document.addEventListener("input", (event) => event.target.matches("input[type=search], input[type=text]") && later(event));
document.addEventListener("change", (event) => event.target.matches("select, input[type=checkbox], input[type=radio]") && later(event));
document.addEventListener("submit", (event) => {
  const form = event.target.closest("form[data-swap]");
  if (!form) return;
  event.preventDefault();
  clearTimeout(soon);
  show(addressOf(form, event.submitter), form.dataset.swap, { push: true });
});
document.addEventListener("click", (event) => {
  const link = event.target.closest("[data-swap-links] a[href]");
  if (!link || event.button || event.metaKey || event.ctrlKey || event.shiftKey || link.origin !== location.origin) return;
  if (link.pathname !== location.pathname) return;
  event.preventDefault();
  show(link.href, link.closest("[data-swap-links]").dataset.swapLinks, { push: true });
});
// Back and forward: another query is another list. (A link to a place within the page is none of ours.)
addEventListener("popstate", () => here() !== shown && location.reload());
