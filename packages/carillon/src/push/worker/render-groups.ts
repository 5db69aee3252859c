import type { ProviderMessage, Target } from '../providers/provider.ts';
import { compileMessage, type RenderedFor, type Rendering, variablesFor } from '../send/rendering.ts';
import type { Recipient } from './settlement.ts';

/** Somebody to be rung: the device is undefined for a raw token. */
export interface Addressee {
  readonly recipient: Recipient;
  readonly target: Target;
  readonly device: RenderedFor | undefined;
}

/** Those who get the very same message. */
export interface RenderedGroup {
  readonly message: ProviderMessage;
  readonly addressees: readonly Addressee[];
}

/**
 * Renders a message for each addressee, and puts those together for whom it came out alike: a message is encoded once a group,
 * and most templates have few outcomes (a language each).
 */
export function groupByMessage(
  message: ProviderMessage,
  addressees: readonly Addressee[],
  rendering: Rendering | null,
): RenderedGroup[] {
  if (addressees.length === 0) return [];
  if (!rendering) return [{ message, addressees }];
  const render = compileMessage(message);
  const groups = new Map<string, { message: ProviderMessage; addressees: Addressee[] }>();
  for (const addressee of addressees) {
    const device = addressee.device ?? { id: '', user: '', locale: '', meta: {} };
    const rendered = render(variablesFor(device, rendering));
    const key = JSON.stringify(rendered);
    const group = groups.get(key);
    if (group) group.addressees.push(addressee);
    else groups.set(key, { message: rendered, addressees: [addressee] });
  }
  return [...groups.values()];
}
