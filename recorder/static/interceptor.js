// Watches what the page asks for. Each function stays the browser's own (a Proxy of it), gets what it was given, and
// returns what it would have; calls of this origin carry one header more, those of others are left exactly as they were.
const HEADER = "X-Recorder-Request";
const leaving = new Set(tab.get("leaving", [])); // paths that lead to another origin, where our header would not be let in
let requests = 0;

const theme = () => {
  const own = document.documentElement.dataset;
  const named = own.theme || own.bsTheme || own.colorScheme || "";
  if (/^[\w.-]{1,40}$/.test(named)) return named;
  return matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
};

function target(url) {
  try {
    const found = new URL(url, document.baseURI);
    const own = found.origin === location.origin && /^https?:$/.test(found.protocol);
    return { own, ours: found.href.startsWith(base), path: own ? found.pathname : found.origin + found.pathname };
  } catch {
    return null; // it will fail, and say why
  }
}

function leaves(path, yes) {
  if (yes) leaving.add(path);
  else leaving.delete(path);
  tab.set("leaving", [...leaving].slice(-200));
}

// The one that is begun: {announce, done}; null for what is not looked at.
function begun(via, method, url) {
  const to = unwanted() ? null : target(url);
  if (!to || to.ours) return null;
  const id = `${tabId}-${Date.now().toString(36)}-${++requests}`;
  const since = performance.now();
  const carries = to.own && !leaving.has(to.path);
  let over = false;
  return {
    carries,
    path: to.path,
    value: `${id}; viewport=${innerWidth}x${innerHeight}; theme=${theme()}`,
    done(kind, more) {
      if (over) return;
      over = true;
      const ms = Math.round((performance.now() - since) * 10) / 10;
      report(kind, { via, method: String(method || "GET").toUpperCase(), path: to.path, ...(carries && { request: id }), ms, ...more });
      if (kind === "failed") leaves(to.path, carries); // perhaps for the header's sake: the next goes without it
    },
  };
}

function watch(owner, name, apply) {
  try {
    const own = owner[name];
    if (typeof own === "function") owner[name] = new Proxy(own, { apply });
  } catch { /* frozen: it is not watched */ }
}

// Ours must never be what fails: without a look at it, the call goes on as it is.
function careful(look) {
  try { return look(); } catch { return null; }
}

function withHeader(input, init, value) {
  const plain = init === undefined || init === null || [Object.prototype, null].includes(Object.getPrototypeOf(init));
  if (!plain) return null;
  const headers = new Headers((init && init.headers) ?? (input instanceof Request ? input.headers : undefined));
  headers.set(HEADER, value);
  // A Request that is given anything forgets where it came from (https://fetch.spec.whatwg.org/#dom-request).
  const kept = input instanceof Request ? { referrer: input.referrer, referrerPolicy: input.referrerPolicy } : {};
  return [input, { ...kept, ...init, headers }];
}

watch(window, "fetch", (own, self, given) => {
  const [input, init] = given;
  const asks = input instanceof Request;
  const method = (init && init.method) || (asks ? input.method : "GET");
  const seen = careful(() => (asks || typeof input === "string" || input instanceof URL
    ? begun("fetch", method, asks ? input.url : input) : null));
  if (!seen) return Reflect.apply(own, self, given);
  const announced = careful(() => (seen.carries ? withHeader(input, init, seen.value) : null));
  const answer = Reflect.apply(own, self, announced ? [...announced, ...given.slice(2)] : given);
  const ended = (found) => { careful(() => seen.done("request", { status: found.status })); return found; };
  const failed = (error) => {
    const left = error && error.name === "AbortError";
    const signal = (init && init.signal) || (asks && input.signal);
    careful(() => seen.done(left || (signal && signal.aborted) ? "aborted" : "failed", { error: String((error && error.name) || error) }));
    // Where it led to another origin, our header is what kept it out; nothing is done twice by asking again.
    if (announced && error instanceof TypeError && /^(GET|HEAD)$/i.test(method) && !(signal && signal.aborted)) {
      return Reflect.apply(own, self, given).catch((again) => { leaves(seen.path, false); throw again; });
    }
    throw error;
  };
  return answer.then(ended, failed);
});

const sent = new WeakMap(); // XMLHttpRequest to what it was opened with
watch(XMLHttpRequest.prototype, "open", (own, self, given) => {
  const found = Reflect.apply(own, self, given);
  careful(() => sent.set(self, { method: given[0], url: String(given[1]) }));
  return found;
});
watch(XMLHttpRequest.prototype, "send", (own, self, given) => {
  careful(() => {
    const opened = sent.get(self);
    const seen = opened && begun("xhr", opened.method, opened.url);
    if (!seen) return;
    if (seen.carries) self.setRequestHeader(HEADER, seen.value);
    for (const kind of ["abort", "error", "timeout"]) {
      self.addEventListener(kind, () => seen.done(kind === "abort" ? "aborted" : "failed", { error: kind }), { once: true });
    }
    self.addEventListener("load", () => seen.done("request", { status: self.status }), { once: true });
  });
  return Reflect.apply(own, self, given);
});

watch(Navigator.prototype, "sendBeacon", (own, self, given) => {
  const seen = careful(() => begun("beacon", "POST", given[0]));
  const queued = Reflect.apply(own, self, given);
  careful(() => seen && seen.done("beacon", { queued, request: undefined }));
  return queued;
});

// A form carries no header: it is joined to its request by session, address and order.
function submitted(form, button) {
  careful(() => {
    const to = (button && button.getAttribute("formaction")) || form.getAttribute("action") || location.href;
    const method = (button && button.getAttribute("formmethod")) || form.getAttribute("method") || "GET";
    const seen = begun("form", method, to);
    if (seen) seen.done("form", { ms: undefined, request: undefined });
    keep();
  });
}
watch(HTMLFormElement.prototype, "submit", (own, self, given) => {
  submitted(self, null);
  return Reflect.apply(own, self, given);
});
window.addEventListener("submit", (event) => {
  // The page's own listeners come later; those of the window come last, and may take it for a script.
  setTimeout(() => { if (!event.defaultPrevented) submitted(event.target, event.submitter); });
  keep();
}, true);

function pageSeen() {
  const [entry] = performance.getEntriesByType("navigation");
  const ms = (value) => (value > 0 ? Math.round(value) : undefined);
  report("page", {
    path: location.pathname, how: entry && entry.type, status: entry && entry.responseStatus,
    first_byte_ms: entry && ms(entry.responseStart), ready_ms: entry && ms(entry.domContentLoadedEventEnd),
    load_ms: entry && ms(entry.loadEventEnd), viewport: `${innerWidth}x${innerHeight}`, scale: devicePixelRatio,
    theme: theme(), browser: navigator.userAgent, language: navigator.language, framed,
  });
}
if (document.readyState === "complete") pageSeen();
else window.addEventListener("load", () => setTimeout(pageSeen), { once: true });
