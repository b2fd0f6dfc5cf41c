// What the pages need beyond htmx: the browser's time zone, and a steady "live" event while somebody looks.

const LIVE_EVERY_MS = 3000;

const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
for (const field of document.querySelectorAll("[data-browser-zone]")) {
  if (field instanceof HTMLSelectElement) {
    if (zone && ![...field.options].some((option) => option.value === zone)) {
      field.add(new Option(zone, zone));
    }
  } else {
    field.value = zone ?? "";
  }
}

for (const link of document.querySelectorAll("[data-browser-zone-link]")) {
  if (zone) link.search = String(new URLSearchParams([...new URLSearchParams(link.search), ["time_zone", zone]]));
}

// Whoever reads a moving page must be able to stop it (WCAG 2.2.2).
const liveSwitch = document.querySelector("[data-live-switch]");
if (liveSwitch && window.htmx) {
  liveSwitch.hidden = false;
  liveSwitch.addEventListener("click", () => {
    liveSwitch.setAttribute("aria-pressed", String(!isLive()));
  });
}

function isLive() {
  return liveSwitch?.getAttribute("aria-pressed") === "true";
}

setInterval(() => {
  if (document.hidden || !isLive()) return;
  for (const part of document.querySelectorAll('[hx-trigger="live"]')) {
    part.dispatchEvent(new CustomEvent("live"));
  }
}, LIVE_EVERY_MS);

// Who signs out leaves nothing in this browser: drafts of flows that could not be saved are the only thing kept there.
for (const form of document.querySelectorAll('form[action="/sign-out"], form[action="/account/sign-out-everywhere"]')) {
  form.addEventListener("submit", (event) => {
    const kept = Object.keys(localStorage).filter((key) => key.startsWith("tollbridge."));
    if (kept.length && !confirm("A flow has changes that are not saved yet. Sign out and lose them?")) {
      event.preventDefault();
      return;
    }
    for (const key of kept) localStorage.removeItem(key);
  });
}
