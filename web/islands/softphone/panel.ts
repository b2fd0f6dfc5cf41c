// The telephone as a page shows it: state, level, mute, keypad, hang up; by mouse, touch or keyboard.
import { type PhoneCall, type PhoneState, placeCall } from "./call";
import { PhoneError, type PhoneProblem, connectionProblem } from "./problems";

export interface PanelOptions {
  /** What the button to call says. */
  readonly label?: string;
  /** Get a code to dial. A PhoneError it throws is shown as it is. */
  getCode(): Promise<string>;
  readonly state?: (state: PhoneState) => void;
  /** There is one code only: it is called once, and then the telephone is put away. */
  readonly once?: boolean;
}

export interface Panel {
  call(): Promise<void>;
  hangUp(): void;
  /** End a call that is on, and take the telephone out of the page. */
  remove(): void;
}

const STATES: Readonly<Record<PhoneState, string>> = {
  asking: "Asking for the microphone …",
  connecting: "Connecting …",
  ringing: "Ringing …",
  talking: "Connected",
  ended: "Hung up",
};
const KEYS = [..."123456789*0#"];

/** Put a telephone into `host`. */
export function mountSoftphone(host: HTMLElement, options: PanelOptions): Panel {
  const panel = new SoftphonePanel(host, options);
  return panel;
}

class SoftphonePanel implements Panel {
  private readonly root = make("div", { class: "softphone", role: "group", "aria-label": "Softphone" });
  private readonly status = make("p", { class: "softphone-state", role: "status" }, "Ready");
  private readonly callButton: HTMLButtonElement;
  private readonly endButton = button("Hang up", "danger");
  private readonly muteButton = button("Mute", "quiet");
  private readonly keysButton = button("Keypad", "quiet");
  private readonly keypad = make("div", { class: "softphone-keys", role: "group", "aria-label": "Keypad" });
  private readonly level = document.createElement("meter");
  private readonly levelRow = make("label", { class: "softphone-level" }, "Your voice ");
  private readonly problem = make("p", { class: "refusal", role: "alert" });
  private active: PhoneCall | null = null;
  private began = 0;
  private clock = 0;

  constructor(
    private readonly host: HTMLElement,
    private readonly options: PanelOptions,
  ) {
    this.callButton = button(options.label ?? "Call");
    this.level.max = 1;
    this.levelRow.append(this.level);
    for (const key of KEYS) this.keypad.append(this.keyButton(key));
    const buttons = make("div", { class: "softphone-buttons" });
    buttons.append(this.callButton, this.endButton, this.muteButton, this.keysButton);
    this.root.append(this.status, buttons, this.levelRow, this.keypad, this.problem);
    this.listen();
    this.show("ended");
    this.status.textContent = "Ready";
    this.host.append(this.root);
  }

  async call(): Promise<void> {
    if (this.active || this.callButton.disabled) return;
    this.problem.hidden = true;
    this.callButton.disabled = true;
    try {
      const code = await this.options.getCode();
      this.active = placeCall(code, {
        state: (state) => this.show(state),
        problem: (problem) => this.complain(problem),
        level: (level) => (this.level.value = level),
      });
      this.endButton.focus();
      this.root.dataset["used"] = "true";
    } catch (fault) {
      this.complain(fault instanceof PhoneError ? fault.problem : connectionProblem());
      this.callButton.disabled = false;
    }
  }

  hangUp(): void {
    this.active?.hangUp();
  }

  remove(): void {
    this.hangUp();
    this.root.remove();
  }

  private listen(): void {
    this.callButton.addEventListener("click", () => void this.call());
    this.endButton.addEventListener("click", () => this.hangUp());
    this.muteButton.addEventListener("click", () => this.toggleMute());
    this.keysButton.addEventListener("click", () => {
      this.keypad.hidden = !this.keypad.hidden;
      this.keysButton.setAttribute("aria-expanded", String(!this.keypad.hidden));
    });
    this.root.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.altKey || event.metaKey || !KEYS.includes(event.key)) return;
      this.active?.press(event.key);
    });
    window.addEventListener("pagehide", () => this.hangUp());
  }

  private keyButton(key: string): HTMLButtonElement {
    const made = button(key, "quiet");
    const names: Readonly<Record<string, string>> = { "*": "star", "#": "hash" };
    made.setAttribute("aria-label", names[key] ?? key);
    made.addEventListener("click", () => this.active?.press(key));
    return made;
  }

  private toggleMute(): void {
    const on = this.muteButton.getAttribute("aria-pressed") !== "true";
    this.muteButton.setAttribute("aria-pressed", String(on));
    this.active?.mute(on);
  }

  private show(state: PhoneState): void {
    const talking = state === "talking";
    const ended = state === "ended";
    if (ended) this.active = null;
    const hadFocus = this.root.contains(document.activeElement);
    this.root.dataset["state"] = state;
    this.status.textContent = STATES[state];
    const putAway = ended && this.options.once === true && this.root.dataset["used"] === "true";
    this.callButton.hidden = !ended || putAway;
    this.callButton.disabled = false;
    this.endButton.hidden = ended;
    this.muteButton.hidden = this.keysButton.hidden = !talking;
    this.levelRow.hidden = ended;
    this.keypad.hidden = true;
    this.keysButton.setAttribute("aria-expanded", "false");
    this.muteButton.setAttribute("aria-pressed", "false");
    clearInterval(this.clock);
    if (talking) this.startClock();
    // What had the focus may be gone: the next thing to do has it.
    if (hadFocus && !putAway) (ended ? this.callButton : this.endButton).focus();
    this.options.state?.(state);
  }

  private startClock(): void {
    this.began = Date.now();
    const time = make("span", { "aria-hidden": "true" });
    this.status.append(" ", time);
    const tick = () => {
      const seconds = Math.floor((Date.now() - this.began) / 1000);
      time.textContent = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
    };
    tick();
    this.clock = window.setInterval(tick, 1000);
  }

  private complain(problem: PhoneProblem): void {
    this.problem.textContent = problem.text;
    this.problem.hidden = false;
  }
}

function make(tag: string, attributes: Readonly<Record<string, string>>, text = ""): HTMLElement {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (attributes["class"] === "refusal") element.hidden = true;
  element.textContent = text;
  return element;
}

function button(text: string, look = ""): HTMLButtonElement {
  const made = document.createElement("button");
  made.type = "button";
  made.textContent = text;
  if (look) made.className = look;
  return made;
}
