import { Type } from 'typebox';
import { ApiError, badRequest } from '../../errors.ts';
import { providerOfDeviceId } from '../../push/devices/device-id.ts';
import type { Push } from '../../push/push.ts';
import type { BuriedLetter } from '../../push/queue/queue.ts';
import { STATUSES, type StatusRow } from '../../push/status/statuses.ts';
import { defineMethod, type Method } from '../method.ts';
import { checkChoice, checkLimit, checkText, checkTexts, requireText, withoutZeros } from './checks.ts';
import { enabled } from './push-enabled.ts';
import { Text, Texts, Whole } from './push-schemas.ts';

const REPORTED = ['delivered', 'interacted'] as const;

/** `update_push_status` (push-api, section 7) and our addition `push_status`. */
export function statusMethods(push: Push | undefined): Method[] {
  return [
    defineMethod({
      name: 'update_push_status',
      mutating: true,
      request: Type.Object({ analytics_uid: Text, status: Text, device_id: Text, msg_id: Text }),
      async handle(request) {
        const { reports } = enabled(push);
        const analyticsUid = requireText(request.analytics_uid, 'analytics_uid');
        const status = checkChoice(request.status, REPORTED, 'status');
        const deviceId = requireText(request.device_id, 'device_id');
        const provider = providerOfDeviceId(deviceId);
        if (!provider) throw badRequest('device_id', 'must be a device id as device_register gave it');
        const messageId = checkText(request.msg_id ?? '', 'msg_id', 1024);
        await reports.report(analyticsUid, deviceId, provider, status, messageId);
        return {};
      },
    }),
    defineMethod({
      name: 'push_status',
      mutating: false,
      request: Type.Object({ uid: Text, analytics_uid: Text, statuses: Texts, cursor: Text, limit: Whole }),
      async handle(request) {
        const { reports } = enabled(push);
        const uid = checkText(request.uid ?? '', 'uid');
        const analyticsUid = checkText(request.analytics_uid ?? '', 'analytics_uid');
        if (!uid && !analyticsUid) throw badRequest('uid, analytics_uid', 'one of them is required');
        const wanted = checkTexts(request.statuses, 'statuses', STATUSES.length);
        wanted.forEach((status, index) => {
          checkChoice(status, STATUSES, `statuses[${index}]`);
        });
        const report = await reports.read({
          uid,
          analyticsUid,
          statuses: wanted,
          cursor: request.cursor ? parseCursor(request.cursor) : undefined,
          limit: checkLimit(request.limit, 100, 1_000),
        });
        if (!report) throw new ApiError('notFound', 'no push with this uid is known');
        const { push: stored, state, counts, rows, more, deadLetters } = report;
        const last = rows.at(-1);
        return withoutZeros(
          {
            uid,
            analytics_uid: analyticsUid || stored?.analyticsUid,
            state,
            send_at: seconds(stored?.sendAt),
            expire_at: seconds(stored?.expireAt),
            counts,
            sample_rate: reports.statuses?.sampleRate,
            items: rows.map(showRow),
            dead_letters: deadLetters.map(showLetter),
            next_cursor: more && last ? makeCursor(last) : '',
          },
          ['items', 'counts'],
        );
      },
    }),
  ];
}

function showRow({ recipient, message_id: msgId, ...row }: StatusRow): object {
  return withoutZeros({ ...row, [recipientMember(recipient)]: recipient, msg_id: msgId });
}

function showLetter({ recipient, ...letter }: BuriedLetter): object {
  return withoutZeros({ ...letter, [recipientMember(recipient)]: recipient });
}

/** Devices are named by their id, raw targets by what stands for them. */
function recipientMember(recipient: string): 'device_id' | 'recipient' {
  return providerOfDeviceId(recipient) ? 'device_id' : 'recipient';
}

function seconds(milliseconds = 0): number {
  return Math.floor(milliseconds / 1000);
}

function makeCursor({ uid, recipient }: StatusRow): string {
  return Buffer.from(JSON.stringify([uid, recipient])).toString('base64url');
}

/** @throws ApiError 107 for what is not a cursor of `push_status` */
function parseCursor(cursor: string): [string, string] {
  try {
    const value: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString());
    const [uid, recipient] = Array.isArray(value) ? value : [];
    if (typeof uid === 'string' && typeof recipient === 'string') {
      return [checkText(uid, 'cursor'), checkText(recipient, 'cursor', 4_096)];
    }
  } catch {
    // Told below, in the same words as any other.
  }
  throw badRequest('cursor', 'must be a next_cursor of this method');
}
