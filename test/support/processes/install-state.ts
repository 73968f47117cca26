/** One of several processes that install the state store at the same moment: `node --import tsx install-state.ts <url> <start at ms>`. */
import { ConnectionTarget } from '../../../src/model/connection-target.js';
import { openStateStore } from '../../../src/state/knex-state-store.js';

const [url = '', startAt = '0'] = process.argv.slice(2);
const { protocol, hostname, port, username, password, pathname } = new URL(url);
const store = openStateStore(
  new ConnectionTarget({
    engine: protocol === 'mysql:' ? 'mysql' : 'postgres',
    host: hostname,
    port: Number(port),
    user: username,
    database: pathname.slice(1),
    password: async () => decodeURIComponent(password),
    tls: false,
    parameters: {},
  }),
  { applicationName: 'install race' },
);
// Connected before the start, so that both meet at the first statement.
await store.isInstalled();
await new Promise((resolve) => setTimeout(resolve, Math.max(0, Number(startAt) - Date.now())));
await store.install();
await store.acceptPlan({ hash: '0badcafe', text: '{}' }, ['orders']);
await store.close();
