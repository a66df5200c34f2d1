// A run that goes on: its events say when there is something new, the server renders it. When the network is cut the
// page says so, asks again and again, and goes on behind the last event it has seen.

import { say } from "./site.js";
import { swap } from "./swap.js";

const PARTS = ["#state", "#progress", "#steps", "#jobs"];
const PAUSE = 350; // ms between two looks while events come
const SILENCE = 20000; // ms without an event after which the service is asked whether it is there
const LONGEST = 15000; // ms between two attempts

const run = document.getElementById("run");
const address = run.dataset.page;
let after = Number(run.dataset.after), source, waiting = 0, attempts = 0, heard = Date.now(), over = false;
let drawing = false, again = false;

function tell(text) {
  const note = document.getElementById("connection");
  if (!note) return;
  if (note.hidden !== !text) say(text || "Connected again.");
  note.hidden = !text;
  note.textContent = text;
}

/** Show what is new; an address with a page of steps is kept as it was chosen. */
async function draw() {
  if (drawing) return void (again = true);
  drawing = true;
  try {
    const there = new URL(location.href);
    const parts = PARTS.filter((part) => document.querySelector(part));
    const shown = over ? ["#run"] : parts;
    if (await swap(over ? address : there.pathname + there.search, shown)) {
      if (over) return ended();
      if (!document.getElementById("jobs")) await jobs(there);
    }
  } catch {
    lost();
  } finally {
    drawing = false;
    if (again) {
      again = false;
      setTimeout(draw, PAUSE);
    }
  }
}

/** The first jobs bring a section of their own. */
async function jobs(there) {
  const answer = await fetch(there.pathname + there.search);
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const section = page.getElementById("jobs")?.closest("section");
  if (section) document.getElementById("steps").closest("section").before(document.adoptNode(section));
}

async function ended() {
  if (document.getElementById("run").dataset.events) return location.reload(); // its report is about to be written
  if (document.querySelector("[data-slider]")) await import("./slider.js");
  const verdict = document.querySelector("#state .verdict")?.textContent ?? "";
  document.title = document.title.replace(/^[^:]*/, verdict);
  say(`The run has ended: ${verdict}`);
}

function heardOf(event) {
  heard = Date.now();
  attempts = 0;
  tell("");
  if (event.lastEventId) after = Number(event.lastEventId);
  if (event.type === "report" || event.type === "error") {
    over = true;
    source.close();
  }
  draw();
}

function lost() {
  source?.close();
  if (waiting || over) return;
  attempts += 1;
  const pause = Math.min(LONGEST, 500 * 2 ** Math.min(attempts, 6)) * (0.75 + Math.random() / 2);
  tell("The connection is lost; the run itself goes on. Trying again …");
  waiting = setTimeout(() => {
    waiting = 0;
    listen();
  }, pause);
}

function listen() {
  source = new EventSource(`${run.dataset.events}?after=${after}`);
  source.onopen = () => {
    heard = Date.now();
    attempts = 0;
    tell("");
    draw(); // what happened meanwhile
  };
  source.onerror = (event) => {
    if (event.data) return; // an event of the run that is called `error`
    lost();
  };
  for (const name of ["run_queued", "run_started", "step_started", "step_finished", "wait_started", "jobs", "compared", "run_finished", "report"])
    source.addEventListener(name, heardOf);
  source.addEventListener("error", (event) => event.data && heardOf(event));
}

setInterval(async () => {
  if (over || waiting || Date.now() - heard < SILENCE) return;
  heard = Date.now();
  try {
    await fetch(address, { method: "GET", signal: AbortSignal.timeout(SILENCE / 2) });
  } catch {
    lost();
  }
}, 5000);
addEventListener("online", () => {
  clearTimeout(waiting);
  waiting = 0;
  if (!over) {
    source?.close();
    listen();
  }
});
addEventListener("offline", lost);
listen();
