import assert from 'node:assert/strict';
import { test } from 'node:test';
import { notificationFor } from '../../src/cli/notification.ts';
import { resolveConfig } from '../../src/config/load.ts';
import { providerRules, providerSetups } from '../../src/push/providers/index.ts';
import { PROVIDER_NAMES } from '../../src/push/providers/provider.ts';

test('the same words fit every provider, with and without a link', () => {
  const { config } = resolveConfig({
    push_notifications: {
      enabled: true,
      enabled_providers: PROVIDER_NAMES,
      webpush: { subject: 'mailto:ops@example.com' },
      apns: { bundle_id: 'com.example.app' },
    },
  });
  const rules = providerRules(providerSetups(config.push_notifications));
  for (const text of [
    { title: 'Hello' },
    { title: 'Hello', body: 'World', url: 'https://example.com/a' },
    { title: 'Hello', url: 'http://localhost:9000/rooms/1' },
  ]) {
    for (const [provider, block] of Object.entries(notificationFor(PROVIDER_NAMES, text))) {
      const sent: unknown = JSON.parse(JSON.stringify(block));
      rules.get(provider as 'fcm')?.checkMessage(sent, provider);
      const said = JSON.stringify(sent);
      for (const words of Object.values(text)) assert.ok(said.includes(words), `${provider}: ${words}`);
    }
  }
});
