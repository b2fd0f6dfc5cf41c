// The softphone. Other islands load this file and use what it exports; the page /softphone runs it by itself.
import { askDraftCode } from "./line";
import { mountSoftphone } from "./panel";
import { followDraftCall, tell } from "./story";

export { type PhoneCall, type PhoneCallbacks, type PhoneState, placeCall } from "./call";
export { type DraftCall, type DraftWish, askDraftCode } from "./line";
export { type Panel, type PanelOptions, mountSoftphone } from "./panel";
export { PhoneError, type PhoneProblem } from "./problems";
export { type Passed, type StoryEvent, followDraftCall, tell, wayOf } from "./story";

// A page that shows a code (a call to be listened to) has a place for the telephone that dials it.
for (const host of document.querySelectorAll<HTMLElement>("[data-softphone-code]")) {
  const code = host.dataset["softphoneCode"] ?? "";
  mountSoftphone(host, { label: "Dial it here", once: true, getCode: () => Promise.resolve(code) });
}

for (const form of document.querySelectorAll<HTMLFormElement>("form[data-draft-call]")) serve(form);

function serve(form: HTMLFormElement): void {
  const host = document.getElementById("softphone");
  const story = document.getElementById("story");
  if (!host || !story) return;
  let stop = () => {};
  const panel = mountSoftphone(host, {
    label: "Call the draft",
    getCode: async () => {
      const wish = new FormData(form);
      const made = await askDraftCode({ flow: String(wish.get("flow") ?? ""), caller: String(wish.get("caller") ?? "") });
      stop();
      story.replaceChildren();
      stop = followDraftCall(made.events, (event) => {
        const line = tell(event);
        if (line === null) return;
        const item = document.createElement("li");
        item.dataset["kind"] = event.kind;
        item.textContent = line;
        story.append(item);
      });
      return made.code;
    },
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    void panel.call();
  });
}
