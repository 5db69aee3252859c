import assert from 'node:assert/strict';
import { once } from 'node:events';
import { constants, createServer, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import { type AddressInfo, connect } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { Http2Connection } from '../../../src/push/providers/http/http2-connection.ts';
import type { HttpResponse } from '../../../src/push/providers/http/response-reader.ts';
import { TransportError, type TransportOptions } from '../../../src/push/providers/http/transport.ts';

/** What a service does with a request; it has not read the request's body. */
type Service = (stream: ServerHttp2Stream) => void;
type Result = HttpResponse | TransportError;

/** Sends one request to a service, and resolves when the stream is free again. */
async function ask(
  t: TestContext,
  service: Service,
  { body = '{}', ...options }: Partial<TransportOptions> & { body?: string } = {},
): Promise<Result[]> {
  const server = createServer();
  let session: ServerHttp2Session | undefined;
  server.on('session', (opened) => {
    session = opened;
  });
  server.on('stream', (stream: ServerHttp2Stream) => {
    stream.on('error', () => {});
    service(stream);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const connection = await Http2Connection.open(
    new URL(`http://127.0.0.1:${port}`),
    connect(port, '127.0.0.1'),
    { changed() {}, retired() {} },
    {
      lookup: () => assert.fail('an address needs no lookup'),
      connectTimeoutMs: 5_000,
      requestTimeoutMs: 10_000,
      idleTimeoutMs: 60_000,
      ...options,
    },
  );
  t.after(async () => {
    connection.destroy();
    session?.destroy();
    server.close();
    await once(server, 'close');
  });
  const results: Result[] = [];
  await new Promise<void>((resolve) => {
    const headers = ['content-length', String(body.length)];
    connection.request({ path: '/', headers, body }, (result) => results.push(result), resolve);
  });
  return results;
}

function answered(results: readonly Result[]): HttpResponse {
  assert.equal(results.length, 1, 'one result for one request');
  const [result] = results;
  assert.ok(result && !(result instanceof TransportError), String(result));
  return result;
}

describe('an answer over HTTP/2', () => {
  it('may be headers alone', async (t) => {
    const results = await ask(t, (stream) =>
      stream.respond({ ':status': 204, name: 'value' }, { endStream: true }),
    );
    const { status, headers, text } = answered(results);
    assert.deepEqual([status, headers.name, text], [204, 'value', '']);
  });

  it('may come in many frames, of which the beginning is kept', async (t) => {
    const results = await ask(
      t,
      (stream) => {
        stream.respond({ ':status': 400 });
        for (let n = 0; n < 100; n += 1) stream.write(`${String(n).padStart(3, '0')},`);
        stream.end();
      },
      { keptBytes: 10 },
    );
    const { status, text } = answered(results);
    assert.deepEqual([status, text], [400, '000,001,00']);
  });

  it('may have words before it and after it', async (t) => {
    const results = await ask(t, (stream) => {
      stream.additionalHeaders({ ':status': 103, link: '</a>' });
      stream.respond({ ':status': 200 }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ after: 'wards' }));
      stream.end('ok');
    });
    const { status, text } = answered(results);
    assert.deepEqual([status, text], [200, 'ok']);
  });

  it('may come before the request was read, and stop it', async (t) => {
    const results = await ask(
      t,
      (stream) => {
        stream.respond({ ':status': 413 });
        stream.end('too large', () => stream.close(constants.NGHTTP2_NO_ERROR));
      },
      { body: 'x'.repeat(1_000_000) },
    );
    const { status, text } = answered(results);
    assert.deepEqual([status, text], [413, 'too large']);
  });

  it('is cut off where it has no end', async (t) => {
    let code = -1;
    const results = await ask(t, (stream) => {
      stream.on('close', () => {
        code = stream.rstCode;
      });
      stream.respond({ ':status': 500 });
      const more = (): void => {
        while (!stream.destroyed && stream.write('x'.repeat(1_000)));
        if (!stream.destroyed) stream.once('drain', more);
      };
      more();
    });
    const { status, text } = answered(results);
    assert.deepEqual([status, text], [500, 'x'.repeat(2_048)]);
    while (code < 0) await new Promise(setImmediate);
    assert.equal(code, constants.NGHTTP2_CANCEL);
  });

  it('that is broken off counts as far as it came', async (t) => {
    const results = await ask(t, (stream) => {
      stream.respond({ ':status': 503 });
      stream.write('be', () => stream.close(constants.NGHTTP2_INTERNAL_ERROR));
    });
    const { status } = answered(results);
    assert.equal(status, 503);
  });

  it('that never began is an error', async (t) => {
    const results = await ask(t, (stream) => stream.close(constants.NGHTTP2_REFUSED_STREAM));
    assert.equal(results.length, 1);
    const [error] = results;
    assert.ok(error instanceof TransportError);
    assert.deepEqual([error.code, error.unprocessed], ['connection_lost', true]);
  });
});
