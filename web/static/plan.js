// Dragging stages and targets of a plan. The order of the page is the order of the plan (web/plans/form.py): moving an
// element is all there is to do. The buttons do the same without any script.

const form = document.querySelector("[data-plan]");
const said = form?.querySelector("[data-said]");
let dragged = null;

for (const grip of form?.querySelectorAll("[data-grip]") ?? []) {
  grip.hidden = false;
  grip.draggable = true;
  grip.addEventListener("dragstart", (event) => {
    dragged = grip.closest("[data-entry]") ?? grip.closest("[data-stage]");
    dragged.classList.add("dragged");
    event.dataTransfer.effectAllowed = "move";
    event.dataTransfer.setData("text/plain", "");
    event.dataTransfer.setDragImage(dragged, 12, 12);
  });
  grip.addEventListener("dragend", () => {
    dragged?.classList.remove("dragged");
    dragged = null;
  });
}

form?.addEventListener("dragover", (event) => {
  if (placeOf(event)) event.preventDefault();
});

form?.addEventListener("drop", (event) => {
  const place = placeOf(event);
  if (!place) return;
  event.preventDefault();
  const from = dragged.closest("[data-entries]");
  place.into.insertBefore(dragged, place.before);
  if (dragged.matches("[data-entry]")) {
    for (const list of new Set([from, place.into])) numberEntries(list);
    tell("The target was moved; priorities follow the order. Not saved yet.");
  } else {
    numberStages();
    tell("The stage was moved. Not saved yet.");
  }
});

form?.addEventListener("input", () => tell(""));

// Where what is dragged would go: before the first of its kind whose middle lies below the pointer.
function placeOf(event) {
  if (!dragged) return null;
  const isEntry = dragged.matches("[data-entry]");
  const into = isEntry
    ? event.target.closest("[data-stage]")?.querySelector("[data-entries]")
    : dragged.parentElement;
  if (!into) return null;
  const others = [...into.querySelectorAll(isEntry ? "[data-entry]" : ":scope > [data-stage]")];
  const before = others.find((other) => other !== dragged && event.clientY < middleOf(other));
  const end = isEntry ? null : into.querySelector(":scope > .save");
  return { into, before: before ?? end };
}

function middleOf(element) {
  const box = element.getBoundingClientRect();
  return box.top + box.height / 2;
}

function numberEntries(list) {
  for (const [index, entry] of [...(list?.querySelectorAll("[data-entry]") ?? [])].entries()) {
    entry.querySelector("input[name$='.priority']").value = String(index + 1);
  }
  enableMoves(list, "[data-entry]");
}

function numberStages() {
  const stages = [...form.querySelectorAll("[data-stage]")];
  for (const [index, stage] of stages.entries()) {
    stage.setAttribute("aria-label", `Stage ${index + 1}`);
    stage.querySelector("[data-number]").textContent = String(index + 1);
    for (const [button, label] of [
      ["up", `Move stage ${index + 1} up`],
      ["down", `Move stage ${index + 1} down`],
      ["remove", `Take out stage ${index + 1}`],
    ]) {
      stage.querySelector(`.bar button[value^='${button}:']`)?.setAttribute("aria-label", label);
    }
  }
  enableMoves(form, "[data-stage]");
}

// The first cannot go up, the last cannot go down.
function enableMoves(within, kind) {
  const items = [...(within?.querySelectorAll(kind) ?? [])];
  for (const [index, item] of items.entries()) {
    const own = kind === "[data-stage]" ? item.querySelector(".bar") : item;
    const up = own.querySelector("button[value^='up:']");
    const down = own.querySelector("button[value^='down:']");
    if (up) up.disabled = index === 0;
    if (down) down.disabled = index === items.length - 1;
  }
}

function tell(text) {
  if (text) said.textContent = text;
  form.querySelector("[data-unsaved]").hidden = false;
}
