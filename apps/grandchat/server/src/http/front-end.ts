import fastifyStatic from '@fastify/static';
import type { FastifyInstance } from 'fastify';

/**
 * Serves the built front end: hashed assets for ever, the service worker and pages always fresh, and every path that is
 * neither a file nor the API as the app's page, since the app routes by itself.
 */
export async function serveFrontEnd(app: FastifyInstance, webRoot: string | undefined): Promise<void> {
  if (webRoot) {
    await app.register(fastifyStatic, {
      root: webRoot,
      wildcard: true,
      cacheControl: false,
      dotfiles: 'ignore',
      setHeaders: (reply, path) => {
        const hashed = /\/assets\//.test(path);
        reply.header('Cache-Control', hashed ? 'public, max-age=31536000, immutable' : 'no-cache');
        if (path.endsWith('/sw.js')) reply.header('Service-Worker-Allowed', '/');
      },
    });
  }
  app.setNotFoundHandler(async (request, reply) => {
    const isPage =
      request.method === 'GET' &&
      !/^\/(api|assets|connection)\//.test(request.url) &&
      !/\.\w+$/.test(request.url);
    if (webRoot && isPage) return reply.header('Cache-Control', 'no-cache').sendFile('index.html');
    return reply.code(404).send({ detail: `nothing at ${request.url.slice(0, 200)}` });
  });
}
