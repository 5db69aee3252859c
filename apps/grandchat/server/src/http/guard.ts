import type { FastifyReply, FastifyRequest } from 'fastify';
import type { CsrfTokens, Session, Sessions } from '../accounts/sessions.ts';
import { HttpError } from './errors.ts';

const SESSION_COOKIE = 'sessionid';
const CSRF_COOKIE = 'csrftoken';
const SESSION_AGE_S = 30 * 24 * 3600;

export interface GuardOptions {
  readonly sessions: Sessions;
  readonly csrf: CsrfTokens;
  /** Cookies only travel over https; off for plain http on localhost. */
  readonly secure: boolean;
}

/** Who a request comes from, and whether it comes from our own pages. */
export class Guard {
  readonly #options: GuardOptions;

  constructor(options: GuardOptions) {
    this.#options = options;
  }

  session(request: FastifyRequest): Promise<Session | undefined> {
    return this.#options.sessions.find(request.cookies[SESSION_COOKIE]);
  }

  /** @throws HttpError 403 when nobody is signed in (`status` 401 for the token views) */
  async requireSession(request: FastifyRequest, status = 403): Promise<Session> {
    const session = await this.session(request);
    if (!session) throw new HttpError(status, 'sign in first', { code: 'signed_out' });
    return session;
  }

  /** @throws HttpError 403 unless the header pairs with the browser's cookie and session */
  requireCsrf(request: FastifyRequest): void {
    const given = request.headers['x-csrftoken'];
    const { [CSRF_COOKIE]: cookie, [SESSION_COOKIE]: session } = request.cookies;
    if (typeof given === 'string' && this.#options.csrf.verify(given, cookie, session)) return;
    throw new HttpError(403, 'CSRF token missing or wrong', { code: 'csrf' });
  }

  /** Hands out the CSRF token for the browser's present session. */
  giveCsrf(request: FastifyRequest, reply: FastifyReply): void {
    const cookie = request.cookies[CSRF_COOKIE] ?? this.#options.csrf.newCookie();
    this.#writeCsrf(reply, cookie, request.cookies[SESSION_COOKIE]);
  }

  signIn(reply: FastifyReply, sessionToken: string): void {
    reply.setCookie(SESSION_COOKIE, sessionToken, { ...this.#cookie(), maxAge: SESSION_AGE_S });
    this.#writeCsrf(reply, this.#options.csrf.newCookie(), sessionToken);
  }

  signOut(reply: FastifyReply): void {
    reply.clearCookie(SESSION_COOKIE, this.#cookie());
    this.#writeCsrf(reply, this.#options.csrf.newCookie(), undefined);
  }

  #writeCsrf(reply: FastifyReply, cookie: string, sessionToken: string | undefined): void {
    reply.setCookie(CSRF_COOKIE, cookie, { ...this.#cookie(), maxAge: SESSION_AGE_S });
    reply.header('X-CSRFToken', this.#options.csrf.tokenFor(cookie, sessionToken));
  }

  #cookie() {
    return { path: '/', httpOnly: true, sameSite: 'strict', secure: this.#options.secure } as const;
  }
}
