/** The programs of deploy/compose.yaml with the environments that it gives them, behind its nginx; what it needs Docker for is not here. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { DEPLOY } from './support/compose.ts';
import { metricsIn, queriesOf } from './support/dashboard.ts';
import { type Deployment, startDeployment } from './support/deployment.ts';
import { Person } from './support/person.ts';
import { type PushSink, startPushSink } from './support/push-sink.ts';
import { missing } from './support/requires.ts';

suite('two of each program behind nginx', {
  skip: missing('postgresql', 'redis', 'docker-compose', 'nginx'),
}, () => {
  let sink: PushSink;
  let deployment: Deployment;
  before(async () => {
    sink = await startPushSink();
    deployment = await startDeployment({ pushOrigin: sink.origin });
  });
  after(async () => {
    await deployment?.close();
    sink?.close();
  });

  test('a message comes to every WebSocket, whichever node has it, and a push through a worker', async () => {
    const { origin } = deployment;
    const ann = await Person.signUp(origin, 'ann');
    const bob = await Person.signUp(origin, 'bob');
    const room = await ann.createRoom('behind nginx');
    await bob.join(room);
    await bob.post('/api/device/register/', {
      device: { provider: 'webpush', platform: 'web', token: sink.subscription('bob') },
    });
    // As many as it takes to have one on each node, which nginx asks in turn.
    const clients = [bob.realtime(), bob.realtime(), bob.realtime(), bob.realtime()];
    const arrivals = clients.map(
      ({ subscription }) =>
        new Promise((resolve) => {
          subscription.on('publication', ({ data }) => {
            if (data.type === 'message_added') resolve(data.body.content);
          });
        }),
    );
    try {
      for (const { client, subscription } of clients) {
        client.connect();
        await subscription.ready(10_000);
      }
      for (const { url } of deployment.carillons)
        assert.ok((await metric(url, 'centrifugo_node_num_clients')) > 0, `${url} has clients`);
      const pushed = sink.next();
      await ann.write(room, 'hello everywhere');
      assert.deepEqual(
        await Promise.all(arrivals),
        arrivals.map(() => 'hello everywhere'),
      );
      assert.equal((await pushed).payload.notification.data.text, 'hello everywhere');
    } finally {
      for (const { client } of clients) client.disconnect();
    }
  });

  test('nginx serves the front end, keeps Carillon’s server API and health to the inside, and says who calls', async () => {
    const { origin, grandchats } = deployment;
    const page = await fetch(origin);
    assert.match(await page.text(), /<div id="root">/);
    assert.ok(page.headers.get('content-security-policy'));
    assert.equal((await fetch(`${origin}/health`)).status, 404);
    const publish = await fetch(`${origin}/api/publish`, { method: 'POST', body: '{}' });
    assert.equal(publish.status, 404);
    // A client that claims to be another each time is still counted as itself: 10 sign-ups a minute.
    const statuses = [];
    for (let n = 0; n < 24; n++) {
      const { status } = await fetch(`${origin}/api/signup/`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json', 'X-Forwarded-For': `10.0.0.${n}` },
        body: '{}',
      });
      statuses.push(status);
    }
    assert.equal(grandchats.length, 2, 'each counts for itself');
    assert.ok(statuses.includes(429), String(statuses));
  });

  test('every metric of the dashboard is there', async () => {
    const pages = await Promise.all(
      [...deployment.carillons, ...deployment.workers].map(async ({ url }) =>
        (await fetch(`${url}/metrics`)).text(),
      ),
    );
    const there = new Set(pages.flatMap((page) => namesIn(page)));
    // Prometheus makes this one itself; those of a consumer of PostgreSQL's log come with it.
    there.add('up');
    for (const query of queriesOf(join(DEPLOY, 'grafana/dashboards/carillon.json'))) {
      const names = metricsIn(query);
      assert.ok(names.length > 0, query.expr);
      for (const name of names) assert.ok(there.has(name), `${query.title}: ${name}`);
    }
  });
});

/** Names of the samples that a page of metrics has or, for a metric without samples yet, would have. */
function namesIn(page: string): string[] {
  const typed = [...page.matchAll(/^# TYPE (\S+) (\S+)$/gm)].flatMap(([, name = '', type]) =>
    type === 'histogram' ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name],
  );
  return typed;
}

async function metric(url: string, name: string): Promise<number> {
  const page = await (await fetch(`${url}/metrics`)).text();
  return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(page)?.[1] ?? 0);
}
