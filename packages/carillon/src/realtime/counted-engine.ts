import type { Broker } from './broker.ts';
import type { Counters } from './counters.ts';
import type { PresenceStore } from './presence.ts';

/** A broker whose actions are counted, but for reading history: only who reads knows what for. */
export function countedBroker(broker: Broker, counters: Counters): Broker {
  return {
    listen: (listener) => broker.listen(listener),
    subscribe(channel) {
      counters.action('broker_subscribe');
      return broker.subscribe(channel);
    },
    unsubscribe(channel) {
      counters.action('broker_unsubscribe');
      broker.unsubscribe(channel);
    },
    publish: (channel, message, options) => broker.publish(channel, message, options),
    publishMany: (channels, message, options, onPublished) =>
      broker.publishMany(channels, message, options, onPublished),
    announce: (kind, channel, info) => broker.announce(kind, channel, info),
    history: (channel, request, options) => broker.history(channel, request, options),
    removeHistory(channel) {
      counters.action('history_remove');
      return broker.removeHistory(channel);
    },
    ping: () => broker.ping(),
    close: () => broker.close(),
  };
}

/** A presence store whose actions are counted. */
export function countedPresence(presence: PresenceStore, counters: Counters): PresenceStore {
  return {
    add(channel, info) {
      counters.action('add_presence');
      return presence.add(channel, info);
    },
    remove(channel, client) {
      counters.action('remove_presence');
      return presence.remove(channel, client);
    },
    of(channel) {
      counters.action('presence');
      return presence.of(channel);
    },
    stats(channel) {
      counters.action('presence_stats');
      return presence.stats(channel);
    },
    close: () => presence.close(),
  };
}
