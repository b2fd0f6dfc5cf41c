// The flow editor's beginning: what the page gives, the draft, and what this browser kept of the last time.

import "@xyflow/react/dist/style.css";
import "./flow_editor.css";
import { Component, type ReactNode } from "react";
import { createRoot } from "react-dom/client";
import { SignedOut, getDraft } from "./api";
import { readFlow, writeFlow } from "./definition";
import { type Beginning, Editor } from "./editor";
import { highlight } from "./highlight";
import { forget, kept } from "./kept";
import { Reader } from "./reader";
import type { Given } from "./types";

export { highlight };

async function begin(given: Given): Promise<Beginning> {
  const draft = await getDraft(given.name);
  if (!given.may_edit) return { given, draft, restored: null };
  const found = kept(given.user, given.name);
  const same = (one: object) => JSON.stringify(one);
  if (!found || same(writeFlow(readFlow(found.definition), given.name)) === same(writeFlow(readFlow(draft.definition), given.name))) {
    forget(given.user, given.name, true);
    return { given, draft, restored: null };
  }
  // Begun from an older draft: the first save will be refused, and both are shown.
  return { given, draft: { ...draft, revision: found.revision }, restored: found.definition };
}

/** Says so when the editor itself breaks: what was typed is in this browser by then. */
class Broken extends Component<{ children: ReactNode }, { broken: boolean }> {
  override state = { broken: false };

  static getDerivedStateFromError() {
    return { broken: true };
  }

  override render() {
    if (!this.state.broken) return this.props.children;
    return <p className="refusal" role="alert">The editor broke. What you typed is kept in this browser: load the page again to go on.</p>;
  }
}

function goToNamed() {
  const name = new URLSearchParams(location.hash.slice(1)).get("node");
  if (name) requestAnimationFrame(() => document.querySelector<HTMLElement>(`.react-flow__node[data-id="${CSS.escape(name)}"]`)?.click());
}

const place = document.getElementById("flow-editor");
const given = JSON.parse(document.getElementById("flow-editor-given")?.textContent ?? "null") as Given | null;
if (place && given) {
  const root = createRoot(place);
  begin(given).then(
    (beginning) => {
      root.render(<Broken>{given.may_edit ? <Editor {...beginning} /> : <Reader {...beginning} />}</Broken>);
      setTimeout(goToNamed, 300);
    },
    (error: unknown) => {
      if (error instanceof SignedOut) location.reload();
      else root.render(<p className="refusal" role="alert">The flow cannot be loaded: {error instanceof Error ? error.message : String(error)}. Load the page again.</p>);
    },
  );
}
