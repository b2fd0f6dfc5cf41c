// What holds for the whole flow: the entry, tags that come with the call, what callers may say at every question.

import { useId } from "react";
import { Field } from "./fields";
import { isObject } from "./definition";
import type { Flow, Given, Json } from "./types";

interface Props {
  flow: Flow;
  given: Given;
  order: string[];
  onEntry: (name: string) => void;
  onGiven: (tags: string[]) => void;
  onCommands: (commands: Flow["commands"]) => void;
}

export function FlowPanel({ flow, given, order, onEntry, onGiven, onCommands }: Props) {
  const id = useId();
  const commands = given.schema.properties.commands;
  const change = (value: Json | undefined) => onCommands(isObject(value) ? value : {});
  return (
    <div className="fe-inspector">
      <h2>The whole flow</h2>
      <div className="fe-field">
        <label htmlFor={`${id}e`}>Every call begins at</label>
        <select id={`${id}e`} value={flow.entry} onChange={(event) => onEntry(event.target.value)}>
          {!(flow.entry in flow.nodes) && <option value={flow.entry}>choose …</option>}
          {order.map((name) => <option key={name} value={name}>{name}</option>)}
        </select>
      </div>
      <div className="fe-field">
        <label htmlFor={`${id}g`}>Tags that come with the call</label>
        <input id={`${id}g`} aria-describedby={`${id}h`} defaultValue={flow.given.join(", ")} autoComplete="off" onBlur={(event) => {
          const tags = event.target.value.split(/[\s,]+/).filter(Boolean);
          if (tags.join() !== flow.given.join()) onGiven(tags);
        }} />
        <p className="fe-help" id={`${id}h`}>Of the tracking number, or of a flow that goes into this one: names with commas.</p>
      </div>
      {commands && <Field schema={commands} path="commands" value={flow.commands} onChange={change} />}
    </div>
  );
}
