import { randomUUID } from 'node:crypto';
import { type Static, Type } from 'typebox';
import { badRequest } from '../../errors.ts';
import { PROVIDER_NAMES, type ProviderName } from '../../push/providers/provider.ts';
import type { Push } from '../../push/push.ts';
import type { Rendering } from '../../push/queue/stored-push.ts';
import type { PushRecipient } from '../../push/send/pushes.ts';
import { defineMethod, type Method } from '../method.ts';
import { checkLocale, checkMeta, checkText, requireText } from './checks.ts';
import { checkFilter } from './push-devices.ts';
import { enabled, withDatabase } from './push-enabled.ts';
import { checkLimits } from './push-limits.ts';
import { SendSchema, Text } from './push-schemas.ts';

const MAX_RAW_TOKENS = 10_000;
const MAX_CONDITION_LENGTH = 2_048;
const MAX_LANGUAGES = 200;
/** Unix seconds of the year 9999: beyond it the database's timestamps are of no use. */
const MAX_TIME = 253_402_300_799;

type SendRequest = Static<typeof SendSchema>;

/** `send_push_notification` and `cancel_push` (push-api, section 6). */
export function sendMethods(push: Push | undefined): Method[] {
  return [
    defineMethod({
      name: 'send_push_notification',
      mutating: true,
      request: SendSchema,
      async handle(request) {
        const { pushes } = enabled(push);
        const uid = checkText(request.uid || randomUUID(), 'uid');
        const { expire_at: expireAt, ...blocks } = request.notification ?? {};
        const { recipientType, recipient } = checkRecipient(request.recipient ?? {});
        if (recipient.kind === 'filter') withDatabase(push);
        const limits = checkLimits(request.limit_strategy);
        await pushes.accept({
          uid,
          analyticsUid: checkText(request.analytics_uid ?? '', 'analytics_uid'),
          recipientType,
          app: checkText(request.app ?? '', 'app'),
          recipient,
          messages: new Map(
            Object.entries(blocks).filter(([provider]) => PROVIDER_NAMES.includes(provider as never)),
          ),
          sendAt: checkTime(request.send_at, 'send_at'),
          expireAt: checkTime(expireAt, 'notification.expire_at'),
          ...checkRendering(request),
          ...(limits && { limits }),
        });
        return { uid };
      },
    }),
    defineMethod({
      name: 'cancel_push',
      mutating: true,
      request: Type.Object({ uid: Text }),
      async handle({ uid }) {
        await enabled(push).cancel(requireText(uid, 'uid'));
        return {};
      },
    }),
  ];
}

const RECIPIENT_KINDS = [
  'filter',
  'webpush_tokens',
  'fcm_tokens',
  'hms_tokens',
  'apns_tokens',
  'fcm_topic',
  'fcm_condition',
  'hms_topic',
  'hms_condition',
] as const;

/** Exactly one member, and what it means. */
function checkRecipient(recipient: NonNullable<SendRequest['recipient']>): {
  recipientType: string;
  recipient: PushRecipient;
} {
  const given = RECIPIENT_KINDS.filter((kind) => {
    const value = recipient[kind];
    return Array.isArray(value) ? value.length > 0 : Boolean(value);
  });
  const [type] = given;
  if (given.length !== 1 || !type) {
    throw badRequest(
      'recipient',
      `must have exactly one of ${RECIPIENT_KINDS.join(', ')}, got ${given.join(', ') || 'none'}`,
    );
  }
  if (type === 'filter') {
    const filter = checkFilter(recipient.filter ?? {}, 'recipient.filter');
    if (filter.apps?.length)
      throw badRequest('recipient.filter.apps', 'must be absent: name the app in `app`');
    return { recipientType: type, recipient: { kind: 'filter', filter } };
  }
  const [provider, kind] = type.split('_') as [ProviderName, 'tokens' | 'topic' | 'condition'];
  if (kind !== 'tokens') {
    const value = checkText(recipient[type] as string, `recipient.${type}`, MAX_CONDITION_LENGTH);
    return { recipientType: type, recipient: { kind, provider, value } };
  }
  const tokens = recipient[type] as string[];
  if (tokens.length > MAX_RAW_TOKENS) {
    throw badRequest(`recipient.${type}`, `must have at most ${MAX_RAW_TOKENS} items, got ${tokens.length}`);
  }
  return { recipientType: type, recipient: { kind, provider, tokens } };
}

function checkTime(value: number | undefined, field: string): number {
  if (value === undefined) return 0;
  if (value < 0 || value > MAX_TIME) throw badRequest(field, `must be a time in unix seconds, got ${value}`);
  return value;
}

/** Localizations turn templating on (push-api, section 6.3). */
function checkRendering({ localizations = {}, use_templating, use_meta }: SendRequest): {
  rendering?: Rendering;
} {
  const languages = Object.entries(localizations);
  if (!use_templating && languages.length === 0) return {};
  if (languages.length > MAX_LANGUAGES) {
    throw badRequest(
      'localizations',
      `must have at most ${MAX_LANGUAGES} languages, got ${languages.length}`,
    );
  }
  const texts = languages.map(([tag, { translations = {} }]) => {
    checkLocale(tag, 'localizations');
    return [tag, checkMeta(translations, `localizations.${tag}.translations`)] as const;
  });
  return { rendering: { localizations: Object.fromEntries(texts), use_meta: use_meta ?? false } };
}
