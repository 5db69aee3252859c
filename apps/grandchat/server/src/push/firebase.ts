import { readFileSync } from 'node:fs';

/** A Firebase project whose web SDK the browsers use. All of it is public: every browser gets it. */
export interface Firebase {
  /** As Firebase's console shows it for a web app. */
  readonly config: Readonly<Record<string, string>>;
  /** The project's web push certificate: 65 bytes, base64url. */
  readonly vapidPublicKey: string;
}

const CONFIG = 'GRANDCHAT_FIREBASE_CONFIG';
const KEY = 'GRANDCHAT_FIREBASE_VAPID_PUBLIC_KEY';

/** What the SDK's messaging does not start without. */
const REQUIRED = ['apiKey', 'appId', 'messagingSenderId', 'projectId'] as const;
const OPTIONAL = ['authDomain', 'databaseURL', 'storageBucket', 'measurementId'] as const;
const VALUE_LENGTH = 256;
const FILE_LENGTH = 64 * 1024;

/**
 * The Firebase project of `GRANDCHAT_FIREBASE_CONFIG` (JSON, or the path of a file with it) and
 * `GRANDCHAT_FIREBASE_VAPID_PUBLIC_KEY`; undefined when neither is set: then browsers are reached by native Web Push.
 * @throws naming the variable, what is wrong with it and what is allowed; never with a value in it
 */
export function firebaseFromEnvironment(env: NodeJS.ProcessEnv): Firebase | undefined {
  const { [CONFIG]: config, [KEY]: key } = env;
  if (!config && !key) return undefined;
  if (!config) throw new Error(`${CONFIG} is not set, but ${KEY} is: set both, or none`);
  if (!key) {
    throw new Error(
      `${KEY} is not set, but ${CONFIG} is: it is the key pair under “Web Push certificates” in Firebase’s console`,
    );
  }
  return { config: readConfig(config), vapidPublicKey: checkKey(key.trim()) };
}

function readConfig(text: string): Record<string, string> {
  const given = parse(text.trim().startsWith('{') ? text : readFile(text));
  if ('private_key' in given) {
    throw new Error(
      `${CONFIG} is a service account, which is secret: it belongs in CARILLON_PUSH_NOTIFICATIONS_FCM_CREDENTIALS_FILE; here goes the configuration of a web app, which browsers get to see`,
    );
  }
  const config: Record<string, string> = {};
  for (const name of [...REQUIRED, ...OPTIONAL]) {
    const value = given[name];
    if (value === undefined && !isRequired(name)) continue;
    if (typeof value !== 'string' || value === '' || value.length > VALUE_LENGTH)
      throw new Error(`${CONFIG}: ${name} must be text of 1 to ${VALUE_LENGTH} characters`);
    config[name] = value;
  }
  return config;
}

function isRequired(name: string): boolean {
  return (REQUIRED as readonly string[]).includes(name);
}

function readFile(path: string): string {
  try {
    return readFileSync(path, 'utf8').slice(0, FILE_LENGTH);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new Error(`${CONFIG} is neither a JSON object nor a file that can be read (${code})`);
  }
}

function parse(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value))
      return value as Record<string, unknown>;
  } catch {
    // The words below fit whatever else it is.
  }
  throw new Error(
    `${CONFIG} is not a JSON object: write {"apiKey": "…", …} with quoted names, not the JavaScript that Firebase’s console shows`,
  );
}

function checkKey(key: string): string {
  const bytes = Buffer.from(key, 'base64url');
  if (bytes.length === 65 && bytes[0] === 4 && bytes.toString('base64url') === key) return key;
  throw new Error(
    `${KEY} must be a public key of 65 bytes in base64url: 87 characters that begin with B, got ${key.length}`,
  );
}
