import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Certificates {
  /** Path of the authority's certificate, for NODE_EXTRA_CA_CERTS. */
  readonly caFile: string;
  readonly key: string;
  readonly cert: string;
}

/** A certificate for `localhost`, and the authority behind it, made by `openssl` in `folder`. */
export function makeCertificates(folder: string): Certificates {
  const at = (name: string) => join(folder, name);
  const openssl = (line: string) => execFileSync('openssl', line.split(' '), { stdio: 'pipe' });
  const newKey = '-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes';
  writeFileSync(at('names'), 'subjectAltName=DNS:localhost,IP:127.0.0.1\n');
  openssl(`req -x509 ${newKey} -keyout ${at('ca.key')} -out ${at('ca.pem')} -days 2 -subj /CN=Bench`);
  openssl(`req ${newKey} -keyout ${at('key.pem')} -out ${at('csr.pem')} -subj /CN=localhost`);
  openssl(
    `x509 -req -in ${at('csr.pem')} -CA ${at('ca.pem')} -CAkey ${at('ca.key')} -CAcreateserial -days 2 -extfile ${at('names')} -out ${at('cert.pem')}`,
  );
  const read = (name: string) => readFileSync(at(name), 'utf8');
  return { caFile: at('ca.pem'), key: read('key.pem'), cert: read('cert.pem') };
}
