import { randomBytes } from 'node:crypto';
import type { Project } from '../oauth/google.ts';

/** An app on a virtual phone, that FCM can reach by its token or its installation ID. */
export interface Phone {
  readonly token: string;
  /** Firebase installation ID: 22 characters. */
  readonly fid: string;
  readonly project: Project;
  isRegistered: boolean;
}

const FID = /^[cdef][\w-]{21}$/;
const TOKEN = /^[\w-]{11,64}:[\w-]{100,4000}$/;

/** Virtual phones with the tokens that FCM would give them. */
export class Phones {
  readonly #byAddress = new Map<string, Phone>();

  create(project: Project): Phone {
    const phone = { ...createAddress(), project, isRegistered: true };
    this.#byAddress.set(phone.token, phone);
    this.#byAddress.set(phone.fid, phone);
    return phone;
  }

  /** By token or FID. */
  find(address: string): Phone | undefined {
    return this.#byAddress.get(address);
  }
}

/** Whether a text has the form of a registration token or a FID, as far as forms go. */
export function isWellFormed(address: string): boolean {
  return TOKEN.test(address) || FID.test(address);
}

/** A new token as Android and web apps get them, and the FID that it begins with. */
export function createAddress(): { token: string; fid: string } {
  const fid = randomBytes(17);
  fid[0] = 0b0111_0000 | (fid[0]! & 0b1111);
  const text = fid.toString('base64url').slice(0, 22);
  return { fid: text, token: `${text}:APA91b${randomBytes(100).toString('base64url').slice(0, 134)}` };
}
