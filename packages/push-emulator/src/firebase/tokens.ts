import { randomBytes } from 'node:crypto';

/** A web app's registration with FCM: what its token or installation id leads to. */
export interface FirebaseRegistration {
  /** Of its push subscription. */
  readonly endpoint: string;
  /** Base64url, as `auth` and `applicationPubKey`. */
  readonly p256dh: string;
  readonly auth: string;
  /** The project's web push key; absent when the app goes by Firebase's default key. */
  readonly applicationPubKey?: string;
  /** The project that it registered with. */
  readonly project: string;
  /** Host of the service worker's scope. */
  readonly origin?: string;
}

const MAX_REGISTRATIONS = 100_000;

/** Which FCM addresses of web apps there are: tokens, and installation ids (FIDs) that were registered instead of one. */
export class FirebaseTokens {
  readonly #registrations = new Map<string, FirebaseRegistration | 'gone'>();

  /**
   * What an FCM address leads to: `gone` when it was deleted, replaced or dropped (FCM: `UNREGISTERED`); undefined when it was never
   * one of a web app here.
   */
  find(address: string): FirebaseRegistration | 'gone' | undefined {
    return this.#registrations.get(address);
  }

  /** A new token, of the shape of FCM's: installation id, colon, opaque text. */
  create(fid: string, registration: FirebaseRegistration): string {
    const token = `${fid}:APA91b${randomBytes(100).toString('base64url')}`;
    this.set(token, registration);
    return token;
  }

  set(address: string, registration: FirebaseRegistration): void {
    this.#registrations.set(address, registration);
    const [oldest] = this.#registrations.keys();
    if (this.#registrations.size > MAX_REGISTRATIONS && oldest !== undefined)
      this.#registrations.delete(oldest);
  }

  /** From now on it is gone: deleted by the app, or its push service answered 404 or 410. Returns whether it was there. */
  drop(address: string): boolean {
    const known = this.#registrations.get(address);
    if (known === undefined || known === 'gone') return false;
    this.#registrations.set(address, 'gone');
    return true;
  }
}
