import assert from 'node:assert/strict';
import type { ServerResponse } from 'node:http';
import type { ServerHttp2Stream } from 'node:http2';
import { afterEach, before, describe, it } from 'node:test';
import type { Outcome, Provider, ProviderMessage, Target } from '../../../src/push/providers/provider.ts';
import {
  type Certificates,
  makeCertificates,
  PushService,
  type ReceivedPush,
  sendAll,
  stubLookup,
  until,
} from '../webpush/support.ts';

/** How the suite speaks to a provider's service. */
export interface ProviderUnderTest {
  readonly provider: Provider;
  readonly message: ProviderMessage;
  /** Different addresses at the service. */
  targets(count: number): Target[];
  /** Answers a send as the vendor does when all is well. */
  accept(push: ReceivedPush, response: ServerResponse): void;
  /** Answers what is no send, e.g. OAuth's; gives true then. */
  answerOther?(push: ReceivedPush, response: ServerResponse): boolean;
}

export interface SinkOptions {
  /** `https://localhost:<port>`, or `http://127.0.0.1:<port>`. */
  readonly origin: string;
  readonly ca: string;
  readonly lookup: ReturnType<typeof stubLookup>;
  readonly connectTimeoutMs: number;
  readonly requestTimeoutMs: number;
}

/** What a provider cannot do by its nature. */
export interface ConformanceLimits {
  /** A service that speaks HTTP/2 alone is not tried over HTTP/1.1. */
  readonly http2Only?: boolean;
}

/**
 * What every provider keeps, whatever its vendor: each target has one outcome, what may pass is tried again, nothing is
 * followed, leaked or told. A provider joins with one call in a test file of its own.
 *
 * @param makeProviderAgainstSink makes a provider that sends to the sink; called for each test
 */
export function providerConformance(
  name: string,
  makeProviderAgainstSink: (sink: SinkOptions) => ProviderUnderTest,
  limits: ConformanceLimits = {},
): void {
  describe(`${name}, as every provider`, () => {
    let certificates: Certificates;
    let service: PushService;
    let subject: ProviderUnderTest;
    /** Sends, without what `answerOther` took. */
    let sends: ReceivedPush[];
    let answer: ProviderUnderTest['accept'];

    before(() => {
      certificates = makeCertificates();
    });
    afterEach(async () => {
      await subject?.provider.close();
      await service?.close();
    });

    async function start(
      kind: 'http2' | 'https1' | 'plain' = 'http2',
      times: Partial<Pick<SinkOptions, 'connectTimeoutMs' | 'requestTimeoutMs'>> = {},
    ): Promise<void> {
      if (kind === 'plain') service = await PushService.startPlain();
      else if (kind === 'https1') service = await PushService.startSecureHttp1(certificates);
      else
        service = await PushService.startSecure({ ...certificates, settings: { maxConcurrentStreams: 100 } });
      const scheme = kind === 'plain' ? 'http://127.0.0.1' : 'https://localhost';
      subject = makeProviderAgainstSink({
        origin: `${scheme}:${service.port}`,
        ca: certificates.ca,
        lookup: stubLookup(['127.0.0.1']),
        connectTimeoutMs: 2_000,
        requestTimeoutMs: 2_000,
        ...times,
      });
      sends = [];
      answer = subject.accept;
      service.answer = (push, response) => {
        if (subject.answerOther?.(push, response)) return;
        sends.push(push);
        answer(push, response);
      };
    }

    const send = (targets: readonly Target[]) => sendAll(subject.provider, targets, subject.message);
    const one = async (): Promise<Outcome> => (await send(subject.targets(1)))[0]!;
    const kinds = (outcomes: readonly Outcome[]) => [...new Set(outcomes.map(({ kind }) => kind))];

    it('reports every target exactly once, over one kept connection where that is enough', async () => {
      await start();
      for (let batch = 0; batch < 3; batch++) {
        const outcomes = await send(subject.targets(60));
        assert.equal(outcomes.filter(Boolean).length, 60);
        assert.deepEqual(kinds(outcomes), ['accepted']);
      }
      // A second one is for the OAuth service of those that have one.
      assert.ok(service.connections <= 2, `${service.connections} connections`);
    });

    it('keeps the outcomes of sends at the same time apart', async () => {
      await start();
      const batches = await Promise.all([300, 1, 40, 200].map((count) => send(subject.targets(count))));
      assert.deepEqual(
        batches.map((outcomes) => outcomes.filter(({ kind }) => kind === 'accepted').length),
        [300, 1, 40, 200],
      );
    });

    it('resolves for nobody', async () => {
      await start();
      assert.deepEqual(await send([]), []);
      assert.equal(sends.length, 0);
    });

    if (!limits.http2Only) {
      for (const kind of ['https1', 'plain'] as const) {
        it(`sends over HTTP/1.1 (${kind === 'plain' ? 'plain' : 'TLS'}) where the service speaks nothing else`, async () => {
          await start(kind);
          const outcomes = await send(subject.targets(40));
          assert.equal(outcomes.length, 40);
          assert.deepEqual(kinds(outcomes), ['accepted']);
          assert.equal(sends[0]!.httpVersion, '1.1');
        });
      }
    }

    for (const status of [500, 502, 503, 504, 408, 429, 599]) {
      it(`tries again what is answered ${status}, with words and the status`, async () => {
        await start();
        answer = (_push, response) => void response.writeHead(status).end('<html>not now</html>');
        const outcome = await one();
        assert.equal(outcome.kind, 'retry');
        assert.equal(outcome.httpStatus, status);
        assert.match(outcome.code, /^[a-z0-9_]+$/);
        assert.ok(outcome.reason);
      });
    }

    for (const [form, value, least, most] of [
      ['seconds', () => '7', 6_000, 7_000],
      ['a date', () => new Date(Date.now() + 30_000).toUTCString(), 25_000, 30_000],
      ['ten days, held to an hour', () => '864000', 3_590_000, 3_600_000],
      ['zero, held to a second', () => '0', 500, 1_000],
    ] as const) {
      it(`waits as long as a 429 says: ${form}`, async () => {
        await start();
        answer = (_push, response) => void response.writeHead(429, { 'retry-after': value() }).end();
        const { kind, retryAfterMs = 0 } = await one();
        assert.equal(kind, 'retry');
        assert.ok(retryAfterMs >= least && retryAfterMs <= most, `${retryAfterMs} ms`);
      });
    }

    it('tries again after a reset, and reports nothing twice', async () => {
      await start();
      const usual = answer;
      let resets = 0;
      answer = (push, response) => {
        const { stream } = response as unknown as { stream: ServerHttp2Stream };
        if (resets++ === 0) stream.session!.destroy();
        else usual(push, response);
      };
      const outcomes = await send(subject.targets(30));
      assert.equal(outcomes.filter(Boolean).length, 30);
      assert.ok(outcomes.some(({ kind }) => kind === 'retry'));
      assert.ok(outcomes.every(({ kind }) => kind === 'retry' || kind === 'accepted'));
      assert.equal((await one()).kind, 'accepted');
    });

    it('sends again only what a GOAWAY in mid-stream says was not looked at', async () => {
      await start();
      const usual = answer;
      const answered: ReceivedPush[] = [];
      let goodbye: { session: unknown; lastId: number } | undefined;
      answer = (push, response) => {
        const { stream } = response as unknown as { stream: ServerHttp2Stream };
        const { session } = stream;
        if (!goodbye) {
          goodbye = { session, lastId: stream.id! };
          session!.goaway(0, stream.id);
        }
        // A stream that was given up has no session any more.
        if (!session || (session === goodbye.session && stream.id! > goodbye.lastId)) return;
        answered.push(push);
        usual(push, response);
      };
      // Each in a send of its own, for some providers put a whole batch into one request.
      const outcomes = await Promise.all(
        subject.targets(30).map(async (target) => (await send([target]))[0]!),
      );
      assert.deepEqual(kinds(outcomes), ['accepted']);
      assert.equal(answered.length, 30);
    });

    it('gives up on silence in time, and tries again', async () => {
      await start('http2', { requestTimeoutMs: 100 });
      answer = () => {};
      const startedAt = performance.now();
      const outcomes = await send(subject.targets(5));
      assert.deepEqual([...new Set(outcomes.map(({ kind, code }) => `${kind} ${code}`))], ['retry timeout']);
      assert.ok(performance.now() - startedAt < 1_500);
    });

    it('tries again where nobody listens', async () => {
      await start();
      const targets = subject.targets(3);
      await service.close();
      const outcomes = await send(targets);
      assert.equal(outcomes.length, 3);
      assert.deepEqual(kinds(outcomes), ['retry']);
    });

    it('does not wait longer for a dripping body than for an answer', async () => {
      await start('http2', { requestTimeoutMs: 150 });
      answer = (_push, response) => {
        response.writeHead(200, { 'content-type': 'application/json' });
        const timer = setInterval(() => response.write(' '), 20);
        response.on('close', () => clearInterval(timer));
      };
      const startedAt = performance.now();
      const { kind } = await one();
      assert.ok(kind === 'accepted' || kind === 'retry', kind);
      assert.ok(performance.now() - startedAt < 1_500);
    });

    it('stops listening to an answer without end, and keeps its words short', async () => {
      await start();
      let isCut = false;
      answer = (_push, response) => {
        response.writeHead(500, { 'content-type': 'text/plain' });
        response.on('close', () => {
          isCut = true;
        });
        const more = (): void => {
          if (isCut) return;
          response.write('word '.repeat(4_000));
          setImmediate(more);
        };
        more();
      };
      const outcome = await one();
      assert.equal(outcome.kind, 'retry');
      assert.ok(outcome.reason!.length < 400, `${outcome.reason!.length} characters`);
      await until(() => isCut, 'the answer is cut off');
    });

    for (const status of [301, 302, 307, 308]) {
      it(`follows no redirect (${status})`, async () => {
        await start();
        answer = (_push, response) => void response.writeHead(status, { location: '/elsewhere' }).end();
        const outcome = await one();
        assert.notEqual(outcome.kind, 'accepted');
        assert.notEqual(outcome.kind, 'gone');
        assert.equal(outcome.code, 'redirect');
        assert.equal(sends.length, 1);
      });
    }

    it('does not repeat the address in its words when the service does', async () => {
      await start();
      answer = (push, response) => void response.writeHead(400).end(`no: ${push.path} ${push.body}`);
      const [target] = subject.targets(1);
      const { reason } = (await send([target!]))[0]!;
      const secret = target!.token.slice(target!.token.lastIndexOf('/') + 1);
      assert.ok(reason);
      assert.ok(!reason.includes(secret.slice(0, 20)), reason);
    });

    it('ends what is under way as retry when it is closed, refuses what comes after, and leaves no socket', async () => {
      await start();
      answer = () => {};
      const sending = send(subject.targets(150));
      await until(() => sends.length > 0, 'a send arrives');
      await subject.provider.close();
      const outcomes = await sending;
      assert.equal(outcomes.filter(Boolean).length, 150);
      assert.deepEqual(kinds(outcomes), ['retry']);
      const late = await one();
      assert.deepEqual([late.kind, late.code], ['retry', 'closed']);
      await until(() => service.open === 0, 'all connections are gone');
    });

    it('leaves no socket after a quiet close either', async () => {
      await start();
      await send(subject.targets(3));
      await subject.provider.close();
      await until(() => service.open === 0, 'all connections are gone');
    });
  });
}
