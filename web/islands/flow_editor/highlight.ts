// Where a call is: shown on the canvas while somebody tries a flow out, by typing or by calling.

import { useSyncExternalStore } from "react";
import type { Passed } from "./api";

export interface Way {
  /** Node -> how often the call came through. */
  nodes: ReadonlySet<string>;
  /** "node\nexit" where the exit is known, "node\n\nnext node" where only the two nodes are. */
  steps: ReadonlySet<string>;
  /** Where the call stands; "" when it has ended or there is none. */
  at: string;
}

const NOWHERE: Way = { nodes: new Set(), steps: new Set(), at: "" };
let way = NOWHERE;
const listeners = new Set<() => void>();

function show(next: Way): void {
  way = next;
  listeners.forEach((listener) => listener());
}

/** Light up the node a call has come to, after those it came through; null puts out all light. */
export function highlight(node: string | null): void {
  if (node === null) return show(NOWHERE);
  const outer = node.split("/")[0] ?? node;
  const steps = way.at && way.at !== outer ? new Set([...way.steps, `${way.at}\n\n${outer}`]) : way.steps;
  show({ nodes: new Set([...way.nodes, outer]), steps, at: outer });
}

/** Light up a whole way. Nodes of sub-flows light up the node that leads into them. */
export function highlightWay(passed: readonly Passed[], ended: boolean): void {
  const outer = passed.map(({ node, exit }) => ({ node: node.split("/")[0] ?? node, exit: node.includes("/") ? "" : exit }));
  show({
    nodes: new Set(outer.map(({ node }) => node)),
    steps: new Set(outer.filter(({ exit }) => exit).map(({ node, exit }) => `${node}\n${exit}`)),
    at: ended ? "" : (outer.at(-1)?.node ?? ""),
  });
}

export function useWay<Part>(part: (way: Way) => Part): Part {
  return useSyncExternalStore(listen, () => part(way));
}

function listen(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export const isLit = (way: Way, from: string, exit: string, to: string) =>
  way.steps.has(`${from}\n${exit}`) || way.steps.has(`${from}\n\n${to}`);
