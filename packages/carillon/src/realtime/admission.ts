import type { Config } from '../config/config.ts';
import type { Logger } from '../logger.ts';
import type { Channel } from './channels.ts';
import type { Claims, SubscriptionClaims } from './claims.ts';
import { clientError, disconnect } from './codes.ts';
import { textOf } from './commands.ts';
import { clientMaySubscribe, isUserLimited } from './permissions.ts';
import type { Proxies } from './proxies/proxies.ts';
import type { Session } from './session.ts';
import type { Subscription } from './subscription.ts';
import type { TokenVerifier } from './tokens.ts';

type Request = Readonly<Record<string, unknown>>;

/** What a subscription is let in with. */
export interface Grant extends SubscriptionClaims {
  /** Unix seconds; 0 for never. */
  readonly expireAt: number;
}

export interface AdmissionOptions {
  readonly config: Pick<Config, 'client'>;
  readonly tokens: TokenVerifier;
  readonly proxies: Proxies;
  readonly logger: Logger;
}

/** Decides who may be in which channel, and for how long (client-protocol, section 4). */
export class Admission {
  readonly #options: AdmissionOptions;

  constructor(options: AdmissionOptions) {
    this.#options = options;
  }

  /**
   * A `subscribe` command for a channel that there is: its token, else the users in its name, else the
   * application, else the namespace.
   * @throws ClientError, Disconnect
   */
  async subscribe(session: Session, channel: Channel, request: Request): Promise<Grant> {
    const token = textOf(request, 'token');
    if (token) return this.#tokenGrant(session, channel, token);
    if (channel.isPrivate) throw clientError('permissionDenied');
    if (channel.options.subscribe_proxy_enabled && !isUserLimited(channel))
      return this.#options.proxies.subscribe(session, channel, request);
    if (clientMaySubscribe(channel, session.user) || this.#options.config.client.insecure)
      return { expireAt: 0 };
    throw clientError('permissionDenied');
  }

  /**
   * A `sub_refresh` command.
   * @throws ClientError, Disconnect
   */
  async refresh(session: Session, subscription: Subscription, request: Request): Promise<Grant> {
    if (subscription.channel.options.sub_refresh_proxy_enabled) throw disconnect('badRequest');
    const token = textOf(request, 'token');
    if (!token) throw clientError('badRequest');
    const verdict = await this.#options.tokens.verify(token);
    if (verdict.kind === 'unavailable') throw clientError('internal');
    if (verdict.kind === 'expired') throw clientError('tokenExpired');
    if (verdict.kind === 'invalid') throw disconnect('invalidToken');
    return checkBinding(session, subscription.channel, verdict.claims);
  }

  async #tokenGrant(session: Session, channel: Channel, token: string): Promise<Grant> {
    const verdict = await this.#options.tokens.verify(token);
    if (verdict.kind === 'unavailable') throw clientError('internal');
    if (verdict.kind === 'expired') throw clientError('tokenExpired');
    if (verdict.kind === 'invalid' || verdict.claims.channel === '') {
      const reason = verdict.kind === 'invalid' ? verdict.reason : 'it is no subscription token';
      this.#options.logger.debug({ client: session.id, reason }, 'a subscription token was refused');
      throw clientError('permissionDenied');
    }
    return checkBinding(session, channel, verdict.claims);
  }
}

/** A token is for one channel and one user, and perhaps for one connection. @throws Disconnect 3500 */
function checkBinding(session: Session, channel: Channel, claims: Claims): Claims {
  const isForThem =
    claims.channel === channel.name &&
    claims.user === session.user &&
    (claims.client === '' || claims.client === session.id);
  if (!isForThem) throw disconnect('invalidToken');
  return claims;
}
