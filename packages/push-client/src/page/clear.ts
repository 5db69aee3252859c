/**
 * Takes the notifications of a tag off the screen, once the person has seen what they are about, and marks the app's icon
 * with the number of those that are left.
 */
export async function clearNotifications(
  tag: string,
  serviceWorker: Pick<ServiceWorkerContainer, 'getRegistration'> | undefined = navigator.serviceWorker,
): Promise<void> {
  const registration = await serviceWorker?.getRegistration();
  if (!registration) return;
  const shown = await registration.getNotifications({ tag });
  if (shown.length === 0) return;
  for (const notification of shown) notification.close();
  const left = await registration.getNotifications();
  await navigator.setAppBadge?.(left.length).catch(() => {});
}
