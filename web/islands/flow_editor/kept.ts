// What was typed and not saved yet, kept in this browser: nothing is lost with a session, a server or a tab.

import { isObject } from "./definition";
import type { Settings } from "./types";

export interface Kept {
  definition: Settings;
  /** The revision it was begun from. */
  revision: number;
  /** Which tab wrote it. */
  tab: string;
}

const TAB = crypto.randomUUID?.() ?? String(Math.random());

const keyOf = (user: number, name: string) => `tollbridge.flow.${user}.${name}`;

export function keep(user: number, name: string, definition: Settings, revision: number): void {
  try {
    localStorage.setItem(keyOf(user, name), JSON.stringify({ definition, revision, tab: TAB }));
  } catch {
    // No room, or forbidden: saving on the server is tried all the same.
  }
}

export function kept(user: number, name: string): Kept | null {
  try {
    const found: unknown = JSON.parse(localStorage.getItem(keyOf(user, name)) ?? "null");
    return isObject(found) && isObject(found.definition) && typeof found.revision === "number"
      ? { definition: found.definition, revision: found.revision, tab: String(found.tab) }
      : null;
  } catch {
    return null;
  }
}

/** Forget what was kept, unless another tab has kept something since. */
export function forget(user: number, name: string, anyTab = false): void {
  try {
    if (anyTab || kept(user, name)?.tab === TAB) localStorage.removeItem(keyOf(user, name));
  } catch {
    // Nothing could be kept either.
  }
}
