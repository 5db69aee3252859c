#!/usr/bin/env node
// node make-env.mjs [folder]: writes .env beside .env.example, with fresh secrets where that leaves them empty. Never
// touches a .env that is there. Plain JavaScript that Node 18 understands, without packages.
import { createECDH, randomBytes } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const SECRETS = [
  'POSTGRES_PASSWORD',
  'REDIS_PASSWORD',
  'CARILLON_API_KEY',
  'CARILLON_TOKEN_SECRET',
  'GRAFANA_PASSWORD',
];

const own = dirname(fileURLToPath(import.meta.url));
const file = join(process.argv[2] ?? own, '.env');
if (existsSync(file)) {
  console.error(`${file} is there already: it is left as it is, since what runs depends on its secrets`);
  process.exit(1);
}
const pair = createECDH('prime256v1');
pair.generateKeys();
const values = {
  ...Object.fromEntries(SECRETS.map((name) => [name, randomBytes(32).toString('base64url')])),
  VAPID_PUBLIC_KEY: pair.getPublicKey('base64url'),
  // Node drops leading zero bytes of the scalar; RFC 8292 keys are 32 bytes.
  VAPID_PRIVATE_KEY: Buffer.concat([Buffer.alloc(32), pair.getPrivateKey()])
    .subarray(-32)
    .toString('base64url'),
};
const text = readFileSync(join(own, '.env.example'), 'utf8').replace(/^([A-Z_]+)=$/gm, (line, name) =>
  name in values ? `${name}=${values[name]}` : line,
);
writeFileSync(file, text, { mode: 0o600, flag: 'wx' });
const open = [...text.matchAll(/^(WEBPUSH_SUBJECT)=$/gm)].map(([, name]) => name);
console.log(`${file} is written.${open.length > 0 ? ` Still to be filled in: ${open.join(', ')}.` : ''}`);
