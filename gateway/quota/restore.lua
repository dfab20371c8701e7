-- A gateway tells a server that has lost what it knew what it knows itself.
--
-- KEYS[1]  the counter
-- ARGV     1 when it may be forgotten, in seconds since 1970, then pairs of a
--          gateway and its field; of each number in it the larger one stays
for i = 2, #ARGV, 2 do
  local u, h, ceiling, till = string.match(ARGV[i + 1], '^(%d+) (%d+) (%d+) (%d+)$')
  local field = redis.call('HGET', KEYS[1], ARGV[i])
  if field then
    local u2, h2, ceiling2, till2 = string.match(field, '^(%d+) (%d+) (%d+) (%d+)$')
    u = math.max(tonumber(u), tonumber(u2))
    h = math.max(tonumber(h), tonumber(h2))
    ceiling = math.max(tonumber(ceiling), tonumber(ceiling2))
    till = math.max(tonumber(till), tonumber(till2))
  end
  redis.call('HSET', KEYS[1], ARGV[i], string.format('%.0f %.0f %.0f %.0f', u, h, ceiling, till))
end
local now, day = tonumber(redis.call('TIME')[1]), 86400
local forget = math.min(math.max(tonumber(ARGV[1]), now + 2 * day), now + 40 * day)
redis.call('EXPIREAT', KEYS[1], string.format('%.0f', forget))
return #ARGV
