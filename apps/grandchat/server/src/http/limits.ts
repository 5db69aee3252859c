import type { FastifyRequest } from 'fastify';

/** Per browser where there is a session: many people may share one address. */
export function sessionOrAddress(request: FastifyRequest): string {
  return request.cookies.sessionid ?? request.ip;
}
