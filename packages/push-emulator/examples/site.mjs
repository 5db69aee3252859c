// A tiny page with a service worker, in place of your application.
import { once } from 'node:events';
import { createServer } from 'node:http';

const PAGE = `<!doctype html><title>site</title><script>
async function subscribe(applicationServerKey) {
  const registration = await navigator.serviceWorker.register('/sw.js');
  await navigator.serviceWorker.ready;
  const subscription = await registration.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey });
  return subscription.toJSON();
}
async function titles() {
  const registration = await navigator.serviceWorker.ready;
  return (await registration.getNotifications()).map(({ title }) => title);
}
</script>`;
const WORKER = `addEventListener('push', (event) => {
  event.waitUntil(registration.showNotification(event.data.text()));
});`;

export async function startSite() {
  const server = createServer(({ url }, response) => {
    const isWorker = url === '/sw.js';
    response.setHeader('Content-Type', isWorker ? 'text/javascript' : 'text/html');
    response.end(isWorker ? WORKER : PAGE);
  }).listen(0, 'localhost');
  await once(server, 'listening');
  return {
    origin: `http://localhost:${server.address().port}`,
    async close() {
      server.close();
      server.closeAllConnections();
    },
  };
}
