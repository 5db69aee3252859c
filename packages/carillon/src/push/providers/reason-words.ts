const MAX_LENGTH = 200;
/** Shorter ones are ordinary words, not secrets. */
const MIN_SECRET_LENGTH = 8;

/** A service's own words as they may be kept: one line, not long, without the tokens and secrets that it repeats. */
export function reasonWords(text: string, secrets: readonly string[]): string {
  let words = text;
  for (const secret of secrets) {
    if (secret.length >= MIN_SECRET_LENGTH) words = words.replaceAll(secret, `${secret.slice(0, 4)}…`);
  }
  return words.replace(/\s+/g, ' ').trim().slice(0, MAX_LENGTH);
}
