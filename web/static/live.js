// The live board: rows drawn by the server, put in their place as they come; seconds are counted here.

const board = document.querySelector("[data-live-board]");
const rows = board?.querySelector("[data-live-rows]");
const state = document.querySelector("[data-live-state]");
const pause = document.querySelector("[data-live-pause]");
let aheadMs = 0;
let source;

if (rows) {
  aheadMs = Number(rows.dataset.now) - Date.now();
  connect();
  setInterval(count, 1000);
  if (pause) {
    // Whoever reads a moving page must be able to stop it (WCAG 2.2.2).
    pause.hidden = false;
    pause.addEventListener("click", () => {
      const stops = pause.getAttribute("aria-pressed") === "true";
      pause.setAttribute("aria-pressed", String(!stops));
      if (stops) {
        source.close();
        say("Stopped");
      } else {
        connect();
      }
    });
  }
}

function connect() {
  source = new EventSource(board.dataset.liveBoard);
  source.addEventListener("open", () => say(""));
  source.addEventListener("error", () => {
    say("Connecting again …");
    // The browser comes again by itself, unless it was refused: then the page finds out why.
    if (source.readyState === EventSource.CLOSED) setTimeout(() => location.reload(), 3000);
  });
  source.addEventListener("board", (event) => {
    const told = JSON.parse(event.data);
    const drawn = told.rows.map(rowOf);
    const known = new Set(drawn.map((row) => row.id));
    for (const row of [...rows.children]) if (!known.has(row.id)) row.remove();
    drawn.forEach(place);
    after(told);
  });
  source.addEventListener("moved", (event) => {
    const told = JSON.parse(event.data);
    told.rows.map(rowOf).forEach(place);
    for (const id of told.gone) document.getElementById(`live-${id}`)?.remove();
    after(told);
  });
}

function rowOf(html) {
  const template = document.createElement("template");
  template.innerHTML = html.trim();
  return template.content.firstElementChild;
}

function place(row) {
  const old = document.getElementById(row.id);
  if (old) {
    const held = old.contains(document.activeElement) ? document.activeElement : null;
    old.replaceWith(row);
    if (held) row.querySelector(held.dataset.act ? `[data-act="${held.dataset.act}"]` : "a")?.focus();
    return;
  }
  const started = Number(row.dataset.started);
  const next = [...rows.children].find((other) => Number(other.dataset.started) < started);
  rows.insertBefore(row, next ?? null);
}

function after(told) {
  aheadMs = told.now_ms - Date.now();
  const there = [...rows.children];
  board.querySelector("[data-live-card]").hidden = there.length === 0;
  board.querySelector("[data-live-empty]").hidden = there.length > 0;
  for (const tile of board.querySelectorAll("[data-count]")) {
    const stages = tile.dataset.count.split(" ");
    const counted = there.filter((row) => tile.dataset.count === "" || stages.includes(row.dataset.stage)).length;
    if (tile.textContent !== String(counted)) tile.textContent = String(counted);
  }
  count();
}

function count() {
  const now = Date.now() + aheadMs;
  for (const span of rows.querySelectorAll("[data-since]")) {
    const seconds = Math.max(0, Math.floor((now - Number(span.dataset.since)) / 1000));
    const [hours, minutes, rest] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
    const two = (number) => String(number).padStart(2, "0");
    span.textContent = hours ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
  }
}

function say(text) {
  if (state) state.textContent = text;
}
