"use strict";

const AT_ONCE = 24;

// How much darker a map's shade is than the one before, of 255.
const DARKER = 15;

// A letter or digit of a language with spaces between words.
const LETTER = /(?![\p{sc=Han}\p{sc=Hira}\p{sc=Kana}\p{sc=Thai}])[\p{L}\p{M}\p{N}]/u;

function startGallery(gallery) {
  const form = gallery.querySelector(".controls");
  const list = gallery.querySelector(".cards");
  const status = gallery.querySelector(".status");
  const more = gallery.querySelector(".more button");
  const dialog = gallery.querySelector("dialog");
  const template = gallery.querySelector("template.maps");
  const cards = [...list.children].map((element) => ({
    element,
    data: { ...element.dataset },
    texts: textsOf(element).map(({ text }) => text),
  }));
  const sample = cards[0].element;
  for (const record of JSON.parse(gallery.querySelector(".others")?.textContent ?? "[]")) {
    const said = record.captions.map((caption) => caption.text);
    cards.push({ record, data: record.data, texts: [...said, ...record.references] });
  }
  for (const { element, data } of cards) {
    if (element) lightWords(element, explanationOf(data));
  }
  for (const card of cards) {
    card.groups = card.data.groups.split(" ");
    card.objects = JSON.parse(card.data.objects ?? "[]");
    card.text = [...card.texts, card.data.name, card.data.id].join("\0");
  }
  form.reset();
  const usual = Object.fromEntries(new FormData(form));
  let chosen = cards;
  let shown = AT_ONCE;
  let opened = 0;

  function choose() {
    const { group, words, object, order } = { ...usual, ...Object.fromEntries(new FormData(form)) };
    const wanted = patternsOf(words);
    chosen = cards.filter(
      (card) =>
        (!group || card.groups.includes(group)) &&
        (!object || card.objects.includes(object)) &&
        wanted.every((pattern) => pattern.test(card.text)),
    );
    const [key, direction] = order.split(" ");
    const sign = direction === "up" ? 1 : -1;
    chosen.sort((one, other) => sign * compare(one.data[key], other.data[key]));
    shown = AT_ONCE;
    show();
    highlight(gallery, wanted);
  }

  function show() {
    const visible = chosen.slice(0, shown).map(elementOf);
    list.prepend(...visible);
    const kept = new Set(visible);
    for (const element of list.children) element.hidden = !kept.has(element);
    more.hidden = shown >= chosen.length;
    status.textContent = chosen.length
      ? `${visible.length} of ${chosen.length} images`
      : "No image fits.";
    const scored = Number(gallery.dataset.scored);
    if (cards.length < scored) {
      status.textContent += ` (${cards.length} of the ${scored.toLocaleString("en")} scored are here)`;
    }
  }

  function explanationOf(data) {
    return document.getElementById(`${gallery.dataset.explained}${data.id}`);
  }

  function elementOf(card) {
    if (!card.element) {
      card.element = makeCard(sample, card.record);
      lightWords(card.element, explanationOf(card.data));
    }
    return card.element;
  }

  // A view is kept in the address, so that it can be sent to someone.
  function writeAddress() {
    const given = [...new FormData(form)].filter(([name, value]) => value !== usual[name]);
    const view = new URLSearchParams(given).toString();
    history.replaceState(null, "", `#${gallery.id}${view && `?${view}`}`);
  }

  function readAddress() {
    const [place, view] = location.hash.slice(1).split("?");
    if (place !== gallery.id || !view) return;
    form.reset();
    for (const [name, value] of new URLSearchParams(view)) {
      if (name in usual) form.elements[name].value = value;
    }
    choose();
    gallery.scrollIntoView();
  }

  function open(number) {
    opened = (number + chosen.length) % chosen.length;
    const card = elementOf(chosen[opened]);
    const pictures = [...card.querySelectorAll("img:not(.map)")].map((image) => image.cloneNode());
    const beside = document.createElement("div");
    const heading = document.createElement("h5");
    heading.textContent = "What people wrote";
    beside.append(
      card.querySelector(".captions").cloneNode(true),
      heading,
      card.querySelector(".references").cloneNode(true),
    );
    const explained = explanationOf(card.dataset);
    const maps = explained ? copyMaps(explained) : makeMaps(template, card);
    const parts = [...pictures, beside, maps].filter(Boolean);
    dialog.querySelector(".content").replaceChildren(...parts);
    dialog.querySelector(".title").textContent =
      `${card.dataset.name}, ${opened + 1} of ${chosen.length}`;
    if (!dialog.open) dialog.showModal();
  }

  form.hidden = false;
  form.addEventListener("input", ({ target }) => {
    if (target.dataset.order) form.elements.order.value = target.dataset.order;
    choose();
  });
  form.addEventListener("change", writeAddress);
  addEventListener("hashchange", readAddress);
  form.addEventListener("submit", (event) => event.preventDefault());
  more.addEventListener("click", () => {
    const next = chosen[shown];
    shown += AT_ONCE;
    show();
    elementOf(next).querySelector(".open").focus();
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
    if (event.target.matches("input")) return; // There the keys go along the words.
    if (event.key === "ArrowLeft") open(opened - 1);
    if (event.key === "ArrowRight") open(opened + 1);
  });
  dialog.addEventListener("close", () => {
    shown = Math.max(shown, opened + 1);
    show();
    elementOf(chosen[opened]).querySelector(".open").focus();
  });
  choose();
  readAddress();
}

// Lights on a card's photo where the model looked for the word under the pointer, or else for the one that was
// tapped; of a model without attention, what the word depends on, if that was explained.
function lightWords(card, explained) {
  const photo = card.querySelector(".open img");
  const captions = card.querySelector(".captions");
  const map = new Image();
  const maps = new Map();
  let tapped = null;
  for (const line of captions.children) {
    const model = line.querySelector(".by").textContent;
    const rows = [...(explained?.querySelectorAll("fieldset") ?? [])];
    const shades = rows.find((row) => row.dataset.speaker === model)?.querySelectorAll("img");
    line.querySelectorAll("ruby").forEach((word, place) => {
      const digits = word.dataset.map;
      if (digits) maps.set(word, { draw: () => drawMap(digits), seen: line.dataset.seen });
      else if (shades?.[place]) {
        maps.set(word, { draw: () => shades[place].src, seen: explained.dataset.seen });
      }
    });
  }
  if (!photo || !maps.size) return;
  map.className = "map";
  map.alt = "";
  map.hidden = true;
  photo.after(map);
  captions.classList.add("mapped");

  function show(word) {
    map.hidden = !maps.has(word);
    if (map.hidden) return;
    const { offsetLeft, offsetTop, offsetWidth, offsetHeight } = photo;
    const { draw, seen } = maps.get(word);
    const side = seen * Math.min(offsetWidth, offsetHeight);
    const [width, height] = side ? [side, side] : [offsetWidth, offsetHeight];
    map.src = draw();
    map.style.width = `${width}px`;
    map.style.height = `${height}px`;
    map.style.left = `${offsetLeft + (offsetWidth - width) / 2}px`;
    map.style.top = `${offsetTop + (offsetHeight - height) / 2}px`;
  }

  captions.addEventListener("pointerover", ({ target }) => show(target.closest("ruby") ?? tapped));
  captions.addEventListener("pointerleave", () => show(tapped));
  captions.addEventListener("click", ({ target }) => {
    const word = target.closest("ruby");
    tapped = word === tapped ? null : word;
    show(tapped);
  });
}

// Draws what lies over a photo: of each region a digit tells how dark it is.
function drawMap(digits) {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = Math.sqrt(digits.length);
  const context = canvas.getContext("2d");
  const shade = context.createImageData(canvas.width, canvas.height);
  [...digits].forEach((digit, place) => {
    shade.data[4 * place + 3] = DARKER * parseInt(digit, 16);
  });
  context.putImageData(shade, 0, 0);
  return canvas.toDataURL();
}

// A photo's maps once more, with a choice of their own.
function copyMaps(explained) {
  const copy = explained.cloneNode(true);
  copy.removeAttribute("id");
  copy.querySelector(".hidden").remove();
  return asForm(copy);
}

// The maps of attention of a photo that was not explained, like those of one that was; null if there are none.
function makeMaps(template, card) {
  const photo = card.querySelector(".open img");
  const lines = [...card.querySelectorAll(".captions > li[data-seen]")];
  if (!photo || !lines.length) return null;
  const item = template.content.firstElementChild.cloneNode(true);
  const sample = item.querySelector("fieldset");
  const sampleWord = sample.querySelector("label");
  sampleWord.remove();
  for (const line of lines) {
    const row = sample.cloneNode(true);
    const by = `${line.querySelector(".by").textContent}, attention`;
    row.classList.add(...line.classList);
    row.style.cssText = line.style.cssText;
    row.querySelector("legend").textContent = by;
    for (const said of line.querySelectorAll("ruby")) {
      const word = sampleWord.cloneNode(true);
      word.querySelector("input").dataset.by = by;
      word.querySelector("img").src = drawMap(said.dataset.map);
      word.querySelector(".said").textContent = said.firstChild.data;
      row.append(word);
    }
    sample.before(row);
  }
  sample.remove();
  const share = 100 * lines[0].dataset.seen;
  const [width, height] = ["width", "height"].map((name) => Number(photo.getAttribute(name)));
  const length = `${10000 / share}%`;
  const size = width > height ? `auto ${length}` : `${length} auto`;
  item.style.setProperty("--photo", `url("${photo.src}")`);
  item.style.setProperty("--photo-size", share ? size : "100% 100%");
  item.querySelector("input").checked = true;
  return asForm(item);
}

// A photo's maps in a form of their own, apart from the words that are chosen elsewhere.
function asForm(maps) {
  const form = document.createElement("form");
  const list = document.createElement("ul");
  list.className = "explained";
  list.append(maps);
  form.append(list);
  startMaps(maps);
  return form;
}

// Makes the card of a photo that the page holds no card of, like a given one.
function makeCard(sample, record) {
  const card = sample.cloneNode(true);
  for (const name of Object.keys(card.dataset)) delete card.dataset[name];
  Object.assign(card.dataset, record.data);
  const button = card.querySelector(".open");
  button.setAttribute("aria-label", `Open ${record.data.name}`);
  button.textContent = record.data.name;
  if (record.picture) {
    const image = new Image(record.width, record.height);
    image.src = record.picture;
    image.alt = "";
    button.replaceChildren(image);
  }
  card.querySelector(".captions").classList.remove("mapped");
  const lines = card.querySelectorAll(".captions > li");
  for (const [number, { text, score, space, words, maps, seen }] of record.captions.entries()) {
    if (maps.length) lines[number].dataset.seen = seen;
    else delete lines[number].dataset.seen;
    lines[number].querySelector(".score").textContent = score;
    const spoken = words.flatMap(([word, probability], place) => {
      const ruby = document.createElement("ruby");
      const share = document.createElement("rt");
      ruby.style.setProperty("--probability", probability);
      share.textContent = Math.round(100 * probability);
      if (maps.length) ruby.dataset.map = maps[place];
      ruby.append(word, share);
      return [space, ruby];
    });
    lines[number].querySelector("q").replaceChildren(...(spoken.length ? spoken.slice(1) : [text]));
  }
  const link = card.querySelector(".address a");
  if (link) link.href = record.address;
  card.querySelector(".references").replaceChildren(
    ...record.references.map((reference) => {
      const line = document.createElement("li");
      line.textContent = reference;
      return line;
    }),
  );
  return card;
}

// What models and people say of an image, each with its nodes, without the numbers beside the words.
function textsOf(card) {
  return [...card.querySelectorAll("q, .references li")].map((element) => {
    const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
    const nodes = [];
    while (walker.nextNode()) {
      if (!walker.currentNode.parentElement.closest("rt")) nodes.push(walker.currentNode);
    }
    return { text: nodes.map((node) => node.data).join(""), nodes };
  });
}

// Patterns of what is searched for: whole words, and "phrases in quotes".
function patternsOf(typed) {
  const parts = [...typed.replace(/[“”„]/g, '"').matchAll(/"([^"]*)"?|[^\s"]+/g)];
  return parts
    .map(([part, phrase]) => (phrase ?? part).trim())
    .filter(Boolean)
    .map((part) => {
      const letters = [...part];
      const words = part.split(/\s+/).map((word) => word.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&"));
      const before = LETTER.test(letters[0]) ? "(?<![\\p{L}\\p{M}\\p{N}])" : "";
      const after = LETTER.test(letters.at(-1)) ? "(?![\\p{L}\\p{M}\\p{N}])" : "";
      return new RegExp(`${before}${words.join("\\s+")}${after}`, "iu");
    });
}

function compare(one, other) {
  const numbers = [Number(one), Number(other)];
  if (numbers.some(Number.isNaN)) return String(one).localeCompare(String(other));
  return numbers[0] - numbers[1];
}

// Marks what was searched for, in browsers that can mark text without changing the page.
function highlight(gallery, patterns) {
  if (!("highlights" in CSS)) return;
  const found = new Highlight();
  if (patterns.length) {
    for (const { text, nodes } of textsOf(gallery.querySelector(".cards"))) {
      for (const pattern of patterns) {
        for (const match of text.matchAll(new RegExp(pattern, "giu"))) {
          const range = new Range();
          range.setStart(...placeOf(nodes, match.index));
          range.setEnd(...placeOf(nodes, match.index + match[0].length));
          found.add(range);
        }
      }
    }
  }
  CSS.highlights.set("found", found);
}

// The node that holds a place of the text that nodes make together, and where in it.
function placeOf(nodes, place) {
  for (const node of nodes) {
    if (place <= node.length) return [node, place];
    place -= node.length;
  }
  return [nodes.at(-1), nodes.at(-1).length];
}

for (const gallery of document.querySelectorAll(".gallery")) startGallery(gallery);

// Paper cannot be unfolded.
addEventListener("beforeprint", () => {
  for (const details of document.querySelectorAll("section > details")) details.open = true;
});
