// Plays what a prompt says, piece by piece, as far as it is rendered.

import { useEffect, useRef, useState } from "react";
import { findSounds } from "./api";

export function Listen({ text, label = "Listen" }: { text: string; label?: string }) {
  const [told, setTold] = useState("");
  const audio = useRef<HTMLAudioElement | null>(null);
  useEffect(() => () => audio.current?.pause(), []);
  const play = async () => {
    audio.current?.pause();
    setTold("");
    try {
      const pieces = await findSounds(text);
      const there = pieces.filter((piece) => piece.address);
      setTold(!there.length ? NOT_THERE : there.length < pieces.length ? "Some of it is not rendered yet: it is left out." : "");
      audio.current = await playAll(there.map((piece) => piece.address));
    } catch (error) {
      setTold(`It cannot be played: ${error instanceof Error ? error.message : String(error)}.`);
    }
  };
  return (
    <p className="fe-row">
      <button type="button" className="quiet" disabled={!text.trim()} onClick={play}>{label}</button>
      <span role="status" className="fe-help">{told}</span>
    </p>
  );
}

const NOT_THERE = "Not rendered yet: it is spoken within seconds of publishing.";

/** Play one sound after the other; returns the player, which is stopped by pausing it. */
async function playAll(addresses: string[]): Promise<HTMLAudioElement | null> {
  const [first, ...rest] = addresses;
  if (first === undefined) return null;
  const player = new Audio(first);
  player.addEventListener("ended", () => {
    const next = rest.shift();
    if (next === undefined) return;
    player.src = next;
    void player.play();
  });
  await player.play();
  return player;
}
