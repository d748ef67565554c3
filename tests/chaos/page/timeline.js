"use strict";
const frame = document.querySelector(".frame");
const slider = document.querySelector("#zoom");
const name = 190;
function room() { return frame.clientWidth - name - 2; }
function zoom(factor) {
  const before = (frame.scrollLeft + room() / 2) / (room() * Number(slider.dataset.factor || 1));
  slider.dataset.factor = factor;
  frame.style.setProperty("--width", Math.round(room() * factor) + "px");
  frame.scrollLeft = before * room() * factor - room() / 2;
}
slider.addEventListener("input", () => zoom(2 ** Number(slider.value)));
function step(by) { slider.value = Number(slider.value) + by; zoom(2 ** Number(slider.value)); }
document.querySelector("#in").addEventListener("click", () => step(1));
document.querySelector("#out").addEventListener("click", () => step(-1));
document.querySelector("#fit").addEventListener("click", () => { slider.value = 0; zoom(1); });
addEventListener("keydown", event => {
  if (event.key === "+") step(0.5);
  if (event.key === "-") step(-0.5);
});
addEventListener("resize", () => zoom(2 ** Number(slider.value)));
addEventListener("hashchange", show);
function show() {
  const mark = document.getElementById(location.hash.slice(1));
  if (mark) mark.scrollIntoView({block: "center", inline: "center"});
}
zoom(2 ** Number(slider.value));
show();
