import type { Device } from '@carillon/push-client';
import type { Settings } from '../api/types.ts';
import { FirebaseRoad } from './firebase-road.ts';
import { NativeRoad } from './native-road.ts';

/**
 * How pushes reach this browser: by native Web Push, or through Firebase where the server has a project there. A browser
 * has one of them at a time; taking one ends the other.
 */
export interface Road {
  readonly kind: 'native' | 'firebase';
  /** In a click: asks the browser, and gives what is to be registered. @throws PushError */
  take(): Promise<Device>;
  /** Without any question: brings up to date what is there; undefined without permission. @throws PushError */
  keep(): Promise<Device | undefined>;
  /** Ends it in this browser. */
  leave(): Promise<void>;
}

/** The road that the server wants; undefined when it has notifications switched off. */
export function roadFor({ push_notifications }: Settings): Road | undefined {
  const { enabled, vapid_public_key: key, firebase_config: config } = push_notifications;
  if (!enabled || !key) return undefined;
  return config ? new FirebaseRoad(config, key) : new NativeRoad(key);
}
