// What can be done to the whole, and whether it is saved.

import type { History } from "./history";
import type { Saver, Saving } from "./saving";

interface Props {
  history: History;
  saver: Saver;
  told: string;
  onUndo: () => void;
  onRedo: () => void;
  onTidy: () => void;
  onPublish: () => void;
}

export function Toolbar({ history, saver, told, onUndo, onRedo, onTidy, onPublish }: Props) {
  const { saving } = saver;
  return (
    <div className="fe-toolbar" role="toolbar" aria-label="The whole flow">
      <button type="button" className="quiet" disabled={!history.past.length} onClick={onUndo} title="Ctrl+Z">Undo</button>
      <button type="button" className="quiet" disabled={!history.future.length} onClick={onRedo} title="Ctrl+Shift+Z">Redo</button>
      <button type="button" className="quiet" onClick={onTidy} title="Put all nodes in rows, from left to right">Tidy up</button>
      <p className={`fe-saving fe-is-${saving.is}`} role="status">{SAID[saving.is](saving)}</p>
      {saving.is === "signed_out" && (
        <a className="button quiet" href="/sign-in?next=/flows" target="_blank" rel="noopener">Sign in in another tab</a>
      )}
      {(saving.is === "unreachable" || saving.is === "signed_out") && (
        <button type="button" className="quiet" onClick={() => void saver.saveNow()}>Try again</button>
      )}
      <p className="fe-told" role="status">{told}</p>
      <button type="button" onClick={onPublish}>Publish …</button>
    </div>
  );
}

const SAID: { [Is in Saving["is"]]: (saving: Saving) => string } = {
  saved: () => "Saved",
  waiting: () => "Not saved yet",
  saving: () => "Saving …",
  unreachable: (saving) => `Not saved: ${why(saving)}. It is kept in this browser and tried again.`,
  signed_out: () => "Not saved: you are signed out. Your work is kept in this browser and saved once you are back in.",
  refused: (saving) => `Not saved: ${why(saving)}.`,
  changed: () => "Not saved: somebody else changed this flow.",
};

const why = (saving: Saving) => ("why" in saving ? saving.why : "");
