/** JSON text that is embedded as it stands: the data of a publication is never parsed again for each receiver. */
export class RawJson {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }

  static of(value: unknown): RawJson {
    return new RawJson(JSON.stringify(value));
  }
}

/** As `JSON.stringify`, with `RawJson` embedded. Undefined members are left out. */
export function encodeJson(value: unknown): string {
  if (value instanceof RawJson) return value.text;
  if (Array.isArray(value)) return `[${value.map(encodeJson).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  let text = '';
  for (const [key, member] of Object.entries(value)) {
    if (member !== undefined) text += `${text && ','}${JSON.stringify(key)}:${encodeJson(member)}`;
  }
  return `{${text}}`;
}
