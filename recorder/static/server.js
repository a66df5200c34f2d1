// The recorder's toolbar and interceptor, one script without dependencies. It talks to the place it came from.
// Whoever has no role there sees nothing and nothing of what they do is reported.
const script = document.currentScript;
if (!script || window.profileRecorder) return;
const base = new URL("./", script.src).href;
const framed = window.top !== window;
const plainFetch = window.fetch.bind(window); // what we ask with, whatever the page makes of fetch later

// What is remembered: in `tab` across pages and reloads, in `everywhere` across tabs. A browser may forbid both.
function memory(name) {
  let store = null;
  try { store = window[name]; } catch { /* forbidden */ }
  return {
    get(key, otherwise) {
      try { return JSON.parse(store.getItem("profile-recorder." + key)) ?? otherwise; } catch { return otherwise; }
    },
    set(key, value) {
      try {
        if (value === null) store.removeItem("profile-recorder." + key);
        else store.setItem("profile-recorder." + key, JSON.stringify(value));
      } catch { /* full or forbidden: it is forgotten with this page */ }
    },
  };
}
const tab = memory("sessionStorage");
const everywhere = memory("localStorage");

class Refused extends Error {
  constructor(answer, found) {
    super((found && found.error) || `The recorder answered ${answer.status}.`);
    this.status = answer.status;
    this.after = Number(answer.headers.get("Retry-After")) || 0; // seconds
  }
}

async function ask(method, path, body, more) {
  const headers = body ? { "Content-Type": "application/json" } : {};
  if (method !== "GET") headers["X-Recorder-CSRF"] = (known && known.csrf) || "";
  const answer = await plainFetch(base + path, {
    method, headers, credentials: "same-origin", cache: "no-store", body: body && JSON.stringify(body), ...more,
  });
  const found = await answer.json().catch(() => null);
  if (!answer.ok) throw new Refused(answer, found);
  return found;
}

// What is known of the recorder, and who wants to hear of it.
let known = tab.get("known", null);
const hearers = new Set();
const tell = () => hearers.forEach((hear) => hear());
const mayUse = () => Boolean(known && known.csrf);
const may = (role) => mayUse() && known.roles.includes(role);

let channel = null;
function listen() {
  if (!("BroadcastChannel" in window)) return;
  channel = new BroadcastChannel("profile-recorder " + base);
  channel.onmessage = () => look(0);
}
listen();

const where = () => "path=" + encodeURIComponent(location.pathname);

async function status() {
  const found = await ask("GET", "status?" + where());
  const mostLost = Math.max(found.lost || 0, (known && known.csrf === found.csrf && known.lost) || 0);
  known = { ...found, lost: mostLost }; // each process of the application counts its own
  tab.set("known", known);
  tell();
  return found;
}

// Asks again and again: every few seconds while something goes on, seldom when not, not at all in a tab nobody sees.
const OFTEN = 3000, SELDOM = 12000, LONGEST = 60000; // milliseconds
let pause = SELDOM, asking = 0;
function look(delay) {
  clearTimeout(asking);
  if (document.hidden) return;
  asking = setTimeout(async () => {
    try {
      await status();
      if (!mayUse()) return; // a visitor: once a page is enough
      pause = known.state === "idle" ? SELDOM : OFTEN;
    } catch {
      pause = Math.min(LONGEST, pause * 2);
    }
    look(pause);
  }, delay);
}
document.addEventListener("visibilitychange", () => look(0));
// An open channel may keep a page from being kept for the way back.
window.addEventListener("pagehide", () => { if (channel) channel.close(); channel = null; });
window.addEventListener("pageshow", (event) => { if (event.persisted) { listen(); look(0); } });

// The csrf token belongs to a cookie that may have gone: take a new one where it is refused.
async function change(path, body) {
  try {
    return await ask("POST", path, body);
  } catch (error) {
    if (error.status !== 403) throw error;
    await status();
    return ask("POST", path, body);
  }
}

async function changed(path, body) {
  try {
    return await change(path, { path: location.pathname, ...body });
  } finally {
    if (channel) channel.postMessage("changed");
    await status().catch(() => {});
    look(OFTEN);
  }
}

const start = (slug, notes = "", scope) => {
  if (known) { known = { ...known, state: "preparing" }; tell(); } // until the run's files are copied
  return changed("captures/start", { slug, notes, ...(scope && { scope }) });
};
const end = (notes) => changed("captures/end", notes === undefined ? {} : { notes });
const pauseCapture = () => changed("captures/pause", {});
const resumeCapture = () => changed("captures/resume", {});
