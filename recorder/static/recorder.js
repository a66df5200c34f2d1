// The recorder's toolbar: says what is being captured of this page, starts a capture and ends it.
// One plain script without dependencies; it talks to the place it came from. Callers without a role see nothing.
(() => {
  "use strict";
  const script = document.currentScript;
  if (!script || window.profileRecorder) return;
  const base = new URL("./", script.src).href;
  let csrf = null;
  let press = async () => {};

  async function ask(method, path, body) {
    const headers = body ? { "Content-Type": "application/json" } : {};
    if (method !== "GET") headers["X-Recorder-CSRF"] = csrf;
    const answer = await fetch(base + path, {
      method, headers, credentials: "same-origin", cache: "no-store", body: body && JSON.stringify(body),
    });
    const found = await answer.json();
    if (!answer.ok) throw new Error(found.error);
    return found;
  }

  // The csrf token belongs to a cookie that may have gone: take a new one with every change.
  async function change(path, body) {
    csrf = (await status()).csrf;
    return ask("POST", path, { path: location.pathname, ...body });
  }

  const status = () => ask("GET", "status?path=" + encodeURIComponent(location.pathname));
  const start = (slug, notes = "") => change("captures/start", { slug, notes });
  const end = (notes) => change("captures/end", notes === undefined ? {} : { notes });

  const style = new CSSStyleSheet(); // not an inline style, which a Content-Security-Policy may forbid
  style.replaceSync(`
    :host { position: fixed; right: 12px; bottom: 12px; z-index: 2147483647; }
    form { display: flex; gap: 8px; align-items: center; padding: 6px 10px; border: 1px solid #8886; border-radius: 8px;
           background: Canvas; color: CanvasText; font: 13px/1.4 system-ui, sans-serif; box-shadow: 0 1px 6px #0003; }
    input { font: inherit; width: 14em; } button { font: inherit; }
    [role=status]::before { content: "\\25CF "; color: #888; }
    [data-state=capturing] [role=status]::before { color: #c00; } [data-state=paused] [role=status]::before { color: #c80; }
  `);
  const host = document.createElement("profile-recorder");
  const root = host.attachShadow({ mode: "open" });
  root.adoptedStyleSheets = [style];
  root.innerHTML =
    '<form><span role="status"></span><input aria-label="Name of the profile" placeholder="us-small-watershed">' +
    '<button></button></form>';
  const [form, label, input, button] = ["form", "[role=status]", "input", "button"].map((each) => root.querySelector(each));

  function show(found) {
    csrf = found.csrf;
    if (!csrf) return;
    const open = Boolean(found.capture);
    form.dataset.state = found.state;
    label.textContent = open ? `${found.state}: ${found.capture.slug}` : found.state;
    if (found.lost) label.textContent += ` (${found.lost} records lost)`;
    input.hidden = open;
    button.textContent = open ? "End capture" : "Start capture";
    press = open ? () => end() : () => start(input.value.trim());
    if (!host.isConnected) document.body.append(host);
  }

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    try {
      await press();
    } catch (error) {
      label.textContent = error.message;
      return;
    } finally {
      button.disabled = false;
    }
    show(await status());
  });

  window.profileRecorder = { status, start, end };
  status().then(show, () => {});
})();
