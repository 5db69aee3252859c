import { fileURLToPath } from 'node:url';
import react from '@vitejs/plugin-react';
import { build, defineConfig, type Plugin } from 'vite';

/** A service worker is one classic script under a fixed name: browsers look there for updates. */
function serviceWorker(name: string): Plugin {
  return {
    name: `service-worker ${name}`,
    apply: 'build',
    async closeBundle() {
      await build({
        configFile: false,
        logLevel: 'warn',
        publicDir: false,
        build: {
          emptyOutDir: false,
          outDir: fileURLToPath(new URL('dist', import.meta.url)),
          rollupOptions: {
            input: fileURLToPath(new URL(`src/${name}.ts`, import.meta.url)),
            output: { format: 'iife', entryFileNames: `${name}.js` },
          },
        },
      });
    },
  };
}

const backend = 'http://localhost:9000';

export default defineConfig({
  plugins: [react(), serviceWorker('sw'), serviceWorker('firebase-messaging-sw')],
  build: { target: 'es2023', assetsInlineLimit: 0 },
  server: { proxy: { '/api': backend, '/connection': { target: backend, ws: true } } },
});
