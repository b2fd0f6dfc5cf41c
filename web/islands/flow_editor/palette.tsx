// Kinds of nodes: drag one onto the picture, or press it.

import { KIND_BEING_DRAGGED } from "./canvas";
import type { Schemas } from "./change";
import { offered } from "./families";
import type { Kind } from "./types";

export function Palette({ kinds, schemas, onAdd }: { kinds: Kind[]; schemas: Schemas; onAdd: (kind: string, byKey: boolean) => void }) {
  return (
    <div className="fe-palette">
      <p className="fe-help">Drag a kind onto the picture, or press it.</p>
      {offered(kinds.map((one) => one.kind)).map(([family, title, named]) => (
        <div key={family} role="group" aria-label={title}>
          <p className="fe-family">{title}</p>
          {named.map((kind) => (
            <button
              key={kind}
              type="button"
              className={`quiet fe-${family}`}
              title={schemas[kind]?.description}
              draggable
              onDragStart={(event) => event.dataTransfer.setData(KIND_BEING_DRAGGED, kind)}
              onClick={(event) => onAdd(kind, event.detail === 0)}
            >
              {schemas[kind]?.title ?? kind}
            </button>
          ))}
        </div>
      ))}
    </div>
  );
}
