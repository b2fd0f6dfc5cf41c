// Saves by itself a moment after each change, over the revision it saw; says what stands in the way.

import { useCallback, useEffect, useRef, useState } from "react";
import { ChangedMeanwhile, Refused, SignedOut, checkFlow, getDraft, saveDraft } from "./api";
import { forget, keep } from "./kept";
import type { Draft, Finding, Given, Settings } from "./types";

const SAVE_AFTER_MS = 900;
const CHECK_AFTER_MS = 250;
const AGAIN_AFTER_MS = 4000;

export type Saving =
  | { is: "saved" }
  | { is: "waiting" }
  | { is: "saving" }
  | { is: "unreachable"; why: string }
  | { is: "signed_out" }
  | { is: "refused"; why: string }
  | { is: "changed"; theirs: Draft };

export interface Saver {
  saving: Saving;
  findings: Finding[];
  revision: number;
  /** Save now; true when what is shown is what is saved. */
  saveNow: () => Promise<boolean>;
  /** Go on from their draft. */
  takeTheirs: (theirs: Draft, definition: Settings) => void;
  /** What is shown is kept elsewhere now. */
  letGo: () => void;
}

const sameText = (one: Settings, other: Settings) => JSON.stringify(one) === JSON.stringify(other);

export function useSaver(given: Given, draft: Draft, definition: Settings, begun: Settings): Saver {
  const { name, user } = given;
  const [saving, setSaving] = useState<Saving>({ is: "saved" });
  const [findings, setFindings] = useState(draft.findings);
  const [revision, setRevision] = useState(draft.revision);
  const now = useRef({ definition, saved: begun, revision: draft.revision, busy: null as Promise<boolean> | null, gone: false });
  now.current.definition = definition;

  const save = useCallback(async (): Promise<boolean> => {
    const state = now.current;
    if (state.busy) await state.busy;
    const sent = state.definition;
    if (state.gone) return true;
    if (sameText(sent, state.saved)) {
      forget(user, name);
      setSaving({ is: "saved" });
      return true;
    }
    setSaving({ is: "saving" });
    state.busy = (async () => {
      try {
        const saved = await saveDraft(name, sent, state.revision);
        state.saved = sent;
        state.revision = saved.revision;
        setRevision(saved.revision);
        const done = sameText(sent, state.definition);
        if (done) forget(user, name);
        if (done) setFindings(saved.findings);
        setSaving({ is: done ? "saved" : "waiting" });
        return done;
      } catch (error) {
        setSaving(await standing(error, name));
        return false;
      }
    })();
    try {
      return await state.busy;
    } finally {
      state.busy = null;
    }
  }, [name, user]);

  useKeeping(given, now, definition, setSaving);
  useEffect(() => {
    if (saving.is === "waiting") return after(SAVE_AFTER_MS, save);
    if (saving.is !== "unreachable" && saving.is !== "signed_out") return undefined;
    // They may sign in in another tab: as soon as they are back here, it is tried again.
    window.addEventListener("focus", save);
    const stop = after(AGAIN_AFTER_MS, save);
    return () => {
      stop();
      window.removeEventListener("focus", save);
    };
  }, [saving, save, definition]);
  useChecks(name, definition, now, setFindings);

  const takeTheirs = useCallback(
    (theirs: Draft, shown: Settings) => {
      now.current.revision = theirs.revision;
      now.current.saved = shown;
      setSaving({ is: "saved" });
      setRevision(theirs.revision);
      setFindings(theirs.findings);
      forget(user, name, true);
    },
    [name, user],
  );
  const letGo = useCallback(() => {
    now.current.gone = true;
    forget(user, name, true);
  }, [name, user]);
  return { saving, findings, revision, saveNow: save, takeTheirs, letGo };
}

type State = React.RefObject<{ definition: Settings; saved: Settings; revision: number; gone: boolean }>;

/** Keep each change in the browser at once, and ask before the page is left with something unsaved. */
function useKeeping(given: Given, now: State, definition: Settings, setSaving: (change: (saving: Saving) => Saving) => void) {
  useEffect(() => {
    if (now.current.gone || sameText(definition, now.current.saved)) return;
    keep(given.user, given.name, definition, now.current.revision);
    setSaving((saving) => (saving.is === "saved" || saving.is === "refused" ? { is: "waiting" } : saving));
  }, [given, definition, now, setSaving]);
  useEffect(() => {
    const ask = (event: BeforeUnloadEvent) => {
      if (!now.current.gone && !sameText(now.current.definition, now.current.saved)) event.preventDefault();
    };
    window.addEventListener("beforeunload", ask);
    return () => window.removeEventListener("beforeunload", ask);
  }, [now]);
}

/** Ask what is wrong with each change, sooner than it is saved. */
function useChecks(name: string, definition: Settings, now: State, setFindings: (findings: Finding[]) => void) {
  useEffect(() => {
    if (sameText(definition, now.current.saved)) return undefined;
    return after(CHECK_AFTER_MS, async () => {
      const found = await checkFlow(name, definition).catch(() => null);
      if (found && now.current.definition === definition) setFindings(found);
    });
  }, [name, definition, now, setFindings]);
}

function after(milliseconds: number, call: () => unknown): () => void {
  const timer = setTimeout(call, milliseconds);
  return () => clearTimeout(timer);
}

async function standing(error: unknown, name: string): Promise<Saving> {
  if (error instanceof SignedOut) return { is: "signed_out" };
  if (error instanceof Refused) return { is: "refused", why: error.message };
  if (error instanceof ChangedMeanwhile) {
    try {
      return { is: "changed", theirs: await getDraft(name) };
    } catch (later) {
      return later instanceof SignedOut ? { is: "signed_out" } : { is: "unreachable", why: "somebody else saved meanwhile" };
    }
  }
  return { is: "unreachable", why: error instanceof Error ? error.message : String(error) };
}
