import { type KeyObject, sign } from 'node:crypto';
import type { PushRecord } from '../src/journal.ts';
import type { Answer, Service, ServiceName, ServiceRequest } from '../src/service.ts';

/** How a service answered, and what it noted. */
export interface Asked {
  readonly answer: Answer;
  /** The answer's body, as JSON. */
  readonly body: ReturnType<typeof JSON.parse>;
  readonly record: PushRecord;
  readonly refusal?: string;
}

/** Asks a service without HTTP around it; an accepted push is delivered. */
export async function ask(
  service: Service,
  path: string,
  {
    method = 'POST',
    headers = {},
    body = '',
    session,
  }: {
    method?: string;
    headers?: Record<string, string>;
    body?: string | object;
    session?: ServiceRequest['session'];
  } = {},
): Promise<Asked> {
  const route = service.route(method, path);
  if (!route) throw new Error(`${service.name} has no ${method} ${path}`);
  const bytes = Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
  const request: ServiceRequest = {
    method,
    path,
    query: new URLSearchParams(),
    headers,
    body: bytes.length > route.maxBody ? undefined : bytes,
    origin: 'https://emulator.test',
    ...(session && { session }),
  };
  const record: PushRecord = {
    id: 'record',
    service: service.name as ServiceName,
    target: '',
    receivedAt: 0,
    state: 'received',
    body: bytes,
    sentAt: [],
  };
  if (route.kind === 'call') return { ...asked(await route.answer(request)), record };
  const { answer, refusal, deliver } = await route.judge(request, record);
  if (refusal === undefined) deliver?.();
  return { ...asked(answer), record, ...(refusal !== undefined && { refusal }) };
}

function asked(answer: Answer): { answer: Answer; body: unknown } {
  const { body } = answer;
  if (typeof body === 'object' && !Buffer.isBuffer(body)) return { answer, body };
  try {
    return { answer, body: JSON.parse(String(body)) };
  } catch {
    return { answer, body };
  }
}

/** A JSON Web Token by any key: RS256 for RSA, ES256 for P-256. */
export function signJwt(header: object, claims: object, key: KeyObject): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const signed = `${part(header)}.${part(claims)}`;
  const signature = sign('sha256', Buffer.from(signed), { key, dsaEncoding: 'ieee-p1363' });
  return `${signed}.${signature.toString('base64url')}`;
}
