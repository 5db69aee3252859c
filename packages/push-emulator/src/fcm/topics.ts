import { bearerToken } from '../oauth/access-tokens.ts';
import type { GoogleAccounts } from '../oauth/google.ts';
import type { Answer, Route, ServiceRequest } from '../service.ts';
import { holds, parseCondition } from './condition.ts';
import type { FcmMessage } from './message.ts';

const PATH = /^\/iid\/v1:(batchAdd|batchRemove)$/;
const TOPIC = /^\/topics\/([a-zA-Z0-9-_.~%]+)$/;
const MAX_TOKENS = 1000;
const MAX_BODY_BYTES = 4 * 1024 * 1024;

interface TopicsOptions {
  readonly google: GoogleAccounts;
  /** The project of a registered token; undefined when there is no such token. */
  readonly projectOf: (token: string) => string | undefined;
}

/** Who is bound to which topic, and Google's Instance ID API by which they are (vendors.md 1.6). */
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
    const action = PATH.exec(path)?.[1];
    if (action === undefined || method !== 'POST') return undefined;
    return {
      kind: 'call',
      maxBody: MAX_BODY_BYTES,
      answer: (request) => this.#answer(action === 'batchAdd', request),
    };
  }

  #answer(isAdd: boolean, { headers, body }: ServiceRequest): Answer {
    const grant = this.#options.google.tokens.check(bearerToken(headers.authorization) ?? '');
    if (typeof grant === 'string' || headers.access_token_auth !== 'true')
      return failure(401, 'Unauthorized');
    const request = readRequest(body);
    if (!request) return failure(400, 'InvalidParameter');
    const projectId = grant.owner.project.id;
    const key = `${projectId}/${request.topic}`;
    const members = this.#members.get(key) ?? new Set();
    this.#members.set(key, members);
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
