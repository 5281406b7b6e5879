"use strict";

const AT_ONCE = 4;
const form = document.querySelector(".controls");
const dialog = document.querySelector("dialog");
const chapters = [...document.querySelectorAll("section")]
  .map((section) => ({
    section,
    cases: [...section.querySelectorAll(".case")],
    more: section.querySelector(".more"),
    shown: AT_ONCE,
  }))
  .filter((chapter) => chapter.cases.length);
let opened = null;

function fitting(chapter) {
  const words = form.elements.words.value.toLowerCase().split(/\s+/).filter(Boolean);
  return chapter.cases.filter((element) =>
    words.every((word) => element.textContent.toLowerCase().includes(word)),
  );
}

function show() {
  let found = 0;
  for (const chapter of chapters) {
    const fit = fitting(chapter);
    const visible = new Set(fit.slice(0, chapter.shown));
    for (const element of chapter.cases) element.hidden = !visible.has(element);
    chapter.more.hidden = fit.length <= chapter.shown;
    found += fit.length;
  }
  form.querySelector(".status").textContent = found
    ? `${found} ${found === 1 ? "case" : "cases"} in all chapters`
    : "No case fits.";
}

function open(chapter, element) {
  opened = { chapter, element };
  const figures = [...element.querySelectorAll("figure")].map((figure) => {
    const copy = document.createElement("figure");
    copy.append(figure.querySelector("img").cloneNode(), figure.querySelector("figcaption").cloneNode(true));
    return copy;
  });
  dialog.querySelector(".content").replaceChildren(...figures);
  dialog.querySelector(".title").textContent = element.dataset.name;
  if (!dialog.open) dialog.showModal();
}

function step(by) {
  const fit = fitting(opened.chapter);
  const at = fit.indexOf(opened.element) + by;
  open(opened.chapter, fit[(at + fit.length) % fit.length]);
}

for (const chapter of chapters) {
  chapter.more.querySelector("button").addEventListener("click", () => {
    chapter.shown += 4 * AT_ONCE;
    show();
  });
  for (const element of chapter.cases) {
    for (const button of element.querySelectorAll(".open")) {
      button.addEventListener("click", () => open(chapter, element));
    }
  }
}
form.addEventListener("input", show);
form.addEventListener("submit", (event) => event.preventDefault());
dialog.querySelector(".previous").addEventListener("click", () => step(-1));
dialog.querySelector(".next").addEventListener("click", () => step(1));
dialog.querySelector(".close").addEventListener("click", () => dialog.close());
dialog.addEventListener("click", (event) => {
  if (event.target === dialog) dialog.close();
});
dialog.addEventListener("keydown", (event) => {
  if (event.key === "ArrowLeft") step(-1);
  if (event.key === "ArrowRight") step(1);
});
dialog.addEventListener("close", () => {
  opened.chapter.shown = Math.max(opened.chapter.shown, fitting(opened.chapter).indexOf(opened.element) + 1);
  show();
  opened.element.querySelector(".open").focus();
});
form.hidden = !chapters.length;
show();

// Paper shows what is there, and cannot be unfolded.
addEventListener("beforeprint", () => {
  for (const details of document.querySelectorAll("main details")) details.open = true;
});
