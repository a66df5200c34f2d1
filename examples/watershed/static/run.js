// The run page: sends its forms without leaving the page, starts the computation, and shows how its jobs go until they end.
"use strict";

const ENDED = ["finished", "failed", "stopped", "canceled", "not_found", "idle"];
const token = document.querySelector("meta[name=csrf-token]").content;
const statusLabel = document.querySelector("#status");
const runButton = document.querySelector("#run button");

async function post(url, options) {
  const answer = await fetch(url, { method: "POST", ...options, headers: { "X-CSRFToken": token, ...options.headers } });
  const isJson = (answer.headers.get("Content-Type") || "").startsWith("application/json");
  const content = isJson ? await answer.json() : {};
  if (!answer.ok || content.Success === false) {
    throw new Error(content.Error || `The server answered ${answer.status}. Reload the page and try again.`);
  }
  return content;
}

function say(form, text, isGood) {
  const outcome = form.querySelector(".outcome");
  outcome.textContent = text;
  outcome.className = `outcome ${isGood ? "good" : "bad"}`;
}

function send(form, options, success) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      say(form, success(await post(form.action, options(form))), true);
      form.querySelector(".now")?.remove();  // it tells what was stored when the page was loaded
    } catch (error) {
      say(form, error.message, false);
    }
  });
}

const asForm = (form) => ({ body: new FormData(form) });
const asJson = (form) => ({
  body: JSON.stringify({ rainfall_erosivity: Number(form.elements.rainfall_erosivity.value) }),
  headers: { "Content-Type": "application/json" },
});

send(document.querySelector("#dem"), asForm, ({ Content }) => `Stored: ${Content.columns} × ${Content.rows} cells, ${Content.crs}.`);
send(document.querySelector("#landuse"), asForm, ({ Content }) => `Stored: ${Content.classes} classes.`);
send(document.querySelector("#climate"), asJson, ({ Content }) => `Stored: R = ${Content.rainfall_erosivity}.`);
send(document.querySelector("#run"), () => ({}), ({ job_id }) => {
  show({ status: "queued", jobs: [] });
  follow(job_id);
  return "";
});

function show({ status, jobs }) {
  mark(statusLabel, statusLabel, status);
  runButton.disabled = !ENDED.includes(status);
  if (!jobs) return;
  const states = new Map(jobs.map((job) => [job.name, job.status]));
  for (const place of document.querySelectorAll("[data-job]")) {
    const state = states.get(place.dataset.job) || "not yet";
    mark(place, place.querySelector("span"), state);
  }
}

function mark(place, label, status) {
  place.dataset.status = status;
  label.textContent = status;
}

async function follow(jobId) {
  const answer = await fetch(`${document.body.dataset.site}rq/api/jobstatus/${jobId}`);
  const told = await answer.json();
  show(told);
  if (!ENDED.includes(told.status)) {
    setTimeout(follow, 400, jobId);
  } else if (told.status === "finished") {
    window.location.reload();
  } else {
    say(document.querySelector("#run"), `The computation ended: ${told.status}. Change an input and run it again.`, false);
  }
}

async function showCurrent() {
  const answer = await fetch("rq/status");
  const told = await answer.json();
  show(told);
  if (!ENDED.includes(told.status)) follow(told.job_id);
}

showCurrent();
