import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { judge } from '../../../src/push/providers/fcm/answer.ts';
import { FCM_ERROR, fcmError } from '../providers/oauth-service.ts';

const NOW = Date.parse('2026-11-20T10:00:00Z');
const TOKEN = `fGx-${'a'.repeat(18)}:APA91b${'Z'.repeat(130)}`;

const read = (status: number, body: object | string, headers: Record<string, string> = {}) =>
  judge({ status, headers, text: typeof body === 'string' ? body : JSON.stringify(body) }, NOW, TOKEN);

const fcmFault = (errorCode: string) => ({ type: FCM_ERROR, errorCode });
const badRequest = (field: string, description = 'bad') => ({
  type: 'google.rpc.BadRequest',
  fieldViolations: [{ field, description }],
});
const errorInfo = (reason: string) => ({ type: 'google.rpc.ErrorInfo', reason, domain: 'googleapis.com' });
const INVALID = 'Request contains an invalid argument.';
const CREDENTIALS =
  'Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid authentication credential.';

describe("FCM's answer", () => {
  it('of success gives the last part of the name as id', () => {
    const { outcome, effect } = read(200, {
      name: 'projects/shop-1/messages/0:1500415314455276%31bd1c9631bd1c96',
    });
    assert.deepEqual(outcome, {
      kind: 'accepted',
      code: 'accepted',
      httpStatus: 200,
      id: '0:1500415314455276%31bd1c9631bd1c96',
    });
    assert.equal(effect, undefined);
  });

  it('of success has its id in whatever JSON it comes', () => {
    for (const body of [
      '{"name":"projects/bench/messages/id-1"}',
      '{\n  "name": "projects/bench/messages/id-1"\n}\n',
      '{"later": [1], "name": "projects/bench/messages/id-1"}',
      '{"name": "projects\\/bench\\/messages\\/id-1"}',
      '{"name": "id-1"}',
    ]) {
      assert.equal(read(200, body).outcome.id, 'id-1', body);
    }
    assert.equal(read(200, '{"name": "projects/bench/messages/"}').outcome.id, undefined);
    assert.equal(read(200, '{"name": 1}').outcome.id, undefined);
  });

  it('of success is one without a readable body, too', () => {
    assert.deepEqual(read(200, '{"name": "proj').outcome, {
      kind: 'accepted',
      code: 'accepted',
      httpStatus: 200,
    });
  });

  const rows: [what: string, status: number, body: object | string, expected: string][] = [
    [
      'a dead token',
      404,
      fcmError(404, 'NOT_FOUND', 'Requested entity was not found.', fcmFault('UNREGISTERED')),
      'gone unregistered',
    ],
    [
      'a token with a bad form, in words',
      400,
      fcmError(
        400,
        'INVALID_ARGUMENT',
        'The registration token is not a valid FCM registration token',
        fcmFault('INVALID_ARGUMENT'),
      ),
      'gone invalid_token doubtful',
    ],
    [
      'a token with a bad form, as a field',
      400,
      fcmError(
        400,
        'INVALID_ARGUMENT',
        INVALID,
        fcmFault('INVALID_ARGUMENT'),
        badRequest('message.token', 'Invalid registration token'),
      ),
      'gone invalid_token doubtful',
    ],
    [
      'the same with its details in the other order',
      400,
      fcmError(
        400,
        'INVALID_ARGUMENT',
        INVALID,
        badRequest('message.token', 'Invalid registration token'),
        fcmFault('INVALID_ARGUMENT'),
      ),
      'gone invalid_token doubtful',
    ],
    [
      'a bad token beside another bad field: the message may be at fault',
      400,
      fcmError(
        400,
        'INVALID_ARGUMENT',
        INVALID,
        badRequest('message.token'),
        badRequest('message.android.ttl'),
        fcmFault('INVALID_ARGUMENT'),
      ),
      'failed invalid_argument',
    ],
    [
      'no target',
      400,
      fcmError(
        400,
        'INVALID_ARGUMENT',
        'Recipient of the message is not set.',
        badRequest('message', 'Recipient of the message is not set.'),
        fcmFault('INVALID_ARGUMENT'),
      ),
      'failed invalid_argument',
    ],
    [
      'a number in data',
      400,
      fcmError(
        400,
        'INVALID_ARGUMENT',
        "Invalid value at 'message.data[0].value' (TYPE_STRING), 12",
        badRequest('message.data[0].value'),
      ),
      'failed invalid_argument',
    ],
    [
      'a message that is too large, without details',
      400,
      fcmError(400, 'INVALID_ARGUMENT', INVALID),
      'failed invalid_argument',
    ],
    [
      "another project's token",
      403,
      fcmError(403, 'PERMISSION_DENIED', 'SenderId mismatch', fcmFault('SENDER_ID_MISMATCH')),
      'gone sender_id_mismatch doubtful',
    ],
    [
      'a missing right of the service account',
      403,
      fcmError(403, 'PERMISSION_DENIED', "Permission 'cloudmessaging.messages.create' denied"),
      'retry permission_denied credential',
    ],
    [
      'an unknown project',
      404,
      fcmError(404, 'NOT_FOUND', 'Requested entity was not found.'),
      'retry not_found credential',
    ],
    ['an unknown path, as a page', 404, '<html>Error 404</html>', 'retry not_found credential'],
    [
      'an access token that ran out',
      401,
      fcmError(401, 'UNAUTHENTICATED', CREDENTIALS, errorInfo('ACCESS_TOKEN_EXPIRED')),
      'retry unauthorized refresh',
    ],
    ['a 401 without a body', 401, '', 'retry unauthorized refresh'],
    [
      'a bad key of the project for APNs or web push',
      401,
      fcmError(
        401,
        'UNAUTHENTICATED',
        'Auth error from APNS or Web Push Service',
        fcmFault('THIRD_PARTY_AUTH_ERROR'),
      ),
      'retry third_party_auth_error',
    ],
    [
      'the same in the words of a bad access token, which another one would not mend',
      401,
      fcmError(401, 'UNAUTHENTICATED', CREDENTIALS, fcmFault('THIRD_PARTY_AUTH_ERROR')),
      'retry third_party_auth_error',
    ],
    [
      'the same by its old name',
      401,
      fcmError(401, 'UNAUTHENTICATED', CREDENTIALS, fcmFault('APNS_AUTH_ERROR')),
      'retry third_party_auth_error',
    ],
    [
      'a quota',
      429,
      fcmError(
        429,
        'RESOURCE_EXHAUSTED',
        'Resource has been exhausted (e.g. check quota).',
        fcmFault('QUOTA_EXCEEDED'),
        {
          type: 'google.rpc.QuotaFailure',
          violations: [{ subject: 'project:1', description: 'per minute' }],
        },
      ),
      'retry quota_exceeded quota',
    ],
    [
      "a gateway's quota",
      429,
      fcmError(429, 'RESOURCE_EXHAUSTED', 'Quota exceeded', errorInfo('RATE_LIMIT_EXCEEDED')),
      'retry quota_exceeded quota',
    ],
    ['a 429 without a body', 429, '', 'retry quota_exceeded quota'],
    [
      'the quota of one device, which others are none the worse for',
      429,
      fcmError(429, 'RESOURCE_EXHAUSTED', 'Quota exceeded', fcmFault('QUOTA_EXCEEDED'), {
        type: 'google.rpc.QuotaFailure',
        violations: [{ subject: 'device:x', description: 'Device message rate exceeded' }],
      }),
      'retry address_quota_exceeded',
    ],
    [
      'an error inside',
      500,
      fcmError(500, 'INTERNAL', 'Internal error encountered.', fcmFault('INTERNAL')),
      'retry internal_error',
    ],
    [
      'overload',
      503,
      fcmError(503, 'UNAVAILABLE', 'The service is currently unavailable.', fcmFault('UNAVAILABLE')),
      'retry unavailable',
    ],
    [
      'the page of a gateway',
      502,
      '<!DOCTYPE html><title>Error 502 (Server Error)!!1</title>',
      'retry bad_gateway',
    ],
    ['a gateway that waited in vain', 504, '', 'retry gateway_timeout'],
    [
      'no information',
      400,
      fcmError(400, 'UNKNOWN', '?', fcmFault('UNSPECIFIED_ERROR')),
      'retry unspecified_error',
    ],
    ['a redirect', 307, '', 'retry redirect credential'],
    ['an unknown refusal', 418, '', 'failed http_418'],
    ['an unknown failure', 599, '', 'retry http_599'],
    ['JSON of another kind', 400, '[1]', 'failed invalid_argument'],
    ['details of another kind', 404, '{"error":{"details":{"a":1}}}', 'retry not_found credential'],
    [
      'members of another kind',
      429,
      '{"error":{"message":7,"details":[null,{"@type":9}]}}',
      'retry quota_exceeded quota',
    ],
  ];
  for (const [what, status, body, expected] of rows) {
    it(`of ${what} is ${expected}`, () => {
      const { outcome, effect } = read(status, body);
      assert.equal([outcome.kind, outcome.code, effect].filter(Boolean).join(' '), expected);
      assert.equal(outcome.httpStatus, status);
      assert.match(outcome.reason!, new RegExp(`^FCM answered ${status}`));
    });
  }

  const unavailable = fcmError(503, 'UNAVAILABLE', 'x', fcmFault('UNAVAILABLE'));
  const retryInfo = { type: 'google.rpc.RetryInfo', retryDelay: '30s' };
  const waits: [
    what: string,
    status: number,
    body: object | string,
    headers: Record<string, string>,
    ms?: number,
  ][] = [
    ['seconds', 503, unavailable, { 'retry-after': '20' }, 20_000],
    ['a date', 503, unavailable, { 'retry-after': 'Fri, 20 Nov 2026 10:02:00 GMT' }, 120_000],
    ['a date in the past', 503, unavailable, { 'retry-after': 'Fri, 20 Nov 2020 10:00:00 GMT' }, 1_000],
    ['ten days', 503, unavailable, { 'retry-after': '864000' }, 3_600_000],
    ['garbage', 503, unavailable, { 'retry-after': 'soon' }, undefined],
    ['RetryInfo', 503, fcmError(503, 'UNAVAILABLE', 'x', fcmFault('UNAVAILABLE'), retryInfo), {}, 30_000],
    ['the header before RetryInfo', 429, fcmError(429, 'R', 'x', retryInfo), { 'retry-after': '5' }, 5_000],
    [
      'RetryInfo with a fraction',
      429,
      fcmError(429, 'R', 'x', { ...retryInfo, retryDelay: '1.5s' }),
      {},
      2_000,
    ],
    ['ten seconds after an error inside', 500, '', {}, 10_000],
    ['at least ten after it', 500, '', { 'retry-after': '3' }, 10_000],
    ['longer when told', 500, '', { 'retry-after': '60' }, 60_000],
    ['thirty seconds, as the page of a 502 asks', 502, '<html>', {}, 30_000],
    ['a minute for what the operator has to mend', 403, '', {}, 60_000],
  ];
  for (const [what, status, body, headers, expected] of waits) {
    it(`has a wait of ${what}`, () => {
      assert.equal(read(status, body, headers).outcome.retryAfterMs, expected);
    });
  }

  it('is told in words with its code and field, on one short line, without the token', () => {
    const body = fcmError(
      400,
      'INVALID_ARGUMENT',
      `Bad\n token ${TOKEN} ${'and so on '.repeat(100)}`,
      badRequest('message.token'),
      fcmFault('INVALID_ARGUMENT'),
    );
    const reason = read(400, body).outcome.reason!;
    assert.match(reason, /^FCM answered 400 INVALID_ARGUMENT: Bad token fGx-… and so on/);
    assert.ok(reason.length < 260);
    assert.ok(!reason.includes('\n'));
  });

  it('tells the operator what to mend', () => {
    assert.match(read(403, '').outcome.reason!, /cloudmessaging\.messages\.create/);
    assert.match(read(404, '').outcome.reason!, /project_id/);
    assert.match(read(401, '').outcome.reason!, /key/);
  });
});
