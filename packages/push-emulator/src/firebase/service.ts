import { randomBytes } from 'node:crypto';
import { googleError, json } from '../fcm/errors.ts';
import type { Answer, Service, ServiceRequest } from '../service.ts';
import { normalizeKey } from '../webpush/vapid.ts';
import { AUTH_TOKEN_SECONDS, type Installation, Installations } from './installations.ts';
import type { FirebaseRegistration, FirebaseTokens } from './tokens.ts';

const PATH =
  /^\/v1\/projects\/([^/]+)\/(installations|registrations)(?:\/([^/]+?)(\/authTokens:generate)?)?$/;
const MAX_BODY_BYTES = 16 * 1024;
const FID = /^[cdef][\w-]{21}$/;
const AUTH_SECRET_BYTES = 16;

/** Google's words for the statuses that a fault may ask for. */
const CANONICAL: Readonly<Record<number, string>> = {
  400: 'INVALID_ARGUMENT',
  401: 'UNAUTHENTICATED',
  403: 'PERMISSION_DENIED',
  404: 'NOT_FOUND',
  429: 'RESOURCE_EXHAUSTED',
  500: 'INTERNAL',
  503: 'UNAVAILABLE',
};

class Refusal extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

export interface FirebaseOptions {
  readonly tokens: FirebaseTokens;
  readonly now: () => number;
}

/**
 * What the Firebase web SDK asks for `getToken`, its FID registration and `deleteToken` (vendors.md 1.8): Firebase installations and FCM
 * registrations, from pages of any origin and with any API key.
 */
export function createFirebase({ tokens, now }: FirebaseOptions): Service {
  const installations = new Installations(now);

  const handlers: Record<string, (request: ServiceRequest, project: string, name: string) => object> = {
    'POST installations': createInstallation,
    'POST installations name authTokens:generate': refreshAuthToken,
    'DELETE installations name': deleteInstallation,
    'POST registrations': createRegistration,
    'PATCH registrations name': updateRegistration,
    'DELETE registrations name': deleteRegistration,
  };

  return {
    name: 'firebase',
    errorAnswer({ reason, status: wanted }, request) {
      const status = reason === undefined ? wanted : statusOf(reason);
      if (status === undefined) return undefined;
      return withCors(errorOf(status, 'fault on request'), request);
    },
    route(method, path) {
      const [, project, collection, name, action = ''] = PATH.exec(path) ?? [];
      if (project === undefined) return undefined;
      const handler =
        handlers[`${method} ${collection}${name === undefined ? '' : ' name'}${action.replace('/', ' ')}`];
      const answer = (request: ServiceRequest): Answer => {
        if (method === 'OPTIONS') return withCors({ status: 204 }, request);
        return withCors(run(handler, request, decode(project), decode(name ?? '')), request);
      };
      return { kind: 'call', maxBody: MAX_BODY_BYTES, answer };
    },
  };

  function run(
    handler: (typeof handlers)[string] | undefined,
    request: ServiceRequest,
    project: string,
    name: string,
  ): Answer {
    try {
      if (!handler) throw new Refusal(404, `no ${request.method} ${request.path}`);
      if (!request.headers['x-goog-api-key']) {
        throw new Refusal(403, 'The request is missing a valid API key: x-goog-api-key');
      }
      return json(200, handler(request, project, name));
    } catch (error) {
      if (error instanceof Refusal) return errorOf(error.status, error.message);
      throw error;
    }
  }

  function createInstallation(request: ServiceRequest, project: string): object {
    const { fid, authVersion, appId } = readObject(request);
    if (authVersion !== 'FIS_v2') throw invalid('authVersion', authVersion, '"FIS_v2" is expected');
    if (typeof appId !== 'string' || appId === '') throw invalid('appId', appId, 'the app ID is expected');
    const installation = installations.create(
      project,
      typeof fid === 'string' && FID.test(fid) ? fid : newFid(),
    );
    return {
      name: `projects/${project}/installations/${installation.fid}`,
      fid: installation.fid,
      refreshToken: installation.refreshToken,
      authToken: authTokenOf(installation),
    };
  }

  function refreshAuthToken(request: ServiceRequest, project: string, fid: string): object {
    return authTokenOf(installationOf(request, project, fid));
  }

  function deleteInstallation(request: ServiceRequest, project: string, fid: string): object {
    const installation = installationOf(request, project, fid);
    for (const address of installation.addresses) tokens.drop(address);
    installations.delete(installation);
    return {};
  }

  function createRegistration(request: ServiceRequest, project: string): object {
    const installation = authenticate(request, project);
    const body = readObject(request);
    const registration = readRegistration(body, project);
    // With the version of its SDK an app registers its installation; without it wants a token.
    if (body.fcm_sdk_version !== undefined) {
      tokens.set(installation.fid, registration);
      installation.addresses.add(installation.fid);
      return { name: `projects/${project}/registrations/${installation.fid}` };
    }
    const token = tokens.create(installation.fid, registration);
    installation.addresses.add(token);
    return { name: `projects/${project}/registrations/${token}`, token };
  }

  function updateRegistration(request: ServiceRequest, project: string, address: string): object {
    authenticate(request, project);
    const registration = readRegistration(readObject(request), project);
    mustBeRegistered(project, address);
    tokens.set(address, registration);
    return { name: `projects/${project}/registrations/${address}`, token: address };
  }

  function deleteRegistration(request: ServiceRequest, project: string, address: string): object {
    authenticate(request, project);
    mustBeRegistered(project, address);
    tokens.drop(address);
    return {};
  }

  function mustBeRegistered(project: string, address: string): void {
    const known = tokens.find(address);
    if (known === undefined || known === 'gone' || known.project !== project) {
      throw new Refusal(404, 'Requested entity was not found.');
    }
  }

  function authTokenOf(installation: Installation): object {
    return { token: installations.createAuthToken(installation), expiresIn: `${AUTH_TOKEN_SECONDS}s` };
  }

  function installationOf({ headers }: ServiceRequest, project: string, fid: string): Installation {
    const installation = installations.find(project, fid);
    if (!installation) throw new Refusal(404, 'Requested entity was not found.');
    if (headers.authorization !== `FIS_v2 ${installation.refreshToken}`) {
      throw new Refusal(
        401,
        'authorization is not the refresh token of this installation: FIS_v2 <refreshToken>',
      );
    }
    return installation;
  }

  function authenticate({ headers }: ServiceRequest, project: string): Installation {
    const [, token = ''] = /^FIS (.+)$/.exec(String(headers['x-goog-firebase-installations-auth'])) ?? [];
    const installation = installations.authenticate(project, token);
    if (installation) return installation;
    throw new Refusal(
      401,
      'x-goog-firebase-installations-auth: no valid token of an installation of this project',
    );
  }
}

function readRegistration({ web }: Record<string, unknown>, project: string): FirebaseRegistration {
  if (typeof web !== 'object' || web === null) throw invalid('web', web, 'an object is expected');
  const { endpoint, p256dh, auth, applicationPubKey, origin } = web as Record<string, unknown>;
  if (typeof endpoint !== 'string' || !/^https?:$/.test(URL.parse(endpoint)?.protocol ?? '')) {
    throw invalid('web.endpoint', endpoint, "a push subscription's URL is expected");
  }
  if (typeof p256dh !== 'string' || !normalizeKey(p256dh)) {
    throw invalid('web.p256dh', p256dh, 'a P-256 public key in base64url is expected');
  }
  if (typeof auth !== 'string' || Buffer.from(auth, 'base64url').length !== AUTH_SECRET_BYTES) {
    throw new Refusal(400, 'web.auth: 16 bytes in base64url are expected');
  }
  if (applicationPubKey !== undefined && !normalizeKey(String(applicationPubKey))) {
    throw invalid('web.applicationPubKey', applicationPubKey, 'a P-256 public key in base64url is expected');
  }
  return {
    endpoint,
    p256dh,
    auth,
    project,
    ...(applicationPubKey !== undefined && { applicationPubKey: String(applicationPubKey) }),
    ...(typeof origin === 'string' && { origin }),
  };
}

function readObject({ body }: ServiceRequest): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(String(body));
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>;
  } catch {}
  throw new Refusal(400, 'the body: a JSON object is expected');
}

function invalid(field: string, value: unknown, allowed: string): Refusal {
  return new Refusal(400, `${field} is ${JSON.stringify(value)?.slice(0, 100)}: ${allowed}`);
}

/** 17 bytes, of which the first 4 bits are 0111, as base64url of 22 characters. */
function newFid(): string {
  const bytes = randomBytes(17);
  bytes[0] = 0b0111_0000 | (bytes[0]! & 0b0000_1111);
  return bytes.toString('base64url').slice(0, 22);
}

function errorOf(status: number, message: string): Answer {
  return googleError(status, CANONICAL[status] ?? 'UNKNOWN', message);
}

function statusOf(reason: string): number | undefined {
  const [status] = Object.entries(CANONICAL).find(([, word]) => word === reason) ?? [];
  return status === undefined ? undefined : Number(status);
}

/** Lets a page of any origin read the answer. */
function withCors(answer: Answer, request: ServiceRequest | undefined): Answer {
  const headers = {
    ...answer.headers,
    'Access-Control-Allow-Origin': '*',
    'Access-Control-Allow-Methods': 'GET, POST, PATCH, DELETE, OPTIONS',
    'Access-Control-Allow-Headers': String(request?.headers['access-control-request-headers'] ?? '*'),
    'Access-Control-Max-Age': 3600,
  };
  return { ...answer, headers };
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
