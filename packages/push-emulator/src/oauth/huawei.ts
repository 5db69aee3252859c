import { randomBytes, randomInt } from 'node:crypto';
import type { Answer, ServiceRequest } from '../service.ts';
import { AccessTokens } from './access-tokens.ts';

const TOKEN_SECONDS = 3600;

/** An app of Huawei's developer console, and what a sender needs of it. */
export interface HmsApp {
  /** The app's OAuth client, which is in the path of v1 sends. */
  readonly clientId: string;
  readonly clientSecret: string;
  /** In the path of v2 sends. */
  readonly projectId: string;
}

/** Huawei's side of client credentials (vendors.md 3.1). */
export class HuaweiApps {
  readonly tokens: AccessTokens<HmsApp>;
  readonly #apps = new Map<string, HmsApp>();

  constructor(options: { now: () => number }) {
    this.tokens = new AccessTokens({ prefix: 'CgB6e3x9/', lifetimeSeconds: TOKEN_SECONDS, now: options.now });
  }

  /** A new app; of a project that is there already, when one is named. */
  createApp({ projectId = digits(18) }: { readonly projectId?: string } = {}): HmsApp {
    const app = { clientId: digits(9), clientSecret: randomBytes(32).toString('hex'), projectId };
    this.#apps.set(app.clientId, app);
    return app;
  }

  /** By its client ID. */
  app(clientId: string): HmsApp | undefined {
    return this.#apps.get(clientId);
  }

  hasProject(projectId: string): boolean {
    return [...this.#apps.values()].some((app) => app.projectId === projectId);
  }

  /** `POST /oauth2/v3/token`. */
  answer(request: ServiceRequest): Answer {
    const form = new URLSearchParams(String(request.body ?? ''));
    if (form.get('grant_type') !== 'client_credentials') return huaweiFailure(20001, 'grant_type is invalid');
    const app = this.#apps.get(form.get('client_id') ?? '');
    if (!app) return huaweiFailure(20043, 'client_id is invalid');
    if (form.get('client_secret') !== app.clientSecret)
      return huaweiFailure(20044, 'client_secret is invalid');
    const { token, expiresIn } = this.tokens.issue(app);
    const body = { access_token: token, expires_in: expiresIn, token_type: 'Bearer' };
    // Huawei escapes slashes, as JSON allows; who reads the text without decoding it has a token that is refused.
    return { ...json(200), body: JSON.stringify(body).replaceAll('/', '\\/') };
  }
}

/** An error in Huawei's words. */
export function huaweiFailure(subError: number, description: string, status = 400): Answer {
  return {
    ...json(status),
    body: JSON.stringify({ error: 1101, sub_error: subError, error_description: description }),
  };
}

function json(status: number): Answer {
  return {
    status,
    headers: { 'content-type': 'application/json;charset=UTF-8', 'cache-control': 'no-store' },
  };
}

function digits(length: number): string {
  return `1${Array.from({ length: length - 1 }, () => randomInt(10)).join('')}`;
}
