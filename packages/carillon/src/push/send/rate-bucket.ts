/** The bucket that a device counts in. `{{.device.id}}` and `{device.id}` stand for its id, `device.user` for its user. */
export function bucketOf(key: string, device: { readonly id: string; readonly user: string }): string {
  if (key === '') return `device:${device.id}`;
  const name = key.replace(
    /\{\{\s*\.?device\.(id|user)\s*\}\}|\{\s*\.?device\.(id|user)\s*\}/g,
    (_whole, double?: 'id' | 'user', single?: 'id' | 'user') => device[(double ?? single) as 'id' | 'user'],
  );
  return `key:${name}`;
}
