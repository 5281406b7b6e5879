"use strict";

// Shows a word's map large: the one under the pointer, or else the one that is chosen.
function startMaps(photo) {
  const large = photo.querySelector(".looked-at");
  const show = (input) => {
    const label = input.closest(".lit-word");
    large.querySelector("img").src = label.querySelector("img").src;
    large.querySelector("b").textContent = label.querySelector(".said").textContent;
    large.querySelector("span").textContent = input.dataset.by;
  };
  for (const label of photo.querySelectorAll(".lit-word")) {
    label.addEventListener("pointerenter", () => show(label.querySelector("input")));
  }
  const rows = photo.querySelector(".rows");
  rows.addEventListener("pointerleave", () => show(rows.querySelector("input:checked")));
  rows.addEventListener("input", (event) => show(event.target));
  show(rows.querySelector("input:checked"));
}

for (const photo of document.querySelectorAll(".explained > li")) startMaps(photo);
