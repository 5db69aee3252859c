import pg from 'pg';
import type { NotifyListener } from './database.ts';

const RETRY_MS = 1_000;
const HEARTBEAT_MS = 10_000;
const HEARTBEAT_TIMEOUT_MS = 5_000;

/**
 * One connection for all LISTENs of a process.
 *
 * Idle (nobody listens, no connection) → connecting → live. A broken connection, or one that answers no heartbeat
 * (half-open sockets make no error of their own), goes back to connecting after a second; when it is live again
 * every listener hears `undefined`, since notifications sent meanwhile are lost. Closed is final.
 */
export class PostgresListener {
  readonly #dsn: string;
  readonly #onError: ((error: Error) => void) | undefined;
  readonly #listeners = new Map<string, Set<NotifyListener>>();
  #live: Promise<pg.Client> | undefined;
  #retry: NodeJS.Timeout | undefined;
  #heartbeat: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(dsn: string, onError?: (error: Error) => void) {
    this.#dsn = dsn;
    this.#onError = onError;
  }

  /** Resolves once the server has taken the LISTEN, so that nothing sent afterwards is missed. */
  async listen(channel: string, listener: NotifyListener): Promise<() => Promise<void>> {
    const listeners = this.#listeners.get(channel) ?? new Set();
    this.#listeners.set(channel, listeners);
    listeners.add(listener);
    this.#live ??= this.#connect();
    const client = await this.#live;
    await client.query(`LISTEN ${pg.escapeIdentifier(channel)}`);
    return async () => {
      listeners.delete(listener);
      if (listeners.size > 0) return;
      this.#listeners.delete(channel);
      const current = await this.#live?.catch(() => undefined);
      await current?.query(`UNLISTEN ${pg.escapeIdentifier(channel)}`).catch(() => {});
    };
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#retry);
    clearInterval(this.#heartbeat);
    const client = await this.#live?.catch(() => undefined);
    await client?.end().catch(() => {});
  }

  async #connect(): Promise<pg.Client> {
    const client = new pg.Client({
      connectionString: this.#dsn,
      keepAlive: true,
      connectionTimeoutMillis: 10_000,
      application_name: 'carillon listen',
    });
    let lost = false;
    const onLost = (error?: Error) => {
      if (lost || this.#closed) return;
      lost = true;
      clearInterval(this.#heartbeat);
      this.#onError?.(error ?? new Error('LISTEN connection closed by the server'));
      client.end().catch(() => {});
      this.#reconnectLater();
    };
    client.on('error', onLost);
    client.on('end', () => onLost());
    client.on('notification', ({ channel, payload }) => {
      for (const listener of this.#listeners.get(channel) ?? []) listener(payload ?? '');
    });
    try {
      await client.connect();
      for (const channel of this.#listeners.keys()) {
        await client.query(`LISTEN ${pg.escapeIdentifier(channel)}`);
      }
    } catch (error) {
      onLost(error as Error);
      throw error;
    }
    this.#heartbeat = setInterval(() => {
      const timeout = setTimeout(() => {
        onLost(new Error('LISTEN connection answers no heartbeat'));
      }, HEARTBEAT_TIMEOUT_MS);
      client.query('SELECT 1').then(
        () => clearTimeout(timeout),
        () => clearTimeout(timeout),
      );
    }, HEARTBEAT_MS);
    return client;
  }

  #reconnectLater(): void {
    this.#retry = setTimeout(() => {
      this.#live = this.#connect();
      this.#live.then(
        () => {
          for (const listeners of this.#listeners.values())
            for (const listener of listeners) listener(undefined);
        },
        () => {},
      );
    }, RETRY_MS);
  }
}
