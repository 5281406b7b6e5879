"use strict";
for (const figure of document.querySelectorAll(".along")) {
  const slider = figure.querySelector("input");
  const button = figure.querySelector("button");
  const pictures = figure.querySelectorAll(".stage");
  let timer = null;
  const show = () => {
    pictures.forEach((picture, number) => { picture.hidden = number !== Number(slider.value); });
    slider.setAttribute("aria-valuetext", pictures[slider.value].dataset.step);
  };
  const stop = () => { clearInterval(timer); timer = null; button.textContent = "Play"; };
  slider.addEventListener("input", () => { stop(); show(); });
  button.addEventListener("click", () => {
    if (timer) { stop(); return; }
    if (slider.value === slider.max) slider.value = 0;
    button.textContent = "Stop";
    show();
    timer = setInterval(() => {
      slider.value = Number(slider.value) + 1;
      show();
      if (slider.value === slider.max) stop();
    }, 500);
  });
  figure.querySelector(".controls").hidden = false;
  show();
}
