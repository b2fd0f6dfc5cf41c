// The flow for eyes only: the same picture and list, what each node says, and what inspection found. Nothing is saved.

import { useCallback, useMemo, useRef, useState } from "react";
import { Canvas, type CanvasHandle } from "./canvas";
import { type Schemas, exitsOf, inOrder } from "./change";
import { isObject, readFlow } from "./definition";
import { Outline } from "./outline";
import { Problems } from "./problems";
import { Tabs } from "./tabs";
import type { Draft, Finding, Flow, Given, Json, Schema } from "./types";

type Panel = "node" | "flow" | "problems";

export function Reader({ given, draft }: { given: Given; draft: Draft }) {
  const schemas = given.schema.$defs;
  const flow = useMemo(() => readFlow(draft.definition), [draft]);
  const order = useMemo(() => inOrder(flow, schemas), [flow, schemas]);
  const [selected, setSelected] = useState<string[]>([]);
  const [panel, setPanel] = useState<Panel>("node");
  const canvas = useRef<CanvasHandle>(null);
  const { findings } = draft;
  const go = useCallback((name: string) => {
    setPanel("node");
    canvas.current?.select([name], { look: true });
  }, []);
  const select = useCallback((names: string[]) => {
    setSelected(names);
    if (names.length) setPanel("node");
  }, []);
  const wrong = findings.length ? ` (${findings.length})` : "";
  const [name] = selected;
  return (
    <div className="fe">
      <div className="fe-toolbar" role="toolbar" aria-label="The whole flow">
        <button type="button" className="quiet" onClick={() => canvas.current?.lookAtAll()}>Show all of it</button>
        <p className="fe-saving">{whichOf(draft)} To look at: only admins and managers change it.</p>
      </div>
      <div className="fe-left">
        <div className="fe-panel">
          <Outline {...{ flow, schemas, order, selected, findings }} kinds={given.kinds} onGo={go} />
        </div>
      </div>
      <Canvas flow={flow} schemas={schemas} findings={findings} handle={canvas} onSelect={select} readOnly />
      <div className="fe-right">
        <Tabs names={{ node: "Node", flow: "Flow", problems: `Found${wrong}` }} chosen={panel} onChoose={setPanel} label="What is chosen">
          {panel === "node" && (name !== undefined && name in flow.nodes ? <NodeRead {...{ name, flow, schemas, findings }} onGo={go} /> : <Hint />)}
          {panel === "flow" && <FlowRead flow={flow} schema={given.schema.properties.commands} onGo={go} />}
          {panel === "problems" && <Problems findings={findings} flow={flow} onGo={go} />}
        </Tabs>
      </div>
    </div>
  );
}

function whichOf({ revision, based_on, newest_version }: Draft): string {
  if (!revision) return `Version ${newest_version}, which callers meet.`;
  return based_on ? `The draft, begun from version ${based_on}.` : "The draft, which no caller meets yet.";
}

function Hint() {
  return (
    <div className="fe-inspector">
      <h2>Nothing is chosen</h2>
      <p>Choose a node on the picture or in the list to see what it does.</p>
      <p className="fe-help">With the keyboard: Tab to a node, Enter chooses it.</p>
    </div>
  );
}

interface NodeProps {
  name: string;
  flow: Flow;
  schemas: Schemas;
  findings: Finding[];
  onGo: (name: string) => void;
}

function NodeRead({ name, flow, schemas, findings, onGo }: NodeProps) {
  const node = flow.nodes[name]!;
  const schema = schemas[node.kind];
  const about = findings.filter((finding) => finding.node === name);
  const exits = exitsOf(node, schemas);
  return (
    <div className="fe-inspector">
      <h2>
        {name} <span className="second">{schema?.title ?? node.kind}{flow.entry === name ? ", where every call begins" : ""}</span>
      </h2>
      <ul className="findings">
        {about.map((finding) => <li key={finding.code + finding.text} className={finding.severity}>{finding.text}</li>)}
      </ul>
      <Values schema={schema} value={node.settings} />
      {exits.length > 0 && (
        <section>
          <h3>Exits</h3>
          <ul>
            {exits.map((exit) => <li key={exit}>{exit} → <Way to={node.exits[exit]} flow={flow} onGo={onGo} /></li>)}
          </ul>
        </section>
      )}
    </div>
  );
}

function FlowRead({ flow, schema, onGo }: { flow: Flow; schema: Schema | undefined; onGo: (name: string) => void }) {
  return (
    <div className="fe-inspector">
      <h2>The whole flow</h2>
      <p>Every call begins at <Way to={flow.entry} flow={flow} onGo={onGo} />.</p>
      <p>{flow.given.length ? `Tags that come with the call: ${flow.given.join(", ")}.` : "No tags come with the call."}</p>
      <Values schema={schema} value={flow.commands} />
    </div>
  );
}

function Way({ to, flow, onGo }: { to: string | undefined; flow: Flow; onGo: (name: string) => void }) {
  if (to !== undefined && to in flow.nodes) return <button type="button" className="fe-link" onClick={() => onGo(to)}>{to}</button>;
  return <span className="fe-unit">{to ? `${to} (not there)` : "nowhere"}</span>;
}

/** Settings as words, named as the forms name them. */
function Values({ schema, value }: { schema: Schema | undefined; value: { [key: string]: Json } }) {
  const shown = Object.entries(value).filter(([key, one]) => key !== "kind" && key !== "exits" && one !== null && one !== "");
  if (!shown.length) return null;
  return (
    <dl className="fe-values">
      {shown.map(([key, one]) => {
        const field = schema?.properties?.[key];
        return (
          <div key={key}>
            <dt>{field?.title ?? key}{field?.["x-unit"] && <span className="fe-unit"> ({field["x-unit"]})</span>}</dt>
            <dd><Value schema={field} value={one} /></dd>
          </div>
        );
      })}
    </dl>
  );
}

function Value({ schema, value }: { schema: Schema | undefined; value: Json }) {
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (Array.isArray(value)) {
    return <ul>{value.map((one, place) => <li key={place}><Value schema={schema?.items} value={one} /></li>)}</ul>;
  }
  if (isObject(value)) return schema?.["x-form"] === "condition" ? <code>{JSON.stringify(value)}</code> : <Values schema={schema} value={value} />;
  return String(value);
}
