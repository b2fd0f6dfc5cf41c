// Passkeys: the browser's own dialog between a challenge of ours and what it makes of it.

// A passkey belongs to a host name: at a bare address there can be none.
const named = !/^[\d.]+$|:/.test(location.hostname);
const can = Boolean(
  named && window.PublicKeyCredential?.parseRequestOptionsFromJSON && PublicKeyCredential.parseCreationOptionsFromJSON,
);

const door = document.querySelector("[data-passkey-door]");
if (door && can) {
  const button = door.querySelector("button");
  door.hidden = false;
  button.addEventListener("click", () => busy(button, door.querySelector("[role=alert]"), () => signIn(button)));
}

const confirming = document.querySelector("[data-passkey-confirm]");
if (confirming && can) {
  const button = confirming.querySelector("button");
  confirming.hidden = false;
  button.addEventListener("click", () => busy(button, confirming.querySelector("[role=alert]"), () => confirmIt(button)));
}

const adding = document.querySelector("[data-passkey-add]");
if (adding) {
  adding.hidden = !can;
  adding.addEventListener("submit", (event) => {
    event.preventDefault();
    const button = adding.querySelector("button");
    busy(button, adding.querySelector("[role=alert]"), () => add(adding));
  });
}
for (const note of document.querySelectorAll("[data-no-passkeys]")) note.hidden = can;

async function signIn(button) {
  const time_zone = Intl.DateTimeFormat().resolvedOptions().timeZone ?? "";
  location.assign((await use("/sign-in/passkey", { next: button.dataset.next, time_zone })).location);
}

// What was asked before goes on: its form is sent again, without a password.
async function confirmIt(button) {
  const answer = await use("/confirm/passkey", { next: button.dataset.next });
  const form = document.querySelector("[data-confirm-form]");
  if (form.getAttribute("action") === "/confirm") return location.assign(answer.location);
  for (const name of ["confirm_password", "confirm_code"]) form.elements.namedItem(name)?.remove();
  form.submit();
}

async function use(address, more) {
  const asked = await post(`${address}/question`, {});
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(asked.options);
  const credential = await navigator.credentials.get({ publicKey });
  return post(address, { token: asked.token, credential: credential.toJSON(), ...more });
}

async function add(form) {
  const asked = await post("/account/passkeys/question", {});
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(asked.options);
  const credential = await navigator.credentials.create({ publicKey });
  const name = form.elements.name.value;
  const answer = await post("/account/passkeys", { token: asked.token, credential: credential.toJSON(), name });
  location.assign(answer.location);
}

async function post(address, body) {
  const response = await fetch(address, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  const answer = response.headers.get("Content-Type")?.startsWith("application/json") ? await response.json() : {};
  if (answer.confirm) location.assign(answer.confirm);
  if (!response.ok) throw new Refused(answer.refusal ?? "That did not work. Try again in a moment.");
  return answer;
}

class Refused extends Error {}

async function busy(button, alert, work) {
  alert.hidden = true;
  button.disabled = true;
  try {
    await work();
  } catch (fault) {
    alert.textContent = fault instanceof Refused ? fault.message : explained(fault);
    alert.hidden = false;
  } finally {
    button.disabled = false;
  }
}

function explained(fault) {
  if (fault.name === "InvalidStateError") return "This device has a passkey for your account already.";
  if (fault.name === "NotAllowedError") return "No passkey was used: the dialog was closed, or took too long.";
  if (fault.name === "SecurityError") return "Passkeys need https and a host name, as the setting TOLLBRIDGE_WEB_URL says it.";
  return "This browser could not use a passkey here.";
}
