/** Every mode in which GrandChat tells of its changes, from a message to WebSockets and pushes, quiet and with everything killed. */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { ModeScene } from './support/mode-scene.ts';
import { missing } from './support/requires.ts';

const QUIET = 30;
const FAULTY = 120;

interface Mode {
  readonly name: string;
  readonly env: NodeJS.ProcessEnv;
  /** Whether a change that is committed is told of even when GrandChat is killed at once. */
  readonly isReliable: boolean;
  /** Whether what was told of after a failure may come before what failed. */
  readonly isOrdered: boolean;
}

const MODES: readonly Mode[] = [
  { name: 'outbox', env: { GRANDCHAT_BROADCAST_MODE: 'outbox' }, isReliable: true, isOrdered: true },
  { name: 'api', env: { GRANDCHAT_BROADCAST_MODE: 'api' }, isReliable: false, isOrdered: true },
  { name: 'cdc', env: { GRANDCHAT_BROADCAST_MODE: 'cdc' }, isReliable: true, isOrdered: true },
  { name: 'api_cdc', env: { GRANDCHAT_BROADCAST_MODE: 'api_cdc' }, isReliable: true, isOrdered: false },
];

for (const mode of MODES) {
  suite(`GrandChat in mode ${mode.name}`, { skip: missing('postgresql') }, () => {
    test('brings every event to every client once and in order, every push once, and goes on so when all is killed in the middle', async (t) => {
      const scene = await ModeScene.open(mode.env);
      try {
        const mark = scene.mark();
        for (let n = 0; n < QUIET; n++) await scene.write(n);
        await scene.visit('eve');
        await scene.assertScreens(4);
        await until(scene, mark, QUIET + 2);
        scene.assertWire(mark, scene.written, 2);
        await scene.assertPushes();

        const faults = [
          () => scene.killCarillon(),
          async () => {
            scene.postgres.stop({ keep: true });
            scene.postgres.start();
          },
          ...(mode.isReliable
            ? [
                async () => {
                  await scene.stack.killGrandChat();
                  await scene.stack.startGrandChat();
                },
              ]
            : []),
          () => scene.killCarillon(),
        ];
        let next = QUIET;
        for (const fault of faults) {
          let isOver = false;
          const going = fault().finally(() => {
            isOver = true;
          });
          // Written before, while it is away, and after.
          for (let count = 0; count < FAULTY / faults.length || !isOver; count++) await scene.write(next++);
          await going;
        }
        await scene.visit('fay');
        if (!mode.isOrdered) await scene.untilComplete();
        await scene.assertScreens(4);
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

/** The screens have it by their answers to the writers; the wire may need a moment more. */
async function until(scene: ModeScene, since: readonly number[], count: number): Promise<void> {
  for (const [index, watcher] of scene.watchers.entries())
    await watcher.until(
      () => watcher.events.slice(since[index]).filter(({ type }) => type !== 'room_read').length >= count,
    );
  assert.ok(scene.watchers.every((watcher) => watcher.isConnected()));
}
