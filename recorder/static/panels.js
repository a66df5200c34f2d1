// The two panels beside the bar: the start of a profile, and the last events of the log.
let panel = null, follow = 0;

function show(name) {
  clearTimeout(follow);
  const before = opened;
  if (panel) panel.remove();
  panel = null;
  opened = name === before ? null : name;
  if (opened) {
    panel = { start: startPanel, log: logPanel }[opened]();
    panel.addEventListener("keydown", (event) => { if (event.key === "Escape") show(opened); });
    frame.append(panel);
    (panel.querySelector("input, button") || panel).focus();
  } else if (before) {
    const from = { start: begin, log: history }[before];
    if (!from.hidden) from.focus();
  }
  draw();
}

// What can be a slug (docs/formats.md), of whatever is typed.
const slugOf = (text) => text.toLowerCase().normalize("NFKD").replace(/[\u0300-\u036f]/g, "").replace(/[^a-z0-9._-]+/g, "-")
  .replace(/\.\.+/g, ".").replace(/^[._-]+/, "").slice(0, 80);

function startPanel() {
  const wrong = make("p", { class: "wrong", role: "alert" });
  const name = make("input", { type: "text", id: "name", autocomplete: "off", spellcheck: "false", maxlength: 200, placeholder: "us-small-watershed", "aria-describedby": "name-hint" });
  const hint = make("p", { class: "hint", id: "name-hint" }, "Small letters, digits, hyphens.");
  const notes = make("textarea", { id: "notes", maxlength: 4000, placeholder: "What is done here, and why" });
  const run = known.run_id;
  const scopes = [run && ["run", `This run (${run})`], ["session", "This browser"], ["all", "Everything, whoever does it"]].filter(Boolean);
  const choices = scopes.map(([value, text], at) => make("label", { class: "choice" },
    make("input", { type: "radio", name: "scope", value, checked: at === 0 }), text));
  const go = make("button", { class: "first", type: "submit" }, "Start");
  name.addEventListener("input", () => {
    const slug = slugOf(name.value).replace(/-+$/, "");
    hint.textContent = !slug || slug === name.value ? "Small letters, digits, hyphens." : `It will be called ${slug}.`;
  });
  return make("form", {
    class: "panel", "aria-label": "Start of a profile",
    onsubmit: async (event) => {
      event.preventDefault();
      const slug = slugOf(name.value).replace(/-+$/, "");
      if (!slug) { wrong.textContent = "The profile needs a name."; name.focus(); return; }
      go.disabled = true;
      wrong.textContent = "";
      try {
        await start(slug, notes.value.trim(), event.target.elements.scope.value);
        if (opened === "start") show("start");
        rest.focus();
      } catch (error) {
        wrong.textContent = error.message;
      } finally {
        go.disabled = false;
      }
    },
  },
  make("h2", {}, "Mark profile start"),
  make("div", {}, make("label", { for: "name" }, "Name"), name, hint),
  make("div", {}, make("label", { for: "notes" }, "Notes (may be left empty)"), notes),
  make("fieldset", {}, make("legend", {}, "What belongs to it"), ...choices),
  wrong,
  make("div", { class: "row" }, go, button("Cancel", () => show("start"))));
}

// One event in plain words.
function inWords(event, paths) {
  const it = event.payload || {};
  if (event.category === "http_request") {
    if (event.stage === "started") return null; // told by what became of it
    const asked = paths.get(event.operation_id) || "a request";
    return `${asked}: ${it.status ?? (it.error && it.error.type) ?? "no answer"}${it.duration_ms ? `, ${Math.round(it.duration_ms)} ms` : ""}`;
  }
  if (event.category === "rq_enqueue") return `job ${it.function || it.job_id} enqueued on ${it.queue}`;
  if (event.category === "rq_job") return `job ${paths.get("job " + it.job_id) || it.job_id} ${event.stage}`;
  if (event.category === "file_upload") return `file ${it.filename} uploaded`;
  if (it.kind === "browser") {
    const seen = it.reported || {};
    return `in the browser: ${[seen.kind, seen.method, seen.path, seen.status, seen.error].filter(Boolean).join(" ")}`;
  }
  const said = { tombstone: "a value was taken out", log_opened: "a process began to record", lost: `${it.count} records were lost` }[it.kind];
  return [said || String(it.kind || event.category).replaceAll("_", " "), it.slug, it.message].filter(Boolean).join(" ");
}

function logPanel() {
  const list = make("ol", { class: "log" });
  const wrong = make("p", { class: "wrong", role: "alert" });
  async function fill() {
    try {
      const { events } = await ask("GET", "events?last=60&" + where());
      const paths = new Map();
      for (const { category, operation_id: operation, payload } of events) {
        if (payload.method) paths.set(operation, `${payload.method} ${payload.path}`);
        if (category === "rq_enqueue") paths.set("job " + payload.job_id, payload.function || payload.job_id);
      }
      const rows = events.map((event) => [event, inWords(event, paths)]).filter(([, text]) => text).reverse();
      list.replaceChildren(...rows.map(([event, text]) => make("li", {},
        make("time", { datetime: event.timestamp }, new Date(event.timestamp).toLocaleTimeString()), make("span", {}, text))));
      wrong.textContent = rows.length ? "" : "Nothing was recorded yet.";
    } catch (error) {
      wrong.textContent = error.message;
    }
    if (opened === "log" && !document.hidden) follow = setTimeout(fill, OFTEN);
  }
  fill();
  return make("div", { class: "panel", role: "region", tabindex: "-1", "aria-label": "The last events of the audit log" },
    make("div", { class: "row" }, make("h2", {}, known.run_id ? `Log of ${known.run_id}` : "Audit log"), button("Close", () => show("log"), { class: "far" })),
    wrong, list);
}
