import { randomBytes } from 'node:crypto';
import type { HmsApp } from '../oauth/huawei.ts';

interface HmsPhone {
  readonly clientId: string;
  readonly projectId: string;
  isRegistered: boolean;
}

/** Virtual Huawei phones, by the tokens that they would have. */
export class HmsTokens {
  readonly #phones = new Map<string, HmsPhone>();

  create({ clientId, projectId }: HmsApp): string {
    const token = `IQAAAACy${randomBytes(72).toString('base64url')}`;
    this.#phones.set(token, { clientId, projectId, isRegistered: true });
    return token;
  }

  /** The app was removed, or got a new token. */
  unregister(token: string): void {
    const phone = this.#phones.get(token);
    if (phone) phone.isRegistered = false;
  }

  /** Whether a message of this app (v1) or of any app of this project (v2) arrives. */
  isReachable(token: string, by: { readonly clientId: string } | { readonly projectId: string }): boolean {
    const phone = this.#phones.get(token);
    if (!phone?.isRegistered) return false;
    return 'clientId' in by ? phone.clientId === by.clientId : phone.projectId === by.projectId;
  }
}
