/**
 * The emulator's live page: what its `/control/events` tells, newest first. Everything that came from outside is hostile, so it enters
 * the page as text alone.
 */
const MAX_ROWS = 500;
const SERVICES = ['mozilla', 'chromium', 'fcm', 'apns', 'hms'];
const FAULT_SERVICES = [...SERVICES, 'firebase', 'oauth'];
const STATES = [
  'received',
  'refused',
  'unanswered',
  'accepted',
  'waiting',
  'sent',
  'acknowledged',
  'replaced',
  'expired',
  'deleted',
  'gone',
];
const GOOD = ['accepted', 'acknowledged'];
const BAD = ['refused', 'unanswered', 'expired', 'gone'];

/** By id, oldest first; as many as the page shows. */
const records = new Map();
const counts = new Map();
const rows = new Map();
let isDue = false;
let shown;

const at = (id) => document.getElementById(id);
const filter = at('filter');
const faultForm = at('fault-form');

function make(tag, className, text) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
}

function addOptions(select, names) {
  for (const name of names) select.append(make('option', '', name));
}

/** Bytes of a base64url text. */
function sizeOf({ body }) {
  return Math.floor((body.length * 3) / 4);
}

function shorten(text) {
  return text.length > 72 ? `${text.slice(0, 48)} … ${text.slice(-16)}` : text;
}

function classOf(record) {
  if (record.nackCode !== undefined || BAD.includes(record.state)) return 'bad';
  return GOOD.includes(record.state) ? 'good' : 'wait';
}

function stateOf({ state, nackCode, status }) {
  const word = nackCode === undefined ? state : `worker failed (${nackCode})`;
  return status === undefined ? word : `${word} ${status}`;
}

function factsOf(record) {
  const { ttl, urgency, topic } = record.headers ?? {};
  return [
    ttl !== undefined && `TTL ${ttl}`,
    urgency,
    topic && `topic ${topic}`,
    record.sentAt.length > 1 && `sent ${record.sentAt.length} times`,
    `${sizeOf(record)} bytes`,
  ]
    .filter(Boolean)
    .join(' · ');
}

function fits(record) {
  const { service, state, text } = Object.fromEntries(new FormData(filter));
  if (service && record.service !== service) return false;
  if (state && record.state !== state) return false;
  if (!text) return true;
  const words = `${record.target} ${record.reason ?? ''} ${JSON.stringify(record.payload ?? '')}`;
  return words.toLowerCase().includes(text.toLowerCase());
}

function makeRow(record) {
  const item = make('li');
  const button = make('button');
  button.type = 'button';
  button.append(
    make('span', 'time', new Date(record.receivedAt).toLocaleTimeString('en-GB')),
    make('span', 'service', record.service),
    make('span', `state ${classOf(record)}`, stateOf(record)),
    make('span', 'target', shorten(record.target) || 'no target'),
    make('span', 'facts', factsOf(record)),
  );
  if (record.reason) button.append(make('span', 'reason', record.reason));
  button.addEventListener('click', () => showDetail(record.id));
  item.append(button);
  return item;
}

function takeRecord(record) {
  if (!records.has(record.id)) counts.set(record.service, (counts.get(record.service) ?? 0) + 1);
  records.set(record.id, record);
  if (records.size > MAX_ROWS) {
    const [oldest] = records.keys();
    records.delete(oldest);
    rows.get(oldest)?.remove();
    rows.delete(oldest);
  }
  const old = rows.get(record.id);
  if (old) {
    const isFocused = old.contains(document.activeElement);
    const row = makeRow(record);
    old.replaceWith(row);
    rows.set(record.id, row);
    if (isFocused) row.firstElementChild.focus();
  } else {
    rows.set(record.id, makeRow(record));
    at('pushes').prepend(rows.get(record.id));
  }
  rows.get(record.id).hidden = !fits(record);
  if (shown === record.id) showDetail(record.id);
  draw();
}

function forget() {
  records.clear();
  counts.clear();
  rows.clear();
  at('pushes').replaceChildren();
  draw();
}

/** Numbers change at most once a frame, however many pushes come. */
function draw() {
  if (isDue) return;
  isDue = true;
  requestAnimationFrame(() => {
    isDue = false;
    at('counters').replaceChildren(
      ...SERVICES.map((service) => make('li', '', `${service} ${counts.get(service) ?? 0}`)),
    );
    const visible = [...rows.values()].filter((row) => !row.hidden).length;
    const total = [...counts.values()].reduce((sum, count) => sum + count, 0);
    at('summary').textContent =
      total === 0 ? 'No pushes yet. Send one to an address above.' : `${visible} of ${total} pushes shown`;
  });
}

function applyFilter() {
  for (const [id, row] of rows) row.hidden = !fits(records.get(id));
  draw();
}

function section(title, value) {
  const text = typeof value === 'string' ? value : JSON.stringify(value, undefined, 2);
  const block = make('pre', '', text);
  block.tabIndex = 0;
  block.setAttribute('role', 'region');
  block.setAttribute('aria-label', title);
  return [make('h3', '', title), block];
}

function payloadOf(record) {
  if (record.payload !== undefined) return record.payload;
  const size = sizeOf(record);
  if (size === 0) return 'none';
  return record.endpoint === undefined
    ? `${size} bytes that are no JSON`
    : `encrypted for the browser: ${size} bytes`;
}

function timesOf({ receivedAt, sentAt, acknowledgedAt, acknowledgeCode, nackCode }) {
  const clock = (time) => new Date(time).toISOString();
  return [
    `received      ${clock(receivedAt)}`,
    ...sentAt.map((time) => `sent          ${clock(time)}`),
    ...(acknowledgedAt ? [`acknowledged  ${clock(acknowledgedAt)} ${acknowledgeCode ?? ''}`] : []),
    ...(nackCode ? [`the service worker failed: ${nackCode}`] : []),
  ].join('\n');
}

function linkTo(record, text) {
  const button = make('button', '', `${text}: ${record.service}, ${stateOf(record)}`);
  button.type = 'button';
  button.addEventListener('click', () => showDetail(record.id));
  return button;
}

function showDetail(id) {
  const record = records.get(id);
  if (!record) return;
  shown = id;
  at('detail-title').textContent = `${record.service}: ${stateOf(record)}`;
  const cause = records.get(record.cause);
  const followers = [...records.values()].filter((other) => other.cause === id);
  at('detail-body').replaceChildren(
    ...(record.reason ? [make('p', 'bad', record.reason)] : []),
    ...(cause ? [linkTo(cause, 'Comes from')] : []),
    ...followers.map((other) => linkTo(other, 'Went on as')),
    ...section('Payload', payloadOf(record)),
    ...section('Target', record.target || 'none'),
    ...(record.headers ? section('Headers', record.headers) : []),
    ...(record.vapid ? section('VAPID', record.vapid) : []),
    ...section('Times', timesOf(record)),
  );
  if (!at('detail').open) at('detail').showModal();
}

async function control(method, path, body) {
  const response = await fetch(`/control/${path}`, {
    method,
    ...(body && { body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } }),
  });
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.error);
  return answer;
}

function addCopyable(list, name, text) {
  const value = make('dd');
  const button = make('button', '', 'Copy');
  button.type = 'button';
  button.setAttribute('aria-label', `Copy ${name}`);
  button.addEventListener('click', async () => {
    await navigator.clipboard.writeText(text);
    button.textContent = 'Copied';
  });
  const code = make('code', '', text);
  code.tabIndex = 0;
  value.append(code, button);
  list.append(make('dt', '', name), value);
}

async function showState() {
  const state = await control('GET', 'state');
  const addresses = at('addresses');
  const browsers = at('browsers');
  addresses.replaceChildren();
  browsers.replaceChildren();
  addCopyable(addresses, 'Web Push, FCM, HMS, OAuth', state.url);
  addCopyable(addresses, 'The same over TLS', state.httpsUrl);
  addCopyable(addresses, 'APNs', state.apnsUrl);
  addCopyable(addresses, 'Certificate authority to trust', state.ca);
  const preferences = Object.entries(state.firefoxPreferences).map(
    ([name, value]) => `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});`,
  );
  addCopyable(browsers, 'Firefox, user.js', preferences.join('\n'));
  addCopyable(
    browsers,
    'Chromium, with --user-data-dir',
    state.chromiumArguments.map((one) => `'${one}'`).join(' \\\n'),
  );
  showFaults(state.faults);
}

function showFaults(faults) {
  at('fault-count').textContent = faults.length === 0 ? '' : `(${faults.length})`;
  at('faults').replaceChildren(
    ...faults.map(({ kind, service, times, ...rest }) => {
      const facts = Object.entries(rest).map(([name, value]) => `${name} ${value}`);
      const left = times === null ? 'until cleared' : `${times} more`;
      return make('li', '', [kind, service ?? 'any service', ...facts, left].join(' · '));
    }),
  );
}

function faultFrom(form) {
  const given = Object.fromEntries(new FormData(form));
  const { kind, service, status, reason, retryAfter, ms, target, share, times, after } = given;
  return {
    kind,
    times: times === '' ? null : Number(times),
    ...(service && { service }),
    ...(kind === 'status' && status && { status: Number(status) }),
    ...(reason && { reason }),
    ...(retryAfter && { retryAfter }),
    ...(ms && { ms: Number(ms) }),
    ...(target && { target }),
    ...(share && { share: Number(share) / 100 }),
    ...(after && { after }),
  };
}

async function changeFaults(change) {
  at('fault-error').textContent = '';
  try {
    await change();
    showFaults(await control('GET', 'faults'));
  } catch (error) {
    at('fault-error').textContent = error.message;
  }
}

function listen() {
  const events = new EventSource('/control/events');
  events.addEventListener('open', () => {
    forget();
    at('connection').textContent = 'live';
    showState().catch(() => {});
  });
  events.addEventListener('error', () => {
    at('connection').textContent = 'not connected, trying again';
  });
  events.addEventListener('record', ({ data }) => takeRecord(JSON.parse(data)));
  events.addEventListener('forgotten', forget);
}

addOptions(filter.elements.service, SERVICES);
addOptions(filter.elements.state, STATES);
addOptions(faultForm.elements.service, FAULT_SERVICES);
filter.addEventListener('input', applyFilter);
filter.addEventListener('submit', (event) => event.preventDefault());
at('clear').addEventListener('click', () => control('DELETE', 'messages'));
at('clear-faults').addEventListener('click', () => changeFaults(() => control('DELETE', 'faults')));
at('fault-panel').addEventListener('toggle', () => changeFaults(() => {}));
at('close').addEventListener('click', () => at('detail').close());
at('detail').addEventListener('close', () => {
  const row = rows.get(shown);
  shown = undefined;
  row?.firstElementChild.focus();
});
faultForm.addEventListener('submit', (event) => {
  event.preventDefault();
  changeFaults(() => control('POST', 'faults', faultFrom(faultForm)));
});
draw();
listen();
