import { flag, section, text } from './option.ts';
import { readPem } from './pem.ts';

/** Of a connection that Carillon makes. A PEM is its text, its text in base64, or the path of a file with it. */
export interface TlsOptions {
  enabled: boolean;
  /** Carillon's own certificate and key, where the other side asks for one. */
  cert_pem: string;
  key_pem: string;
  /** The authority that the other side's certificate must be of; empty: those the system knows. */
  server_ca_pem: string;
  /** Empty: the name in the address. */
  server_name: string;
  insecure_skip_verify: boolean;
}

/** For the words of options. */
export const PEM = 'PEM text, PEM text in base64, or the path of a PEM file';

export const TLS = section<TlsOptions>({
  enabled: flag(),
  cert_pem: text('', PEM),
  key_pem: text('', PEM),
  server_ca_pem: text('', PEM),
  server_name: text(),
  insecure_skip_verify: flag(),
});

/** What Node's `tls.connect` takes, but for the name. `path` names the section in errors. @throws in words when a PEM cannot be read */
export function readTls(
  options: TlsOptions,
  path: string,
): { cert?: string; key?: string; ca?: string; rejectUnauthorized: boolean } {
  const pem = (key: 'cert_pem' | 'key_pem' | 'server_ca_pem') =>
    options[key] ? readPem(options[key], `${path}.${key}`) : undefined;
  const [cert, key, ca] = [pem('cert_pem'), pem('key_pem'), pem('server_ca_pem')];
  return {
    ...(cert && { cert }),
    ...(key && { key }),
    ...(ca && { ca }),
    rejectUnauthorized: !options.insecure_skip_verify,
  };
}
