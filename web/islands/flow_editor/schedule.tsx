// Opening hours (rules/schedule.py): ranges of the week on one wall clock, breaks, and days off.

import { useId } from "react";
import { isObject } from "./definition";
import type { Json } from "./types";

const DAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const ZONES = ["America/New_York", "America/Chicago", "America/Denver", "America/Phoenix", "America/Los_Angeles", "America/Anchorage", "Pacific/Honolulu"];
const NEW_RANGE = { days: [0, 1, 2, 3, 4], from: "09:00", to: "17:00" };

export function ScheduleField({ value, onChange }: { value: Json | undefined; onChange: (value: Json) => void }) {
  const schedule = isObject(value) ? value : { time_zone: "America/New_York", ranges: [] };
  const id = useId();
  const set = (key: string, changed: Json | undefined) => {
    const { [key]: _, ...rest } = schedule;
    onChange(changed === undefined ? rest : { ...schedule, [key]: changed });
  };
  const off = Array.isArray(schedule.closed_days) ? schedule.closed_days.map(String) : [];
  return (
    <>
      <div className="fe-field">
        <label htmlFor={`${id}z`}>Time zone</label>
        <input id={`${id}z`} list={`${id}o`} value={String(schedule.time_zone ?? "")} autoComplete="off" onChange={(event) => set("time_zone", event.target.value)} />
        <datalist id={`${id}o`}>{ZONES.map((zone) => <option key={zone} value={zone} />)}</datalist>
      </div>
      <Ranges noun="open" value={schedule.ranges} onChange={(ranges) => set("ranges", ranges)} />
      <Ranges noun="break" value={schedule.breaks} onChange={(breaks) => set("breaks", breaks.length ? breaks : undefined)} />
      <div className="fe-field">
        <label htmlFor={`${id}d`}>Days off, one a line</label>
        <textarea id={`${id}d`} rows={2} placeholder="2026-12-24" defaultValue={off.join("\n")} onChange={(event) => {
          const days = event.target.value.split(/\s+/).filter(Boolean);
          set("closed_days", days.length ? days : undefined);
        }} />
      </div>
    </>
  );
}

function Ranges({ noun, value, onChange }: { noun: string; value: Json | undefined; onChange: (ranges: Json[]) => void }) {
  const ranges = Array.isArray(value) ? value : [];
  return (
    <>
      {ranges.map((range, place) => (
        <Range
          key={place}
          label={`${noun} ${place + 1}`}
          value={isObject(range) ? range : {}}
          onChange={(changed) => onChange(ranges.map((old, at) => (at === place ? changed : old)))}
          onRemove={() => onChange(ranges.filter((_, at) => at !== place))}
        />
      ))}
      <button type="button" className="quiet" onClick={() => onChange([...ranges, noun === "break" ? { ...NEW_RANGE, from: "12:00", to: "12:30" } : NEW_RANGE])}>
        Add {noun === "break" ? "a break" : "hours"}
      </button>
    </>
  );
}

function Range({ label, value, onChange, onRemove }: { label: string; value: { [key: string]: Json }; onChange: (value: Json) => void; onRemove: () => void }) {
  const id = useId();
  const days = Array.isArray(value.days) ? value.days : [];
  const toggle = (day: number, on: boolean) => onChange({ ...value, days: on ? [...days, day].map(Number).sort() : days.filter((one) => one !== day) });
  return (
    <div className="fe-item" role="group" aria-label={label}>
      <p className="fe-days">
        {DAYS.map((name, day) => (
          <label key={name} className="fe-check"><input type="checkbox" checked={days.includes(day)} onChange={(event) => toggle(day, event.target.checked)} /> {name}</label>
        ))}
      </p>
      <div className="fe-fact">
        {(["from", "to"] as const).map((end) => (
          <div className="fe-field" key={end}>
            <label htmlFor={id + end}>{end === "from" ? "From" : "To"}</label>
            <input id={id + end} value={String(value[end] ?? "")} placeholder="09:00" maxLength={5} onChange={(event) => onChange({ ...value, [end]: event.target.value })} />
          </div>
        ))}
        <button type="button" className="quiet" onClick={onRemove}>Remove<span className="unseen"> {label}</span></button>
      </div>
    </div>
  );
}
