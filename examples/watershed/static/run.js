// The run page: sends its forms without leaving the page, starts the computation, and asks how it goes until it has ended.
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
      form.querySelector(".note")?.remove();  // it tells what was stored when the page was loaded
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
  show("queued");
  follow(job_id);
  return "";
});

function show(status) {
  statusLabel.textContent = status;
  statusLabel.className = `status ${status}`;
  runButton.disabled = !ENDED.includes(status);
}

async function follow(jobId) {
  const answer = await fetch(`${document.body.dataset.site}rq/api/jobstatus/${jobId}`);
  const { status } = await answer.json();
  show(status);
  if (!ENDED.includes(status)) {
    setTimeout(follow, 400, jobId);
  } else if (status === "finished") {
    window.location.reload();
  }
}

async function showCurrent() {
  const answer = await fetch("rq/status");
  const { status, job_id } = await answer.json();
  show(status);
  if (!ENDED.includes(status)) follow(job_id);
}

showCurrent();
