/** A piece of a message: text, or a link that may be followed. */
export interface Piece {
  readonly text: string;
  readonly href?: string;
}

const URL_PATTERN = /https?:\/\/[^\s<>"]+/g;
/** What a sentence puts behind a link rather than into it. */
const TRAILING = /[.,;:!?'"»…]+$/;

/** Splits text into plain pieces and http(s) links; nothing else becomes a link, so no script can hide in one. */
export function linkify(text: string): Piece[] {
  const pieces: Piece[] = [];
  let end = 0;
  for (const match of text.matchAll(URL_PATTERN)) {
    const link = trimLink(match[0]);
    if (!URL.canParse(link)) continue;
    if (match.index > end) pieces.push({ text: text.slice(end, match.index) });
    pieces.push({ text: link, href: link });
    end = match.index + link.length;
  }
  if (end < text.length) pieces.push({ text: text.slice(end) });
  return pieces;
}

function trimLink(raw: string): string {
  let link = raw.replace(TRAILING, '');
  // A closing bracket belongs to the link only if it opened there.
  while (link.endsWith(')') && link.split(')').length > link.split('(').length)
    link = link.slice(0, -1).replace(TRAILING, '');
  return link;
}
