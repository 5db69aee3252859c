/** A VAPID public key in base64url (padded or not) → its bytes. */
export function keyBytes(text: string): Uint8Array<ArrayBuffer> {
  const base64 = text.replaceAll('-', '+').replaceAll('_', '/').replace(/=+$/, '');
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}

/** The VAPID public key that a subscription was made with, base64url without padding; undefined where the browser does not tell. */
export function keyOf({ options }: { readonly options?: PushSubscriptionOptions }): string | undefined {
  const key = options?.applicationServerKey;
  if (!key) return undefined;
  return btoa(String.fromCharCode(...new Uint8Array(key)))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '');
}

/** Whether a subscription was made with this VAPID public key. */
export function hasKey(subscription: Pick<PushSubscription, 'options'>, vapidPublicKey: string): boolean {
  const stored = subscription.options?.applicationServerKey;
  if (!stored) return false;
  const bytes = new Uint8Array(stored);
  const wanted = keyBytes(vapidPublicKey);
  return bytes.length === wanted.length && bytes.every((byte, index) => byte === wanted[index]);
}
