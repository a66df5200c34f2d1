// What goes on with a draft, a calibration or the look through its files: the server is asked how far it is, and the page
// loads anew when it is over.

import { swap } from "./swap.js";

const PAUSE = 1500; // ms

async function look() {
  try {
    await swap(location.href, ["#rehearsal", "#standing"]);
  } catch {
    // the network is away; the next look will tell
  }
  if (document.querySelector("#rehearsal .b-running, #standing.b-running")) setTimeout(look, PAUSE);
  else location.reload(); // its proposals bring a form, and the button to begin another comes back
}
setTimeout(look, PAUSE);
