// One node on the canvas: what it is, what it is called, what it says, and an exit a line.

import { Handle, type Node, type NodeProps, Position, useUpdateNodeInternals } from "@xyflow/react";
import { memo, useEffect, useRef } from "react";
import { useWay } from "./highlight";

export interface NodeData extends Record<string, unknown> {
  kind: string;
  title: string;
  summary: string;
  exits: string[];
  /** Exits that lead nowhere and must lead somewhere. */
  open: string[];
  errors: number;
  warnings: number;
  isEntry: boolean;
  family: string;
}

export type CanvasNode = Node<NodeData, "flow">;

export const FlowNodeView = memo(function FlowNodeView({ id, data }: NodeProps<CanvasNode>) {
  const stands = useWay((way) => (way.at === id ? "fe-here" : way.nodes.has(id) ? "fe-passed" : ""));
  const update = useUpdateNodeInternals();
  const exits = data.exits.join("\n");
  const measured = useRef(exits);
  useEffect(() => {
    // Measured when it appears in any case; again only when its exits have changed.
    if (measured.current !== exits) update(id);
    measured.current = exits;
  }, [id, exits, update]);
  const wrong = data.errors ? "fe-wrong" : data.warnings ? "fe-doubtful" : "";
  return (
    <div className={`fe-node fe-${data.family} ${wrong} ${stands}`} data-node={id}>
      <Handle type="target" position={Position.Left} />
      <p className="fe-kind">
        <span>{data.title}</span>
        {data.isEntry && <span className="fe-entry">entry</span>}
        {data.errors > 0 && <span className="fe-count fe-error">{count(data.errors, "error")}</span>}
        {data.warnings > 0 && <span className="fe-count">{count(data.warnings, "warning")}</span>}
      </p>
      <p className="fe-name">{id}</p>
      <p className="fe-summary">{data.summary}</p>
      <ul className="fe-exits">
        {data.exits.map((exit) => (
          <li key={exit} className={data.open.includes(exit) ? "fe-open" : undefined}>
            {exit}
            <Handle type="source" position={Position.Right} id={exit} />
          </li>
        ))}
      </ul>
    </div>
  );
});

export const count = (number: number, noun: string) => `${number} ${noun}${number === 1 ? "" : "s"}`;
