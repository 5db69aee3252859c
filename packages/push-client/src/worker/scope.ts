/** The parts of a service worker's global scope that are used here, so that tests can stand in for them. */
export interface WorkerScope {
  readonly location: { readonly origin: string };
  readonly registration: Pick<
    ServiceWorkerRegistration,
    'showNotification' | 'getNotifications' | 'pushManager'
  >;
  readonly clients: {
    matchAll(options: { type: 'window'; includeUncontrolled: boolean }): Promise<readonly WindowClient[]>;
    openWindow(url: string): Promise<WindowClient | null>;
  };
  readonly navigator: { setAppBadge?(count?: number): Promise<void> };
}

export interface WindowClient {
  readonly focused: boolean;
  readonly visibilityState: DocumentVisibilityState;
  postMessage(message: unknown, transfer: Transferable[]): void;
  focus(): Promise<unknown>;
}

/** An event that the worker stays alive for. */
export interface ExtendableEvent {
  waitUntil(work: Promise<unknown>): void;
}

export function thisWorker(): WorkerScope {
  return globalThis as unknown as WorkerScope;
}

/** The windows of this app. */
export function windowsOf(scope: WorkerScope): Promise<readonly WindowClient[]> {
  return scope.clients.matchAll({ type: 'window', includeUncontrolled: true });
}
