"use strict";

const AT_ONCE = 24;

function startGallery(gallery) {
  const form = gallery.querySelector(".controls");
  const list = gallery.querySelector(".cards");
  const status = gallery.querySelector(".status");
  const more = gallery.querySelector(".more button");
  const dialog = gallery.querySelector("dialog");
  const cards = [...list.children].map((element) => ({
    element,
    groups: element.dataset.groups.split(" "),
    objects: JSON.parse(element.dataset.objects ?? "[]"),
    text: wordsOf(element),
  }));
  let chosen = cards;
  let shown = AT_ONCE;
  let opened = 0;

  function choose() {
    const { group, words, object, order } = Object.fromEntries(new FormData(form));
    const wanted = words.toLowerCase().split(/\s+/).filter(Boolean);
    chosen = cards.filter(
      (card) =>
        (!group || card.groups.includes(group)) &&
        (!object || card.objects.includes(object)) &&
        wanted.every((word) => card.text.includes(word)),
    );
    const [key, direction] = order.split(" ");
    const sign = direction === "up" ? 1 : -1;
    const value = (card) => card.element.getAttribute(`data-${key}`);
    chosen.sort((one, other) => sign * compare(value(one), value(other)));
    shown = AT_ONCE;
    list.append(...chosen.map((card) => card.element));
    show();
    highlight(gallery, wanted);
  }

  function show() {
    const visible = new Set(chosen.slice(0, shown));
    for (const card of cards) card.element.hidden = !visible.has(card);
    more.hidden = shown >= chosen.length;
    status.textContent = chosen.length
      ? `${Math.min(shown, chosen.length)} of ${chosen.length} images`
      : "No image fits.";
  }

  function open(number) {
    opened = (number + chosen.length) % chosen.length;
    const card = chosen[opened].element;
    const pictures = [...card.querySelectorAll("img")].map((image) => image.cloneNode());
    const beside = document.createElement("div");
    const heading = document.createElement("h5");
    heading.textContent = "What people wrote";
    beside.append(
      card.querySelector(".captions").cloneNode(true),
      heading,
      card.querySelector(".references").cloneNode(true),
    );
    dialog.querySelector(".content").replaceChildren(...pictures, beside);
    dialog.querySelector(".title").textContent =
      `${card.dataset.name}, ${opened + 1} of ${chosen.length}`;
    if (!dialog.open) dialog.showModal();
  }

  form.hidden = false;
  form.addEventListener("input", choose);
  form.addEventListener("submit", (event) => event.preventDefault());
  more.addEventListener("click", () => {
    const next = chosen[shown];
    shown += AT_ONCE;
    show();
    next.element.querySelector(".open").focus();
  });
  list.addEventListener("click", (event) => {
    const button = event.target.closest(".open");
    if (button) open(chosen.findIndex((card) => card.element === button.parentElement));
  });
  dialog.querySelector(".previous").addEventListener("click", () => open(opened - 1));
  dialog.querySelector(".next").addEventListener("click", () => open(opened + 1));
  dialog.querySelector(".close").addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });
  dialog.addEventListener("keydown", (event) => {
    if (event.key === "ArrowLeft") open(opened - 1);
    if (event.key === "ArrowRight") open(opened + 1);
  });
  dialog.addEventListener("close", () => {
    shown = Math.max(shown, opened + 1);
    show();
    chosen[opened].element.querySelector(".open").focus();
  });
  choose();
}

// What models and people say of an image, without the numbers beside the words.
function wordsOf(card) {
  const copies = [...card.querySelectorAll("q, .references li")].map((element) => {
    const copy = element.cloneNode(true);
    for (const number of copy.querySelectorAll("rt")) number.remove();
    return copy.textContent;
  });
  return copies.join("\n").toLowerCase();
}

function compare(one, other) {
  const numbers = [Number(one), Number(other)];
  if (numbers.some(Number.isNaN)) return String(one).localeCompare(String(other));
  return numbers[0] - numbers[1];
}

// Marks what was searched for, in browsers that can mark text without changing the page.
function highlight(gallery, words) {
  if (!("highlights" in CSS)) return;
  const found = new Highlight();
  if (words.length) {
    const texts = document.createTreeWalker(gallery.querySelector(".cards"), NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
      const node = texts.currentNode;
      if (!node.parentElement.closest("q, .references") || node.parentElement.closest("rt")) continue;
      const text = node.data.toLowerCase();
      for (const word of words) {
        for (let at = text.indexOf(word); at >= 0; at = text.indexOf(word, at + word.length)) {
          const range = new Range();
          range.setStart(node, at);
          range.setEnd(node, at + word.length);
          found.add(range);
        }
      }
    }
  }
  CSS.highlights.set("found", found);
}

for (const gallery of document.querySelectorAll(".gallery")) startGallery(gallery);

// Paper cannot be unfolded.
addEventListener("beforeprint", () => {
  for (const details of document.querySelectorAll("section > details")) details.open = true;
});
