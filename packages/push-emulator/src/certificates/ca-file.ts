import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

/** The authority's certificate as a file: in the folder that keeps it, or in one of its own from the first time it is asked for. */
export function createCaFile(certificate: string, dataDir: string | undefined) {
  let folder: Promise<string> | undefined;
  return {
    async path(): Promise<string> {
      if (dataDir !== undefined) return join(resolve(dataDir), 'ca.pem');
      folder ??= mkdtemp(join(tmpdir(), 'push-emulator-')).then(async (made) => {
        await writeFile(join(made, 'ca.pem'), certificate);
        return made;
      });
      return join(await folder, 'ca.pem');
    },
    async remove(): Promise<void> {
      if (folder) await rm(await folder, { recursive: true, force: true });
    },
  };
}
