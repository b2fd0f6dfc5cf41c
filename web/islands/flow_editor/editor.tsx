// The editor: kinds and the list at the left, the picture in the middle, what is chosen at the right.

import { useCallback, useMemo, useRef, useState } from "react";
import { CallPanel } from "./call";
import { Canvas, type CanvasHandle } from "./canvas";
import * as change from "./change";
import { readFlow, writeFlow } from "./definition";
import { ConflictDialog, PublishDialog } from "./dialogs";
import { Offers } from "./fields";
import { FlowPanel } from "./flow_panel";
import { useHistory } from "./history";
import { Inspector } from "./inspector";
import { freePlace, placesOf, tidy } from "./layout";
import { Outline } from "./outline";
import { Palette } from "./palette";
import { Problems } from "./problems";
import { useSaver } from "./saving";
import { type Commands, copiedOf, useShortcuts } from "./shortcuts";
import { type TabNames, Tabs } from "./tabs";
import { Toolbar } from "./toolbar";
import { TryIt } from "./try_it";
import type { Draft, Flow, Given, Json, Position, Settings } from "./types";

export interface Beginning {
  given: Given;
  draft: Draft;
  /** What was typed and not saved when the editor was last left, if anything. */
  restored: Settings | null;
}

type Panel = "node" | "flow" | "problems" | "try" | "call";

export function Editor({ given, draft, restored }: Beginning) {
  const schemas = given.schema.$defs;
  const [history, take] = useHistory(useMemo(() => readFlow(restored ?? draft.definition), []));
  const { flow } = history;
  const [selected, setSelected] = useState<string[]>([]);
  const [panel, setPanel] = useState<Panel>("node");
  const [dialog, setDialog] = useState<"publish" | null>(null);
  const [told, setTold] = useState(restored ? "What you had not saved is back." : "");
  const [newest, setNewest] = useState(draft.newest_version);
  const canvas = useRef<CanvasHandle>(null);
  const definition = useMemo(() => writeFlow(flow, given.name), [flow, given.name]);
  const begun = useMemo(() => writeFlow(readFlow(draft.definition), given.name), [draft, given.name]);
  const saver = useSaver(given, draft, definition, begun);
  const order = useMemo(() => change.inOrder(flow, schemas), [flow, schemas]);
  const findings = saver.findings;

  const alter = useCallback((changed: (flow: Flow) => Flow, about?: string) => take({ do: "change", change: changed, about }), [take]);
  const choose = useCallback((name: string, focus = false) => {
    setPanel((now) => (now === "try" || now === "call" ? now : "node"));
    canvas.current?.select([name], { look: true, focus });
  }, []);
  const actions = useActions({ flow, schemas, selected, alter, canvas, setTold, setPanel });
  const select = useCallback((names: string[]) => {
    setSelected(names);
    if (names.length) setPanel((now) => (now === "flow" || now === "problems" ? "node" : now));
  }, []);

  const commands = useMemo<Commands>(
    () => ({
      undo: () => take({ do: "undo" }),
      redo: () => take({ do: "redo" }),
      save: () => void saver.saveNow(),
      selectAll: () => canvas.current?.select(Object.keys(flow.nodes)),
      walk: (by) => {
        const next = walked(flow, order, selected[0], by);
        if (next) canvas.current?.select([next], { look: true, focus: true });
      },
      copied: () => copiedOf(flow, placesOf(flow, schemas), selected),
      paste: actions.paste,
      remove: () => actions.remove(selected, []),
    }),
    [take, saver.saveNow, flow, schemas, order, selected, actions],
  );
  useShortcuts(commands);

  const offers = useMemo(() => ({ tags: change.tagsOf(flow), flows: given.flows, nodes: order, uploads: given.uploads, problems: [] }), [flow, given, order]);
  const [name] = selected;
  const wrong = findings.length ? ` (${findings.length})` : "";
  const panels: TabNames<Panel> = { node: "Node", flow: "Flow", problems: `To mend${wrong}`, try: "Try it", ...(given.softphone ? { call: "Call" } : {}) };
  return (
    <Offers.Provider value={offers}>
      <div className="fe">
        <Toolbar
          history={history}
          saver={saver}
          told={told}
          onUndo={commands.undo}
          onRedo={commands.redo}
          onTidy={() => {
            alter((now) => change.place(now, tidy(now, schemas)));
            requestAnimationFrame(() => canvas.current?.lookAtAll());
          }}
          onPublish={() => setDialog("publish")}
        />
        <Left given={given} flow={flow} order={order} saver={saver} selected={selected} choose={choose} actions={actions} />
        <Canvas
          flow={flow}
          schemas={schemas}
          findings={findings}
          handle={canvas}
          onSelect={select}
          onPlace={actions.place}
          onConnect={actions.connect}
          onRemove={actions.remove}
          onAdd={actions.addAt}
        />
        <div className="fe-right" onBlur={() => take({ do: "pause" })}>
          <Tabs names={panels} chosen={panel} onChoose={setPanel} label="What is chosen">
            {panel === "node" && name !== undefined && name in flow.nodes && (
              <Inspector
                {...{ name, flow, schemas, order, findings }}
                onRename={actions.rename}
                onSet={actions.set}
                onConnect={actions.connect}
                onEntry={actions.entry}
                onRemove={(gone) => actions.remove([gone], [])}
                onDuplicate={(one) => {
                  const copied = copiedOf(flow, placesOf(flow, schemas), [one]);
                  if (copied) actions.paste(copied);
                }}
                onGo={choose}
              />
            )}
            {panel === "node" && (name === undefined || !(name in flow.nodes)) && <Hint empty={!order.length} />}
            {panel === "flow" && (
              <FlowPanel
                {...{ flow, given, order }}
                onEntry={actions.entry}
                onGiven={(tags) => alter((now) => ({ ...now, given: tags }))}
                onCommands={(changed) => alter((now) => ({ ...now, commands: changed }), "commands")}
              />
            )}
            {panel === "problems" && <Problems findings={findings} flow={flow} onGo={(one) => {
              setPanel("node");
              choose(one);
            }} />}
            {panel === "try" && <TryIt name={given.name} definition={definition} />}
            {panel === "call" && given.softphone && <CallPanel flow={given.name} definition={definition} script={given.softphone} />}
          </Tabs>
        </div>
        {dialog === "publish" && (
          <PublishDialog
            name={given.name}
            findings={findings}
            revision={saver.revision}
            newest={newest}
            saveNow={saver.saveNow}
            onClose={() => setDialog(null)}
            onPublished={(version) => {
              setDialog(null);
              setNewest(version);
              setTold(`Version ${version} is published: new callers meet it.`);
            }}
          />
        )}
        {saver.saving.is === "changed" && (
          <Conflict given={given} definition={definition} saver={saver} theirs={saver.saving.theirs} load={(theirs) => take({ do: "load", flow: theirs })} />
        )}
      </div>
    </Offers.Provider>
  );
}

function Left({ given, flow, order, saver, selected, choose, actions }: {
  given: Given;
  flow: Flow;
  order: string[];
  saver: ReturnType<typeof useSaver>;
  selected: string[];
  choose: (name: string) => void;
  actions: Actions;
}) {
  const [shown, setShown] = useState<"kinds" | "list">("kinds");
  const schemas = given.schema.$defs;
  return (
    <div className="fe-left">
      <Tabs names={{ kinds: "Kinds", list: "List" }} chosen={shown} onChoose={setShown} label="Kinds of nodes, and the flow as a list">
        {shown === "kinds" ? (
          <Palette kinds={given.kinds} schemas={schemas} onAdd={actions.add} />
        ) : (
          <Outline {...{ flow, schemas, order, selected }} kinds={given.kinds} findings={saver.findings} onGo={choose} onAdd={actions.addNamed} />
        )}
      </Tabs>
    </div>
  );
}

function Conflict({ given, definition, saver, theirs, load }: { given: Given; definition: Settings; saver: ReturnType<typeof useSaver>; theirs: Draft; load: (flow: Flow) => void }) {
  return (
    <ConflictDialog
      name={given.name}
      mine={definition}
      theirs={theirs}
      onTheirs={() => {
        const flow = readFlow(theirs.definition);
        saver.takeTheirs(theirs, writeFlow(flow, given.name));
        load(flow);
      }}
      onElsewhere={(other) => {
        saver.letGo();
        location.assign(`/flows/${encodeURIComponent(other)}/edit`);
      }}
    />
  );
}

function Hint({ empty }: { empty: boolean }) {
  return (
    <div className="fe-inspector">
      <h2>{empty ? "An empty flow" : "Nothing is chosen"}</h2>
      <p>{empty ? "Add a node from the kinds at the left: the first one is where every call begins." : "Choose a node on the picture or in the list to see its settings."}</p>
      <p className="fe-help">Draw from the dot at an exit to the node it leads to. Shift and drag chooses several; Ctrl+C and Ctrl+V copy; Delete removes; Ctrl+Z undoes. With the keyboard: Tab to a node, Enter chooses it, Ctrl+→ follows its exits, the arrows move it.</p>
    </div>
  );
}

interface Parts {
  flow: Flow;
  schemas: change.Schemas;
  selected: string[];
  alter: (changed: (flow: Flow) => Flow, about?: string) => void;
  canvas: React.RefObject<CanvasHandle | null>;
  setTold: (told: string) => void;
  setPanel: (panel: Panel) => void;
}

type Actions = ReturnType<typeof useActions>;

function useActions({ flow, schemas, selected, alter, canvas, setTold, setPanel }: Parts) {
  const latest = useRef({ flow, selected });
  latest.current = { flow, selected };
  return useMemo(() => {
    const settle = (now: Flow) => change.place(now, placesOf(now, schemas));
    const choose = (names: string[], focus = false) => requestAnimationFrame(() => canvas.current?.select(names, { focus }));
    const insert = (kind: string, name: string, wanted: Position) => {
      alter((now) => change.addNode(settle(now), name, kind, freePlace(placesOf(now, schemas), wanted)));
      setPanel("node");
      setTold(`${name} is added.`);
      choose([name]);
    };
    /** Beside what is chosen, else in the middle of the picture. */
    const beside = (): Position => {
      const [chosen] = latest.current.selected;
      const place = chosen === undefined ? undefined : placesOf(latest.current.flow, schemas)[chosen];
      return place ? { x: place.x + 330, y: place.y } : (canvas.current?.middle() ?? { x: 0, y: 0 });
    };
    return {
      add: (kind: string, byKey: boolean) => {
        insert(kind, change.freeName(latest.current.flow, kind), beside());
        if (byKey) requestAnimationFrame(() => requestAnimationFrame(focusName));
      },
      addNamed: (kind: string, name: string) => insert(kind, name, beside()),
      addAt: (kind: string, place: Position) => insert(kind, change.freeName(latest.current.flow, kind), place),
      place: (places: Record<string, Position>) => alter((now) => change.place(now, places)),
      connect: (from: string, exit: string, to: string) => alter((now) => change.connect(settle(now), from, exit, to)),
      remove: (nodes: readonly string[], exits: [string, string][]) => {
        alter((now) => change.removeNodes(exits.reduce((cut, [from, exit]) => change.connect(cut, from, exit, ""), settle(now)), nodes));
        setTold(nodes.length ? `${nodes.join(", ")} removed: undo brings it back.` : "The exit leads nowhere now.");
      },
      rename: (from: string, to: string) => {
        alter((now) => change.renameNode(settle(now), from, to));
        choose([to]);
      },
      set: (name: string, key: string, value: Json | undefined) => alter((now) => change.setSetting(now, name, key, value, schemas), `${name} ${key}`),
      entry: (name: string) => alter((now) => ({ ...now, entry: name })),
      paste: (copied: { nodes: Flow["nodes"]; places: Record<string, Position> }) => {
        const [grown, names] = change.paste(settle(latest.current.flow), copied.nodes, copied.places);
        alter(() => grown);
        setTold(`${names.join(", ")} added.`);
        choose(names, true);
      },
    };
  }, [schemas, alter, canvas, setTold, setPanel]);
}

function focusName() {
  document.querySelector<HTMLInputElement>("[data-node-name]")?.select();
}

/** The next node along the exits, or back; where there is none, the next in the list. */
function walked(flow: Flow, order: string[], from: string | undefined, by: 1 | -1): string | undefined {
  if (from === undefined) return order[0];
  const along = by === 1 ? Object.values(flow.nodes[from]?.exits ?? {}) : order.filter((name) => Object.values(flow.nodes[name]?.exits ?? {}).includes(from));
  return along.find((name) => name in flow.nodes && name !== from) ?? order[order.indexOf(from) + by];
}
