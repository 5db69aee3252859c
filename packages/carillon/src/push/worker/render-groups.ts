import type { Outcome, ProviderMessage, Target } from '../providers/provider.ts';
import type { Rendering } from '../queue/stored-push.ts';
import { compileMessage, type RenderedFor, variablesFor } from '../send/rendering.ts';
import type { Recipient } from './settlement.ts';

/** Somebody to be rung: the device is undefined for a raw token. */
export interface Addressee {
  readonly recipient: Recipient;
  readonly target: Target;
  readonly device: RenderedFor | undefined;
  /** Empty, as the next, for a raw token. */
  readonly platform: string;
  readonly timezone: string;
}

/** Those who get the very same message. */
export interface RenderedGroup {
  readonly message: ProviderMessage;
  readonly addressees: readonly Addressee[];
}

/** Somebody for whom the message cannot be made. */
export interface Unrendered {
  readonly addressee: Addressee;
  readonly outcome: Omit<Outcome, 'index'>;
}

/**
 * Renders a message for each addressee, and puts those together for whom it came out alike: a message is encoded once a group,
 * and most templates have few outcomes (a language each). A template that fails for a device costs that device's push only.
 */
export function groupByMessage(
  message: ProviderMessage,
  addressees: readonly Addressee[],
  rendering: Rendering | null,
): { groups: readonly RenderedGroup[]; unrendered: readonly Unrendered[] } {
  if (addressees.length === 0) return { groups: [], unrendered: [] };
  if (!rendering) return { groups: [{ message, addressees }], unrendered: [] };
  const render = compileMessage(message);
  const unrendered: Unrendered[] = [];
  const groups = new Map<string, { message: ProviderMessage; addressees: Addressee[] }>();
  for (const addressee of addressees) {
    const device = addressee.device ?? { id: '', user: '', locale: '', meta: {} };
    let rendered: ProviderMessage;
    try {
      rendered = render(variablesFor(device, rendering));
    } catch (error) {
      unrendered.push({
        addressee,
        outcome: { kind: 'failed', code: 'template_error', reason: (error as Error).message },
      });
      continue;
    }
    const key = JSON.stringify(rendered);
    const group = groups.get(key);
    if (group) group.addressees.push(addressee);
    else groups.set(key, { message: rendered, addressees: [addressee] });
  }
  return { groups: [...groups.values()], unrendered };
}
