/** What a stranger writes with `carillon`; type-checked and run by packed.test.ts where the package is installed. */
import { type Carillon, ConfigError, resolveConfig, startCarillon } from 'carillon';

const { config } = resolveConfig({
  http_server: { port: 0 },
  database: { enabled: false },
  log: { level: 'none' },
});
const carillon: Carillon = await startCarillon({ config, dataDir: 'embedded-data' });
await carillon.dispatch('publish', { channel: 'news', data: { title: 'Hello' } });
await carillon.close();
try {
  resolveConfig({ http_server: { port: -1 } });
} catch (error) {
  if (error instanceof ConfigError) console.log(error.problems[0]);
}
