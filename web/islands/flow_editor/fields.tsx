// A node's form, made of the JSON Schema that its settings are checked by.

import { type ReactNode, createContext, useContext, useId, useState } from "react";
import { ConditionField } from "./condition";
import { isObject } from "./definition";
import { Listen } from "./listen";
import { ScheduleField } from "./schedule";
import type { Json, Schema, Settings } from "./types";

/** What fields may offer, and what is wrong with them: a problem names its setting first ('prompt' must be …). */
export const Offers = createContext<{ tags: string[]; flows: string[]; nodes: string[]; uploads: string[]; problems: string[] }>({
  tags: [],
  flows: [],
  nodes: [],
  uploads: [],
  problems: [],
});

interface FieldProps {
  schema: Schema;
  path: string;
  value: Json | undefined;
  onChange: (value: Json | undefined) => void;
  required?: boolean;
  title?: string;
}

/** The fields of an object, one below the other. */
export function Fields({ schema, settings, onChange, path = "", skip = [] }: {
  schema: Schema;
  settings: Settings;
  onChange: (key: string, value: Json | undefined) => void;
  path?: string;
  skip?: string[];
}) {
  return Object.entries(schema.properties ?? {})
    .filter(([key]) => !skip.includes(key))
    .map(([key, field]) => (
      <Field
        key={key}
        schema={field}
        path={path ? `${path}.${key}` : key}
        value={settings[key]}
        required={schema.required?.includes(key)}
        onChange={(value) => onChange(key, value)}
      />
    ));
}

export function Field(props: FieldProps) {
  const { schema } = props;
  if (schema["x-form"] === "condition") return <Framed {...props}>{() => <ConditionField value={props.value} onChange={props.onChange} />}</Framed>;
  if (schema["x-form"] === "schedule") return <Framed {...props}>{() => <ScheduleField value={props.value} onChange={props.onChange} />}</Framed>;
  if (schema.type === "boolean") return <CheckField {...props} />;
  if (schema.type === "array" && schema.items) return <ListField {...props} items={schema.items} />;
  if (isObject(schema.additionalProperties)) return <MapField {...props} values={schema.additionalProperties as Schema} />;
  if (schema.type === "object") return <ObjectField {...props} />;
  return <Labelled {...props}>{(ids) => <Control {...props} {...ids} />}</Labelled>;
}

interface Ids {
  id: string;
  describedBy: string | undefined;
  wrong: boolean;
}

function Control({ schema, path, value, onChange, required, id, describedBy, wrong }: FieldProps & Ids) {
  const { tags, flows, nodes } = useContext(Offers);
  const common = { id, "aria-describedby": describedBy, "aria-invalid": wrong || undefined };
  const fallback = schema.default === undefined ? "" : String(schema.default);
  if (schema.enum) {
    return (
      <select {...common} value={String(value ?? fallback)} onChange={(event) => onChange(event.target.value)}>
        {!schema.enum.includes(String(value ?? fallback)) && <option value={String(value ?? "")}>choose …</option>}
        {schema.enum.map((one) => (
          <option key={one} value={one}>{one.replaceAll("_", " ") || "none"}</option>
        ))}
      </select>
    );
  }
  if (schema.type === "integer" || schema.type === "number") return <NumberControl {...{ schema, value, onChange }} common={common} fallback={fallback} />;
  const change = (text: string) => onChange(text === "" && !required ? undefined : text);
  if (schema["x-form"] === "prompt") {
    return (
      <>
        <textarea {...common} rows={3} value={textOf(value)} placeholder={fallback} onChange={(event) => change(event.target.value)} />
        <Listen text={textOf(value) || fallback} />
      </>
    );
  }
  const options = schema["x-form"] === "tag" ? tags : path === "flow" ? flows : path === "commands.operator" ? nodes : [];
  return (
    <>
      <input {...common} value={textOf(value)} placeholder={fallback} list={options.length ? `${id}-options` : undefined} autoComplete="off" spellCheck={false} onChange={(event) => change(event.target.value)} />
      {options.length > 0 && <datalist id={`${id}-options`}>{options.map((one) => <option key={one} value={one} />)}</datalist>}
    </>
  );
}

function NumberControl({ schema, value, onChange, common, fallback }: Pick<FieldProps, "schema" | "value" | "onChange"> & { common: object; fallback: string }) {
  const change = (text: string) => onChange(text === "" ? undefined : Number.isFinite(Number(text)) ? Number(text) : text);
  return (
    <input
      {...common}
      type="number"
      className="fe-number"
      min={schema.minimum}
      max={schema.maximum}
      step={schema.type === "integer" ? 1 : "any"}
      value={typeof value === "number" || typeof value === "string" ? value : ""}
      placeholder={fallback}
      onChange={(event) => change(event.target.value)}
    />
  );
}

function CheckField({ schema, path, value, onChange }: FieldProps) {
  const id = useId();
  const checked = typeof value === "boolean" ? value : schema.default === true;
  return (
    <div className="fe-field">
      <label className="fe-check" htmlFor={id}>
        <input id={id} type="checkbox" checked={checked} onChange={(event) => onChange(event.target.checked)} /> {schema.title ?? path}
      </label>
      <Help schema={schema} />
    </div>
  );
}

function ObjectField({ schema, path, value, onChange, title }: FieldProps) {
  const settings = isObject(value) ? value : {};
  const change = (key: string, one: Json | undefined) => {
    const { [key]: _, ...rest } = settings;
    onChange(one === undefined ? rest : { ...settings, [key]: one });
  };
  return (
    <Framed schema={schema} path={path} title={title}>
      {() => <Fields schema={schema} settings={settings} path={path} onChange={change} />}
    </Framed>
  );
}

function ListField({ schema, path, value, onChange, items }: FieldProps & { items: Schema }) {
  const list = Array.isArray(value) ? value : [];
  const noun = (items.title ?? "line").toLowerCase();
  const set = (place: number, one: Json | undefined) => onChange(list.map((old, at) => (at === place ? (one ?? "") : old)));
  const swap = (place: number) => onChange(list.map((one, at) => (at === place - 1 ? list[place]! : at === place ? list[place - 1]! : one)));
  return (
    <Framed schema={schema} path={path}>
      {() => (
        <>
          {list.map((one, place) => (
            <div className="fe-item" key={place} role="group" aria-label={`${items.title ?? path} ${place + 1}`}>
              <Field schema={items} path={`${path}[${place}]`} title={`${items.title} ${place + 1}`} value={one} required onChange={(changed) => set(place, changed)} />
              <p className="fe-row">
                {place > 0 && <button type="button" className="quiet" onClick={() => swap(place)}>Up<span className="unseen"> with {noun} {place + 1}</span></button>}
                <button type="button" className="quiet" onClick={() => onChange(list.filter((_, at) => at !== place))}>Remove<span className="unseen"> {noun} {place + 1}</span></button>
              </p>
            </div>
          ))}
          <button type="button" className="quiet" onClick={() => onChange([...list, emptyOf(items)])}>Add {noun}</button>
        </>
      )}
    </Framed>
  );
}

function MapField({ schema, path, value, onChange, values }: FieldProps & { values: Schema }) {
  const rows = isObject(value) ? Object.entries(value) : [];
  const write = (changed: [string, Json][]) => onChange(changed.length || schema.default === undefined ? Object.fromEntries(changed) : undefined);
  const replace = (place: number, row: [string, Json]) => write(rows.map((old, at) => (at === place ? row : old)));
  return (
    <Framed schema={schema} path={path}>
      {() => (
        <>
          {rows.map(([name, one], place) => (
            <div className="fe-pair" key={place} role="group" aria-label={name || "new line"}>
              <NameInput name={name} taken={rows.map(([other]) => other)} onChange={(changed) => replace(place, [changed, one])} />
              <Field schema={values} path={`${path}.${name}`} value={one} required onChange={(changed) => replace(place, [name, changed ?? ""])} />
              <button type="button" className="quiet" aria-label={`Remove ${name}`} onClick={() => write(rows.filter((_, at) => at !== place))}>×</button>
            </div>
          ))}
          <button type="button" className="quiet" onClick={() => write([...rows, [freeKey(rows), emptyOf(values)]])}>Add a line</button>
        </>
      )}
    </Framed>
  );
}

/** A name takes hold when it is left: halfway through it may be another's. */
function NameInput({ name, taken, onChange }: { name: string; taken: string[]; onChange: (name: string) => void }) {
  const [typed, setTyped] = useState(name);
  const [shown, setShown] = useState(name);
  const id = useId();
  if (shown !== name) {
    setShown(name);
    setTyped(name);
  }
  const leave = () => (typed && typed !== name && !taken.includes(typed) ? onChange(typed) : setTyped(name));
  return (
    <div className="fe-field">
      <label htmlFor={id}>Name</label>
      <input id={id} value={typed} autoComplete="off" spellCheck={false} onChange={(event) => setTyped(event.target.value)} onBlur={leave} onKeyDown={(event) => event.key === "Enter" && leave()} />
    </div>
  );
}

function freeKey(rows: [string, Json][]): string {
  for (let number = rows.length + 1; ; number++) {
    if (!rows.some(([name]) => name === `line_${number}`)) return `line_${number}`;
  }
}

function emptyOf(schema: Schema): Json {
  if (schema.type === "array") return [""];
  if (schema["x-form"] === "condition") return { fact: "", "=": "" };
  if (schema.type === "object") return Object.fromEntries((schema.required ?? []).map((key) => [key, emptyOf(schema.properties?.[key] ?? {})]));
  if (schema.type === "integer" || schema.type === "number") return schema.minimum && schema.minimum > 0 ? schema.minimum : 1;
  return "";
}

function Labelled({ schema, path, required, children }: FieldProps & { children: (ids: Ids) => ReactNode }) {
  const id = useId();
  const problem = useProblem(path);
  const describedBy = [schema.description ? `${id}-help` : "", problem ? `${id}-problem` : ""].filter(Boolean).join(" ") || undefined;
  return (
    <div className="fe-field">
      <label htmlFor={id}>
        {schema.title ?? path}
        {schema["x-unit"] && <span className="fe-unit"> ({schema["x-unit"]})</span>}
        {!required && <span className="fe-unit"> optional</span>}
      </label>
      {children({ id, describedBy, wrong: Boolean(problem) })}
      <Help schema={schema} id={`${id}-help`} />
      {problem && <p className="fe-problem" id={`${id}-problem`}>{problem}</p>}
    </div>
  );
}

function Framed({ schema, path, title, children }: Pick<FieldProps, "schema" | "path" | "title"> & { children: () => ReactNode }) {
  const problem = useProblem(path);
  return (
    <fieldset className="fe-frame">
      <legend>{title ?? schema.title ?? path}</legend>
      <Help schema={schema} />
      {problem && <p className="fe-problem">{problem}</p>}
      {children()}
    </fieldset>
  );
}

function Help({ schema, id }: { schema: Schema; id?: string }) {
  return schema.description ? <p className="fe-help" id={id}>{schema.description}</p> : null;
}

function useProblem(path: string): string {
  const { problems } = useContext(Offers);
  return problems.find((problem) => problem.startsWith(`'${path}'`)) ?? "";
}

const textOf = (value: Json | undefined) => (typeof value === "string" || typeof value === "number" ? String(value) : "");
