// What was done, to be undone. Typing in one field is one step, however many letters it has.

import { useReducer } from "react";
import type { Flow } from "./types";

const STEPS_MAXIMUM = 200;

export interface History {
  past: readonly Flow[];
  flow: Flow;
  future: readonly Flow[];
  /** What the last step was about: further changes to the same belong to it. */
  about: string;
}

export type Step =
  | { do: "change"; change: (flow: Flow) => Flow; about?: string }
  | { do: "undo" }
  | { do: "redo" }
  | { do: "load"; flow: Flow }
  | { do: "pause" };

export function begin(flow: Flow): History {
  return { past: [], flow, future: [], about: "" };
}

export function step(history: History, taken: Step): History {
  const { past, flow, future } = history;
  switch (taken.do) {
    case "change": {
      const changed = taken.change(flow);
      if (changed === flow) return history;
      if (taken.about && taken.about === history.about) return { ...history, flow: changed, future: [] };
      return { past: [...past, flow].slice(-STEPS_MAXIMUM), flow: changed, future: [], about: taken.about ?? "" };
    }
    case "undo": {
      const before = past.at(-1);
      return before ? { past: past.slice(0, -1), flow: before, future: [flow, ...future], about: "" } : history;
    }
    case "redo": {
      const [after, ...rest] = future;
      return after ? { past: [...past, flow], flow: after, future: rest, about: "" } : history;
    }
    case "load":
      // Even what is loaded over can be had back.
      return { past: [...past, flow].slice(-STEPS_MAXIMUM), flow: taken.flow, future: [], about: "" };
    case "pause":
      return history.about ? { ...history, about: "" } : history;
  }
}

export function useHistory(flow: Flow) {
  return useReducer(step, flow, begin);
}
