// What the page noticed, on its way to the recorder: in batches, soon but not at once, and again later where it fails.
// What does not fit waits no longer and is counted. The rest survives a change of the page.
const MOST = 400, BATCH = 50, BATCH_BYTES = 48 << 10, SOON = 1000; // events, events, characters, milliseconds
let waiting = tab.get("events", []);
let dropped = tab.get("dropped", 0); // in this tab
let untold = tab.get("untold", 0); // of these, those the recorder does not know of
let number = tab.get("number", 0);
let failures = 0, sending = false, timer = 0;
const tabId = tab.get("tab", null) || Math.random().toString(36).slice(2, 10);
tab.set("tab", tabId);

const unwanted = () => known !== null && !mayUse();

function report(kind, more) {
  if (unwanted()) return;
  waiting.push({ kind, tab: tabId, n: ++number, at: new Date().toISOString(), ...more });
  if (waiting.length > MOST) lose(waiting.splice(0, waiting.length - MOST).length);
  if (!timer) timer = setTimeout(flush, SOON);
}

function lose(many) {
  dropped += many;
  untold += many;
  tell();
}

function keep() {
  tab.set("events", waiting.length ? waiting : null);
  tab.set("dropped", dropped);
  tab.set("untold", untold);
  tab.set("number", number);
}

function batch() {
  let size = 0, taken = 0;
  while (taken < waiting.length && taken < BATCH && size < BATCH_BYTES) size += JSON.stringify(waiting[taken++]).length;
  return waiting.slice(0, taken);
}

async function flush() {
  clearTimeout(timer);
  timer = 0;
  if (unwanted()) { waiting = []; return; }
  if (gone || sending || !(waiting.length || untold)) return;
  if (!mayUse()) { timer = setTimeout(flush, SOON); return; } // it is not known yet
  const sent = batch(), told = untold;
  const events = told ? [...sent, { kind: "dropped", tab: tabId, n: ++number, count: told }] : sent;
  sending = true;
  let next = 0;
  try {
    await change("events", { events, path: location.pathname });
    forget(sent);
    untold -= told;
    failures = 0;
    next = waiting.length ? SOON : 0;
  } catch (error) {
    if (error.status === 413 || error.status === 422) { // it would be refused again
      forget(sent);
      lose(sent.length);
    }
    failures += 1;
    next = Math.max(error.after * 1000 || 0, Math.min(LONGEST, SOON * 2 ** failures));
  } finally {
    sending = false;
    if (next && !timer) timer = setTimeout(flush, next * (0.8 + 0.4 * Math.random()));
  }
}

// Some may have been dropped meanwhile.
function forget(sent) {
  const numbers = new Set(sent.map((event) => event.n));
  waiting = waiting.filter((event) => !numbers.has(event.n));
}

let gone = false; // the next page sends what is left: what is on its way might not arrive
window.addEventListener("pagehide", () => { gone = true; keep(); });
window.addEventListener("pageshow", (event) => {
  gone = false;
  if (event.persisted) [waiting, dropped, untold, number] = [tab.get("events", []), tab.get("dropped", 0), tab.get("untold", 0), tab.get("number", 0)];
});
document.addEventListener("visibilitychange", () => { if (document.hidden && !gone) { keep(); flush(); } });
