// One constructed sheet, which a Content-Security-Policy has nothing against; nothing of the page's styles comes in.
const sheet = new CSSStyleSheet();
sheet.replaceSync(`
:host { all: initial !important; display: block !important; position: fixed !important; z-index: 2147483647 !important; contain: layout style !important; }
.frame { display: flex; flex-direction: column-reverse; align-items: flex-end; gap: 8px; max-width: calc(100vw - 16px); color-scheme: light dark;
  --paper: #fff; --ink: #1b1f24; --soft: #59636e; --line: #d1d9e0; --wash: #f3f5f8; --blue: #0b57d0; --on-blue: #fff; --red: #b3261e;
  --amber: #8a5300; --green: #1a7f37; --shadow: 0 1px 2px #0002, 0 6px 20px #0003;
  font: 13px/1.45 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; color: var(--ink); text-align: start; }
.up { flex-direction: column; }
.left { align-items: flex-start; }
@media (prefers-color-scheme: dark) { .frame { --paper: #1b1f24; --ink: #eef1f4; --soft: #a6b0bb; --line: #3b434c; --wash: #262c33; --blue: #8ab4f8;
  --on-blue: #0b1a33; --red: #ff8a80; --amber: #f3b55f; --green: #6fd08c; --shadow: 0 1px 2px #0008, 0 6px 24px #000a; } }
@media print { :host { display: none !important; } }
*, ::before, ::after { box-sizing: border-box; }
[hidden] { display: none !important; }
button, input, textarea { font: inherit; color: inherit; margin: 0; }
button, a.button { display: inline-flex; align-items: center; gap: 6px; min-height: 30px; padding: 3px 11px; border: 1px solid var(--line); border-radius: 8px;
  background: var(--paper); cursor: pointer; white-space: nowrap; }
a.button { color: inherit; text-decoration: none; }
button:hover, a.button:hover { background: var(--wash); }
button.first { background: var(--blue); border-color: var(--blue); color: var(--on-blue); font-weight: 600; }
button.first:hover { filter: brightness(1.08); }
button.quiet { border-color: transparent; padding: 3px 8px; color: var(--soft); }
button.danger { color: var(--red); }
button:disabled { opacity: .55; cursor: default; }
:focus-visible { outline: 2px solid var(--blue); outline-offset: 2px; }
input[type=text], input[type=search], textarea { width: 100%; padding: 6px 9px; border: 1px solid var(--line); border-radius: 8px; background: var(--paper); }
textarea { resize: vertical; min-height: 54px; }
input::placeholder, textarea::placeholder { color: var(--soft); opacity: 1; }
input[type=checkbox], input[type=radio] { width: 16px; height: 16px; margin: 0; accent-color: var(--blue); flex: none; }
h2, h3, p, ul, ol, fieldset { margin: 0; padding: 0; border: 0; }
ul, ol { list-style: none; }
.bar, .panel, dialog { background: var(--paper); border: 1px solid var(--line); box-shadow: var(--shadow); }
.bar { display: flex; flex-wrap: wrap; align-items: center; gap: 4px 6px; padding: 5px; border-radius: 12px; max-width: 100%; }
.grip { padding: 0; width: 22px; justify-content: center; cursor: grab; touch-action: none; }
.grip::before { content: ""; width: 8px; height: 14px; background: radial-gradient(circle, currentColor 1.2px, transparent 1.6px) 0 0 / 4px 5px; }
.grip:active { cursor: grabbing; }
.state { display: flex; align-items: center; gap: 7px; min-width: 0; padding: 0 4px; }
.state span { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; max-width: 34ch; }
.dot { flex: none; width: 10px; height: 10px; border-radius: 50%; background: var(--green); }
[data-state=capturing] .dot { background: var(--red); animation: beat 1.6s infinite; }
[data-state=preparing] .dot { background: none; border: 2px solid var(--blue); border-right-color: transparent; animation: turn .8s linear infinite; }
[data-state=paused] .dot { background: none; border: 3px solid var(--amber); border-width: 0 3px; border-radius: 0; }
[data-state=away] .dot { background: none; border: 2px solid var(--soft); }
@keyframes beat { 50% { opacity: .35; } }
@keyframes turn { to { transform: rotate(1turn); } }
@media (prefers-reduced-motion: reduce) { .dot { animation: none !important; } }
.time { color: var(--soft); font-variant-numeric: tabular-nums; }
.lost { color: var(--red); font-weight: 600; }
.folded .bar { border-radius: 999px; }
.panel { width: 340px; max-width: 100%; padding: 14px; border-radius: 12px; display: grid; gap: 12px; max-height: min(70vh, 560px); overflow: auto; }
h2 { font-size: 15px; line-height: 1.3; font-weight: 650; overflow-wrap: anywhere; }
label, legend { display: block; font-weight: 600; padding: 0; margin-bottom: 4px; }
.choice { display: flex; align-items: center; gap: 8px; font-weight: 400; margin: 0; padding: 3px 0; }
.hint, .soft { color: var(--soft); }
.hint { font-size: 12px; margin-top: 4px; }
.wrong:empty { display: none; }
.sent button { justify-content: center; }
.wrong { color: var(--red); font-weight: 600; overflow-wrap: anywhere; }
.row { display: flex; align-items: center; gap: 8px; flex-wrap: wrap; }
.row .far { margin-inline-start: auto; }
.log { display: grid; gap: 1px; }
.log li { display: grid; grid-template-columns: auto 1fr; gap: 10px; padding: 5px 0; border-top: 1px solid var(--line); overflow-wrap: anywhere; }
.log time { color: var(--soft); font-variant-numeric: tabular-nums; }
dialog { width: min(860px, calc(100vw - 32px)); height: min(760px, calc(100vh - 32px)); max-width: none; max-height: none; padding: 0; border-radius: 14px;
  color: inherit; overflow: hidden; }
dialog[open] { display: flex; flex-direction: column; }
dialog.small { height: fit-content; }
dialog::backdrop { background: #0007; }
dialog > * { padding: 12px 18px; flex: none; }
.head { display: flex; gap: 12px; align-items: flex-start; padding-top: 16px; }
.head > div { flex: 1; min-width: 0; }
.head h2 { font-size: 17px; }
.tools { display: flex; flex-wrap: wrap; gap: 8px; align-items: center; border-bottom: 1px solid var(--line); padding-top: 0; }
.tools input[type=search] { flex: 1; min-width: 150px; }
.list { flex: 1; min-height: 0; overflow: auto; padding: 0; overscroll-behavior: contain; }
.step { display: grid; grid-template-columns: auto 1fr auto; gap: 4px 10px; padding: 9px 18px; border-bottom: 1px solid var(--line); align-items: start; }
.step > input { margin-top: 7px; }
.step .what { min-width: 0; padding-top: 4px; }
.method { display: inline-block; min-width: 46px; font: 600 11px/1.4 ui-monospace, "SF Mono", Menlo, Consolas, monospace; color: var(--blue); }
.path { font-family: ui-monospace, "SF Mono", Menlo, Consolas, monospace; font-size: 12.5px; overflow-wrap: anywhere; }
.gone .path, .gone .soft { text-decoration: line-through; color: var(--soft); }
.gone .method { color: var(--soft); }
details { margin-top: 2px; }
summary { cursor: pointer; color: var(--soft); width: fit-content; }
.sent { display: grid; margin-top: 4px; border: 1px solid var(--line); border-radius: 8px; }
.sent li { display: grid; grid-template-columns: minmax(80px, 1fr) 2fr 84px; gap: 10px; align-items: center; padding: 4px 6px 4px 10px; }
.sent li + li { border-top: 1px solid var(--line); }
.sent b { font-weight: 600; overflow-wrap: anywhere; }
.sent span { overflow-wrap: anywhere; white-space: pre-wrap; max-height: 6em; overflow: auto; }
.sent i { color: var(--soft); }
.foot { border-top: 1px solid var(--line); display: grid; gap: 10px; background: var(--wash); }
.foot textarea { min-height: 40px; height: 40px; }
.told { border-inline-start: 3px solid var(--amber); padding-inline-start: 10px; display: grid; gap: 4px; max-height: 130px; overflow: auto; }
.waits { display: grid; place-content: center; justify-items: center; gap: 14px; text-align: center; padding: 24px; }
.waits p { max-width: 52ch; }
.waits .dot { width: 22px; height: 22px; }
@media (max-width: 480px) {
  .frame { width: calc(100vw - 16px); pointer-events: none; }
  .bar, .panel, dialog { pointer-events: auto; }
  .panel { width: 100%; }
  .state span { max-width: 22ch; }
  .bar { gap: 4px 2px; }
  .bar button { padding-inline: 8px; }
  dialog { width: 100vw; height: 100dvh; border: 0; border-radius: 0; }
  dialog > * { padding-inline: 14px; }
  .step { padding-inline: 14px; }
  .sent li { grid-template-columns: 1fr auto; }
  .sent li b { grid-column: 1; } .sent li span { grid-column: 1; } .sent li button { grid-column: 2; grid-row: 1 / 3; }
}
@media (pointer: coarse) { button { min-height: 40px; } .grip { width: 32px; } }
`);
