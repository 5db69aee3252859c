import { generateKeyPairSync } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import type { FcmConfig, HmsConfig } from '../../../src/config/config.ts';
import type { Target } from '../../../src/push/providers/provider.ts';
import { PushService, type ReceivedPush } from '../webpush/support.ts';

type Answer = (push: ReceivedPush, response: ServerResponse) => void;

const TOKEN_PATH = '/oauth/token';

/** Where a provider's two services are. */
export interface Endpoints {
  readonly origin: string;
  readonly tokenUrl: string;
}

/** A vendor's push service and its OAuth service on one port; by itself it takes everything. */
export class OAuthService implements Endpoints {
  readonly service: PushService;
  readonly isSecure: boolean;
  /** Requests for access tokens, and sends, in order. */
  readonly grants: ReceivedPush[] = [];
  readonly sends: ReceivedPush[] = [];
  grant: Answer = (_push, response) => {
    answerJson(response, 200, { access_token: `access-${this.grants.length}`, expires_in: 3599 });
  };
  answer: Answer;

  constructor(service: PushService, isSecure: boolean, accept: Answer) {
    this.service = service;
    this.isSecure = isSecure;
    this.answer = accept;
    service.answer = (push, response) => {
      if (push.path === TOKEN_PATH) {
        this.grants.push(push);
        this.grant(push, response);
      } else {
        this.sends.push(push);
        this.answer(push, response);
      }
    };
  }

  static async startPlain(accept: Answer): Promise<OAuthService> {
    return new OAuthService(await PushService.startPlain(), false, accept);
  }

  get origin(): string {
    return this.isSecure ? `https://localhost:${this.service.port}` : `http://127.0.0.1:${this.service.port}`;
  }

  get tokenUrl(): string {
    return this.origin + TOKEN_PATH;
  }

  close(): Promise<void> {
    return this.service.close();
  }
}

export function answerJson(
  response: ServerResponse,
  status: number,
  body: object,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify(body));
}

export const serviceAccountKeys = generateKeyPairSync('rsa', {
  modulusLength: 2048,
  publicKeyEncoding: { type: 'spki', format: 'pem' },
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
});

/** A key file's members, as Google makes them. */
export function serviceAccount(overrides: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    type: 'service_account',
    project_id: 'shop-1',
    private_key_id: 'key-1',
    private_key: serviceAccountKeys.privateKey,
    client_email: 'sender@shop-1.iam.gserviceaccount.com',
    token_uri: 'https://oauth2.googleapis.com/token',
    ...overrides,
  };
}

export function fcmConfig(service: Endpoints, overrides: Partial<FcmConfig> = {}): FcmConfig {
  return {
    credentials_file: '',
    credentials_json: JSON.stringify(serviceAccount({ token_uri: service.tokenUrl })),
    endpoint: service.origin,
    tokens_batch_size: 500,
    ...overrides,
  };
}

export function acceptFcm(_push: ReceivedPush, response: ServerResponse): void {
  answerJson(response, 200, { name: 'projects/shop-1/messages/0:1500415314455276%31bd1c9631bd1c96' });
}

/** FCM's error with details of these types, without Google's prefix. */
export function fcmError(
  code: number,
  status: string,
  message: string,
  ...details: readonly { type: string; [member: string]: unknown }[]
): object {
  const typed = details.map(({ type, ...rest }) => ({ '@type': `type.googleapis.com/${type}`, ...rest }));
  return { error: { code, message, status, ...(typed.length > 0 ? { details: typed } : {}) } };
}

export const FCM_ERROR = 'google.firebase.fcm.v1.FcmError';

export function hmsConfig(service: Endpoints, overrides: Partial<HmsConfig> = {}): HmsConfig {
  return {
    app_id: '104',
    app_secret: 'a-secret-of-huawei',
    auth_endpoint: service.tokenUrl,
    push_endpoint: service.origin,
    tokens_batch_size: 1000,
    ...overrides,
  };
}

export function acceptHms(_push: ReceivedPush, response: ServerResponse): void {
  answerJson(response, 200, { code: '80000000', msg: 'Success', requestId: '157440955549500001002006' });
}

/** Registration tokens as long as real ones, each with its number. */
export function tokenTargets(count: number): Target[] {
  return Array.from({ length: count }, (_, index) => ({
    token: `token${String(index).padStart(6, '0')}:APA91b${'x'.repeat(130)}`,
  }));
}

/** The tokens that a send carries, FCM's or HMS's. */
export function tokensOf(push: ReceivedPush): string[] {
  const { message } = JSON.parse(push.body.toString());
  return Array.isArray(message.token) ? message.token : [message.token];
}
