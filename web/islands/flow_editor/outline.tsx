// The flow as a list, in the order callers meet the nodes: all that the picture shows, for eyes and fingers that want a list.

import { useId, useState } from "react";
import { type Schemas, exitsOf, freeName } from "./change";
import { useWay } from "./highlight";
import type { Finding, Flow, Kind } from "./types";

interface Props {
  flow: Flow;
  kinds: Kind[];
  schemas: Schemas;
  order: string[];
  findings: Finding[];
  selected: readonly string[];
  onGo: (name: string) => void;
  /** Left out where nothing may be added. */
  onAdd?: (kind: string, name: string) => void;
}

export function Outline({ flow, kinds, schemas, order, findings, selected, onGo, onAdd }: Props) {
  const at = useWay((way) => way.at);
  return (
    <div className="fe-outline">
      {onAdd && <AddNode flow={flow} kinds={kinds} schemas={schemas} onAdd={onAdd} />}
      {!order.length && <p className="fe-help">No node yet.{onAdd && " The first one you add is where every call begins."}</p>}
      <ol aria-label="Nodes, in the order callers meet them">
        {order.map((name) => {
          const node = flow.nodes[name]!;
          const wrong = findings.filter((finding) => finding.node === name).length;
          return (
            <li key={name}>
              <button type="button" className="quiet fe-line" aria-pressed={selected.includes(name)} onClick={() => onGo(name)}>
                <b>{name}</b> <span className="fe-unit">{schemas[node.kind]?.title ?? node.kind}</span>
                {flow.entry === name && <span className="fe-entry">entry</span>}
                {at === name && <span className="fe-entry">the call is here</span>}
                {wrong > 0 && <span className="fe-count fe-error">{wrong} to mend</span>}
              </button>
              <ul>
                {exitsOf(node, schemas).map((exit) => {
                  const to = node.exits[exit];
                  return (
                    <li key={exit}>
                      {exit} →{" "}
                      {to !== undefined && to in flow.nodes ? (
                        <button type="button" className="fe-link" onClick={() => onGo(to)}>{to}</button>
                      ) : (
                        <span className="fe-unit">{to ? `${to} (not there)` : "nowhere"}</span>
                      )}
                    </li>
                  );
                })}
              </ul>
            </li>
          );
        })}
      </ol>
    </div>
  );
}

function AddNode({ flow, kinds, schemas, onAdd }: Required<Pick<Props, "flow" | "kinds" | "schemas" | "onAdd">>) {
  const id = useId();
  const [kind, setKind] = useState(kinds[0]?.kind ?? "");
  const [name, setName] = useState("");
  const add = () => {
    onAdd(kind, freeName(flow, name.trim() || kind));
    setName("");
  };
  return (
    <form
      className="fe-add"
      aria-label="Add a node"
      onSubmit={(event) => {
        event.preventDefault();
        add();
      }}
    >
      <div className="fe-field">
        <label htmlFor={`${id}k`}>Kind</label>
        <select id={`${id}k`} value={kind} onChange={(event) => setKind(event.target.value)}>
          {kinds.map((one) => <option key={one.kind} value={one.kind}>{schemas[one.kind]?.title ?? one.kind}</option>)}
        </select>
      </div>
      <div className="fe-field">
        <label htmlFor={`${id}n`}>Its name</label>
        <input id={`${id}n`} value={name} placeholder={freeName(flow, kind)} maxLength={60} autoComplete="off" spellCheck={false} onChange={(event) => setName(event.target.value)} />
      </div>
      <button type="submit">Add node</button>
    </form>
  );
}
