import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { brokerRedis, queueOf } from '../../src/config/engine.ts';
import { type ConfigError, resolveConfig } from '../../src/config/load.ts';
import { queueKind } from '../../src/push/queue/open.ts';

const REUSE = {
  enabled: true,
  enabled_providers: ['webpush'],
  webpush: { subject: 'mailto:ops@example.com' },
  queue: { redis: { reuse_from_engine: true } },
};
const problemsOf = (value: object) => {
  try {
    resolveConfig(value);
  } catch (error) {
    return (error as ConfigError).problems.join('\n');
  }
  return '';
};

suite('the engine of real time in the configuration', () => {
  test('one address stands for itself, several are a list, the environment separates them by commas', () => {
    const of = (address: unknown, env = {}) =>
      resolveConfig({ engine: { type: 'redis', redis: { address } } }, env).config.engine.redis.address;
    assert.deepEqual(of('redis:6379'), ['redis:6379']);
    assert.deepEqual(of(['a:1', 'b:2']), ['a:1', 'b:2']);
    assert.deepEqual(of('x:1', { CARILLON_ENGINE_REDIS_ADDRESS: 'a:1, b:2' }), ['a:1', 'b:2']);
    assert.deepEqual(resolveConfig({}).config.engine.redis.address, ['redis://127.0.0.1:6379']);
  });

  test('broker is taken before engine where it is enabled', () => {
    const engine = { type: 'redis', redis: { address: 'a:1' } };
    const redisOf = (value: object) => brokerRedis(resolveConfig(value).config)?.address;
    assert.equal(redisOf({}), undefined);
    assert.deepEqual(redisOf({ engine }), ['a:1']);
    assert.deepEqual(redisOf({ engine, broker: { type: 'redis', redis: { address: 'b:2' } } }), ['a:1']);
    assert.deepEqual(
      redisOf({ engine, broker: { enabled: true, type: 'redis', redis: { address: 'b:2' } } }),
      ['b:2'],
    );
    assert.equal(redisOf({ engine, broker: { enabled: true, type: 'memory' } }), undefined);
  });

  test('an address that cannot be read, or none, or a strange prefix is refused; a password in it is not shown', () => {
    const of = (redis: object) => problemsOf({ broker: { enabled: true, type: 'redis', redis } });
    assert.match(of({ address: [] }), /broker\.redis\.address is empty/);
    assert.match(of({ address: ['a:1', 'b'] }), /broker\.redis\.address\[1\] is not readable/);
    assert.doesNotMatch(of({ address: 'http://:secret@b' }), /secret/);
    assert.match(of({ prefix: 'a{b}' }), /broker\.redis\.prefix is "a\{b\}"/);
    assert.equal(problemsOf({ broker: { type: 'redis', redis: { address: 'unused' } } }), '');
  });

  test('the push queue takes the engine’s Redis, with its credentials, where it is to be reused', () => {
    const redis = { address: ['redis://r:7', 'redis://s:8'], user: 'u', password: 'p@', db: 3 };
    const { config } = resolveConfig({ engine: { type: 'redis', redis }, push_notifications: REUSE });
    const queue = queueOf(config);
    assert.equal(queue.redis.address, 'redis://u:p%40@r:7/3');
    assert.equal(queueKind(queue), 'redis');
  });

  test('reusing an engine without Redis is refused, and so is an address beside it', () => {
    assert.match(
      problemsOf({ push_notifications: REUSE }),
      /reuse_from_engine is true, but real time uses no Redis/,
    );
    const queue = { redis: { reuse_from_engine: true, address: 'x:1' } };
    assert.match(
      problemsOf({ engine: { type: 'redis' }, push_notifications: { ...REUSE, queue } }),
      /reuse_from_engine and push_notifications\.queue\.redis\.address exclude each other/,
    );
  });
});
