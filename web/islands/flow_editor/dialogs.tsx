// What must be answered before work goes on: publishing, and somebody else's draft.

import { type ReactNode, useEffect, useId, useRef, useState } from "react";
import { type Difference, addFlow, getDifferences, publishFlow } from "./api";
import { readFlow, writeFlow } from "./definition";
import { count } from "./flow_node";
import type { Draft, Finding, Settings } from "./types";

export function Dialog({ title, onClose, children }: { title: string; onClose: (() => void) | null; children: ReactNode }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog
      ref={dialog}
      className="fe-dialog"
      aria-labelledby={id}
      onCancel={(event) => {
        event.preventDefault();
        onClose?.();
      }}
    >
      <h2 id={id}>{title}</h2>
      {children}
    </dialog>
  );
}

interface PublishProps {
  name: string;
  findings: Finding[];
  revision: number;
  newest: number;
  saveNow: () => Promise<boolean>;
  onClose: () => void;
  onPublished: (version: number) => void;
}

export function PublishDialog({ name, findings, revision, newest, saveNow, onClose, onPublished }: PublishProps) {
  const id = useId();
  const [note, setNote] = useState("");
  const [told, setTold] = useState("");
  const [busy, setBusy] = useState(false);
  const [changes, setChanges] = useState<Difference[] | null>(null);
  const errors = findings.filter((finding) => finding.severity === "error").length;
  const ready = useSaved(saveNow, setTold);
  useEffect(() => {
    if (ready && newest) void getDifferences(name).then(setChanges, () => setChanges(null));
  }, [ready, name, newest]);
  const publish = async () => {
    setBusy(true);
    try {
      onPublished((await publishFlow(name, note, revision)).version);
    } catch (error) {
      setTold(`Not published: ${error instanceof Error ? error.message : String(error)}.`);
      setBusy(false);
    }
  };
  return (
    <Dialog title={`Publish ${name}`} onClose={onClose}>
      <p>New callers meet it from then on; calls in progress keep their version.</p>
      {findings.length > 0 && (
        <ul className="findings">
          {findings.map((finding) => <li key={finding.node + finding.text} className={finding.severity}>{finding.node && <b>{finding.node}: </b>}{finding.text}</li>)}
        </ul>
      )}
      {changes && <Changes changes={changes} version={newest} />}
      <form className="stack" onSubmit={(event) => {
        event.preventDefault();
        void publish();
      }}>
        <label htmlFor={id}>What the version is for</label>
        <input id={id} value={note} maxLength={500} onChange={(event) => setNote(event.target.value)} />
        <p role="alert" className={told ? "refusal" : undefined}>{told}</p>
        <div className="fe-row">
          <button type="submit" disabled={!ready || busy || errors > 0}>Publish</button>
          <button type="button" className="quiet" onClick={onClose}>Not now</button>
        </div>
        {errors > 0 && <p className="fe-help">{count(errors, "error")} to mend first.</p>}
      </form>
    </Dialog>
  );
}

/** What is published is what was saved: save first. */
function useSaved(saveNow: () => Promise<boolean>, setTold: (told: string) => void): boolean {
  const [saved, setSaved] = useState(false);
  useEffect(() => {
    void saveNow().then((done) => {
      setSaved(done);
      if (!done) setTold("Your changes could not be saved, so there is nothing to publish yet.");
    });
  }, [saveNow, setTold]);
  return saved;
}

export function Changes({ changes, version }: { changes: Difference[]; version?: number }) {
  return (
    <details open={changes.length <= 12}>
      <summary>{changes.length ? `${count(changes.length, "change")}${version ? ` of version ${version}` : ""}` : `No change${version ? ` of version ${version}` : ""}`}</summary>
      <ul className="fe-changes">
        {changes.map((one) => (
          <li key={one.place}>
            <b>{one.change}</b> <code>{one.place.replace(/^nodes\./, "")}</code>
            {one.before && <del>{one.before}</del>}
            {one.after && <ins>{one.after}</ins>}
          </li>
        ))}
      </ul>
    </details>
  );
}

interface ConflictProps {
  name: string;
  mine: Settings;
  theirs: Draft;
  onTheirs: () => void;
  onElsewhere: (name: string) => void;
}

/** Somebody else saved: both are there, and nothing goes without being told. */
export function ConflictDialog({ name, mine, theirs, onTheirs, onElsewhere }: ConflictProps) {
  const id = useId();
  const [other, setOther] = useState(`${name}_mine`.slice(0, 60));
  const [told, setTold] = useState("");
  const keepMine = async () => {
    try {
      await addFlow(other, { ...mine, name: other });
      onElsewhere(other);
    } catch (error) {
      setTold(`Not saved: ${error instanceof Error ? error.message : String(error)}.`);
    }
  };
  return (
    <Dialog title="Somebody else changed this flow meanwhile" onClose={null}>
      <p>
        {theirs.changed_by || "A command"} saved it while you were at work. Nothing of yours is lost: what you have is
        kept in this browser until you choose.
      </p>
      <Changes changes={differencesOf(writeFlow(readFlow(theirs.definition), name), mine)} />
      <p className="fe-help">Struck out is theirs, underlined is yours.</p>
      <form className="stack" onSubmit={(event) => {
        event.preventDefault();
        void keepMine();
      }}>
        <label htmlFor={id}>Keep mine as another flow called</label>
        <input id={id} value={other} maxLength={60} onChange={(event) => setOther(event.target.value)} />
        <p role="alert" className={told ? "refusal" : undefined}>{told}</p>
        <div className="fe-row">
          <button type="submit">Keep mine there</button>
          <button type="button" className="quiet" onClick={onTheirs}>Load theirs</button>
        </div>
        <p className="fe-help">After loading theirs, undo brings yours back.</p>
      </form>
    </Dialog>
  );
}

/** What differs between two definitions, setting by setting, without where the nodes stand. */
export function differencesOf(before: Settings, after: Settings, place = "", depth = 0): Difference[] {
  const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])].filter((key) => place || !["layout", "format"].includes(key));
  return keys.flatMap((key) => {
    const [old, now] = [before[key], after[key]];
    const inner = place ? `${place}.${key}` : key;
    if (JSON.stringify(old) === JSON.stringify(now)) return [];
    if (depth < 3 && isPlain(old) && isPlain(now)) return differencesOf(old, now, inner, depth + 1);
    const change = old === undefined ? "added" : now === undefined ? "removed" : "changed";
    return [{ change, place: inner, before: shown(old), after: shown(now) }];
  });
}

const isPlain = (value: unknown): value is Settings => typeof value === "object" && value !== null && !Array.isArray(value);
const shown = (value: unknown) => (value === undefined ? "" : JSON.stringify(value).slice(0, 200));
