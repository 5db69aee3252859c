import { fileURLToPath } from 'node:url';
import react from '@vitejs/plugin-react';
import { build, defineConfig, type Plugin } from 'vite';

/** The service worker is one classic script under a fixed name: browsers look there for updates. */
function serviceWorker(): Plugin {
  return {
    name: 'service-worker',
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
            input: fileURLToPath(new URL('src/sw.ts', import.meta.url)),
            output: { format: 'iife', entryFileNames: 'sw.js' },
          },
        },
      });
    },
  };
}

const backend = 'http://localhost:9000';

export default defineConfig({
  plugins: [react(), serviceWorker()],
  build: { target: 'es2023', assetsInlineLimit: 0 },
  server: { proxy: { '/api': backend, '/connection': { target: backend, ws: true } } },
});
