// All is there: show it as soon as the page has a body.
hearers.add(draw);
window.profileRecorder = { status, start, end, pause: pauseCapture, resume: resumeCapture, review: () => review && openReview() };
function appear() {
  if (known) draw();
  look(0);
  if (waiting.length) flush();
}
if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", appear, { once: true });
else appear();
