// Two pictures over one another; a slider moves the line between them.

for (const slider of document.querySelectorAll("[data-slider]")) {
  const range = slider.querySelector("input[type=range]"), top = slider.querySelector(".top-one");
  const move = () => top.style.setProperty("--at", `${range.value}%`);
  range.addEventListener("input", move);
  slider.hidden = false;
  move();
}
