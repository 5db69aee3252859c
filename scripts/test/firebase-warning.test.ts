import assert from 'node:assert/strict';
import { test } from 'node:test';
import { firebaseWarning } from '../start/settings.ts';

test('a start with a Firebase project says so when Carillon does not send there, and how to change that', () => {
  const env = { GRANDCHAT_FIREBASE_CONFIG: '{}' };
  assert.match(
    firebaseWarning(env, ['webpush']) ?? '',
    /sends by webpush only.*ENABLED_PROVIDERS=webpush,fcm.*FCM_CREDENTIALS_FILE/,
  );
  assert.equal(firebaseWarning(env, ['webpush', 'fcm']), undefined);
  assert.equal(firebaseWarning({}, ['webpush']), undefined);
});
