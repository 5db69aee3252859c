import { randomBytes } from 'node:crypto';

/** `development` is the sandbox. */
export type Environment = 'development' | 'production';

/** An app on a virtual device. */
export interface ApnsDevice {
  readonly topic: string;
  readonly environment: Environment;
  /** Since when its token is no good: milliseconds since the epoch. */
  goneAt?: number;
}

export interface DeviceOptions {
  /** The app's bundle ID; or, for a token of one kind of push alone, a whole topic: `com.example.chat.voip`. */
  readonly topic: string;
  /** `production` when absent. */
  readonly environment?: Environment;
  /** Of the token; 32 when absent, as is usual. APNs promises no length. */
  readonly bytes?: number;
}

/** Virtual Apple devices, by their tokens. */
export class ApnsDevices {
  readonly #devices = new Map<string, ApnsDevice>();

  create({ topic, environment = 'production', bytes = 32 }: DeviceOptions): string {
    const token = randomBytes(bytes).toString('hex');
    this.#devices.set(token, { topic, environment });
    return token;
  }

  find(token: string): ApnsDevice | undefined {
    return this.#devices.get(token.toLowerCase());
  }

  /** @throws when there is no such token */
  unregister(token: string, goneAt: number): void {
    const device = this.find(token);
    if (!device) throw new Error(`no device has the token ${token.slice(0, 8)}…`);
    device.goneAt = goneAt;
  }
}
