-- Counts one request against several rates at once: the Generic Cell Rate Algorithm (ITU-T I.371, Annex A, the virtual
-- scheduling form). Of each rate a single number is kept: when, by the server's clock, all that came would have been paid off.
-- KEYS: one for each rate. ARGV: for each, the microseconds that one request costs, and those that may be owed at most.
-- Returns, for each rate, the microseconds still owed; and before these how many rates refuse. A request that one rate refuses
-- costs nothing at the others.
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local owed, refusals = {}, 0
for i, key in ipairs(KEYS) do
    owed[i] = math.max(0, tonumber(redis.call('GET', key) or 0) - now)
    if owed[i] + ARGV[2 * i - 1] > ARGV[2 * i] + 0 then
        refusals = refusals + 1
    end
end
if refusals == 0 then
    for i, key in ipairs(KEYS) do
        owed[i] = owed[i] + ARGV[2 * i - 1]
        redis.call('SET', key, string.format('%.0f', now + owed[i]), 'PX', math.ceil(owed[i] / 1000))
    end
end
return {refusals, unpack(owed)}
