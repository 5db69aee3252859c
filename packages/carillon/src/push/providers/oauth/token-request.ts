import { OriginClient } from '../http/origin-client.ts';
import type { HttpResponse } from '../http/response-reader.ts';
import { answerTo, type TransportOptions } from '../http/transport.ts';
import { parseObject } from '../message-fields.ts';
import { reasonWords } from '../reason-words.ts';
import { PASSING_STATUSES } from '../verdict.ts';
import { type Grant, OAuthError } from './access-tokens.ts';

/** Access tokens of Google and Huawei stay below 2 KiB; more is no token. */
const MAX_TOKEN_LENGTH = 8_192;
/** Of the form: never repeated in words, whatever the service says. */
const SECRET_FIELDS = ['assertion', 'client_secret'];
const TOKEN = /^[\x21-\x7e]+$/;

/** Asks an OAuth service for access tokens (RFC 6749 §4.4, RFC 7523 §2.1). */
export class TokenRequester {
  readonly #client: OriginClient;
  readonly #path: string;

  constructor(url: URL, transport: TransportOptions) {
    this.#client = new OriginClient(url.origin, { ...transport, maxConnections: 1, keptBytes: 16_384 });
    this.#path = url.pathname + url.search;
  }

  /** @throws OAuthError */
  async request(form: Readonly<Record<string, string>>): Promise<Grant> {
    const body = Buffer.from(new URLSearchParams(form).toString());
    const headers = [
      'content-type',
      'application/x-www-form-urlencoded',
      'content-length',
      String(body.length),
      'accept',
      'application/json',
    ];
    let response: HttpResponse;
    try {
      const [slot] = await this.#client.acquire();
      const post = { path: this.#path, headers, body };
      response = await answerTo((onResult) => this.#client.send(slot, post, onResult));
    } catch (cause) {
      throw new OAuthError(`no access token: ${(cause as Error).message}`, false, { cause });
    }
    return readGrant(
      response,
      SECRET_FIELDS.map((name) => form[name] ?? ''),
    );
  }

  close(): void {
    this.#client.close();
  }
}

function readGrant({ status, text }: HttpResponse, secrets: readonly string[]): Grant {
  const answer = parseObject(text) ?? {};
  const { access_token: token, expires_in: expiresIn } = answer;
  const seconds = Number(expiresIn);
  if (status === 200 && typeof token === 'string') {
    if (token.length <= MAX_TOKEN_LENGTH && TOKEN.test(token) && seconds > 0) {
      return { token, expiresInMs: seconds * 1000 };
    }
  }
  const words = [answer.error, answer.sub_error, answer.error_description]
    .filter((word) => typeof word === 'string' || typeof word === 'number')
    .join(', ');
  // A redirect is none: credentials are not sent after it, and only the operator can set the address right.
  const isRefused = status >= 300 && status < 500 && !PASSING_STATUSES.has(status);
  throw new OAuthError(
    `no access token: the OAuth service answered ${status}${words ? `: ${reasonWords(words, secrets)}` : ''}`,
    isRefused,
  );
}
