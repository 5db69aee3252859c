import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type ClientHttp2Session, connect } from 'node:http2';
import { after, afterEach, before, suite, test } from 'node:test';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { type Sink, startSink } from '../src/index.ts';
import { HpackDecoder } from '../src/sink/hpack.ts';
import { decodeHuffman } from '../src/sink/huffman.ts';

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
const hex = (text: string) => Buffer.from(text.replaceAll(/\s/g, ''), 'hex');

suite('header blocks', () => {
  // RFC 7541, appendix C.3: the second uses the table, the third adds to it.
  const plain = [
    ['8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d', '/'],
    ['8286 84be 5808 6e6f 2d63 6163 6865', '/'],
    ['8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65', '/index.html'],
  ] as const;
  // Appendix C.4: the same in Huffman's code.
  const coded = [
    ['8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff', '/'],
    ['8286 84be 5886 a8eb 1064 9cbf', '/'],
    ['8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf', '/index.html'],
  ] as const;
  for (const [name, blocks] of [
    ['as they are', plain],
    ['in Huffman’s code', coded],
  ] as const) {
    test(`of RFC 7541, appendix C, are read, ${name}`, () => {
      const decoder = new HpackDecoder();
      for (const [block, path] of blocks) assert.equal(decoder.pathOf(hex(block)), path);
    });
  }

  test('Huffman’s code of RFC 7541, appendix C.6, is read, and what is none is refused', () => {
    const decode = (text: string) => decodeHuffman(hex(text), 0, hex(text).length);
    assert.equal(
      decode('94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007'),
      'foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1',
    );
    assert.equal(decode('d07abe941054d444a8200595040b8166e082a62d1bff'), 'Mon, 21 Oct 2013 20:13:21 GMT');
    for (const wrong of ['ffffffff', 'f1e3c2e5f23a6ba0ab90f4ffff', 'f1e3c2e5f23a6ba0ab90f400'])
      assert.throws(() => decode(wrong), RangeError);
  });

  test('that are none are refused', () => {
    for (const wrong of ['80', 'c0', '3fffffffff0f', '41', '4105abcd', '7fffffffffff', '00', '3fe21f'])
      assert.throws(() => new HpackDecoder().pathOf(hex(wrong)), RangeError, wrong);
  });

  test('of Node’s own client are read, whatever characters are in them, while the table turns over', async () => {
    const sink = await startSink({ maxStreams: 1_000 });
    const session = connect(sink.url, { ca: sink.ca });
    try {
      const characters = Array.from({ length: 94 }, (_, n) => String.fromCharCode(33 + n)).join('');
      const count = 1_000;
      const asked = Array.from({ length: count }, async (_, n) => {
        const at = n % characters.length;
        const path = `/wpush/${n}/${characters.slice(at)}${characters.slice(0, at)}`;
        const stream = session.request({
          ':method': 'POST',
          ':path': path,
          [`x-${n % 60}`]: path.slice(0, n % 100),
        });
        stream.end('body').resume();
        await once(stream, 'close');
      });
      await Promise.all(asked);
      assert.deepEqual(sink.counts(), { received: count, distinct: count, doubled: 0, unregistered: 0 });
    } finally {
      session.destroy();
      await sink.close();
    }
  });
});

suite('a connection to the sink', () => {
  let sink: Sink;
  const opened: (TLSSocket | ClientHttp2Session)[] = [];
  before(async () => {
    sink = await startSink({ maxStreams: 3 });
  });
  afterEach(() => {
    for (const one of opened.splice(0)) one.destroy();
  });
  after(() => sink.close());

  interface Frame {
    readonly type: number;
    readonly flags: number;
    readonly id: number;
    readonly payload: Buffer;
  }

  const HEADERS = 1;
  const frame = (type: number, flags: number, id: number, payload: Buffer = Buffer.alloc(0)) => {
    const header = Buffer.alloc(9);
    header.writeUIntBE(payload.length, 0, 3);
    header[3] = type;
    header[4] = flags;
    header.writeUInt32BE(id, 5);
    return Buffer.concat([header, payload]);
  };
  /** POST to a path of APNs, or of FCM. */
  const headers = (path: string) =>
    Buffer.concat([hex('8387'), Buffer.of(0x04, path.length), Buffer.from(path)]);
  const APNS = headers('/3/device/ab');
  const FCM = headers('/v1/projects/p/messages:send');

  /** Sends bytes after a preface, and gives back the frames that come until one is as wanted. */
  async function talk(
    bytes: readonly Buffer[],
    isLast: (frame: Frame) => boolean,
    preface: Buffer = Buffer.concat([PREFACE, frame(4, 0, 0)]),
  ): Promise<Frame[]> {
    const socket = connectTls({ port: sink.port, ca: sink.ca, ALPNProtocols: ['h2'] });
    opened.push(socket);
    await once(socket, 'secureConnect');
    socket.write(Buffer.concat([preface, ...bytes]));
    return framesUntil(socket, isLast);
  }

  async function framesUntil(socket: TLSSocket, isLast: (frame: Frame) => boolean): Promise<Frame[]> {
    const frames: Frame[] = [];
    let rest: Buffer = Buffer.alloc(0);
    for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
      rest = Buffer.concat([rest, chunk as Buffer]);
      while (rest.length >= 9 && rest.length >= 9 + rest.readUIntBE(0, 3)) {
        const end = 9 + rest.readUIntBE(0, 3);
        const next = {
          type: rest[3] as number,
          flags: rest[4] as number,
          id: rest.readUInt32BE(5),
          payload: Buffer.from(rest.subarray(9, end)),
        };
        rest = rest.subarray(end);
        frames.push(next);
        if (isLast(next)) return frames;
      }
    }
    return frames;
  }

  const isGoaway = ({ type }: Frame) => type === 7;
  const errorOf = (frames: readonly Frame[]) => frames.at(-1)?.payload.readUInt32BE(4);

  for (const [what, code, bytes] of [
    ['a frame beyond the size that is allowed', 6, () => [hex('004001 01 04 00000001')]],
    ['a stream of an even number', 1, () => [frame(HEADERS, 5, 2, APNS)]],
    [
      'a stream that is older than another',
      1,
      () => [frame(HEADERS, 5, 3, APNS), frame(HEADERS, 5, 1, APNS)],
    ],
    ['a frame within a header block', 1, () => [frame(HEADERS, 1, 1, APNS), frame(6, 0, 0, Buffer.alloc(8))]],
    ['a continuation of nothing', 1, () => [frame(9, 4, 1, APNS)]],
    ['more padding than there is frame', 1, () => [frame(HEADERS, 13, 1, hex('ff8387'))]],
    ['a header block that is none', 9, () => [frame(HEADERS, 5, 1, hex('80'))]],
    ['a promise of the client’s', 1, () => [frame(5, 4, 1, APNS)]],
    ['settings of another size', 6, () => [frame(4, 0, 0, Buffer.alloc(5))]],
    ['more room than there is', 3, () => [frame(8, 0, 0, hex('7fffffff'))]],
    [
      'headers without end',
      11,
      () => [
        frame(HEADERS, 0, 1, Buffer.alloc(16_384)),
        ...Array(4).fill(frame(9, 0, 1, Buffer.alloc(16_384))),
      ],
    ],
  ] as const) {
    test(`ends at ${what}`, async () => {
      assert.equal(errorOf(await talk(bytes(), isGoaway)), code);
    });
  }

  test('ends at what is no HTTP/2', async () => {
    assert.equal(errorOf(await talk([], isGoaway, Buffer.from('GET / HTTP/1.1\r\n\r\n'.padEnd(24)))), 1);
  });

  test('answers a PING, padded frames, priorities, and a body in pieces that come byte by byte', async () => {
    const body = Buffer.from('{"message":{"token":"pieces"}}');
    const bytes = Buffer.concat([
      frame(6, 0, 0, hex('0102030405060708')),
      frame(HEADERS, 4 | 8 | 32, 1, Buffer.concat([Buffer.of(2), Buffer.alloc(5), FCM, Buffer.alloc(2)])),
      frame(0, 8, 1, Buffer.concat([Buffer.of(1), body.subarray(0, 10), Buffer.alloc(1)])),
      frame(0, 1, 1, body.subarray(10)),
    ]);
    const socket = connectTls({ port: sink.port, ca: sink.ca, ALPNProtocols: ['h2'] });
    opened.push(socket);
    await once(socket, 'secureConnect');
    socket.setNoDelay(true);
    for (const byte of Buffer.concat([PREFACE, frame(4, 0, 0), bytes])) socket.write(Buffer.of(byte));
    const frames = await framesUntil(socket, ({ type }) => type === 0);
    const pong = frames.find(({ type }) => type === 6);
    assert.deepEqual([pong?.flags, pong?.payload.toString('hex')], [1, '0102030405060708']);
    assert.match(String(frames.at(-1)?.payload), /projects\/p\/messages/);
  });

  test('refuses a stream beyond those that are allowed, and takes the next when one has ended', async () => {
    const open = [1, 3, 5, 7].map((id) => frame(HEADERS, 4, id, FCM));
    const frames = await talk(
      [...open, frame(0, 1, 1, Buffer.from('{"message":{"token":"t"}}')), frame(HEADERS, 5, 9, APNS)],
      ({ type, id }) => type === HEADERS && id === 9,
    );
    const refused = frames
      .filter(({ type }) => type === 3)
      .map(({ id, payload }) => [id, payload.readUInt32BE(0)]);
    assert.deepEqual(refused, [[7, 7]]);
  });

  test('holds answers back until the client has room for them', async () => {
    const noRoom = frame(4, 0, 0, hex('0004 00000000'));
    const body = frame(0, 1, 1, Buffer.from('{"message":{"token":"room"}}'));
    const socket = connectTls({ port: sink.port, ca: sink.ca, ALPNProtocols: ['h2'] });
    opened.push(socket);
    await once(socket, 'secureConnect');
    socket.write(
      Buffer.concat([PREFACE, noRoom, frame(HEADERS, 4, 1, FCM), body, frame(6, 0, 0, Buffer.alloc(8))]),
    );
    const before = await framesUntil(socket, ({ type }) => type === 6);
    assert.ok(before.some(({ type }) => type === HEADERS));
    assert.ok(!before.some(({ type }) => type === 0), 'no DATA without room');
    socket.write(frame(8, 0, 1, hex('00001000')));
    const [data] = (await framesUntil(socket, ({ type }) => type === 0)).slice(-1);
    assert.match(String(data?.payload), /projects\/p\/messages/);
  });

  test('reads no further from who takes no answers', async () => {
    const socket = connectTls({ port: sink.port, ca: sink.ca, ALPNProtocols: ['h2'] });
    opened.push(socket);
    await once(socket, 'secureConnect');
    socket.pause();
    socket.write(Buffer.concat([PREFACE, frame(4, 0, 0)]));
    const before = sink.counts().received;
    let id = 1;
    // Until the client's own buffers are full for as long as it takes the sink to answer somebody else.
    for (;;) {
      const requests = Array.from({ length: 2_000 }, () => {
        id += 2;
        return frame(HEADERS, 5, id, APNS);
      });
      if (!socket.write(Buffer.concat(requests))) {
        const isDrained = await Promise.race([
          once(socket, 'drain').then(() => true),
          ping().then(() => false),
        ]);
        if (!isDrained) break;
      }
    }
    assert.ok(sink.counts().received - before < (id - 1) / 2, 'the last requests are not read');
  });

  /** Asks over another connection, some times. */
  async function ping(): Promise<void> {
    const session = connect(sink.url, { ca: sink.ca });
    opened.push(session);
    for (let n = 0; n < 50; n++) {
      const stream = session.request({ ':method': 'POST', ':path': '/3/device/other' });
      stream.end().resume();
      await once(stream, 'close');
    }
    session.destroy();
  }
});
