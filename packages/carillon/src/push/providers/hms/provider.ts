import { lookup as systemLookup } from 'node:dns';
import type { LookupFunction } from 'node:net';
import type { HmsConfig } from '../../../config/config.ts';
import { AuthorizedService } from '../authorized-service.ts';
import type { HttpRequest } from '../http/transport.ts';
import { optionError } from '../option-error.ts';
import type { Outcome, Provider, ProviderMessage, SendBatch, Target } from '../provider.ts';
import { RemovalGuard } from '../removal-guard.ts';
import { pathPrefix, readServiceUrl } from '../service-url.ts';
import { type HmsVerdict, judge } from './answer.ts';
import { checkMessage } from './message.ts';

export interface HmsProviderOptions {
  /** Where the options are, for words about them. Default `hms`; a named app's is `apps.shop.hms`. */
  readonly section?: string;
  /** Root certificates in place of Node's own (PEM). */
  readonly ca?: string | Buffer;
  /** Resolves names. */
  readonly lookup?: LookupFunction;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
  /** Milliseconds that never go back. */
  readonly clock?: () => number;
  /** Default 5 000. */
  readonly connectTimeoutMs?: number;
  /** Default 15 000. */
  readonly requestTimeoutMs?: number;
  /** Default 60 000. */
  readonly idleTimeoutMs?: number;
}

const HUAWEI_OAUTH = 'https://oauth-login.cloud.huawei.com/oauth2/v3/token';
const HUAWEI_PUSH = 'https://push-api.cloud.huawei.com';
/** What Huawei takes in one request. */
const MAX_TOKENS = 1_000;
const MAX_STREAMS = 100;
/** Huawei's flow control names no time. */
const FLOW_WAIT_MS = 5_000;
/** And wants half the rate after it. */
const RAMP_FROM = 0.5;
/** A thousand illegal tokens, escaped twice, and more. */
const KEPT_BYTES = 1_048_576;

/** Targets that go out in one request: up to a thousand tokens, or one topic or condition. */
interface Group {
  readonly indices: readonly number[];
  readonly targets: readonly Target[];
}

/**
 * Sends through Push Kit's v1 API, up to a thousand tokens in a request.
 *
 * @throws ConfigError that names the option when credentials are missing or an endpoint is wrong
 */
export function createHmsProvider(config: HmsConfig, options: HmsProviderOptions = {}): Provider {
  const section = options.section ?? 'hms';
  for (const name of ['app_id', 'app_secret'] as const) {
    if (config[name] === '') {
      throw optionError(
        `${section}.${name}`,
        "is missing: it is shown in AppGallery Connect, in the app's information",
      );
    }
  }
  const { app_id: appId, app_secret: appSecret } = config;
  const now = options.now ?? Date.now;
  const endpoint = readServiceUrl(config.push_endpoint || HUAWEI_PUSH, `${section}.push_endpoint`);
  const path = `${pathPrefix(endpoint)}/v1/${encodeURIComponent(appId)}/messages:send`;
  const service = new AuthorizedService({
    endpoint,
    transport: {
      ...(options.ca === undefined ? {} : { ca: options.ca }),
      lookup: options.lookup ?? systemLookup,
      connectTimeoutMs: options.connectTimeoutMs ?? 5_000,
      requestTimeoutMs: options.requestTimeoutMs ?? 15_000,
      idleTimeoutMs: options.idleTimeoutMs ?? 60_000,
      maxStreams: MAX_STREAMS,
      keptBytes: KEPT_BYTES,
    },
    tokenEndpoint: readServiceUrl(config.auth_endpoint || HUAWEI_OAUTH, `${section}.auth_endpoint`),
    tokenForm: () => ({ grant_type: 'client_credentials', client_id: appId, client_secret: appSecret }),
    quotaWaitMs: FLOW_WAIT_MS,
    rampFrom: RAMP_FROM,
    clock: options.clock ?? (() => performance.now()),
  });
  const guard = new RemovalGuard();

  async function sendGroup(group: Group, message: ProviderMessage): Promise<HmsVerdict> {
    const count = group.targets.length;
    const passages = await service.enter(count);
    if ('kind' in passages) return { outcome: passages };
    const body = encode(group.targets, message);
    const addresses = group.targets.map(({ token }) => token);
    const request = (accessToken: string): HttpRequest => ({
      path,
      headers: [
        'authorization',
        `Bearer ${accessToken}`,
        'content-type',
        'application/json; charset=UTF-8',
        'content-length',
        String(body.length),
      ],
      body,
    });
    return new Promise((settle) => {
      service.send(passages[0], {
        count,
        request,
        judge: (response): HmsVerdict => judge(response, now(), addresses),
        settle,
      });
    });
  }

  return {
    name: 'hms',
    async send({ targets, message }: SendBatch, report) {
      try {
        checkMessage(message, 'notification.hms');
      } catch (error) {
        const reason = (error as Error).message;
        for (let index = 0; index < targets.length; index += 1) {
          report({ index, kind: 'failed', code: 'invalid_message', reason });
        }
        return;
      }
      await Promise.all(
        groupsOf([...targets]).map(async (group) => {
          const { sure, doubtful } = outcomesOf(group, await sendGroup(group, message));
          const accepted = sure.filter(({ kind }) => kind === 'accepted').length;
          guard.accept(accepted);
          for (const outcome of sure) report(outcome);
          for (const outcome of guard.settle(doubtful, accepted)) report(outcome);
        }),
      );
    },
    async close() {
      service.close();
    },
  };
}

function groupsOf(targets: readonly Target[]): Group[] {
  const groups: Group[] = [];
  let indices: number[] = [];
  const flush = (): void => {
    if (indices.length > 0)
      groups.push({ indices, targets: indices.map((index) => targets[index] as Target) });
    indices = [];
  };
  for (const [index, target] of targets.entries()) {
    if (target.kind) groups.push({ indices: [index], targets: [target] });
    else indices.push(index);
    if (indices.length === MAX_TOKENS) flush();
  }
  flush();
  return groups;
}

function encode(targets: readonly Target[], { message }: ProviderMessage): Buffer {
  const [first] = targets;
  const address = first?.kind ? { [first.kind]: first.token } : { token: targets.map(({ token }) => token) };
  return Buffer.from(JSON.stringify({ message: { ...(message as object), ...address } }));
}

/** The outcome of each target of a group; `doubtful` are those that the guard has to judge. */
function outcomesOf(
  { indices, targets }: Group,
  { outcome, effect, illegal }: HmsVerdict,
): { sure: Outcome[]; doubtful: Outcome[] } {
  const sure: Outcome[] = [];
  const doubtful: Outcome[] = [];
  for (const [position, index] of indices.entries()) {
    const isIllegal = illegal?.tokens.has(targets[position]?.token ?? '');
    const one: Outcome = { index, ...(illegal && isIllegal ? illegal.outcome : outcome) };
    const isDoubtful = isIllegal ? illegal?.isDoubtful : effect === 'doubtful';
    if (isDoubtful) doubtful.push(one);
    else sure.push(one);
  }
  return { sure, doubtful };
}
