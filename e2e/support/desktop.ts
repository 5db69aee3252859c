import { spawn } from 'node:child_process';
import { EventEmitter, on, once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import dbus from 'dbus-next';

const WAIT_MS = 15_000;

/** A notification on the screen, as the browser asked for it (freedesktop's Desktop Notifications, `Notify`). */
export interface DesktopNotification {
  readonly id: number;
  readonly summary: string;
  readonly body: string;
  /** Keys and labels by turns; `default` is the click on the notification itself. */
  readonly actions: readonly string[];
  /** The number of `Notify` calls that brought it to what it is: above 1 when it was replaced in place. */
  readonly revision: number;
}

/** A desktop with nothing but a session bus and a notification daemon, for one browser or several. */
export interface Desktop {
  /** What a browser needs in its environment to ring here. */
  readonly env: Readonly<Record<string, string>>;
  /** What is on the screen now, oldest first. */
  notifications(): DesktopNotification[];
  /** Everything ever shown, a replacement as one more. */
  history(): DesktopNotification[];
  /** The first notification, on the screen or to come, that fits; rejects after 15 s with what there was. */
  waitForNotification(
    predicate: (notification: DesktopNotification) => boolean,
    options?: { timeoutMs?: number },
  ): Promise<DesktopNotification>;
  /** The person clicks it (a real click: it counts as user activation), and it goes away. */
  click(id: number): void;
  /** The person presses one of its buttons. */
  press(id: number, action: string): void;
  /** The person wipes it away. */
  dismiss(id: number): void;
  close(): Promise<void>;
}

/** Without service folders nothing but our own daemon can answer on this bus. */
const busConfig = (
  socket: string,
) => `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path=${socket}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>`;

/** Reasons of `NotificationClosed`, in freedesktop's numbers. */
const CLOSED_BY_USER = 2;
const CLOSED_BY_CALL = 3;

type Notify = [string, number, string, string, string, string[], object, number];

class NotificationDaemon extends dbus.interface.Interface {
  readonly events = new EventEmitter<{ notify: [DesktopNotification] }>().setMaxListeners(0);
  readonly open = new Map<number, DesktopNotification>();
  readonly shown: DesktopNotification[] = [];
  #lastId = 0;

  constructor() {
    super('org.freedesktop.Notifications');
  }

  GetCapabilities() {
    return ['actions', 'body', 'body-markup', 'persistence'];
  }

  GetServerInformation() {
    return ['test desktop', 'carillon', '1', '1.2'];
  }

  Notify(...[, replaces, , summary, body, actions]: Notify) {
    const old = this.open.get(replaces);
    if (!old) this.#lastId += 1;
    const id = old?.id ?? this.#lastId;
    const notification = { id, summary, body, actions, revision: (old?.revision ?? 0) + 1 };
    this.open.set(id, notification);
    this.shown.push(notification);
    this.events.emit('notify', notification);
    return id;
  }

  CloseNotification(id: number) {
    this.end(id, CLOSED_BY_CALL);
  }

  end(id: number, reason: number) {
    if (this.open.delete(id)) this.NotificationClosed(id, reason);
  }

  ActionInvoked(id: number, action: string) {
    return [id, action];
  }

  NotificationClosed(id: number, reason: number) {
    return [id, reason];
  }
}

NotificationDaemon.configureMembers({
  methods: {
    GetCapabilities: { outSignature: 'as' },
    GetServerInformation: { outSignature: 'ssss' },
    Notify: { inSignature: 'susssasa{sv}i', outSignature: 'u' },
    CloseNotification: { inSignature: 'u' },
  },
  signals: {
    ActionInvoked: { signature: 'us' },
    NotificationClosed: { signature: 'uu' },
  },
});

export async function startDesktop(): Promise<Desktop> {
  const folder = await mkdtemp(join(tmpdir(), 'desktop-'));
  const socket = join(folder, 'bus');
  const address = `unix:path=${socket}`;
  await writeFile(join(folder, 'bus.conf'), busConfig(socket));
  const daemon = spawn(
    'dbus-daemon',
    ['--nofork', '--nosyslog', '--print-address', `--config-file=${join(folder, 'bus.conf')}`],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  // Not shown as they come: in a container it warns of limits that it may not raise.
  let words = '';
  daemon.stderr.on('data', (chunk) => {
    words += chunk;
  });
  const daemonEnded = once(daemon, 'exit');
  // It prints its address once it listens.
  await Promise.race([
    once(daemon.stdout, 'data'),
    daemonEnded.then(([code]) => Promise.reject(new Error(`dbus-daemon ended with code ${code}: ${words}`))),
  ]);
  const bus = dbus.sessionBus({ busAddress: address });
  await once(bus, 'connect');
  const screen = new NotificationDaemon();
  bus.export('/org/freedesktop/Notifications', screen);
  await bus.requestName('org.freedesktop.Notifications', 0);

  const mustBeOpen = (id: number) => {
    if (!screen.open.has(id)) throw new Error(`notification ${id} is not on the screen`);
  };
  const press = (id: number, action: string) => {
    mustBeOpen(id);
    screen.ActionInvoked(id, action);
    screen.end(id, CLOSED_BY_USER);
  };

  return {
    env: { DBUS_SESSION_BUS_ADDRESS: address, NO_AT_BRIDGE: '1' },
    notifications: () => [...screen.open.values()],
    history: () => [...screen.shown],
    async waitForNotification(predicate, { timeoutMs = WAIT_MS } = {}) {
      const found = [...screen.open.values()].find(predicate);
      if (found) return found;
      const signal = AbortSignal.timeout(timeoutMs);
      try {
        for await (const [notification] of on(screen.events, 'notify', { signal })) {
          if (predicate(notification)) return notification;
        }
      } catch (error) {
        if (!signal.aborted) throw error;
      }
      const words = screen.shown.map(({ summary, body }) => JSON.stringify(`${summary}: ${body}`));
      throw new Error(
        `no such notification within ${timeoutMs} ms; shown so far: ${words.join(', ') || 'none'}`,
      );
    },
    click: (id) => press(id, 'default'),
    press,
    dismiss(id) {
      mustBeOpen(id);
      screen.end(id, CLOSED_BY_USER);
    },
    async close() {
      bus.disconnect();
      daemon.kill();
      await daemonEnded;
      await rm(folder, { recursive: true, force: true });
    },
  };
}
