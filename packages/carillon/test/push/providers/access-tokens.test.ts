import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { AccessTokens, type Grant, OAuthError } from '../../../src/push/providers/oauth/access-tokens.ts';

/** Tokens from a service that the test answers for, with a clock that stands until it is moved. */
function tokensAt() {
  const time = { now: 5_000 };
  const asked: PromiseWithResolvers<Grant>[] = [];
  const tokens = new AccessTokens(
    () => {
      const answer = Promise.withResolvers<Grant>();
      asked.push(answer);
      return answer.promise;
    },
    () => time.now,
  );
  const get = async (token: string, expiresInMs: number) => {
    const getting = tokens.current();
    asked.at(-1)!.resolve({ token, expiresInMs });
    return getting;
  };
  return { tokens, time, asked, get };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('access tokens', () => {
  it('are asked for when one is needed, once for all who need it', async () => {
    const { tokens, asked } = tokensAt();
    assert.equal(tokens.ready(), undefined);
    assert.equal(asked.length, 0);
    const getting = [tokens.current(), tokens.current(), tokens.current()];
    asked[0]!.resolve({ token: 'one', expiresInMs: 3_600_000 });
    assert.deepEqual(await Promise.all(getting), ['one', 'one', 'one']);
    assert.equal(asked.length, 1);
    assert.equal(tokens.ready(), 'one');
  });

  it('are replaced five minutes early, in the background, while the old one serves', async () => {
    const { tokens, time, asked, get } = tokensAt();
    await get('one', 3_600_000);
    time.now += 3_300_000 - 1;
    assert.equal(tokens.ready(), 'one');
    assert.equal(asked.length, 1);
    time.now += 1;
    assert.equal(tokens.ready(), 'one');
    assert.equal(tokens.ready(), 'one');
    assert.equal(asked.length, 2);
    asked[1]!.resolve({ token: 'two', expiresInMs: 3_600_000 });
    await turn();
    assert.equal(tokens.ready(), 'two');
  });

  it('that live five seconds are used for four, and never after their end', async () => {
    const { tokens, time, asked, get } = tokensAt();
    await get('one', 5_000);
    time.now += 3_999;
    tokens.ready();
    assert.equal(asked.length, 1);
    time.now += 1;
    assert.equal(tokens.ready(), 'one');
    assert.equal(asked.length, 2);
    time.now += 1_000;
    assert.equal(tokens.ready(), undefined);
  });

  it('that the service refuses before their time are replaced, once', async () => {
    const { tokens, asked, get } = tokensAt();
    await get('one', 3_600_000);
    tokens.discard('one');
    assert.equal(await get('two', 3_600_000), 'two');
    // Those that were on their way with the first one.
    tokens.discard('one');
    tokens.discard('one');
    assert.equal(tokens.ready(), 'two');
    assert.equal(asked.length, 2);
  });

  it('are not asked for again at once after a failure', async () => {
    const { tokens, time, asked } = tokensAt();
    const failing = [tokens.current(), tokens.current()];
    asked[0]!.reject(new OAuthError('no access token: invalid_grant', true));
    for (const one of failing) await assert.rejects(one, OAuthError);
    await assert.rejects(tokens.current(), /invalid_grant/);
    assert.equal(asked.length, 1);
    time.now += 2_000;
    const next = tokens.current();
    asked[1]!.resolve({ token: 'one', expiresInMs: 1_000 });
    assert.equal(await next, 'one');
  });

  it('that are good still serve while no other is had', async () => {
    const { tokens, time, asked, get } = tokensAt();
    await get('one', 3_600_000);
    time.now += 3_400_000;
    assert.equal(tokens.ready(), 'one');
    asked[1]!.reject(new OAuthError('no access token: timeout', false));
    await turn();
    assert.equal(tokens.ready(), 'one');
    assert.equal(asked.length, 2);
  });
});
