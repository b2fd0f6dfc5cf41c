// What can go wrong with a call, in words that say what to do.

export interface PhoneProblem {
  readonly kind: "microphone" | "connection" | "refused" | "media" | "session" | "code";
  readonly text: string;
}

export class PhoneError extends Error {
  constructor(readonly problem: PhoneProblem) {
    super(problem.text);
  }
}

const CONNECTION =
  "The switch cannot be reached: its telephone line does not answer. Is the node up (tollbridge status)? Then try again.";

export function microphoneProblem(fault: unknown): PhoneProblem {
  const name = fault instanceof DOMException ? fault.name : "";
  const text =
    name === "NotAllowedError" || name === "SecurityError"
      ? "The browser does not let this page use the microphone. Click the sign beside the address, set Microphone to Allow, and call again."
      : name === "NotFoundError"
        ? "No microphone was found. Plug one in, or choose one in the system's sound settings, and call again."
        : name === "NotReadableError"
          ? "Another program holds the microphone. Close it and call again."
          : "The microphone cannot be used. Browsers allow it on https pages and on localhost only.";
  return { kind: "microphone", text };
}

export function connectionProblem(): PhoneProblem {
  return { kind: "connection", text: CONNECTION };
}

const SIGNED_OUT = 4401;

/** Why the line closed, by the code it was closed with. */
export function lineClosedProblem(code: number | undefined): PhoneProblem {
  return code === SIGNED_OUT ? statusProblem(401, "") : connectionProblem();
}

export function statusProblem(status: number, detail: string): PhoneProblem {
  if (status === 401) return { kind: "session", text: "You are signed out. Sign in again, then call." };
  if (status === 403) return { kind: "session", text: "Only admins and managers may call from here." };
  return { kind: status === 409 ? "connection" : "code", text: detail || "The call could not be prepared. Try again." };
}

// JsSIP names causes by words; the switch answers a code that opens nothing with 403.
export function sipProblem(cause: string): PhoneProblem | null {
  switch (cause) {
    case "Terminated":
    case "Canceled":
      return null;
    case "Rejected":
    case "Not Found":
      return {
        kind: "refused",
        text: "The switch refused the code: it was used before, or its time is over. Call again with a new one.",
      };
    case "Authentication Error":
      return { kind: "connection", text: "The switch does not know this page's password. Load the page again." };
    case "Connection Error":
    case "Request Timeout":
      return connectionProblem();
    case "RTP Timeout":
    case "Bad Media Description":
    case "Incompatible SDP":
    case "WebRTC Error":
      return {
        kind: "media",
        text: "No sound gets through: the network lets no UDP pass between this browser and the switch.",
      };
    default:
      return { kind: "media", text: `The call failed (${cause}). Try again.` };
  }
}
