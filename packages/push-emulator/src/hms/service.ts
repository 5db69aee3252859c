import type { PushRecord } from '../journal.ts';
import { bearerToken } from '../oauth/access-tokens.ts';
import type { HuaweiApps } from '../oauth/huawei.ts';
import type { Answer, Judgement, Service, ServiceRequest } from '../service.ts';
import { hmsAnswer, hmsErrorAnswer, partly } from './answers.ts';
import { readMessage } from './message.ts';
import type { HmsTokens } from './tokens.ts';

const PATH = /^\/(v1|v2)\/([^/]+)\/messages:send$/;
/** A thousand tokens, and the message. */
const MAX_BODY_BYTES = 1024 * 1024;

export interface HmsOptions {
  readonly huawei: HuaweiApps;
  readonly tokens: HmsTokens;
  /**
   * Whether a code comes at HTTP 200, or at the status that fits it: Huawei documents both ways, and for no code which
   * one. Read at every answer.
   */
  readonly answersErrorsAt200: () => boolean;
}

/**
 * Huawei's Push Kit, v1 and v2 (vendors.md 3). Checks in this order: access token, app or project, JSON, targets, values, size,
 * tokens.
 */
export function createHmsService({ huawei, tokens, answersErrorsAt200 }: HmsOptions): Service {
  function refuse(code: string, msg?: string): Judgement {
    const answer = hmsAnswer(code, { ...(msg && { msg }), ...(answersErrorsAt200() && { status: 200 }) });
    return { answer, refusal: `${code} ${(JSON.parse(String(answer.body)) as { msg: string }).msg}` };
  }

  function judge(version: string, name: string, request: ServiceRequest, record: PushRecord): Judgement {
    const token = bearerToken(request.headers.authorization);
    const grant = token === undefined ? 'unknown' : huawei.tokens.check(token);
    if (grant === 'expired') return refuse('80200003');
    if (grant === 'unknown') return refuse('80200001');
    const by = version === 'v1' ? { clientId: name } : { projectId: name };
    if (('clientId' in by ? grant.owner.clientId : grant.owner.projectId) !== name) return refuse('80200001');
    const body = readJson(request.body);
    if (!body) return refuse('80100003');
    const { message, validate_only: validateOnly } = body;
    record.payload = message;
    const read = readMessage(message);
    if ('code' in read) return refuse(read.code, read.msg);
    record.target = read.topic ?? read.condition ?? targetOf(read.tokens);
    if (validateOnly === true) return { answer: hmsAnswer('80000000') };
    const illegal = read.tokens.filter((one) => !tokens.isReachable(one, by));
    if (illegal.length === 0) return { answer: hmsAnswer('80000000') };
    if (illegal.length === read.tokens.length) return refuse('80300007');
    return { answer: partly(read.tokens.length - illegal.length, illegal) };
  }

  return {
    name: 'hms',
    route(method, path) {
      const [, version, name] = PATH.exec(path) ?? [];
      if (version === undefined || name === undefined) return undefined;
      if (method !== 'POST') return { kind: 'call', maxBody: 0, answer: (): Answer => ({ status: 405 }) };
      return {
        kind: 'push',
        maxBody: MAX_BODY_BYTES,
        judge: (request, record) => judge(version, name, request, record),
      };
    },
    errorAnswer: hmsErrorAnswer,
  };
}

/** One request is one record: its first token stands for all. */
function targetOf(tokens: readonly string[]): string {
  return tokens[0] ?? '';
}

function readJson(body: Buffer | undefined): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(String(body));
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
