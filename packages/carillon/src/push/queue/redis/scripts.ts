/**
 * The steps of the queue in Redis, each one script and so atomic.
 *
 * Keys, all under one hash tag (`KEYS[1]`):
 * - `push:<uid>`: hash of record, cancelled, expired, accepted_at; kept for a while after its last job
 * - `jobs:<uid>`: set of the ids of its jobs
 * - `job:<id>`: hash of lane, uid, attempt, payload, settled, and, while it is in the stream, entry
 * - `ready:<lane>`: stream with one consumer group, whose entries name jobs; a lease is a pending entry that is not idle
 * - `delayed:<lane>`: sorted set of job ids by the time they are due
 * - `dead:<uid>`: list of the latest dead letters of a push; `lanes`: set; `last-job`: counter; `wake`: channel that tells lanes with new jobs
 */
import { script as redisScript } from '../../../storage/redis/script.ts';
import { DEAD_LETTER_RETENTION_DAYS, DEAD_LETTERS_READ, UID_RETENTION_HOURS } from '../queue.ts';

const LIBRARY = `
local root = KEYS[1]
local GROUP = 'workers'
local UID_RETENTION = ${UID_RETENTION_HOURS * 3_600_000}
local DEAD_RETENTION = ${DEAD_LETTER_RETENTION_DAYS * 86_400_000}
local DEAD_LETTERS_KEPT = 10000
local function key(name) return root .. ':' .. name end
local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
local function ready(lane) return key('ready:' .. lane) end
local function delayed(lane) return key('delayed:' .. lane) end
local function jobKey(id) return key('job:' .. id) end
local function wake(lane) redis.call('PUBLISH', key('wake'), lane) end
local function ensureGroup(lane)
  if redis.call('EXISTS', ready(lane)) == 0 then
    redis.call('XGROUP', 'CREATE', ready(lane), GROUP, '0', 'MKSTREAM')
  end
end
local function makeReady(lane, id)
  local entry = redis.call('XADD', ready(lane), '*', 'job', id)
  redis.call('HSET', jobKey(id), 'entry', entry)
end
local function addJobs(json)
  local time = now()
  local lanes = {}
  for _, job in ipairs(cjson.decode(json)) do
    local id = redis.call('INCR', key('last-job'))
    redis.call('HSET', jobKey(id), 'lane', job.lane, 'uid', job.uid, 'attempt', job.attempt, 'payload', job.payload)
    redis.call('SADD', key('jobs:' .. job.uid), id)
    if job.delay > 0 then redis.call('ZADD', delayed(job.lane), time + job.delay, id)
    else ensureGroup(job.lane) makeReady(job.lane, id) end
    lanes[job.lane] = true
  end
  for lane in pairs(lanes) do
    redis.call('SADD', key('lanes'), lane)
    wake(lane)
  end
end
local function bodyOf(id)
  local job = redis.call('HMGET', jobKey(id), 'lane', 'uid', 'attempt', 'payload', 'settled')
  if not job[1] then return nil end
  local cancelled = redis.call('HGET', key('push:' .. job[2]), 'cancelled')
  return {tostring(id), job[1], job[2], job[3], job[4], job[5] or '', cancelled or '0'}
end
local function isPending(lane, entry, consumer)
  if consumer then return #redis.call('XPENDING', ready(lane), GROUP, entry, entry, 1, consumer) > 0 end
  return #redis.call('XPENDING', ready(lane), GROUP, entry, entry, 1) > 0
end
local function leaseOf(id, consumer)
  local job = redis.call('HMGET', jobKey(id), 'lane', 'entry', 'uid')
  if not job[1] or not job[2] or not isPending(job[1], job[2], consumer) then return nil end
  return {lane = job[1], entry = job[2], uid = job[3]}
end
-- After Redis was away, workers have half a lease to renew theirs, which ran out meanwhile: those who are alive keep their
-- jobs, and with them what they have sent. Its uptime is in whole seconds.
local function mayTakeOver(lane, lease)
  if #redis.call('XPENDING', ready(lane), GROUP, 'IDLE', lease, '-', '+', 1) == 0 then return false end
  local uptime = tonumber(string.match(redis.call('INFO', 'server'), 'uptime_in_seconds:(%d+)'))
  return uptime == nil or uptime * 1000 >= lease / 2 + 1000
end
local function removeEntry(lane, entry)
  redis.call('XACK', ready(lane), GROUP, entry)
  redis.call('XDEL', ready(lane), entry)
end
local function forget(id, uid)
  redis.call('DEL', jobKey(id))
  redis.call('SREM', key('jobs:' .. uid), id)
end
local function keepWhileNeeded(uid)
  if redis.call('EXISTS', key('jobs:' .. uid)) == 1 then return end
  local accepted = redis.call('HGET', key('push:' .. uid), 'accepted_at')
  if accepted then redis.call('PEXPIREAT', key('push:' .. uid), math.max(accepted + UID_RETENTION, now() + 60000)) end
end
`;

const script = (body: string) => redisScript(LIBRARY + body);

export const SCRIPTS = {
  /** uid, record, jobs, most jobs a lane → 1, 0 when the uid is known, or the name of a full lane */
  accept: script(`
local push = key('push:' .. ARGV[1])
if redis.call('EXISTS', push) == 1 then return 0 end
local wanted = {}
for _, job in ipairs(cjson.decode(ARGV[3])) do wanted[job.lane] = (wanted[job.lane] or 0) + 1 end
for lane, count in pairs(wanted) do
  if redis.call('XLEN', ready(lane)) + redis.call('ZCARD', delayed(lane)) + count > tonumber(ARGV[4]) then return lane end
end
redis.call('HSET', push, 'record', ARGV[2], 'cancelled', '0', 'accepted_at', string.format('%.0f', now()))
addJobs(ARGV[3])
return 1`),

  /** uid → record, cancelled, expired */
  load: script(`return redis.call('HMGET', key('push:' .. ARGV[1]), 'record', 'cancelled', 'expired')`),

  /** uid → bodies of the jobs that nobody had */
  cancel: script(`
local uid = ARGV[1]
if redis.call('EXISTS', key('push:' .. uid)) == 1 then redis.call('HSET', key('push:' .. uid), 'cancelled', '1') end
local removed = {}
for _, id in ipairs(redis.call('SMEMBERS', key('jobs:' .. uid))) do
  local job = redis.call('HMGET', jobKey(id), 'lane', 'entry')
  local free = job[1] and (not job[2] or not isPending(job[1], job[2]))
  if free then
    removed[#removed + 1] = bodyOf(id)
    redis.call('ZREM', delayed(job[1]), id)
    if job[2] then redis.call('XDEL', ready(job[1]), job[2]) end
    forget(id, uid)
  end
end
keepWhileNeeded(uid)
return removed`),

  /** uid → number of its jobs */
  pending: script(`return redis.call('SCARD', key('jobs:' .. ARGV[1]))`),

  /** lane, limit, consumer, lease → bodies */
  take: script(`
local lane, limit, consumer, lease = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4]
ensureGroup(lane)
for _, id in ipairs(redis.call('ZRANGE', delayed(lane), '-inf', now(), 'BYSCORE', 'LIMIT', 0, limit)) do
  redis.call('ZREM', delayed(lane), id)
  makeReady(lane, id)
end
local bodies = {}
local function collect(entries)
  for _, entry in ipairs(entries) do
    local body = entry[2] and bodyOf(entry[2][2])
    if body then bodies[#bodies + 1] = body
    else removeEntry(lane, entry[1]) end
  end
end
local from = mayTakeOver(lane, lease) and '0-0'
for _ = 1, from and 20 or 0 do
  local claimed = redis.call('XAUTOCLAIM', ready(lane), GROUP, consumer, lease, from, 'COUNT', limit - #bodies)
  collect(claimed[2])
  from = claimed[1]
  if from == '0-0' or #bodies >= limit then break end
end
if #bodies < limit then
  local read = redis.call('XREADGROUP', 'GROUP', GROUP, consumer, 'COUNT', limit - #bodies, 'STREAMS', ready(lane), '>')
  if read then collect(read[1][2]) end
end
return bodies`),

  /** consumer, ids… */
  renew: script(`
for index = 2, #ARGV do
  local lease = leaseOf(ARGV[index], ARGV[1])
  if lease then redis.call('XCLAIM', ready(lease.lane), GROUP, ARGV[1], 0, lease.entry, 'JUSTID') end
end
return 1`),

  /** consumer, id, indexes joined by commas */
  markSettled: script(`
if not leaseOf(ARGV[2], ARGV[1]) then return 0 end
local settled = redis.call('HGET', jobKey(ARGV[2]), 'settled')
redis.call('HSET', jobKey(ARGV[2]), 'settled', settled and settled .. ',' .. ARGV[3] or ARGV[3])
return 1`),

  /** consumer, id, payload, jobs → 1, 2 when the push is cancelled, or 0 when the lease is lost */
  advance: script(`
local lease = leaseOf(ARGV[2], ARGV[1])
if not lease then return 0 end
redis.call('HSET', jobKey(ARGV[2]), 'payload', ARGV[3])
addJobs(ARGV[4])
return redis.call('HGET', key('push:' .. lease.uid), 'cancelled') == '1' and 2 or 1`),

  /** consumer, id, jobs, dead letters, expired → 1, or 0 when the lease is lost */
  finish: script(`
local id = ARGV[2]
local lease = leaseOf(id, ARGV[1])
if not lease then return 0 end
local attempt = redis.call('HGET', jobKey(id), 'attempt')
removeEntry(lease.lane, lease.entry)
forget(id, lease.uid)
addJobs(ARGV[3])
if ARGV[5] == '1' then redis.call('HSET', key('push:' .. lease.uid), 'expired', '1') end
local dead = key('dead:' .. lease.uid)
for _, letter in ipairs(cjson.decode(ARGV[4])) do
  letter.attempts = tonumber(attempt)
  redis.call('RPUSH', dead, cjson.encode(letter))
  redis.call('LTRIM', dead, -DEAD_LETTERS_KEPT, -1)
  redis.call('PEXPIRE', dead, DEAD_RETENTION)
end
keepWhileNeeded(lease.uid)
return 1`),

  /** consumer, ids… */
  giveBack: script(`
for index = 2, #ARGV do
  local lease = leaseOf(ARGV[index], ARGV[1])
  if lease then
    removeEntry(lease.lane, lease.entry)
    makeReady(lease.lane, ARGV[index])
    wake(lease.lane)
  end
end
return 1`),

  /** lane, lease → milliseconds as text, or nil */
  nextReadyIn: script(`
local lane, lease = ARGV[1], tonumber(ARGV[2])
local best = nil
local function consider(ms)
  ms = math.max(0, ms)
  if not best or ms < best then best = ms end
end
local head = redis.call('ZRANGE', delayed(lane), 0, 0, 'WITHSCORES')
if head[2] then consider(head[2] - now()) end
if redis.call('EXISTS', ready(lane)) == 1 then
  for _, group in ipairs(redis.call('XINFO', 'GROUPS', ready(lane))) do
    if #redis.call('XRANGE', ready(lane), '(' .. group[8], '+', 'COUNT', 1) > 0 then consider(0) end
  end
  for _, pending in ipairs(redis.call('XPENDING', ready(lane), GROUP, '-', '+', 1000)) do consider(lease - pending[3]) end
end
return best and string.format('%.0f', best)`),

  /** → for each lane its name, ready, leased of them, delayed, lag */
  depth: script(`
local lanes = {}
local time = now()
for _, lane in ipairs(redis.call('SMEMBERS', key('lanes'))) do
  local due = redis.call('ZCOUNT', delayed(lane), '-inf', time)
  local readyJobs = redis.call('XLEN', ready(lane)) + due
  local delayedJobs = redis.call('ZCARD', delayed(lane)) - due
  local leased = 0
  local oldest = time
  local head = due > 0 and redis.call('ZRANGE', delayed(lane), 0, 0, 'WITHSCORES')
  if head then oldest = math.min(oldest, head[2]) end
  if redis.call('EXISTS', ready(lane)) == 1 then
    for _, group in ipairs(redis.call('XINFO', 'GROUPS', ready(lane))) do
      leased = group[6]
      local waiting = redis.call('XRANGE', ready(lane), '(' .. group[8], '+', 'COUNT', 1)[1]
      if waiting then oldest = math.min(oldest, tonumber(string.match(waiting[1], '^%d+'))) end
    end
  end
  if readyJobs + delayedJobs > 0 then
    lanes[#lanes + 1] = {lane, readyJobs, leased, delayedJobs, string.format('%.0f', time - oldest)}
  end
end
return lanes`),

  /** uid → dead letters as JSON */
  deadLetters: script(`return redis.call('LRANGE', key('dead:' .. ARGV[1]), -${DEAD_LETTERS_READ}, -1)`),

  /** Forgets consumers that have been gone for a day; the rest goes by its own time to live. */
  purge: script(`
for _, lane in ipairs(redis.call('SMEMBERS', key('lanes'))) do
  if redis.call('EXISTS', ready(lane)) == 1 then
    for _, consumer in ipairs(redis.call('XINFO', 'CONSUMERS', ready(lane), GROUP)) do
      if consumer[4] == 0 and consumer[6] > 86400000 then
        redis.call('XGROUP', 'DELCONSUMER', ready(lane), GROUP, consumer[2])
      end
    end
  end
end
return 1`),
} as const;
