type Headers = Readonly<Record<string, string>>;

/**
 * What single push services want otherwise than RFC 8030 says (`vendors` 4.4, 4.7, 4.8).
 *
 * - Apple refuses a topic whose length no base64url text can have. One more character gives the same topic for each
 *   message that asks for it, so replacing still works.
 * - Microsoft refuses TTL 0 unless told not to cache.
 */
export function adaptHeaders(origin: string, headers: Headers): Headers {
  if (origin.endsWith('.push.apple.com') && headers.topic && headers.topic.length % 4 === 1) {
    return { ...headers, topic: `${headers.topic}-` };
  }
  if (origin.endsWith('.notify.windows.com') && headers.ttl === '0') {
    return { ...headers, 'x-wns-cache-policy': 'no-cache' };
  }
  return headers;
}
