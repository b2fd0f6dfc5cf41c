// Kinds as they are offered, those that belong together side by side.

export const FAMILIES: [string, string, string[]][] = [
  ["say", "Say", ["consent_notice", "play", "say", "answer"]],
  ["ask", "Ask", ["ask", "menu", "digits", "confirm", "voicemail"]],
  ["decide", "Decide", ["branch", "hours", "area_code", "split"]],
  ["note", "Note", ["set_tag", "score", "webhook", "call_back", "do_not_call"]],
  ["end", "Lead on or end", ["route", "transfer", "hold", "sub_flow", "return", "hang_up"]],
];

const OF_KIND = new Map(FAMILIES.flatMap(([family, , kinds]) => kinds.map((kind): [string, string] => [kind, family])));

export const familyOf = (kind: string) => OF_KIND.get(kind) ?? "note";

/** Every kind there is, those nobody has put into a family among the notes. */
export function offered(kinds: readonly string[]): [string, string, string[]][] {
  const strays = kinds.filter((kind) => !OF_KIND.has(kind));
  return FAMILIES.map(([family, title, named]) => [
    family,
    title,
    [...named.filter((kind) => kinds.includes(kind)), ...(family === "note" ? strays : [])],
  ]);
}
