// The flow as a picture: nodes to drag, exits to draw.

import {
  Background,
  type Connection,
  Controls,
  type Edge,
  type EdgeChange,
  MarkerType,
  MiniMap,
  type NodeChange,
  ReactFlow,
  type ReactFlowInstance,
  applyNodeChanges,
} from "@xyflow/react";
import { type DragEvent, type Ref, useCallback, useEffect, useImperativeHandle, useMemo, useRef, useState } from "react";
import { type Schemas, exitsOf, isOptionalExit } from "./change";
import { familyOf } from "./families";
import { type CanvasNode, FlowNodeView, type NodeData } from "./flow_node";
import { isLit, useWay } from "./highlight";
import { placesOf } from "./layout";
import type { Finding, Flow, FlowNode, Position } from "./types";

export const KIND_BEING_DRAGGED = "application/x-tollbridge-kind";
const NODE_TYPES = { flow: FlowNodeView };
/** Up to here all are drawn, so that Tab comes to each; beyond, those in sight, and the list leads to the others. */
const MANY_NODES = 120;
const FIT = { maxZoom: 1, padding: 0.12 };
const READABLE = 0.65;
const MARKER = { type: MarkerType.ArrowClosed, width: 18, height: 18, markerUnits: "userSpaceOnUse" };

export interface CanvasHandle {
  select: (names: readonly string[], options?: { look?: boolean; focus?: boolean }) => void;
  middle: () => Position;
  lookAtAll: () => void;
}

interface Props {
  flow: Flow;
  schemas: Schemas;
  findings: Finding[];
  handle: Ref<CanvasHandle>;
  onSelect: (names: string[]) => void;
  onPlace?: (places: Record<string, Position>) => void;
  onConnect?: (from: string, exit: string, to: string) => void;
  onRemove?: (nodes: string[], exits: [string, string][]) => void;
  onAdd?: (kind: string, place: Position) => void;
  /** To look at and to choose from: nothing is moved, drawn or removed. */
  readOnly?: boolean;
}

const nothing = () => undefined;

export function Canvas({ flow, schemas, findings, handle, onSelect, onPlace = nothing, onConnect = nothing, onRemove = nothing, onAdd = nothing, readOnly = false }: Props) {
  const [nodes, setNodes] = useState<CanvasNode[]>(() => nodesOf(flow, schemas, findings, []));
  const instance = useRef<ReactFlowInstance<CanvasNode> | null>(null);
  const frame = useRef<HTMLDivElement>(null);
  useEffect(() => setNodes((before) => nodesOf(flow, schemas, findings, before)), [flow, schemas, findings]);
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const edges = useEdges(flow, schemas, chosen);
  const changeEdges = useCallback((changes: EdgeChange[]) => setChosen((before) => chosenAfter(before, changes)), []);

  const change = useCallback((changes: NodeChange<CanvasNode>[]) => setNodes((before) => applyNodeChanges(changes.filter((one) => one.type !== "remove"), before)), []);
  const placeAll = useCallback(() => {
    const all = instance.current?.getNodes() ?? [];
    onPlace(Object.fromEntries(all.map((node) => [node.id, node.position])));
  }, [onPlace]);
  const join = useCallback(
    ({ source, sourceHandle, target }: Connection) => onConnect(source, sourceHandle ?? "", target),
    [onConnect],
  );
  const remove = useCallback(
    ({ nodes: gone, edges: cut }: { nodes: CanvasNode[]; edges: Edge[] }) => {
      onRemove(gone.map((node) => node.id), cut.map((edge): [string, string] => [edge.source, edge.sourceHandle ?? ""]));
      return Promise.resolve(false);
    },
    [onRemove],
  );
  const drop = useCallback(
    (event: DragEvent) => {
      const kind = event.dataTransfer.getData(KIND_BEING_DRAGGED);
      if (!kind || !instance.current) return;
      event.preventDefault();
      const { x, y } = instance.current.screenToFlowPosition({ x: event.clientX, y: event.clientY });
      onAdd(kind, { x: x - 60, y: y - 20 });
    },
    [onAdd],
  );
  const selected = useCallback(({ nodes: now }: { nodes: CanvasNode[] }) => onSelect(now.map((node) => node.id)), [onSelect]);
  useImperativeHandle(handle, () => handleOf(instance, frame, setNodes), []);

  return (
    <div className="fe-canvas" ref={frame} role="group" aria-label="The flow as a picture" onDrop={readOnly ? undefined : drop} onDragOver={readOnly ? undefined : allowKinds}>
      <ReactFlow<CanvasNode>
        nodes={nodes}
        edges={edges}
        nodeTypes={NODE_TYPES}
        onInit={(made) => {
          instance.current = made;
          requestAnimationFrame(() => begin(made, flow.entry));
        }}
        onMoveStart={() => frame.current?.classList.add("fe-moving")}
        onMoveEnd={() => frame.current?.classList.remove("fe-moving")}
        onNodesChange={change}
        onEdgesChange={changeEdges}
        onNodeDragStop={placeAll}
        onSelectionDragStop={placeAll}
        onConnect={join}
        onReconnect={(old, made) => {
          if (old.source !== made.source || old.sourceHandle !== made.sourceHandle) onConnect(old.source, old.sourceHandle ?? "", "");
          join(made);
        }}
        onBeforeDelete={remove}
        onSelectionChange={selected}
        nodesDraggable={!readOnly}
        nodesConnectable={!readOnly}
        edgesReconnectable={!readOnly}
        deleteKeyCode={readOnly ? null : ["Delete", "Backspace"]}
        multiSelectionKeyCode={["Shift", "Control", "Meta"]}
        selectionKeyCode="Shift"
        colorMode="system"
        onlyRenderVisibleElements={nodes.length > MANY_NODES}
        elevateEdgesOnSelect
        minZoom={0.1}
        maxZoom={2}
        connectionRadius={36}
      >
        <Background gap={24} />
        <Controls showInteractive={false} />
        <MiniMap pannable zoomable ariaLabel="The whole flow, small" />
      </ReactFlow>
    </div>
  );
}

/** All of it where it can be read so; else its beginning. */
async function begin(instance: ReactFlowInstance<CanvasNode>, entry: string) {
  await instance.fitView(FIT);
  if (instance.getZoom() >= READABLE) return;
  const place = instance.getNode(entry)?.position ?? { x: 0, y: 0 };
  await instance.setViewport({ x: 24 - place.x * READABLE, y: 160 - place.y * READABLE, zoom: READABLE });
}

function allowKinds(event: DragEvent) {
  if (event.dataTransfer.types.includes(KIND_BEING_DRAGGED)) event.preventDefault();
}

function handleOf(
  instance: React.RefObject<ReactFlowInstance<CanvasNode> | null>,
  frame: React.RefObject<HTMLDivElement | null>,
  setNodes: (change: (nodes: CanvasNode[]) => CanvasNode[]) => void,
): CanvasHandle {
  return {
    select: (names, { look = false, focus = false } = {}) => {
      setNodes((nodes) => nodes.map((node) => (node.selected === names.includes(node.id) ? node : { ...node, selected: names.includes(node.id) })));
      if (look && names.length) void instance.current?.fitView({ nodes: names.map((id) => ({ id })), maxZoom: instance.current.getZoom(), minZoom: 0.4 });
      if (focus && names[0]) requestAnimationFrame(() => focusNode(frame.current, names[0]!));
    },
    middle: () => {
      const box = frame.current?.getBoundingClientRect();
      if (!box || !instance.current) return { x: 0, y: 0 };
      return instance.current.screenToFlowPosition({ x: box.x + box.width / 2 - 120, y: box.y + box.height / 3 });
    },
    lookAtAll: () => void instance.current?.fitView(FIT),
  };
}

function focusNode(frame: HTMLElement | null, name: string) {
  frame?.querySelector<HTMLElement>(`.react-flow__node[data-id="${CSS.escape(name)}"]`)?.focus();
}

function nodesOf(flow: Flow, schemas: Schemas, findings: Finding[], before: readonly CanvasNode[]): CanvasNode[] {
  const places = placesOf(flow, schemas);
  const known = new Map(before.map((node) => [node.id, node]));
  return Object.entries(flow.nodes).map(([name, node]) => {
    const data = dataOf(flow, name, node, schemas, findings);
    const old = known.get(name);
    const place = places[name] ?? { x: 0, y: 0 };
    if (old && same(old.data, data) && old.position.x === place.x && old.position.y === place.y) return old;
    return { ...(old ?? { id: name, type: "flow" as const, ariaLabel: "" }), position: place, data, ariaLabel: labelOf(name, data, node) };
  });
}

function dataOf(flow: Flow, name: string, node: FlowNode, schemas: Schemas, findings: Finding[]): NodeData {
  const about = findings.filter((finding) => finding.node === name);
  const errors = about.filter((finding) => finding.severity === "error").length;
  const exits = exitsOf(node, schemas);
  return {
    kind: node.kind,
    title: schemas[node.kind]?.title ?? (node.kind || "no kind"),
    summary: summaryOf(node),
    exits,
    open: exits.filter((exit) => !node.exits[exit] && !isOptionalExit(node, exit, schemas)),
    errors,
    warnings: about.length - errors,
    isEntry: flow.entry === name,
    family: familyOf(node.kind),
  };
}

export function summaryOf({ settings }: FlowNode): string {
  const said = settings.prompt ?? settings.text ?? settings.number ?? settings.flow ?? settings.url ?? settings.tag;
  return typeof said === "string" ? said : "";
}

function same(one: NodeData, other: NodeData): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

function labelOf(name: string, data: NodeData, node: FlowNode): string {
  const exits = data.exits.map((exit) => `${exit} leads ${node.exits[exit] ? `to ${node.exits[exit]}` : "nowhere"}`);
  return [`${data.title} ${name}`, data.isEntry ? "the entry" : "", ...exits, data.errors ? `${data.errors} errors` : ""].filter(Boolean).join(", ");
}

function chosenAfter(before: ReadonlySet<string>, changes: EdgeChange[]): ReadonlySet<string> {
  const after = new Set(before);
  for (const one of changes) {
    if (one.type === "select" && one.selected) after.add(one.id);
    else if (one.type === "select") after.delete(one.id);
  }
  return after;
}

function useEdges(flow: Flow, schemas: Schemas, chosen: ReadonlySet<string>): Edge[] {
  const way = useWay((now) => now);
  return useMemo(
    () =>
      Object.entries(flow.nodes).flatMap(([from, node]) =>
        exitsOf(node, schemas).flatMap((exit): Edge[] => {
          const to = node.exits[exit];
          if (to === undefined || !(to in flow.nodes)) return [];
          const lit = isLit(way, from, exit, to);
          return [
            {
              id: `${from}\n${exit}`,
              source: from,
              sourceHandle: exit,
              target: to,
              markerEnd: MARKER,
              className: lit ? "fe-lit" : undefined,
              ariaLabel: `${exit} of ${from} leads to ${to}`,
              selected: chosen.has(`${from}\n${exit}`),
            },
          ];
        }),
      ),
    [flow, schemas, way, chosen],
  );
}
