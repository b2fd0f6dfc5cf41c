// A condition over what is known of a call (rules/condition.py), as fields; one that is not of these shapes as JSON.

import { useContext, useId, useState } from "react";
import { isObject } from "./definition";
import { Offers } from "./fields";
import type { Json } from "./types";

const TESTS = ["=", "!=", "<", "<=", ">", ">=", "in", "between", "known"];
const ORDERED = ["<", "<=", ">", ">=", "between"];
const SHAPES = { fact: "a fact", all: "all of these", any: "any of these", not: "not this", json: "JSON" };
type Shape = keyof typeof SHAPES;
interface Props {
  value: Json | undefined;
  onChange: (value: Json) => void;
}

export function ConditionField({ value, onChange }: Props) {
  const shape = shapeOf(value);
  const id = useId();
  return (
    <div className="fe-condition">
      <div className="fe-field">
        <label htmlFor={id}>Met when</label>
        <select id={id} value={shape} onChange={(event) => onChange(reshaped(value, event.target.value as Shape))}>
          {Object.entries(SHAPES).map(([key, title]) => <option key={key} value={key}>{title}</option>)}
        </select>
      </div>
      <Inner shape={shape} value={value} onChange={onChange} />
    </div>
  );
}

function Inner({ shape, value, onChange }: Props & { shape: Shape }) {
  if (shape === "json" || !isObject(value)) return <JsonField value={value} onChange={onChange} />;
  if (shape === "fact") return <FactFields value={value} onChange={onChange} />;
  if (shape === "not") return <ConditionField value={value.not} onChange={(part) => onChange({ not: part })} />;
  const parts = Array.isArray(value[shape]) ? (value[shape] as Json[]) : [];
  const write = (changed: Json[]) => onChange({ [shape]: changed });
  return (
    <>
      {parts.map((part, place) => (
        <div className="fe-item" key={place} role="group" aria-label={`Condition ${place + 1}`}>
          <ConditionField value={part} onChange={(changed) => write(parts.map((old, at) => (at === place ? changed : old)))} />
          <button type="button" className="quiet" onClick={() => write(parts.filter((_, at) => at !== place))}>Remove<span className="unseen"> condition {place + 1}</span></button>
        </div>
      ))}
      <button type="button" className="quiet" onClick={() => write([...parts, { fact: "", "=": "" }])}>Add condition</button>
    </>
  );
}

function FactFields({ value, onChange }: { value: { [key: string]: Json }; onChange: (value: Json) => void }) {
  const { tags } = useContext(Offers);
  const id = useId();
  const test = TESTS.find((one) => one in value) ?? "=";
  const { [test]: against, ...about } = value;
  return (
    <div className="fe-fact">
      <div className="fe-field">
        <label htmlFor={`${id}f`}>Fact</label>
        <input id={`${id}f`} list={`${id}o`} value={String(value.fact ?? "")} autoComplete="off" spellCheck={false} onChange={(event) => onChange({ ...value, fact: event.target.value })} />
        <datalist id={`${id}o`}>{[...tags, "caller", "area_code"].map((tag) => <option key={tag} value={tag} />)}</datalist>
      </div>
      <div className="fe-field">
        <label htmlFor={`${id}t`}>Test</label>
        <select id={`${id}t`} value={test} onChange={(event) => onChange({ ...about, [event.target.value]: retyped(against, event.target.value) })}>
          {TESTS.map((one) => <option key={one} value={one}>{one === "in" ? "is one of" : one}</option>)}
        </select>
      </div>
      <Against key={test} id={`${id}v`} test={test} value={against} onChange={(changed) => onChange({ ...about, [test]: changed })} />
    </div>
  );
}

function Against({ id, test, value, onChange }: { id: string; test: string; value: Json | undefined; onChange: (value: Json) => void }) {
  const [typed, setTyped] = useState(() => (Array.isArray(value) ? value.map(String).join(", ") : String(value ?? "")));
  if (test === "known") {
    return (
      <div className="fe-field">
        <label className="fe-check" htmlFor={id}><input id={id} type="checkbox" checked={value === true} onChange={(event) => onChange(event.target.checked)} /> is known</label>
      </div>
    );
  }
  const help = { in: "Values, with commas", between: "From, to" }[test] ?? "Value";
  const change = (text: string) => {
    setTyped(text);
    onChange(retyped(text, test));
  };
  return (
    <div className="fe-field">
      <label htmlFor={id}>{help}</label>
      <input id={id} value={typed} autoComplete="off" onChange={(event) => change(event.target.value)} />
    </div>
  );
}

/** What is typed as the value the test wants: a list, a number where things are ordered, or a text. */
function retyped(value: Json | undefined, test: string): Json {
  if (test === "known") return typeof value === "boolean" ? value : true;
  const texts = (Array.isArray(value) ? value : String(value ?? "").split(test === "in" || test === "between" ? "," : "\n")).map((one) => String(one).trim());
  const numbers = ORDERED.includes(test);
  const read = (text: string): Json => (numbers && text !== "" && Number.isFinite(Number(text)) ? Number(text) : text);
  if (test === "in" || test === "between") return texts.filter(Boolean).map(read);
  return read(texts[0] ?? "");
}

function JsonField({ value, onChange }: Props) {
  const id = useId();
  const [typed, setTyped] = useState(() => JSON.stringify(value ?? {}));
  const [problem, setProblem] = useState("");
  const change = (text: string) => {
    setTyped(text);
    try {
      onChange(JSON.parse(text) as Json);
      setProblem("");
    } catch {
      setProblem("This is no JSON yet: it is not taken over.");
    }
  };
  return (
    <div className="fe-field">
      <label htmlFor={id}>Condition as JSON</label>
      <textarea id={id} rows={3} spellCheck={false} value={typed} onChange={(event) => change(event.target.value)} />
      {problem && <p className="fe-problem">{problem}</p>}
    </div>
  );
}

function shapeOf(value: Json | undefined): Shape {
  if (!isObject(value)) return "json";
  if (Array.isArray(value.all)) return "all";
  if (Array.isArray(value.any)) return "any";
  if (isObject(value.not)) return "not";
  return typeof value.fact === "string" ? "fact" : "json";
}

function reshaped(value: Json | undefined, shape: Shape): Json {
  const inner = isObject(value) && Object.keys(value).length ? value : { fact: "", "=": "" };
  const parts = isObject(value) ? (value.all ?? value.any) : undefined;
  const first = (Array.isArray(parts) ? parts[0] : isObject(value) && isObject(value.not) ? value.not : inner) ?? inner;
  switch (shape) {
    case "fact":
      return shapeOf(first) === "fact" ? first : { fact: "", "=": "" };
    case "not":
      return { not: inner };
    case "json":
      return {};
    default:
      return { [shape]: Array.isArray(parts) ? parts : [inner] };
  }
}
