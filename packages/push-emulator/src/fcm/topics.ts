import { bearerToken } from '../oauth/access-tokens.ts';
import type { GoogleAccounts } from '../oauth/google.ts';
import type { Answer, Route, ServiceRequest } from '../service.ts';
import { holds, parseCondition } from './condition.ts';
import { googleError, invalid, json, senderIdMismatch, unauthenticated, unregistered } from './errors.ts';
import type { FcmMessage } from './message.ts';

const BATCH_PATH = /^\/iid\/v1:(batchAdd|batchRemove)$/;
const SUBSCRIPTION_PATH =
  /^\/v1\/projects\/([^/]+)\/registrations\/([^/]+)\/topicSubscriptions(?:\/([^/]+))?$/;
const NAME = /^[a-zA-Z0-9-_.~%]+$/;
const TOPIC = /^\/topics\/([a-zA-Z0-9-_.~%]+)$/;
const MAX_TOKENS = 1000;
const MAX_BODY_BYTES = 4 * 1024 * 1024;

interface TopicsOptions {
  readonly google: GoogleAccounts;
  /** The project of a registered token; undefined when there is no such token. */
  readonly projectOf: (token: string) => string | undefined;
}

/**
 * Who is bound to which topic, and both of Google's ways to bind: the Instance ID API (vendors.md 1.6), and what `firebase-admin` uses
 * since version 14 in its place, `POST /v1/projects/{p}/registrations/{token}/topicSubscriptions?topic_name=x` and `DELETE …/x`.
 */
export class Topics {
  readonly #options: TopicsOptions;
  /** `project/topic` → tokens. */
  readonly #members = new Map<string, Set<string>>();

  constructor(options: TopicsOptions) {
    this.#options = options;
  }

  /** Tokens that a message to a topic or a condition is for. */
  members(projectId: string, { topic, condition }: FcmMessage): string[] {
    if (topic !== undefined) return [...(this.#members.get(`${projectId}/${topic}`) ?? [])];
    const parsed = parseCondition(condition ?? '');
    if (!parsed) return [];
    const own = [...this.#members].filter(([name]) => name.startsWith(`${projectId}/`));
    const everybody = new Set(own.flatMap(([, tokens]) => [...tokens]));
    const has = (token: string) => (name: string) =>
      this.#members.get(`${projectId}/${name}`)?.has(token) ?? false;
    return [...everybody].filter((token) => holds(parsed, has(token)));
  }

  route(method: string, path: string): Route | undefined {
    const action = BATCH_PATH.exec(path)?.[1];
    if (action !== undefined && method === 'POST') {
      return {
        kind: 'call',
        maxBody: MAX_BODY_BYTES,
        answer: (request) => this.#bindMany(action === 'batchAdd', request),
      };
    }
    const [, project, token, topic] = SUBSCRIPTION_PATH.exec(path) ?? [];
    if (project === undefined || token === undefined) return undefined;
    const isAdd = method === 'POST' && topic === undefined;
    if (!isAdd && !(method === 'DELETE' && topic !== undefined)) return undefined;
    return {
      kind: 'call',
      maxBody: MAX_BODY_BYTES,
      answer: (request) => {
        const name = decode(topic ?? '') || (request.query.get('topic_name') ?? '');
        return this.#bindOne(isAdd, { project, token: decode(token), topic: name }, request);
      },
    };
  }

  #bindOne(
    isAdd: boolean,
    { project, token, topic }: { project: string; token: string; topic: string },
    { headers }: ServiceRequest,
  ): Answer {
    const { google, projectOf } = this.#options;
    const grant = google.tokens.check(bearerToken(headers.authorization) ?? '');
    if (typeof grant === 'string') {
      return unauthenticated(grant === 'expired' ? 'ACCESS_TOKEN_EXPIRED' : 'ACCESS_TOKEN_TYPE_UNSUPPORTED');
    }
    const projectId = google.project(project)?.id;
    if (projectId === undefined || grant.owner.project.id !== projectId) return senderIdMismatch();
    if (!NAME.test(topic)) return invalid({ field: 'topic_name', description: 'Malformed topic name' });
    const owner = projectOf(token);
    if (owner === undefined) return unregistered();
    if (owner !== projectId) return senderIdMismatch();
    const members = this.#membersOf(projectId, topic);
    if (isAdd && members.has(token))
      return googleError(409, 'ALREADY_EXISTS', 'Requested entity already exists');
    if (isAdd) members.add(token);
    else members.delete(token);
    return json(
      200,
      isAdd ? { name: `projects/${projectId}/registrations/${token}/topicSubscriptions/${topic}` } : {},
    );
  }

  #bindMany(isAdd: boolean, { headers, body }: ServiceRequest): Answer {
    const grant = this.#options.google.tokens.check(bearerToken(headers.authorization) ?? '');
    if (typeof grant === 'string' || headers.access_token_auth !== 'true')
      return failure(401, 'Unauthorized');
    const request = readRequest(body);
    if (!request) return failure(400, 'InvalidParameter');
    const projectId = grant.owner.project.id;
    const members = this.#membersOf(projectId, request.topic);
    const results = request.tokens.map((token) => {
      const owner = this.#options.projectOf(token);
      if (owner === undefined) return { error: 'NOT_FOUND' };
      if (owner !== projectId) return { error: 'PERMISSION_DENIED' };
      if (isAdd) members.add(token);
      else members.delete(token);
      return {};
    });
    return { status: 200, body: { results } };
  }

  #membersOf(projectId: string, topic: string): Set<string> {
    const key = `${projectId}/${topic}`;
    const members = this.#members.get(key) ?? new Set();
    this.#members.set(key, members);
    return members;
  }
}

function readRequest(body: Buffer | undefined): { topic: string; tokens: string[] } | undefined {
  try {
    const { to, registration_tokens: tokens } = JSON.parse(String(body)) as Record<string, unknown>;
    const topic = TOPIC.exec(String(to))?.[1];
    const isList = Array.isArray(tokens) && tokens.length > 0 && tokens.length <= MAX_TOKENS;
    if (topic === undefined || !isList || !tokens.every((token) => typeof token === 'string'))
      return undefined;
    return { topic, tokens };
  } catch {
    return undefined;
  }
}

/** A whole call's failure is a text, not an object. */
function failure(status: number, error: string): Answer {
  return { status, body: { error } };
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
