// What goes on with a draft, a calibration or the look through its files: the server is asked how far it is, and the page
// loads anew when it is over.

import { swap } from "./swap.js";

const PAUSE = 1500; // ms
let sent = false; // a form: loading anew would cut off what it leads to

async function look() {
  try {
    if (!sent) await swap(location.href, ["#rehearsal", "#standing"]);
  } catch {
    // the network is away; the next look will tell
  }
  if (sent || document.querySelector("#rehearsal .b-running, #standing.b-running")) setTimeout(look, PAUSE);
  else location.reload(); // its proposals bring a form, and the button to begin another comes back
}
addEventListener("submit", (event) => (sent ||= !event.defaultPrevented));
addEventListener("pageshow", () => (sent = false)); // back from where it led to
setTimeout(look, PAUSE);
