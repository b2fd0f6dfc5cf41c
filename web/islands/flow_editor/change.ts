// Every change to a flow, each a pure function.

import { isObject } from "./definition";
import type { Flow, FlowNode, Json, Position, Schema, Settings } from "./types";

export type Schemas = Record<string, Schema>;

/** The exits a node has by its kind and settings, in the order they are shown. */
export function exitsOf(node: FlowNode, schemas: Schemas): string[] {
  const exits = schemas[node.kind]?.properties?.exits;
  if (!exits) return [];
  const own = exits["x-exits-of"] ? namesIn(node.settings[exits["x-exits-of"]]) : [];
  return [...new Set([...own, ...Object.keys(exits.properties ?? {})])];
}

export function isOptionalExit(node: FlowNode, exit: string, schemas: Schemas): boolean {
  const exits = schemas[node.kind]?.properties?.exits;
  return Boolean(exits?.properties?.[exit]) && !exits?.required?.includes(exit);
}

function namesIn(value: Json | undefined): string[] {
  if (Array.isArray(value)) {
    return value.flatMap((arm) => (isObject(arm) && typeof arm.exit === "string" && arm.exit ? [arm.exit] : []));
  }
  return isObject(value) ? Object.keys(value) : [];
}

export function freeName(flow: Flow, wanted: string): string {
  if (!(wanted in flow.nodes)) return wanted;
  const stem = wanted.replace(/_\d+$/, "");
  for (let number = 2; ; number++) {
    if (!(`${stem}_${number}` in flow.nodes)) return `${stem}_${number}`;
  }
}

const BEGINNINGS: Record<string, Settings> = {
  menu: { choices: { first: "1", second: "2" } },
  split: { arms: { a: 1, b: 1 } },
  branch: { arms: [{ exit: "yes", when: { fact: "loan_type", "=": "refinance" } }] },
  score: { rules: [{ when: { fact: "loan_type", "=": "refinance" }, points: 10 }] },
  hours: {
    schedule: { time_zone: "America/New_York", ranges: [{ days: [0, 1, 2, 3, 4], from: "09:00", to: "17:00" }] },
  },
};

/** Add a node. The first one of a flow is its entry. */
export function addNode(flow: Flow, name: string, kind: string, place: Position): Flow {
  const node: FlowNode = { kind, exits: {}, settings: BEGINNINGS[kind] ?? {} };
  return {
    ...flow,
    entry: flow.entry in flow.nodes ? flow.entry : name,
    nodes: { ...flow.nodes, [name]: node },
    layout: { ...flow.layout, [name]: place },
  };
}

export function removeNodes(flow: Flow, names: readonly string[]): Flow {
  const gone = new Set(names);
  const nodes = Object.entries(flow.nodes)
    .filter(([name]) => !gone.has(name))
    .map(([name, node]): [string, FlowNode] => [name, withExits(node, (exit, to) => (gone.has(to) ? [] : [[exit, to]]))]);
  return {
    ...flow,
    entry: gone.has(flow.entry) ? "" : flow.entry,
    nodes: Object.fromEntries(nodes),
    commands: gone.has(String(flow.commands.operator)) ? without(flow.commands, "operator") : flow.commands,
  };
}

export function renameNode(flow: Flow, from: string, to: string): Flow {
  const renamed = (name: string) => (name === from ? to : name);
  const nodes = Object.entries(flow.nodes).map(([name, node]): [string, FlowNode] => [
    renamed(name),
    withExits(node, (exit, leads) => [[exit, renamed(leads)]]),
  ]);
  const layout = Object.entries(flow.layout).map(([name, place]): [string, Position] => [renamed(name), place]);
  const operator = flow.commands.operator;
  return {
    ...flow,
    entry: renamed(flow.entry),
    nodes: Object.fromEntries(nodes),
    layout: Object.fromEntries(layout),
    commands: typeof operator === "string" && operator ? { ...flow.commands, operator: renamed(operator) } : flow.commands,
  };
}

/** Lead an exit to a node; "" leads it nowhere. */
export function connect(flow: Flow, from: string, exit: string, to: string): Flow {
  return changeNode(flow, from, (node) => ({
    ...node,
    exits: to ? { ...node.exits, [exit]: to } : (without(node.exits, exit) as Record<string, string>),
  }));
}

/** Set or, with undefined, take away a setting. An exit that the setting names keeps where it leads when renamed. */
export function setSetting(flow: Flow, name: string, key: string, value: Json | undefined, schemas: Schemas): Flow {
  return changeNode(flow, name, (node) => {
    const settings = value === undefined ? without(node.settings, key) : { ...node.settings, [key]: value };
    const changed: FlowNode = { ...node, settings };
    return { ...changed, exits: movedExits(node, exitsOf(node, schemas), exitsOf(changed, schemas)) };
  });
}

function movedExits(node: FlowNode, before: string[], after: string[]): Record<string, string> {
  const exits: Record<string, string> = {};
  after.forEach((exit, place) => {
    const was = before[place];
    const renamed = after.length === before.length && was !== undefined && !after.includes(was) ? was : exit;
    const to = node.exits[exit] ?? node.exits[renamed];
    if (to !== undefined) exits[exit] = to;
  });
  return exits;
}

export function place(flow: Flow, places: Record<string, Position>): Flow {
  return { ...flow, layout: { ...flow.layout, ...places } };
}

/** Put copies of nodes beside where they were. What led from one copy to another still does; other exits as well, where they can. */
export function paste(flow: Flow, copied: Record<string, FlowNode>, places: Record<string, Position>): [Flow, string[]] {
  const names = new Map<string, string>();
  let grown = flow;
  for (const [name, node] of Object.entries(copied)) {
    const free = freeName(grown, name);
    names.set(name, free);
    const { x, y } = places[name] ?? { x: 0, y: 0 };
    grown = {
      ...grown,
      nodes: { ...grown.nodes, [free]: node },
      layout: { ...grown.layout, [free]: { x: x + 40, y: y + 40 } },
    };
  }
  for (const name of names.values()) {
    grown = changeNode(grown, name, (node) =>
      withExits(node, (exit, to) => {
        const leads = names.get(to) ?? to;
        return leads in grown.nodes ? [[exit, leads]] : [];
      }),
    );
  }
  return [grown, [...names.values()]];
}

/** The nodes in the order callers meet them; those no way leads to come last. */
export function inOrder(flow: Flow, schemas: Schemas): string[] {
  const found = flow.entry in flow.nodes ? [flow.entry] : [];
  for (const name of found) {
    const node = flow.nodes[name];
    for (const exit of node ? exitsOf(node, schemas) : []) {
      const to = node?.exits[exit];
      if (to !== undefined && to in flow.nodes && !found.includes(to)) found.push(to);
    }
  }
  return [...found, ...Object.keys(flow.nodes).filter((name) => !found.includes(name))];
}

/** Every tag the flow names somewhere, to choose from. */
export function tagsOf(flow: Flow): string[] {
  const tags = new Set(flow.given);
  for (const { settings } of Object.values(flow.nodes)) {
    if (typeof settings.tag === "string" && settings.tag) tags.add(settings.tag);
    if (isObject(settings.results)) Object.keys(settings.results).forEach((tag) => tags.add(tag));
  }
  return [...tags].sort();
}

function changeNode(flow: Flow, name: string, change: (node: FlowNode) => FlowNode): Flow {
  const node = flow.nodes[name];
  return node ? { ...flow, nodes: { ...flow.nodes, [name]: change(node) } } : flow;
}

function withExits(node: FlowNode, change: (exit: string, to: string) => [string, string][]): FlowNode {
  const before = Object.entries(node.exits);
  const after = before.flatMap(([exit, to]) => change(exit, to));
  const same = after.length === before.length && after.every(([exit, to]) => node.exits[exit] === to);
  return same ? node : { ...node, exits: Object.fromEntries(after) };
}

function without<Value>(object: Record<string, Value>, key: string): Record<string, Value> {
  return Object.fromEntries(Object.entries(object).filter(([name]) => name !== key));
}
