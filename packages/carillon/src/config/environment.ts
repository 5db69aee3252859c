import { editDistance, type Option } from './option.ts';

const PREFIX = 'CARILLON_';
/** Centrifugo's, which is read, too: what is there under both names has the value of ours. */
const THEIR_PREFIX = 'CENTRIFUGO_';
/** Variables of ours that are no options: where the data lie, and what `npm start` reads. */
const OTHERS = new Set(['CARILLON_DATA_DIR', 'CARILLON_PORT', 'CARILLON_URL']);

/**
 * Lays the environment over a configuration read from a file: `CARILLON_` and the key's path, upper-cased, joined by `_`.
 * `CENTRIFUGO_` does as well, so that its environment can be kept (server-api, section 8). A consumer's options can be set one by one by its name: `CARILLON_CONSUMERS_<NAME>_POSTGRESQL_DSN`.
 */
export function applyEnvironment(
  root: Option<unknown>,
  fileValue: unknown,
  env: NodeJS.ProcessEnv,
  warnings: string[],
): unknown {
  const target = isRecord(fileValue) ? structuredClone(fileValue) : {};
  const names = new Map<string, { path: string[]; option: Option<unknown> }>();
  collect(root, [], names);
  const variables = Object.entries(env)
    .filter(([name]) => (name.startsWith(PREFIX) && !OTHERS.has(name)) || name.startsWith(THEIR_PREFIX))
    .map(([given, raw]) => ({ given, raw, name: given.replace(THEIR_PREFIX, PREFIX) }))
    .filter(({ given, name }) => given === name || env[name] === undefined)
    // Whole lists first, so that a single option of one entry can follow.
    .sort((a, b) => a.name.length - b.name.length);
  for (const { given, raw, name } of variables) {
    if (raw === undefined) continue;
    const entry = names.get(name);
    if (entry) assign(target, entry.path, entry.option.fromText(raw));
    else if (!applyToListEntry(root, target, name, raw))
      warnings.push(unknownVariable(given, name, [...names.keys()]));
  }
  return target;
}

function collect(
  option: Option<unknown>,
  path: string[],
  names: Map<string, { path: string[]; option: Option<unknown> }>,
): void {
  if (path.length > 0) names.set(PREFIX + path.join('_').toUpperCase(), { path, option });
  if (option.kind !== 'section') return;
  for (const [key, member] of Object.entries(option.members ?? {})) collect(member, [...path, key], names);
}

/** `CARILLON_CONSUMERS_ORDERS_POSTGRESQL_DSN` → the option of the entry whose `name` is `orders`. */
function applyToListEntry(
  root: Option<unknown>,
  target: Record<string, unknown>,
  name: string,
  raw: string,
): boolean {
  const consumers = root.members?.consumers;
  const start = `${PREFIX}CONSUMERS_`;
  if (!consumers?.members || !name.startsWith(start) || !Array.isArray(target.consumers)) return false;
  for (const entry of target.consumers) {
    if (!isRecord(entry) || typeof entry.name !== 'string') continue;
    const own = `${start}${entry.name.toUpperCase()}_`;
    if (!name.startsWith(own)) continue;
    const names = new Map<string, { path: string[]; option: Option<unknown> }>();
    for (const [key, member] of Object.entries(consumers.members)) collect(member, [key], names);
    const found = names.get(PREFIX + name.slice(own.length));
    if (!found) continue;
    assign(entry, found.path, found.option.fromText(raw));
    return true;
  }
  return false;
}

function assign(target: Record<string, unknown>, path: readonly string[], value: unknown): void {
  let at = target;
  for (const key of path.slice(0, -1)) {
    if (!isRecord(at[key])) at[key] = {};
    at = at[key] as Record<string, unknown>;
  }
  at[path.at(-1) as string] = value;
}

function unknownVariable(given: string, name: string, known: readonly string[]): string {
  const nearest = known
    .map((candidate) => ({ candidate, distance: editDistance(name, candidate) }))
    .sort((a, b) => a.distance - b.distance)[0];
  const hint = nearest && nearest.distance <= 4 ? `; did you mean ${nearest.candidate}?` : '';
  return `environment variable ${given} is not a known option: ignored${hint}`;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
