-- Tells a server that may have lost something from the one that was known
-- before: one that was emptied, restarted (what it saved may be old), or that
-- took over from another (which may not have told it all).
--
-- KEYS[1]  the epoch: a word, when it began in milliseconds, and which run of
--          the server it belongs to
-- ARGV[1]  the word to begin one with
-- Returns  the epoch
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local info, run = redis.pcall('INFO', 'server'), '-'
if type(info) == 'string' then
  run = string.match(info, 'run_id:(%w+)') or run
end
local epoch = redis.call('GET', KEYS[1])
if string.match(epoch or '', '^%S+ %d+ (%S+)$') ~= run then
  epoch = string.format('%s %.0f %s', ARGV[1], now, run)
  redis.call('SET', KEYS[1], epoch)
end
redis.call('EXPIRE', KEYS[1], 40 * 86400)
return epoch
