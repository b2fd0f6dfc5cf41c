// Where nodes stand: where somebody put them, else in rows from left to right.

import dagre from "@dagrejs/dagre";
import { exitsOf, type Schemas } from "./change";
import type { Flow, Position } from "./types";

export const NODE_WIDTH = 240;
const HEAD_HEIGHT = 92;
const EXIT_HEIGHT = 28;

export function heightOf(exits: number): number {
  return HEAD_HEIGHT + EXIT_HEIGHT * exits;
}

/** Every node's place, tidied up. */
export function tidy(flow: Flow, schemas: Schemas): Record<string, Position> {
  const graph = new dagre.graphlib.Graph();
  graph.setGraph({ rankdir: "LR", nodesep: 36, ranksep: 90, marginx: 20, marginy: 20 });
  graph.setDefaultEdgeLabel(() => ({}));
  for (const [name, node] of Object.entries(flow.nodes)) {
    graph.setNode(name, { width: NODE_WIDTH, height: heightOf(exitsOf(node, schemas).length) });
  }
  for (const [name, node] of Object.entries(flow.nodes)) {
    for (const to of Object.values(node.exits)) {
      if (to in flow.nodes && to !== name) graph.setEdge(name, to);
    }
  }
  dagre.layout(graph);
  return Object.fromEntries(
    Object.keys(flow.nodes).map((name) => {
      const { x, y, width, height } = graph.node(name) as Position & { width: number; height: number };
      return [name, { x: x - width / 2, y: y - height / 2 }];
    }),
  );
}

const known = new WeakMap<Flow, Record<string, Position>>();

/** Every node's place: all of them tidied up when nobody placed any, the unplaced below the others otherwise. */
export function placesOf(flow: Flow, schemas: Schemas): Record<string, Position> {
  let places = known.get(flow);
  if (!places) known.set(flow, (places = findPlaces(flow, schemas)));
  return places;
}

function findPlaces(flow: Flow, schemas: Schemas): Record<string, Position> {
  const names = Object.keys(flow.nodes);
  const placed = names.filter((name) => name in flow.layout);
  if (!placed.length) return tidy(flow, schemas);
  let below = Math.max(...placed.map((name) => flow.layout[name]!.y)) + 260;
  const places: Record<string, Position> = {};
  for (const name of names) {
    const place = flow.layout[name];
    places[name] = place ?? { x: 0, y: below };
    if (!place) below += 220;
  }
  return places;
}

/** The free place nearest below the wanted one. */
export function freePlace(places: Record<string, Position>, wanted: Position): Position {
  const taken = Object.values(places);
  let { x, y } = wanted;
  while (taken.some((one) => Math.abs(one.x - x) < NODE_WIDTH - 20 && Math.abs(one.y - y) < 150)) y += 170;
  return { x, y };
}
