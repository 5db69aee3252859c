/** The package.json of a packed package: that of the checkout, with everything pointing at what was compiled. */

/** What of a package.json matters here. */
export interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly bin?: Readonly<Record<string, string>>;
  readonly exports: Readonly<Record<string, string>>;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly [field: string]: unknown;
}

export interface ExportTarget {
  readonly types: string;
  readonly default: string;
}

export type PackedManifest = Omit<Manifest, 'exports'> & {
  readonly exports: Readonly<Record<string, ExportTarget>>;
};

/** Fields that mean something in a checkout only. */
const CHECKOUT_ONLY = ['scripts', 'devDependencies', 'private'];

/**
 * @param versions - name → version of every workspace: a dependency on one becomes a range that its version begins
 * @throws Error when an export does not point at a TypeScript file in `src`
 */
export function packedManifest(manifest: Manifest, versions: ReadonlyMap<string, string>): PackedManifest {
  const rest = Object.fromEntries(
    Object.entries(manifest).filter(([field]) => !CHECKOUT_ONLY.includes(field)),
  ) as Manifest;
  const dependencies = mapValues(manifest.dependencies ?? {}, (range, name) => {
    const version = versions.get(name);
    return version === undefined ? range : `^${version}`;
  });
  const exports = mapValues(manifest.exports, (target, entry) => {
    const path = /^\.\/src\/(.+)\.ts$/.exec(target)?.[1];
    if (path === undefined) {
      throw new Error(
        `${manifest.name}: exports[${JSON.stringify(entry)}] is ${JSON.stringify(target)}: ./src/….ts is allowed`,
      );
    }
    return { types: `./dist/${path}.d.ts`, default: `./dist/${path}.js` };
  });
  return { ...rest, exports, ...(manifest.dependencies && { dependencies }) };
}

function mapValues<Value, Result>(
  record: Readonly<Record<string, Value>>,
  map: (value: Value, key: string) => Result,
): Record<string, Result> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, map(value, key)]));
}
