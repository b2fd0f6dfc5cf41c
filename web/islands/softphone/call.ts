// One call to a code: SIP by JsSIP over the page's own server, sound straight to the switch. Nothing is registered.
import { C, UA, WebSocketInterface } from "jssip";
import { measureLevel } from "./level";
import { askLine, type Line } from "./line";
import { PhoneError, type PhoneProblem, connectionProblem, lineClosedProblem, microphoneProblem, sipProblem } from "./problems";

export type PhoneState = "asking" | "connecting" | "ringing" | "talking" | "ended";

export interface PhoneCallbacks {
  /** Every change of state, in order; the last is "ended". */
  state(state: PhoneState): void;
  /** Why the call did not come about or was cut. Before "ended"; not for an ordinary hang-up. */
  problem?(problem: PhoneProblem): void;
  /** How loud the microphone is, 0 to 1, ten times a second while there is a call. */
  level?(level: number): void;
}

export interface PhoneCall {
  hangUp(): void;
  mute(on: boolean): void;
  /** Press one key of 0-9, * and #. */
  press(key: string): void;
}

type Session = ReturnType<UA["call"]>;

const TONE_MS = 160;

/** Call a code. Returns at once; what comes of it is told to `callbacks`. Must be begun by a click or a key. */
export function placeCall(code: string, callbacks: PhoneCallbacks): PhoneCall {
  const call = new Call(callbacks);
  void call.begin(code);
  return call;
}

class Call implements PhoneCall {
  private agent: UA | null = null;
  private session: Session | null = null;
  private microphone: MediaStream | null = null;
  private stopLevel: (() => void) | null = null;
  private readonly speaker = new Audio();
  private over = false;

  constructor(private readonly told: PhoneCallbacks) {
    this.speaker.autoplay = true;
  }

  async begin(code: string): Promise<void> {
    this.told.state("asking");
    try {
      const microphone = await openMicrophone();
      if (this.over) {
        stop(microphone);
        return;
      }
      this.microphone = microphone;
      this.stopLevel = measureLevel(microphone, (level) => this.told.level?.(level));
      const line = await askLine();
      if (this.over) return;
      this.told.state("connecting");
      this.connect(line, code, microphone);
    } catch (fault) {
      this.end(fault instanceof PhoneError ? fault.problem : connectionProblem());
    }
  }

  hangUp(): void {
    // A call that was not answered yet ends by "failed", one that was by "ended"; before either there is none.
    if (this.session && !this.session.isEnded()) this.session.terminate();
    else this.end(null);
  }

  mute(on: boolean): void {
    for (const track of this.microphone?.getAudioTracks() ?? []) track.enabled = !on;
  }

  press(key: string): void {
    if (!/^[0-9*#]$/.test(key) || !this.session?.isEstablished()) return;
    this.session.sendDTMF(key, { duration: TONE_MS, transportType: C.DTMF_TRANSPORT.RFC2833 });
  }

  private connect(line: Line, code: string, microphone: MediaStream): void {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const agent = new UA({
      sockets: [new WebSocketInterface(`${scheme}://${location.host}${line.socket}`)],
      uri: `sip:${line.username}@${line.domain}`,
      password: line.password,
      register: false,
      session_timers: false,
      user_agent: "Tollbridge softphone",
    });
    this.agent = agent;
    agent.on("connected", () => {
      if (!this.session && !this.over) this.dial(agent, `sip:${code}@${line.domain}`, microphone);
    });
    // JsSIP would try for ever; the server ends a call whose line is gone.
    agent.on("disconnected", ({ code }) => this.end(lineClosedProblem(code)));
    agent.start();
  }

  private dial(agent: UA, address: string, microphone: MediaStream): void {
    this.session = agent.call(address, {
      mediaStream: microphone,
      mediaConstraints: { audio: true, video: false },
      pcConfig: { iceServers: [], rtcpMuxPolicy: "require" },
      eventHandlers: {
        peerconnection: ({ peerconnection }) => this.listen(peerconnection),
        progress: () => this.told.state("ringing"),
        accepted: () => this.told.state("talking"),
        failed: ({ cause }: { cause: string }) => this.end(sipProblem(cause)),
        ended: ({ cause }: { cause: string }) => this.end(sipProblem(cause)),
      },
    });
    if (this.session.connection) this.listen(this.session.connection);
  }

  private listen(connection: RTCPeerConnection): void {
    connection.ontrack = ({ streams, track }) => {
      this.speaker.srcObject = streams[0] ?? new MediaStream([track]);
    };
  }

  private end(problem: PhoneProblem | null): void {
    if (this.over) return;
    this.over = true;
    this.stopLevel?.();
    if (this.microphone) stop(this.microphone);
    this.speaker.srcObject = null;
    // Once the BYE or ACK is on its way; stop() ends the line, too.
    const agent = this.agent;
    setTimeout(() => agent?.stop(), 300);
    if (problem) this.told.problem?.(problem);
    this.told.state("ended");
  }
}

async function openMicrophone(): Promise<MediaStream> {
  if (!navigator.mediaDevices) throw new PhoneError(microphoneProblem(null));
  try {
    return await navigator.mediaDevices.getUserMedia({
      audio: { echoCancellation: true, noiseSuppression: true, autoGainControl: true },
      video: false,
    });
  } catch (fault) {
    throw new PhoneError(microphoneProblem(fault));
  }
}

function stop(stream: MediaStream): void {
  for (const track of stream.getTracks()) track.stop();
}
