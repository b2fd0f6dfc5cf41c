// The node that is chosen: its name, its settings, where its exits lead.

import { useContext, useId, useState } from "react";
import { type Schemas, exitsOf, isOptionalExit } from "./change";
import { Fields, Offers } from "./fields";
import type { Finding, Flow, Json } from "./types";

interface Props {
  name: string;
  flow: Flow;
  schemas: Schemas;
  order: string[];
  findings: Finding[];
  onRename: (from: string, to: string) => void;
  onSet: (name: string, key: string, value: Json | undefined) => void;
  onConnect: (from: string, exit: string, to: string) => void;
  onEntry: (name: string) => void;
  onRemove: (name: string) => void;
  onDuplicate: (name: string) => void;
  onGo: (name: string) => void;
}

export function Inspector(props: Props) {
  const { name, flow, schemas, findings, onSet } = props;
  const node = flow.nodes[name];
  const offers = useContext(Offers);
  if (!node) return null;
  const schema = schemas[node.kind];
  const about = findings.filter((finding) => finding.node === name);
  return (
    <div className="fe-inspector">
      <h2>
        {schema?.title ?? (node.kind || "No kind")} <span className="second">{schema?.description}</span>
      </h2>
      <ul className="findings">
        {about.map((finding) => (
          <li key={finding.code + finding.text} className={finding.severity}>{finding.text}</li>
        ))}
      </ul>
      <NodeName key={name} name={name} flow={flow} onRename={props.onRename} />
      <Offers.Provider value={{ ...offers, problems: about.map((finding) => finding.text) }}>
        {schema ? (
          <Fields key={`${name} ${node.kind}`} schema={schema} settings={node.settings} skip={["kind", "exits"]} onChange={(key, value) => onSet(name, key, value)} />
        ) : (
          <p className="refusal">This editor does not know the kind {node.kind || "of this node"}: remove the node, or correct the flow's JSON.</p>
        )}
      </Offers.Provider>
      <Exits {...props} />
      <p className="fe-row">
        {flow.entry !== name && <button type="button" className="quiet" onClick={() => props.onEntry(name)}>Make it the entry</button>}
        <button type="button" className="quiet" onClick={() => props.onDuplicate(name)}>Duplicate</button>
        <button type="button" className="quiet" onClick={() => props.onRemove(name)}>Delete node</button>
      </p>
    </div>
  );
}

function NodeName({ name, flow, onRename }: Pick<Props, "name" | "flow" | "onRename">) {
  const id = useId();
  const [typed, setTyped] = useState(name);
  const taken = typed !== name && typed in flow.nodes;
  const leave = () => (typed.trim() && !taken && typed !== name ? onRename(name, typed.trim()) : setTyped(name));
  return (
    <div className="fe-field">
      <label htmlFor={id}>Name of the node</label>
      <input
        id={id}
        data-node-name
        value={typed}
        maxLength={60}
        autoComplete="off"
        spellCheck={false}
        aria-invalid={taken || undefined}
        aria-describedby={taken ? `${id}-problem` : undefined}
        onChange={(event) => setTyped(event.target.value)}
        onBlur={leave}
        onKeyDown={(event) => event.key === "Enter" && leave()}
      />
      {taken && <p className="fe-problem" id={`${id}-problem`}>There is a node of that name already.</p>}
    </div>
  );
}

function Exits({ name, flow, schemas, order, onConnect, onGo }: Props) {
  const id = useId();
  const node = flow.nodes[name]!;
  const exits = exitsOf(node, schemas);
  if (!exits.length) return <p className="fe-help">It has no exits: the call does not go on from here.</p>;
  return (
    <fieldset className="fe-frame">
      <legend>Exits</legend>
      {exits.map((exit) => {
        const to = node.exits[exit] ?? "";
        return (
          <div className="fe-field" key={exit}>
            <label htmlFor={id + exit}>
              {exit}
              {isOptionalExit(node, exit, schemas) && <span className="fe-unit"> optional</span>}
            </label>
            <div className="fe-row">
              <select id={id + exit} value={to} onChange={(event) => onConnect(name, exit, event.target.value)}>
                <option value="">leads nowhere</option>
                {to && !(to in flow.nodes) && <option value={to}>{to} (not there)</option>}
                {order.map((one) => <option key={one} value={one}>{one}</option>)}
              </select>
              {to in flow.nodes && <button type="button" className="quiet" onClick={() => onGo(to)}>Go<span className="unseen"> to {to}</span></button>}
            </div>
          </div>
        );
      })}
    </fieldset>
  );
}
