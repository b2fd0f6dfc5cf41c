// A call played by hand: whoever types is the caller. The server plays it from its beginning at every line, on the flow
// as it is shown now, so an edited flow is tried at once.

import { useCallback, useEffect, useId, useRef, useState } from "react";
import { type Trial, type Turn, tryFlow } from "./api";
import { highlight, highlightWay } from "./highlight";
import { Listen } from "./listen";
import type { Json, Settings } from "./types";

interface Props {
  name: string;
  definition: Settings;
}

export function TryIt({ name, definition }: Props) {
  const id = useId();
  const [caller, setCaller] = useState("+16145550123");
  const [at, setAt] = useState("");
  const [tags, setTags] = useState("");
  const [lines, setLines] = useState<string[] | null>(null);
  const [trial, setTrial] = useState<Trial | null>(null);
  const [told, setTold] = useState("");
  const asked = useRef(0);
  const play = useCallback(async () => {
    if (!lines) return;
    const number = ++asked.current;
    try {
      const call = { caller, at: at ? new Date(at).toISOString() : null, tags: tagsOf(tags), lines };
      const found = await tryFlow(name, definition, call);
      if (number !== asked.current) return;
      setTrial(found);
      setTold("");
      if (found.problem) setLines(lines.slice(0, Math.max(0, found.turns.length - 1)));
      highlightWay(found.turns.flatMap((turn) => turn.way), found.turns.at(-1)?.ended ?? true);
    } catch (error) {
      if (number === asked.current) setTold(error instanceof Error ? error.message : String(error));
    }
  }, [name, definition, caller, at, tags, lines]);
  useEffect(() => {
    const timer = setTimeout(play, 120);
    return () => clearTimeout(timer);
  }, [play]);
  useEffect(() => () => highlight(null), []);
  const stop = () => {
    setLines(null);
    setTrial(null);
    highlight(null);
  };
  const last = trial?.turns.at(-1);
  return (
    <div className="fe-inspector">
      <h2>Try it</h2>
      <div className="fe-field">
        <label htmlFor={`${id}c`}>The caller's number</label>
        <input id={`${id}c`} value={caller} maxLength={40} placeholder="withheld" autoComplete="off" onChange={(event) => setCaller(event.target.value)} />
      </div>
      <details>
        <summary>When, and with which tags</summary>
        <div className="fe-field">
          <label htmlFor={`${id}a`}>When the call comes in (empty: now)</label>
          <input id={`${id}a`} type="datetime-local" value={at} onChange={(event) => setAt(event.target.value)} />
        </div>
        <div className="fe-field">
          <label htmlFor={`${id}t`}>Tags that come with it, like source=radio, one a line</label>
          <textarea id={`${id}t`} rows={2} value={tags} onChange={(event) => setTags(event.target.value)} />
        </div>
      </details>
      <p role="alert" className={told ? "refusal" : undefined}>{told && `${told}.`}</p>
      {lines === null ? (
        <button type="button" onClick={() => setLines([])}>Begin the call</button>
      ) : (
        <>
          {trial && trial.findings.length > 0 && <p className="refusal">The flow cannot be played yet: {trial.findings[0]?.node} {trial.findings[0]?.text}</p>}
          <ol className="fe-story" aria-label="The call" aria-live="polite">
            {trial?.turns.map((turn, place) => <TurnShown key={place} turn={turn} before={trial.turns[place - 1]} />)}
          </ol>
          {last && !last.ended && last.wait && <Answer wait={last.wait} help={last.help} problem={trial?.problem ?? ""} onLine={(line) => setLines([...lines, line])} />}
          {last?.ended && <p><b>The call has ended.</b></p>}
          <Tags tags={last?.tags ?? {}} />
          <p className="fe-row">
            <button type="button" className="quiet" disabled={!lines.length} onClick={() => setLines(lines.slice(0, -1))}>Take back</button>
            <button type="button" className="quiet" onClick={() => setLines([])}>Once more</button>
            <button type="button" className="quiet" onClick={stop}>Stop</button>
          </p>
        </>
      )}
    </div>
  );
}

function TurnShown({ turn, before }: { turn: Turn; before: Turn | undefined }) {
  return (
    <li>
      {before && <p className="fe-typed"><span className="unseen">Caller: </span>{turn.line || silenceOf(before)}</p>}
      {turn.events.map((event, place) => <p key={place} className="fe-event">{sentenceOf(event)}</p>)}
      {turn.wait && (
        <div className="fe-said">
          <span className="fe-unit">{turn.node}</span> {promptsOf(turn.wait) || waitOf(turn.wait)}
          {promptsOf(turn.wait) && <Listen text={promptsOf(turn.wait)} />}
        </div>
      )}
    </li>
  );
}

const QUICK: Record<string, [string, string][]> = {
  AskWait: [["Silence", ""]],
  RouteWait: [["Somebody takes it", "yes"], ["Nobody", "no"]],
  TransferWait: [["Answered", "yes"], ["Busy", "busy"], ["No answer", "no"]],
  HoldWait: [["Waits", ""]],
  VoicemailWait: [["Leaves a message", "Please call me back about my loan."], ["Says nothing", ""]],
  WebhookWait: [["No answer", "fail"]],
};

function Answer({ wait, help, problem, onLine }: { wait: { kind: string }; help: string; problem: string; onLine: (line: string) => void }) {
  const id = useId();
  const [typed, setTyped] = useState("");
  const form = useRef<HTMLFormElement>(null);
  useEffect(() => {
    // In some browsers it returns a promise, which an effect must not.
    void form.current?.scrollIntoView({ block: "nearest" });
  }, [wait]);
  const send = (line: string) => {
    setTyped("");
    onLine(line);
  };
  return (
    <form ref={form} onSubmit={(event) => {
      event.preventDefault();
      send(typed);
    }}>
      <div className="fe-field">
        <label htmlFor={id}>The caller says or presses</label>
        <div className="fe-row">
          <input id={id} value={typed} maxLength={300} autoComplete="off" aria-describedby={`${id}h`} onChange={(event) => setTyped(event.target.value)} />
          <button type="submit">Answer</button>
        </div>
        <p className="fe-help" id={`${id}h`}>{help}</p>
        {problem && <p className="fe-problem" role="alert">{problem}</p>}
      </div>
      <p className="fe-row">{(QUICK[wait.kind] ?? []).map(([label, line]) => <button key={label} type="button" className="quiet" onClick={() => send(line)}>{label}</button>)}</p>
    </form>
  );
}

function Tags({ tags }: { tags: Record<string, string> }) {
  const named = Object.entries(tags);
  if (!named.length) return <p className="fe-help">No tag is known yet.</p>;
  return (
    <dl aria-label="Tags">
      {named.map(([tag, value]) => <div key={tag}><dt>{tag}</dt><dd>{value}</dd></div>)}
    </dl>
  );
}

function promptsOf(one: Settings): string {
  return Array.isArray(one.prompts) ? one.prompts.join(" ") : "";
}

function waitOf(wait: { kind: string } & Settings): string {
  const told: Record<string, string> = { RouteWait: "finds a buyer", TransferWait: `rings ${String(wait.number ?? "")}`, WebhookWait: `asks ${String(wait.url ?? "")}`, HoldWait: "lets the caller wait" };
  return told[wait.kind] ?? wait.kind;
}

const silenceOf = (turn: Turn) => (turn.wait?.kind === "AskWait" ? "(silence)" : "(waits)");

function sentenceOf(event: { kind: string } & Settings): string {
  const text = (value: Json | undefined) => String(value ?? "");
  switch (event.kind) {
    case "Play":
      return `Says: ${promptsOf(event)}`;
    case "NoticeHeard":
      return `Notice heard: ${promptsOf(event)}`;
    case "Answered":
      return event.value === undefined || event.value === null ? `${text(event.tag)} stays unknown` : `${text(event.tag)} = ${text(event.value)} (${text(event.source)})`;
    case "TagSet":
      return `${text(event.tag)} = ${text(event.value)} (${text(event.source)})`;
    case "FlowFault":
      return `Fault: ${text(event.reason)}`;
    default:
      return TOLD[event.kind] ?? event.kind;
  }
}

const TOLD: Record<string, string> = {
  Answer: "The call is answered.",
  StartRecording: "Recording may start.",
  StopRecording: "Recording stops.",
  DoNotCallRequested: "The caller wants no more calls: noted.",
  CallBackRequested: "The caller wants to be called back: noted.",
  HangUp: "Hangs up.",
};

function tagsOf(text: string): Record<string, string> {
  const pairs = text.split("\n").map((line) => line.split("="));
  return Object.fromEntries(pairs.flatMap(([tag, ...value]) => (tag?.trim() && value.length ? [[tag.trim(), value.join("=").trim()]] : [])));
}
