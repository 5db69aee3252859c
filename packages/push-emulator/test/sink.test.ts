import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:http2';
import { request as httpsRequest } from 'node:https';
import { afterEach, beforeEach, suite, test } from 'node:test';
import { createAddress } from '../src/fcm/phones.ts';
import { type Sink, type SinkReply, sinkProcess, startSink } from '../src/index.ts';
import { TargetCounter } from '../src/sink/counter.ts';

const SEND = '/v1/projects/my-project/messages:send';

let sink: Sink;
const opened: { close(): Promise<void> }[] = [];

beforeEach(async () => {
  sink = await startSink();
});
afterEach(async () => {
  await sink.close();
  for (const other of opened.splice(0)) await other.close();
});

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly text: string;
}

/** Posts each of some bodies over one HTTP/2 connection, all at once. */
async function post(
  { url, ca }: { url: string; ca: string },
  requests: [path: string, body: string, headers?: object][],
) {
  const session = connect(url, { ca });
  const answers = requests.map(async ([path, body, more]): Promise<Answer> => {
    const stream = session.request({ ':method': 'POST', ':path': path, ...more });
    stream.setEncoding('utf8').end(body);
    let text = '';
    stream.on('data', (part: string) => {
      text += part;
    });
    const [[headers]] = await Promise.all([once(stream, 'response'), once(stream, 'close')]);
    return { status: Number(headers[':status']), headers, text };
  });
  try {
    return await Promise.all(answers);
  } finally {
    session.close();
  }
}

const fcm = (token: string): [string, string] => [
  SEND,
  JSON.stringify({ message: { token, data: { a: '1' } } }),
];

suite("the sink takes everything in the vendors' forms", () => {
  test('FCM: the name of a message of the project', async () => {
    const [answer] = await post(sink, [fcm('token-1')]);
    assert.equal(answer?.status, 200);
    assert.match(JSON.parse(answer?.text ?? '').name, /^projects\/my-project\/messages\/0:\d+%/);
  });

  test('APNs: no body; web push: 201 and where the message is', async () => {
    const [apns, web] = await post(sink, [
      ['/3/device/abcd', '{"aps":{}}'],
      ['/wpush/v2/abcd', 'encrypted'],
    ]);
    assert.deepEqual([apns?.status, apns?.text], [200, '']);
    assert.ok(apns?.headers['apns-id']);
    assert.deepEqual([web?.status, web?.text], [201, '']);
    assert.ok(web?.headers.location);
  });

  test('HMS: one push for each token; the token endpoints: a token', async () => {
    const body = JSON.stringify({ message: { data: '{}', token: ['a', 'b', 'c'] } });
    const [hms, token] = await post(sink, [
      ['/v1/123/messages:send', body],
      ['/oauth2/v3/token', ''],
    ]);
    assert.equal(JSON.parse(hms?.text ?? '').code, '80000000');
    assert.equal(JSON.parse(token?.text ?? '').token_type, 'Bearer');
    assert.deepEqual(sink.counts(), { received: 3, distinct: 3, doubled: 0, unregistered: 0 });
  });

  test('over HTTP/1.1 as well', async () => {
    const request = httpsRequest(sink.url + SEND, { method: 'POST', ca: sink.ca, agent: false });
    request.end(JSON.stringify({ message: { token: 'x' } }));
    const [response] = await once(request, 'response');
    response.resume();
    await once(response, 'end');
    assert.equal(response.statusCode, 200);
    assert.equal(sink.counts().distinct, 1);
  });

  test('with `:scheme` as firebase-admin writes it', async () => {
    const [path, body] = fcm('x');
    const [answer] = await post(sink, [[path, body, { ':scheme': 'https:' }]]);
    assert.equal(answer?.status, 200);
  });
});

suite('the sink counts', () => {
  test('what came, for how many targets, and what came twice', async () => {
    await post(sink, ['a', 'b', 'a', 'c', 'a'].map(fcm));
    assert.deepEqual(sink.counts(), { received: 5, distinct: 3, doubled: 2, unregistered: 0 });
    sink.clear();
    assert.deepEqual(sink.counts(), { received: 0, distinct: 0, doubled: 0, unregistered: 0 });
  });

  test('the token of the message, not one in its data; a topic as one target', async () => {
    const message = (data: object, target: object) => JSON.stringify({ message: { data, ...target } });
    await post(sink, [
      [SEND, message({ token: 'inner' }, { token: 'outer' })],
      fcm('outer'),
      [SEND, message({}, { topic: 'news' })],
      [SEND, message({}, { topic: 'news' })],
    ]);
    assert.deepEqual(sink.counts(), { received: 4, distinct: 2, doubled: 2, unregistered: 0 });
  });

  test('tells when so many targets were reached', async () => {
    const reached = sink.untilDistinct(2);
    await post(sink, [fcm('a'), fcm('a')]);
    let isReached = false;
    void reached.then(() => {
      isReached = true;
    });
    await post(sink, [['/token', '']]);
    assert.equal(isReached, false);
    await post(sink, [fcm('b')]);
    await reached;
  });

  test('a hundred thousand like tokens without taking two for one', () => {
    const counter = new TargetCounter();
    for (let round = 0; round < 2; round += 1) {
      for (let index = 0; index < 100_000; index += 1) counter.add(`token-${String(index).padStart(7, '0')}`);
    }
    assert.deepEqual([counter.received, counter.distinct, counter.doubled], [200_000, 100_000, 100_000]);
  });
});

suite('a share of the targets is unregistered', () => {
  test('always the same ones, in the words of each vendor', async () => {
    const half = await startSink({ unregisteredShare: 0.5 });
    opened.push(half);
    const tokens = Array.from({ length: 200 }, () => createAddress().token);
    const statuses = async () => (await post(half, tokens.map(fcm))).map(({ status }) => status);
    const first = await statuses();
    const gone = first.filter((status) => status === 404).length;
    assert.ok(gone > 50 && gone < 150, `${gone} of 200`);
    assert.deepEqual(await statuses(), first);
    assert.equal(half.counts().unregistered, 2 * gone);

    const all = await startSink({ unregisteredShare: 1 });
    opened.push(all);
    const answers = await post(all, [
      fcm('a'),
      ['/3/device/abcd', '{}'],
      ['/v1/123/messages:send', JSON.stringify({ message: { token: ['a'] } })],
      ['/wpush/v2/abcd', ''],
    ]);
    assert.match(answers[0]?.text ?? '', /UNREGISTERED/);
    assert.deepEqual([answers[1]?.status, JSON.parse(answers[1]?.text ?? '').reason], [410, 'Unregistered']);
    assert.equal(JSON.parse(answers[2]?.text ?? '').code, '80300007');
    assert.equal(answers[3]?.status, 410);
  });

  test('HMS lists them', async () => {
    const half = await startSink({ unregisteredShare: 0.5 });
    opened.push(half);
    const token = Array.from({ length: 100 }, (_, index) => `token-${index}`);
    const [answer] = await post(half, [['/v2/9/messages:send', JSON.stringify({ message: { token } })]]);
    const { code, msg } = JSON.parse(answer?.text ?? '');
    assert.equal(code, '80100000');
    const { success, failure, illegal_tokens: illegal } = JSON.parse(msg);
    assert.equal(success + failure, 100);
    assert.equal(illegal.length, failure);
    assert.ok(illegal.every((one: string) => token.includes(one)));
    assert.equal(half.counts().unregistered, failure);
  });
});

test('the sink runs in a process of its own, and says when all have come', async () => {
  const child = fork(sinkProcess());
  const next = async (type: SinkReply['type']) => {
    for (;;) {
      const [message] = (await once(child, 'message')) as [SinkReply];
      if (message.type === type) return message;
    }
  };
  try {
    child.send({ type: 'counts' });
    assert.match(((await next('failed')) as { message: string }).message, /before "listen"/);
    child.send({ type: 'listen' });
    const { url, ca } = (await next('listening')) as { url: string; ca: string };
    child.send({ type: 'expect', count: 2 });
    await next('expecting');
    const complete = next('complete');
    await post({ url, ca }, [fcm('a'), fcm('b'), fcm('b')]);
    await complete;
    child.send({ type: 'counts' });
    assert.deepEqual(await next('counts'), {
      type: 'counts',
      received: 3,
      distinct: 2,
      doubled: 1,
      unregistered: 0,
    });
  } finally {
    const ended = once(child, 'exit');
    child.disconnect();
    await ended;
  }
});
