import { createPrivateKey, type KeyObject, sign } from 'node:crypto';
import type { FcmConfig } from '../../../config/config.ts';
import { readKeyFile } from '../key-file.ts';
import { isObject, show } from '../message-fields.ts';
import { optionError } from '../option-error.ts';
import { readServiceUrl } from '../service-url.ts';

const GOOGLE_TOKEN_URI = 'https://oauth2.googleapis.com/token';
const SCOPE = 'https://www.googleapis.com/auth/firebase.messaging';
const ADVICE =
  'a service account key is made in the Firebase console: Project settings, Service accounts, Generate new private key';
/** Google takes an hour at most; a clock that is a little fast must not make it longer. */
const ASSERTION_SECONDS = 3_600;

/** The identity that sends for a project of Firebase. */
export interface ServiceAccount {
  readonly projectId: string;
  readonly clientEmail: string;
  readonly privateKey: KeyObject;
  /** Absent from the JWT where the key file names none. */
  readonly keyId: string | undefined;
  readonly tokenUri: URL;
}

/**
 * Reads the service account of `credentials_file` or `credentials_json` (`vendors` 1.1).
 *
 * @param section where the options are, e.g. `fcm`
 * @throws ConfigError naming the option and the member that is missing or wrong
 */
export function readServiceAccount(config: FcmConfig, section: string): ServiceAccount {
  const hasFile = config.credentials_file !== '';
  const hasText = config.credentials_json !== '';
  const option = `${section}.${hasText ? 'credentials_json' : 'credentials_file'}`;
  if (hasFile && hasText) throw optionError(option, `must not be given beside ${section}.credentials_file`);
  if (!hasFile && !hasText) throw optionError(option, `is missing: ${ADVICE}`);
  const text = hasText
    ? config.credentials_json
    : readKeyFile(config.credentials_file, option, ADVICE).toString();
  const members = parseKey(text, option);
  const projectId = textOf(members, 'project_id', option);
  return {
    projectId,
    clientEmail: textOf(members, 'client_email', option),
    privateKey: readPrivateKey(textOf(members, 'private_key', option), option),
    keyId: typeof members.private_key_id === 'string' ? members.private_key_id : undefined,
    tokenUri: readServiceUrl(
      members.token_uri === undefined ? GOOGLE_TOKEN_URI : textOf(members, 'token_uri', option),
      `${option}: token_uri`,
    ),
  };
}

/** The form that asks for an access token (RFC 7523 §2.1): a JWT signed with RS256, good for an hour. */
export function tokenForm(account: ServiceAccount, nowMs: number): Record<string, string> {
  const { keyId, clientEmail, tokenUri } = account;
  const issuedAt = Math.floor(nowMs / 1000);
  const header = encodeJson({ alg: 'RS256', typ: 'JWT', ...(keyId === undefined ? {} : { kid: keyId }) });
  const claims = encodeJson({
    iss: clientEmail,
    scope: SCOPE,
    aud: tokenUri.href,
    iat: issuedAt,
    exp: issuedAt + ASSERTION_SECONDS,
  });
  const signature = sign('sha256', Buffer.from(`${header}.${claims}`), account.privateKey);
  return {
    grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer',
    assertion: `${header}.${claims}.${signature.toString('base64url')}`,
  };
}

function parseKey(text: string, option: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // The parser's own words would repeat a part of the key.
    throw optionError(option, `is not JSON: ${ADVICE}`);
  }
  if (!isObject(value)) throw optionError(option, `is no JSON object: ${ADVICE}`);
  if (isObject(value.project_info)) {
    throw optionError(option, `is google-services.json, which is for the app: ${ADVICE}`);
  }
  if (value.type !== 'service_account') {
    throw optionError(option, `has type ${show(value.type)}: needed is "service_account"; ${ADVICE}`);
  }
  return value;
}

function textOf(members: Record<string, unknown>, name: string, option: string): string {
  const value = members[name];
  if (typeof value === 'string' && value !== '') return value;
  throw optionError(option, `${value === undefined ? 'has no member' : 'has no text in'} ${name}: ${ADVICE}`);
}

function readPrivateKey(pem: string, option: string): KeyObject {
  let key: KeyObject;
  try {
    // In an environment variable the line ends often come escaped twice.
    key = createPrivateKey(pem.replaceAll('\\n', '\n'));
  } catch {
    throw optionError(option, `has a private_key that is no PEM of a private key: ${ADVICE}`);
  }
  if (key.asymmetricKeyType === 'rsa') return key;
  throw optionError(option, `has a private_key of type ${key.asymmetricKeyType}: needed is an RSA key`);
}

function encodeJson(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}
