// What every page may use: themes without a reload, copy buttons, times that stay true.

const root = document.documentElement;

export function say(text) {
  const place = document.getElementById("said");
  if (place) place.textContent = text;
}

function chooseTheme(event) {
  const form = event.target.closest("form[data-themes]");
  const theme = event.submitter?.value;
  if (!form || !theme) return;
  event.preventDefault();
  root.dataset.theme = theme;
  for (const button of form.querySelectorAll("button"))
    button.setAttribute("aria-pressed", String(button.value === theme));
  // The server remembers it in a cookie, so that no page begins in the other colours.
  fetch(form.action, { method: "POST", body: new URLSearchParams(new FormData(form, event.submitter)), redirect: "manual" });
}

async function copy(event) {
  const button = event.target.closest("button[data-copy]");
  if (!button) return;
  const text = document.querySelector(button.dataset.copy)?.textContent ?? "";
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Without https there is no clipboard: select it, for the keys.
    getSelection().selectAllChildren(document.querySelector(button.dataset.copy));
    button.textContent = "Selected: press Ctrl C";
    return;
  }
  button.textContent = "Copied";
  say("Copied");
  setTimeout(() => (button.textContent = "Copy"), 2000);
}

const UNITS = [["year", 31536000], ["month", 2592000], ["day", 86400], ["hour", 3600], ["minute", 60]];
const SHORT = { year: "y", month: "mo", day: "d", hour: "h", minute: "min" };

function ago(moment) {
  const apart = (Date.now() - moment) / 1000;
  const found = UNITS.find(([, size]) => Math.abs(apart) >= size);
  if (!found) return "just now";
  const said = `${Math.floor(Math.abs(apart) / found[1])} ${SHORT[found[0]]}`;
  return apart > 0 ? `${said} ago` : `in ${said}`;
}

export function freshen(within = document) {
  for (const time of within.querySelectorAll("time[datetime]")) {
    const moment = Date.parse(time.dateTime);
    if (!Number.isNaN(moment)) time.textContent = ago(moment);
  }
  for (const button of within.querySelectorAll("button[data-copy]")) button.hidden = false;
}

root.classList.add("scripted");
document.addEventListener("submit", chooseTheme);
document.addEventListener("click", copy);
setInterval(freshen, 30000);
freshen();
