// Calls the draft as it is shown, by the softphone (its own script, loaded when it is wanted); the way lights up as the
// call goes.

import { useEffect, useId, useRef, useState } from "react";
import type * as Softphone from "../softphone/main";
import { highlight, highlightWay } from "./highlight";
import type { Settings } from "./types";

interface Props {
  flow: string;
  definition: Settings;
  /** Where the softphone's script is. */
  script: string;
}

export function CallPanel({ flow, definition, script }: Props) {
  const id = useId();
  const host = useRef<HTMLDivElement>(null);
  const now = useRef({ definition, caller: "" });
  now.current.definition = definition;
  const [caller, setCaller] = useState("");
  now.current.caller = caller;
  const [story, setStory] = useState<string[]>([]);
  const [told, setTold] = useState("");
  useEffect(() => {
    let panel: Softphone.Panel | null = null;
    let stop = () => {};
    let gone = false;
    const getCode = async (phone: typeof Softphone) => {
      const { definition: shown, caller: number } = now.current;
      const made = await phone.askDraftCode({ flow, definition: shown, caller: number });
      stop();
      setStory([]);
      highlight(null);
      stop = follow(phone, made.events, (line) => setStory((lines) => [...lines, line]));
      return made.code;
    };
    import(script).then(
      (phone: typeof Softphone) => {
        if (!gone && host.current) panel = phone.mountSoftphone(host.current, { label: "Call", getCode: () => getCode(phone) });
      },
      () => setTold("The softphone cannot be loaded: load the page again."),
    );
    return () => {
      gone = true;
      stop();
      panel?.remove();
      highlight(null);
    };
  }, [flow, script]);
  return (
    <div className="fe-inspector">
      <h2>Call it</h2>
      <p className="fe-help">You talk to the flow as it is shown here. Nothing is sold, recorded or billed.</p>
      <div className="fe-field">
        <label htmlFor={id}>As if from the number</label>
        <input id={id} value={caller} placeholder="withheld" maxLength={40} autoComplete="off" onChange={(event) => setCaller(event.target.value)} />
      </div>
      <div ref={host} />
      <p role="alert" className={told ? "refusal" : undefined}>{told}</p>
      <ol className="fe-story" aria-label="What the call came through" aria-live="polite">
        {story.map((line, place) => <li key={place} className="fe-event">{line}</li>)}
      </ol>
    </div>
  );
}

/** Light up the way of a call, step by step, and tell each line of it. */
function follow(phone: typeof Softphone, address: string, tell: (line: string) => void): () => void {
  let way: Softphone.Passed[] = [];
  return phone.followDraftCall(address, (event) => {
    way = [...way, ...phone.wayOf(event)];
    highlightWay(way, event.kind === "ended");
    const line = phone.tell(event);
    if (line !== null) tell(line);
  });
}
