import { generateKeyPairSync, type KeyObject, randomBytes, randomInt } from 'node:crypto';
import type { Answer, ServiceRequest } from '../service.ts';
import { AccessTokens } from './access-tokens.ts';
import { isSignedBy, type Jwt, readJwt } from './jwt.ts';

const GRANT_TYPE = 'urn:ietf:params:oauth:grant-type:jwt-bearer';
/** Audiences that Google's own libraries sign for, whatever the key file says (vendors.md 1.1). */
const GOOGLE_AUDIENCES = [
  'https://oauth2.googleapis.com/token',
  'https://www.googleapis.com/oauth2/v4/token',
];
const MAX_LIFETIME_SECONDS = 3600;
const CLOCK_SKEW_SECONDS = 300;
const TOKEN_SECONDS = 3599;
const CLOUD_SCOPE = 'https://www.googleapis.com/auth/cloud-platform';
const MESSAGING_SCOPE = 'https://www.googleapis.com/auth/firebase.messaging';

/** A Google project that messages can be sent in. */
export interface Project {
  readonly id: string;
  /** The project number, which is the sender ID as well. */
  readonly number: string;
}

/** Somebody who may send, in one project. */
export interface Account {
  readonly email: string;
  readonly project: Project;
  readonly publicKey: KeyObject;
  /** False: Google knows the account, and lets it send nothing (IAM). */
  readonly maySend: boolean;
}

export interface ServiceAccountOptions {
  /** A new one when absent. */
  readonly projectId?: string;
  /** False: an account without `cloudmessaging.messages.create`. */
  readonly maySend?: boolean;
}

/** Google's side of service accounts: projects, key files, access tokens. */
export class GoogleAccounts {
  readonly tokens: AccessTokens<Account>;
  readonly #projects = new Map<string, Project>();
  readonly #accounts = new Map<string, Account>();
  readonly #tokenUrl: () => string;
  readonly #now: () => number;

  /** @param options.tokenUrl where the key files send their owners for a token */
  constructor(options: { tokenUrl: () => string; now: () => number }) {
    this.#tokenUrl = options.tokenUrl;
    this.#now = options.now;
    this.tokens = new AccessTokens({ prefix: 'ya29.', lifetimeSeconds: TOKEN_SECONDS, now: options.now });
  }

  /** By its ID or its number. */
  project(name: string): Project | undefined {
    return this.#projects.get(name);
  }

  /** The project of that ID, made when there is none. @throws TypeError when it cannot be a project's ID */
  ensureProject(id = `emulated-${randomBytes(4).toString('hex')}`): Project {
    const known = this.#projects.get(id);
    if (known) return known;
    if (!/^[a-z][a-z0-9-]{4,28}[a-z0-9]$/.test(id)) {
      throw new TypeError(
        `projectId is ${JSON.stringify(id)}: 6 to 30 lower-case letters, digits and hyphens are allowed, beginning with a letter`,
      );
    }
    const project = { id, number: String(randomInt(1e11, 1e12 - 1)) };
    this.#projects.set(id, project);
    this.#projects.set(project.number, project);
    return project;
  }

  /** A new account and its key file: the text that `credentials_file` is to hold. */
  serviceAccount({ projectId, maySend = true }: ServiceAccountOptions = {}): string {
    const project = this.ensureProject(projectId);
    const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const name = `push-${randomBytes(3).toString('hex')}`;
    const email = `${name}@${project.id}.iam.gserviceaccount.com`;
    this.#accounts.set(email, { email, project, publicKey, maySend });
    const file = {
      type: 'service_account',
      project_id: project.id,
      private_key_id: randomBytes(20).toString('hex'),
      private_key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
      client_email: email,
      client_id: String(randomInt(1e14)).padStart(21, '1'),
      auth_uri: 'https://accounts.google.com/o/oauth2/auth',
      token_uri: this.#tokenUrl(),
      auth_provider_x509_cert_url: 'https://www.googleapis.com/oauth2/v1/certs',
      client_x509_cert_url: `https://www.googleapis.com/robot/v1/metadata/x509/${encodeURIComponent(email)}`,
      universe_domain: 'googleapis.com',
    };
    return `${JSON.stringify(file, null, 2)}\n`;
  }

  /** An access token without the detour over a signed assertion, for clients that take one from elsewhere. */
  accessToken(projectId: string): string {
    const project = this.ensureProject(projectId);
    const account = [...this.#accounts.values()].find((one) => one.project === project && one.maySend);
    if (!account) throw new Error(`project ${projectId} has no service account yet`);
    return this.tokens.issue(account, MESSAGING_SCOPE).token;
  }

  /** `POST /token`: a signed assertion for an access token (RFC 7523; vendors.md 1.1). */
  answer(request: ServiceRequest): Answer {
    const form = new URLSearchParams(String(request.body ?? ''));
    const grantType = form.get('grant_type');
    const assertion = form.get('assertion');
    if (!grantType) return failure('invalid_request', 'Required parameter is missing: grant_type');
    if (grantType !== GRANT_TYPE)
      return failure('unsupported_grant_type', `Invalid grant_type: ${grantType.slice(0, 100)}`);
    if (!assertion) return failure('invalid_request', 'Required parameter is missing: assertion');
    const jwt = readJwt(assertion);
    if (!jwt) return failure('invalid_grant', 'Invalid JWT: The assertion is not a JSON Web Token.');
    const account = this.#accounts.get(String(jwt.claims.iss));
    if (!account) return failure('invalid_grant', 'Invalid grant: account not found');
    const wrong = this.#wrong(jwt, account, request.origin);
    if (wrong) return failure('invalid_grant', wrong);
    const { scope } = jwt.claims;
    if (typeof scope !== 'string' || scope.trim() === '') {
      return failure('invalid_scope', 'Invalid OAuth scope or ID token audience provided.');
    }
    const { token, expiresIn } = this.tokens.issue(account, scope);
    return json(200, { access_token: token, expires_in: expiresIn, token_type: 'Bearer' });
  }

  #wrong({ claims, ...jwt }: Jwt, account: Account, origin: string): string | undefined {
    if (!isSignedBy({ claims, ...jwt }, 'RS256', account.publicKey)) return 'Invalid JWT Signature.';
    const audiences = [...GOOGLE_AUDIENCES, this.#tokenUrl(), `${origin}/token`];
    if (typeof claims.aud !== 'string' || !audiences.includes(claims.aud)) {
      return 'Invalid JWT: Failed audience check.';
    }
    const { iat, exp } = claims;
    const now = this.#now() / 1000;
    const isTimely =
      typeof iat === 'number' &&
      typeof exp === 'number' &&
      iat <= now + CLOCK_SKEW_SECONDS &&
      exp > now - CLOCK_SKEW_SECONDS &&
      exp > iat &&
      exp - iat <= MAX_LIFETIME_SECONDS + CLOCK_SKEW_SECONDS;
    return isTimely
      ? undefined
      : 'Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. Check your iat and exp values in the JWT claim.';
  }
}

/** Whether an access token of this scope may send messages. */
export function maySendMessages(scope: string): boolean {
  const scopes = scope.split(' ');
  return scopes.includes(MESSAGING_SCOPE) || scopes.includes(CLOUD_SCOPE);
}

/** An error of the token endpoint (RFC 6749, section 5.2). */
export function failure(error: string, description?: string, status = 400): Answer {
  return json(status, { error, ...(description !== undefined && { error_description: description }) });
}

function json(status: number, body: object): Answer {
  return {
    status,
    headers: { 'content-type': 'application/json; charset=utf-8', 'cache-control': 'no-cache, no-store' },
    body: JSON.stringify(body),
  };
}
