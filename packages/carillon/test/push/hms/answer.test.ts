import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { judge } from '../../../src/push/providers/hms/answer.ts';

const TOKENS = ['IQAAAACy0abcdef1', 'IQAAAACy0abcdef2', 'IQAAAACy0abcdef3', 'IQAAAACy0abcdef4'];
const read = (status: number, body: object | string, headers: Record<string, string> = {}) =>
  judge({ status, headers, text: typeof body === 'string' ? body : JSON.stringify(body) }, 0, TOKENS);
const of = (code: string, msg = 'words') => ({ code, msg, requestId: '157' });

describe("Huawei's answer", () => {
  it('of success has the id of the request', () => {
    assert.deepEqual(read(200, of('80000000', 'Success')), {
      outcome: { kind: 'accepted', code: 'accepted', httpStatus: 200, id: '157' },
    });
  });

  const rows: [code: string, expected: string][] = [
    ['80100001', 'failed invalid_argument'],
    ['80100002', 'failed invalid_argument'],
    ['80100003', 'failed invalid_argument'],
    ['80100004', 'failed invalid_argument'],
    ['80100013', 'failed invalid_collapse_key'],
    ['80100016', 'failed sensitive_content'],
    ['80100017', 'retry topic_queue_full'],
    ['80100018', 'failed review_refused'],
    ['80200001', 'retry unauthorized refresh'],
    ['80200003', 'retry token_expired refresh'],
    ['80200005', 'retry token_expired refresh'],
    ['80300002', 'retry permission_denied credential'],
    ['80300007', 'gone invalid_token doubtful'],
    ['80300008', 'failed payload_too_large'],
    ['80300010', 'failed invalid_token_count'],
    ['80300011', 'retry high_priority_denied'],
    ['80300013', 'retry receipt_denied'],
    ['80300036', 'retry permission_denied credential'],
    ['80300037', 'retry penalized credential'],
    ['80300029', 'retry test_quota_exceeded'],
    ['80300030', 'failed test_quota_exceeded'],
    ['80600003', 'retry oauth_unavailable'],
    ['81000001', 'retry internal_error'],
  ];
  const shown = ({ outcome, effect }: ReturnType<typeof judge>) =>
    [outcome.kind, outcome.code, effect].filter(Boolean).join(' ');

  for (const [code, expected] of rows) {
    it(`with code ${code} is ${expected}, at whatever status`, () => {
      for (const status of [200, 400, 401, 500, 503]) {
        assert.equal(shown(read(status, of(code))), expected);
        // Old ones had numbers.
        assert.equal(shown(read(status, { ...of(code), code: Number(code) })), expected);
      }
      assert.match(read(200, of(code)).outcome.reason!, new RegExp(`^HMS answered 200 ${code} words`));
    });
  }

  for (const [status, expected] of [
    [200, 'retry unreadable_answer'],
    [400, 'failed invalid_argument'],
    [401, 'retry unauthorized refresh'],
    [403, 'failed http_403'],
    [404, 'retry not_found credential'],
    [301, 'retry redirect credential'],
    [408, 'retry http_408'],
    [429, 'retry flow_control quota'],
    [500, 'retry internal_error'],
    [502, 'retry bad_gateway'],
    [503, 'retry flow_control quota'],
    [504, 'retry gateway_timeout'],
    [599, 'retry http_599'],
  ] as const) {
    it(`${status} without a code is ${expected}`, () => {
      for (const body of ['', '<html>', '{"msg":7}', '[]']) assert.equal(shown(read(status, body)), expected);
    });
  }

  it('with a code that nobody knows fails the push at 200 and keeps the device', () => {
    assert.equal(shown(read(200, of('80999999'))), 'failed hms_80999999');
    assert.equal(shown(read(500, of('80999999'))), 'retry internal_error');
    assert.equal(shown(read(500, of('constructor'))), 'retry internal_error');
    // Success is told at 2xx alone.
    assert.equal(shown(read(503, of('80000000'))), 'retry flow_control quota');
  });

  it('of part success names the illegal tokens in JSON within JSON', () => {
    const msg = JSON.stringify({ success: 3, failure: 1, illegal_tokens: [TOKENS[1]] });
    const { outcome, illegal } = read(200, of('80100000', msg));
    assert.equal(outcome.kind, 'accepted');
    assert.deepEqual([...illegal!.tokens], [TOKENS[1]]);
    assert.deepEqual([illegal!.outcome.kind, illegal!.outcome.code], ['gone', 'invalid_token']);
    assert.equal(illegal!.isDoubtful, false);
  });

  it('is in doubt where not one token was taken', () => {
    const msg = JSON.stringify({ success: 0, failure: 4, illegal_tokens: TOKENS });
    const { illegal } = read(200, of('80100000', msg));
    assert.equal(illegal!.tokens.size, 4);
    assert.equal(illegal!.isDoubtful, true);
  });

  it("removes only what is a token's own fault, where reasons are told", () => {
    const illegalTokens = {
      tokenFormatError: [TOKENS[0]],
      noRight: [TOKENS[1]],
      tokenPlatformNotSupport: [TOKENS[2]],
    };
    const { illegal } = read(200, of('80100000', JSON.stringify({ success: 1, failure: 3, illegalTokens })));
    assert.deepEqual([...illegal!.tokens], [TOKENS[0], TOKENS[2]]);
    const none = read(
      200,
      of('80300007', JSON.stringify({ illegalTokens: { noRight: TOKENS }, failure: 4 })),
    );
    assert.equal(shown(none), 'retry permission_denied credential');
    const form = read(200, of('80300007', JSON.stringify({ illegalTokens: { tokenFormatError: TOKENS } })));
    assert.equal(shown(form), 'gone invalid_token doubtful');
  });

  it('of part success without a readable list is a success', () => {
    for (const msg of ['', 'partly', '[]', '{"illegal_tokens":"x"}', '{"illegal_tokens":[7,null]}']) {
      const { outcome, illegal } = read(200, of('80100000', msg));
      assert.equal(outcome.kind, 'accepted');
      assert.equal(illegal!.tokens.size, 0);
    }
  });

  it('has waits: what it says, a minute for what has to be mended or is queued', () => {
    assert.equal(read(503, '', { 'retry-after': '7' }).outcome.retryAfterMs, 7_000);
    assert.equal(read(503, '').outcome.retryAfterMs, undefined);
    assert.equal(read(200, of('80100017')).outcome.retryAfterMs, 60_000);
    assert.equal(read(200, of('80300011')).outcome.retryAfterMs, 60_000);
  });

  it('is told without tokens, and with what to mend', () => {
    const { reason } = read(400, of('80300002', `no right to ${TOKENS.join()}`)).outcome;
    assert.match(reason!, /AppGallery Connect/);
    for (const token of TOKENS) assert.ok(!reason!.includes(token.slice(0, 12)));
  });
});
