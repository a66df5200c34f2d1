// The bar: what goes on, and what can be done about it.
// Whatever was recorded may be hostile: it is only ever put into a page as text.
function make(name, given = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(given)) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (key === "class") element.className = value;
    else element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}
const button = (text, press, more) => make("button", { type: "button", onclick: press, ...more }, text);
const count = (number, one, many = one + "s") => `${number} ${number === 1 ? one : many}`;

const host = document.createElement("profile-recorder");
const root = host.attachShadow({ mode: "open" });
root.adoptedStyleSheets = [sheet];
// The page's shortcuts are not meant by who types here, and a click here is no click outside of the page's menu.
for (const kind of ["keydown", "keyup", "keypress", "input", "change", "click", "pointerdown", "mousedown", "mouseup"]) {
  root.addEventListener(kind, (event) => event.stopPropagation());
}

const words = { idle: "Recording", preparing: "Preparing", capturing: "Capturing", paused: "Paused" };
const dot = make("i", { class: "dot", "aria-hidden": "true" });
const label = make("span");
const state = make("div", { class: "state", role: "status", "aria-live": "polite" }, dot, label);
const time = make("span", { class: "time", "aria-hidden": "true" });
const losses = make("span", { class: "lost", role: "status", "aria-live": "polite" });
const grip = button("", () => {}, { class: "quiet grip", "aria-label": "Move the toolbar: drag, or use the arrow keys", title: "Move" });
const begin = button("Mark profile start", () => show("start"), { class: "first", "aria-haspopup": "true" });
const rest = button("Pause", () => act(rest, known.state === "paused" ? resumeCapture : pauseCapture));
const finish = button("Mark profile end", () => act(finish, finished), { class: "first" });
const again = button("Review", () => openReview(), { class: "first" });
const history = button("Log", () => show("log"), { class: "quiet", "aria-haspopup": "true", title: "The last events of the audit log" });
const fold = button("", () => { everywhere.set("folded", !folded()); draw(); }, { class: "quiet" });
const bar = make("div", { class: "bar", role: "group", "aria-label": "Recorder" }, grip, state, time, losses, begin, rest, finish, again, history, fold);
const notice = make("div", { class: "panel", role: "alert", hidden: true });
const frame = make("section", { class: "frame", "aria-label": "Profile recorder" }, bar, notice);
root.append(frame);

const folded = () => everywhere.get("folded", false);
let opened = null; // the panel that is shown: its name

// Do something that the recorder may refuse, and say so where it does.
async function act(pressed, deed) {
  pressed.disabled = true;
  notice.hidden = true;
  try {
    return await deed();
  } catch (error) {
    notice.replaceChildren(make("p", { class: "wrong" }, error.message), make("div", { class: "row" }, button("Close", () => { notice.hidden = true; draw(); })));
    notice.hidden = false;
    return undefined;
  } finally {
    pressed.disabled = false;
    draw();
    if (pressed.hidden && !root.activeElement) grip.focus();
  }
}

async function finished() {
  const capture = await end();
  review = { id: capture.capture_id, slug: capture.slug, notes: capture.notes || "", drop: [], redact: [] };
  keepReview();
  openReview();
}

function draw() {
  const visible = mayUse() && !framed;
  if (!visible) { host.remove(); return; }
  const now = known.state, capture = known.capture, small = folded();
  const text = capture ? `${words[now]} ${capture.slug}` : words[now] || now;
  if (label.textContent !== text) label.textContent = text;
  state.title = capture ? `${text}: ${{ run: `the run ${capture.run_id}`, session: "this browser", all: "everything" }[capture.scope]}` : text;
  const gone = known.lost || 0;
  const lostText = [gone && `${count(gone, "event")} lost`, dropped && `${dropped} dropped here`].filter(Boolean).join(", ");
  if (losses.textContent !== lostText) losses.textContent = lostText;
  losses.title = gone ? "Records that could not be written: " + Object.entries(known.losses || {}).map(([why, number]) => `${number} ${why}`).join(", ") : "";
  losses.hidden = !lostText;
  frame.classList.toggle("folded", small);
  bar.dataset.state = now;
  const open = now === "capturing" || now === "paused", captures = may("capture");
  begin.hidden = small || now !== "idle" || !captures || Boolean(review);
  rest.hidden = small || !open || !captures;
  rest.textContent = now === "paused" ? "Resume" : "Pause";
  finish.hidden = small || !open || !captures;
  again.hidden = small || now !== "idle" || !review;
  again.textContent = review ? `Review ${review.slug}` : "";
  history.hidden = small || !may("audit");
  history.setAttribute("aria-expanded", opened === "log");
  begin.setAttribute("aria-expanded", opened === "start");
  fold.textContent = small ? "Show" : "Hide";
  fold.setAttribute("aria-expanded", !small);
  fold.setAttribute("aria-label", small ? "Show the recorder's toolbar" : "Hide the recorder's toolbar");
  if (small && opened) show(null);
  tick();
  if (!host.isConnected) document.documentElement.append(host);
  place();
}

function tick() {
  const since = known && known.capture && known.state !== "preparing" ? Date.parse(known.capture.started) : NaN;
  const seconds = Math.max(0, Math.round((Date.now() - since) / 1000));
  time.hidden = Number.isNaN(seconds) || folded();
  const text = seconds >= 3600 ? `${Math.floor(seconds / 3600)} h ${Math.floor(seconds / 60) % 60} min` : `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
  if (!time.hidden) time.textContent = text;
}
setInterval(() => { if (mayUse() && !document.hidden) tick(); }, 1000);

// Where it stands: so far from the two edges that are nearest.
const corner = { left: false, up: false, x: 12, y: 12 };
let spot = { ...corner, ...everywhere.get("spot", {}) };
function place() {
  const box = bar.getBoundingClientRect();
  const most = { x: innerWidth - box.width - 4, y: innerHeight - box.height - 4 };
  const x = Math.max(4, Math.min(spot.x, most.x)), y = Math.max(4, Math.min(spot.y, most.y));
  const style = sheet.cssRules[0].style; // of :host; the element itself has no style that a policy could forbid
  const put = (edge, much) => style.setProperty(edge, much, "important");
  const beside = innerWidth <= 480 ? 8 : x; // it is as wide as the window there
  put("left", spot.left ? beside + "px" : "auto");
  put("right", spot.left ? "auto" : beside + "px");
  put("top", spot.up ? y + "px" : "auto");
  put("bottom", spot.up ? "auto" : y + "px");
  frame.classList.toggle("left", spot.left);
  frame.classList.toggle("up", spot.up);
}
function moveTo(left, top) {
  const box = bar.getBoundingClientRect();
  const right = innerWidth - left - box.width, bottom = innerHeight - top - box.height;
  spot = { left: left < right, up: top < bottom, x: Math.min(left, right), y: Math.min(top, bottom) };
  place();
  everywhere.set("spot", spot);
}
grip.addEventListener("pointerdown", (event) => {
  const box = bar.getBoundingClientRect(), from = { x: event.clientX - box.left, y: event.clientY - box.top };
  grip.setPointerCapture(event.pointerId);
  const move = (moved) => moveTo(moved.clientX - from.x, moved.clientY - from.y);
  grip.addEventListener("pointermove", move);
  grip.addEventListener("lostpointercapture", () => grip.removeEventListener("pointermove", move), { once: true });
});
grip.addEventListener("keydown", (event) => {
  const by = event.shiftKey ? 64 : 16;
  const step = { ArrowLeft: [-by, 0], ArrowRight: [by, 0], ArrowUp: [0, -by], ArrowDown: [0, by] }[event.key];
  if (!step && event.key !== "Home") return;
  event.preventDefault();
  const box = bar.getBoundingClientRect();
  if (step) moveTo(box.left + step[0], box.top + step[1]);
  else { spot = { ...corner }; everywhere.set("spot", null); place(); }
});
window.addEventListener("resize", () => { if (host.isConnected) place(); });
window.addEventListener("storage", () => {
  if (!host.isConnected) return;
  spot = { ...corner, ...everywhere.get("spot", {}) };
  draw();
});
