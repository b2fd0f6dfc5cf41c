// A definition in and out of the editor's own shape. What cannot be read is shown empty; nothing is saved of it until
// somebody changes something.

import type { Flow, FlowNode, Json, Position, Settings } from "./types";

const OWN = ["format", "name", "entry", "nodes", "layout", "given", "commands"];

export function isObject(value: unknown): value is { [key: string]: Json } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function readFlow(definition: Settings): Flow {
  const nodes = isObject(definition.nodes) ? definition.nodes : {};
  const layout = isObject(definition.layout) ? definition.layout : {};
  return {
    entry: typeof definition.entry === "string" ? definition.entry : "",
    nodes: Object.fromEntries(Object.entries(nodes).map(([name, node]) => [name, readNode(node)])),
    layout: Object.fromEntries(
      Object.entries(layout).flatMap(([name, place]) => (isPosition(place) ? [[name, place]] : [])),
    ),
    given: Array.isArray(definition.given) ? definition.given.filter((tag) => typeof tag === "string") : [],
    commands: isObject(definition.commands) ? definition.commands : {},
    rest: Object.fromEntries(Object.entries(definition).filter(([key]) => !OWN.includes(key))),
  };
}

export function writeFlow(flow: Flow, name: string): Settings {
  const { entry, given, commands, rest } = flow;
  return {
    format: 1,
    name,
    entry,
    ...(given.length ? { given } : {}),
    ...(Object.keys(commands).length ? { commands } : {}),
    nodes: Object.fromEntries(Object.entries(flow.nodes).map(([name, node]) => [name, writeNode(node)])),
    layout: Object.fromEntries(
      Object.entries(flow.layout)
        .filter(([name]) => name in flow.nodes)
        .map(([name, { x, y }]) => [name, { x: Math.round(x), y: Math.round(y) }]),
    ),
    ...rest,
  };
}

function readNode(node: Json): FlowNode {
  if (!isObject(node)) return { kind: "", exits: {}, settings: {} };
  const { kind, exits, ...settings } = node;
  const named = isObject(exits) ? Object.entries(exits) : [];
  return {
    kind: typeof kind === "string" ? kind : "",
    exits: Object.fromEntries(named.flatMap(([exit, to]) => (typeof to === "string" ? [[exit, to]] : []))),
    settings,
  };
}

function writeNode({ kind, exits, settings }: FlowNode): Settings {
  return { kind, ...settings, ...(Object.keys(exits).length ? { exits } : {}) };
}

function isPosition(value: Json): value is Json & { x: number; y: number } & Position {
  return isObject(value) && Number.isFinite(value.x) && Number.isFinite(value.y);
}
