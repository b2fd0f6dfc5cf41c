// Keys, and the clipboard: what the mouse can do, fingers on a keyboard can.

import { useEffect } from "react";
import { isObject, readFlow } from "./definition";
import type { Flow, FlowNode, Json, Position } from "./types";

const MARK = "tollbridge_nodes";

export interface Copied {
  nodes: Record<string, FlowNode>;
  places: Record<string, Position>;
}

export interface Commands {
  undo: () => void;
  redo: () => void;
  save: () => void;
  selectAll: () => void;
  /** Go along an exit (1) or back to what leads here (-1). */
  walk: (by: 1 | -1) => void;
  copied: () => Copied | null;
  paste: (copied: Copied) => void;
  remove: () => void;
}

const isEditable = (target: EventTarget | null) =>
  target instanceof HTMLElement && target.closest("input, textarea, select, [contenteditable]") !== null;

const isOnCanvas = (target: EventTarget | null) => target instanceof HTMLElement && target.closest(".fe-canvas") !== null;

export function useShortcuts(commands: Commands): void {
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      const command = commandOf(event);
      if (!command) return;
      event.preventDefault();
      event.stopPropagation();
      command(commands);
    };
    const copy = (event: ClipboardEvent) => {
      const copied = isEditable(event.target) || !getSelection()?.isCollapsed ? null : commands.copied();
      if (!copied) return;
      event.preventDefault();
      event.clipboardData?.setData("text/plain", JSON.stringify({ [MARK]: copied }));
      if (event.type === "cut") commands.remove();
    };
    const paste = (event: ClipboardEvent) => {
      const copied = isEditable(event.target) ? null : readCopied(event.clipboardData?.getData("text/plain") ?? "");
      if (!copied) return;
      event.preventDefault();
      commands.paste(copied);
    };
    document.addEventListener("keydown", press, true);
    document.addEventListener("copy", copy);
    document.addEventListener("cut", copy);
    document.addEventListener("paste", paste);
    return () => {
      document.removeEventListener("keydown", press, true);
      document.removeEventListener("copy", copy);
      document.removeEventListener("cut", copy);
      document.removeEventListener("paste", paste);
    };
  }, [commands]);
}

function commandOf(event: KeyboardEvent): ((commands: Commands) => void) | null {
  if (!(event.ctrlKey || event.metaKey) || event.altKey) return null;
  const key = event.key.toLowerCase();
  if (key === "s") return (commands) => commands.save();
  if (isEditable(event.target) || document.querySelector("dialog[open]")) return null;
  if (key === "z") return event.shiftKey ? (commands) => commands.redo() : (commands) => commands.undo();
  if (key === "y") return (commands) => commands.redo();
  if (!isOnCanvas(event.target)) return null;
  if (key === "a") return (commands) => commands.selectAll();
  if (key === "arrowright") return (commands) => commands.walk(1);
  if (key === "arrowleft") return (commands) => commands.walk(-1);
  return null;
}

export function copiedOf(flow: Flow, places: Record<string, Position>, names: readonly string[]): Copied | null {
  const there = names.filter((name) => name in flow.nodes);
  if (!there.length) return null;
  return {
    nodes: Object.fromEntries(there.map((name) => [name, flow.nodes[name]!])),
    places: Object.fromEntries(there.map((name) => [name, places[name] ?? { x: 0, y: 0 }])),
  };
}

/** What is in the clipboard may come from anywhere. */
function readCopied(text: string): Copied | null {
  try {
    const found: unknown = (JSON.parse(text) as Record<string, unknown>)[MARK];
    if (!isObject(found) || !isObject(found.nodes)) return null;
    const written = Object.entries(found.nodes).map(([name, node]): [string, Json] => [
      name.slice(0, 60),
      isObject(node) ? { ...(isObject(node.settings) ? node.settings : {}), kind: node.kind ?? "", exits: node.exits ?? {} } : {},
    ]);
    const read = readFlow({ nodes: Object.fromEntries(written), layout: found.places ?? {} });
    return written.length ? { nodes: read.nodes, places: read.layout } : null;
  } catch {
    return null;
  }
}
