// The review: what was recorded, in plain words; what is left out or taken out of it; and then a draft, or nothing.
// What was decided so far survives a change of the page, as long as the tab is there.
let review = tab.get("review", null); // {id, slug, notes, drop: [key of a step], redact: [{record, pointer, value}]}
const keepReview = () => { tab.set("review", review); draw(); };
const PAGE = 100; // steps that are put into the page at once
const PATIENCE = 8000; // milliseconds until it is said who makes the draft

const keyOf = (step) => (step.records || [step.id])[0];
const isGone = (step) => review.drop.includes(keyOf(step));
const isTaken = (step, field) => review.redact.some((each) => (each.record === recordOf(step) && each.pointer === field.pointer)
  || (field.value && !field.cut && each.value === field.value));
const recordOf = (step) => step.records[step.records.length - 1];

function openReview() {
  if (root.querySelector("dialog")) return;
  if (opened) show(null);
  const dialog = make("dialog", { "aria-labelledby": "review-title" });
  let over = false, timer = 0;
  const close = () => dialog.close();
  dialog.addEventListener("close", () => {
    over = true;
    clearTimeout(timer);
    dialog.remove();
    draw();
    (again.hidden ? begin.hidden ? grip : begin : again).focus();
  });
  dialog.addEventListener("keydown", (event) => { if (event.key === "Escape") { event.preventDefault(); close(); } });
  const title = make("h2", { id: "review-title" }, `Review ${review.slug}`);
  const about = make("p", { class: "soft", role: "status" });
  const head = make("div", { class: "head" }, make("div", {}, title, about), button("Close", close));
  frame.append(dialog);

  // Ask until the assembler has written it; `then` gets what it wrote.
  function wait(then, doing) {
    const began = Date.now(), hint = make("p", { class: "soft", role: "alert" });
    dialog.dataset.state = "preparing";
    about.textContent = doing;
    dialog.replaceChildren(head, make("div", { class: "list waits" }, make("i", { class: "dot" }), hint));
    const turn = async () => {
      let failed = "";
      try {
        const found = await ask("GET", `captures/${encodeURIComponent(wanted)}/preview?` + where());
        if (over) return;
        if (found.state === "ready") { delete dialog.dataset.state; then(found); return; }
      } catch (error) {
        failed = error.message;
      }
      if (over) return;
      if (failed) hint.textContent = failed;
      else if (Date.now() - began > PATIENCE) {
        hint.textContent = "Drafts are made by the assembler: wctl up makes each as its capture ends, wctl assemble makes one. "
          + "You may close this and go on; the toolbar leads back here.";
      }
      timer = setTimeout(turn, Math.min(3000, 300 + (Date.now() - began) / 5));
    };
    turn();
  }

  const wanted = review.id;
  wait((found) => decide(found), "What was recorded is being put together.");

  function decide({ preview }) {
    const steps = preview.steps || [];
    const selected = new Set();
    let shown = 0, fitting = steps;
    const texts = new Map(steps.map((step) => [step, [step.method, step.asked || step.path, step.files, Object.keys(step.jobs || {}),
      (step.sent || []).map((field) => [field.name, field.value])].flat(3).join(" ").toLowerCase()]));
    const list = make("ol", { class: "list", "aria-label": "Steps", tabindex: "0" });
    const more = make("li", { class: "step", "aria-hidden": "true" });
    const search = make("input", { type: "search", "aria-label": "Search the steps", placeholder: "Search the steps" });
    const all = make("input", { type: "checkbox", onchange: () => {
      fitting.forEach((step) => (all.checked ? selected.add(step) : selected.delete(step)));
      refresh();
    } });
    const dropThem = button("Drop selected", () => { setGone([...selected], true); selected.clear(); refresh(); });
    const keepThem = button("Keep selected", () => { setGone([...selected], false); selected.clear(); refresh(); });
    const notes = make("textarea", { "aria-label": "Notes", placeholder: "Notes for whoever reads the profile", maxlength: 4000 });
    notes.value = review.notes || preview.notes || "";
    notes.addEventListener("input", () => { review.notes = notes.value; keepReview(); });
    const wrong = make("p", { class: "wrong", role: "alert" });
    const create = button("Create draft", () => settle(create, commit), { class: "first" });
    const discard = button("Discard recording", askFirst, { class: "danger" });
    const sure = make("span", { class: "row", hidden: true }, "Nothing of it is kept as a draft.",
      button("Discard it", (event) => settle(event.target, discardIt), { class: "danger" }), button("Keep it", askFirst));
    const told = [...(preview.problems || []), ...(preview.warnings || [])];

    function askFirst() {
      sure.hidden = !sure.hidden;
      discard.hidden = create.hidden = !sure.hidden;
      (sure.hidden ? discard : sure.querySelector("button")).focus();
    }
    function setGone(chosen, gone) {
      const keys = new Set(chosen.map(keyOf));
      review.drop = review.drop.filter((key) => !keys.has(key));
      if (gone) review.drop.push(...keys);
      keepReview();
    }
    function setTaken(step, field, taken) {
      review.redact = review.redact.filter((each) => !((each.record === recordOf(step) && each.pointer === field.pointer)
        || (field.value && each.value === field.value)));
      if (taken) review.redact.push({ record: recordOf(step), pointer: field.pointer, value: field.cut ? null : field.value });
      keepReview();
    }
    const summary = () => {
      const gone = steps.filter(isGone).length, values = review.redact.length;
      return [count(steps.length, "step"), gone && `${gone} dropped`, values && `${count(values, "value")} redacted everywhere`,
        fitting.length !== steps.length && `${fitting.length} found`, selected.size && `${selected.size} selected`].filter(Boolean).join(" · ");
    };
    const rows = new Map(); // step to what redraws its row
    function refresh() {
      about.textContent = summary();
      const among = fitting.filter((step) => selected.has(step)).length;
      all.checked = among > 0 && among === fitting.length;
      all.indeterminate = among > 0 && among < fitting.length;
      dropThem.hidden = ![...selected].some((step) => !isGone(step));
      keepThem.hidden = ![...selected].some(isGone);
      create.disabled = steps.length > 0 && steps.every(isGone);
      rows.forEach((redraw) => redraw());
    }
    function grow() {
      const fresh = fitting.slice(shown, shown + PAGE);
      more.before(...fresh.map((step) => row(step)));
      shown += fresh.length;
      more.hidden = shown >= fitting.length;
    }
    function fill() {
      const sought = search.value.trim().toLowerCase().split(/\s+/).filter(Boolean);
      fitting = sought.length ? steps.filter((step) => sought.every((word) => texts.get(step).includes(word))) : steps;
      rows.clear();
      shown = 0;
      list.replaceChildren(more);
      grow();
      if (!fitting.length) more.before(make("li", { class: "step" }, make("span"), make("p", { class: "soft what" }, steps.length ? "No step is like that." : "Nothing was recorded.")));
      refresh();
    }
    function row(step) {
      const box = make("input", { type: "checkbox", "aria-label": `Select ${step.method} ${step.asked || step.path}` });
      box.addEventListener("change", () => { if (box.checked) selected.add(step); else selected.delete(step); refresh(); });
      const toggle = button("", () => { setGone([step], !isGone(step)); refresh(); }, { class: "quiet" });
      const fields = step.sent || [], jobs = Object.entries(step.jobs || {});
      const parts = [
        fields.length && `${count(fields.length + (step.more || 0), "value")} sent`,
        ...(step.files || []).map((name) => `file ${name}`),
        ...jobs.map(([name, number]) => (number > 1 ? `job ${name}, ${number} times` : `job ${name}`)),
        (step.records || []).length > 1 && `asked ${step.records.length} times until it was done`,
      ].filter(Boolean);
      const line = make("li", { class: "step" }, box, make("div", { class: "what" },
        make("span", { class: "method" }, step.method), " ", make("span", { class: "path" }, step.asked || step.path), " ",
        make("span", { class: "soft" }, `→ ${step.status ?? "?"}`),
        parts.length > 0 && make("p", { class: "soft" }, parts.join(" · "))), toggle);
      const redraws = [() => {
        const gone = isGone(step);
        line.classList.toggle("gone", gone);
        box.checked = selected.has(step);
        toggle.textContent = gone ? "Keep" : "Drop";
        toggle.setAttribute("aria-label", `${gone ? "Keep" : "Drop"} ${step.method} ${step.asked || step.path}`);
      }];
      if (fields.length) {
        const details = make("details", {}, make("summary", {}, "What was sent"));
        details.addEventListener("toggle", () => {
          if (details.children.length > 1) return;
          details.append(make("ul", { class: "sent" }, ...fields.map((field) => sentField(step, field, redraws))));
          if (step.more) details.append(make("p", { class: "hint" }, `and ${step.more} more`));
          redraws.forEach((redraw) => redraw());
        });
        line.querySelector(".what").append(details);
      }
      const redraw = () => redraws.forEach((each) => each());
      rows.set(step, redraw);
      redraw();
      return line;
    }
    function sentField(step, field, redraws) {
      const text = make("span");
      const take = button("", () => { setTaken(step, field, !isTaken(step, field)); refresh(); }, { class: "quiet" });
      redraws.push(() => {
        const taken = isTaken(step, field);
        text.replaceChildren(field.secret ? make("i", {}, "a secret: it was never written down")
          : taken ? make("i", {}, "redacted") : field.value === "" ? make("i", {}, "empty") : field.value + (field.cut ? "…" : ""));
        take.hidden = Boolean(field.secret) || field.value === "";
        take.textContent = taken ? "Restore" : "Redact";
        take.setAttribute("aria-label", `${take.textContent} ${field.name}`);
      });
      return make("li", {}, make("b", {}, field.name || "(no name)"), text, take);
    }

    async function settle(pressed, deed) {
      wrong.textContent = "";
      pressed.disabled = true;
      try {
        await deed();
      } catch (error) {
        wrong.textContent = error.message;
        pressed.disabled = false;
      }
    }
    async function commit() {
      const path = `captures/${encodeURIComponent(wanted)}/`;
      for (const { record, pointer } of review.redact) await change(path + "redact", { record, pointer });
      const gone = steps.filter(isGone).flatMap((step) => step.records || []);
      while (gone.length) await change(path + "drop", { records: gone.splice(0, 1000) });
      await change(path + "commit", { notes: notes.value });
      review = null;
      keepReview();
      wait(done, "The draft is being made.");
    }
    async function discardIt() {
      await changed("captures/discard", { capture_id: wanted });
      review = null;
      keepReview();
      close();
    }

    search.addEventListener("input", fill);
    const watcher = new IntersectionObserver((seen) => { if (seen.some((each) => each.isIntersecting)) grow(); }, { root: list, rootMargin: "400px" });
    watcher.observe(more);
    dialog.replaceChildren(head,
      make("div", { class: "tools" }, make("label", { class: "choice" }, all, "All"), search, dropThem, keepThem),
      list,
      make("div", { class: "foot" },
        told.length > 0 && make("div", { class: "told", role: "region", tabindex: "0", "aria-label": "What the assembler noticed" }, ...told.map((sentence) => make("p", {}, sentence))),
        notes, wrong,
        make("div", { class: "row" }, discard, sure, make("span", { class: "far" }), create)));
    fill();
    search.focus();
  }

  function done({ preview, status: made }) {
    title.textContent = `The draft ${made.slug} is ready`;
    dialog.className = "small";
    about.textContent = count(made.steps, "step");
    const told = [...(preview.problems || []), ...(preview.warnings || [])];
    dialog.replaceChildren(head, make("div", { class: "list waits" },
      make("p", {}, "Whoever curates it finds it among the drafts: with wctl drafts show and wctl promote, or in the pages of the playback service."),
      told.length > 0 && make("div", { class: "told", tabindex: "0" }, ...told.map((sentence) => make("p", {}, sentence))),
      make("div", { class: "row" },
        may("export") && make("a", { class: "button", href: `${base}drafts/${encodeURIComponent(made.slug)}/export`, download: `${made.slug}.zip` }, "Export"),
        button("Close", close, { class: "first" }))));
  }

  dialog.showModal();
}
