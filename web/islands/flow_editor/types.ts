// What a flow is, as the API spells it (ivr_flows/definition.py), and what the page gives the editor to begin with.

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

export interface Position {
  x: number;
  y: number;
}

export type Settings = { [setting: string]: Json };

export interface FlowNode {
  kind: string;
  exits: Record<string, string>;
  settings: Settings;
}

/** A definition taken apart. `rest` is what the editor does not touch. */
export interface Flow {
  entry: string;
  nodes: Record<string, FlowNode>;
  layout: Record<string, Position>;
  given: string[];
  commands: Settings;
  rest: Settings;
}

export interface Schema {
  type?: string;
  title?: string;
  description?: string;
  default?: Json;
  enum?: string[];
  minimum?: number;
  maximum?: number;
  maxLength?: number;
  properties?: Record<string, Schema>;
  required?: string[];
  items?: Schema;
  additionalProperties?: boolean | Schema;
  "x-form"?: string;
  "x-unit"?: string;
  "x-exits-of"?: string;
}

export interface Finding {
  severity: string;
  code: string;
  node: string;
  text: string;
}

export interface Kind {
  kind: string;
  waits: boolean;
  ends: boolean;
}

/** What the page hands over (web/flows/views.py: edit). */
export interface Given {
  name: string;
  user: number;
  may_edit: boolean;
  kinds: Kind[];
  schema: { $defs: Record<string, Schema>; properties: Record<string, Schema> };
  flows: string[];
  uploads: string[];
  /** The softphone's script; null where it was not built. */
  softphone: string | null;
}

export interface Draft {
  name: string;
  definition: Settings;
  revision: number;
  based_on: number;
  changed_at: string | null;
  changed_by: string;
  newest_version: number;
  findings: Finding[];
}
