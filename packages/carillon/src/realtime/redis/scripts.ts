/**
 * The steps of streams and presence in Redis, each one script and so atomic.
 *
 * Keys, those of one channel under one hash tag:
 * - `<prefix>.meta.{<channel>}`: hash of epoch, top, version, version_epoch
 * - `<prefix>.stream.{<channel>}`: stream of the recent publications; an entry's id is its offset
 * - `<prefix>.result.{<channel>}.<idempotency key>`: hash of offset and epoch of the first publication with that key
 * - `<prefix>.presence.{<channel>}`: hash of clients; `<prefix>.presence_due.{<channel>}`: sorted set of when they expire
 *
 * PUB/SUB channels: `<prefix>.channel.<channel>`, see `envelope.ts`; `<prefix>.control` and `<prefix>.node.<uid>`.
 */
import { script } from '../../storage/redis/script.ts';

const STREAM = `
local function open(meta, stream, epoch, ttl)
  local known = redis.call('HMGET', meta, 'epoch', 'top', 'version', 'version_epoch')
  if not known[1] then
    redis.call('DEL', stream)
    redis.call('HSET', meta, 'epoch', epoch, 'top', '0')
    known = {epoch, '0'}
  end
  redis.call('PEXPIRE', meta, ttl)
  return known
end
`;

const PRESENCE = `
local clients, due = KEYS[1], KEYS[2]
local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
local function expire()
  local time = string.format('%.0f', now())
  for _, client in ipairs(redis.call('ZRANGE', due, '-inf', time, 'BYSCORE')) do
    redis.call('HDEL', clients, client)
  end
  redis.call('ZREMRANGEBYSCORE', due, '-inf', time)
end
`;

export const STREAM_SCRIPTS = {
  /**
   * One message in many channels. Of each: meta, stream, and the result's key when there is an idempotency key;
   * publication, size, ttl, meta ttl, epoch of new streams, version, version epoch, idempotency ttl, PUB/SUB channels →
   * offset and epoch of each
   */
  publish: script(`${STREAM}
local publication, size, ttl, meta_ttl, new_epoch = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local version, version_epoch, result_ttl = tonumber(ARGV[6]), ARGV[7], ARGV[8]
local function publish(meta, stream, result, channel)
  if result then
    local earlier = redis.call('HMGET', result, 'offset', 'epoch')
    if earlier[1] then return earlier[1], earlier[2] end
  end
  local known = open(meta, stream, new_epoch, meta_ttl)
  local epoch, offset, stored = known[1], known[2], known[3]
  local outdated = version > 0 and stored and version <= tonumber(stored)
    and (version_epoch == '' or version_epoch == known[4])
  if not outdated then
    offset = string.format('%.0f', redis.call('HINCRBY', meta, 'top', 1))
    if version > 0 then redis.call('HSET', meta, 'version', ARGV[6], 'version_epoch', version_epoch)
    elseif stored then redis.call('HDEL', meta, 'version', 'version_epoch') end
    redis.call('XADD', stream, 'MAXLEN', size, offset .. '-0', 'p', publication)
  end
  redis.call('PEXPIRE', stream, ttl)
  if result then
    redis.call('HSET', result, 'offset', offset, 'epoch', epoch)
    redis.call('PEXPIRE', result, result_ttl)
  end
  if not outdated then redis.call('PUBLISH', channel, 'p' .. offset .. ':' .. epoch .. ':' .. publication) end
  return offset, epoch
end
local positions = {}
local keys = #KEYS / (#ARGV - 8)
for n = 1, #ARGV - 8 do
  local first = (n - 1) * keys + 1
  positions[2 * n - 1], positions[2 * n] = publish(KEYS[first], KEYS[first + 1], keys == 3 and KEYS[first + 2], ARGV[n + 8])
end
return positions`),

  /** the result's key; message, PUB/SUB channel, idempotency ttl → offset, epoch as above; 0 and empty without history */
  publishOnce: script(`
local earlier = redis.call('HMGET', KEYS[1], 'offset', 'epoch')
if earlier[1] then return earlier end
redis.call('HSET', KEYS[1], 'offset', '0', 'epoch', '')
redis.call('PEXPIRE', KEYS[1], ARGV[3])
redis.call('PUBLISH', ARGV[2], ARGV[1])
return {'0', ''}`),

  /**
   * meta, stream; meta ttl, epoch of a new stream, since: offset (or nothing) and epoch, limit, 1 for the newest first →
   * epoch, top, and unless `since` has another epoch a list of entries
   */
  history: script(`${STREAM}
local stream = KEYS[2]
local known = open(KEYS[1], stream, ARGV[2], ARGV[1])
local epoch, top = known[1], known[2]
local since, limit, reverse = ARGV[3], tonumber(ARGV[5]), ARGV[6] == '1'
if since ~= '' and ARGV[4] ~= '' and ARGV[4] ~= epoch then return {epoch, top} end
if limit == 0 or (reverse and since == '0') then return {epoch, top, {}} end
local from = since == '' and (reverse and '+' or '-') or '(' .. since .. '-0'
local read = {reverse and 'XREVRANGE' or 'XRANGE', stream, from, reverse and '-' or '+'}
if limit > 0 then read[5] = 'COUNT' read[6] = limit end
return {epoch, top, redis.call(unpack(read))}`),
} as const;

export const PRESENCE_SCRIPTS = {
  /** clients, due; client, entry, ttl */
  add: script(`${PRESENCE}
local client, entry, ttl = ARGV[1], ARGV[2], ARGV[3]
expire()
redis.call('HSET', clients, client, entry)
redis.call('ZADD', due, string.format('%.0f', now() + ttl), client)
redis.call('PEXPIRE', clients, ttl)
redis.call('PEXPIRE', due, ttl)
return 1`),

  /** clients, due; client */
  remove: script(`${PRESENCE}
redis.call('HDEL', clients, ARGV[1])
redis.call('ZREM', due, ARGV[1])
return 1`),

  /** clients, due → entries */
  of: script(`${PRESENCE}
expire()
return redis.call('HVALS', clients)`),

  /** clients, due → number of clients, of users */
  stats: script(`${PRESENCE}
expire()
local users, count, size = {}, 0, 0
for _, entry in ipairs(redis.call('HVALS', clients)) do
  local user = string.match(entry, '^[^\\n]*')
  size = size + 1
  if not users[user] then
    users[user] = true
    count = count + 1
  end
end
return {size, count}`),
} as const;
