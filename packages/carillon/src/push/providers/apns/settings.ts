import { createPrivateKey, type KeyObject } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import type { ApnsConfig } from '../../../config/config.ts';
import { readKeyFile } from '../key-file.ts';
import { optionError } from '../option-error.ts';
import { pathPrefix, readServiceUrl } from '../service-url.ts';
import type { ProviderKey } from './provider-tokens.ts';

const ENDPOINTS: Readonly<Record<string, string>> = {
  development: 'https://api.sandbox.push.apple.com',
  production: 'https://api.push.apple.com',
};
const TEN_CHARACTERS = /^[A-Z0-9]{10}$/;
const BUNDLE_ID = /^[A-Za-z0-9.-]{1,155}$/;

/** The configuration as the sender uses it, with its keys read. */
export interface ApnsSettings {
  readonly origin: string;
  /** What a device token is put behind. */
  readonly devicePath: string;
  readonly credential:
    | { readonly type: 'token'; readonly key: ProviderKey }
    | { readonly type: 'cert'; readonly pfx: Buffer; readonly passphrase: string };
}

/**
 * Reads the options and the key that they name.
 *
 * @param section where the options are, e.g. `apns` or `apps.shop.apns`
 * @throws ConfigError naming the option and what to do
 */
export function readSettings(config: ApnsConfig, section: string): ApnsSettings {
  checkBundleId(config, section);
  const known = ENDPOINTS[config.endpoint];
  if (!known && !config.endpoint.includes('://')) {
    throw optionError(
      `${section}.endpoint`,
      `is ${JSON.stringify(config.endpoint)}: allowed is "development", "production", or an https URL`,
    );
  }
  const url = readServiceUrl(known ?? config.endpoint, `${section}.endpoint`);
  return {
    origin: url.origin,
    devicePath: `${pathPrefix(url)}/3/device/`,
    credential:
      config.auth_type === 'token'
        ? { type: 'token', key: readProviderKey(config, section) }
        : { type: 'cert', ...readCertificate(config, section) },
  };
}

/** @throws ConfigError */
export function checkBundleId({ bundle_id }: ApnsConfig, section: string): void {
  if (BUNDLE_ID.test(bundle_id)) return;
  throw optionError(
    `${section}.bundle_id`,
    bundle_id
      ? `is ${JSON.stringify(bundle_id)}: allowed are letters, digits, "-" and ".", as in com.example.app`
      : 'is missing: give the bundle id of the app, such as com.example.app',
  );
}

function readProviderKey(config: ApnsConfig, section: string): ProviderKey {
  for (const [option, what] of [
    ['token_key_id', 'the key id that Apple shows beside the key, as in AuthKey_ABCDE12345.p8'],
    ['token_team_id', 'the team id, shown under Membership in the Apple developer account'],
  ] as const) {
    if (TEN_CHARACTERS.test(config[option])) continue;
    const found = config[option] ? `is ${JSON.stringify(config[option])}` : 'is missing';
    throw optionError(`${section}.${option}`, `${found}: give ${what}, 10 of A-Z and 0-9`);
  }
  const { token_key_file: file, token_key_pem: pem } = config;
  if (file && pem) throw exclusive(section, 'token_key_file', 'token_key_pem');
  if (!file && !pem) {
    throw optionError(
      `${section}.token_key_file`,
      'is missing: give the path of the key (AuthKey_….p8) that Apple makes under Certificates, Identifiers & Profiles › Keys, or its text in token_key_pem',
    );
  }
  const option = `${section}.${file ? 'token_key_file' : 'token_key_pem'}`;
  const text = file
    ? readKeyFile(file, option, 'give the path of the key file (AuthKey_….p8) from Apple').toString('utf8')
    : // In an environment variable line ends are often written like this.
      pem.replaceAll('\\n', '\n');
  let key: KeyObject;
  try {
    key = createPrivateKey(text);
  } catch {
    throw optionError(
      option,
      'holds no private key: allowed is a .p8 file of Apple, -----BEGIN PRIVATE KEY----- and so on',
    );
  }
  if (key.asymmetricKeyDetails?.namedCurve !== 'prime256v1') {
    throw optionError(
      option,
      `holds a key of type ${key.asymmetricKeyType}: Apple's keys for APNs are P-256`,
    );
  }
  return { key, keyId: config.token_key_id, teamId: config.token_team_id };
}

function readCertificate(config: ApnsConfig, section: string): { pfx: Buffer; passphrase: string } {
  const { cert_p12_file: file, cert_p12_b64: text, cert_p12_password: passphrase } = config;
  if (file && text) throw exclusive(section, 'cert_p12_file', 'cert_p12_b64');
  if (!file && !text) {
    throw optionError(
      `${section}.cert_p12_file`,
      'is missing: give the path of the push certificate with its key (.p12), or its base64 in cert_p12_b64; or set auth_type to "token"',
    );
  }
  const option = `${section}.${file ? 'cert_p12_file' : 'cert_p12_b64'}`;
  const pfx = file
    ? readKeyFile(file, option, 'give the path of the push certificate (.p12)')
    : Buffer.from(text, 'base64');
  try {
    createSecureContext({ pfx, passphrase });
  } catch (error) {
    throw certificateError(error as Error, option, `${section}.cert_p12_password`);
  }
  return { pfx, passphrase };
}

function certificateError(error: Error, option: string, passwordOption: string): Error {
  if (/mac verify failure/i.test(error.message)) {
    return optionError(
      passwordOption,
      `does not open the file of ${option}: give the password it was exported with`,
    );
  }
  if (/unsupported/i.test(error.message)) {
    return optionError(
      option,
      'is encrypted in an old way: export it again, e.g. openssl pkcs12 -legacy -in old.p12 -nodes | openssl pkcs12 -export -out new.p12',
    );
  }
  return optionError(option, `is no certificate with a key (PKCS #12): ${error.message}`);
}

function exclusive(section: string, one: string, other: string): Error {
  return optionError(`${section}.${one}`, `and ${section}.${other} exclude each other: give one of them`);
}
