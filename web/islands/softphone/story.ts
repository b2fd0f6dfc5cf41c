// What a call to a draft comes through, told by the server as it happens.

export interface StoryEvent {
  readonly sequence: number;
  readonly at: string;
  /** began, preparing, step, waiting, answered, tag_set, routed, transfer, requested, fault, ended … */
  readonly kind: string;
  readonly node: string;
  readonly detail: Readonly<Record<string, unknown>>;
}

/** A node the call came through; within a sub-flow the nodes that lead there stand before it ("inner/ask"). */
export interface Passed {
  readonly node: string;
  readonly exit: string;
}

/** The nodes of a "step" event, in order: its last is where the call stands. */
export function wayOf(event: StoryEvent): readonly Passed[] {
  return event.kind === "step" ? (event.detail["way"] as Passed[]) : [];
}

/** Follow a call until it has ended; returns how to stop before. `address` is the code's `events`. */
export function followDraftCall(address: string, told: (event: StoryEvent) => void): () => void {
  const source = new EventSource(address);
  let last = 0;
  source.onmessage = (message) => {
    const event = JSON.parse(message.data as string) as StoryEvent;
    // After a lost connection the browser asks again; nothing is told twice.
    if (event.sequence <= last) return;
    last = event.sequence;
    told(event);
    if (event.kind === "ended") source.close();
  };
  return () => source.close();
}

const WAITS: Readonly<Record<string, string>> = {
  ask: "asks and listens",
  notice: "plays a notice",
  hold: "keeps the caller on hold",
  route: "looks for a buyer",
  webhook: "asks a web hook",
  transfer: "transfers",
  voicemail: "takes a message",
};

/** One line for people, or null for what only draws. */
export function tell({ kind, node, detail }: StoryEvent): string | null {
  const text = (name: string) => String(detail[name] ?? "");
  switch (kind) {
    case "began":
      return `The call to ${text("flow")} begins${detail["caller"] ? `, from ${text("caller")}` : ""}.`;
    case "preparing":
      return `${text("prompts")} new prompts are being spoken; it rings meanwhile.`;
    case "waiting":
      return `${node} ${WAITS[text("waits_for")] ?? "waits"}.`;
    case "answered":
      return detail["value"] === null
        ? `${node}: no answer.`
        : `${node}: ${text("tag")} is ${text("value")}${heard(detail)}.`;
    case "tag_set":
      return `${node}: ${text("tag")} is ${text("value")}.`;
    case "routed":
      return detail["target"]
        ? `${node}: it would go to ${text("target")} of ${text("buyer")} (${text("campaign")}).`
        : `${node}: nobody would take it${detail["campaign"] ? "" : ", for no campaign uses this flow"}.`;
    case "transfer":
      return `${node}: it would be transferred to ${text("number")}.`;
    case "message_not_kept":
      return `${node}: what is said now is not kept.`;
    case "requested":
      return `${node}: the caller wants ${text("request").replaceAll("_", " ")}; a test does nothing about it.`;
    case "not_recorded":
      return `${node}: a test is not recorded.`;
    case "fault":
      return `${node ? `${node}: ` : ""}${text("reason")}`;
    case "ended":
      return `The call is over: ${text("reason")}.`;
    default:
      return null;
  }
}

function heard(detail: Readonly<Record<string, unknown>>): string {
  const confidence = detail["confidence"];
  const sure = typeof confidence === "number" ? `, ${Math.round(confidence * 100)} % sure` : "";
  return detail["heard"] ? ` (heard "${String(detail["heard"])}"${sure})` : "";
}
