// What the pages' own server tells the softphone: how to reach the switch, and codes to dial.
import { PhoneError, connectionProblem, statusProblem } from "./problems";

export interface Line {
  readonly socket: string;
  readonly domain: string;
  readonly username: string;
  readonly password: string;
}

export interface DraftCall {
  readonly id: string;
  readonly code: string;
  readonly events: string;
}

export interface DraftWish {
  readonly flow: string;
  readonly definition?: unknown;
  readonly campaign_id?: number;
  readonly caller?: string;
}

const API = "/api/v1";

export async function askLine(): Promise<Line> {
  return (await ask("GET", "/softphone")) as Line;
}

/** Ask for a code that calls a draft, as it is given or as it is stored. Throws PhoneError. */
export async function askDraftCode(wish: DraftWish): Promise<DraftCall> {
  return (await ask("POST", "/draft-calls", wish)) as DraftCall;
}

async function ask(method: string, path: string, body?: unknown): Promise<unknown> {
  const init: RequestInit = { method, headers: { Accept: "application/json" } };
  if (body !== undefined) {
    init.body = JSON.stringify(body);
    init.headers = { Accept: "application/json", "Content-Type": "application/json" };
  }
  let response: Response;
  try {
    response = await fetch(API + path, init);
  } catch {
    throw new PhoneError(connectionProblem());
  }
  if (!response.ok) throw new PhoneError(statusProblem(response.status, await detailOf(response)));
  return response.json();
}

async function detailOf(response: Response): Promise<string> {
  try {
    const problem = (await response.json()) as { detail?: string; errors?: { problem: string }[] };
    return problem.errors?.map((one) => one.problem).join(" ") || problem.detail || "";
  } catch {
    return "";
  }
}
