// Tabs, as a keyboard expects them.

import { type KeyboardEvent, type ReactNode, useId } from "react";

export type TabNames<Tab extends string> = Partial<Record<Tab, string>>;

interface Props<Tab extends string> {
  names: TabNames<Tab>;
  chosen: Tab;
  onChoose: (tab: Tab) => void;
  label: string;
  children: ReactNode;
}

export function Tabs<Tab extends string>({ names, chosen, onChoose, label, children }: Props<Tab>) {
  const id = useId();
  const tabs = Object.keys(names) as Tab[];
  const press = (event: KeyboardEvent<HTMLDivElement>) => {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!by) return;
    event.preventDefault();
    const next = tabs[(tabs.indexOf(chosen) + by + tabs.length) % tabs.length]!;
    onChoose(next);
    document.getElementById(id + next)?.focus();
  };
  return (
    <>
      <div className="fe-tabs" role="tablist" aria-label={label} onKeyDown={press}>
        {tabs.map((tab) => (
          <button
            key={tab}
            id={id + tab}
            type="button"
            role="tab"
            className="quiet"
            aria-selected={tab === chosen}
            aria-controls={`${id}-panel`}
            tabIndex={tab === chosen ? 0 : -1}
            onClick={() => onChoose(tab)}
          >
            {names[tab]}
          </button>
        ))}
      </div>
      <div className="fe-panel" role="tabpanel" id={`${id}-panel`} aria-labelledby={id + chosen} tabIndex={0}>
        {children}
      </div>
    </>
  );
}
