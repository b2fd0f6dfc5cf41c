// What the editor asks of the API (web/flows/api.py), as the page's own session.

import type { Draft, Finding, Json, Settings } from "./types";

const PREFIX = "/api/v1";

/** Nobody is signed in any more. */
export class SignedOut extends Error {}

/** Somebody else saved meanwhile. */
export class ChangedMeanwhile extends Error {}

/** The server does not answer, or not now. */
export class Unreachable extends Error {}

/** What was asked for cannot be done; the message says why. */
export class Refused extends Error {}

export interface Saved {
  revision: number;
  findings: Finding[];
}

export interface Passed {
  node: string;
  exit: string;
}

export interface Turn {
  line: string;
  events: ({ kind: string } & Settings)[];
  way: Passed[];
  node: string;
  tags: Record<string, string>;
  wait: ({ kind: string } & Settings) | null;
  help: string;
  ended: boolean;
}

export interface Trial {
  turns: Turn[];
  problem: string;
  findings: Finding[];
}

export interface Sound {
  text: string;
  address: string;
}

export interface Difference {
  change: string;
  place: string;
  before: string;
  after: string;
}

const flowPath = (name: string) => `/flows/${encodeURIComponent(name)}`;

export const getDraft = (name: string) => ask<Draft>("GET", `${flowPath(name)}/draft`);

export const saveDraft = (name: string, definition: Settings, revision: number) =>
  ask<Saved>("PUT", `${flowPath(name)}/draft`, { definition }, { "If-Match": `"${revision}"` });

export const addFlow = (name: string, definition: Settings) => ask<Saved>("POST", "/flows", { name, definition });

export const checkFlow = (name: string, definition: Settings) =>
  ask<Finding[]>("POST", "/flows/check", { name, definition });

export const publishFlow = (name: string, note: string, revision: number) =>
  ask<{ version: number; findings: Finding[] }>("POST", `${flowPath(name)}/publish`, { note, revision });

export const getDifferences = (name: string) => ask<Difference[]>("GET", `${flowPath(name)}/differences`);

export const findSounds = (text: string) => ask<Sound[]>("POST", "/flows/sounds", { text });

export interface Call {
  caller: string;
  at: string | null;
  tags: Record<string, string>;
  lines: string[];
}

export const tryFlow = (name: string, definition: Settings, call: Call) =>
  ask<Trial>("POST", "/flows/try", { name, definition, ...call });

async function ask<Answer>(method: string, path: string, body?: object, headers: Record<string, string> = {}): Promise<Answer> {
  let response: Response;
  try {
    response = await fetch(PREFIX + path, {
      method,
      headers: body ? { "Content-Type": "application/json", ...headers } : headers,
      body: body ? JSON.stringify(body) : undefined,
      redirect: "manual",
    });
  } catch {
    throw new Unreachable("the server does not answer");
  }
  if (response.ok) return (await response.json()) as Answer;
  throw await problemOf(response);
}

async function problemOf(response: Response): Promise<Error> {
  if (response.status === 401 || response.type === "opaqueredirect") return new SignedOut("you are signed out");
  const problem = (await response.json().catch(() => ({}))) as { [key: string]: Json };
  const errors = Array.isArray(problem.errors) ? (problem.errors as { problem: string }[]) : [];
  const text = String(problem.detail || errors[0]?.problem || problem.title || `answer ${response.status}`);
  if (response.status === 412) return new ChangedMeanwhile(text);
  if (response.status === 429 || response.status >= 500) return new Unreachable(text);
  return new Refused(text);
}
