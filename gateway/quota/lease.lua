-- One gateway tells what it has used of one counter, and asks how far it may go.
--
-- KEYS[1]  the counter: a hash with a field for each gateway, "used held ceiling
--          until", the last in milliseconds of this server's clock
-- KEYS[2]  the epoch, see epoch.lua
-- ARGV     1 gateway, 2 limit (0: none), 3 used, 4 held, 5 need (0: only to
--          tell), 6 want, 7 milliseconds that a lease lasts, 8 when the counter
--          may be forgotten, in seconds since 1970, 9 milliseconds in which
--          nothing new is leased after an epoch has begun
-- Returns  ceiling, what others have used, hold and lease, what they have used,
--          1 unless nothing new is leased yet, and all fields, for a server that
--          loses them
local gateway, limit = ARGV[1], tonumber(ARGV[2])
local used, held = tonumber(ARGV[3]), tonumber(ARGV[4])
local need, want, lasts = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local began = string.match(redis.call('GET', KEYS[2]) or '', '^%S+ (%d+)')
local settled = began and now - tonumber(began) >= tonumber(ARGV[9])

local others, othersUsed, mine, fields = 0, 0, 0, {}
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  local u, h, ceiling, till = string.match(all[i + 1], '^(%d+) (%d+) (%d+) (%d+)$')
  u, h, ceiling, till = tonumber(u), tonumber(h), tonumber(ceiling), tonumber(till)
  if all[i] == gateway then
    used = math.max(used, u) -- what was told is never taken back
    if now < till then
      mine = ceiling
    end
  else
    local takes = u
    if now < till + 9 * lasts then
      takes = u + h -- its requests in flight may still be under way
    end
    if now < till then
      takes = math.max(takes, ceiling)
    end
    others, othersUsed = others + takes, othersUsed + u
    fields[#fields + 1] = all[i]
    fields[#fields + 1] = all[i + 1]
  end
end

local ceiling, till = used + held, now
if limit > 0 and need > 0 then
  -- A lease in hand goes on, as far as it is wanted, even where others have
  -- taken more than there is. A new one waits until all have told what they
  -- have used, and is given only if it is of use: a part that is too small
  -- would be missing where it is not.
  local free = settled and limit - others or 0
  if free >= need then
    mine = math.max(free, mine)
  end
  ceiling = math.max(ceiling, math.min(want, mine))
  till = now + lasts
elseif held > 0 then
  till = now + lasts
end
local field = string.format('%.0f %.0f %.0f %.0f', used, held, ceiling, till)
redis.call('HSET', KEYS[1], gateway, field)

-- However wrong a gateway's clock is, the counter stays for two days, and is
-- forgotten some time.
local forget, day = tonumber(ARGV[8]), 86400
forget = math.min(math.max(forget, now / 1000 + 2 * day), now / 1000 + 40 * day)
redis.call('EXPIREAT', KEYS[1], string.format('%.0f', forget))

local answer = { string.format('%.0f', ceiling), string.format('%.0f', others), string.format('%.0f', othersUsed), settled and '1' or '0', gateway, field }
for i = 1, #fields do
  answer[#answer + 1] = fields[i]
end
return answer
