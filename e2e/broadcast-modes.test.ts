/** Every mode in which GrandChat tells of its changes, from a message to WebSockets and pushes, quiet and with everything killed. */
import { suite, test } from 'node:test';
import { ModeScene } from './support/mode-scene.ts';
import { missing } from './support/requires.ts';

const QUIET = 30;
const FAULTY = 120;

interface Mode {
  readonly name: string;
  readonly withRedis?: boolean;
  /** Whether a change that is committed is told of even when GrandChat is killed at once. */
  readonly isReliable: boolean;
  /** Whether what was told of after a failure may come before what failed. */
  readonly isOrdered: boolean;
}

const MODES: readonly Mode[] = [
  { name: 'outbox', isReliable: true, isOrdered: true },
  { name: 'api', isReliable: false, isOrdered: true },
  // As deploy/ has it.
  { name: 'cdc', withRedis: true, isReliable: true, isOrdered: true },
  { name: 'api_cdc', isReliable: true, isOrdered: false },
];

for (const mode of MODES) {
  const withRedis = mode.withRedis ?? false;
  const name = `GrandChat in mode ${mode.name}${withRedis ? ' with Redis' : ''}`;
  suite(name, { skip: missing('postgresql', ...(withRedis ? ['redis' as const] : [])) }, () => {
    test('brings every event to every client once and in order, every push once, and goes on so when all is killed in the middle', async (t) => {
      const scene = await ModeScene.open({ env: { GRANDCHAT_BROADCAST_MODE: mode.name }, withRedis });
      try {
        const mark = scene.mark();
        for (let n = 0; n < QUIET; n++) await scene.write(n);
        await scene.visit('eve');
        await scene.assertScreens(4);
        await scene.untilWire(mark, QUIET + 2);
        scene.assertWire(mark, scene.written, 2);
        await scene.assertPushes();

        const faults = [
          () => scene.killCarillon(),
          () => scene.killPostgres(),
          ...(withRedis ? [() => scene.killRedis()] : []),
          ...(mode.isReliable ? [() => scene.killGrandChat()] : []),
          () => scene.killCarillon(),
        ];
        for (const fault of faults) await scene.writeDuring(fault, FAULTY / faults.length);
        await scene.visit('fay');
        if (!mode.isOrdered) await scene.untilComplete();
        await scene.assertScreens(4);
        if (withRedis) {
          // History and idempotency keys outlive Carillon there: screens need not load anew, or leave out what came twice.
          await scene.untilWire(mark, scene.written.length + 4);
          scene.assertWire(mark, scene.written, 4);
        }
        const { doubled } = await scene.assertPushes();
        t.diagnostic(
          `${scene.written.length} messages, ${faults.length} kills: lost 0, pushes doubled ${doubled}`,
        );
      } finally {
        await scene.close();
      }
    });
  });
}
